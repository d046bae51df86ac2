//! Pieces that entries of `data_sources` and `additional_download` share: which datasets they are about,
//! under which condition they hold, and paths that depend on something else.

use crate::fields::{Fields, join, string, strings, wrong_type};
use crate::nearest::did_you_mean;
use crate::node::Node;
use crate::problem::{Code, Report};
use crate::spec::SpecPath;
use serde_json::Value;

/// The case of a mapping that holds where no other does.
pub(crate) const ANY_CASE: &str = "*";

/// A group of datasets that the user gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SourceName {
    Train,
    Eval,
    Inference,
    Calibration,
    /// The dataset that the action itself works on.
    Own,
}

impl SourceName {
    /// Every source with its name in configs.
    pub(crate) const ALL: [(&'static str, SourceName); 5] = [
        ("train_datasets", SourceName::Train),
        ("eval_dataset", SourceName::Eval),
        ("inference_dataset", SourceName::Inference),
        ("calibration_dataset", SourceName::Calibration),
        ("id", SourceName::Own),
    ];

    /// Returns the name in configs.
    pub(crate) fn name(self) -> &'static str {
        SourceName::ALL.iter().find(|(_, source)| *source == self).map_or("", |(name, _)| name)
    }

    /// Returns the flag that supplies these datasets.
    pub(crate) fn flag(self) -> &'static str {
        match self {
            SourceName::Train => "--train-dataset",
            SourceName::Eval => "--eval-dataset",
            SourceName::Inference => "--inference-dataset",
            SourceName::Calibration => "--calibration-dataset",
            SourceName::Own => "--dataset",
        }
    }

    /// Returns what such a dataset is used for, unless it says so itself.
    pub(crate) fn intent(self) -> Option<&'static str> {
        match self {
            SourceName::Train => Some("training"),
            SourceName::Eval => Some("evaluation"),
            SourceName::Inference => Some("testing"),
            SourceName::Calibration => Some("calibration"),
            SourceName::Own => None,
        }
    }
}

/// Reads the key `source`; `other` is a name that the caller takes care of.
pub(super) fn read_source(
    fields: &mut Fields<'_>,
    other: Option<&str>,
    report: &mut Report,
) -> Option<SourceName> {
    let node = fields.required("source", report)?;
    let path = fields.path_of("source");
    let name = string(node, &path, report)?;
    let known = SourceName::ALL.iter().find(|(known, _)| *known == name);
    if known.is_none() && other != Some(name.as_str()) {
        let hint = did_you_mean(&name, SourceName::ALL.iter().map(|(known, _)| *known));
        report.error(node.at, &path, Code::UnknownName, format!("unknown source `{name}`")).hint(hint);
    }
    known.map(|(_, source)| *source)
}

/// A condition on a dataset's metadata.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) key: String,
    pub(crate) value: Value,
    /// The value must be another one.
    pub(crate) negated: bool,
}

impl Condition {
    /// Tells whether a dataset's value satisfies the condition.
    pub(crate) fn holds(&self, found: Option<&Value>) -> bool {
        let equal = found.is_some_and(|found| *found == self.value || case_of(found) == case_of(&self.value));
        equal != self.negated
    }
}

pub(super) fn read_condition(fields: &mut Fields<'_>, report: &mut Report) -> Option<Condition> {
    let path = fields.path_of("conditional");
    let mut inner = Fields::open(fields.node("conditional")?, &path, report)?;
    let key = inner.required_string("metadata_key", report);
    let (equals, not_equals) = (inner.node("equals"), inner.node("not_equals"));
    let at = inner.at();
    inner.close_leniently(report);
    let condition = match (equals, not_equals) {
        (Some(node), None) => (node, false),
        (None, Some(node)) => (node, true),
        _ => {
            report.error(at, &path, Code::MissingKey, "a condition needs either `equals` or `not_equals`");
            return None;
        }
    };
    Some(Condition { key: key?, value: condition.0.to_json()?, negated: condition.1 })
}

/// Returns a value as the name of a case: texts as they are, other values as JSON writes them.
pub(crate) fn case_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

/// Returns the case of that name, else the one for everything.
pub(crate) fn pick<'c, T>(cases: &'c [(String, T)], name: Option<&str>) -> Option<&'c T> {
    let named = |wanted: &str| cases.iter().find(|(case, _)| case == wanted).map(|(_, value)| value);
    name.and_then(named).or_else(|| named(ANY_CASE))
}

/// A path that depends on the spec of the dataset's conversion job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ConvertPath {
    pub(crate) spec_path: SpecPath,
    /// Path by the value at `spec_path`.
    pub(crate) cases: Vec<(String, String)>,
}

pub(super) fn read_convert_path(fields: &mut Fields<'_>, report: &mut Report) -> Option<ConvertPath> {
    let path = fields.path_of("path_from_convert_job_spec");
    let mut inner = Fields::open(fields.node("path_from_convert_job_spec")?, &path, report)?;
    let spec_path = inner.required("spec_path", report);
    let place = inner.path_of("spec_path");
    let spec_path = spec_path.and_then(|node| {
        let text = string(node, &place, report)?;
        match text.parse::<SpecPath>() {
            Ok(path) => Some(path),
            Err(why) => {
                report.error(node.at, &place, Code::BadValue, why);
                None
            }
        }
    });
    let place = inner.path_of("mapping");
    let cases = inner.required("mapping", report).map(|node| read_cases(node, &place, report, string));
    inner.close_leniently(report);
    Some(ConvertPath { spec_path: spec_path?, cases: cases? })
}

/// Reads an object of cases, each value by the given reader.
pub(super) fn read_cases<T>(
    node: &Node,
    path: &str,
    report: &mut Report,
    read: impl Fn(&Node, &str, &mut Report) -> Option<T>,
) -> Vec<(String, T)> {
    let Some(entries) = node.entries() else {
        return wrong_type(node, path, "an object", report).unwrap_or_default();
    };
    let read = entries.iter().map(|e| (e.key.clone(), read(&e.value, &join(path, &e.key), report)));
    read.filter_map(|(case, value)| value.map(|value| (case, value))).collect()
}

/// Reads one text or several.
pub(super) fn one_or_more(node: &Node, path: &str, report: &mut Report) -> Option<Vec<String>> {
    match node.items() {
        Some(_) => Some(strings(node, path, report)),
        None => string(node, path, report).map(|text| vec![text]),
    }
}
