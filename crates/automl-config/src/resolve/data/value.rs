//! The value of a spec key from a dataset: which rule of its entry speaks, and what it says.

use super::dataset::{Dataset, Root};
use super::place::{Wanted, expectation};
use super::{Filling, Target};
use crate::files;
use crate::network::{
    By, ConvertPath, DatasetRules, MappingValue, MetadataValue, SourceName, Transform, case_of, pick,
};
use crate::problem::{Code, Problem};
use crate::spec::SpecPath;
use serde_json::{Map, Value};

/// A graph layout that networks know by another name, too.
const LAYOUT_NAMES: [(&str, &str); 1] = [("openpose", "kinetics")];

impl Filling<'_> {
    /// Returns the value of a key; `None` to leave it as it is.
    pub(super) fn value(&mut self, key: &str, rules: &DatasetRules, spec: &Value) -> Option<Value> {
        let target = Target { key, source: rules.source };
        let datasets = self.datasets_of(rules.source);
        let fits = |dataset: &&Dataset| {
            let condition = rules.condition.as_ref();
            condition.is_none_or(|condition| condition.holds(dataset.metadata(&condition.key).as_ref()))
        };
        let fitting: Vec<&Dataset> = datasets.iter().filter(fits).collect();
        let first = *fitting.first()?;
        if rules.multiple && rules.metadata.is_none() && rules.value.is_none() {
            // A list is a list already.
            let each: Vec<Transform> =
                rules.transforms.iter().copied().filter(|t| *t != Transform::WrapInList).collect();
            let rules = DatasetRules { transforms: each, ..rules.clone() };
            let values = fitting.iter().map(|dataset| self.one_value(target, &rules, dataset, spec));
            let values: Vec<Option<Value>> = values.collect();
            return values.into_iter().collect::<Option<Vec<Value>>>().map(Value::Array);
        }
        if fitting.len() > 1 {
            self.note(format!("{key}: takes one dataset; the first of {} is used", fitting.len()));
        }
        self.one_value(target, rules, first, spec)
    }

    /// The rules of an entry in the order of the format.
    fn one_value(
        &mut self,
        target: Target<'_>,
        rules: &DatasetRules,
        dataset: &Dataset,
        spec: &Value,
    ) -> Option<Value> {
        if let Some(rule) = &rules.metadata {
            return from_metadata(rule, dataset);
        }
        let converted = rules.convert.as_ref().and_then(|rule| self.convert_path(target, rule, dataset));
        let wanted = |path| Wanted { path, transforms: &rules.transforms, optional: rules.optional };
        if let Some(path) = &converted {
            return self.path_value(target, dataset, wanted(path));
        }
        if let Some(choice) = rules.choices.first() {
            let facts = self.facts(choice.by, target.source, dataset, spec);
            let cases = facts.iter().find_map(|fact| exact(&choice.cases, fact));
            return match cases.or_else(|| pick(&choice.cases, None)) {
                Some(paths) => self.path_value(target, dataset, wanted(first_there(paths, dataset))),
                None => {
                    self.no_case(target, choice.by, &facts, &choice.cases, rules.optional, dataset);
                    None
                }
            };
        }
        match (&rules.value, &rules.mapping) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(mapping)) => self.object(target, mapping, rules.optional, dataset),
            (None, None) => self.path_value(target, dataset, wanted(&rules.path)),
        }
    }

    /// Builds an object; parts without a value are left out, and an object without parts is none.
    fn object(
        &mut self,
        target: Target<'_>,
        mapping: &[(String, MappingValue)],
        optional: bool,
        dataset: &Dataset,
    ) -> Option<Value> {
        let mut object = Map::new();
        for (name, part) in mapping {
            let value = match part {
                MappingValue::Metadata(field) => dataset.metadata(field).filter(|v| !v.is_null()),
                MappingValue::Group(parts) => self.object(target, parts, optional, dataset),
                MappingValue::Path { path, transforms, optional: own } => {
                    let optional = optional || *own;
                    self.path_value(target, dataset, Wanted { path, transforms, optional })
                }
            };
            object.extend(value.map(|value| (name.clone(), value)));
        }
        (!object.is_empty()).then_some(Value::Object(object))
    }

    /// Returns the path that the spec of the dataset's conversion job stands for; `None` where there is no
    /// such job or no case for its value, and the entry's next rule speaks.
    pub(super) fn convert_path(
        &mut self,
        target: Target<'_>,
        rule: &ConvertPath,
        dataset: &Dataset,
    ) -> Option<String> {
        let Some(job) = &dataset.facts.convert else {
            let message =
                format!("{}: {} names no conversion job, whose spec would decide", target.key, dataset.given);
            self.note(message);
            return None;
        };
        let value = rule.spec_path.get(&job.spec).filter(|value| !value.is_null()).map(case_of);
        pick(&rule.cases, value.as_deref()).cloned()
    }

    /// Returns the values of a fact, the most particular first.
    fn facts(&self, by: By, source: SourceName, dataset: &Dataset, spec: &Value) -> Vec<String> {
        let facts = &dataset.facts;
        match by {
            By::Type => facts.kind.iter().cloned().collect(),
            By::Format => facts.format.iter().cloned().collect(),
            By::Intent => facts.intents.first().cloned().into_iter().collect(),
            By::Source => self.source_names(source, dataset),
            By::ModelType => {
                let key = self.context.config.model_type_key.as_deref();
                let path = key.and_then(|key| key.parse::<SpecPath>().ok());
                let value = path.and_then(|path| path.get(spec).map(case_of));
                let alias = LAYOUT_NAMES.iter().find(|(name, _)| value.as_deref() == Some(*name));
                value.into_iter().chain(alias.map(|(_, other)| (*other).to_string())).collect()
            }
        }
    }

    /// The name of the source itself, and of every other source that is the same dataset.
    fn source_names(&self, source: SourceName, dataset: &Dataset) -> Vec<String> {
        let same = |other: &SourceName| {
            *other != source && self.datasets_of(*other).iter().any(|d| d.root == dataset.root)
        };
        let others = SourceName::ALL.iter().map(|(_, other)| *other).filter(same);
        std::iter::once(source).chain(others).map(|source| source.name().to_string()).collect()
    }

    fn no_case(
        &mut self,
        target: Target<'_>,
        by: By,
        facts: &[String],
        cases: &[(String, Vec<String>)],
        optional: bool,
        dataset: &Dataset,
    ) {
        let known: Vec<&str> = cases.iter().map(|(case, _)| case.as_str()).collect();
        let found = facts.first().map_or("unknown".into(), |fact| format!("`{fact}`"));
        let message = format!(
            "{} of {} is {found}; there are paths for `{}`",
            by.words(),
            dataset.given,
            known.join("`, `")
        );
        if optional || by == By::Intent {
            self.note(format!("{}: left as it is: {message}", target.key));
            return;
        }
        let hint = match by {
            By::ModelType => "set the model's type with --set".to_string(),
            _ => format!(
                "state it in the dataset's dataset.yaml, or give the value: --set {}=PATH",
                target.key
            ),
        };
        let problem =
            Problem::plain(target.source.flag(), "", Code::Dataset, format!("`{}`: {message}", target.key));
        self.problem(problem.with_hint(hint));
    }
}

