//! A network request into a study recipe.

use super::{StudyRecipe, data, metric, settings, space};
use crate::catalog::{Catalog, ModelInfo};
use crate::files;
use crate::nearest::did_you_mean;
use crate::network::{Expression, Launch, Metrics, NetworkConfig};
use crate::problem::{Code, Position, Problem, Problems, Report, Severity};
use crate::recipe::{MetricRules, SpecRecipe, TrialRecipe, UploadRules};
use crate::request::NetworkRequest;
use crate::schema::Schema;
use crate::spec::SpecPath;
use automl_core::{Objective, SearchSpace};
use serde_json::Value;
use std::path::PathBuf;

/// Checks a request against the network's config and schema.
///
/// # Errors
/// Every problem found. A missing network, config or schema hides the rest.
pub fn resolve_network(catalog: &Catalog, request: &NetworkRequest) -> Result<StudyRecipe, Problems> {
    let inputs = Inputs::load(catalog, request)?;
    let launch = inputs.launch(request)?;
    let fidelity_key = launch.fidelity.as_ref().map(|f| f.key.as_str());
    let mut notes = Vec::new();
    let mut problems = inputs.warnings.clone();

    let mut base = inputs.template.clone();
    let applied = settings::apply(&request.set, &inputs.schema, &mut base, &mut problems);
    let filled = data::fill(inputs.data(request), &mut base);
    notes.extend(filled.notes);
    problems.extend(filled.problems);
    let wanted = space::Wanted { params: request.params.as_deref(), bounds: &request.bounds, fidelity_key };
    let space = space::build(&wanted, &inputs.schema, &mut notes, &mut problems);
    let searched = searched(space.as_ref(), &applied, &mut notes);
    check_mandatory(&base, &searched, &mut problems);
    let objective = objective(request, &inputs.config, &mut notes, &mut problems);
    let full_fidelity = full_fidelity(fidelity_key, &base, &mut problems);
    let functions = inputs.functions(&request.action, &mut problems);
    let format = inputs.config.api_params.spec_format;
    if format.is_none() {
        let message = format!("specs of network `{}` cannot be written", request.network);
        problems.push(Problem::plain("--network", "api_params.spec_backend", Code::Unsupported, message));
    }

    let (warnings, errors): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|p| p.severity == Severity::Warning);
    let (Some(space), Some(objective), Some(format), true) = (space, objective, format, errors.is_empty())
    else {
        return Err(Problems(errors.into_iter().chain(warnings).collect()));
    };
    notes.extend(warnings.iter().map(Problem::note));
    if inputs.model.automl_enabled == Some(false) {
        notes.push(format!("{}: its authors do not mean it to be searched", request.network));
    }
    let fixed = |key: &str| applied.covers(key) || searched.iter().any(|name| name == key);
    let spec = SpecRecipe {
        base,
        format,
        job_keys: filled.job_keys,
        functions,
        fidelity_key: fidelity_key.map(String::from),
        stop_after_env: launch.fidelity.as_ref().and_then(|f| f.stop_after_env.clone()),
        seed_key: launch.seed_key.clone().filter(|key| !fixed(key)),
        gpu_count_key: inputs.model.gpu_spec_key.clone(),
        gpu_ids_key: launch.gpu_ids_key.clone(),
        pretrained: request.pretrained.clone(),
        secret_keys: applied.secret_keys,
        secrets: applied.secrets,
    };
    let trial = TrialRecipe {
        downloads: filled.downloads,
        upload_rules: inputs.config.uploads.of(&request.action),
        ..trial_recipe(launch, &inputs.config.metrics, spec, &objective)
    };
    Ok(StudyRecipe {
        trial,
        space,
        objective,
        full_fidelity,
        fidelity_unit: launch.fidelity.as_ref().map_or("run".into(), |f| f.unit.clone()),
        resumable: launch.checkpoints.is_some(),
        notes,
    })
}

fn trial_recipe(launch: &Launch, metrics: &Metrics, spec: SpecRecipe, objective: &Objective) -> TrialRecipe {
    TrialRecipe {
        argv: launch.command.clone(),
        environment: launch.environment.clone(),
        workdir: launch.workdir.clone(),
        spec: Some(spec),
        logs: launch.logs.clone(),
        checkpoints: launch.checkpoints.clone(),
        error_patterns: launch.error_patterns.clone(),
        metrics: MetricRules {
            monitoring: objective.metric.clone(),
            available: metrics.available.clone(),
            patterns: metrics.patterns.clone(),
        },
        downloads: Vec::new(),
        upload_rules: UploadRules::default(),
        upload_to: None,
    }
}

