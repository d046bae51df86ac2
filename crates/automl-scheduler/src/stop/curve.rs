//! Learning-curve stopping: how good will a trial be at its end, at best?
//!
//! Notation: points (t_i, y_i), i ≤ n, of steps and losses; R the largest fidelity; g_c(t) = t^(−c).
//! For each c of [`EXPONENTS`] the power law y = a + b·g_c(t) is fitted by least squares, which is linear
//! in a and b. The laws are weighted by their likelihood, and give together the mean and the deviation of
//! y at R: within a law that of a linear regression, between laws that of their means. A trial is
//! hopeless when even [`OPTIMISM`] deviations below the mean it stays behind the best finished trial.
//!
//! Curves need not be power laws: some stay at chance for a third of the training, then fall. So the rule is first tried on
//! the best finished trials, as far as their curves went at the same step. What it would have missed of their ends, at most, is
//! granted to every trial: where it would have stopped one of the best, it stops nobody who might be like it.
//!
//! Power laws and their mixtures: Domhan, Springenberg and Hutter, *Speeding Up Automatic Hyperparameter
//! Optimization of Deep Neural Networks by Extrapolation of Learning Curves*, IJCAI 2015; a grid of
//! exponents takes the place of their sampling, so that the answer is the same every time and cheap.

use super::{best_finished, in_metric, latest};
use automl_core::{Loss, Reading, Study, Trial};
use std::collections::BTreeMap;

/// Exponents of the power laws, from nearly logarithmic to quickly flat.
const EXPONENTS: [f64; 7] = [0.05, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0];
/// Points that a curve needs: a law of two numbers and some notion of the noise around it.
const POINTS_MIN: usize = 5;
/// Deviations that a trial is given the benefit of.
const OPTIMISM: f64 = 3.0;
/// Finished trials without which the rule says nothing, and the best ones that it is tried on.
const FINISHED_MIN: usize = 3;
const TRIED_ON: usize = 12;
/// Noise that is assumed at least, as a share of the curve's whole range: curves are never quite laws.
const NOISE_FLOOR: f64 = 0.02;

/// Noise of a curve without any range: that of its digits, and something above 0 for one of zeros.
const ROUNDING: f64 = 1e-12;
const LEAST: f64 = 1e-100;

/// Returns why a trial's curve is hopeless, if it is.
pub(super) fn hopeless(study: &Study, trial: &Trial) -> Option<String> {
    let (own, plan) = (latest(study, trial)?, &study.settings.fidelity);
    let finished: Vec<(&Trial, Loss)> = best_finished(study).take(TRIED_ON).collect();
    let (_, best) = *finished.first().filter(|_| finished.len() >= FINISHED_MIN)?;
    let (at_best, mean, deviation) = at_best(study, trial, own.step)?;
    let missed = |(trial, end): &(&Trial, Loss)| Some(self::at_best(study, trial, own.step)?.0 - end.get());
    let hopeless = |granted: f64| at_best - granted > best.get();
    // Trying it is what takes time: only where it would have a consequence.
    let hopeless = hopeless(0.0) && hopeless(finished.iter().filter_map(missed).fold(0.0, f64::max));
    hopeless.then(|| {
        format!(
            "curve: at {} {} its {} is expected to be {:.4} ± {:.4}, and the best finished trial has {:.4}",
            plan.unit,
            plan.max,
            study.settings.objective.metric,
            in_metric(study, mean),
            deviation,
            in_metric(study, best.get())
        )
    })
}

/// How good a trial may be at its end, judged by its curve up to a step: at best, on average, and the deviation.
fn at_best(study: &Study, trial: &Trial, step: u64) -> Option<(f64, f64, f64)> {
    let points: BTreeMap<u64, f64> = study
        .losses_until(trial, step)
        .filter(|(step, _)| *step > 0)
        .filter_map(|(step, loss)| Some((step, loss?.get())))
        .collect();
    let points: Vec<(f64, f64)> = points.into_iter().map(|(step, loss)| (step as f64, loss)).collect();
    let (mean, deviation) = extrapolate(&points, study.settings.fidelity.max.0 as f64)?;
    let so_far = points.iter().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min);
    let at_best = match study.settings.conduct.reading {
        Reading::Last => mean - OPTIMISM * deviation,
        Reading::Best => (mean - OPTIMISM * deviation).min(so_far),
    };
    Some((at_best, mean, deviation))
}

