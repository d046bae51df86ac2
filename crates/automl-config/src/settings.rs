//! A project's defaults: the file `automl.toml`.
//!
//! ```toml
//! [run]                          # defaults of `automl run`, by the names of its flags
//! root = "studies"               # paths are relative to this file
//! trials = 20
//!
//! [network.mal]                  # defaults for one network
//! train_dataset = "data/train"   # or a list of folders
//! eval_dataset = "data/val"
//! params = ["train.lr", "train.wd"]
//! [network.mal.set]              # spec settings
//! train.num_epochs = 4
//! [network.mal.bound]            # ranges in short form
//! train.lr = "1e-7..1e-5:log"
//! ```
//!
//! Flags and environment variables win over these; which does is the caller's business, as is
//! finding the file.

use crate::fields::{Fields, join, string, strings, wrong_type};
use crate::files;
use crate::grammar::ShortForm;
use crate::node::{Data, Entry, Node};
use crate::problem::{Code, Position, Problems, Report};
use crate::read::Format;
use crate::request::{Datasets, NetworkRequest};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything an `automl.toml` can say.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Settings {
    /// Defaults of `automl run`.
    pub run: RunSettings,
    /// Defaults by network.
    pub networks: BTreeMap<String, NetworkSettings>,
}

/// Defaults of `automl run`; each is the flag of the same name and checked where flags are.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunSettings {
    /// Folder of studies.
    pub root: Option<PathBuf>,
    /// Folder with network configs and schemas that win over the packaged ones.
    pub catalog: Option<PathBuf>,
    /// Search algorithm.
    pub algorithm: Option<String>,
    /// Where trials run, for example `local`.
    pub executor: Option<String>,
    /// `all`, `none` or GPU numbers separated by commas.
    pub gpus: Option<String>,
    /// GPUs for each trial; a fraction shares one.
    pub gpus_per_trial: Option<f64>,
    /// Trials at the same time, or `auto`.
    pub parallel: Option<String>,
    /// Trials in all.
    pub trials: Option<u64>,
    /// Largest fidelity of a trial.
    pub max_fidelity: Option<u64>,
    /// Smallest fidelity of a trial.
    pub min_fidelity: Option<u64>,
    /// Share of trials that go on from rung to rung: one in `eta`.
    pub eta: Option<u64>,
    /// First trials of a race that train fully.
    pub full_first: Option<u64>,
    /// Time for the whole search, for example `12h`.
    pub timeout: Option<String>,
    /// Time for one attempt, for example `90s`.
    pub trial_timeout: Option<String>,
    /// Memory of all processes of an attempt, for example `20GiB`.
    pub trial_memory: Option<String>,
    /// Disk space of a trial's results.
    pub trial_disk: Option<String>,
    /// Disk space of each log of an attempt, or `none`.
    pub trial_log: Option<String>,
    /// Files that each process of an attempt may have open.
    pub trial_open_files: Option<u64>,
    /// GPU time of all trials together, for example `100h`.
    pub gpu_time: Option<String>,
    /// Seed of the search.
    pub seed: Option<u64>,
    /// Further attempts after a failure that may pass.
    pub retry: Option<u64>,
    /// Longest time without output, for example `30m`.
    pub silence_timeout: Option<String>,
    /// Failed trials in a row that end the search.
    pub max_failures: Option<u64>,
    /// Rule by which trials are stopped, for example `median`.
    pub early_stop: Option<String>,
    /// Whose checkpoints stay, for example `best`.
    pub keep_checkpoints: Option<String>,
    /// Disk that checkpoints may take, for example `50GiB`.
    pub disk: Option<String>,
    /// `on` or `off`: whether the plain text of the log stays when the study is at rest.
    pub journal: Option<String>,
    /// Folder or URL that results are uploaded to.
    pub upload_to: Option<String>,
    /// Line and column of each key's value, for whoever finds fault with it later: `2:11`.
    #[serde(skip)]
    pub places: BTreeMap<String, String>,
}

