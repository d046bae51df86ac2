//! From a history to the two groups of TPE: the best results, and everything else.
//!
//! One fidelity is modelled, as everywhere. The best results there are the good group: 15 % of them, at
//! most 25. All other results, failed trials and trials that are still pending (which keeps parallel
//! suggestions apart) are the other group, whose weights fall with age. Thousands of old trials say
//! little more than some of them do: beyond a number they are thinned evenly, and those that stay count
//! for the ones left out.

use automl_core::{Fidelity, Params, TrialId};

use crate::axes::Axes;
use crate::history::{History, Observation};
use crate::scalarise;
use crate::training::{RESULTS_MIN, modelled_fidelity};

/// Share of the results that are good, and how many are at most.
const GOOD_SHARE: f64 = 0.15;
const GOOD_MAX: usize = 25;
/// The latest so many trials have full weight.
const RECENT: usize = 25;
/// The latest so many trials are all kept, and about as many of the older ones.
const KEPT_WHOLE: usize = 128;

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
    /// Splits a history within the space; `None` with fewer results than a model needs, or when nothing
    /// tells good from bad.
    ///
    /// `key` chooses the weights of several objectives.
    pub(crate) fn new(axes: &Axes, history: &History, key: u64) -> Option<Self> {
        let fidelity = modelled_fidelity(&history.observations, axes.axes().len())?;
        let at_fidelity: Vec<&Observation> =
            history.observations.iter().filter(|o| o.fidelity == fidelity).collect();
        let scalars = scalarise::results(&at_fidelity, key);
        let mut scored: Vec<(&Observation, f64)> = at_fidelity.into_iter().zip(scalars).collect();
        scored.sort_unstable_by(|(a, x), (b, y)| a.rank_with(b, y.total_cmp(x)));
        let observations = scored.len();
        let ((first, best), (last, worst)) = (scored.first()?, scored.last()?);
        let flat = best == worst && first.is_feasible() == last.is_feasible();
        let results: Vec<&Observation> = scored.into_iter().map(|(o, _)| o).collect();
        if observations < RESULTS_MIN || (flat && history.failed.is_empty()) {
            return None;
        }
        let wanted = if flat { observations } else { good_count(observations) };
        let good = results[..wanted].iter().filter_map(|o| axes.row(&o.params)).collect();
        let (others, weights) = other_rows(axes, &results[wanted..], history);
        Some(Self { fidelity, observations, good, others, weights })
    }
}

/// Rows and weights of the remaining results, the failed and the pending trials, oldest first.
fn other_rows(axes: &Axes, rest: &[&Observation], history: &History) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut others: Vec<(TrialId, &Params)> = rest.iter().map(|o| (o.trial, &o.params)).collect();
    others.extend(history.failed.iter().chain(&history.pending).map(|(trial, params)| (*trial, params)));
    others.sort_unstable_by_key(|(trial, _)| *trial);
    let row = |(i, weight): (usize, f64)| Some((axes.row(others[i].1)?, weight));
    thin(others.len()).into_iter().filter_map(row).unzip()
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

/// Of `n` rows, all of the latest and every so many-th of the older ones, with their weights.
fn thin(n: usize) -> Vec<(usize, f64)> {
    let older = n.saturating_sub(KEPT_WHOLE);
    let stride = older.div_ceil(KEPT_WHOLE).max(1);
    let weight = age_weights(n);
    let kept = (0..older).step_by(stride).map(|i| (i, weight(i) * stride as f64));
    kept.chain((older..n).map(|i| (i, weight(i)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

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
        let kept = thin(4000);
        assert!((250..=256).contains(&kept.len()), "{}", kept.len());
        assert_eq!(kept.last(), Some(&(3999, 1.0)));
        let whole: f64 = (0..4000).map(age_weights(4000)).sum();
        assert!((kept.iter().map(|(_, weight)| weight).sum::<f64>() / whole - 1.0).abs() < 0.01);
    }
}