/// Returns mean and deviation of a curve at `end`; `None` where the points do not tell.
fn extrapolate(points: &[(f64, f64)], end: f64) -> Option<(f64, f64)> {
    if points.len() < POINTS_MIN {
        return None;
    }
    let (low, high) = points
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, y)| (low.min(*y), high.max(*y)));
    let floor = ((high - low) * NOISE_FLOOR).max(ROUNDING * high.abs().max(low.abs())).max(LEAST);
    let laws: Vec<Law> = EXPONENTS.iter().map(|c| Law::fit(points, *c, end, floor)).collect();
    let likeliest = laws.iter().map(|law| law.log_likelihood).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = laws.iter().map(|law| (law.log_likelihood - likeliest).exp()).collect();
    let total: f64 = weights.iter().sum();
    let weighted = |of: &dyn Fn(&Law) -> f64| -> f64 {
        laws.iter().zip(&weights).map(|(law, weight)| weight / total * of(law)).sum()
    };
    let mean = weighted(&|law| law.mean);
    let variance = weighted(&|law| law.variance + (law.mean - mean).powi(2));
    (mean.is_finite() && variance.is_finite()).then(|| (mean, variance.sqrt()))
}

/// A fitted power law, as it is at the end.
struct Law {
    mean: f64,
    variance: f64,
    log_likelihood: f64,
}

impl Law {
    fn fit(points: &[(f64, f64)], exponent: f64, end: f64, floor: f64) -> Self {
        let basis = |t: f64| t.powf(-exponent);
        let n = points.len() as f64;
        let mean_g = points.iter().map(|(t, _)| basis(*t)).sum::<f64>() / n;
        let mean_y = points.iter().map(|(_, y)| *y).sum::<f64>() / n;
        let (mut gg, mut gy) = (0.0, 0.0);
        for (t, y) in points {
            let g = basis(*t) - mean_g;
            gg += g * g;
            gy += g * (y - mean_y);
        }
        let slope = gy / gg;
        let residual = |(t, y): &(f64, f64)| y - mean_y - slope * (basis(*t) - mean_g);
        let squares: f64 = points.iter().map(|point| residual(point).powi(2)).sum();
        let noise = (squares / (n - 2.0)).max(floor * floor);
        let away = basis(end) - mean_g;
        Law {
            mean: mean_y + slope * away,
            variance: noise * (1.0 / n + away * away / gg + 1.0),
            log_likelihood: -0.5 * n * noise.ln(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(steps: u64, curve: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (1..=steps).map(|t| (t as f64, curve(t as f64))).collect()
    }

    #[test]
    fn power_laws_are_found_again() {
        let law = |t: f64| 0.2 + 0.7 * t.powf(-0.7);
        let (mean, deviation) = extrapolate(&points(10, law), 81.0).unwrap();
        assert!((mean - law(81.0)).abs() < deviation && deviation < 0.1, "{mean} ± {deviation}");
        let (_, later) = extrapolate(&points(40, law), 81.0).unwrap();
        assert!(later < deviation, "more points, less doubt: {later} {deviation}");
    }

    #[test]
    fn few_points_say_nothing_and_flat_ones_stay() {
        assert_eq!(extrapolate(&points(4, |t| 1.0 / t), 9.0), None);
        let (mean, deviation) = extrapolate(&points(6, |_| 0.5), 9.0).unwrap();
        assert!((mean - 0.5).abs() < 1e-12 && deviation < 1e-6, "{mean} ± {deviation}");
    }

    #[test]
    fn noise_widens_the_answer() {
        let noisy = |t: f64| 1.0 / t + if (t as u64).is_multiple_of(2) { 0.05 } else { -0.05 };
        let (_, clean) = extrapolate(&points(12, |t| 1.0 / t), 50.0).unwrap();
        let (_, rough) = extrapolate(&points(12, noisy), 50.0).unwrap();
        assert!(rough > 2.0 * clean, "{clean} {rough}");
    }
}