/// Returns the archives among a request's datasets, and within them, that no caller has unpacked yet.
/// Unpacking one may bring others to light, so ask again with their folders in
/// [`Datasets::unpacked`](crate::Datasets) until there is none.
///
/// # Errors
/// A network, config or schema that is missing or broken. What is wrong with the datasets is told when
/// the request is resolved.
pub fn archives(catalog: &Catalog, request: &NetworkRequest) -> Result<Vec<PathBuf>, Problems> {
    let inputs = Inputs::load(catalog, request)?;
    let mut base = inputs.template.clone();
    settings::apply(&request.set, &inputs.schema, &mut base, &mut Vec::new());
    let known = |archive: &PathBuf| request.datasets.unpacked.contains_key(archive);
    let archives = data::fill(inputs.data(request), &mut base).archives;
    Ok(archives.into_iter().filter(|archive| !known(archive)).collect())
}

/// Checks a request's datasets against the network's rules; nothing else of the request counts.
/// An empty result means that every dataset has what the network needs.
///
/// # Errors
/// A network or config that is missing or broken.
pub fn check_dataset(catalog: &Catalog, request: &NetworkRequest) -> Result<DatasetCheck, Problems> {
    let (config, _) = Inputs::config(catalog, request)?;
    let filled = data::check(context(&config, request));
    let mut notes = filled.notes;
    if config.dataset_validation.formats().next().is_none() {
        notes.push(format!(
            "network `{}` has no dataset_validation, so no file was looked for",
            request.network
        ));
    }
    Ok(DatasetCheck { problems: filled.problems, archives: filled.archives, notes })
}

/// What came of checking datasets.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetCheck {
    /// What the datasets lack.
    pub problems: Vec<Problem>,
    /// Archives that have to be unpacked before they can be checked.
    pub archives: Vec<PathBuf>,
    /// What was not checked, and why.
    pub notes: Vec<String>,
}

fn context<'a>(config: &'a NetworkConfig, request: &'a NetworkRequest) -> data::Context<'a> {
    data::Context {
        config,
        action: &request.action,
        datasets: &request.datasets,
        parent_spec: request.parent_spec.as_ref(),
        configured: &[],
    }
}

/// Returns the names of the parameters searched, with a remark where a setting is in vain.
fn searched(
    space: Option<&SearchSpace>,
    applied: &settings::Applied,
    notes: &mut Vec<String>,
) -> Vec<String> {
    let parameters = space.map(SearchSpace::parameters).unwrap_or_default();
    let names: Vec<String> = parameters.iter().map(|p| p.name.clone()).collect();
    for key in names.iter().filter(|name| applied.covers(name)) {
        notes.push(format!("{key}: is searched, so its setting has no effect"));
    }
    names
}

