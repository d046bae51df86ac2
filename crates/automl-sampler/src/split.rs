//! From a history to the two groups of TPE: the best results, and everything else.
//!
//! One fidelity is modelled, as everywhere. The best results there are the good group: 15 % of them, at
//! most 25. All other results, failed trials and trials that are still pending (which keeps parallel
//! suggestions apart) are the other group, whose weights fall with age. Thousands of old trials say
//! little more than some of them do: beyond a number they are thinned evenly, and those that stay count
//! for the ones left out.

use std::collections::BTreeMap;

use automl_core::{Fidelity, Loss, Params, TrialId};

use crate::axes::Axes;
use crate::history::History;
use crate::training::{RESULTS_MIN, modelled_fidelity};

/// Share of the results that are good, and how many are at most.
const GOOD_SHARE: f64 = 0.15;
const GOOD_MAX: usize = 25;
/// The latest so many trials have full weight.
const RECENT: usize = 25;
/// The latest so many trials are all kept, and about as many of the older ones.
const KEPT_WHOLE: usize = 256;

/// Rows of both groups.
pub(crate) struct Split {
    pub(crate) fidelity: Fidelity,
    /// Number of results.
    pub(crate) observations: usize,
    pub(crate) good: Vec<Vec<f64>>,
    pub(crate) others: Vec<Vec<f64>>,
    /// Weights of `others`.
    pub(crate) weights: Vec<f64>,
}

impl Split {
    /// Splits what belongs to the space; `None` with fewer results than a model needs, or when nothing
    /// tells good from bad.
    pub(crate) fn new(axes: &Axes, history: &History) -> Option<Self> {
        let fidelity = modelled_fidelity(history, axes.axes().len())?;
        let mut results = results(axes, history, fidelity);
        results.sort_unstable_by_key(|&(loss, trial, _)| (loss, trial));
        let (first, last) = (results.first()?.0, results.last()?.0);
        let observations = results.len();
        let failed = rows(axes, &history.failed);
        if observations < RESULTS_MIN || (first == last && failed.is_empty()) {
            return None;
        }
        let good = if first == last { observations } else { good_count(observations) };
        let mut others: BTreeMap<TrialId, Vec<f64>> =
            results.split_off(good).into_iter().map(|(_, trial, row)| (trial, row)).collect();
        others.extend(failed);
        others.extend(rows(axes, &history.pending));
        let (others, weights) = thin(others.into_values().collect());
        let good = results.into_iter().map(|(_, _, row)| row).collect();
        Some(Self { fidelity, observations, good, others, weights })
    }
}

fn results(axes: &Axes, history: &History, fidelity: Fidelity) -> Vec<(Loss, TrialId, Vec<f64>)> {
    let at_fidelity = history.observations.iter().filter(|o| o.fidelity == fidelity);
    at_fidelity.filter_map(|o| Some((o.loss, o.trial, axes.row(&o.params)?))).collect()
}

fn rows(axes: &Axes, trials: &[(TrialId, Params)]) -> Vec<(TrialId, Vec<f64>)> {
    trials.iter().filter_map(|(trial, params)| Some((*trial, axes.row(params)?))).collect()
}

fn good_count(results: usize) -> usize {
    ((GOOD_SHARE * results as f64).ceil() as usize).clamp(1, GOOD_MAX)
}

/// Weights of `n` trials, oldest first: a straight line from `1/n` to 1, and 1 for the latest.
fn age_weights(n: usize) -> impl Fn(usize) -> f64 {
    let rising = n.saturating_sub(RECENT);
    let (first, steps) = (1.0 / n as f64, rising.saturating_sub(1).max(1) as f64);
    move |i| if i >= rising { 1.0 } else { first + (1.0 - first) * i as f64 / steps }
}

/// Keeps all of the latest rows and every so many-th of the older ones, with their weights.
fn thin(rows: Vec<Vec<f64>>) -> (Vec<Vec<f64>>, Vec<f64>) {
    let n = rows.len();
    let older = n.saturating_sub(KEPT_WHOLE);
    let stride = older.div_ceil(KEPT_WHOLE).max(1);
    let weight = age_weights(n);
    let kept = rows.into_iter().enumerate().filter_map(|(i, row)| match i {
        _ if i >= older => Some((row, weight(i))),
        _ if i.is_multiple_of(stride) => Some((row, weight(i) * stride as f64)),
        _ => None,
    });
    kept.unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str) -> BTreeMap<String, serde_json::Value> {
        let text = include_str!("../../automl-surrogate/tests/golden/tpe.json");
        let table: serde_json::Value = serde_json::from_str(text).unwrap();
        serde_json::from_value(table[name].clone()).unwrap()
    }

    #[test]
    fn good_counts_agree_with_the_reference() {
        for (n, expected) in table("watanabe_gamma_linear_0p15") {
            assert_eq!(good_count(n.parse().unwrap()), expected.as_u64().unwrap() as usize, "{n}");
        }
    }

    #[test]
    fn age_weights_agree_with_the_reference() {
        for (n, expected) in table("default_weights") {
            let n: usize = n.parse().unwrap();
            let weight = age_weights(n);
            for (i, expected) in expected.as_array().unwrap().iter().enumerate() {
                assert!((weight(i) - expected.as_f64().unwrap()).abs() < 1e-12, "{n} {i}");
            }
        }
    }

    #[test]
    fn thinned_rows_stand_for_those_left_out() {
        let (rows, weights) = thin((0..4000).map(|i| vec![f64::from(i)]).collect());
        assert!((500..=512).contains(&rows.len()), "{}", rows.len());
        assert_eq!(rows.last(), Some(&vec![3999.0]));
        let whole: f64 = (0..4000).map(age_weights(4000)).sum();
        assert!((weights.iter().sum::<f64>() / whole - 1.0).abs() < 0.01);
    }
}
