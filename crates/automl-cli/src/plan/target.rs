//! What is tuned: a network of the catalogue, or any program.

use super::choices::Choices;
use super::job::in_container;
use crate::args::{NetworkArgs, RunArgs};
use crate::datasets;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::Project;
use crate::render::secret::masked;
use automl_config::{
    Catalog, CommandRequest, NetworkRequest, NetworkSettings, StudyRecipe, resolve_command, resolve_network,
};
use std::path::{Path, PathBuf};

/// Programs whose first argument says more than they do.
const INTERPRETERS: [&str; 8] = ["python", "python3", "sh", "bash", "node", "Rscript", "julia", "env"];
/// Flags that only make sense with a network and may also come from the environment.
const DATASETS: [&str; 5] =
    ["dataset", "train-dataset", "eval-dataset", "inference-dataset", "calibration-dataset"];
/// A resolved target.
pub(super) struct Target {
    pub(super) recipe: StudyRecipe,
    /// What it is, in a few words.
    pub(super) title: String,
    /// Beginning of the study's name.
    pub(super) stem: String,
}

/// Resolves the target of a search.
///
/// # Errors
/// What is wrong with the request or its files.
pub(super) fn resolve(
    args: &RunArgs,
    project: &Project,
    max_fidelity: Option<u64>,
    choices: &mut Choices<'_>,
    output: Output,
) -> Result<Target, Failure> {
    match &args.network.network {
        Some(network) => network_target(network, args, project, choices, output),
        None if args.network.skill.skill_dir.is_some() => {
            Err(Failure::new(Exit::Usage, "`--skill-dir` needs `--network NAME`"))
        }
        None => program_target(args, max_fidelity, choices),
    }
}

