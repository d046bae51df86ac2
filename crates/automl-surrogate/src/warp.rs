//! Output warp: spreads the good targets out and pulls the bad ones in.
//!
//! Larger is better. Three steps, as in the Vizier project's Gaussian-process bandit (Song et al.,
//! 2024, "The Vizier Gaussian Process Bandit Algorithm", appendix on output warping): targets below
//! the median are replaced by normal scores of their ranks, the result is stretched logarithmically
//! towards the best, and rows without a target get a value below all others. The result is standardised.
//!
//! Targets are first divided by a power of two, which is exact: neither 1e300 nor 1e-300 overflows a
//! square, and doubling all targets changes no bit of the result.

use crate::draws::normal_quantile;

/// Base of the logarithmic stretch.
const STRETCH: f64 = 1.5;
/// Smallest standard deviation that is divided by.
const DEVIATION_MIN: f64 = 1e-12;

/// Turns raw targets into standardised ones; `None` marks a row that failed.
///
/// Without any target, or with equal targets and no failure, all results are 0.
///
/// # Panics
/// Panics when a target is not finite.
pub fn warp_targets(targets: &[Option<f64>]) -> Vec<f64> {
    let feasible: Vec<f64> = targets.iter().flatten().copied().collect();
    warp_targets_about(targets, &feasible)
}

/// [`warp_targets`] with the median of `reference`, targets of rows that cover the space evenly.
///
/// A search gathers its rows around the optimum. The median of all targets rises with them until
/// everything but the optimum's surroundings is "below", and ranks forget how much worse it is.
///
/// # Panics
/// Panics when a target is not finite.
pub fn warp_targets_about(targets: &[Option<f64>], reference: &[f64]) -> Vec<f64> {
    let mut feasible: Vec<f64> = targets.iter().flatten().copied().collect();
    let count = feasible.len();
    feasible.extend(reference);
    assert!(feasible.iter().all(|target| target.is_finite()), "targets are finite");
    let mut scaled = scale_down(&feasible);
    let reference = scaled.split_off(count);
    let warped = log_stretch(&half_rank_about(&scaled, &reference));
    let mut next = warped.into_iter();
    let labels: Vec<Option<f64>> = targets.iter().map(|target| target.and_then(|_| next.next())).collect();
    standardise(&impute_infeasible(&labels))
}

/// Divides by the power of two that brings the largest magnitude below 1.
fn scale_down(values: &[f64]) -> Vec<f64> {
    let largest = values.iter().fold(0.0, |max: f64, value| max.max(value.abs()));
    let (_, exponent) = libm::frexp(largest);
    values.iter().map(|&value| libm::ldexp(value, -exponent)).collect()
}

/// Replaces values below the median by normal scores of their ranks.
///
/// The scores hang below the median with the spread of the upper half, however far the values were.
pub fn half_rank(values: &[f64]) -> Vec<f64> {
    half_rank_about(values, values)
}

/// [`half_rank`] about the median of `reference`.
fn half_rank_about(values: &[f64], reference: &[f64]) -> Vec<f64> {
    let Some(median) = median(reference).or_else(|| median(values)) else {
        return Vec::new();
    };
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    let below = sorted.partition_point(|&value| value < median);
    let upper_spread = if below < sorted.len() { spread(&sorted[below..], median) } else { 0.0 };
    let spread = if upper_spread > 0.0 { upper_spread } else { spread(&sorted, median) };
    let denominator = below as f64 + if sorted.get(below) == Some(&median) { 0.5 } else { 0.0 };
    let score = |value: f64| {
        let rank = sorted.partition_point(|&other| other < value) as f64 + 1.0;
        median + spread * normal_quantile(0.5 * (rank - 0.5) / denominator)
    };
    values.iter().map(|&value| if value < median { score(value) } else { value }).collect()
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[n / 2]),
        n => Some(0.5 * (sorted[n / 2 - 1] + sorted[n / 2])),
    }
}

/// Root mean square distance from `centre`.
fn spread(values: &[f64], centre: f64) -> f64 {
    let squares = values.iter().map(|value| (value - centre) * (value - centre)).sum::<f64>();
    (squares / values.len() as f64).sqrt()
}

/// Maps onto `[-0.5, 0.5]` with more resolution near the best; equal values become 0.
pub fn log_stretch(values: &[f64]) -> Vec<f64> {
    let (low, high) = range(values);
    if low >= high {
        return vec![0.0; values.len()];
    }
    let stretch = |value: f64| {
        let gap = (high - value) / (high - low);
        0.5 - libm::log1p(gap * (STRETCH - 1.0)) / libm::log(STRETCH)
    };
    values.iter().map(|&value| stretch(value)).collect()
}

