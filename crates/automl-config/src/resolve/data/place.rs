//! Paths within a dataset: joined, looked up, and changed by transforms.
//!
//! An archive gives way to its unpacked folder: the one beside it, else the one that the caller has
//! unpacked it to, since programs read folders.

use super::dataset::{Dataset, Root, without_archive_ending};
use super::{Filling, Target};
use crate::files;
use crate::network::Transform;
use crate::problem::{Code, Problem};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Stands for the number of the dataset's conversion job.
pub(super) const CONVERT_JOB: &str = "{dataset_convert_job_id}";
/// Where services keep what jobs write.
pub(super) const RESULTS: &str = "results/";
/// Folder of images in what a job wrote.
const JOB_IMAGES: &str = "images";
/// Length of a job's number in the names of result folders.
const JOB_ID_LENGTH: usize = 36;

/// A path to find, and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// Relative to the dataset; empty for the dataset itself.
    pub(super) path: &'a str,
    pub(super) transforms: &'a [Transform],
    pub(super) optional: bool,
}

impl Filling<'_> {
    /// Returns the value for a path of a dataset, transforms applied; `None` where it is not there, which
    /// is reported unless it is optional.
    pub(super) fn path_value(
        &mut self,
        target: Target<'_>,
        dataset: &Dataset,
        wanted: Wanted<'_>,
    ) -> Option<Value> {
        let uses_conversion = wanted.transforms.contains(&Transform::ConvertJob);
        let found =
            if uses_conversion && (dataset.facts.convert.is_some() || wanted.path.contains(CONVERT_JOB)) {
                self.converted(target, dataset, wanted)?
            } else {
                self.located(target, dataset, wanted)?
            };
        Some(transformed(found.into(), dataset, wanted.transforms))
    }

    /// Returns the path of something that the dataset's conversion job wrote.
    fn converted(&mut self, target: Target<'_>, dataset: &Dataset, wanted: Wanted<'_>) -> Option<String> {
        let Some(job) = &dataset.facts.convert else {
            if !wanted.optional {
                let message = format!("{} has no conversion job, needed for `{}`", dataset.given, target.key);
                let hint = "name it in its dataset.yaml: `convert: {id: ID, results: DIR}`";
                self.problem(
                    Problem::plain(target.source.flag(), "", Code::Dataset, message).with_hint(hint),
                );
            }
            return None;
        };
        let path = wanted.path.replace(CONVERT_JOB, &job.id);
        let path = path.trim_start_matches('/');
        let own = path.strip_prefix(RESULTS).and_then(|rest| rest.strip_prefix(job.id.as_str()));
        let within = own.unwrap_or(path).trim_start_matches('/');
        self.existing(target, &dataset.given, &job.results, within, wanted.optional)
    }

    /// Returns the path of a dataset's file or folder.
    fn located(&mut self, target: Target<'_>, dataset: &Dataset, wanted: Wanted<'_>) -> Option<String> {
        match &dataset.root {
            Root::Uri(uri) => Some(joined_uri(uri, wanted.path)),
            Root::Folder(folder) => {
                // What a broken dataset lacks has been told already.
                let optional = wanted.optional || dataset.broken;
                self.existing(target, &dataset.given, folder, wanted.path, optional)
            }
        }
    }

    /// Returns an absolute path that is there, or reports that it is not.
    fn existing(
        &mut self,
        target: Target<'_>,
        given: &str,
        folder: &Path,
        path: &str,
        optional: bool,
    ) -> Option<String> {
        let whole = if path.is_empty() { folder.to_path_buf() } else { folder.join(path) };
        let beside = without_archive_ending(path).map(|name| folder.join(name)).filter(|p| files::is_dir(p));
        let found = match beside {
            Some(unpacked) => unpacked,
            None if files::exists(&whole) => self.unpacked(target, whole),
            None => {
                if !optional {
                    let message =
                        format!("{given} has no {}, needed for `{}`", expectation(path), target.key);
                    self.problem(Problem::plain(target.source.flag(), "", Code::Dataset, message));
                }
                return None;
            }
        };
        if found.to_str().is_none() {
            let message = format!("path {} is not valid UTF-8", found.display());
            let problem = Problem::plain(target.source.flag(), "", Code::Dataset, message);
            self.problem(problem.with_hint("rename it"));
        }
        found.to_str().map(String::from)
    }

    fn unpacked(&mut self, target: Target<'_>, path: PathBuf) -> PathBuf {
        if without_archive_ending(&path.to_string_lossy()).is_none() || files::is_dir(&path) {
            return path;
        }
        match self.context.datasets.unpacked.get(&path) {
            Some(folder) => folder.clone(),
            None => {
                self.note(format!(
                    "{}: {} is an archive; unpack it beside itself",
                    target.key,
                    path.display()
                ));
                self.archives.push(path.clone());
                path
            }
        }
    }
}

/// Applies the transforms from left to right.
fn transformed(value: Value, dataset: &Dataset, transforms: &[Transform]) -> Value {
    transforms.iter().fold(value, |value, transform| match transform {
        Transform::WrapInList => Value::Array(vec![value]),
        Transform::TarPath => job_images(dataset).unwrap_or(value),
        Transform::ConvertJob | Transform::DataServices => value,
    })
}

/// A dataset that another job wrote has its images in a folder of a fixed name.
fn job_images(dataset: &Dataset) -> Option<Value> {
    let root = match &dataset.root {
        Root::Folder(path) => path.to_str()?,
        Root::Uri(uri) => uri.as_str(),
    };
    let is_id = |rest: &str| {
        let id = rest.get(..JOB_ID_LENGTH);
        id.is_some_and(|id| id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-')))
    };
    let by_job = root.split(&format!("/{RESULTS}")).skip(1).any(is_id);
    by_job.then(|| format!("{root}/{JOB_IMAGES}").into())
}

/// Joins as file paths are joined: an absolute path stands for itself.
pub(super) fn joined_uri(uri: &str, path: &str) -> String {
    match path {
        "" => uri.into(),
        path if path.starts_with('/') || path.contains("://") => path.into(),
        path => format!("{uri}/{path}"),
    }
}

/// Returns what a dataset must hold, in words.
pub(super) fn expectation(path: &str) -> String {
    match without_archive_ending(path) {
        Some(name) => format!("folder `{name}` (or archive `{path}`)"),
        None if Path::new(path).extension().is_some() => format!("file `{path}`"),
        None => format!("`{path}`"),
    }
}
