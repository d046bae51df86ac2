//! Section `data_sources`: which files of a dataset fill which spec keys.
//!
//! Read here: `path`, `mapping`, `value`, `multiple_sources`, `optional` and `transform`. Rules that
//! depend on a dataset's metadata or on conversion jobs are recognised and reported as not acted upon.

use crate::fields::{Fields, join, string, strings};
use crate::nearest::did_you_mean;
use crate::node::{Data, Node};
use crate::problem::{Code, Report};

/// One spec key and where its value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DataSource {
    /// Dotted path of the spec key.
    pub(crate) key: String,
    pub(crate) source: SourceName,
    /// One value for each dataset, as a list.
    pub(crate) multiple: bool,
    pub(crate) rule: PathRule,
    /// `[path]` in place of `path`.
    pub(crate) wrap_in_list: bool,
    /// Leave the key alone where the dataset or the file is not there.
    pub(crate) optional: bool,
}

/// A group of datasets that the user gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SourceName {
    Train,
    Eval,
    Inference,
    Calibration,
}

/// What is taken from a dataset.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PathRule {
    /// A file or folder, relative to the dataset; empty for the dataset itself.
    Path(String),
    /// An object of files and folders.
    Mapping(Vec<(String, String)>),
    /// A fixed text or truth value.
    Value(serde_json::Value),
    /// A rule that this version does not act upon, by its key.
    Unsupported(String),
}

impl SourceName {
    const ALL: [(&'static str, SourceName); 4] = [
        ("train_datasets", SourceName::Train),
        ("eval_dataset", SourceName::Eval),
        ("inference_dataset", SourceName::Inference),
        ("calibration_dataset", SourceName::Calibration),
    ];

    /// Returns the flag that supplies these datasets.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            SourceName::Train => "--train-dataset",
            SourceName::Eval => "--eval-dataset",
            SourceName::Inference => "--inference-dataset",
            SourceName::Calibration => "--calibration-dataset",
        }
    }
}

/// Rules of the format that need a dataset's metadata or other jobs.
const UNSUPPORTED_RULES: [&str; 8] = [
    "value_from_metadata",
    "path_from_convert_job_spec",
    "path_from_type",
    "path_from_format",
    "path_from_intent",
    "path_from_source",
    "path_from_model_type",
    "check_key_exists",
];

/// Sources that exist in the format but are no datasets of the user.
const OTHER_SOURCES: [&str; 2] = ["id", "parent_job_specs"];

/// The transforms that are acted upon. The last two change nothing for local folders: an archive gives
/// way to its unpacked folder in any case.
const TRANSFORMS: [&str; 3] = ["wrap_in_list", "handle_tar_path", "data_services_as_parent_possible"];

pub(super) fn read(section: Option<&Node>, report: &mut Report) -> Vec<(String, Vec<DataSource>)> {
    let Some(section) = section else { return Vec::new() };
    let Some(actions) = section.entries() else {
        return crate::fields::wrong_type(section, "data_sources", "an object", report).unwrap_or_default();
    };
    let read_action = |action: &crate::node::Entry| {
        let path = join("data_sources", &action.key);
        let entries = action.value.entries().unwrap_or_default();
        let sources =
            entries.iter().filter_map(|e| DataSource::read(&e.key, &e.value, &join(&path, &e.key), report));
        (action.key.clone(), sources.collect())
    };
    actions.iter().map(read_action).collect()
}

impl DataSource {
    fn read(key: &str, node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, path, report)?;
        let source = read_source(&mut fields, report);
        let data_source = DataSource {
            key: key.into(),
            multiple: fields.bool("multiple_sources", report).unwrap_or(false),
            rule: read_rule(&mut fields, report),
            wrap_in_list: wraps_in_list(&mut fields, report),
            optional: fields.bool("optional", report).unwrap_or(false),
            source: source.unwrap_or(SourceName::Train),
        };
        if let Some(node) = fields.node("conditional") {
            let path = fields.path_of("conditional");
            report.warning(
                node.at,
                &path,
                Code::Unsupported,
                "conditions on datasets are not acted upon yet",
            );
        }
        fields.close_leniently(report);
        source.map(|_| data_source)
    }
}

fn read_source(fields: &mut Fields<'_>, report: &mut Report) -> Option<SourceName> {
    let node = fields.required("source", report)?;
    let path = fields.path_of("source");
    let name = string(node, &path, report)?;
    if let Some((_, source)) = SourceName::ALL.iter().find(|(known, _)| *known == name) {
        return Some(*source);
    }
    if OTHER_SOURCES.contains(&name.as_str()) {
        report.warning(node.at, &path, Code::Unsupported, format!("source `{name}` is not acted upon yet"));
    } else {
        let hint = did_you_mean(&name, SourceName::ALL.iter().map(|(known, _)| *known));
        report.error(node.at, &path, Code::UnknownName, format!("unknown source `{name}`")).hint(hint);
    }
    None
}

/// A fixed value wins over a mapping, a mapping over a path; an absent path is the dataset itself.
fn read_rule(fields: &mut Fields<'_>, report: &mut Report) -> PathRule {
    let unsupported: Vec<&str> =
        UNSUPPORTED_RULES.into_iter().filter(|rule| fields.node(rule).is_some()).collect();
    let value = fields.node("value").and_then(Node::to_json);
    let mapping_path = fields.path_of("mapping");
    let mapping = fields.node("mapping").map(|node| read_mapping(node, &mapping_path, report));
    let path = fields.string("path", report);
    match (unsupported.first(), value, mapping) {
        (Some(rule), ..) => {
            let at = fields.at();
            let message = format!("rule `{rule}` is not acted upon yet");
            report.warning(at, &fields.path_of(rule), Code::Unsupported, message);
            PathRule::Unsupported((*rule).into())
        }
        (None, Some(value), _) => PathRule::Value(value),
        (None, None, Some(mapping)) => PathRule::Mapping(mapping),
        (None, None, None) => PathRule::Path(path.unwrap_or_default()),
    }
}

/// Each entry is an object with a `path`; other shapes need metadata and are reported.
fn read_mapping(node: &Node, path: &str, report: &mut Report) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for entry in node.entries().unwrap_or_default() {
        let path = join(path, &entry.key);
        match entry.value.get("path").and_then(Node::as_str) {
            Some(file) => pairs.push((entry.key.clone(), file.into())),
            None => {
                let message = "a mapping without `path` is not acted upon yet";
                report.warning(entry.value.at, &path, Code::Unsupported, message);
            }
        }
    }
    pairs
}

/// Reads `transform`: one name or several.
fn wraps_in_list(fields: &mut Fields<'_>, report: &mut Report) -> bool {
    let path = fields.path_of("transform");
    let Some(node) = fields.node("transform") else { return false };
    let names = match &node.data {
        Data::Str(name) => vec![name.clone()],
        _ => strings(node, &path, report),
    };
    for name in names.iter().filter(|name| !TRANSFORMS.contains(&name.as_str())) {
        let message = format!("transform `{name}` is not acted upon yet");
        report.warning(node.at, &path, Code::Unsupported, message);
    }
    names.iter().any(|name| name == "wrap_in_list")
}
