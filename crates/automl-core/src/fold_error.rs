//! Why an event of a log is impossible.

use crate::ids::{AttemptNumber, Fidelity, TrialId};
use crate::trial::TrialState;
use thiserror::Error;

/// Why an event cannot be applied.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum FoldError {
    /// The log is empty.
    #[error("the event log is empty")]
    Empty,
    /// The log does not begin with the study's creation.
    #[error("the event log does not begin with `study_created`")]
    NotCreated,
    /// A second creation.
    #[error("the study was created already")]
    CreatedTwice,
    /// The log is of a newer format.
    #[error("the event log has format {found}, this program reads up to {supported}; use a newer automl")]
    NewerFormat {
        /// Format of the log.
        found: u32,
        /// Newest format understood.
        supported: u32,
    },
    /// An engine number that does not follow the last one.
    #[error("engine {found} follows engine {last}")]
    EngineOrder {
        /// Number in the event.
        found: u64,
        /// Last number in the log.
        last: u64,
    },
    /// New bounds of other parameters than the study's.
    #[error("bounds were changed for other parameters than those of the study")]
    OtherParameters,
    /// A trial number that is not the next one.
    #[error("trial {found} was suggested where {expected} comes next")]
    TrialOrder {
        /// Number in the event.
        found: TrialId,
        /// The next free number.
        expected: TrialId,
    },
    /// An event about a trial that does not exist.
    #[error("trial {trial} does not exist")]
    UnknownTrial {
        /// The trial.
        trial: TrialId,
    },
    /// An event that the trial's state does not allow.
    #[error("trial {trial}, attempt {attempt}: {what} is impossible while the trial is {state}")]
    Impossible {
        /// The trial.
        trial: TrialId,
        /// The attempt in the event.
        attempt: AttemptNumber,
        /// The event.
        what: &'static str,
        /// The trial's state.
        state: TrialState,
    },
    /// An enqueued configuration that is not the next one.
    #[error("trial {trial} is said to be enqueued, but its configuration does not come next in the queue")]
    NotEnqueued {
        /// The trial.
        trial: TrialId,
    },
    /// A trial from elsewhere whose end is no result.
    #[error("trial {trial} was added from elsewhere without having ended")]
    NotFinished {
        /// The trial.
        trial: TrialId,
    },
    /// Checkpoints that may still be needed.
    #[error("the checkpoints of trial {trial} cannot be dropped while it is {state}")]
    CheckpointNeeded {
        /// The trial.
        trial: TrialId,
        /// The trial's state.
        state: TrialState,
    },
    /// A checkpoint that a trial cannot begin from.
    #[error(
        "trial {trial} cannot begin from trial {from}'s checkpoint: it has run already, or {from} never got there"
    )]
    NotInheritable {
        /// The trial.
        trial: TrialId,
        /// The other trial.
        from: TrialId,
    },
    /// A largest fidelity that is none.
    #[error("the largest fidelity is {max} and cannot be lowered to {found}")]
    FidelityNotRaised {
        /// Fidelity in the event.
        found: Fidelity,
        /// The largest one so far.
        max: Fidelity,
    },
    /// A trial that cannot be given up.
    #[error("trial {trial} cannot be stopped while it is {state}")]
    NotStoppable {
        /// The trial.
        trial: TrialId,
        /// The trial's state.
        state: TrialState,
    },
    /// A result that is no number.
    #[error("trial {trial}: a result must be finite, found {value}")]
    NotFinite {
        /// The trial.
        trial: TrialId,
        /// The value.
        value: f64,
    },
}