/// Defaults for one network.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NetworkSettings {
    /// Network config to use in place of the packaged one.
    pub config: Option<PathBuf>,
    /// Parameter schema to use in place of the packaged one.
    pub schema: Option<PathBuf>,
    /// Training data.
    pub train_dataset: Vec<PathBuf>,
    /// Validation data.
    pub eval_dataset: Option<PathBuf>,
    /// Data to run inference on.
    pub inference_dataset: Option<PathBuf>,
    /// Data to calibrate a quantised model with.
    pub calibration_dataset: Option<PathBuf>,
    /// Parameters to search.
    pub params: Option<Vec<String>>,
    /// `NAME[:min|:max]`.
    pub metric: Option<String>,
    /// Path or URI of the model to start from.
    pub pretrained: Option<String>,
    /// Spec settings `key=value`.
    pub set: Vec<String>,
    /// Ranges in short form with names.
    pub bound: Vec<String>,
}

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, unknown keys included.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let node = files::require_tree(path)?;
        let mut report = Report::new(path.display().to_string());
        let settings = Settings::from_node(&node, &folder_of(path), &mut report);
        report.finish()?;
        Ok(settings.expect("a file without errors gives settings"))
    }

    /// Reads a text; `file` is shown with problems, and paths are relative to its folder.
    ///
    /// # Errors
    /// Everything that is wrong with it, unknown keys included.
    pub fn parse(text: &str, file: &Path) -> Result<Self, Problems> {
        let mut report = Report::new(file.display().to_string());
        let node = Format::Toml.read(text, &mut report);
        let settings = node.and_then(|node| Settings::from_node(&node, &folder_of(file), &mut report));
        report.finish()?;
        Ok(settings.expect("a text without errors gives settings"))
    }

    pub(crate) fn from_node(root: &Node, folder: &Path, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(root, "", report)?;
        let run =
            fields.node("run").and_then(|node| RunSettings::read(node, folder, report)).unwrap_or_default();
        let mut networks = BTreeMap::new();
        for entry in fields.node("network").and_then(Node::entries).unwrap_or_default() {
            let path = join("network", &entry.key);
            if let Some(network) = NetworkSettings::read(&entry.value, &path, folder, report) {
                networks.insert(entry.key.clone(), network);
            }
        }
        fields.close(report);
        Some(Settings { run, networks })
    }
}

impl RunSettings {
    fn read(node: &Node, folder: &Path, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, "run", report)?;
        let settings = RunSettings {
            root: path(&mut fields, "root", folder, report),
            catalog: path(&mut fields, "catalog", folder, report),
            algorithm: fields.string("algorithm", report),
            executor: fields.string("executor", report),
            gpus: words(&mut fields, "gpus", report),
            gpus_per_trial: fields.node("gpus_per_trial").and_then(|node| match node.as_f64() {
                Some(v) if v.is_finite() && v > 0.0 => Some(v),
                _ => wrong_type(node, "run.gpus_per_trial", "a number above 0", report),
            }),
            parallel: words(&mut fields, "parallel", report),
            trials: fields.count("trials", 1, report),
            max_fidelity: fields.count("max_fidelity", 1, report),
            min_fidelity: fields.count("min_fidelity", 1, report),
            eta: fields.count("eta", 2, report),
            full_first: fields.count("full_first", 0, report),
            timeout: fields.string("timeout", report),
            trial_timeout: fields.string("trial_timeout", report),
            trial_memory: fields.string("trial_memory", report),
            trial_disk: fields.string("trial_disk", report),
            trial_log: fields.string("trial_log", report),
            trial_open_files: fields.count("trial_open_files", 16, report),
            gpu_time: fields.string("gpu_time", report),
            seed: fields.count("seed", 0, report),
            retry: fields.count("retry", 0, report),
            silence_timeout: fields.string("silence_timeout", report),
            max_failures: fields.count("max_failures", 1, report),
            early_stop: fields.string("early_stop", report),
            keep_checkpoints: fields.string("keep_checkpoints", report),
            disk: fields.string("disk", report),
            journal: fields.string("journal", report),
            upload_to: fields.string("upload_to", report).map(|text| located(&text, folder)),
            places: node.entries().unwrap_or_default().iter().map(place).collect(),
        };
        fields.close(report);
        Some(settings)
    }
}

/// Returns a key and the place of its value.
fn place(entry: &Entry) -> (String, String) {
    let Position { line, column } = entry.value.at;
    (entry.key.clone(), format!("{line}:{column}"))
}

