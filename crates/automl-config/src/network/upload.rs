//! Sections `cloud_upload` and `upload_strategy`: what of an action's results is uploaded, and when.
//!
//! The strategy stands in `cloud_upload.upload_strategy` in most real configs and in a section of its
//! own in others; the former wins. Patterns of files to leave out are regular expressions, those of
//! selective archives are globs whose `*` crosses folders.

use super::metrics::read_pattern;
use crate::fields::{Fields, join, string, wrong_type};
use crate::glob::{self, Star};
use crate::nearest::did_you_mean;
use crate::node::{Data, Node};
use crate::problem::{Code, Report};
use crate::recipe::{Selection, UploadRules, UploadStrategy};

const NAMES: [(&str, UploadStrategy); 2] =
    [("continuous", UploadStrategy::Continuous), ("tarball_after_completion", UploadStrategy::Archive)];

/// Upload rules by action.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Uploads(Vec<(String, UploadRules)>);

impl Uploads {
    pub(super) fn read(cloud: Option<&Node>, plain: Option<&Node>, report: &mut Report) -> Self {
        let mut uploads = Uploads::default();
        if let Some(node) = plain {
            uploads.read_strategies(node, "upload_strategy", report);
        }
        if let Some(mut fields) = cloud.and_then(|node| Fields::open(node, "cloud_upload", report)) {
            let path = fields.path_of("upload_strategy");
            if let Some(node) = fields.node("upload_strategy") {
                uploads.read_strategies(node, &path, report);
            }
            let path = fields.path_of("exclude_patterns");
            if let Some(node) = fields.node("exclude_patterns") {
                uploads.read_exclusions(node, &path, report);
            }
            // Nothing is ever deleted after an upload, so there is nothing to retain.
            fields.node("retain_patterns");
            fields.close_leniently(report);
        }
        uploads
    }

    /// Returns the rules of an action; everything is uploaded as it is written where it has none.
    pub(crate) fn of(&self, action: &str) -> UploadRules {
        let own = self.0.iter().find(|(name, _)| name == action);
        let makes_archives =
            |rules: &UploadRules| rules.selection.is_some() || rules.strategy == UploadStrategy::Archive;
        let mut rules = own.map(|(_, rules)| rules.clone()).unwrap_or_default();
        if makes_archives(&rules) {
            rules.archive_stem = action.into();
        }
        rules
    }

    fn entry(&mut self, action: &str) -> &mut UploadRules {
        if !self.0.iter().any(|(name, _)| name == action) {
            self.0.push((action.into(), UploadRules::default()));
        }
        let found = self.0.iter_mut().find(|(name, _)| name == action);
        found.map(|(_, rules)| rules).expect("it was added just above")
    }

    fn read_strategies(&mut self, node: &Node, path: &str, report: &mut Report) {
        let Some(entries) = node.entries() else {
            let _: Option<()> = wrong_type(node, path, "an object", report);
            return;
        };
        for entry in entries {
            let path = join(path, &entry.key);
            if let Some((strategy, selection)) = read_strategy(&entry.value, &path, report) {
                let rules = self.entry(&entry.key);
                rules.strategy = strategy;
                rules.selection = selection;
            }
        }
    }

    fn read_exclusions(&mut self, node: &Node, path: &str, report: &mut Report) {
        for entry in node.entries().unwrap_or_default() {
            let path = join(path, &entry.key);
            let items = entry.value.items().unwrap_or_default().iter().enumerate();
            let patterns: Vec<_> =
                items.filter_map(|(i, item)| read_pattern(item, &format!("{path}[{i}]"), report)).collect();
            self.entry(&entry.key).exclude = patterns;
        }
    }
}

fn read_strategy(
    node: &Node,
    path: &str,
    report: &mut Report,
) -> Option<(UploadStrategy, Option<Selection>)> {
    if let Data::Str(_) = &node.data {
        return Some((strategy_of(node, path, report)?, None));
    }
    let mut fields = Fields::open(node, path, report)?;
    let default_path = fields.path_of("default");
    let default = fields.node("default").and_then(|node| strategy_of(node, &default_path, report));
    let selection_path = fields.path_of("selective_tarball");
    let selection = fields.node("selective_tarball");
    let selection = selection.and_then(|node| read_selection(node, &selection_path, report));
    fields.close_leniently(report);
    Some((default.unwrap_or_default(), selection))
}

fn strategy_of(node: &Node, path: &str, report: &mut Report) -> Option<UploadStrategy> {
    let name = string(node, path, report)?;
    let known = NAMES.iter().find(|(known, _)| *known == name).map(|(_, strategy)| *strategy);
    if known.is_none() {
        let hint = did_you_mean(&name, NAMES.iter().map(|(known, _)| *known));
        report
            .error(node.at, path, Code::UnknownName, format!("unknown upload strategy `{name}`"))
            .hint(hint);
    }
    known
}

fn read_selection(node: &Node, path: &str, report: &mut Report) -> Option<Selection> {
    let mut fields = Fields::open(node, path, report)?;
    let base_path = fields.string("base_path", report).unwrap_or_default();
    let place = fields.path_of("patterns");
    let items = fields.required("patterns", report).and_then(Node::items).unwrap_or_default();
    let mut patterns = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let place = format!("{place}[{i}]");
        let Some(text) = string(item, &place, report) else { continue };
        match glob::compile(&text, Star::Anything) {
            Ok(pattern) => patterns.push(pattern),
            Err(why) => {
                report.error(item.at, &place, Code::BadValue, why);
            }
        }
    }
    fields.close_leniently(report);
    Some(Selection { patterns, base_path: base_path.trim_matches('/').into() })
}
