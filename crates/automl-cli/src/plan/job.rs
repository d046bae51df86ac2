//! What an `action`, or a `run` without a search, is about to do.

use super::target::of_action;
use super::{GRACE_MS, LOG_BYTES, current_dir, upload_place};
use crate::args::{ActionArgs, ContainerMode, RunArgs};
use crate::datasets;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::Project;
use automl::{JobOptions, find_program};
use automl_config::{
    AttemptContext, Catalog, ContainerRequest, JobRecipe, NetworkRequest, ParentJob, TrialRecipe, resolve_job,
};
use automl_core::{Limits, Params, UsageLimits};
use std::path::{Path, PathBuf};

/// Folder of results where nobody names one, in the working folder.
const RESULTS: &str = "results";
/// Begins the variables that say which image a symbol stands for.
const IMAGE_VARIABLE: &str = "AUTOML_IMAGE_";

/// A resolved job.
#[derive(Debug)]
pub(crate) struct JobPlan {
    pub(crate) recipe: JobRecipe,
    pub(crate) options: JobOptions,
}

impl JobPlan {
    /// Resolves the arguments of `action`.
    ///
    /// # Errors
    /// What is wrong with flags, files or datasets.
    pub(crate) fn resolve(
        args: &ActionArgs,
        parent: Option<ParentJob>,
        project: &Project,
        output: Output,
    ) -> Result<Self, Failure> {
        let here = current_dir()?;
        let catalog = project.catalog_with(&args.skill)?;
        let mut request = request(args, parent, project, &catalog);
        datasets::unpack(&catalog, &mut request, output)?;
        let mut recipe = in_container(args.container, &mut request, &here, |request| {
            let recipe = resolve_job(&catalog, request)?;
            Ok((recipe.trial.clone(), recipe))
        })?;
        let stem = format!("{}-{}", args.network, args.action);
        let results = args.results.as_ref().map_or_else(|| free_folder(&here, &stem), |dir| here.join(dir));
        let file = &project.settings.run;
        let upload_to = args.upload_to.as_deref().map(upload_place).transpose()?;
        recipe.trial.set_upload_to(upload_to.or_else(|| file.upload_to.clone()));
        let options = JobOptions {
            results,
            limits: Limits {
                wall_ms: args.timeout,
                silence_ms: args.silence_timeout,
                grace_ms: args.grace.unwrap_or(GRACE_MS),
                usage: UsageLimits { log_bytes: Some(LOG_BYTES), ..UsageLimits::default() },
            },
            gpus: args.gpus.clone().or_else(|| file.gpus.clone()).unwrap_or_else(|| "all".into()),
            num_gpus: args.num_gpus,
            workdir: here,
        };
        Ok(JobPlan { recipe, options })
    }
}

fn request(
    args: &ActionArgs,
    parent: Option<ParentJob>,
    project: &Project,
    catalog: &Catalog,
) -> NetworkRequest {
    let mut request = NetworkRequest {
        action: args.action.clone(),
        network_config: args.network_config.clone(),
        schema: args.schema.clone(),
        spec: args.spec.clone(),
        set: args.set.clone(),
        datasets: datasets::given(&args.data),
        metric: args.metric.clone(),
        pretrained: args.pretrained.clone(),
        parent,
        ..NetworkRequest::new(args.network.clone())
    };
    let defaults = project.settings.networks.get(&args.network).cloned().unwrap_or_default();
    let defaults = of_action(defaults, catalog, &args.network, &args.action);
    defaults.fill(&mut request);
    request
}

