//! A catalogue of networks in a temporary folder, and jobs resolved in it.

use automl_config::{
    AttemptContext, Catalog, JobRecipe, NetworkRequest, ParentJob, Problems, TrialRecipe, resolve_job,
};
use automl_core::Params;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Folder that jobs write to.
pub(crate) const RESULTS: &str = "/results/j1";

/// A catalogue.
pub(crate) struct World {
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        World { folder: tempfile::tempdir().unwrap() }
    }

    /// Adds a network with sections of its config; what an example leaves out is filled in.
    pub(crate) fn network(self, name: &str, sections: &str) -> Self {
        let mut config: Value = serde_json::from_str(sections).unwrap_or_else(|e| panic!("{e}: {sections}"));
        let actions = [
            "train",
            "evaluate",
            "inference",
            "export",
            "distill",
            "prune",
            "retrain",
            "gen_trt_engine",
            "dataset_convert",
        ];
        let api_params = json!({"actions": actions, "formats": ["coco"], "spec_backend": "yaml"});
        config.as_object_mut().unwrap().entry("api_params").or_insert(api_params);
        self.write(&format!("network_configs/{name}.config.json"), &config.to_string())
    }

    /// Adds the default spec of an action; its schema has the same keys. The template stands in front of a
    /// packaged one, where a network of that name is packaged.
    pub(crate) fn spec(self, network: &str, action: &str, default: Value) -> Self {
        let schema = json!({"properties": properties(&default), "default": default});
        self.write(&format!("search_spaces/{network}/spec_template_{action}.yaml"), &default.to_string())
            .write(&format!("search_spaces/{network}/{action}.schema.json"), &schema.to_string())
    }

    /// Adds a file.
    pub(crate) fn write(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn catalog(&self) -> Catalog {
        Catalog::with_folder(self.folder.path().into())
    }

    /// Resolves a request.
    pub(crate) fn resolve(&self, request: &NetworkRequest) -> Result<JobRecipe, Problems> {
        resolve_job(&self.catalog(), request)
    }

    /// Returns the spec of a job that must be sound, this folder's name taken out.
    pub(crate) fn job(&self, request: &NetworkRequest) -> Value {
        let recipe = self.resolve(request).unwrap_or_else(|problems| panic!("{problems}"));
        let spec = spec_of(&recipe.trial, &Params::default(), None);
        serde_json::from_str(&spec.to_string().replace(self.folder.path().to_str().unwrap(), "DIR")).unwrap()
    }

    /// Returns the problems of a request that must be refused.
    pub(crate) fn problems(&self, request: &NetworkRequest) -> Vec<String> {
        self.resolve(request).unwrap_err().0.iter().map(ToString::to_string).collect()
    }
}

/// A request for an action.
pub(crate) fn action(network: &str, action: &str) -> NetworkRequest {
    NetworkRequest { action: action.into(), ..NetworkRequest::new(network) }
}

/// The same with settings.
pub(crate) fn with_set(request: NetworkRequest, set: &[&str]) -> NetworkRequest {
    NetworkRequest { set: set.iter().map(|s| (*s).to_string()).collect(), ..request }
}

/// The same after another job.
pub(crate) fn after(request: NetworkRequest, parent: ParentJob) -> NetworkRequest {
    NetworkRequest { parent: Some(parent), ..request }
}

/// A job that has run and left a checkpoint.
pub(crate) fn parent(action: &str) -> ParentJob {
    ParentJob {
        id: "p1".into(),
        network: None,
        action: action.into(),
        spec: Value::Null,
        results_dir: "/results/p1".into(),
        checkpoint: Some("/results/p1/train/model_epoch_004.pth".into()),
    }
}

/// Returns the spec of the only attempt of a job, or of a trial.
pub(crate) fn spec_of(trial: &TrialRecipe, params: &Params, resume_from: Option<&Path>) -> Value {
    let context = AttemptContext {
        study: "job",
        trial: 1,
        attempt: 1,
        params,
        trial_dir: Path::new(RESULTS),
        results_dir: Path::new(RESULTS),
        downloads_dir: Path::new(RESULTS),
        until: 10,
        max_fidelity: 10,
        resume_from,
        seed: 7,
        gpus: &[],
    };
    let (name, text) = trial.realise(&context).unwrap().spec.unwrap();
    assert_eq!(name, "spec.yaml");
    serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Returns the properties of a schema that has the keys of a spec.
fn properties(spec: &Value) -> Value {
    let property = |value: &Value| match value {
        Value::Object(map) if !map.is_empty() => json!({"type": "object", "properties": properties(value)}),
        value => json!({"type": kind(value), "default": value}),
    };
    let map = spec.as_object().unwrap();
    map.iter().map(|(key, value)| (key.clone(), property(value))).collect::<Map<_, _>>().into()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float",
        Value::Number(_) => "int",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
        Value::String(_) | Value::Null => "string",
    }
}
