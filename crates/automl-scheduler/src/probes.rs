//! The race's probes: of its first trials some that train fully, to tell whether rungs mislead.
//!
//! Among the first trials that were compared at the lowest rung the middle one is trained fully, once some work has been
//! done without it, and then the best one, which a race has mostly trained by then. Where early results mean
//! something the best ends better, and all this cost one training. Where it does not, the worst one follows: three results
//! as far apart as they come show whether early results favour the wrong trials.

use crate::bracket::levels;
use automl_core::{Loss, Study, Trial, TrialState};

/// Trials among which the probes are: as many as a model is begun with.
const PROBED: u64 = 10;
/// Probes are begun when so many full trainings have been spent: before that a race where rungs mean something gains most.
const PROBED_AFTER: f64 = 4.0;

/// Returns the trials that shall train fully whatever they come to, in the order in which they were chosen, those that
/// have among them. `spent` is the work done so far, in full trainings.
pub(crate) fn probes(study: &Study, spent: f64) -> Vec<&Trial> {
    let full = study.settings.fidelity.max;
    let ranked = ranked(study);
    let [best, .., worst] = &ranked[..] else { return Vec::new() };
    let middle = ranked[(ranked.len() - 1) / 2];
    if spent < PROBED_AFTER {
        return Vec::new();
    }
    let mut probes = vec![middle];
    let Some(of_middle) = study.loss_at(middle, full) else { return probes };
    probes.push(best);
    if study.loss_at(best, full).is_some_and(|of_best| of_middle < of_best) {
        probes.push(worst);
    }
    probes
}

/// The first trials by what they came to at the lowest rung, the best one first; none before all of them have.
fn ranked(study: &Study) -> Vec<&Trial> {
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
    ranked.into_iter().map(|(_, trial)| trial).collect()
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
    fn compared(trials: u64, losses: &[Option<f64>]) -> Log {
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
        log
    }

    fn trained(log: Log, trial: u64, loss: f64) -> Log {
        let full = log.study().unwrap().settings.fidelity.max.0;
        log.start(trial, 2, full).reach(trial, 2, full, loss)
    }

    fn found(log: &Log, spent: f64) -> Vec<u64> {
        probes(&log.study().unwrap(), spent).iter().map(|trial| trial.id.0).collect()
    }

    #[test]
    fn middle_of_the_first_and_then_the_best_are_probes() {
        let losses = [5.0, 4.0, 9.0, 1.0, 7.0, 3.0, 8.0, 2.0, 6.0, 0.0, -1.0, 99.0].map(Some);
        let log = compared(100, &losses);
        assert_eq!(found(&log, 3.9), [0; 0], "not before some work was done");
        assert_eq!(found(&log, 4.0), [2]);
        let log = trained(log, 2, 0.5);
        assert_eq!(found(&log, 5.0), [2, 10]);
        assert_eq!(found(&trained(log, 10, 0.4), 6.0), [2, 10], "the best ended better");
    }

    #[test]
    fn worst_is_a_probe_where_the_middle_ended_better_than_the_best() {
        let log = compared(9, &[5.0, 4.0, 9.0].map(Some));
        let log = trained(trained(log, 1, 0.5), 2, 0.6);
        assert_eq!(found(&log, 6.0), [1, 2, 3], "the first three of a small study");
    }

    #[test]
    fn there_are_none_before_the_first_were_compared() {
        let mut losses = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0].map(Some);
        assert_eq!(found(&compared(100, &losses[..9]), 9.0), [0; 0]);
        losses[2] = None;
        assert_eq!(found(&compared(100, &losses), 9.0), [0; 0]);
    }
}
