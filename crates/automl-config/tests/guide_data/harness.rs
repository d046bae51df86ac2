//! A network whose config is put together from examples, with datasets on the disk.

use automl_config::{
    AttemptContext, Catalog, Datasets, NetworkRequest, Problem, StudyRecipe, archives, resolve_network,
};
use automl_core::Params;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where the trial of [`Case::spec`] writes its results.
pub(crate) const RESULTS: &str = "/studies/s/trials/00003/results";

pub(crate) struct Case {
    root: TempDir,
    config: Value,
    pub(crate) request: NetworkRequest,
}

impl Case {
    /// A network that takes datasets of any of `formats`, its specs in JSON.
    pub(crate) fn new(formats: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let schema = r#"{"properties": {"train": {"properties": {
            "lr": {"type": "float", "default": 0.1, "minimum": 0.01, "maximum": 1, "automl_enabled": true}}}}}"#;
        fs::write(root.path().join("schema.json"), schema).unwrap();
        let launch = json!({"command": ["run", "{spec}"]});
        let config = json!({
            "api_params": {
                "dataset_type": "object_detection",
                "actions": ["train", "evaluate", "inference", "dataset_convert"],
                "formats": formats,
                "accepted_ds_intents": ["training", "evaluation", "testing", "calibration"],
                "image": "X",
                "spec_backend": "json",
                "actions_pipe": {"train": "train"}
            },
            "metrics": {"available_metrics": ["loss"], "monitoring_metric": "loss"},
            "launch": {"train": launch, "evaluate": launch, "inference": launch}
        });
        let request = NetworkRequest {
            network_config: Some(root.path().join("n.config.json")),
            schema: Some(root.path().join("schema.json")),
            params: Some(vec!["train.lr".into()]),
            ..NetworkRequest::new("n")
        };
        Case { root, config, request }
    }

    /// Merges a section, or several, into the config.
    pub(crate) fn with(mut self, sections: &str) -> Self {
        merge(&mut self.config, serde_json::from_str(sections).unwrap());
        self
    }

    /// Adds entries of `data_sources` for the action `train`.
    pub(crate) fn sources(self, entries: &str) -> Self {
        let entries: Value = serde_json::from_str(entries).unwrap();
        self.with(&json!({"data_sources": {"train": entries}}).to_string())
    }

    /// Makes files, and folders where a name ends with `/`.
    pub(crate) fn files(self, names: &[&str]) -> Self {
        names.iter().for_each(|name| self.write(name, ""));
        self
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        if name.ends_with('/') {
            return fs::create_dir_all(path).unwrap();
        }
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a dataset's `dataset.yaml`.
    pub(crate) fn facts(self, folder: &str, text: &str) -> Self {
        self.write(&format!("{folder}/dataset.yaml"), text);
        self
    }

    pub(crate) fn train(mut self, folders: &[&str]) -> Self {
        self.request.datasets.train = folders.iter().map(|name| self.path(name)).collect();
        self
    }

    pub(crate) fn own(mut self, folder: &str) -> Self {
        self.request.datasets.own = Some(self.path(folder));
        self
    }

    pub(crate) fn datasets(mut self, set: impl Fn(&mut Datasets, &dyn Fn(&str) -> PathBuf)) -> Self {
        let mut datasets = self.request.datasets.clone();
        set(&mut datasets, &|name| self.path(name));
        self.request.datasets = datasets;
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write_config(&self) {
        fs::write(self.path("n.config.json"), self.config.to_string()).unwrap();
    }

    pub(crate) fn resolve(&self) -> Result<StudyRecipe, Vec<Problem>> {
        self.write_config();
        resolve_network(&Catalog::embedded(), &self.request).map_err(|problems| problems.0)
    }

    pub(crate) fn recipe(&self) -> StudyRecipe {
        self.resolve().unwrap_or_else(|problems| panic!("{problems:#?}"))
    }

    /// The spec of the third trial, with the folder of this case as `ROOT`.
    pub(crate) fn spec(&self) -> Value {
        let (_, text) = spec_file(&self.recipe());
        serde_json::from_str(&self.masked(&text)).unwrap()
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        self.recipe().notes.iter().map(|note| self.masked(note)).collect()
    }

    /// Notes about the key `data`.
    pub(crate) fn data_notes(&self) -> Vec<String> {
        self.notes().into_iter().filter(|note| note.starts_with("data: ")).collect()
    }

    /// What is wrong, without warnings.
    pub(crate) fn problems(&self) -> Vec<String> {
        let problems = self.resolve().expect_err("something should be wrong");
        let errors = problems.iter().map(|p| self.masked(&p.to_string()));
        errors.filter(|text| !text.contains(": warning: ")).collect()
    }

    pub(crate) fn archives(&self) -> Vec<String> {
        self.write_config();
        let archives = archives(&Catalog::embedded(), &self.request).unwrap();
        archives.iter().map(|path| self.masked(path.to_str().unwrap())).collect()
    }

    pub(crate) fn masked(&self, text: &str) -> String {
        text.replace(self.root.path().to_str().unwrap(), "ROOT")
    }
}

/// Name and text of the spec of the third trial.
pub(crate) fn spec_file(recipe: &StudyRecipe) -> (String, String) {
    let params = Params::default();
    let context = AttemptContext {
        study: "s",
        trial: 3,
        attempt: 1,
        params: &params,
        trial_dir: Path::new("/studies/s/trials/00003"),
        results_dir: Path::new(RESULTS),
        downloads_dir: Path::new(RESULTS),
        until: 1,
        max_fidelity: 1,
        resume_from: None,
        seed: 0,
        gpus: &[],
    };
    recipe.trial.realise(&context).unwrap().spec.unwrap()
}

fn merge(target: &mut Value, value: Value) {
    match (target, value) {
        (Value::Object(target), Value::Object(value)) => {
            for (key, value) in value {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, value) => *target = value,
    }
}
