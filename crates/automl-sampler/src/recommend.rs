//! Which trial to hand over when results are noisy.
//!
//! The best of many noisy results is a lucky one. Where the noise is large the trial of the best *mean*
//! under a Gaussian process is recommended instead, which weighs a result with those around it; where it
//! is small, the best result (algorithm 1 of Huang, Allen, Notz and Zeng, *Global Optimization of
//! Stochastic Black-Box Systems via Sequential Kriging Meta-Models*, J. Glob. Optim. 34 (2006), calls the
//! former the effective best solution).
//!
//! Unlike the models that propose, this one sees plain losses, so that its answer has their unit. Losses as
//! far above the median as the best one lies below it are cut off there: how bad a bad trial was says
//! nothing about the good ones, and one diverged trial would be all that the model sees.

use automl_core::{SearchSpace, TrialId};
use automl_surrogate::{FitOptions, TrainingSet, fit};

use crate::bayes::NOISE_LARGE;
use crate::design::Design;
use crate::history::{History, Observation};
use crate::training::{RESULTS_MIN, select};

/// The trial to hand over, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recommendation {
    /// The trial.
    pub trial: TrialId,
    /// Its expected loss; smaller is better.
    pub mean: f64,
    /// Standard deviation of a single result about its mean, in the unit of the loss.
    pub noise_sd: f64,
}

/// Recommends one of the trials that have a result at the highest fidelity reached and keep all constraints.
///
/// Pending and failed trials and the order of the history do not matter. `None` where a model has nothing to
/// say: with fewer than `max(4, D + 2)` such results in a space of `D` parameters that vary, with several
/// objectives, or where all results are equal or too far apart for double precision.
pub fn recommend(space: &SearchSpace, history: &History) -> Option<Recommendation> {
    let history = history.within(space);
    let design = Design::new(space);
    let results = comparable(&history.observations)?;
    if results.len() < RESULTS_MIN.max(design.columns().len() + 2) {
        return None;
    }
    let losses: Vec<f64> = results.iter().map(|o| o.loss.get()).collect();
    let kept = select(&losses.iter().map(|loss| -loss).collect::<Vec<_>>());
    let scale = Scale::of(&losses)?;
    let rows: Vec<Vec<f64>> = kept.iter().map(|&i| design.row(&results[i].params)).collect();
    let targets: Vec<f64> = kept.iter().map(|&i| scale.target(losses[i])).collect();
    let process = fit(TrainingSet::new(design.columns(), &rows, &targets), &FitOptions::default()).ok()?;
    let means = process.predict_means(&rows);
    let noise = process.hyperparameters().noise_variance;
    let worth = if noise > NOISE_LARGE { &means } else { &targets };
    let feasible = (0..kept.len()).filter(|&row| results[kept[row]].is_feasible());
    let best = feasible.reduce(|best, row| if worth[row] > worth[best] { row } else { best })?;
    Some(Recommendation {
        trial: results[kept[best]].trial,
        mean: scale.loss(means[best]),
        noise_sd: noise.sqrt() * scale.deviation,
    })
}

/// Results at the highest fidelity, in the order of their trials; `None` without any, or with several
/// objectives.
fn comparable(observations: &[Observation]) -> Option<Vec<&Observation>> {
    let highest = observations.iter().map(|o| o.fidelity).max()?;
    let mut results: Vec<&Observation> = observations.iter().filter(|o| o.fidelity == highest).collect();
    results.sort_by_key(|o| o.trial);
    results.iter().all(|o| o.others.is_empty()).then_some(results)
}

/// Losses to standardised targets, larger is better, and back.
struct Scale {
    /// Losses above count as this one.
    cut: f64,
    mean: f64,
    deviation: f64,
}

impl Scale {
    /// Returns `None` where losses do not differ, or differ by more than a double can hold.
    fn of(losses: &[f64]) -> Option<Self> {
        let mut sorted = losses.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (best, median) = (*sorted.first()?, sorted[sorted.len() / 2]);
        let cut = if median > best { median + (median - best) } else { *sorted.last()? };
        if cut <= best {
            return None;
        }
        let count = losses.len() as f64;
        let mean = losses.iter().map(|loss| loss.min(cut) / count).sum::<f64>();
        let variance = losses.iter().map(|loss| (loss.min(cut) - mean).powi(2) / count).sum::<f64>();
        let deviation = variance.sqrt();
        (deviation > 0.0 && deviation.is_finite() && cut.is_finite()).then_some(Self { cut, mean, deviation })
    }

    fn target(&self, loss: f64) -> f64 {
        (self.mean - loss.min(self.cut)) / self.deviation
    }

    fn loss(&self, target: f64) -> f64 {
        self.mean - target * self.deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_return_to_losses_below_the_cut() {
        let scale = Scale::of(&[3.0, 1.0, 2.0, 1e300]).unwrap();
        assert!([1.0, 2.0, 3.0].iter().all(|&l: &f64| (scale.loss(scale.target(l)) - l).abs() < 1e-12));
        assert_eq!(scale.target(1e300), scale.target(5.0), "median 3, best 1");
    }

    #[test]
    fn equal_and_immense_losses_have_no_scale() {
        assert!(Scale::of(&[2.0; 5]).is_none());
        assert!(Scale::of(&[-1.7e308, 1.7e308, 1.7e308]).is_none());
        assert!(Scale::of(&[]).is_none());
    }
}
