//! The study as a sampler sees it.

use automl_core::{Study, Trial, TrialState};
use automl_sampler::{History, Observation};

/// Returns every result, every trial still open and every trial that failed, oldest first.
pub(crate) fn history(study: &Study) -> History {
    let observe = |trial: &Trial| -> Vec<Observation> {
        let at = |fidelity: &automl_core::Fidelity| {
            study
                .loss_at(trial, *fidelity)
                .map(|loss| Observation::single(trial.id, trial.params.clone(), loss, *fidelity))
        };
        trial.reached.keys().filter_map(at).collect()
    };
    let open = |t: &&Trial| matches!(t.state, TrialState::Queued | TrialState::Running);
    let failed = |t: &&Trial| matches!(t.state, TrialState::Failed | TrialState::Infeasible);
    let named = |t: &Trial| (t.id, t.params.clone());
    let theta = study.trials.values().rev().map(|t| &t.origin.theta).find(|theta| !theta.is_empty()).cloned();
    History {
        observations: study.trials.values().flat_map(observe).collect(),
        pending: study.trials.values().filter(open).map(named).collect(),
        failed: study.trials.values().filter(failed).map(named).collect(),
        theta: theta.unwrap_or_default(),
        budget: Some(study.settings.trials),
    }
}
