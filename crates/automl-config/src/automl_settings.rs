//! The `automl_settings` object of NVIDIA TAO's services and runner, as settings of a search here.
//!
//! Every name they know is known here, the flat ones of older versions included; a setting without a
//! counterpart is remarked upon, an unknown one is an error. Names within `algorithm_specific_params`
//! count where the same name does not stand outside of it.

use crate::fields::{Fields, join, string, strings, wrong_type};
use crate::files;
use crate::node::{Data, Node};
use crate::problem::{Code, Problems, Report};
use automl_core::{Algorithm, Direction};
use std::path::Path;

/// Object that the settings may lie in.
const WRAPPER: &str = "automl_settings";
/// Metric that means the network's own.
const NETWORK_METRIC: &str = "kpi";

/// What the settings say, in the terms of a search here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AutomlSettings {
    /// Whether there is to be a search at all.
    pub enabled: Option<bool>,
    /// Name of the algorithm.
    pub algorithm: Option<String>,
    /// Metric; `None` for the network's own.
    pub metric: Option<String>,
    /// Whether the metric is to fall or to rise.
    pub direction: Option<Direction>,
    /// Parameters to search.
    pub params: Option<Vec<String>>,
    /// Ranges in short form.
    pub bounds: Vec<String>,
    /// Trials in all.
    pub trials: Option<u64>,
    /// Trials at the same time.
    pub parallel: Option<u64>,
    /// Largest fidelity of a trial.
    pub max_fidelity: Option<u64>,
    /// Smallest fidelity of a trial.
    pub min_fidelity: Option<u64>,
    /// Factor between rungs.
    pub eta: Option<u64>,
    /// Size of a population that trains on together.
    pub population: Option<u64>,
    /// Number of its generations.
    pub generations: Option<u64>,
    /// Length of a generation.
    pub generation: Option<u64>,
    /// Rule by which trials are stopped.
    pub early_stop: Option<String>,
    /// Whose checkpoints stay.
    pub keep_checkpoints: Option<String>,
    /// What could not be taken over, for people.
    pub notes: Vec<String>,
}

/// What TAO takes where nothing is said: trials of a population, its generations, epochs of one.
const POPULATION: u64 = 10;
const GENERATIONS: u64 = 20;
const GENERATION: u64 = 10;

/// Names of Hyperband that also stops trials by their curves.
const EARLY_STOPPING_HYPERBAND: [&str; 2] = ["hyperband_es", "hyperband-es"];

/// Settings whose effect a search here has without being told.
const IMPLIED: [(&str, &str); 4] = [
    (
        "override_automl_disabled_params",
        "a parameter that is named is searched, whatever the schema's flag says",
    ),
    ("automl_retain_failed_artifacts", "the files of failed trials are kept until they are deleted"),
    ("session_id", "studies go by their names"),
    ("experiment_id", "studies go by their names"),
];

/// Settings without a counterpart.
const WITHOUT_COUNTERPART: [&str; 41] = [
    "automl_checkpoint_retention_strategy",
    "automl_min_top_configs",
    "automl_perturbation_factor",
    "automl_mutation_factor",
    "automl_crossover_prob",
    "automl_kde_samples",
    "automl_top_n_percent",
    "automl_min_points_in_model",
    "automl_early_stop_threshold",
    "automl_min_early_stop_epochs",
    "run_baseline",
    "baseline_metric",
    "baseline_record_path",
    "run_final_evaluation",
    "final_evaluation",
    "final_evaluation_metric",
    "final_evaluation_record_path",
    "reuse_best_metric_for_final_evaluation",
    "evaluation_records_dir",
    "objectives",
    "multi_objective",
    "metric_weight",
    "metric_scale",
    "include_latency",
    "latency_objective",
    "latency_metric",
    "latency_direction",
    "latency_weight",
    "latency_scale",
    "allow_unsafe_effective_batch",
    "llm_model",
    "llm_provider",
    "llm_base_url",
    "llm_api_key",
    "llm_temperature",
    "llm_max_tokens",
    "model",
    "base_url",
    "api_key",
    "research_program",
    "evolvable_text_parameters",
];

