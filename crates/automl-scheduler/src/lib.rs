//! Decides which trial runs next and how far: a study's state in, decisions out.
//!
//! A [`Scheduler`] is a pure function of the [`Study`]: it remembers nothing, reads no clock and draws
//! no numbers, so that the decisions after a crash are those before it. It does not know parameter
//! values (`automl-sampler` chooses them) and not that processes exist.

mod agreement;
mod asha;
mod bracket;
mod checkpoints;
mod dehb;
mod full;
mod hyperband;
mod pasha;
mod pbt;
mod race;
mod rehearsal;
mod stop;

pub use agreement::{Agreement, Verdict, agreements};
pub use asha::Asha;
pub use bracket::{Bracket, Rung, brackets, levels};
pub use checkpoints::{Disposal, disposals, disposals_keeping, may_go};
pub use dehb::Dehb;
pub use full::FullFidelity;
pub use hyperband::{Hyperband, SuccessiveHalving};
pub use pasha::Pasha;
pub use pbt::{Pbt, generations, population_trials};
pub use race::Race;
pub use rehearsal::{REHEARSED_TRIALS_MAX, Rehearsal, rehearse};
pub use stop::should_stop;

use hyperband::halving_brackets;

use automl_core::{Algorithm, EndReason, Fidelity, Study, Trial, TrialId, TrialState};

/// What shall happen next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Suggest a new trial and run it.
    Start {
        /// Bracket the trial belongs to, where there are brackets.
        bracket: Option<u32>,
        /// Fidelity at which its first attempt ends.
        until: Fidelity,
    },
    /// Run a trial that is queued or paused.
    Run {
        /// The trial.
        trial: TrialId,
        /// Fidelity at which the attempt ends.
        until: Fidelity,
    },
    /// Make a new trial from earlier ones, and run it.
    Breed(Breed),
    /// Do one of several things, whichever a model of the trials finds best.
    Choose(Choice),
    /// End the search: nothing is running and nothing is left to do.
    End(EndReason),
}

/// A new trial whose values are made from those of earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breed {
    /// Bracket it belongs to.
    pub bracket: Option<u32>,
    /// Fidelity at which its first attempt ends.
    pub until: Fidelity,
    /// Which trials, and how.
    pub ancestry: Ancestry,
}

/// How a trial's values come from those of earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ancestry {
    /// By differential evolution.
    Differential {
        /// The trial whose place it is to take; `None` where a place of the population is still empty.
        target: Option<TrialId>,
        /// Trials to take differences between, the best first; may be few.
        parents: Vec<TrialId>,
    },
    /// As a changed copy, which also takes over what was trained.
    Copy {
        /// The trial to copy; it is paused and does not go on before the copy was started.
        parent: TrialId,
        /// Fidelity that it was trained to.
        at: Fidelity,
        /// The trial that is given up for it, unless it ended by itself.
        instead_of: TrialId,
    },
}

/// What a model may choose between; at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// A new trial; `None` where none may start.
    pub start: Option<NewTrial>,
    /// Paused trials that may go on: the highest rung first, the best of a rung first.
    pub promotions: Vec<Promotion>,
    /// Fidelities whose results say something about the largest one, which is the last of them; that one alone where the new
    /// trial goes there whatever it comes to and a rung is skipped.
    pub levels: Vec<Fidelity>,
}

/// A new trial that may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewTrial {
    /// Bracket it would belong to, where it is treated differently from others.
    pub bracket: Option<u32>,
    /// Fidelity at which its first attempt would end.
    pub until: Fidelity,
    /// Whether it goes on to the largest fidelity whatever it comes to.
    pub all_the_way: bool,
}

/// A paused trial that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// The trial.
    pub trial: TrialId,
    /// Fidelity it has reached.
    pub from: Fidelity,
    /// Fidelity at which its next attempt would end.
    pub until: Fidelity,
}

