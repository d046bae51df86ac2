//! Log marginal likelihood of a Gaussian process and its gradient.
//!
//! `ln p = −½ zᵀα − Σ ln L_ii − (n/2) ln 2π` with `C = K + σ² diag(1/m) = L Lᵀ`, `α = C⁻¹ z`, and
//! `∂ ln p/∂θ = ½ tr[(α αᵀ − C⁻¹) ∂C/∂θ]`. `m` counts the observations merged into a row; their
//! scatter adds the terms that make the value equal that of the unmerged data.
//!
//! Squared differences `D_i` of all pairs are computed once; an evaluation is then one pass over them
//! per column for `ρ`, a factorisation, an inverse, and one inner product per column for the gradient.
//!
//! Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), equations 5.8 and 5.9.

use nalgebra::DMatrix;

use crate::kernel::{Hyperparameters, matern52_lanes, separation};
use crate::linalg::{Cholesky, CholeskyError};
use crate::loops::dot;
use crate::training::TrainingSet;

const LN_TWO_PI: f64 = 1.837_877_066_409_345_5;

/// Value and gradient of the log marginal likelihood; derivatives are by natural logarithms.
#[derive(Clone, Debug)]
pub struct LikelihoodGradient {
    /// Log marginal likelihood, in nats.
    pub value: f64,
    /// Derivatives by `ln ℓ_i`.
    pub lengthscales: Vec<f64>,
    /// Derivative by `ln s²`.
    pub signal_variance: f64,
    /// Derivative by `ln σ²`.
    pub noise_variance: f64,
}

/// Distances evaluated at once.
const LANES: usize = 8;

/// The log marginal likelihood of fixed data, ready to be evaluated many times.
///
/// Memory is allocated once: giving matrices back and asking for them again took a third of the time
/// at 100 rows.
#[derive(Clone, Debug)]
pub struct Likelihood<'a> {
    data: &'a TrainingSet,
    /// `D_i` of every column, over pairs `(row, column)` with `row > column`, column by column.
    separations: Vec<Vec<f64>>,
    /// `k` of every pair, in the same order.
    covariances: Vec<f64>,
    /// `s² W` of every pair; `W` is the slope weight of the kernel.
    slope_weights: Vec<f64>,
    /// `α_a α_b − (C⁻¹)_ab` of every pair.
    weights: Vec<f64>,
    matrix: DMatrix<f64>,
    factor: Cholesky,
}

impl<'a> Likelihood<'a> {
    /// Prepares the pairwise differences of `data`: `d · n²/2` numbers.
    pub fn new(data: &'a TrainingSet) -> Self {
        let n = data.len();
        let pair_separations = |i: usize| {
            let categorical = data.columns()[i].is_categorical();
            let pair = move |b: usize, a: usize| separation(categorical, data.row(a)[i], data.row(b)[i]);
            (0..n).flat_map(|b| (b + 1..n).map(move |a| pair(b, a))).collect()
        };
        let pairs = n * n.saturating_sub(1) / 2;
        let identity = DMatrix::identity(n, n);
        Self {
            data,
            separations: (0..data.columns().len()).map(pair_separations).collect(),
            covariances: vec![0.0; pairs],
            slope_weights: vec![0.0; pairs],
            weights: Vec::with_capacity(pairs),
            factor: Cholesky::new(&identity).expect("the identity is positive definite"),
            matrix: identity,
        }
    }

    /// Evaluates value and gradient.
    ///
    /// # Errors
    /// [`CholeskyError`] when the covariance matrix has no factor.
    ///
    /// # Panics
    /// Panics unless there is one lengthscale a column.
    pub fn evaluate(&mut self, at: &Hyperparameters) -> Result<LikelihoodGradient, CholeskyError> {
        assert_eq!(at.lengthscales.len(), self.separations.len(), "one lengthscale a column");
        self.fill_pairs(at);
        self.fill_matrix(at);
        self.factor.replace(&self.matrix)?;
        let targets = self.data.targets();
        let alpha = self.factor.solve(targets);
        let value = -0.5 * dot(targets, &alpha)
            - self.factor.half_log_determinant()
            - 0.5 * targets.len() as f64 * LN_TWO_PI
            + self.replicate_value(at.noise_variance);
        self.factor.inverse_lower(&mut self.matrix);
        Ok(self.gradient(at, &alpha, value))
    }

    fn fill_pairs(&mut self, at: &Hyperparameters) {
        let rho = &mut self.covariances;
        rho.fill(0.0);
        for (separations, lengthscale) in self.separations.iter().zip(&at.lengthscales) {
            let precision = 1.0 / (lengthscale * lengthscale);
            for (sum, separation) in rho.iter_mut().zip(separations) {
                *sum += precision * separation;
            }
        }
        let (chunks, rest) = rho.as_chunks_mut::<LANES>();
        let (weight_chunks, rest_weights) = self.slope_weights.as_chunks_mut::<LANES>();
        for (values, weights) in chunks.iter_mut().zip(weight_chunks) {
            to_covariances(at.signal_variance, values, weights);
        }
        for (value, weight) in rest.as_chunks_mut::<1>().0.iter_mut().zip(rest_weights.as_chunks_mut::<1>().0)
        {
            to_covariances(at.signal_variance, value, weight);
        }
    }