impl NetworkSettings {
    /// Fills in what a request leaves open; what it states stays.
    pub fn fill(&self, request: &mut NetworkRequest) {
        let or = |own: &mut Option<PathBuf>, default: &Option<PathBuf>| {
            *own = own.take().or_else(|| default.clone());
        };
        or(&mut request.network_config, &self.config);
        or(&mut request.schema, &self.schema);
        let Datasets { train, eval, inference, calibration, .. } = &mut request.datasets;
        if train.is_empty() {
            train.clone_from(&self.train_dataset);
        }
        or(eval, &self.eval_dataset);
        or(inference, &self.inference_dataset);
        or(calibration, &self.calibration_dataset);
        request.params = request.params.take().or_else(|| self.params.clone());
        request.metric = request.metric.take().or_else(|| self.metric.clone());
        request.pretrained = request.pretrained.take().or_else(|| self.pretrained.clone());
        // Later settings and bounds win, so the project's come first. A bound of a parameter that this
        // request does not search is no mistake here, unlike on the command line.
        request.set.splice(0..0, self.set.iter().cloned());
        request.set_by_project += self.set.len();
        let searched = |bound: &&String| {
            let name = bound.split('=').next().unwrap_or_default();
            request.params.as_ref().is_none_or(|params| params.iter().any(|p| p == name))
        };
        let bounds: Vec<String> = self.bound.iter().filter(searched).cloned().collect();
        request.bounds.splice(0..0, bounds);
    }

    /// Returns the settings without those of spec keys that an action does not have: the file's are meant
    /// for all actions of a network.
    #[must_use]
    pub fn for_keys(&self, known: &[String]) -> Self {
        let has = |setting: &&String| {
            let key = setting.split('=').next().unwrap_or_default();
            let within = |name: &String| {
                key.strip_prefix(name.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            };
            known.iter().any(within)
        };
        NetworkSettings { set: self.set.iter().filter(has).cloned().collect(), ..self.clone() }
    }

    fn read(node: &Node, at: &str, folder: &Path, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, at, report)?;
        let settings = NetworkSettings {
            config: path(&mut fields, "config", folder, report),
            schema: path(&mut fields, "schema", folder, report),
            train_dataset: one_or_more(&mut fields, "train_dataset", report)
                .iter()
                .map(|text| PathBuf::from(located(text, folder)))
                .collect(),
            eval_dataset: path(&mut fields, "eval_dataset", folder, report),
            inference_dataset: path(&mut fields, "inference_dataset", folder, report),
            calibration_dataset: path(&mut fields, "calibration_dataset", folder, report),
            params: Some(one_or_more(&mut fields, "params", report)).filter(|names| !names.is_empty()),
            metric: fields.string("metric", report),
            pretrained: fields.string("pretrained", report).map(|text| located(&text, folder)),
            set: read_set(&mut fields, report),
            bound: read_bounds(&mut fields, report),
        };
        fields.close(report);
        Some(settings)
    }
}

