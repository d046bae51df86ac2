//! A Gaussian process conditioned on data: mean, variance and their gradients at any row.
//!
//! The prior mean is an unknown constant of variance `τ²`, which is part of the covariance; `L Lᵀ = K + σ² diag(1/m)`, `α = C⁻¹ z`, `k` the covariances of a query with the
//! data, `v = L⁻¹ k`: mean `kᵀα`, variance of the noise-free value `τ² + s² − vᵀv`.
//!
//! Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), algorithm 2.1.

use crate::column::Column;
use crate::input_warp::place_row;
use crate::kernel::{Hyperparameters, Kernel, matern52_lanes};
use crate::linalg::{Cholesky, CholeskyError};
use crate::loops::{LANES, dot, vectorised};
use crate::pairs::Pairs;
use crate::row_blocks::RowBlocks;
use crate::training::TrainingSet;

/// Smallest posterior variance, relative to the prior one: rounding could make it negative at a data point.
const VARIANCE_MIN: f64 = 1e-12;
/// Smallest squared pivot of an appended row, relative to the prior variance.
const PIVOT_MIN: f64 = 1e-10;
/// Noise variance of a believed result, in squared standardised units.
const BELIEF_NOISE: f64 = 1e-6;
/// Noise variance above which the best target is no longer a fair incumbent.
const NOISY: f64 = 1e-3;

/// Normal distribution of the noise-free target at one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Posterior mean.
    pub mean: f64,
    /// Posterior variance, positive.
    pub variance: f64,
}

/// A prediction with its derivatives by every coordinate; they are 0 for categories.
#[derive(Clone, Debug)]
pub struct PredictionGradient {
    /// The prediction itself.
    pub prediction: Prediction,
    /// Derivatives of the mean.
    pub mean: Vec<f64>,
    /// Derivatives of the variance.
    pub variance: Vec<f64>,
}

/// A Gaussian process conditioned on a training set.
#[derive(Clone, Debug)]
pub struct GaussianProcess {
    data: TrainingSet,
    /// The rows where the warps put them, if there are any.
    placed: Option<TrainingSet>,
    hyperparameters: Hyperparameters,
    kernel: Kernel,
    factor: Cholesky,
    alpha: Vec<f64>,
}

impl GaussianProcess {
    /// Conditions a process with the given parameters on `data`.
    ///
    /// # Errors
    /// [`CholeskyError`] when the covariance matrix cannot be factored even with jitter.
    ///
    /// # Panics
    /// Panics unless there is one lengthscale a column.
    pub fn condition(data: TrainingSet, hyperparameters: Hyperparameters) -> Result<Self, CholeskyError> {
        let kernel = Kernel::new(data.columns(), &hyperparameters);
        let warped = !hyperparameters.warps.is_empty();
        let placed = warped.then(|| data.placed(&hyperparameters.warps));
        let mut pairs = Pairs::new(placed.as_ref().unwrap_or(&data));
        pairs.fill(&hyperparameters);
        let mut matrix = nalgebra::DMatrix::zeros(data.len(), data.len());
        pairs.write_matrix(&hyperparameters, data.counts(), &mut matrix);
        let factor = Cholesky::new(&matrix)?;
        let alpha = factor.solve(data.targets());
        Ok(Self { data, placed, hyperparameters, kernel, factor, alpha })
    }

    /// Returns the rows and targets behind this process, appended ones included.
    pub fn data(&self) -> &TrainingSet {
        &self.data
    }

    /// The rows as the kernel sees them.
    fn placed(&self) -> &TrainingSet {
        self.placed.as_ref().unwrap_or(&self.data)
    }

    /// A row as the kernel sees it.
    fn place(&self, row: &[f64]) -> Vec<f64> {
        place_row(&self.hyperparameters.warps, self.data.columns(), row)
    }

    /// Returns the covariance parameters.
    pub fn hyperparameters(&self) -> &Hyperparameters {
        &self.hyperparameters
    }

    /// Returns the covariance function.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Returns the factor of the covariance matrix of the data.
    pub fn factor(&self) -> &Cholesky {
        &self.factor
    }

    /// Returns `α = C⁻¹ z`.
    pub fn weights(&self) -> &[f64] {
        &self.alpha
    }

    /// Predicts many rows.
    pub fn predict(&self, rows: &[Vec<f64>]) -> Vec<Prediction> {
        let factor = self.factor.row_blocks();
        let mut workspace = vec![[0.0; LANES]; factor.rows()];
        let mut predictions = Vec::with_capacity(rows.len());
        vectorised(
            #[inline(always)]
            || {
                for chunk in rows.chunks(LANES) {
                    self.predict_lanes(&factor, chunk, &mut workspace, &mut predictions);
                }
            },
        );
        predictions
    }

