//! Every trial runs to the largest fidelity in one go.

use crate::{Decision, Scheduler, end_if_settled};
use automl_core::{Study, TrialState};

/// Runs waiting trials first (paused ones, then the oldest), then new ones until the budget is spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct FullFidelity;

impl Scheduler for FullFidelity {
    fn decide(&self, study: &Study, free: usize) -> Vec<Decision> {
        let until = study.settings.fidelity.max;
        let waiting = study.in_state(TrialState::Paused).chain(study.in_state(TrialState::Queued));
        let runs = waiting.map(|trial| Decision::Run { trial: trial.id, until });
        let left = study.settings.trials.saturating_sub(study.started());
        let starts = (0..left).map(|_| Decision::Start { bracket: None, until });
        let decisions: Vec<Decision> = runs.chain(starts).take(free).collect();
        if decisions.is_empty() { end_if_settled(study) } else { decisions }
    }
}
