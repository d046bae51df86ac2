//! From flags, environment and settings file to what the engine is asked for.
//!
//! Each setting is taken from the first layer that has it. What the values mean is checked by the
//! crates that use them; this module only decides who wins.

mod choices;
mod conduct;
pub(crate) mod foreign;
mod job;
mod start;
mod target;

pub(crate) use choices::Choice;
pub(crate) use foreign::Foreign;
pub(crate) use job::{JobPlan, plain_training};

use crate::args::{LogSize, MachineArgs, Parallel, RunArgs, SearchArgs, UsageArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::{Project, shown};
use crate::render::size::{parse_size, size};
use crate::render::time;
use automl::{StudyOptions, WarmStart, settings};
use automl_config::{RunSettings, StudyRecipe, further_objective};
use automl_core::{
    Algorithm, Conduct, FidelityPlan, Limits, Objective, Resources, StudySettings, UsageLimits,
};
use choices::Choices;
use clap::ArgMatches;
use std::path::PathBuf;
use std::str::FromStr;

/// Time between asking a program to end and killing it: enough to write a checkpoint.
const GRACE_MS: u64 = 30_000;
/// Root of every random choice unless the user names another: runs are repeatable by default.
const DEFAULT_SEED: u64 = 0;
const DEFAULT_MIN_FIDELITY: u64 = 1;
const DEFAULT_ETA: u64 = 3;
const DEFAULT_RETRIES: u32 = 1;
const DEFAULT_MAX_FAILURES: u32 = 5;
/// What follows from a program that cannot carry on.
const BEGIN_ANEW: &str =
    "trials cannot be carried on, so promoted ones begin anew; `automl plan` counts what that costs";
/// Disk space of each log of an attempt, unless the user names another: more than anybody reads.
const LOG_BYTES: u64 = 1 << 30;
/// Executors of this version.
const EXECUTOR: &str = "local";

/// Everything a new study needs.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What is searched and how trials are run.
    pub(crate) recipe: StudyRecipe,
    /// How the search goes.
    pub(crate) options: StudyOptions,
    /// What is tuned, in a few words.
    pub(crate) title: String,
    /// Whether the study's name is the user's own.
    pub(crate) name_is_given: bool,
    /// Every setting and where it comes from.
    pub(crate) choices: Vec<Choice>,
    /// What the search begins with.
    pub(crate) start: WarmStart,
}

impl Plan {
    /// Resolves the arguments of `run`.
    ///
    /// # Errors
    /// What is wrong with flags, files or datasets.
    pub(crate) fn resolve(
        args: &RunArgs,
        matches: &ArgMatches,
        project: &Project,
        foreign: Foreign,
        output: Output,
    ) -> Result<Self, Failure> {
        let choices = Choices::new(matches, project.file.as_deref()).placed(&project.settings.run.places);
        let mut choices = choices.laid_over(args.search.settings.as_deref(), foreign.names);
        let file = &project.settings.run;
        check_executor(file, &choices)?;
        let root_source = match (matches.value_source("root"), &file.root) {
            (Some(_), _) => choices.given_by("root"),
            (None, Some(_)) => choices.file_name(),
            (None, None) => "default".into(),
        };
        choices.note("root", shown(&project.root), &root_source);
        let max_fidelity =
            choices.optional("max-fidelity", args.search.max_fidelity, file.max_fidelity, u64::to_string);
        let mut target = target::resolve(args, project, max_fidelity, &mut choices, output)?;
        target.recipe.notes.splice(0..0, foreign.notes);
        let mut options = search(&args.search, file, &mut choices)?;
        goals(&args.search, &mut target.recipe, &mut options, &mut choices)?;
        options.max_fidelity = max_fidelity;
        machine(&args.machine, file, &mut options, &mut choices)?;
        conduct::conduct(&args.conduct, file, &mut options, &mut choices)?;
        take_silence_limit(target.recipe.silence_limit_ms, &mut options, &mut choices);
        options.name = match &args.search.name {
            Some(name) => name.clone(),
            None => free_name(project, &target.stem, 1),
        };
        let name_source = if args.search.name.is_some() { "--name" } else { "first free number" };
        choices.note("name", options.name.clone(), name_source);
        let upload_to = args.machine.upload_to.as_deref().map(upload_place).transpose()?;
        let upload_to = choices.optional("upload-to", upload_to, file.upload_to.clone(), String::clone);
        target.recipe.trial.set_upload_to(upload_to);
        let resolved = settings(&target.recipe, &options)?;
        note_derived(&resolved, &options, &mut choices);
        if resolved.algorithm.pauses_trials() && !resolved.fidelity.resumable {
            target.recipe.notes.push(BEGIN_ANEW.into());
        }
        let (start, notes) = start::warm_start(&args.search, &resolved, project)?;
        target.recipe.notes.extend(notes);
        Ok(Plan {
            recipe: target.recipe,
            options,
            title: target.title,
            name_is_given: args.search.name.is_some(),
            choices: choices.into_made(),
            start,
        })
    }