impl AutomlSettings {
    /// Reads a file.
    ///
    /// # Errors
    /// Everything that is wrong with it, unknown keys included.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let node = files::require_tree(path)?;
        let mut report = Report::new(path.display().to_string());
        let settings = AutomlSettings::from_node(&node, &mut report);
        report.finish()?;
        Ok(settings.expect("a file without errors gives settings"))
    }

    fn from_node(root: &Node, report: &mut Report) -> Option<Self> {
        let (node, path) = match root.get(WRAPPER) {
            Some(inner) => (inner, WRAPPER),
            None => (root, ""),
        };
        let mut fields = Fields::open(node, path, report)?;
        let mut settings = AutomlSettings::default();
        settings.take(&mut fields, report);
        settings.enabled = fields.bool("automl_enabled", report);
        settings.params = read_names(&mut fields, report);
        settings.bounds = read_ranges(&mut fields, &mut settings.notes, report);
        let nested_path = fields.path_of("algorithm_specific_params");
        if let Some(node) = fields.node("algorithm_specific_params") {
            let mut nested = Fields::open(node, &nested_path, report)?;
            let mut inner = AutomlSettings::default();
            inner.take(&mut nested, report);
            nested.close(report);
            settings.fill(inner);
        }
        fields.close(report);
        settings.check(node, report);
        settings.train_population();
        Some(settings)
    }

    /// Reads what may stand at the top or among the algorithm's own settings.
    fn take(&mut self, fields: &mut Fields<'_>, report: &mut Report) {
        let mut first = |keys: &[&'static str], least: u64, report: &mut Report| {
            let read: Vec<Option<u64>> = keys.iter().map(|key| fields.count(key, least, report)).collect();
            read.into_iter().flatten().next()
        };
        self.trials = first(
            &[
                "automl_max_recommendations",
                "num_recommendations",
                "automl_max_trials",
                "automl_max_experiments",
            ],
            1,
            report,
        );
        self.parallel = first(&["automl_max_concurrent"], 1, report);
        self.eta = first(&["automl_reduction_factor", "automl_nu"], 2, report);
        let rungs = first(&["automl_max_epochs", "automl_R"], 2, report);
        let multiplier = first(&["epoch_multiplier"], 1, report);
        self.max_fidelity = rungs.map(|epochs| epochs.saturating_mul(multiplier.unwrap_or(1)));
        self.min_fidelity = multiplier;
        self.population = first(&["automl_population_size"], 2, report);
        self.generations = first(&["automl_max_generations"], 1, report);
        self.generation = first(&["automl_eval_interval"], 1, report);
        let names = ["algorithm", "automl_algorithm"];
        let [ours, theirs] = names.map(|key| read_algorithm(key, fields, report));
        self.algorithm = ours.or(theirs);
        if self.algorithm.as_deref().is_some_and(|name| EARLY_STOPPING_HYPERBAND.contains(&name)) {
            self.algorithm = Some("hyperband".into());
            self.early_stop = Some("curve".into());
        }
        if fields.bool("automl_delete_intermediate_ckpt", report) == Some(true) {
            self.keep_checkpoints = Some("best".into());
        }
        self.metric = fields.string("metric", report).filter(|name| name != NETWORK_METRIC);
        self.direction = read_direction(fields, report);
        for (key, why) in IMPLIED {
            if fields.node(key).is_some() {
                self.notes.push(format!("{}: {why}", fields.path_of(key)));
            }
        }
        for key in WITHOUT_COUNTERPART {
            if fields.node(key).is_some() {
                self.notes
                    .push(format!("{}: has no counterpart here and is not acted upon", fields.path_of(key)));
            }
        }
    }

    /// Takes over what is not said yet.
    fn fill(&mut self, inner: AutomlSettings) {
        self.trials = self.trials.or(inner.trials);
        self.parallel = self.parallel.or(inner.parallel);
        self.eta = self.eta.or(inner.eta);
        self.max_fidelity = self.max_fidelity.or(inner.max_fidelity);
        self.min_fidelity = self.min_fidelity.or(inner.min_fidelity);
        self.population = self.population.or(inner.population);
        self.generations = self.generations.or(inner.generations);
        self.generation = self.generation.or(inner.generation);
        self.algorithm = self.algorithm.take().or(inner.algorithm);
        self.early_stop = self.early_stop.take().or(inner.early_stop);
        self.keep_checkpoints = self.keep_checkpoints.take().or(inner.keep_checkpoints);
        self.metric = self.metric.take().or(inner.metric);
        self.direction = self.direction.or(inner.direction);
        self.notes.extend(inner.notes);
    }

    /// Generations and their length are fidelities here; where nothing is said they are those of TAO.
    fn train_population(&mut self) {
        let said = [self.population, self.generations, self.generation];
        if !self.algorithm.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("pbt")) {
            if said.iter().any(Option::is_some) {
                self.notes
                    .push("settings of a population are acted upon under the algorithm pbt only".into());
            }
            return;
        }
        let [population, generations, generation] = said;
        let length = generation.unwrap_or(GENERATION);
        self.population = population.or(Some(POPULATION));
        self.generations = generations.or(Some(GENERATIONS));
        self.min_fidelity = Some(length);
        self.max_fidelity = self.generations.map(|generations| generations.saturating_mul(length));
    }

    fn check(&self, node: &Node, report: &mut Report) {
        if let (Some(eta), Some(max)) = (self.eta, self.max_fidelity)
            && eta > max
        {
            let message = format!("the reduction factor {eta} is above the {max} epochs of a full trial");
            report.error(node.at, "", Code::BadValue, message);
        }
    }
}

