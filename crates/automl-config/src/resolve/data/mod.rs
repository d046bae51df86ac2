//! Datasets into spec keys, and what is wrong with the datasets.
//!
//! Entries are processed in the order of the config. A value that the user set as an absolute path or a
//! URI wins over any dataset, as does a key that another rule has configured.

mod dataset;
mod download;
mod follow;
mod place;
mod validate;
mod value;

pub use dataset::is_dataset;

use crate::files;
use crate::network::{DatasetRules, NetworkConfig, Origin, SourceName};
use crate::problem::{Code, Problem};
use crate::recipe::Download;
use crate::request::Datasets;
use crate::spec::SpecPath;
use dataset::{Dataset, Opening, Unopened};
use serde_json::Value;
use std::path::PathBuf;

/// Stands for the number of the job that a spec is made for.
const JOB: &str = "{job_id}";

/// What datasets are turned into spec keys with.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) config: &'a NetworkConfig,
    pub(super) action: &'a str,
    pub(super) datasets: &'a Datasets,
    /// Spec of the job that this one carries on from.
    pub(super) parent_spec: Option<&'a Value>,
    /// Keys that other rules have set and that datasets leave alone.
    pub(super) configured: &'a [String],
}

/// What came of it beside the spec.
#[derive(Debug, Default)]
pub(super) struct Filled {
    /// Files to fetch before the action runs.
    pub(super) downloads: Vec<Download>,
    /// Keys whose values hold `{job_id}`.
    pub(super) job_keys: Vec<String>,
    /// Archives that programs cannot read and that nobody has unpacked yet.
    pub(super) archives: Vec<PathBuf>,
    pub(super) notes: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

/// Opens and checks the datasets, and fills an action's data sources into the spec.
pub(super) fn fill(context: Context<'_>, spec: &mut Value) -> Filled {
    let mut filling = Filling::open(context);
    for source in context.config.data_sources(context.action) {
        let Ok(path) = source.key.parse::<SpecPath>() else {
            let message = format!("`{}` is not a spec key", source.key);
            filling.problem(Problem::plain("data_sources", &source.key, Code::BadValue, message));
            continue;
        };
        if context.configured.contains(&source.key) {
            continue;
        }
        let existing = path.get(spec).cloned().unwrap_or_default();
        let value = match (&source.origin, own_value(&existing)) {
            (_, Some(own)) => Some(own),
            (Origin::ParentSpecHas(key), None) => parent_has(context.parent_spec, key),
            (Origin::Datasets(rules), None) => filling.given_value(&source.key, rules, &existing, spec),
        };
        if let Some(value) = value {
            if context.config.api_params.follows_dataset_files {
                filling.follow(&source.key, &value);
            }
            if value.as_str().is_some_and(|text| text.contains(JOB)) {
                filling.job_keys.push(source.key.clone());
            }
            path.set(spec, value);
        }
    }
    filling.downloads();
    filling.finish()
}

/// Returns the keys that the given datasets fill.
pub(super) fn filled_keys(context: Context<'_>) -> Vec<String> {
    let is_given = |origin: &Origin| match origin {
        Origin::Datasets(rules) => !given(rules.source, context.datasets).is_empty(),
        Origin::ParentSpecHas(_) => false,
    };
    let sources = context.config.data_sources(context.action).iter();
    sources.filter(|source| is_given(&source.origin)).map(|source| source.key.clone()).collect()
}

/// Checks datasets against the network's rules, whatever the action makes of them.
pub(super) fn check(context: Context<'_>) -> Filled {
    Filling::open(context).finish()
}

/// What is known of the data that a job works on: of the first of its datasets, else what the network
/// assumes.
pub(super) struct DataFacts(Dataset);

impl DataFacts {
    /// Returns a fact by the name that rules ask for.
    pub(super) fn get(&self, key: &str) -> Option<Value> {
        self.0.metadata(key)
    }
}

/// Looks what is known of the data. What is wrong with it is told where the data is filled in.
pub(super) fn facts(context: Context<'_>) -> DataFacts {
    let opened = Filling::open(context).opened;
    let first = opened.into_iter().flat_map(|(_, datasets)| datasets).next();
    DataFacts(first.unwrap_or_else(|| Dataset::assumed(&context.config.api_params)))
}

/// The spec key that a value is for, and the source it comes from.
#[derive(Clone, Copy)]
struct Target<'a> {
    key: &'a str,
    source: SourceName,
}

/// The work in progress.
struct Filling<'a> {
    context: Context<'a>,
    opened: Vec<(SourceName, Vec<Dataset>)>,
    downloads: Vec<Download>,
    job_keys: Vec<String>,
    archives: Vec<PathBuf>,
    notes: Vec<String>,
    problems: Vec<Problem>,
}

