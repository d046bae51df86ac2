//! Medians, ranks and their uncertainty.
//!
//! The unit of everything here is a *case*: one instance of one problem, met by all samplers. Intervals are
//! bootstrap percentiles (95 %) over cases, resampled within each problem: they tell how far the result
//! depends on the seeds, for these problems.

use automl_core::rng;

const RESAMPLES: u64 = 1000;
/// Regrets below this are equally good: a ten-thousandth of what random draws leave.
pub(crate) const FLOOR: f64 = 1e-4;

/// A number and the interval in which it probably lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// Returns the middle value, of an even number of values the mean of the two in the middle; NaN of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Returns the mean, NaN of none.
pub(crate) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Returns a statistic of values and its bootstrap interval. `strata` holds each value's problem.
pub(crate) fn estimate(values: &[f64], strata: &[usize], statistic: impl Fn(&[f64]) -> f64) -> Estimate {
    assert_eq!(values.len(), strata.len(), "one stratum for each value");
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); strata.iter().max().map_or(0, |max| max + 1)];
    for (index, stratum) in strata.iter().enumerate() {
        members[*stratum].push(index);
    }
    let resample = |round: u64| {
        let mut draw = 0;
        let mut drawn = Vec::with_capacity(values.len());
        for stratum in &members {
            for _ in stratum {
                draw += 1;
                let index = (rng::uniform(&[round, draw]) * stratum.len() as f64) as usize;
                drawn.push(values[stratum[index]]);
            }
        }
        statistic(&drawn)
    };
    let mut resampled: Vec<f64> = (0..RESAMPLES).map(resample).collect();
    resampled.sort_by(f64::total_cmp);
    let at = |share: f64| resampled[(share * (RESAMPLES - 1) as f64).round() as usize];
    Estimate { value: statistic(values), low: at(0.025), high: at(0.975) }
}

/// Returns each sampler's rank in one case, 1 being the best; equals share the mean of their ranks.
pub(crate) fn ranks(regrets: &[f64]) -> Vec<f64> {
    let floored: Vec<f64> = regrets.iter().map(|regret| regret.max(FLOOR)).collect();
    let rank = |regret: &f64| {
        let better = floored.iter().filter(|other| *other < regret).count() as f64;
        let equal = floored.iter().filter(|other| *other == regret).count() as f64;
        better + (equal + 1.0) / 2.0
    };
    floored.iter().map(rank).collect()
}

/// Returns the decadic logarithm of a regret, with everything below [`FLOOR`] equal.
pub(crate) fn log_regret(regret: f64) -> f64 {
    regret.max(FLOOR).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_even_and_no_values() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn ties_share_ranks_and_tiny_regrets_are_ties() {
        assert_eq!(ranks(&[0.5, 0.1, 0.5, 0.9]), [2.5, 1.0, 2.5, 4.0]);
        assert_eq!(ranks(&[1e-5, 1e-9, 0.2]), [1.5, 1.5, 3.0]);
    }

    #[test]
    fn interval_holds_the_value_and_narrows_with_more_values() {
        let sample = |n: u64| (0..n).map(|i| rng::uniform(&[8, i])).collect::<Vec<_>>();
        let width = |n: u64| {
            let values = sample(n);
            let estimate = estimate(&values, &vec![0; n as usize], mean);
            assert!(estimate.low <= estimate.value && estimate.value <= estimate.high);
            estimate.high - estimate.low
        };
        assert!(width(200) < 0.6 * width(20));
        // A uniform mean of 200 has standard error 0.0204: the interval is four of them wide.
        assert!((width(200) - 0.08).abs() < 0.015, "{}", width(200));
    }

    #[test]
    fn differences_between_problems_are_no_uncertainty() {
        let values = [0.1, 0.1, 0.1, 0.9, 0.9, 0.9];
        let estimate = estimate(&values, &[0, 0, 0, 1, 1, 1], mean);
        assert_eq!((estimate.low, estimate.high), (estimate.value, estimate.value));
    }
}