/// Turns a search that is not to be one into the plain training that it comes down to.
///
/// # Errors
/// If it is no training of a network.
pub(crate) fn plain_training(args: &RunArgs, project: &Project) -> Result<ActionArgs, Failure> {
    let Some(network) = &args.network.network else {
        let message = "without a search there is only a network's training to run: name it with `--network`, \
                       or start the program yourself";
        return Err(Failure::new(Exit::Usage, message));
    };
    let given = &args.network;
    let epochs = args.search.max_fidelity;
    if epochs.is_some() {
        let message = "a plain training is as long as its spec says: use --set train.num_epochs=N in place of \
                       --max-fidelity";
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(ActionArgs {
        network: network.clone(),
        action: given.action.clone().unwrap_or_else(|| "train".into()),
        parent: None,
        checkpoint: None,
        results: args.search.name.as_ref().map(|name| project.root.join(name)),
        spec: given.spec.clone(),
        set: given.set.clone(),
        data: given.data.clone(),
        pretrained: given.pretrained.clone(),
        metric: args.search.metric.first().cloned(),
        network_config: given.network_config.clone(),
        schema: given.schema.clone(),
        skill: given.skill.clone(),
        container: given.container,
        gpus: args.machine.gpus.clone(),
        num_gpus: args.machine.gpus_per_trial.map_or(1, |n| n.ceil().max(1.0) as u32),
        timeout: args.machine.trial_timeout.or(args.search.timeout),
        silence_timeout: args.machine.silence_timeout,
        grace: args.machine.grace,
        upload_to: args.machine.upload_to.clone(),
        dry_run: args.dry_run,
    })
}

/// Resolves a request for the command, or for the container where that is wanted or the command is not
/// there and docker is.
///
/// # Errors
/// What is wrong with the request, or that docker is wanted and missing.
pub(super) fn in_container<T>(
    mode: ContainerMode,
    request: &mut NetworkRequest,
    here: &Path,
    resolve: impl Fn(&NetworkRequest) -> Result<(TrialRecipe, T), Failure>,
) -> Result<T, Failure> {
    if mode == ContainerMode::Docker {
        find_docker(here)?;
        request.container = Some(container_request());
        return resolve(request).map(|(_, resolved)| resolved);
    }
    let (recipe, resolved) = resolve(request)?;
    if mode == ContainerMode::Auto && !has_program(&recipe, here) && find_docker(here).is_ok() {
        request.container = Some(container_request());
        // What the container lacks (an image's name) is no reason to hide that the command is missing.
        return resolve(request).map_or(Ok(resolved), |(_, in_container)| Ok(in_container));
    }
    Ok(resolved)
}

/// Tells whether the command of a recipe is there. Its first word never depends on the attempt.
fn has_program(recipe: &TrialRecipe, here: &Path) -> bool {
    let params = Params::default();
    let context = AttemptContext {
        study: "",
        trial: 1,
        attempt: 1,
        params: &params,
        trial_dir: here,
        results_dir: here,
        downloads_dir: here,
        until: 1,
        max_fidelity: 1,
        resume_from: None,
        seed: 0,
        gpus: &[],
    };
    match recipe.realise(&context) {
        Ok(files) => find_program(&files.argv[0], files.workdir.as_deref().unwrap_or(here)).is_ok(),
        Err(_) => true,
    }
}

/// Docker must be there and its daemon must answer, or every job would fail with a riddle.
fn find_docker(here: &Path) -> Result<(), Failure> {
    let advised = |message: String| {
        let mut failure = Failure::new(Exit::Environment, message);
        failure.advise("install docker and start its daemon, or run the command: --container none");
        failure
    };
    let docker = find_program("docker", here).map_err(|error| advised(error.to_string()))?;
    let answer = std::process::Command::new(docker)
        .args(["version", "--format", "{{.Server.Version}}"])
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| advised(format!("docker cannot be started: {error}")))?;
    if answer.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer.stderr);
    Err(advised(format!(
        "docker does not work here: {}",
        said.lines().next().unwrap_or("no reason given").trim()
    )))
}

fn container_request() -> ContainerRequest {
    let image =
        |(name, value): (String, String)| Some((name.strip_prefix(IMAGE_VARIABLE)?.to_string(), value));
    ContainerRequest {
        images: std::env::vars_os()
            .filter_map(|(name, value)| image((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        user: owner(),
    }
}

/// Returns whom this process's files belong to, as `UID:GID`.
fn owner() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self").ok()?;
    Some(format!("{}:{}", own.uid(), own.gid()))
}

/// Returns `results/<stem>-<n>` with the first number that is not taken.
fn free_folder(here: &Path, stem: &str) -> PathBuf {
    let mut folders = (1_u64..).map(|n| here.join(RESULTS).join(format!("{stem}-{n}")));
    folders.find(|folder| !folder.exists()).expect("there are more numbers than folders")
}
