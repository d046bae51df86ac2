//! Section `data_sources`: which files and facts of a dataset fill which spec keys.
//!
//! An entry may hold several rules; the resolver tries them in a fixed order. Here they are only read.

use super::source_parts::{
    Condition, ConvertPath, SourceName, one_or_more, read_cases, read_condition, read_convert_path,
    read_source,
};
use crate::fields::{Fields, join, wrong_type};
use crate::nearest::did_you_mean;
use crate::node::{Data, Entry, Node};
use crate::problem::{Code, Report};
use serde_json::Value;

/// Source that is no dataset: the spec of the job before this one.
const PARENT_SPECS: &str = "parent_job_specs";

/// One spec key and where its value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DataSource {
    /// Dotted path of the spec key.
    pub(crate) key: String,
    pub(crate) origin: Origin,
}

/// Where the value of a key comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Origin {
    /// Datasets of the user.
    Datasets(Box<DatasetRules>),
    /// Whether the parent job's spec has a key.
    ParentSpecHas(String),
}

/// What is taken from the datasets of a source, in the order in which rules are tried.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DatasetRules {
    pub(crate) source: SourceName,
    /// One value for each dataset, as a list.
    pub(crate) multiple: bool,
    /// Leave the key alone where the dataset or the file is not there.
    pub(crate) optional: bool,
    pub(crate) condition: Option<Condition>,
    pub(crate) metadata: Option<MetadataValue>,
    pub(crate) convert: Option<ConvertPath>,
    /// Paths that depend on a fact; the first choice speaks.
    pub(crate) choices: Vec<PathChoice>,
    pub(crate) value: Option<Value>,
    pub(crate) mapping: Option<Vec<(String, MappingValue)>>,
    /// A file or folder, relative to the dataset; empty for the dataset itself.
    pub(crate) path: String,
    pub(crate) transforms: Vec<Transform>,
}

/// A value by a field of the dataset's metadata.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataValue {
    pub(crate) key: String,
    pub(crate) cases: Vec<(String, Value)>,
    pub(crate) default: Option<Value>,
}

/// Paths by a fact; the first that exists is taken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PathChoice {
    pub(crate) by: By,
    pub(crate) cases: Vec<(String, Vec<String>)>,
}

/// The fact that a path depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Type,
    Format,
    Intent,
    Source,
    ModelType,
}

/// One value of an object that is built from a dataset.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MappingValue {
    Path {
        path: String,
        transforms: Vec<Transform>,
        optional: bool,
    },
    Group(Vec<(String, MappingValue)>),
    /// A field of the dataset's metadata.
    Metadata(String),
}

/// A change to a value after it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transform {
    WrapInList,
    TarPath,
    ConvertJob,
    /// Known to the format and without effect.
    DataServices,
}

impl By {
    /// Every fact with its key, in the order in which they are tried.
    const ALL: [(&'static str, By); 5] = [
        ("path_from_type", By::Type),
        ("path_from_format", By::Format),
        ("path_from_intent", By::Intent),
        ("path_from_source", By::Source),
        ("path_from_model_type", By::ModelType),
    ];

    /// Returns the fact in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            By::Type => "type",
            By::Format => "format",
            By::Intent => "intent",
            By::Source => "source",
            By::ModelType => "model type",
        }
    }
}

impl Transform {
    const ALL: [(&'static str, Transform); 4] = [
        ("wrap_in_list", Transform::WrapInList),
        ("handle_tar_path", Transform::TarPath),
        ("use_dataset_convert_job", Transform::ConvertJob),
        ("data_services_as_parent_possible", Transform::DataServices),
    ];
}

pub(super) fn read(section: Option<&Node>, report: &mut Report) -> Vec<(String, Vec<DataSource>)> {
    let Some(section) = section else { return Vec::new() };
    let actions = entries_of(section, "data_sources", report);
    let read_action = |action: &Entry| {
        let path = join("data_sources", &action.key);
        let entries = entries_of(&action.value, &path, report);
        let sources =
            entries.iter().filter_map(|e| DataSource::read(&e.key, &e.value, &join(&path, &e.key), report));
        (action.key.clone(), sources.collect())
    };
    actions.iter().map(read_action).collect()
}

fn entries_of<'n>(node: &'n Node, path: &str, report: &mut Report) -> &'n [Entry] {
    node.entries().or_else(|| wrong_type(node, path, "an object", report)).unwrap_or_default()
}