    /// Returns the settings that the study will record.
    ///
    /// # Errors
    /// If name or fidelities make no sense.
    pub(crate) fn settings(&self) -> Result<StudySettings, Failure> {
        Ok(settings(&self.recipe, &self.options)?)
    }

    /// Takes the next free name after another search took this one.
    pub(crate) fn take_next_name(&mut self, project: &Project) {
        if let Some((stem, number)) = self.options.name.rsplit_once('-') {
            let next = number.parse::<u64>().map_or(1, |n| n + 1);
            self.options.name = free_name(project, stem, next);
        }
    }
}

fn search(args: &SearchArgs, file: &RunSettings, choices: &mut Choices<'_>) -> Result<StudyOptions, Failure> {
    let algorithm = choices.parse_file("algorithm", file.algorithm.as_deref(), Algorithm::from_str)?;
    let timeout = choices.parse_file("timeout", file.timeout.as_deref(), time::parse_duration)?;
    let gpu_time = choices.parse_file("gpu_time", file.gpu_time.as_deref(), time::parse_duration)?;
    let show = |ms: &u64| time::duration(*ms);
    Ok(StudyOptions {
        name: String::new(),
        further_objectives: Vec::new(),
        constraints: Vec::new(),
        algorithm: choices.or_default("algorithm", args.algorithm, algorithm, Algorithm::Auto),
        seed: choices.or_default("seed", args.seed, file.seed, DEFAULT_SEED),
        trials: choices.optional("trials", args.trials, file.trials, u64::to_string),
        timeout_ms: choices.optional("timeout", args.timeout, timeout, show),
        gpu_time_ms: choices.optional("gpu-time", args.gpu_time, gpu_time, show),
        max_fidelity: None,
        min_fidelity: choices.or_default(
            "min-fidelity",
            args.min_fidelity,
            file.min_fidelity,
            DEFAULT_MIN_FIDELITY,
        ),
        reduction_factor: choices.or_default("eta", args.eta, file.eta, DEFAULT_ETA),
        full_first: choices.or_default(
            "full-first",
            args.full_first,
            file.full_first,
            FidelityPlan::FULL_FIRST,
        ),
        retries: 0,
        max_consecutive_failures: 0,
        limits: Limits { grace_ms: GRACE_MS, ..Limits::default() },
        resources: Resources { gpus: String::new(), gpus_per_trial: 1.0, parallel: None },
        conduct: Conduct::default(),
        resume: None,
        workdir: current_dir()?,
    })
}

/// Adds objectives beside the first, and constraints.
fn goals(
    args: &SearchArgs,
    recipe: &mut StudyRecipe,
    options: &mut StudyOptions,
    choices: &mut Choices<'_>,
) -> Result<(), Failure> {
    for (i, text) in args.metric.iter().skip(1).enumerate() {
        let (objective, notes) = match recipe.further_objectives.get(i) {
            Some(of_network) => (of_network.clone(), Vec::new()),
            None => further_objective(text)?,
        };
        choices.note("metric", format!("{} ({})", objective.metric, objective.direction), "--metric");
        recipe.notes.extend(notes);
        let same = |known: &Objective| known.metric == objective.metric;
        if same(&recipe.objective) || options.further_objectives.iter().any(same) {
            let message = format!("--metric '{text}': `{}` is an objective already", objective.metric);
            return Err(Failure::new(Exit::Usage, message));
        }
        options.further_objectives.push(objective);
    }
    for constraint in &args.constraint {
        choices.note("constraint", constraint.to_string(), "--constraint");
        options.constraints.push(constraint.clone());
    }
    Ok(())
}

/// A folder is kept as an absolute path: the study may be resumed elsewhere.
fn upload_place(text: &str) -> Result<String, Failure> {
    if text.contains("://") {
        return Ok(text.into());
    }
    Ok(current_dir()?.join(text).to_string_lossy().into_owned())
}

/// Returns the folder the user is in, where programs will start.
fn current_dir() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .map_err(|error| Failure::new(Exit::Environment, format!("cannot tell the working folder: {error}")))
}