fn folder_of(file: &Path) -> PathBuf {
    files::absolute(file).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Returns a path as text, relative paths put into the folder; URIs stay.
fn located(text: &str, folder: &Path) -> String {
    if text.contains("://") { text.into() } else { folder.join(text).to_string_lossy().into_owned() }
}

fn path(fields: &mut Fields<'_>, key: &'static str, folder: &Path, report: &mut Report) -> Option<PathBuf> {
    fields.string(key, report).map(|text| PathBuf::from(located(&text, folder)))
}

/// A text, or a list of texts.
fn one_or_more(fields: &mut Fields<'_>, key: &'static str, report: &mut Report) -> Vec<String> {
    let path = fields.path_of(key);
    match fields.node(key) {
        None => Vec::new(),
        Some(node) if node.items().is_some() => strings(node, &path, report),
        Some(node) => string(node, &path, report).into_iter().collect(),
    }
}

/// A text, a whole number, or a list of whole numbers, as a flag would have it.
fn words(fields: &mut Fields<'_>, key: &'static str, report: &mut Report) -> Option<String> {
    let path = fields.path_of(key);
    let node = fields.node(key)?;
    let whole = |node: &Node| match node.data {
        Data::Int(v) if v >= 0 => Some(v.to_string()),
        _ => None,
    };
    let joined = match &node.data {
        Data::Str(text) => Some(text.clone()),
        Data::Seq(items) => items.iter().map(whole).collect::<Option<Vec<_>>>().map(|all| all.join(",")),
        _ => whole(node),
    };
    joined.or_else(|| wrong_type(node, &path, "a text, a whole number or a list of whole numbers", report))
}

/// Nested tables are dotted keys: `train.lr` and `[…train] lr` mean the same.
fn flatten<'n>(node: &'n Node, prefix: &str, leaves: &mut Vec<(String, &'n Node)>) {
    match node.entries() {
        Some(entries) => entries.iter().for_each(|e| flatten(&e.value, &join(prefix, &e.key), leaves)),
        None => leaves.push((prefix.into(), node)),
    }
}

fn read_set(fields: &mut Fields<'_>, report: &mut Report) -> Vec<String> {
    let at = fields.path_of("set");
    let mut leaves = Vec::new();
    if let Some(node) = fields.node("set") {
        flatten(node, "", &mut leaves);
    }
    let mut settings = Vec::new();
    for (key, node) in leaves {
        match node.to_json() {
            // JSON is YAML, so the value reads back as what it is.
            Some(value) => settings.push(format!("{key}={value}")),
            None => wrong_type(node, &join(&at, &key), "a finite value", report).unwrap_or_default(),
        }
    }
    settings
}

fn read_bounds(fields: &mut Fields<'_>, report: &mut Report) -> Vec<String> {
    let at = fields.path_of("bound");
    let mut leaves = Vec::new();
    if let Some(node) = fields.node("bound") {
        flatten(node, "", &mut leaves);
    }
    let mut bounds = Vec::new();
    for (key, node) in leaves {
        let path = join(&at, &key);
        let Some(text) = string(node, &path, report) else { continue };
        match ShortForm::parse_named(&key, &text) {
            Ok(_) => bounds.push(format!("{key}={text}")),
            Err(error) => report.error(node.at, &path, Code::Syntax, error.message).hint(error.hint),
        }
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, String> {
        Settings::parse(text, Path::new("/project/automl.toml")).map_err(|p| p.to_string())
    }

    const FULL: &str = r#"
        [run]
        root = "studies"
        gpus = [0, 2]
        parallel = "auto"
        trials = 12
        timeout = "12h"
        [network.mal]
        train_dataset = "data/train"
        eval_dataset = "/abs/val"
        params = ["train.lr"]
        [network.mal.set]
        "model.arch" = "vit-test/16"
        [network.mal.bound]
        train.lr = "1e-7..1e-5:log"
        train.wd = "1e-4..1e-2"
    "#;

    #[test]
    fn paths_are_relative_to_the_file() {
        let settings = parse(FULL).unwrap();
        assert_eq!(settings.run.root, Some("/project/studies".into()));
        assert_eq!(
            (settings.run.gpus.as_deref(), settings.run.parallel.as_deref()),
            (Some("0,2"), Some("auto"))
        );
        let mal = &settings.networks["mal"];
        assert_eq!(mal.train_dataset, [PathBuf::from("/project/data/train")]);
        assert_eq!(mal.eval_dataset, Some("/abs/val".into()));
        assert_eq!(mal.set, ["model.arch=\"vit-test/16\""]);
        assert_eq!(mal.bound, ["train.lr=1e-7..1e-5:log", "train.wd=1e-4..1e-2"]);
    }

    #[test]
    fn requests_win_over_settings() {
        let settings = parse(FULL).unwrap();
        let mut request = NetworkRequest::new("mal");
        request.set = vec!["model.arch=vit-test/8".into()];
        request.datasets.eval = Some("/mine".into());
        settings.networks["mal"].fill(&mut request);
        assert_eq!(request.set, ["model.arch=\"vit-test/16\"", "model.arch=vit-test/8"]);
        assert_eq!(request.bounds, ["train.lr=1e-7..1e-5:log"]);
        assert_eq!(request.datasets.eval, Some("/mine".into()));
        assert_eq!(request.datasets.train, [PathBuf::from("/project/data/train")]);
        assert_eq!(request.params, Some(vec!["train.lr".into()]));
    }

    #[test]
    fn mistakes_are_located() {
        let text = "[run]\ntrails = 3\ntrials = 0\ngpus = true\n[network.mal]\ntrain_data = \"x\"\n\
                    [network.mal.bound]\ntrain.lr = \"1..x\"\n[runs]\n";
        assert_eq!(
            parse(text).unwrap_err(),
            "/project/automl.toml:2:1: error: run: unknown key `trails` (did you mean `trials`?)\n\
             /project/automl.toml:3:10: error: run.trials: expected a whole number of at least 1, found the whole number 0\n\
             /project/automl.toml:4:8: error: run.gpus: expected a text, a whole number or a list of whole numbers, found the truth value true\n\
             /project/automl.toml:6:1: error: network.mal: unknown key `train_data` (did you mean `train_dataset`?)\n\
             /project/automl.toml:8:12: error: network.mal.bound.train.lr: expected a number, found `x` (write name=low..high, name=a|b|c or name=value)\n\
             /project/automl.toml:9:2: error: unknown key `runs` (did you mean `run`?)"
        );
    }
}
