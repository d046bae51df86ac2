//! The nouns of a study, and the fold that turns its event log into its state.
//!
//! Everything here is pure data and pure functions: no clock, no randomness from outside, no files, no
//! processes, no threads. Times, seeds and results arrive inside [`Event`]s; a [`Study`] is exactly
//! what folding them gives, so that replaying a log always ends in the same state.
//!
//! What this crate may not know: how parameters are chosen (`automl-sampler`), which trial runs how
//! long (`automl-scheduler`), where the log is kept (`automl-store`), how a trial is run
//! (`automl-exec`), or what a network config looks like (`automl-config`).

mod conduct;
mod constraint;
mod direction;
mod event;
mod fold_error;
mod front;
mod further;
mod ids;
mod index;
mod number;
mod objective;
mod pack;
mod progress;
mod ranking;
mod settings;
mod space;
mod stored;
mod study;
mod transitions;
mod trial;
mod value;

pub mod rng;

pub use conduct::{Conduct, EarlyStop, Journal, KeepCheckpoints, Reading};
pub use constraint::{Constraint, Side};
pub use direction::direction_by_name;
pub use event::{
    Asked, AttemptEnd, EVENT_FORMAT, EndReason, Event, FailureKind, GpuUse, Origin, Outcome, Record,
};
pub use fold_error::FoldError;
pub use further::Further;
pub use ids::{AttemptNumber, Fidelity, TrialId};
pub use index::{Index, Rank, RungResults};
pub use number::{as_json as number_as_json, from_text as number_from_text};
pub use objective::{Direction, Loss, Objective};
pub use progress::Arrival;
pub use ranking::Ranking;
pub use settings::{Algorithm, FidelityPlan, Limits, Resources, StudySettings, UsageLimits};
pub use space::{
    Comparison, Condition, Distribution, DistributionError, Encoding, Expression, INACTIVE_CATEGORY,
    INACTIVE_NUMERIC, ParamProblem, Parameter, Relation, Scale, SearchSpace, SpaceProblem, log_scale_by_rule,
};
pub use stored::StoredError;
pub use study::{Rebound, Study};
pub use trial::{Attempt, Dropped, Foreign, Inherited, Series, Trial, TrialState};
pub use value::{ParamValue, Params};