    /// Returns the posterior means at many rows; much cheaper than [`GaussianProcess::predict`].
    pub fn predict_means(&self, rows: &[Vec<f64>]) -> Vec<f64> {
        let mut means = Vec::with_capacity(rows.len());
        vectorised(
            #[inline(always)]
            || {
                for chunk in rows.chunks(LANES) {
                    let columns = self.transposed(chunk);
                    let mut sums = [0.0; LANES];
                    for (j, alpha) in self.alpha.iter().enumerate() {
                        for (sum, covariance) in sums.iter_mut().zip(self.covariances(&columns, j)) {
                            *sum += covariance * alpha;
                        }
                    }
                    means.extend(&sums[..chunk.len()]);
                }
            },
        );
        means
    }

    /// Conditions a process with the same parameters on some of the rows, appended ones included.
    ///
    /// # Errors
    /// As [`GaussianProcess::condition`].
    pub(crate) fn restricted(&self, rows: &[usize]) -> Result<Self, CholeskyError> {
        Self::condition(self.data.select(rows), self.hyperparameters.clone())
    }

    /// One column a coordinate, one row a lane.
    #[inline(always)]
    fn transposed(&self, rows: &[Vec<f64>]) -> Vec<[f64; LANES]> {
        let warps = &self.hyperparameters.warps;
        let columns = self.data.columns().iter().enumerate();
        let lanes = |(i, column): (usize, &Column)| {
            let warp = warps.get(i).filter(|_| !column.is_categorical());
            std::array::from_fn(|lane| {
                let value = rows.get(lane).map_or(0.0, |row| row[i]);
                warp.map_or(value, |warp| warp.place(value))
            })
        };
        columns.map(lanes).collect()
    }

    /// Covariances of several rows with row `j` of the data.
    #[inline(always)]
    fn covariances(&self, columns: &[[f64; LANES]], j: usize) -> [f64; LANES] {
        let correlations = matern52_lanes(self.squared_distances(columns, self.placed().row(j))).values;
        correlations
            .map(|correlation| self.kernel.mean_variance() + self.kernel.signal_variance() * correlation)
    }

    /// Predicts up to [`LANES`] rows at once, one a lane.
    #[inline(always)]
    fn predict_lanes(
        &self,
        factor: &RowBlocks,
        rows: &[Vec<f64>],
        cross: &mut [[f64; LANES]],
        found: &mut Vec<Prediction>,
    ) {
        let columns = self.transposed(rows);
        let mut means = [0.0; LANES];
        let (known, filler) = cross.split_at_mut(self.data.len());
        for (j, covariances) in known.iter_mut().enumerate() {
            *covariances = self.covariances(&columns, j);
            for (mean, covariance) in means.iter_mut().zip(covariances) {
                *mean += *covariance * self.alpha[j];
            }
        }
        filler.fill([0.0; LANES]);
        factor.substitute(cross);
        let mut explained = [0.0; LANES];
        for row in cross.iter() {
            for (sum, v) in explained.iter_mut().zip(row) {
                *sum += v * v;
            }
        }
        let predictions = means.iter().zip(explained).take(rows.len());
        found.extend(predictions.map(|(&mean, explained)| self.prediction(mean, explained)));
    }

    #[inline(always)]
    fn squared_distances(&self, columns: &[[f64; LANES]], row: &[f64]) -> [f64; LANES] {
        let mut rho = [0.0; LANES];
        for (i, (values, &precision)) in columns.iter().zip(self.kernel.precisions()).enumerate() {
            if self.kernel.is_categorical(i) {
                for (sum, &value) in rho.iter_mut().zip(values) {
                    *sum += if value == row[i] { 0.0 } else { precision };
                }
            } else {
                for (sum, &value) in rho.iter_mut().zip(values) {
                    *sum += (value - row[i]) * (value - row[i]) * precision;
                }
            }
        }
        rho
    }

    /// Predicts one row together with the gradients by its coordinates.
    ///
    /// # Panics
    /// Panics unless `row` has one entry a column.
    pub fn predict_with_gradient(&self, row: &[f64]) -> PredictionGradient {
        let dimension = self.data.columns().len();
        assert_eq!(row.len(), dimension, "one entry a column");
        let n = self.data.len();
        let raw = row;
        let row = &self.place(raw);
        let (mut v, slopes) = self.cross_covariances(row);
        let mean = dot(&v, &self.alpha);
        self.factor.solve_lower(&mut v);
        let explained = dot(&v, &v);
        self.factor.solve_upper(&mut v);
        let mut gradient = PredictionGradient {
            prediction: self.prediction(mean, explained),
            mean: vec![0.0; dimension],
            variance: vec![0.0; dimension],
        };
        for j in 0..n {
            let (mean_weight, variance_weight) = (slopes[j] * self.alpha[j], -2.0 * slopes[j] * v[j]);
            for (i, (x, y)) in row.iter().zip(self.placed().row(j)).enumerate() {
                gradient.mean[i] += mean_weight * (x - y);
                gradient.variance[i] += variance_weight * (x - y);
            }
        }
        for (i, &precision) in self.kernel.precisions().iter().enumerate() {
            let factor = if self.kernel.is_categorical(i) { 0.0 } else { precision };
            gradient.mean[i] *= factor;
            gradient.variance[i] *= factor;
        }
        for (i, warp) in self.hyperparameters.warps.iter().enumerate() {
            if self.kernel.is_categorical(i) {
                continue;
            }
            let slope = warp.slopes(raw[i]).x;
            gradient.mean[i] *= slope;
            gradient.variance[i] *= slope;
        }
        gradient
    }

