//! The race's probes: three of its first trials that train fully, to tell early whether rungs mislead.
//!
//! Among the first trials that were compared at the lowest rung these are the best, the middle and the worst one. Where
//! early results mean something the best of them is a good one to train fully anyway; where they favour the wrong
//! trials, three results as far apart as they come show it. Until they are known misleading rungs cost whole
//! trainings, so nothing that goes further than the lowest rung comes before them.

use crate::bracket::levels;
use automl_core::{Loss, Study, Trial, TrialState};
use std::collections::BTreeSet;

/// Trials among which the probes are: as many as a model is begun with.
const PROBED: u64 = 10;

/// Returns the probes, the best one first; none before the first trials have been compared.
pub(crate) fn probes(study: &Study) -> Vec<&Trial> {
    let lowest = levels(&study.settings.fidelity)[0];
    // In a small study a third of the trials.
    let count = (study.settings.trials / 3).clamp(3, PROBED) as usize;
    let first: Vec<&Trial> =
        study.trials.values().filter(|trial| trial.is_comparable()).take(count).collect();
    if first.len() < count || !first.iter().all(|trial| is_compared(trial)) {
        return Vec::new();
    }
    let compared = first.into_iter().filter_map(|trial| Some((study.loss_at(trial, lowest)?, trial)));
    let mut ranked: Vec<(Loss, &Trial)> = compared.collect();
    // Oldest first among equals.
    ranked.sort_by_key(|(loss, trial)| (*loss, trial.id));
    let last = ranked.len().saturating_sub(1);
    let places = BTreeSet::from([0, last / 2, last]);
    places.into_iter().filter_map(|place| Some(ranked.get(place)?.1)).collect()
}

/// Tells whether a trial has got to a rung, or never will.
fn is_compared(trial: &Trial) -> bool {
    match trial.state {
        TrialState::Queued | TrialState::Running => trial.fidelity().is_some(),
        TrialState::Paused
        | TrialState::Complete
        | TrialState::Stopped
        | TrialState::Failed
        | TrialState::Infeasible => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, Direction};
    use automl_testkit::{Log, settings};

    /// Trials with these losses after one epoch; one without a loss runs.
    fn found(trials: u64, losses: &[Option<f64>]) -> Vec<u64> {
        let mut settings = settings(Algorithm::Race);
        settings.objective.direction = Direction::Minimize;
        settings.trials = trials;
        let mut log = Log::new(settings);
        for (trial, loss) in (1..).zip(losses) {
            log = log.suggest(trial).start(trial, 1, 1);
            if let Some(loss) = loss {
                log = log.reach(trial, 1, 1, *loss);
            }
        }
        probes(&log.study().unwrap()).iter().map(|trial| trial.id.0).collect()
    }

    #[test]
    fn best_middle_and_worst_of_the_first_are_probes() {
        let losses = [5.0, 4.0, 9.0, 1.0, 7.0, 3.0, 8.0, 2.0, 6.0, 0.0, -1.0, 99.0].map(Some);
        assert_eq!(found(100, &losses), [10, 2, 3]);
        assert_eq!(found(9, &losses), [2, 1, 3], "the first three of a small study");
    }

    #[test]
    fn there_are_none_before_the_first_were_compared() {
        let mut losses = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0].map(Some);
        assert_eq!(found(100, &losses[..9]), [0; 0]);
        losses[2] = None;
        assert_eq!(found(100, &losses), [0; 0]);
    }
}
