//! The margin: coordinates of few values keep a least probability of leaving their value.
//!
//! Hamano, Saito, Nomura, Shirakawa, *CMA-ES with Margin* (GECCO 2022). Without it the distribution
//! shrinks into one cell of a discrete coordinate, and every sample there is the same.

use crate::draws::normal_quantile;
use crate::truncated::log_normal_distribution;

const SHARE_MIN: f64 = 1e-10;

/// What one discrete coordinate needs to keep its margin.
pub(super) struct Spread {
    /// Mean of the distribution.
    pub(super) mean: f64,
    /// Deviation of the samples without their scale.
    pub(super) deviation: f64,
    /// Factor on the deviation.
    pub(super) scale: f64,
}

/// Moves the mean or widens the scale so that the value of the mean's cell is left with a probability of
/// at least `margin`. `values` are the coordinate's values in ascending order, two or more.
pub(super) fn correct(spread: &mut Spread, values: &[f64], margin: f64) {
    let (low, high) = limits(values, spread.mean);
    let deviation = spread.deviation * spread.scale;
    let below = libm::exp(log_normal_distribution((low - spread.mean) / deviation));
    let above = libm::exp(log_normal_distribution((spread.mean - high) / deviation));
    if below.max(above) > 0.5 {
        if below.min(above) < margin {
            let reach = deviation * -normal_quantile(margin);
            spread.mean = high + if spread.mean > high { reach } else { -reach };
        }
        return;
    }
    let inside = 1.0 - below - above;
    let (raised_below, raised_above) = (below.max(margin / 2.0), above.max(margin / 2.0));
    let surplus = 1.0 - raised_below - raised_above - inside;
    let room = raised_below + inside + raised_above - 1.5 * margin;
    let share = |raised: f64| {
        let share = raised + surplus * (raised - margin / 2.0) / room;
        share.clamp(SHARE_MIN, 0.5 - SHARE_MIN)
    };
    let (q_low, q_high) = (-normal_quantile(share(raised_below)), -normal_quantile(share(raised_above)));
    spread.scale = (high - low) / ((q_low + q_high) * spread.deviation);
    spread.mean = (low * q_high + high * q_low) / (q_low + q_high);
}

/// Returns the value nearest to `x`, the lower one on a tie.
pub(super) fn nearest(values: &[f64], x: f64) -> f64 {
    let above = (1..values.len()).take_while(|&k| x > 0.5 * (values[k - 1] + values[k])).count();
    values[above]
}

/// The midpoints around `x`; beyond the last one at either end, that one twice.
fn limits(values: &[f64], x: f64) -> (f64, f64) {
    let midpoints: Vec<f64> = values.windows(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect();
    let k = midpoints.partition_point(|midpoint| *midpoint < x);
    let last = midpoints.len() - 1;
    (midpoints[k.saturating_sub(1)], midpoints[k.min(last)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collapsed_coordinate_can_still_leave_its_value() {
        let values = [0.125, 0.375, 0.625, 0.875];
        for mean in [0.1, 0.3, 0.375, 0.45, 0.9] {
            let mut spread = Spread { mean, deviation: 1e-9, scale: 1.0 };
            correct(&mut spread, &values, 0.02);
            let (low, high) = limits(&values, mean);
            let deviation = spread.deviation * spread.scale;
            let below = log_normal_distribution((low - spread.mean) / deviation);
            let above = log_normal_distribution((spread.mean - high) / deviation);
            let leaving = if low == high { below.min(above) } else { below.max(above) };
            assert!(libm::exp(leaving) > 0.0099, "{mean}: {}", libm::exp(leaving));
        }
    }

    #[test]
    fn ties_go_to_the_lower_value() {
        assert_eq!([-1.0, 0.5, 0.51, 2.0].map(|x| nearest(&[0.0, 1.0], x)), [0.0, 0.0, 1.0, 1.0]);
    }
}