impl<'a> Filling<'a> {
    fn open(context: Context<'a>) -> Self {
        let mut filling = Filling {
            context,
            opened: Vec::new(),
            downloads: Vec::new(),
            job_keys: Vec::new(),
            archives: Vec::new(),
            notes: Vec::new(),
            problems: Vec::new(),
        };
        for (_, source) in SourceName::ALL {
            let datasets = filling.open_source(source);
            filling.opened.push((source, datasets));
        }
        filling
    }

    fn finish(mut self) -> Filled {
        self.archives.sort();
        self.archives.dedup();
        Filled {
            downloads: self.downloads,
            job_keys: self.job_keys,
            archives: self.archives,
            notes: self.notes,
            problems: self.problems,
        }
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn problem(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn datasets_of(&self, source: SourceName) -> Vec<Dataset> {
        let found = self.opened.iter().find(|(name, _)| *name == source);
        found.map(|(_, datasets)| datasets.clone()).unwrap_or_default()
    }

    fn open_source(&mut self, source: SourceName) -> Vec<Dataset> {
        let mut opened = Vec::new();
        for given in given(source, self.context.datasets) {
            let config = self.context.config;
            let opening = Opening {
                api: &config.api_params,
                validation: &config.dataset_validation,
                datasets: self.context.datasets,
            };
            match opening.open(given, source) {
                Ok((dataset, problems)) => {
                    problems.into_iter().for_each(|problem| self.problem(problem));
                    opened.push(self.validated(dataset));
                }
                Err(Unopened::Archive(archive)) => {
                    let message = format!("{} is an archive that nobody has unpacked", given.display());
                    self.problem(Problem::plain(source.flag(), "", Code::Dataset, message));
                    self.archives.push(archive);
                }
                Err(Unopened::Wrong(problems)) => problems.into_iter().for_each(|p| self.problem(p)),
            }
        }
        opened
    }

    /// Finds out a dataset's format, and whether it has what that format needs.
    fn validated(&mut self, mut dataset: Dataset) -> Dataset {
        let config = self.context.config;
        let (formats, validation) = (&config.api_params.formats, &config.dataset_validation);
        let has_rules = validation.formats().next().is_some();
        let Some(folder) = dataset.folder() else {
            if has_rules {
                self.note(format!("{}: is not checked, since it is not on this machine", dataset.given));
            }
            dataset.facts.format = dataset.facts.format.take().or_else(|| formats.first().cloned());
            return dataset;
        };
        if dataset.facts.format.is_none() {
            let fitting = validate::fitting(folder, &dataset.facts.intents, formats, validation);
            dataset.facts.format = fitting.or(formats.first()).cloned();
        }
        let problems = validate::check(&dataset, validation);
        dataset.broken = !problems.is_empty();
        problems.into_iter().for_each(|problem| self.problem(problem));
        dataset
    }

    fn given_value(
        &mut self,
        key: &str,
        rules: &DatasetRules,
        existing: &Value,
        spec: &Value,
    ) -> Option<Value> {
        if given(rules.source, self.context.datasets).is_empty() {
            let needed = rules.condition.is_none() && rules.value.is_none() && rules.metadata.is_none();
            if needed && !rules.optional && is_unset(existing) {
                self.problem(value::no_dataset(key, rules));
            }
            return None;
        }
        let value = self.value(key, rules, spec)?;
        if !is_unset(existing) && *existing != value && !existing.is_object() {
            self.note(format!(
                "{key}: {existing} gives way to the dataset; only absolute paths and URIs win"
            ));
        }
        Some(value)
    }
}

/// Returns what the user gave for a source.
fn given(source: SourceName, datasets: &Datasets) -> Vec<&PathBuf> {
    match source {
        SourceName::Train => datasets.train.iter().collect(),
        SourceName::Eval => datasets.eval.iter().collect(),
        SourceName::Inference => datasets.inference.iter().collect(),
        SourceName::Calibration => datasets.calibration.iter().collect(),
        SourceName::Own => datasets.own.iter().collect(),
    }
}

/// Returns a value that points at data by itself, as the program reads it.
fn own_value(value: &Value) -> Option<Value> {
    let own = |text: &str| text.contains("://");
    match value {
        Value::String(text) if own(text) || text.starts_with('/') => {
            Some(dataset::without_scheme(text).into())
        }
        Value::Array(items) if items.iter().any(|item| item.as_str().is_some_and(own)) => {
            let local = |item: &Value| match item {
                Value::String(text) => dataset::without_scheme(text).into(),
                other => other.clone(),
            };
            Some(items.iter().map(local).collect())
        }
        _ => None,
    }
}

fn parent_has(parent: Option<&Value>, key: &str) -> Option<Value> {
    let path = key.parse::<SpecPath>().ok()?;
    parent.map(|spec| path.get(spec).is_some_and(|value| !value.is_null()).into())
}

fn is_unset(value: &Value) -> bool {
    value.is_null() || value == "" || value == "???" || value.as_array().is_some_and(Vec::is_empty)
}

/// Tells whether a path is there; for callers that have no business with files otherwise.
fn is_there(path: &str) -> bool {
    files::exists(path.as_ref())
}
