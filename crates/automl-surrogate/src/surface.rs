//! The function that the candidate search climbs: an acquisition function over the model.
//!
//! Where trials fail, a second process on labels ±1 (−1 failed, +1 succeeded) gives a probability of
//! success `P = Φ(μ/√(v + σ²))`, the chance that a new label is positive, and `ln max(P, 10⁻⁹)` is added
//! (least-squares classification: Rasmussen and Williams 2006, section 6.5). The label's own noise `σ²`
//! tells reproducible failures from accidents: it is fitted small where failures fill a region, and then
//! `P` falls steeply there.

use crate::acquisition::{Acquisition, normal_density, normal_distribution};
use crate::process::{GaussianProcess, Prediction};

/// Smallest probability of success. A search that has nearly converged expects little anywhere, and would
/// go back to a region of failures if the floor were much higher.
const SUCCESS_MIN: f64 = 1e-9;

/// Acquisition value as a function of the row.
#[derive(Clone, Copy, Debug)]
pub struct Surface<'a> {
    /// Model of the target.
    pub model: &'a GaussianProcess,
    /// What ranks rows given the model.
    pub acquisition: Acquisition,
    /// Model of the labels ±1, where failures matter.
    pub feasibility: Option<&'a GaussianProcess>,
}

impl Surface<'_> {
    /// Evaluates many rows.
    pub fn values(&self, rows: &[Vec<f64>]) -> Vec<f64> {
        let mut values: Vec<f64> = self
            .model
            .predict(rows)
            .into_iter()
            .map(|prediction| self.acquisition.value(prediction))
            .collect();
        if let Some(feasibility) = self.feasibility {
            for (value, label) in values.iter_mut().zip(feasibility.predict(rows)) {
                *value += log_success(label, feasibility.hyperparameters().noise_variance).0;
            }
        }
        values
    }

    /// Evaluates one row, and writes the derivatives by its coordinates to `gradient`.
    ///
    /// # Panics
    /// Panics unless `row` and `gradient` have one entry a column.
    pub fn value_with_gradient(&self, row: &[f64], gradient: &mut [f64]) -> f64 {
        let found = self.model.predict_with_gradient(row);
        let slopes = self.acquisition.slopes(found.prediction);
        for (slope, (mean, variance)) in gradient.iter_mut().zip(found.mean.iter().zip(&found.variance)) {
            *slope = slopes.mean * mean + slopes.variance * variance;
        }
        let Some(feasibility) = self.feasibility else {
            return slopes.value;
        };
        let label = feasibility.predict_with_gradient(row);
        let (log_success, by_mean, by_variance) =
            log_success(label.prediction, feasibility.hyperparameters().noise_variance);
        for (slope, (mean, variance)) in gradient.iter_mut().zip(label.mean.iter().zip(&label.variance)) {
            *slope += by_mean * mean + by_variance * variance;
        }
        slopes.value + log_success
    }
}

/// Log-probability of a positive label with its derivatives by the label's mean and variance.
fn log_success(label: Prediction, noise_variance: f64) -> (f64, f64, f64) {
    let total = label.variance + noise_variance;
    let argument = label.mean / total.sqrt();
    let success = normal_distribution(argument);
    if success <= SUCCESS_MIN {
        return (libm::log(SUCCESS_MIN), 0.0, 0.0);
    }
    let slope = normal_density(argument) / success;
    (libm::log(success), slope / total.sqrt(), -0.5 * slope * argument / total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Column;
    use crate::kernel::Hyperparameters;
    use crate::training::TrainingSet;

    fn process(targets: &[f64]) -> GaussianProcess {
        let rows: Vec<Vec<f64>> = (0..5).map(|i| vec![0.2 * f64::from(i), 0.04 * f64::from(i * i)]).collect();
        let data = TrainingSet::new(&[Column::Continuous; 2], &rows, targets);
        let hyperparameters =
            Hyperparameters { lengthscales: vec![0.5, 0.8], signal_variance: 1.0, noise_variance: 1e-2 };
        GaussianProcess::condition(data, hyperparameters).unwrap()
    }

    #[test]
    fn gradient_matches_finite_differences() {
        let (model, labels) = (process(&[0.1, 0.8, -0.3, -1.0, 0.4]), process(&[1.0, 1.0, -1.0, 1.0, -1.0]));
        let acquisition = Acquisition::LogExpectedImprovement { incumbent: 0.8 };
        for feasibility in [None, Some(&labels)] {
            let surface = Surface { model: &model, acquisition, feasibility };
            let (row, mut analytic) = ([0.33, 0.21], [0.0; 2]);
            surface.value_with_gradient(&row, &mut analytic);
            for i in 0..2 {
                let (mut up, mut down) = (row.to_vec(), row.to_vec());
                up[i] += 1e-6;
                down[i] -= 1e-6;
                let values = surface.values(&[up, down]);
                let numeric = (values[0] - values[1]) / 2e-6;
                assert!((numeric - analytic[i]).abs() < 1e-6, "{numeric} {}", analytic[i]);
            }
        }
    }

    #[test]
    fn failed_region_is_worth_less() {
        let (model, labels) = (process(&[0.0; 5]), process(&[1.0, 1.0, 1.0, -1.0, -1.0]));
        let acquisition = Acquisition::UpperConfidenceBound { deviations: 1.0 };
        let rows = [vec![0.0, 0.0], vec![0.8, 0.64]];
        let open = Surface { model: &model, acquisition, feasibility: None }.values(&rows);
        let guarded = Surface { model: &model, acquisition, feasibility: Some(&labels) }.values(&rows);
        assert!(open[0] - guarded[0] < 0.4 && open[1] - guarded[1] > 5.0, "{open:?} {guarded:?}");
    }
}