    /// Covariances of `row` with the data, and `−s² W` beside them.
    fn cross_covariances(&self, row: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let n = self.data.len();
        let signal = self.kernel.signal_variance();
        let blocks = n.div_ceil(LANES);
        let (mut values, mut slopes) = (vec![[0.0; LANES]; blocks], vec![[0.0; LANES]; blocks]);
        vectorised(
            #[inline(always)]
            || {
                for (rho, j) in values.as_flattened_mut().iter_mut().zip(0..n) {
                    *rho = self.kernel.squared_distance(row, self.placed().row(j));
                }
                for (values, slopes) in values.iter_mut().zip(&mut slopes) {
                    let matern = matern52_lanes(*values);
                    *values = matern.values.map(|value| self.kernel.mean_variance() + signal * value);
                    *slopes = matern.slope_weights.map(|weight| -signal * weight);
                }
            },
        );
        let shorten = |blocks: Vec<[f64; LANES]>| {
            let mut flat = blocks.into_flattened();
            flat.truncate(n);
            flat
        };
        (shorten(values), shorten(slopes))
    }

    fn prediction(&self, mean: f64, explained: f64) -> Prediction {
        let variance = self.kernel.variance();
        Prediction { mean, variance: (variance - explained).max(VARIANCE_MIN * variance) }
    }

    /// Adds one observation without touching the parameters, in O(n²).
    ///
    /// # Panics
    /// Panics unless `row` has one entry a column.
    pub fn append(&mut self, row: &[f64], target: f64) {
        self.append_counted(row, target, 1.0);
    }

    /// Adds a pending row as if it had ended at its posterior mean, and returns that mean.
    ///
    /// The mean stays everywhere, the variance near the row falls (Ginsbourger, Le Riche and Carraro 2010,
    /// "Kriging believer"). The belief carries no noise, however noisy the data are: the variance at the row
    /// vanishes, so that the next proposal is another one.
    ///
    /// # Panics
    /// Panics unless `row` has one entry a column.
    pub fn believe(&mut self, row: &[f64]) -> f64 {
        let mean = self.predict(std::slice::from_ref(&row.to_vec()))[0].mean;
        let count = (self.hyperparameters.noise_variance / BELIEF_NOISE).max(1.0);
        self.append_counted(row, mean, count);
        mean
    }

    /// Adds a row that stands for `count` observations.
    fn append_counted(&mut self, row: &[f64], target: f64, count: f64) {
        assert_eq!(row.len(), self.data.columns().len(), "one entry a column");
        let placed = self.place(row);
        let covariance: Vec<f64> =
            (0..self.data.len()).map(|j| self.kernel.covariance(&placed, self.placed().row(j))).collect();
        let variance = self.kernel.variance();
        let diagonal = variance + self.hyperparameters.noise_variance / count + self.factor.jitter();
        self.factor.append(&covariance, diagonal, PIVOT_MIN * variance);
        self.data.push(row, target, count);
        if let Some(rows) = &mut self.placed {
            rows.push(&placed, target, count);
        }
        self.alpha = self.factor.solve(self.data.targets());
    }

    /// Returns the posterior means at the rows of the data.
    ///
    /// `K α = z − (σ²/m) α`, so that no kernel has to be evaluated.
    pub fn fitted_means(&self) -> Vec<f64> {
        let noise = self.hyperparameters.noise_variance;
        let rows = self.data.targets().iter().zip(self.data.counts()).zip(&self.alpha);
        rows.map(|((z, count), alpha)| z - (noise / count + self.factor.jitter()) * alpha).collect()
    }

