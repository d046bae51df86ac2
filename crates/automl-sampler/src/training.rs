//! From a history to rows and targets: which fidelity is modelled, and what failures count as.
//!
//! One fidelity is modelled at a time: losses of different fidelities are not comparable. It is the
//! highest one with at least `max(4, D + 2)` observations, `D` being the number of varying parameters,
//! so that its length scales can be told apart; without such a fidelity, the one with the most
//! observations, the higher one on a tie.
//!
//! Few failures are put into the model with the warp's value for failures, worse than all results. When
//! they are many, five or more than a fifth of the trials, that would distort the targets: they then
//! count as the worst result, and a second model learns where trials fail. The second model alone would
//! not do. Where the losses fall towards a cliff of failures, the first model, ignorant of them, promises
//! ever more beyond it, and the search probes the cliff without end.

use std::collections::BTreeMap;

use automl_core::{Fidelity, Params, TrialId};
use automl_surrogate::warp_targets;

use crate::design::Design;
use crate::history::{History, Observation};

/// Observations without which no model is fitted.
pub(crate) const RESULTS_MIN: usize = 4;
/// Failures from which on a model of its own learns them.
const FAILURES_MODELLED: usize = 5;
/// Rows that a model is conditioned on: the best ones and the latest ones, half each.
const ROWS_MAX: usize = 1000;

/// Data of one modelled fidelity.
pub(crate) struct Training {
    pub(crate) fidelity: Fidelity,
    /// Number of observations before any selection.
    pub(crate) observations: usize,
    pub(crate) rows: Vec<Vec<f64>>,
    /// Standardised, larger is better.
    pub(crate) targets: Vec<f64>,
    /// 1 for a result and -1 for a failure, where failures are many.
    pub(crate) labels: Option<Vec<f64>>,
}

impl Training {
    /// Collects the data, or returns `None` when fewer than `results_min` observations share a fidelity.
    pub(crate) fn new(design: &Design, history: &History, results_min: usize) -> Option<Self> {
        let fidelity = modelled_fidelity(&history.observations, design.columns().len())?;
        let at_fidelity = history.observations.iter().filter(|o| o.fidelity == fidelity);
        let by_trial: BTreeMap<TrialId, &Observation> = at_fidelity.map(|o| (o.trial, o)).collect();
        if by_trial.len() < results_min {
            return None;
        }
        let kept = select(by_trial.values().copied().collect());
        let mut rows: Vec<Vec<f64>> = kept.iter().map(|o| design.row(&o.params)).collect();
        let results: Vec<Option<f64>> = kept.iter().map(|o| Some(-o.loss.get())).collect();
        let failed = in_trial_order(&history.failed);
        let succeeded = rows.len();
        rows.extend(failed.iter().map(|params| design.row(params)));
        let many = failed.len() >= FAILURES_MODELLED || 5 * failed.len() > by_trial.len() + failed.len();
        let (targets, labels) = if many {
            let mut targets = warp_targets(&results);
            let worst = targets.iter().copied().fold(f64::INFINITY, f64::min);
            targets.resize(rows.len(), worst);
            let label = |row| if row < succeeded { 1.0 } else { -1.0 };
            (targets, Some((0..rows.len()).map(label).collect()))
        } else {
            let missing = std::iter::repeat_n(None, failed.len());
            (warp_targets(&results.into_iter().chain(missing).collect::<Vec<_>>()), None)
        };
        Some(Self { fidelity, observations: by_trial.len(), rows, targets, labels })
    }

    /// Whether there is nothing to learn from.
    pub(crate) fn is_flat(&self) -> bool {
        self.targets.iter().all(|&target| target == self.targets[0])
    }
}

/// Parameters in the order of their trials.
pub(crate) fn in_trial_order(trials: &[(TrialId, Params)]) -> Vec<&Params> {
    let ordered: BTreeMap<TrialId, &Params> = trials.iter().map(|(trial, params)| (*trial, params)).collect();
    ordered.into_values().collect()
}

/// Returns the fidelity whose results are modelled.
pub(crate) fn modelled_fidelity(observations: &[Observation], dimension: usize) -> Option<Fidelity> {
    let mut counts = BTreeMap::<Fidelity, usize>::new();
    for observation in observations {
        *counts.entry(observation.fidelity).or_default() += 1;
    }
    let enough = RESULTS_MIN.max(dimension + 2);
    let highest = counts.iter().rev().find(|&(_, &count)| count >= enough);
    let fullest = counts.iter().max_by_key(|&(&fidelity, &count)| (count, fidelity));
    highest.or(fullest).map(|(&fidelity, _)| fidelity)
}

/// Keeps the best and the latest observations when there are too many, in trial order.
fn select(observations: Vec<&Observation>) -> Vec<&Observation> {
    if observations.len() <= ROWS_MAX {
        return observations;
    }
    let (older, latest) = observations.split_at(observations.len() - ROWS_MAX / 2);
    let mut best = older.to_vec();
    best.sort_by_key(|o| (o.loss, o.trial));
    best.truncate(ROWS_MAX - latest.len());
    best.sort_by_key(|o| o.trial);
    best.extend(latest);
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Direction, Objective};

    fn observation(trial: u64, fidelity: u64, value: f64) -> Observation {
        let objective = Objective { metric: "loss".into(), direction: Direction::Minimize };
        let loss = objective.loss(value).unwrap();
        Observation::single(TrialId(trial), Params::default(), loss, Fidelity(fidelity))
    }

    fn check_fidelity(counts: &[(u64, u64)], expected: u64) {
        let all = counts.iter().flat_map(|&(f, n)| (0..n).map(move |i| observation(100 * f + i, f, 0.0)));
        assert_eq!(modelled_fidelity(&all.collect::<Vec<_>>(), 3), Some(Fidelity(expected)), "{counts:?}");
    }

    #[test]
    fn highest_fidelity_with_enough_results_is_modelled() {
        check_fidelity(&[(1, 9)], 1);
        check_fidelity(&[(1, 9), (3, 5), (9, 4)], 3);
        check_fidelity(&[(1, 9), (3, 5), (9, 5)], 9);
        check_fidelity(&[(1, 4), (3, 4), (9, 1)], 3);
    }

    #[test]
    fn best_and_latest_of_many_results_are_kept() {
        let all: Vec<Observation> =
            (0..1500).map(|i| observation(i, 1, -((i as f64) - 40.0).abs())).collect();
        let kept = select(all.iter().collect());
        assert_eq!(kept.len(), ROWS_MAX);
        assert!(kept.windows(2).all(|pair| pair[0].trial < pair[1].trial));
        assert_eq!(kept[999].trial, TrialId(1499));
        assert!(!kept.iter().any(|o| o.trial == TrialId(40)), "the worst is left out");
    }
}