impl DataSource {
    fn read(key: &str, node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, path, report)?;
        let source = read_source(&mut fields, Some(PARENT_SPECS), report);
        let rules = DatasetRules {
            source: source.unwrap_or(SourceName::Own),
            multiple: fields.bool("multiple_sources", report).unwrap_or(false),
            optional: fields.bool("optional", report).unwrap_or(false),
            condition: read_condition(&mut fields, report),
            metadata: read_metadata(&mut fields, report),
            convert: read_convert_path(&mut fields, report),
            choices: read_choices(&mut fields, report),
            value: fields.node("value").and_then(Node::to_json),
            mapping: read_mapping(&mut fields, report),
            path: fields.string("path", report).unwrap_or_default(),
            transforms: read_transforms(&mut fields, report),
        };
        let checked = fields.string("check_key_exists", report);
        let at = fields.at();
        fields.close_leniently(report);
        let names_parent = node.get("source").and_then(Node::as_str) == Some(PARENT_SPECS);
        let origin = match (source, checked) {
            (Some(_), None) => Origin::Datasets(Box::new(rules)),
            (None, Some(key)) if names_parent => Origin::ParentSpecHas(key),
            (None, None) if !names_parent => return None,
            _ => {
                let message = format!("`{PARENT_SPECS}` and `check_key_exists` go together");
                report.error(at, path, Code::BadValue, message);
                return None;
            }
        };
        Some(DataSource { key: key.into(), origin })
    }
}

fn read_metadata(fields: &mut Fields<'_>, report: &mut Report) -> Option<MetadataValue> {
    let path = fields.path_of("value_from_metadata");
    let mut inner = Fields::open(fields.node("value_from_metadata")?, &path, report)?;
    let key = inner.required_string("key", report);
    let default = inner.node("default").and_then(Node::to_json);
    let place = inner.path_of("mapping");
    let json = |node: &Node, place: &str, report: &mut Report| {
        node.to_json().or_else(|| wrong_type(node, place, "a finite value", report))
    };
    let cases = inner.node("mapping").map(|node| read_cases(node, &place, report, json));
    inner.close_leniently(report);
    Some(MetadataValue { key: key?, cases: cases.unwrap_or_default(), default })
}

fn read_choices(fields: &mut Fields<'_>, report: &mut Report) -> Vec<PathChoice> {
    let mut choices = Vec::new();
    for (key, by) in By::ALL {
        let path = fields.path_of(key);
        if let Some(node) = fields.node(key) {
            choices.push(PathChoice { by, cases: read_cases(node, &path, report, one_or_more) });
        }
    }
    choices
}

fn read_mapping(fields: &mut Fields<'_>, report: &mut Report) -> Option<Vec<(String, MappingValue)>> {
    let path = fields.path_of("mapping");
    fields.node("mapping").map(|node| read_cases(node, &path, report, read_mapping_value))
}

/// An object whose values are all objects is a group, any other object a path.
fn read_mapping_value(node: &Node, path: &str, report: &mut Report) -> Option<MappingValue> {
    if let Data::Str(field) = &node.data {
        return Some(MappingValue::Metadata(field.clone()));
    }
    let mut fields = Fields::open(node, path, report)?;
    let entries = node.entries().unwrap_or_default();
    if !entries.is_empty() && entries.iter().all(|e| e.value.entries().is_some()) {
        return Some(MappingValue::Group(read_cases(node, path, report, read_mapping_value)));
    }
    let value = MappingValue::Path {
        path: fields.string("path", report).unwrap_or_default(),
        transforms: read_transforms(&mut fields, report),
        optional: fields.bool("optional", report).unwrap_or(false),
    };
    fields.close_leniently(report);
    Some(value)
}

/// Reads `transform`: one name or several. Unknown ones are ignored, as the format has it.
fn read_transforms(fields: &mut Fields<'_>, report: &mut Report) -> Vec<Transform> {
    let path = fields.path_of("transform");
    let Some(node) = fields.node("transform") else { return Vec::new() };
    let mut transforms = Vec::new();
    for name in one_or_more(node, &path, report).unwrap_or_default() {
        match Transform::ALL.iter().find(|(known, _)| *known == name) {
            Some((_, transform)) => transforms.push(*transform),
            None => {
                let hint = did_you_mean(&name, Transform::ALL.iter().map(|(known, _)| *known));
                let message = format!("unknown transform `{name}` is ignored");
                report.warning(node.at, &path, Code::UnknownName, message).hint(hint);
            }
        }
    }
    transforms
}
