//! What a user can choose about a study, and the settings that become of it.

use super::StudyError;
use crate::clock::now_ms;
use automl_config::StudyRecipe;
use automl_core::{
    Algorithm, Conduct, Constraint, EarlyStop, Fidelity, FidelityPlan, Limits, Objective, Resources,
    StudySettings, rng,
};
use automl_scheduler::{default_trials, generations, resolve_auto};
use std::path::PathBuf;

/// Everything a user can choose about a new study beside its recipe.
#[derive(Clone, Debug)]
pub struct StudyOptions {
    /// Name, and folder under the root.
    pub name: String,
    /// Objectives beside the recipe's.
    pub further_objectives: Vec<Objective>,
    /// What a trial must keep to.
    pub constraints: Vec<Constraint>,
    /// Algorithm.
    pub algorithm: Algorithm,
    /// Root of every random choice.
    pub seed: u64,
    /// Number of trials; absent means the algorithm's own default.
    pub trials: Option<u64>,
    /// Wall-clock limit of the search in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Limit of the GPU time of all trials together, in milliseconds of one GPU.
    pub gpu_time_ms: Option<u64>,
    /// Fidelity of a finished trial; absent means that of the spec.
    pub max_fidelity: Option<u64>,
    /// Smallest fidelity worth looking at.
    pub min_fidelity: u64,
    /// Factor between one rung and the next.
    pub reduction_factor: u64,
    /// First trials of a race that train fully.
    pub full_first: u64,
    /// How often a failed trial is tried again.
    pub retries: u32,
    /// The search ends after so many failed trials in a row.
    pub max_consecutive_failures: u32,
    /// Limits of an attempt.
    pub limits: Limits,
    /// What trials run on.
    pub resources: Resources,
    /// How trials are treated while and after they run.
    pub conduct: Conduct,
    /// Whether a paused trial can be carried on; absent means as its checkpoints say.
    pub resume: Option<bool>,
    /// Folder that programs start in; absolute.
    pub workdir: PathBuf,
}

/// Trials of a study whose user names no number and whose algorithm has none of its own.
pub const DEFAULT_TRIALS: u64 = 20;

/// A change that a resumed study begins with.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// New number of trials in all.
    pub trials: Option<u64>,
    /// New wall-clock limit.
    pub timeout_ms: Option<u64>,
    /// New largest fidelity, above the old one.
    pub max_fidelity: Option<u64>,
    /// New limit of the GPU time.
    pub gpu_time_ms: Option<u64>,
    /// Other resources for this engine.
    pub resources: Option<Resources>,
}

/// Resolves options and recipe into the settings that the first event records.
///
/// # Errors
/// If the name or the fidelities make no sense.
pub fn settings(recipe: &StudyRecipe, options: &StudyOptions) -> Result<StudySettings, StudyError> {
    check_name(&options.name)?;
    let fidelity = fidelity_plan(recipe, options)?;
    check_early_stop(recipe, options, &fidelity)?;
    // A rule that stops running trials wants trials that run.
    let algorithm = match options.conduct.early_stop {
        EarlyStop::None => resolve_auto(options.algorithm, &fidelity, options.trials),
        _ => options.algorithm,
    };
    let trials = options.trials.unwrap_or_else(|| default_trials(algorithm, &fidelity, DEFAULT_TRIALS));
    Ok(StudySettings {
        study: options.name.clone(),
        tag: format!("{:08x}", new_tag(&options.name)),
        space: recipe.space.clone(),
        objective: recipe.objective.clone(),
        further_objectives: options.further_objectives.clone(),
        constraints: options.constraints.clone(),
        algorithm,
        seed: options.seed,
        trials,
        timeout_ms: options.timeout_ms,
        gpu_time_ms: options.gpu_time_ms,
        fidelity,
        retries: options.retries,
        max_consecutive_failures: options.max_consecutive_failures,
        limits: options.limits.clone(),
        resources: options.resources.clone(),
        conduct: options.conduct.clone(),
        workdir: options.workdir.to_string_lossy().into_owned(),
        recipe: serde_json::to_value(&recipe.trial).map_err(StudyError::Recipe)?,
    })
}