fn objective(
    request: &NetworkRequest,
    config: &NetworkConfig,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<Objective> {
    let flag = request.metric.as_ref().map_or("--metric".into(), |text| format!("--metric '{text}'"));
    let mut report = Report::new(flag);
    let objective = metric::for_network(request.metric.as_deref(), &config.metrics, notes, &mut report);
    problems.extend(report.into_problems());
    objective
}

/// The files that a request refers to, read.
struct Inputs {
    config: NetworkConfig,
    schema: Schema,
    model: ModelInfo,
    /// Default spec.
    template: Value,
    warnings: Vec<Problem>,
}

impl Inputs {
    fn load(catalog: &Catalog, request: &NetworkRequest) -> Result<Self, Problems> {
        let (config, mut warnings) = Inputs::config(catalog, request)?;
        let (schema, more) = match &request.schema {
            None => catalog.schema(&request.network, &request.action)?,
            Some(path) => {
                let node = files::require_tree(path)?;
                let mut report = Report::new(path.display().to_string());
                let schema = Schema::read(&node, &mut report);
                let warnings = report.finish()?;
                (schema.expect("a file without errors gives a schema"), warnings)
            }
        };
        warnings.extend(more);
        // A schema of the user's own brings its own defaults.
        let template = match &request.schema {
            None => catalog.spec_template(&request.network, &request.action)?,
            Some(_) => None,
        };
        let template = template.unwrap_or_else(|| schema.default.clone());
        Ok(Inputs { config, schema, model: catalog.model_info(&request.network), template, warnings })
    }

    /// Reads the network's config.
    fn config(
        catalog: &Catalog,
        request: &NetworkRequest,
    ) -> Result<(NetworkConfig, Vec<Problem>), Problems> {
        let Some(path) = &request.network_config else { return catalog.network(&request.network) };
        let node = files::require_tree(path)?;
        let mut report = Report::new(path.display().to_string());
        let config = NetworkConfig::read(&node, &mut report);
        let warnings = report.finish()?;
        Ok((config.expect("a file without errors gives a config"), warnings))
    }

    fn data<'a>(&'a self, request: &'a NetworkRequest) -> data::Context<'a> {
        context(&self.config, request)
    }

    fn launch(&self, request: &NetworkRequest) -> Result<&Launch, Problems> {
        self.config.launch(&request.action).ok_or_else(|| {
            let actions = self.config.launch.iter().map(|(action, _)| action.as_str());
            let message =
                format!("network `{}` does not say how to launch `{}`", request.network, request.action);
            let hint = match self.config.api_params.actions.contains(&request.action) {
                true => self.launch_advice(&request.action),
                false => did_you_mean(&request.action, actions),
            };
            Problems(vec![Problem::plain("--action", "launch", Code::UnknownName, message).with_hint(hint)])
        })
    }

    /// An action that the network has and that nothing here knows how to start.
    fn launch_advice(&self, action: &str) -> String {
        let api = &self.config.api_params;
        let image = api.image(action).map(|image| format!("; image `{image}` has it")).unwrap_or_default();
        let pipe = api.pipe(action);
        format!("add a section `launch` with a command that runs `{pipe}`{image}")
    }

    /// A search fills the keys of `automl_spec_params`; where there are none, or the action is not the
    /// one that is searched, those of `spec_params`.
    fn functions(&self, action: &str, problems: &mut Vec<Problem>) -> Vec<(String, Expression)> {
        let plain = self.config.spec_params.iter().find(|(name, _)| name == action).map(|(_, params)| params);
        let functions = match (action, plain) {
            ("train", _) if !self.config.automl_spec_params.is_empty() => &self.config.automl_spec_params,
            (_, Some(params)) => params,
            (_, None) => return Vec::new(),
        };
        for (key, expression) in functions {
            if let Err(why) = key.parse::<SpecPath>() {
                problems.push(Problem::plain("automl_spec_params", key, Code::BadValue, why));
            }
            if let Expression::Unsupported(name) = expression {
                let message = format!("function `{name}` is not acted upon yet; the key is left as it is");
                let problem = Problem::plain("spec_params", key, Code::Unsupported, message);
                problems.push(Problem { severity: Severity::Warning, ..problem });
            }
        }
        functions.clone()
    }
}

/// `???` marks a key that has to be set.
fn check_mandatory(spec: &Value, searched: &[String], problems: &mut Vec<Problem>) {
    let mut open = Vec::new();
    collect_open(spec, String::new(), &mut open);
    for key in open.into_iter().filter(|key| !searched.contains(key)) {
        let message = format!("`{key}` has no value");
        let hint = format!("--set {key}=VALUE");
        problems.push(Problem::plain("spec", &key, Code::MissingKey, message).with_hint(hint));
    }
}

fn collect_open(value: &Value, path: String, open: &mut Vec<String>) {
    match value {
        Value::String(text) if text == "???" => open.push(path),
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| collect_open(value, crate::fields::join(&path, key), open));
        }
        _ => {}
    }
}

fn full_fidelity(key: Option<&str>, spec: &Value, problems: &mut Vec<Problem>) -> u64 {
    let Some(key) = key else { return 1 };
    let value = key.parse::<SpecPath>().ok().and_then(|path| path.get(spec).cloned()).unwrap_or_default();
    match value.as_u64().filter(|n| *n >= 1) {
        Some(length) => length,
        None => {
            let message =
                format!("the length of a training must be a whole number of at least 1, found {value}");
            let mut report = Report::new("spec");
            report.error(Position::default(), key, Code::BadValue, message).hint(format!("--set {key}=10"));
            problems.extend(report.into_problems());
            1
        }
    }
}
