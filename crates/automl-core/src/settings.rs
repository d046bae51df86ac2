//! What was asked for, resolved: everything a study needs to go on without the files it came from.

use crate::conduct::Conduct;
use crate::constraint::Constraint;
use crate::ids::Fidelity;
use crate::objective::Objective;
use crate::space::SearchSpace;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The settings of a study, recorded once in its first event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudySettings {
    /// Name of the study; also the name of its folder.
    pub study: String,
    /// Eight hexadecimal digits that make the keys of this study's attempts unique.
    pub tag: String,
    /// What may vary.
    pub space: SearchSpace,
    /// What is optimised; of several objectives the first.
    pub objective: Objective,
    /// Objectives beside the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_objectives: Vec<Objective>,
    /// What a trial must keep to for its result to count as feasible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<Constraint>,
    /// How the next trial is chosen and how long it runs.
    pub algorithm: Algorithm,
    /// Root of every random choice.
    pub seed: u64,
    /// Number of trials to start in all, unless changed later; [`StudySettings::UNLIMITED`] for as many
    /// as are asked for.
    pub trials: u64,
    /// Wall-clock limit of the whole search in milliseconds, counted over engine runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Limit of the GPU time of all trials together, in milliseconds of one GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_time_ms: Option<u64>,
    /// The fidelities a trial may be run to.
    pub fidelity: FidelityPlan,
    /// How often a failed trial is tried again where its cause may be transient.
    pub retries: u32,
    /// The search ends after so many failed trials in a row.
    pub max_consecutive_failures: u32,
    /// Limits of a single attempt.
    pub limits: Limits,
    /// What trials run on, unless an engine is told otherwise.
    pub resources: Resources,
    /// How trials are treated while and after they run.
    #[serde(default, skip_serializing_if = "Conduct::is_default")]
    pub conduct: Conduct,
    /// Folder that programs start in, absolute, unless their network names another.
    pub workdir: String,
    /// How to build a trial's spec, command and environment; opaque here.
    pub recipe: serde_json::Value,
}

impl StudySettings {
    /// Number of trials of a study without a limit: the largest that every reader of JSON keeps exactly.
    pub const UNLIMITED: u64 = 1 << 53;

    /// Returns the number of trials to start in all, where there is a limit.
    #[must_use]
    pub fn budget(&self) -> Option<u64> {
        (self.trials < Self::UNLIMITED).then_some(self.trials)
    }

    /// Returns all objectives, the first one first.
    pub fn objectives(&self) -> impl Iterator<Item = &Objective> {
        std::iter::once(&self.objective).chain(&self.further_objectives)
    }

    /// Returns the names of all metrics that a result needs: objectives, then constraints.
    pub fn metrics(&self) -> impl Iterator<Item = &str> {
        let objectives = self.objectives().map(|objective| objective.metric.as_str());
        objectives.chain(self.constraints.iter().map(|constraint| constraint.metric.as_str()))
    }
}

/// The fidelities between which a scheduler may choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FidelityPlan {
    /// Name of the unit, for example `epoch`, or `run` for programs that only run whole.
    pub unit: String,
    /// Smallest fidelity worth looking at, at least 1.
    pub min: Fidelity,
    /// Fidelity of a finished trial.
    pub max: Fidelity,
    /// Factor between one rung and the next, at least 2.
    pub reduction_factor: u64,
    /// Whether a trial can be paused and carried on from its checkpoint.
    pub resumable: bool,
    /// The largest fidelity that the study began with, where it was raised since: its rungs stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Fidelity>,
    /// First trials of a race that train fully, so that it is known what early results are worth; 0 trusts early results
    /// from the start. Other algorithms do not heed it.
    #[serde(default = "default_full_first", skip_serializing_if = "is_default_full_first")]
    pub full_first: u64,
}

impl FidelityPlan {
    /// Trials of a race that train fully at first, where nothing else is asked for. With two a race is nowhere behind a
    /// random search at full fidelity (`benches/quality`).
    pub const FULL_FIRST: u64 = 2;
}

fn default_full_first() -> u64 {
    FidelityPlan::FULL_FIRST
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_default_full_first(trials: &u64) -> bool {
    *trials == FidelityPlan::FULL_FIRST
}

/// Limits of a single attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest running time in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u64>,
    /// Longest time without any output in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_ms: Option<u64>,
    /// Time between asking a program to end and killing it, in milliseconds.
    pub grace_ms: u64,
    /// What it may use of the machine.
    #[serde(flatten)]
    pub usage: UsageLimits,
}

/// What a single attempt may use of its machine; absent limits do not limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageLimits {
    /// Memory of all its processes together, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Disk space of its results folder, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Disk space of each of its two logs, in bytes; of longer ones the middle is dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    /// Files that each of its processes may have open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
}