fn fidelity_plan(recipe: &StudyRecipe, options: &StudyOptions) -> Result<FidelityPlan, StudyError> {
    let max = options.max_fidelity.unwrap_or(recipe.full_fidelity);
    let wrong = |what: String| Err(StudyError::Fidelity { what });
    if max == 0 || options.min_fidelity == 0 {
        return wrong("fidelities begin at 1: raise `--min-fidelity` or `--max-fidelity`".into());
    }
    if options.min_fidelity > max {
        let min = options.min_fidelity;
        return wrong(format!("--min-fidelity {min} is above the largest fidelity {max}; lower it"));
    }
    if options.reduction_factor < 2 {
        return wrong(format!("--eta {} must be at least 2", options.reduction_factor));
    }
    let resumable = options.resume.unwrap_or(recipe.resumable);
    let told = options.resume.is_some() || recipe.trial.stops_where_told();
    if options.algorithm.pauses_trials() && !resumable && !told {
        return wrong(format!(
            "{} pauses trials at their rungs, and this program is not told where to end: put {{fidelity}} (and {{resume}}, \
             where it can carry on) among its arguments, declare `fidelity` and `resume` in a network config, say \
             `--resume no` where it reads AUTOML_FIDELITY, or use `--algorithm bayesian`, perhaps with `--early-stop asha`",
            options.algorithm
        ));
    }
    let plan = FidelityPlan {
        unit: recipe.fidelity_unit.clone(),
        min: Fidelity(options.min_fidelity),
        max: Fidelity(max),
        reduction_factor: options.reduction_factor,
        resumable,
        base: None,
        full_first: options.full_first,
    };
    if options.algorithm == Algorithm::Pbt {
        check_population(&plan, options.conduct.early_stop).map_err(|what| StudyError::Fidelity { what })?;
    }
    Ok(plan)
}

/// What training of a population needs of its programs and fidelities.
pub(crate) fn check_population(plan: &FidelityPlan, rule: EarlyStop) -> Result<(), String> {
    let unit = &plan.unit;
    if !plan.resumable {
        return Err("pbt hands trained models on, and this program cannot carry on from a checkpoint: put {resume} among its \
                    arguments, declare `resume` in a network config, or use another algorithm, such as asha"
            .into());
    }
    if generations(plan).len() < 2 {
        return Err(format!(
            "pbt needs at least two generations, and one of {} {unit}s is as long as a whole trial: lower the smallest \
             fidelity or raise the largest one",
            plan.max
        ));
    }
    if rule != EarlyStop::None {
        return Err("pbt gives up its worst trials itself: leave out the early stopping".into());
    }
    Ok(())
}

/// Rungs that trials pause at and rungs that they are stopped at exclude each other, and there must be
/// something to stop them short of.
fn check_early_stop(
    recipe: &StudyRecipe,
    options: &StudyOptions,
    fidelity: &FidelityPlan,
) -> Result<(), StudyError> {
    let rule = options.conduct.early_stop;
    let wrong = |what: String| Err(StudyError::Fidelity { what });
    if rule == EarlyStop::Asha && options.algorithm.pauses_trials() {
        return wrong(format!(
            "--early-stop asha stops trials at the rungs that {} pauses them at; leave it out, or name an algorithm \
             that runs trials to their end",
            options.algorithm
        ));
    }
    if rule != EarlyStop::None && recipe.trial.fidelity_is_fraction() {
        return wrong(format!(
            "--early-stop {rule} compares trials at the steps they report, and `{}` is no number of steps; leave it out",
            fidelity.unit
        ));
    }
    if rule != EarlyStop::None && fidelity.max.0 < 2 {
        return wrong(format!(
            "--early-stop {rule} needs trials of several {}s: say how many with `--max-fidelity`",
            fidelity.unit
        ));
    }
    Ok(())
}

/// Longest name of a study in bytes.
pub(super) const NAME_MAX: usize = 100;

pub(crate) fn check_name(name: &str) -> Result<(), StudyError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let long = !name.is_empty() && name.len() <= NAME_MAX;
    // A name that begins with a dash would be taken for a flag by every later command.
    let sound = long && !name.starts_with(['.', '-']) && name.chars().all(allowed);
    if sound { Ok(()) } else { Err(StudyError::BadName { name: name.into() }) }
}

/// A number that two studies hardly share, even of one name: made once, then kept in the log.
pub(crate) fn new_tag(name: &str) -> u32 {
    let words: Vec<u64> = name.bytes().map(u64::from).collect();
    rng::derive(&[now_ms(), u64::from(std::process::id()), rng::derive(&words)]) as u32
}
