//! The function that the candidate search climbs: an acquisition function over the model.
//!
//! A *requirement* is a second process whose value must exceed a threshold `t`: labels ±1 (−1 failed, +1
//! succeeded) with `t = 0` where trials fail, or the negative of a measured constraint. It holds with
//! probability `P = Φ((μ − t)/√(v + σ²))`, and `ln P` is added (Gelbart, Snoek and Adams, UAI 2014; for
//! labels this is least-squares classification: Rasmussen and Williams 2006, section 6.5). The process's own
//! noise `σ²` tells reproducible failures from accidents: it is fitted small where failures fill a region,
//! and then `P` falls steeply there.

use crate::acquisition::{Acquisition, Slopes, log_normal_distribution, log_normal_distribution_derivative};
use crate::growth::Growth;
use crate::preference::Preference;
use crate::process::{GaussianProcess, Prediction, PredictionGradient};

/// Smallest log-probability of a label. A search that has nearly converged expects little anywhere, and would
/// go back to a region of failures if the floor were much higher.
pub const LOG_SUCCESS_MIN: f64 = -20.723_265_836_946_41;

/// A process that must exceed a threshold for a row to be worth anything.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// Model of the required quantity.
    pub model: GaussianProcess,
    /// The value to be exceeded, in units of the model's targets.
    pub threshold: f64,
    /// Below this log-probability all rows are alike.
    pub log_probability_min: f64,
}

/// Acquisition value as a function of the row.
#[derive(Clone, Copy, Debug)]
pub struct Surface<'a> {
    /// Model of the target.
    pub model: &'a GaussianProcess,
    /// What ranks rows given the model.
    pub acquisition: Acquisition,
    /// The other objectives, where there are several: then `model` is that of the first, and rows rank by the
    /// expected growth of the front instead of `acquisition`.
    pub growth: Option<&'a Growth>,
    /// What must hold besides.
    pub requirements: &'a [Requirement],
    /// Where the user expects good rows, if anywhere.
    pub preference: Option<&'a Preference>,
}

impl Surface<'_> {
    /// Evaluates many rows.
    pub fn values(&self, rows: &[Vec<f64>]) -> Vec<f64> {
        let requirements: Vec<Vec<Prediction>> =
            self.requirements.iter().map(|requirement| requirement.model.predict(rows)).collect();
        let others = self.growth.iter().flat_map(|growth| &growth.others);
        let others: Vec<Vec<Prediction>> = others.map(|model| model.predict(rows)).collect();
        let value = |(i, (row, found)): (usize, (&Vec<f64>, Prediction))| {
            let worth = match self.growth {
                None => self.acquisition.value(found),
                Some(growth) => {
                    let others = others.iter().map(|predictions| predictions[i]);
                    growth
                        .front()
                        .log_expected_growth(&std::iter::once(found).chain(others).collect::<Vec<_>>())
                }
            };
            self.value_of(row, worth, requirements.iter().map(|predictions| predictions[i]))
        };
        rows.iter().zip(self.model.predict(rows)).enumerate().map(value).collect()
    }

    /// The value of a row of which the worth by the model and a prediction for each requirement are known.
    pub(crate) fn value_of(
        &self,
        row: &[f64],
        worth: f64,
        required: impl Iterator<Item = Prediction>,
    ) -> f64 {
        let mut value = worth;
        for (requirement, found) in self.requirements.iter().zip(required) {
            value += requirement.log_probability(found).value;
        }
        value + self.preference.map_or(0.0, |preference| preference.log_density(row))
    }

    /// Evaluates one row, and writes the derivatives by its coordinates to `gradient`.
    ///
    /// # Panics
    /// Panics unless `row` and `gradient` have one entry a column.
    pub fn value_with_gradient(&self, row: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let mut add = |found: &PredictionGradient, slopes: Slopes| {
            for (slope, (mean, variance)) in gradient.iter_mut().zip(found.mean.iter().zip(&found.variance)) {
                *slope += slopes.mean * mean + slopes.variance * variance;
            }
            slopes.value
        };
        let found = self.model.predict_with_gradient(row);
        let mut value = match self.growth {
            None => add(&found, self.acquisition.slopes(found.prediction)),
            Some(growth) => {
                let others = growth.others.iter().map(|model| model.predict_with_gradient(row));
                let found: Vec<PredictionGradient> = std::iter::once(found).chain(others).collect();
                let predictions: Vec<Prediction> = found.iter().map(|found| found.prediction).collect();
                let (value, slopes) = growth.front().slopes(&predictions);
                for (found, slopes) in found.iter().zip(slopes) {
                    add(found, slopes);
                }
                value
            }
        };
        for requirement in self.requirements {
            let found = requirement.model.predict_with_gradient(row);
            value += add(&found, requirement.log_probability(found.prediction));
        }
        if let Some(preference) = self.preference {
            value += preference.log_density(row);
            preference.add_slopes(row, gradient);
        }
        value
    }

    /// Rows around which a search begins: the best predicted ones, or some of the front.
    pub(crate) fn anchors(&self, count: usize) -> Vec<&[f64]> {
        if let Some(growth) = self.growth {
            return growth.anchors().iter().map(Vec::as_slice).take(count).collect();
        }
        let means = self.model.fitted_means();
        let mut order: Vec<usize> = (0..means.len()).collect();
        order.sort_by(|&a, &b| means[b].total_cmp(&means[a]));
        order.into_iter().take(count).map(|row| self.model.data().row(row)).collect()
    }

    /// How much each column matters: inverse squared lengthscales, of several objectives their mean.
    pub(crate) fn precisions(&self) -> Vec<f64> {
        let mut sums = self.model.kernel().precisions().to_vec();
        let others: &[GaussianProcess] = self.growth.map_or(&[], |growth| &growth.others);
        for model in others {
            sums.iter_mut().zip(model.kernel().precisions()).for_each(|(sum, precision)| *sum += precision);
        }
        let count = (1 + others.len()) as f64;
        sums.iter().map(|sum| sum / count).collect()
    }
}

