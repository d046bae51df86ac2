//! From a request to a checked [`StudyRecipe`], with all problems at once.

mod command;
mod comparable;
mod condition;
mod container;
mod data;
mod draft;
mod dynamic;
mod inputs;
mod log_rules;
mod metric;
mod network;
mod probe;
mod rebound;
mod relate;
mod secrets;
mod settings;
mod space;
mod stage;

pub use command::resolve_command;
pub use data::is_dataset;
pub use log_rules::LogRules;
pub use metric::further_objective;
pub use network::{DatasetCheck, archives, check_dataset, resolve_job, resolve_network};
pub use rebound::{Rebound, rebound};
pub use space::space_of_schema;

use crate::recipe::TrialRecipe;
use automl_core::{Objective, SearchSpace};

/// A checked study: what is searched, what counts, how a trial is run.
#[derive(Clone, Debug, PartialEq)]
pub struct StudyRecipe {
    /// What may vary.
    pub space: SearchSpace,
    /// What is optimised.
    pub objective: Objective,
    /// Further objectives that were asked for of a network.
    pub further_objectives: Vec<Objective>,
    /// How a trial is run.
    pub trial: TrialRecipe,
    /// Length of a full training in fidelity units, at least 1.
    pub full_fidelity: u64,
    /// Unit of fidelity, for example `epoch`.
    pub fidelity_unit: String,
    /// Whether an attempt can carry on from a checkpoint.
    pub resumable: bool,
    /// How long the program may write nothing, where its network knows; in milliseconds.
    pub silence_limit_ms: Option<u64>,
    /// Decisions taken for the user and warnings, to be shown.
    pub notes: Vec<String>,
}

/// A checked plain job: one action, run once.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRecipe {
    /// How it is run.
    pub trial: TrialRecipe,
    /// The metric that tells its checkpoints apart, where the network has one.
    pub objective: Option<Objective>,
    /// Length of the job in fidelity units; 1 where it has none.
    pub full_fidelity: u64,
    /// Decisions taken for the user and warnings, to be shown.
    pub notes: Vec<String>,
}