    /// Returns the value that an improvement must exceed, or `None` without data.
    ///
    /// That is the best target, or, where the noise is more than 1e-3 standardised units squared, the
    /// best posterior mean: the best noisy target would be the luckiest one.
    pub fn incumbent(&self) -> Option<f64> {
        let noisy = self.hyperparameters.noise_variance > NOISY;
        let values = if noisy { self.fitted_means() } else { self.data.targets().to_vec() };
        values.into_iter().max_by(f64::total_cmp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;
    use crate::input_warp::InputWarp;

    fn process() -> GaussianProcess {
        let columns = [Column::Continuous, Column::Continuous, Column::Categorical { choices: 3 }];
        let draws = Draws::new(11);
        let rows: Vec<Vec<f64>> =
            (0..15).map(|i| vec![draws.uniform(i, 0), draws.uniform(i, 1), (i % 3) as f64]).collect();
        let targets: Vec<f64> = rows.iter().map(|row| libm::sin(5.0 * row[0]) - row[1] + row[2]).collect();
        let hyperparameters = Hyperparameters {
            lengthscales: vec![0.4, 0.7, 1.2],
            signal_variance: 1.4,
            noise_variance: 1e-2,
            mean_variance: 0.0,
            warps: Vec::new(),
        };
        GaussianProcess::condition(TrainingSet::new(&columns, &rows, &targets), hyperparameters).unwrap()
    }

    #[test]
    fn gradients_match_finite_differences() {
        let plain = process();
        let warps = [(0.6, 1.4), (1.5, 0.8), (1.0, 1.0)].map(|(a, b)| InputWarp { a, b }).to_vec();
        let bent = Hyperparameters { warps, ..plain.hyperparameters().clone() };
        let bent = GaussianProcess::condition(plain.data().clone(), bent).unwrap();
        for process in [plain, bent] {
            let row = vec![0.31, 0.62, 1.0];
            let found = process.predict_with_gradient(&row);
            for i in 0..2 {
                let (mut up, mut down) = (row.clone(), row.clone());
                up[i] += 1e-5;
                down[i] -= 1e-5;
                let [up, down] = process.predict(&[up, down])[..] else { unreachable!("two rows") };
                assert!(((up.mean - down.mean) / 2e-5 - found.mean[i]).abs() < 1e-7);
                assert!(((up.variance - down.variance) / 2e-5 - found.variance[i]).abs() < 1e-7);
            }
            assert_eq!((found.mean[2], found.variance[2]), (0.0, 0.0));
        }
    }

    #[test]
    fn appended_row_of_a_bent_process_is_where_it_belongs() {
        let plain = process();
        let warps = vec![InputWarp { a: 0.6, b: 1.4 }; 3];
        let bent = Hyperparameters { warps, ..plain.hyperparameters().clone() };
        let mut appended = GaussianProcess::condition(plain.data().clone(), bent.clone()).unwrap();
        appended.append(&[0.2, 0.7, 2.0], 0.4);
        let whole = GaussianProcess::condition(appended.data().clone(), bent).unwrap();
        let query = [vec![0.25, 0.6, 2.0]];
        let (found, expected) = (appended.predict(&query)[0], whole.predict(&query)[0]);
        assert!((found.mean - expected.mean).abs() < 1e-9, "{found:?} {expected:?}");
        assert!((found.variance - expected.variance).abs() < 1e-9, "{found:?} {expected:?}");
    }

    #[test]
    fn batches_agree_with_single_predictions() {
        let process = process();
        let draws = Draws::new(4);
        let rows: Vec<Vec<f64>> =
            (0..19).map(|i| vec![draws.uniform(i, 0), draws.uniform(i, 1), (i % 3) as f64]).collect();
        for (row, batch) in rows.iter().zip(process.predict(&rows)) {
            let single = process.predict_with_gradient(row).prediction;
            assert!(
                (single.mean - batch.mean).abs() < 1e-12 && (single.variance - batch.variance).abs() < 1e-12
            );
        }
    }

    #[test]
    fn believer_keeps_the_mean_and_lowers_the_variance() {
        let mut process = process();
        let (pending, query) = (vec![0.5, 0.5, 0.0], vec![0.55, 0.45, 0.0]);
        let before = process.predict(&[pending.clone(), query.clone()]);
        assert_eq!(process.believe(&pending), before[0].mean);
        let after = process.predict(&[pending, query]);
        assert!((before[1].mean - after[1].mean).abs() < 1e-10);
        assert!(after[0].variance < 1e-5 && after[1].variance < before[1].variance);
        assert!((process.fitted_means()[15] - after[0].mean).abs() < 1e-10);
    }

    #[test]
    fn fitted_means_are_the_predictions_at_the_data() {
        let process = process();
        let rows: Vec<Vec<f64>> = (0..15).map(|i| process.data().row(i).to_vec()).collect();
        for (fitted, prediction) in process.fitted_means().iter().zip(process.predict(&rows)) {
            assert!((fitted - prediction.mean).abs() < 1e-11);
        }
        let best = process.fitted_means().into_iter().fold(f64::MIN, f64::max);
        assert_eq!(process.incumbent(), Some(best), "the noise of 1e-2 counts as noisy");
    }
}