/// The name of an algorithm, as it is known here or to TAO.
fn read_algorithm(key: &'static str, fields: &mut Fields<'_>, report: &mut Report) -> Option<String> {
    let path = fields.path_of(key);
    let node = fields.node(key)?;
    let Some(name) = node.as_str() else {
        return wrong_type(node, &path, "the name of an algorithm", report);
    };
    match name.parse::<Algorithm>() {
        Err(why) if !EARLY_STOPPING_HYPERBAND.contains(&name) => {
            report.error(node.at, &path, Code::BadValue, why);
            None
        }
        _ => Some(name.into()),
    }
}

fn read_direction(fields: &mut Fields<'_>, report: &mut Report) -> Option<Direction> {
    let path = fields.path_of("direction");
    let node = fields.node("direction")?;
    match node.as_str() {
        Some("minimize") => Some(Direction::Minimize),
        Some("maximize") => Some(Direction::Maximize),
        _ => wrong_type(node, &path, "`minimize` or `maximize`", report),
    }
}

/// A list of names, or a text that holds one: `['train.lr','train.wd']`, `[train.lr,train.wd]`.
fn read_names(fields: &mut Fields<'_>, report: &mut Report) -> Option<Vec<String>> {
    let path = fields.path_of("automl_hyperparameters");
    let node = fields.node("automl_hyperparameters")?;
    let names = match &node.data {
        Data::Str(text) => {
            let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
            let bare = |name: &str| name.trim().trim_matches(['\'', '"']).to_string();
            inner.split(',').map(bare).filter(|name| !name.is_empty()).collect()
        }
        _ => strings(node, &path, report),
    };
    Some(names).filter(|names| !names.is_empty())
}

/// Keys of a range that say more than which values there are.
const RANGE_EXTRAS: [&str; 5] = ["option_weights", "depends_on", "math_cond", "parent_param", "disable_list"];

fn read_ranges(fields: &mut Fields<'_>, notes: &mut Vec<String>, report: &mut Report) -> Vec<String> {
    let path = fields.path_of("automl_range_override");
    let Some(node) = fields.node("automl_range_override") else { return Vec::new() };
    let Some(items) = node.items() else {
        return wrong_type(node, &path, "a list of ranges", report).unwrap_or_default();
    };
    let with_index = items.iter().enumerate();
    with_index.filter_map(|(i, item)| read_range(item, &format!("{path}[{i}]"), notes, report)).collect()
}

fn read_range(node: &Node, path: &str, notes: &mut Vec<String>, report: &mut Report) -> Option<String> {
    let mut fields = Fields::open(node, path, report)?;
    let name = fields.required_string("parameter", report);
    let mut bound = |key: &'static str, report: &mut Report| {
        let path = join(path, key);
        let node = fields.node(key)?;
        match node.to_json().filter(serde_json::Value::is_number) {
            Some(number) => Some(number.to_string()),
            None => wrong_type(node, &path, "a finite number", report),
        }
    };
    let (low, high) = (bound("valid_min", report), bound("valid_max", report));
    let options = read_options(&mut fields, report);
    for key in RANGE_EXTRAS {
        if fields.node(key).is_some() {
            notes.push(format!("{}: is not acted upon", fields.path_of(key)));
        }
    }
    fields.close(report);
    let name = name?;
    match (options.is_empty(), low, high) {
        (false, ..) => Some(format!("{name}={}", options.join("|"))),
        (true, Some(low), Some(high)) => Some(format!("{name}={low}..{high}")),
        (true, None, None) => {
            notes.push(format!("{path}: changes no bound of {name}"));
            None
        }
        _ => {
            let message = "a range needs both `valid_min` and `valid_max`";
            report.error(node.at, path, Code::MissingKey, message);
            None
        }
    }
}