/// What trials run on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// `all`, `none`, or GPU indices separated by commas.
    pub gpus: String,
    /// GPUs of one trial; a fraction lets several trials share one.
    pub gpus_per_trial: f64,
    /// Number of trials at a time; absent means as many as fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
}

/// The search algorithms, by the names users give them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// The documented default choice. Where a new study's trials can be compared early and carried on, it is
    /// recorded as [`Algorithm::Race`]; otherwise this is the model that suits the space and the number of
    /// results, at full fidelity.
    Auto,
    /// Independent uniform draws at full fidelity.
    Random,
    /// A scrambled Sobol sequence at full fidelity.
    Sobol,
    /// Gaussian process and log expected improvement at full fidelity.
    Bayesian,
    /// The same with a model that may bend numeric parameters.
    BayesianWarped,
    /// Tree-structured Parzen estimator at full fidelity.
    Tpe,
    /// Covariance matrix adaptation with margin at full fidelity.
    CmaEs,
    /// Hyperband brackets over a scrambled Sobol sequence.
    Hyperband,
    /// The most aggressive bracket of Hyperband, over and over.
    SuccessiveHalving,
    /// Asynchronous successive halving over a scrambled Sobol sequence.
    Asha,
    /// Hyperband brackets over the tree-structured Parzen estimator.
    Bohb,
    /// A model of all rungs chooses, for every free slot, between promoting a paused trial and starting a new
    /// one.
    Race,
    /// Asynchronous successive halving whose highest rung rises only while rankings still change.
    Pasha,
    /// Hyperband brackets, then differential evolution of the population at every rung.
    Dehb,
    /// A population that trains on together; the worst are replaced by changed copies of the best.
    Pbt,
}

impl Algorithm {
    /// All algorithms with their accepted names, the first being the canonical one.
    pub const NAMES: [(Algorithm, &'static [&'static str]); 15] = [
        (Algorithm::Auto, &["auto"]),
        (Algorithm::Random, &["random"]),
        (Algorithm::Sobol, &["sobol"]),
        (Algorithm::Bayesian, &["bayesian", "b", "gp"]),
        (Algorithm::BayesianWarped, &["bayesian-warped", "gp-warped"]),
        (Algorithm::Tpe, &["tpe", "hyperopt"]),
        (Algorithm::CmaEs, &["cma-es", "cmaes", "cma"]),
        (Algorithm::Hyperband, &["hyperband", "h"]),
        (Algorithm::SuccessiveHalving, &["successive-halving", "sha"]),
        (Algorithm::Asha, &["asha"]),
        (Algorithm::Bohb, &["bohb"]),
        (Algorithm::Race, &["race", "rung-race"]),
        (Algorithm::Pasha, &["pasha"]),
        (Algorithm::Dehb, &["dehb"]),
        (Algorithm::Pbt, &["pbt"]),
    ];

    /// Tells whether trials are compared below the largest fidelity and paused there.
    #[must_use]
    pub fn pauses_trials(self) -> bool {
        match self {
            Algorithm::Hyperband
            | Algorithm::SuccessiveHalving
            | Algorithm::Asha
            | Algorithm::Bohb
            | Algorithm::Race
            | Algorithm::Pasha
            | Algorithm::Dehb
            | Algorithm::Pbt => true,
            Algorithm::Auto
            | Algorithm::Random
            | Algorithm::Sobol
            | Algorithm::Bayesian
            | Algorithm::BayesianWarped
            | Algorithm::Tpe
            | Algorithm::CmaEs => false,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Algorithm::NAMES.iter().find(|(a, _)| a == self).map_or("?", |(_, names)| names[0]);
        f.write_str(names)
    }
}

impl FromStr for Algorithm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = text.to_lowercase();
        let found = Algorithm::NAMES.iter().find(|(_, names)| names.contains(&wanted.as_str()));
        found.map(|(algorithm, _)| *algorithm).ok_or_else(|| {
            let known: Vec<&str> = Algorithm::NAMES.iter().map(|(_, names)| names[0]).collect();
            format!("unknown algorithm `{text}`; known are {}", known.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithms_are_found_by_any_of_their_names() {
        for (algorithm, names) in Algorithm::NAMES {
            for name in names {
                assert_eq!(name.to_uppercase().parse(), Ok(algorithm));
            }
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        assert!("tpee".parse::<Algorithm>().unwrap_err().contains("bayesian"));
    }

    #[test]
    fn plans_of_older_logs_are_read_and_usual_ones_are_written_alike() {
        let old = r#"{"unit":"epoch","min":1,"max":9,"reduction_factor":3,"resumable":true}"#;
        let mut plan: FidelityPlan = serde_json::from_str(old).unwrap();
        assert_eq!(plan.full_first, FidelityPlan::FULL_FIRST);
        assert_eq!(serde_json::to_string(&plan).unwrap(), old);
        plan.full_first = 0;
        let written = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<FidelityPlan>(&written).unwrap(), plan);
    }
}