fn network_target(
    network: &str,
    args: &RunArgs,
    project: &Project,
    choices: &mut Choices<'_>,
    output: Output,
) -> Result<Target, Failure> {
    let program = &args.program;
    if program.fidelity.is_some() || program.stop_file.is_some() {
        let message =
            "`--fidelity` and `--stop-file` are for programs after `--`; a network's stand in its config";
        return Err(Failure::new(Exit::Usage, message));
    }
    if !(program.log.is_empty() && program.metric_pattern.is_empty()) {
        let message = "`--log` and `--metric-pattern` are for programs after `--`; a network's logs stand in its config";
        return Err(Failure::new(Exit::Usage, message));
    }
    if !(program.command.is_empty() && program.param.is_empty() && program.space.is_none()) {
        let message = "`--network` and a program (`--param`, `--space`, words after `--`) exclude each other";
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut request = network_request(network, &args.network, args.search.metric.first().cloned());
    request.further_metrics = args.search.metric.iter().skip(1).cloned().collect();
    choices.note("network", network.into(), "--network");
    let (catalog, here) = (project.catalog_with(&args.network.skill)?, super::current_dir()?);
    let mut defaults = project.settings.networks.get(network).cloned().unwrap_or_default();
    if let Some(action) = &args.network.action {
        defaults = of_action(defaults, &catalog, network, action);
    }
    note_network(&request, &defaults, choices);
    defaults.fill(&mut request);
    datasets::unpack(&catalog, &mut request, output)?;
    let recipe = in_container(args.network.container, &mut request, &here, |request| {
        let recipe = resolve_network(&catalog, request)?;
        Ok((recipe.trial.clone(), recipe))
    })?;
    let metric_source = match (args.search.metric.first(), &defaults.metric) {
        (Some(_), _) => choices.given_by("metric"),
        (None, Some(_)) => choices.file_of("metric"),
        (None, None) => "network config".into(),
    };
    note_objective(&recipe, &metric_source, choices);
    let title = format!("network {network}, action {}", request.action);
    Ok(Target { recipe, title, stem: network.into() })
}

/// Returns a network's defaults without the settings of keys that this action does not have.
pub(super) fn of_action(
    defaults: NetworkSettings,
    catalog: &Catalog,
    network: &str,
    action: &str,
) -> NetworkSettings {
    match catalog.parameters(network, action) {
        Ok(table) => {
            let keys: Vec<String> = table.parameters.into_iter().map(|row| row.name).collect();
            defaults.for_keys(&keys)
        }
        Err(_) => defaults,
    }
}

fn network_request(network: &str, args: &NetworkArgs, metric: Option<String>) -> NetworkRequest {
    let plain = NetworkRequest::new(network);
    NetworkRequest {
        network_config: args.network_config.clone(),
        schema: args.schema.clone(),
        action: args.action.clone().unwrap_or(plain.action),
        params: args.params.clone(),
        bounds: args.bound.clone(),
        spec: args.spec.clone(),
        set: args.set.clone(),
        datasets: datasets::given(&args.data),
        metric,
        pretrained: args.pretrained.clone(),
        ..NetworkRequest::new(network)
    }
}

/// Notes which layer each of the network's settings comes from; what no layer has is left to the
/// network config.
fn note_network(request: &NetworkRequest, file: &NetworkSettings, choices: &mut Choices<'_>) {
    let path = |path: &PathBuf| automl_config::hide_logins(&path.display().to_string());
    let list = |paths: &Vec<PathBuf>| paths.iter().map(path).collect::<Vec<_>>().join(", ");
    let some = |paths: &Vec<PathBuf>| Some(paths.clone()).filter(|paths| !paths.is_empty());
    let (data, text) = (&request.datasets, String::clone);
    choices.optional("network-config", request.network_config.clone(), file.config.clone(), path);
    choices.optional("schema", request.schema.clone(), file.schema.clone(), path);
    choices.optional("spec", request.spec.clone(), None, path);
    choices.optional("params", request.params.clone(), file.params.clone(), |names| names.join(","));
    choices.optional("train-dataset", some(&data.train), some(&file.train_dataset), list);
    choices.optional("eval-dataset", data.eval.clone(), file.eval_dataset.clone(), path);
    choices.optional("inference-dataset", data.inference.clone(), file.inference_dataset.clone(), path);
    choices.optional("calibration-dataset", data.calibration.clone(), file.calibration_dataset.clone(), path);
    choices.optional("dataset", data.own.clone(), None, path);
    choices.optional("pretrained", request.pretrained.clone(), file.pretrained.clone(), text);
    let file_name = choices.file_name();
    for (name, from_file, given) in
        [("set", &file.set, &request.set), ("bound", &file.bound, &request.bounds)]
    {
        from_file.iter().for_each(|value| choices.note(name, masked(value, '='), &file_name));
        given.iter().for_each(|value| choices.note(name, masked(value, '='), &format!("--{name}")));
    }
}

fn program_target(
    args: &RunArgs,
    max_fidelity: Option<u64>,
    choices: &mut Choices<'_>,
) -> Result<Target, Failure> {
    let usage = |message: &str| Err(Failure::new(Exit::Usage, message));
    if args.program.command.is_empty() {
        return usage(
            "nothing to tune: name a network (`--network mal`), or a program after `--` \
             (`automl run --param 'lr=1e-5..1e-1:log' --metric loss:min -- python train.py --lr {lr}`)",
        );
    }
    if let Some(name) = DATASETS.iter().find(|name| choices.is_typed(name)) {
        return usage(&format!("`--{name}` needs `--network`; give a program its data as an argument"));
    }
    let Some(metric) = args.search.metric.first().cloned() else {
        return usage(
            "a program's metric is not known: name it as it is printed, for example `--metric loss:min`",
        );
    };
    let plain = CommandRequest::new(metric, args.program.command.clone());
    let request = CommandRequest {
        logs: args.program.log.iter().chain(&plain.logs).cloned().collect(),
        line_patterns: args.program.metric_pattern.clone(),
        params: args.program.param.clone(),
        space: args.program.space.clone(),
        max_fidelity,
        fidelity: args.program.fidelity.clone(),
        stop_file: args.program.stop_file.clone(),
        ..plain
    };
    let recipe = resolve_command(&request)?;
    let command = recipe.trial.hide_secrets(&args.program.command.join(" "));
    choices.note("command", command.clone(), "arguments after `--`");
    note_objective(&recipe, "--metric", choices);
    let stem = stem(&args.program.command);
    Ok(Target { recipe, title: format!("command {command}"), stem })
}

fn note_objective(recipe: &StudyRecipe, source: &str, choices: &mut Choices<'_>) {
    let objective = &recipe.objective;
    choices.note("metric", format!("{} ({})", objective.metric, objective.direction), source);
}

/// Returns a name for a program: that of its file, or of its script.
fn stem(argv: &[String]) -> String {
    let stem = |text: &String| Path::new(text).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let says_more = |text: &&String| !text.starts_with('-') && !text.contains('{');
    let mut words = argv.iter().filter(says_more).filter_map(stem);
    let name = words.find(|word| !INTERPRETERS.contains(&word.as_str())).unwrap_or_else(|| "study".into());
    let sound = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    name.chars().map(sound).take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn studies_are_named_after_the_script() {
        for (command, name) in [
            ("python train.py --lr {lr}", "train"),
            ("./bench.sh", "bench"),
            ("sh -c exit", "exit"),
            ("python -m {module}", "study"),
            ("/opt/my-prog", "my_prog"),
        ] {
            let argv: Vec<String> = command.split(' ').map(String::from).collect();
            assert_eq!(stem(&argv), name, "{command}");
        }
    }
}