/// A rule for running trials.
pub trait Scheduler {
    /// Returns at most `free` trials to run now, or the end of the search. An empty answer means:
    /// wait for a running trial. Fewer decisions than free slots need not be all: ask again when they have
    /// been carried out.
    fn decide(&self, study: &Study, free: usize) -> Vec<Decision>;

    /// Tells whether a paused trial may be run again by some later decision, so that its checkpoint is
    /// needed.
    fn may_go_on(&self, _study: &Study, trial: &Trial) -> bool {
        trial.state == TrialState::Paused
    }
}

/// Returns the scheduler that an algorithm's name stands for.
#[must_use]
pub fn scheduler_for(algorithm: Algorithm) -> Box<dyn Scheduler> {
    match algorithm {
        Algorithm::Hyperband | Algorithm::Bohb => Box::new(Hyperband),
        Algorithm::SuccessiveHalving => Box::new(SuccessiveHalving),
        Algorithm::Asha => Box::new(Asha),
        Algorithm::Race => Box::new(Race),
        Algorithm::Pasha => Box::new(Pasha),
        Algorithm::Dehb => Box::new(Dehb),
        Algorithm::Pbt => Box::new(Pbt),
        Algorithm::Auto
        | Algorithm::Bayesian
        | Algorithm::BayesianWarped
        | Algorithm::Tpe
        | Algorithm::CmaEs
        | Algorithm::Random
        | Algorithm::Sobol => Box::new(FullFidelity),
    }
}

/// Tells whether a paused trial may be run again by some later decision of the study's scheduler.
#[must_use]
pub fn may_go_on(study: &Study, trial: &Trial) -> bool {
    scheduler_for(study.settings.algorithm).may_go_on(study, trial)
}

/// Number of trials a study gets when the user names none: `fallback`, or as many as one round of brackets
/// holds for algorithms that work in brackets, or start as many trials as the first bracket does.
#[must_use]
pub fn default_trials(algorithm: Algorithm, fidelity: &automl_core::FidelityPlan, fallback: u64) -> u64 {
    match algorithm {
        Algorithm::Hyperband | Algorithm::Bohb => brackets(fidelity).iter().map(Bracket::trials).sum(),
        Algorithm::SuccessiveHalving | Algorithm::Asha | Algorithm::Race | Algorithm::Pasha => {
            fallback.max(halving_brackets(fidelity).iter().map(Bracket::trials).sum())
        }
        Algorithm::Dehb => dehb::default_trials(fidelity),
        Algorithm::Pbt => pbt::default_trials(fidelity),
        Algorithm::Auto
        | Algorithm::Bayesian
        | Algorithm::BayesianWarped
        | Algorithm::Tpe
        | Algorithm::CmaEs
        | Algorithm::Random
        | Algorithm::Sobol => fallback,
    }
}

/// Returns the algorithm that a new study with `auto` is recorded with: the race where trials can be compared
/// early and carried on and their number fills at least one bracket of rungs, otherwise `auto` itself.
///
/// `trials` is the number that the user asked for.
#[must_use]
pub fn resolve_auto(
    algorithm: Algorithm,
    fidelity: &automl_core::FidelityPlan,
    trials: Option<u64>,
) -> Algorithm {
    let bracket: u64 = halving_brackets(fidelity).iter().map(Bracket::trials).sum();
    let suits = fidelity.resumable && levels(fidelity).len() > 1;
    let enough = trials.is_none_or(|trials| trials >= bracket);
    if algorithm == Algorithm::Auto && suits && enough { Algorithm::Race } else { algorithm }
}

/// The decisions for an empty hand: the end if the budget is spent and nothing runs or waits to run.
/// Paused trials may be left over: those that no rung wants any more.
fn end_if_settled(study: &Study) -> Vec<Decision> {
    let spent = study.started() >= study.settings.trials;
    let settled = [TrialState::Queued, TrialState::Running].map(|state| study.index().count(state)) == [0, 0];
    if spent && settled { vec![Decision::End(EndReason::Budget)] } else { Vec::new() }
}
