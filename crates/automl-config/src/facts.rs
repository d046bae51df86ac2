//! `dataset.yaml`: what a dataset says of itself.
//!
//! It stands in the dataset's folder: `format`, `type`, `intent` (a text or a list), `id`, `metadata` (any
//! further facts) and `convert` (the job that made another form of it: `id`, the folder `results`, and the
//! file `spec`, relative to the dataset). Other programs use files of that name too, so unknown keys are
//! warnings. What the facts mean for a network is not known here.

use crate::fields::{Fields, join, string};
use crate::files;
use crate::node::Node;
use crate::problem::{Code, Problem, Report, Severity};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Name of the file.
const FACTS: &str = "dataset.yaml";

/// What is known of a dataset.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) format: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) intents: Vec<String>,
    /// It says itself what it is meant for.
    pub(crate) states_intents: bool,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) convert: Option<Conversion>,
}

/// The job that converted the dataset.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conversion {
    pub(crate) id: String,
    /// Where it wrote to.
    pub(crate) results: PathBuf,
    pub(crate) spec: Value,
}

/// Reads what a dataset says of itself; nothing where it does not. Only errors count as problems.
pub(crate) fn read_facts(folder: &Path) -> (Facts, Vec<Problem>) {
    let file = folder.join(FACTS);
    if !files::exists(&file) {
        return (Facts::default(), Vec::new());
    }
    let (node, mut report) = files::read_tree(&file);
    let facts = node.and_then(|node| Facts::read(&node, folder, &mut report)).unwrap_or_default();
    let is_error = |p: &Problem| p.severity == Severity::Error;
    (facts, report.into_problems().into_iter().filter(is_error).collect())
}

impl Facts {
    /// Reads `dataset.yaml`.
    pub(crate) fn read(node: &Node, folder: &Path, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, "", report)?;
        let intents = fields.node("intent").map(|node| match node.items() {
            Some(_) => crate::fields::strings(node, "intent", report),
            None => string(node, "intent", report).into_iter().collect(),
        });
        let metadata = fields.node("metadata").and_then(Node::to_json);
        let mut metadata = metadata.and_then(|v| v.as_object().cloned()).unwrap_or_default();
        if let Some(id) = fields.string("id", report) {
            metadata.insert("id".into(), id.into());
        }
        let convert = fields.node("convert").and_then(|node| Conversion::read(node, folder, report));
        let (format, kind) = (fields.string("format", report), fields.string("type", report));
        fields.close_leniently(report);
        Some(Facts {
            format,
            kind,
            intents: intents.unwrap_or_default(),
            states_intents: false,
            metadata,
            convert,
        })
    }
}

impl Conversion {
    fn read(node: &Node, folder: &Path, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, "convert", report)?;
        let results = fields.required_string("results", report).map(|path| folder.join(path));
        let id = fields.string("id", report);
        let place = join("convert", "spec");
        let (spec_at, spec) = (fields.node("spec"), fields.string("spec", report));
        fields.close_leniently(report);
        let results = results?;
        let id = id.or_else(|| results.file_name().map(|name| name.to_string_lossy().into_owned()));
        let spec = spec.map(|file| files::require_tree(&folder.join(file)));
        let spec = match spec {
            Some(Ok(node)) => node.to_json().unwrap_or_default(),
            Some(Err(problems)) => {
                let at = spec_at.map_or(node.at, |n| n.at);
                report.error(at, &place, Code::Dataset, problems.to_string());
                Value::Null
            }
            None => Value::Null,
        };
        Some(Conversion { id: id.unwrap_or_default(), results, spec })
    }
}
