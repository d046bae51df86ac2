//! Every trial runs to the largest fidelity in one go.

use crate::{Decision, Scheduler, end_if_settled};
use automl_core::{Study, TrialState};

/// Runs waiting trials first (oldest first), then new ones until the budget is spent.
#[derive(Clone, Copy, Debug, Default)]
pub struct FullFidelity;

impl Scheduler for FullFidelity {
    fn decide(&self, study: &Study, free: usize) -> Vec<Decision> {
        let until = study.settings.fidelity.max;
        let waits = |state: TrialState| matches!(state, TrialState::Queued | TrialState::Paused);
        let waiting = study.trials.values().filter(|trial| waits(trial.state));
        let runs = waiting.map(|trial| Decision::Run { trial: trial.id, until });
        let left = study.settings.trials.saturating_sub(study.started());
        let starts = (0..left).map(|_| Decision::Start { bracket: None, until });
        let decisions: Vec<Decision> = runs.chain(starts).take(free).collect();
        if decisions.is_empty() { end_if_settled(study) } else { decisions }
    }
}