fn machine(
    args: &MachineArgs,
    file: &RunSettings,
    options: &mut StudyOptions,
    choices: &mut Choices<'_>,
) -> Result<(), Failure> {
    let parallel = choices.parse_file("parallel", file.parallel.as_deref(), Parallel::from_str)?;
    let trial_timeout =
        choices.parse_file("trial_timeout", file.trial_timeout.as_deref(), time::parse_duration)?;
    let silence_timeout =
        choices.parse_file("silence_timeout", file.silence_timeout.as_deref(), time::parse_duration)?;
    let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let (retry, max_failures) = (file.retry.map(small), file.max_failures.map(small));
    let show = |ms: &u64| time::duration(*ms);
    options.resources = Resources {
        gpus: choices.or_default("gpus", args.gpus.clone(), file.gpus.clone(), "all".into()),
        gpus_per_trial: choices.or_default("gpus-per-trial", args.gpus_per_trial, file.gpus_per_trial, 1.0),
        parallel: choices.or_default("parallel", args.parallel, parallel, Parallel::Auto).number(),
    };
    options.limits.wall_ms = choices.optional("trial-timeout", args.trial_timeout, trial_timeout, show);
    options.limits.silence_ms =
        choices.optional("silence-timeout", args.silence_timeout, silence_timeout, show);
    options.limits.grace_ms =
        choices.optional("grace", args.grace, None, show).unwrap_or(options.limits.grace_ms);
    options.limits.usage = usage(&args.usage, file, choices)?;
    options.retries = choices.or_default("retry", args.retry, retry, DEFAULT_RETRIES);
    options.max_consecutive_failures =
        choices.or_default("max-failures", args.max_failures, max_failures, DEFAULT_MAX_FAILURES);
    Ok(())
}

/// Returns what an attempt may use of its machine.
fn usage(args: &UsageArgs, file: &RunSettings, choices: &mut Choices<'_>) -> Result<UsageLimits, Failure> {
    let memory = choices.parse_file("trial_memory", file.trial_memory.as_deref(), parse_size)?;
    let disk = choices.parse_file("trial_disk", file.trial_disk.as_deref(), parse_size)?;
    let log = choices.parse_file("trial_log", file.trial_log.as_deref(), LogSize::from_str)?;
    let show = |bytes: &u64| size(*bytes);
    Ok(UsageLimits {
        memory_bytes: choices.optional("trial-memory", args.trial_memory, memory, show),
        disk_bytes: choices.optional("trial-disk", args.trial_disk, disk, show),
        log_bytes: choices.or_default("trial-log", args.trial_log, log, LogSize::Bytes(LOG_BYTES)).bytes(),
        open_files: choices.optional(
            "trial-open-files",
            args.trial_open_files,
            file.trial_open_files,
            u64::to_string,
        ),
    })
}

/// A network may know how long its program is silent at most; a limit of the user's own wins.
fn take_silence_limit(of_network: Option<u64>, options: &mut StudyOptions, choices: &mut Choices<'_>) {
    if let (None, Some(limit)) = (options.limits.silence_ms, of_network) {
        options.limits.silence_ms = of_network;
        choices.note("silence-timeout", time::duration(limit), "network config");
    }
}

/// Notes what follows from other settings.
fn note_derived(settings: &StudySettings, options: &StudyOptions, choices: &mut Choices<'_>) {
    if options.trials.is_none() {
        choices.note("trials", settings.trials.to_string(), "default of the algorithm");
    }
    if options.max_fidelity.is_none() {
        let unit = &settings.fidelity.unit;
        choices.note("max-fidelity", format!("{} ({unit})", settings.fidelity.max), "spec");
    }
}

fn check_executor(file: &RunSettings, choices: &Choices<'_>) -> Result<(), Failure> {
    match file.executor.as_deref() {
        None | Some(EXECUTOR) => Ok(()),
        Some(other) => {
            let message =
                format!("{}: no executor `{other}`; use `{EXECUTOR}`", choices.place_of("executor"));
            Err(Failure::new(Exit::Usage, message))
        }
    }
}

/// Returns `stem-<n>` with the first number from `first` on that no study has.
fn free_name(project: &Project, stem: &str, first: u64) -> String {
    let taken = |name: &String| project.root.join(name).exists();
    let mut names = (first..).map(|n| format!("{stem}-{n}"));
    names.find(|name| !taken(name)).expect("there are more numbers than folders")
}
