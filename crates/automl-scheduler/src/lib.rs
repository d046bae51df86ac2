//! Decides which trial runs next and how far: a study's state in, decisions out.
//!
//! A [`Scheduler`] is a pure function of the [`Study`]: it remembers nothing, reads no clock and draws
//! no numbers, so that the decisions after a crash are those before it. It does not know parameter
//! values (`automl-sampler` chooses them) and not that processes exist.

mod asha;
mod bracket;
mod checkpoints;
mod full;
mod hyperband;
mod rehearsal;
mod stop;

pub use asha::Asha;
pub use bracket::{Bracket, Rung, brackets, levels};
pub use checkpoints::{Disposal, disposals, disposals_keeping};
pub use full::FullFidelity;
pub use hyperband::{Hyperband, SuccessiveHalving};
pub use rehearsal::{REHEARSED_TRIALS_MAX, Rehearsal, rehearse};
pub use stop::should_stop;

use hyperband::halving_brackets;

use automl_core::{Algorithm, EndReason, Fidelity, Study, Trial, TrialId, TrialState};

/// What shall happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// End the search: nothing is running and nothing is left to do.
    End(EndReason),
}

/// A rule for running trials.
pub trait Scheduler {
    /// Returns at most `free` trials to run now, or the end of the search. An empty answer means:
    /// wait for a running trial.
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
        Algorithm::Hyperband => Box::new(Hyperband),
        Algorithm::SuccessiveHalving => Box::new(SuccessiveHalving),
        Algorithm::Asha => Box::new(Asha),
        Algorithm::Auto
        | Algorithm::Bayesian
        | Algorithm::Tpe
        | Algorithm::CmaEs
        | Algorithm::Random
        | Algorithm::Sobol => Box::new(FullFidelity),
    }
}

/// Number of trials a study gets when the user names none: `fallback`, or as many as one round of brackets
/// holds for algorithms that work in brackets, or start as many trials as the first bracket does.
#[must_use]
pub fn default_trials(algorithm: Algorithm, fidelity: &automl_core::FidelityPlan, fallback: u64) -> u64 {
    match algorithm {
        Algorithm::Hyperband => brackets(fidelity).iter().map(Bracket::trials).sum(),
        Algorithm::SuccessiveHalving | Algorithm::Asha => {
            fallback.max(halving_brackets(fidelity).iter().map(Bracket::trials).sum())
        }
        Algorithm::Auto
        | Algorithm::Bayesian
        | Algorithm::Tpe
        | Algorithm::CmaEs
        | Algorithm::Random
        | Algorithm::Sobol => fallback,
    }
}

/// The decisions for an empty hand: the end if the budget is spent and nothing runs or waits to run.
/// Paused trials may be left over: those that no rung wants any more.
fn end_if_settled(study: &Study) -> Vec<Decision> {
    let spent = study.started() >= study.settings.trials;
    let settled = [TrialState::Queued, TrialState::Running].map(|state| study.index().count(state)) == [0, 0];
    if spent && settled { vec![Decision::End(EndReason::Budget)] } else { Vec::new() }
}
