//! Section `additional_download`: which files an action needs beside the spec's.
//!
//! Files that are on this machine already are left where they are.

use super::dataset::{Dataset, Root};
use super::place::{CONVERT_JOB, RESULTS};
use super::{Filling, Target, is_there};
use crate::network::{ExtraFile, SourceName};
use crate::problem::{Code, Problem};
use crate::recipe::Download;
use crate::spec::logins;

/// Stands for the place of the dataset.
const DATASET: &str = "{dataset_path}";

impl Filling<'_> {
    /// Collects what is to be fetched, each file once and in file order.
    pub(super) fn downloads(&mut self) {
        for file in self.context.config.extra_files(self.context.action) {
            match file.source {
                None => self.fetch(file.path.clone()),
                Some(source) => {
                    for dataset in self.datasets_of(source) {
                        self.for_dataset(file, source, &dataset);
                    }
                }
            }
        }
    }

    fn for_dataset(&mut self, file: &ExtraFile, source: SourceName, dataset: &Dataset) {
        let holds = |c: &crate::network::Condition| c.holds(dataset.metadata(&c.key).as_ref());
        if !file.condition.as_ref().is_none_or(holds) {
            return;
        }
        let target = Target { key: "additional_download", source };
        let by_spec = file.convert.as_ref().and_then(|rule| self.convert_path(target, rule, dataset));
        let template = by_spec.as_ref().unwrap_or(&file.path);
        if template.is_empty() {
            return;
        }
        let root = match &dataset.root {
            Root::Folder(path) => path.to_string_lossy().into_owned(),
            Root::Uri(uri) => uri.clone(),
        };
        let Some(job) = &dataset.facts.convert else {
            if !template.contains(CONVERT_JOB) {
                return self.fetch(located(&template.replace(DATASET, &root), &root));
            }
            let message = format!("{} has no conversion job, needed for `{template}`", dataset.given);
            let hint = "name it in its dataset.yaml: `convert: {id: ID, results: DIR}`";
            let problem = Problem::plain(source.flag(), "additional_download", Code::Dataset, message);
            return self.problem(problem.with_hint(hint));
        };
        let path = template.replace(CONVERT_JOB, &job.id).replace(DATASET, &root);
        let own = path.trim_start_matches('/').strip_prefix(RESULTS).and_then(|p| p.strip_prefix(&*job.id));
        match own {
            Some(within) => {
                let results = job.results.join(within.trim_start_matches('/'));
                self.fetch(results.to_string_lossy().into_owned());
            }
            None => self.fetch(located(&path, &root)),
        }
    }

    fn fetch(&mut self, from: String) {
        let known = self.downloads.iter().any(|download| download.from == from);
        if known || (!from.contains("://") && is_there(&from)) {
            return;
        }
        if !from.contains("://") {
            let message = format!("{from} is not there");
            self.problem(Problem::plain("additional_download", "", Code::Dataset, message));
            return;
        }
        // What signs a URL stands in its query.
        let path =
            if !logins(&from).is_empty() { from.split('?').next().unwrap_or_default() } else { &*from };
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let taken = |name: &str| self.downloads.iter().any(|download| download.name == name);
        let mut names = std::iter::once(name.to_string()).chain((2..).map(|n| format!("{n}-{name}")));
        let name = names.find(|name| !taken(name)).expect("there are more numbers than files");
        self.downloads.push(Download { from, name });
    }
}

/// A path without a root of its own is the dataset's.
fn located(path: &str, root: &str) -> String {
    super::place::joined_uri(root, path)
}