/// Gives failed rows a value below all others, and shifts everything towards a mean of 0.
///
/// The distance is half the range plus 1; the shift uses a smoothed share of failures, so that one
/// failure among few trials does not dominate. Without any value all results are -1.
pub fn impute_infeasible(labels: &[Option<f64>]) -> Vec<f64> {
    let feasible: Vec<f64> = labels.iter().flatten().copied().collect();
    if feasible.is_empty() {
        return vec![-1.0; labels.len()];
    }
    let (low, high) = range(&feasible);
    let bad = low - (0.5 * (high - low) + 1.0);
    let share = (0.5 + feasible.len() as f64) / (1.0 + labels.len() as f64);
    let mean = feasible.iter().sum::<f64>() / feasible.len() as f64;
    let shift = -mean * share - bad * (1.0 - share);
    labels.iter().map(|label| label.unwrap_or(bad) + shift).collect()
}

/// Shifts and scales to mean 0 and population standard deviation 1.
pub fn standardise(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let deviation = spread(values, mean).max(DEVIATION_MIN);
    if range(values).0 >= range(values).1 {
        return vec![0.0; values.len()];
    }
    values.iter().map(|value| (value - mean) / deviation).collect()
}

fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feasible(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().copied().map(Some).collect()
    }

    #[test]
    fn order_is_kept_and_moments_are_standard() {
        let values = [3.0, -1.0, 0.5, 100.0, 2.0, 2.5];
        let warped = warp_targets(&feasible(&values));
        for i in 0..6 {
            for j in 0..6 {
                assert_eq!(values[i] < values[j], warped[i] < warped[j], "{i} {j}");
            }
        }
        assert!(warped.iter().sum::<f64>().abs() < 1e-12);
        assert!((warped.iter().map(|z| z * z).sum::<f64>() - 6.0).abs() < 1e-12);
    }

    #[test]
    fn doubling_the_targets_changes_no_bit() {
        let values = [0.3, -0.7, 0.11, 0.9, 0.2];
        let doubled: Vec<f64> = values.iter().map(|value| value * 4.0).collect();
        assert_eq!(warp_targets(&feasible(&values)), warp_targets(&feasible(&doubled)));
    }

    #[test]
    fn neither_unit_nor_origin_of_the_targets_matters() {
        let values = [0.3, -0.7, 0.11, 0.9, 0.2, 0.21];
        let moved: Vec<f64> = values.iter().map(|value| value * 73.1 - 5.5).collect();
        let pairs = warp_targets(&feasible(&values)).into_iter().zip(warp_targets(&feasible(&moved)));
        for (plain, moved) in pairs {
            assert!((plain - moved).abs() < 1e-9, "{plain} {moved}");
        }
    }

    #[test]
    fn extreme_targets_stay_finite() {
        for values in [
            vec![1e300, -1e300, 5e299, 0.0],
            vec![1e-300, 2e-300, -1e-300],
            vec![f64::MAX, f64::MIN, 0.0, 1.0, 5e-324],
            vec![1.0, 2.0, 3.0, -1e12],
            vec![1.0, 2.0, 3.0, 1e12],
        ] {
            let warped = warp_targets(&feasible(&values));
            assert!(warped.iter().all(|z| z.is_finite() && z.abs() < 10.0), "{values:?} {warped:?}");
        }
    }

    #[test]
    fn constant_targets_become_zero() {
        assert_eq!(warp_targets(&feasible(&[0.1; 7])), [0.0; 7]);
        assert_eq!(warp_targets(&[None, None]), [0.0; 2]);
        assert_eq!(warp_targets(&[]), [0.0; 0]);
    }

    #[test]
    fn gathered_targets_do_not_blur_the_others() {
        // Eight rows all over the space, then twenty of nearly equal value at the optimum.
        let mut values: Vec<f64> = (0..8).map(f64::from).collect();
        values.extend((0..20).map(|i| 7.0 + 0.01 * f64::from(i)));
        let gap = |warped: &[f64]| (warped[7] - warped[5]) / (warped[7] - warped[0]);
        let (all, about) =
            (warp_targets(&feasible(&values)), warp_targets_about(&feasible(&values), &values[..8]));
        assert!(
            gap(&all) < 0.7 * gap(&about) || gap(&all) > 1.4 * gap(&about),
            "{} {}",
            gap(&all),
            gap(&about)
        );
        assert!((gap(&about) - 0.3).abs() < 0.15, "{}", gap(&about));
    }

    #[test]
    fn reference_outside_the_targets_is_allowed() {
        for reference in [vec![], vec![-5.0], vec![9.0, 10.0]] {
            let warped = warp_targets_about(&feasible(&[1.0, 2.0, 3.0]), &reference);
            assert!(warped[0] < warped[1] && warped[1] < warped[2], "{reference:?} {warped:?}");
        }
    }

    #[test]
    fn failed_rows_are_worst() {
        let warped = warp_targets(&[Some(1.0), None, Some(3.0), Some(-1e9)]);
        assert!(warped[1] < warped[3] && warped[3] < warped[0] && warped[0] < warped[2]);
    }
}