fn read_options(fields: &mut Fields<'_>, report: &mut Report) -> Vec<String> {
    let path = fields.path_of("valid_options");
    let Some(node) = fields.node("valid_options") else { return Vec::new() };
    let Some(items) = node.items() else {
        return wrong_type(node, &path, "a list of options", report).unwrap_or_default();
    };
    let text = |item: &Node| match &item.data {
        Data::Bool(_) | Data::Int(_) | Data::Float(_) => item.to_json().map(|value| value.to_string()),
        _ => string(item, &path, report),
    };
    items.iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read_json;

    fn read(text: &str) -> (AutomlSettings, Vec<String>) {
        let mut report = Report::new("s.json");
        let node = read_json(text, &mut report).unwrap();
        let settings = AutomlSettings::from_node(&node, &mut report).unwrap();
        (settings, report.into_problems().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn names_of_the_services_are_taken_over() {
        let (settings, problems) = read(
            r#"{"automl_settings": {"automl_enabled": true, "automl_algorithm": "hyperband", "metric": "kpi",
                "automl_hyperparameters": "['train.lr', 'train.wd']",
                "automl_range_override": [
                    {"parameter": "train.lr", "valid_min": 1e-7, "valid_max": 1e-5},
                    {"parameter": "model.arch", "valid_options": ["a", "b"], "option_weights": [1, 2]}],
                "algorithm_specific_params": {"automl_max_epochs": 27, "automl_reduction_factor": 3,
                    "epoch_multiplier": 2, "automl_kde_samples": 64},
                "automl_max_epochs": 9}}"#,
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!((settings.enabled, settings.algorithm.as_deref()), (Some(true), Some("hyperband")));
        assert_eq!(settings.params, Some(vec!["train.lr".into(), "train.wd".into()]));
        assert_eq!(settings.bounds, ["train.lr=1e-7..0.00001", "model.arch=a|b"]);
        assert_eq!((settings.metric, settings.max_fidelity, settings.eta), (None, Some(9), Some(3)));
        assert_eq!(settings.min_fidelity, Some(2));
        assert_eq!(
            settings.notes,
            [
                "automl_settings.automl_range_override[1].option_weights: is not acted upon",
                "automl_settings.algorithm_specific_params.automl_kde_samples: has no counterpart here and is not acted upon",
            ]
        );
    }

    #[test]
    fn populations_become_fidelities() {
        let (settings, problems) = read(
            r#"{"automl_algorithm": "pbt", "automl_population_size": 6, "automl_max_generations": 5,
                "automl_eval_interval": 4, "automl_perturbation_factor": 1.2}"#,
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!((settings.min_fidelity, settings.max_fidelity), (Some(4), Some(20)));
        assert_eq!((settings.population, settings.generations), (Some(6), Some(5)));
        assert_eq!(settings.notes.len(), 1, "the factor: {:?}", settings.notes);
        let (plain, _) = read(r#"{"algorithm": "PBT"}"#);
        assert_eq!(
            (plain.population, plain.max_fidelity, plain.min_fidelity),
            (Some(10), Some(200), Some(10))
        );
        let (other, _) = read(r#"{"algorithm": "asha", "automl_population_size": 6}"#);
        assert_eq!((other.max_fidelity, other.notes.len()), (None, 1));
    }

    #[test]
    fn old_flat_names_mean_the_same() {
        let (settings, problems) = read(
            r#"{"algorithm": "bayesian", "automl_R": 81, "automl_nu": 3, "num_recommendations": 12,
                "automl_hyperparameters": ["train.lr"], "metric": "val_loss", "direction": "minimize"}"#,
        );
        assert_eq!(problems, [""; 0]);
        assert_eq!((settings.max_fidelity, settings.eta, settings.trials), (Some(81), Some(3), Some(12)));
        assert_eq!(settings.metric.as_deref(), Some("val_loss"));
        assert_eq!(settings.direction, Some(Direction::Minimize));
    }

    #[test]
    fn unknown_names_get_the_nearest_one() {
        let (_, problems) = read(
            r#"{"automl_max_recomendations": 5, "automl_R": 1,
                "automl_range_override": [{"parameter": "a", "valid_min": 1}],
                "algorithm_specific_params": {"automl_reduction": 3}, "automl_algorithm": "hyperbandx"}"#,
        );
        assert_eq!(problems.len(), 5, "{problems:?}");
        let of_algorithm = problems.iter().find(|p| p.contains("unknown algorithm")).unwrap();
        assert!(of_algorithm.starts_with("s.json:3:"), "{of_algorithm}");
        let has = |words: &str| assert!(problems.iter().any(|p| p.contains(words)), "{words}: {problems:?}");
        has(
            "s.json:1:2: error: unknown key `automl_max_recomendations` (did you mean `automl_max_recommendations`",
        );
        has("automl_R: expected a whole number of at least 2");
        has("automl_range_override[0]: a range needs both `valid_min` and `valid_max`");
        has("unknown key `automl_reduction` (did you mean `automl_reduction_factor`");
    }
}
