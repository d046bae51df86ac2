//! From a history to rows and targets: which fidelity is modelled, and what failures count as.
//!
//! One fidelity is modelled at a time: losses of different fidelities are not comparable. It is the
//! highest one with at least `max(4, D + 2)` observations, `D` being the number of varying parameters,
//! so that its length scales can be told apart; without such a fidelity, the one with the most
//! observations, the higher one on a tie.
//!
//! Failures count as the middle result, and a second model learns where trials fail. With the worst result
//! instead, the first model would shun the good rows beside a region of failures, and a trial that failed by
//! accident would spoil its surroundings: the regret after 60 trials was several times larger. Left out
//! altogether, the first model would promise ever more beyond a cliff towards which the losses fall.

use std::collections::BTreeMap;

use automl_core::{Fidelity, Params, TrialId};
use automl_surrogate::warp_targets_about;

use crate::constraints::Measured;
use crate::design::Design;
use crate::history::{History, Observation};
use crate::scalarise;

/// Observations without which no model is fitted.
pub(crate) const RESULTS_MIN: usize = 4;
/// First results, those of the evenly spread startup, whose median the output warp uses.
const REFERENCE_ROWS: usize = 10;
/// Rows that a model is conditioned on: the best ones and the latest ones, half each.
const ROWS_MAX: usize = 800;

/// Data of one modelled fidelity.
pub(crate) struct Training {
    pub(crate) fidelity: Fidelity,
    /// Number of observations before any selection.
    pub(crate) observations: usize,
    /// How many of them have no row, because there are too many.
    pub(crate) left_out: usize,
    /// Number of objectives behind the targets.
    pub(crate) objectives: usize,
    pub(crate) rows: Vec<Vec<f64>>,
    /// Standardised, larger is better; of several objectives a random weighting.
    pub(crate) targets: Vec<f64>,
    /// Targets of each objective, where there are several, but not too many results to model each.
    pub(crate) by_objective: Vec<Vec<f64>>,
    /// 1 for a result and -1 for a failure, where there are failures.
    pub(crate) labels: Option<Vec<f64>>,
    /// What was measured of each constraint.
    pub(crate) constraints: Vec<Measured>,
    /// Rows of `rows` that keep all constraints; failures do not.
    pub(crate) feasible: Vec<usize>,
}

impl Training {
    /// Collects the data, or returns `None` when fewer than `results_min` observations share a fidelity.
    ///
    /// `key` chooses the weights of several objectives.
    pub(crate) fn new(design: &Design, history: &History, results_min: usize, key: u64) -> Option<Self> {
        let fidelity = modelled_fidelity(&history.observations, design.columns().len())?;
        let at_fidelity = history.observations.iter().filter(|o| o.fidelity == fidelity);
        let by_trial: BTreeMap<TrialId, &Observation> = at_fidelity.map(|o| (o.trial, o)).collect();
        if by_trial.len() < results_min {
            return None;
        }
        let all: Vec<&Observation> = by_trial.into_values().collect();
        let all_results = scalarise::results(&all, key);
        let reference = &all_results[..all_results.len().min(REFERENCE_ROWS)];
        let kept = select(&all_results);
        let mut rows: Vec<Vec<f64>> = kept.iter().map(|&i| design.row(&all[i].params)).collect();
        let results: Vec<Option<f64>> = kept.iter().map(|&i| Some(all_results[i])).collect();
        let constraints = constraints(&kept.iter().map(|&i| all[i]).collect::<Vec<_>>(), &rows);
        let feasible = (0..kept.len()).filter(|&row| all[kept[row]].is_feasible()).collect();
        let failed = in_trial_order(&history.failed);
        let succeeded = rows.len();
        rows.extend(failed.iter().map(|params| design.row(params)));
        let mut targets = warp_targets_about(&results, reference);
        let mut by_objective = scalarise::apart(&all).unwrap_or_default();
        for targets in by_objective.iter_mut().chain([&mut targets]) {
            targets.resize(rows.len(), middle(targets));
        }
        let label = |row| if row < succeeded { 1.0 } else { -1.0 };
        let labels = (!failed.is_empty()).then(|| (0..rows.len()).map(label).collect());
        let objectives = 1 + all.iter().map(|o| o.others.len()).min().unwrap_or(0);
        let observations = all.len();
        let left_out = observations - kept.len();
        Some(Self {
            fidelity,
            observations,
            left_out,
            objectives,
            rows,
            targets,
            by_objective,
            labels,
            constraints,
            feasible,
        })
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

/// The middle one of some targets, the lower of two.
pub(crate) fn middle(targets: &[f64]) -> f64 {
    let mut sorted = targets.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
}

/// What is known of each constraint; a violation that is no number says nothing.
pub(crate) fn constraints(observations: &[&Observation], rows: &[Vec<f64>]) -> Vec<Measured> {
    let count = observations.iter().map(|o| o.violations.len()).max().unwrap_or(0);
    let mut measured = vec![Measured::default(); count];
    for (observation, row) in observations.iter().zip(rows) {
        for (constraint, &violation) in measured.iter_mut().zip(&observation.violations) {
            if !violation.is_nan() {
                constraint.rows.push(row.clone());
                constraint.violations.push(violation.clamp(f64::MIN, f64::MAX));
            }
        }
    }
    measured
}

/// Indices of the best and the latest results when there are too many, ascending.
pub(crate) fn select(results: &[f64]) -> Vec<usize> {
    if results.len() <= ROWS_MAX {
        return (0..results.len()).collect();
    }
    let latest = results.len() - ROWS_MAX / 2;
    let mut kept: Vec<usize> = (0..latest).collect();
    kept.sort_by(|&a, &b| results[b].total_cmp(&results[a]).then(a.cmp(&b)));
    kept.truncate(ROWS_MAX - ROWS_MAX / 2);
    kept.sort_unstable();
    kept.extend(latest..results.len());
    kept
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
        let results: Vec<f64> = (0..1500).map(|i| (f64::from(i) - 40.0).abs()).collect();
        let kept = select(&results);
        assert_eq!(kept.len(), ROWS_MAX);
        assert!(kept.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(kept[ROWS_MAX - 1], 1499);
        assert!(!kept.contains(&40), "the worst is left out");
    }
}