fn from_metadata(rule: &MetadataValue, dataset: &Dataset) -> Option<Value> {
    let value = dataset.metadata(&rule.key).filter(|value| !value.is_null()).map(|value| case_of(&value));
    pick(&rule.cases, value.as_deref()).or(rule.default.as_ref()).cloned()
}

fn exact<'c, T>(cases: &'c [(String, T)], name: &str) -> Option<&'c T> {
    cases.iter().find(|(case, _)| case == name).map(|(_, value)| value)
}

/// Returns the first of several paths that is there, else the first.
fn first_there<'p>(paths: &'p [String], dataset: &Dataset) -> &'p str {
    let there = |path: &&String| match &dataset.root {
        Root::Folder(folder) => files::exists(&folder.join(path)),
        Root::Uri(_) => false,
    };
    paths.iter().find(there).or(paths.first()).map_or("", String::as_str)
}

/// Returns the problem that a source has no dataset.
pub(super) fn no_dataset(key: &str, rules: &DatasetRules) -> Problem {
    let flag = rules.source.flag();
    let hint = format!("add {flag} DIR, or --set {key}=/absolute/path");
    let message = match rules.path.as_str() {
        "" => format!("`{key}` needs {flag}, which is not given"),
        file => format!("`{key}` needs {} from {flag}, which is not given", expectation(file)),
    };
    Problem::plain(flag, "", Code::Dataset, message).with_hint(hint)
}