    fn fill_matrix(&mut self, at: &Hyperparameters) {
        let n = self.data.len();
        let mut offset = 0;
        for (b, column) in self.matrix.as_mut_slice().chunks_exact_mut(n.max(1)).enumerate() {
            let below = n - b - 1;
            column[b] = at.signal_variance + at.noise_variance / self.data.counts()[b];
            column[b + 1..].copy_from_slice(&self.covariances[offset..offset + below]);
            offset += below;
        }
    }

    /// Traces of `(α αᵀ − C⁻¹) ∂C/∂θ`: pairs count twice, which cancels the factor ½.
    ///
    /// `self.matrix` holds `C⁻¹` here.
    fn gradient(&mut self, at: &Hyperparameters, alpha: &[f64], value: f64) -> LikelihoodGradient {
        let (mut signal_variance, mut noise_variance) = (0.0, self.replicate_slope(at.noise_variance));
        self.weights.clear();
        for (b, column) in self.matrix.as_slice().chunks_exact(alpha.len().max(1)).enumerate() {
            let diagonal = 0.5 * (alpha[b] * alpha[b] - column[b]);
            signal_variance += diagonal * at.signal_variance;
            noise_variance += diagonal * at.noise_variance / self.data.counts()[b];
            let below = alpha[b + 1..].iter().zip(&column[b + 1..]);
            self.weights.extend(below.map(|(alpha_a, inverse)| alpha_a * alpha[b] - inverse));
        }
        signal_variance += dot(&self.weights, &self.covariances);
        for (weight, slope) in self.weights.iter_mut().zip(&self.slope_weights) {
            *weight *= slope;
        }
        let by_lengthscale = |(separations, lengthscale): (&Vec<f64>, &f64)| {
            dot(&self.weights, separations) / (lengthscale * lengthscale)
        };
        let lengthscales = self.separations.iter().zip(&at.lengthscales).map(by_lengthscale).collect();
        LikelihoodGradient { value, lengthscales, signal_variance, noise_variance }
    }

    fn replicates(&self) -> f64 {
        self.data.counts().iter().map(|count| count - 1.0).sum()
    }

    /// What merged observations add to the value: their scatter, and the determinant of their noise.
    fn replicate_value(&self, noise_variance: f64) -> f64 {
        let merged: f64 = self.data.counts().iter().map(|&count| libm::log(count)).sum();
        -0.5 * self.replicates() * (LN_TWO_PI + libm::log(noise_variance))
            - 0.5 * merged
            - 0.5 * self.data.scatter() / noise_variance
    }

    fn replicate_slope(&self, noise_variance: f64) -> f64 {
        0.5 * self.data.scatter() / noise_variance - 0.5 * self.replicates()
    }
}

/// Replaces squared distances by covariances, and writes the slope weights beside them.
fn to_covariances<const N: usize>(signal_variance: f64, rho: &mut [f64; N], weights: &mut [f64; N]) {
    let matern = matern52_lanes(*rho);
    *rho = matern.values.map(|value| signal_variance * value);
    *weights = matern.slope_weights.map(|weight| signal_variance * weight);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Column;

    fn at(logs: &[f64]) -> Hyperparameters {
        let plain: Vec<f64> = logs.iter().map(|&t| libm::exp(t)).collect();
        let (lengthscales, rest) = plain.split_at(plain.len() - 2);
        Hyperparameters {
            lengthscales: lengthscales.to_vec(),
            signal_variance: rest[0],
            noise_variance: rest[1],
        }
    }

    #[test]
    fn gradient_with_replicates_matches_finite_differences() {
        let columns = [Column::Continuous, Column::Categorical { choices: 3 }];
        let rows = vec![
            vec![0.1, 0.0],
            vec![0.4, 2.0],
            vec![0.1, 0.0],
            vec![0.9, 1.0],
            vec![0.4, 2.0],
            vec![0.4, 2.0],
        ];
        let data = TrainingSet::new(&columns, &rows, &[0.3, -1.0, 0.5, 1.2, -0.8, -1.1]);
        let mut likelihood = Likelihood::new(&data);
        let logs = [-0.6, 0.2, 0.1, -2.0];
        let found = likelihood.evaluate(&at(&logs)).unwrap();
        let analytic =
            [found.lengthscales[0], found.lengthscales[1], found.signal_variance, found.noise_variance];
        for i in 0..4 {
            let (mut up, mut down) = (logs, logs);
            up[i] += 1e-5;
            down[i] -= 1e-5;
            let mut value = |logs: &[f64]| likelihood.evaluate(&at(logs)).unwrap().value;
            let numeric = (value(&up) - value(&down)) / 2e-5;
            assert!((numeric - analytic[i]).abs() < 1e-7, "{i}: {numeric} {}", analytic[i]);
        }
    }

    #[test]
    fn merging_does_not_change_the_likelihood() {
        let targets = [0.3, -1.0, 0.5];
        let apart = vec![vec![0.1], vec![0.4], vec![0.1 + 1e-13]];
        let equal = vec![vec![0.1], vec![0.4], vec![0.1]];
        let value = |rows: &[Vec<f64>]| {
            let data = TrainingSet::new(&[Column::Continuous], rows, &targets);
            Likelihood::new(&data).evaluate(&at(&[-1.0, 0.0, -2.0])).unwrap().value
        };
        assert!((value(&apart) - value(&equal)).abs() < 1e-9, "{} {}", value(&apart), value(&equal));
    }
}