impl Requirement {
    /// Log-probability that a new measurement exceeds the threshold, with its derivatives.
    fn log_probability(&self, found: Prediction) -> Slopes {
        let total = found.variance + self.model.hyperparameters().noise_variance;
        let argument = (found.mean - self.threshold) / total.sqrt();
        let value = log_normal_distribution(argument);
        if value <= self.log_probability_min {
            return Slopes { value: self.log_probability_min, mean: 0.0, variance: 0.0 };
        }
        let slope = log_normal_distribution_derivative(argument);
        Slopes { value, mean: slope / total.sqrt(), variance: -0.5 * slope * argument / total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Column;
    use crate::kernel::Hyperparameters;
    use crate::preference::Belief;
    use crate::training::TrainingSet;

    fn process(targets: &[f64]) -> GaussianProcess {
        let rows: Vec<Vec<f64>> = (0..5).map(|i| vec![0.2 * f64::from(i), 0.04 * f64::from(i * i)]).collect();
        let data = TrainingSet::new(&[Column::Continuous; 2], &rows, targets);
        let hyperparameters = Hyperparameters {
            lengthscales: vec![0.5, 0.8],
            signal_variance: 1.0,
            noise_variance: 1e-2,
            mean_variance: 0.0,
            warps: Vec::new(),
        };
        GaussianProcess::condition(data, hyperparameters).unwrap()
    }

    #[test]
    fn gradient_matches_finite_differences() {
        let (model, labels) = (process(&[0.1, 0.8, -0.3, -1.0, 0.4]), process(&[1.0, 1.0, -1.0, 1.0, -1.0]));
        let acquisition = Acquisition::LogExpectedImprovement { incumbent: 0.8 };
        let columns = [Column::Continuous; 2];
        let preference =
            Preference::new(&columns, vec![Belief::Near { centre: 0.5, deviation: 0.25 }, Belief::Flat], 0.7);
        let required = [Requirement { model: labels, threshold: 0.1, log_probability_min: LOG_SUCCESS_MIN }];
        for (requirements, preference) in [(&required[..0], None), (&required[..], Some(&preference))] {
            let surface = Surface { model: &model, acquisition, growth: None, requirements, preference };
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
        let required = [Requirement { model: labels, threshold: 0.0, log_probability_min: LOG_SUCCESS_MIN }];
        let values = |requirements| {
            Surface { model: &model, acquisition, growth: None, requirements, preference: None }.values(&rows)
        };
        let (open, guarded) = (values(&[]), values(&required));
        assert!(open[0] - guarded[0] < 0.4 && open[1] - guarded[1] > 5.0, "{open:?} {guarded:?}");
    }
}
