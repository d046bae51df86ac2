//! Log marginal likelihood of a Gaussian process and its gradient.
//!
//! `ln p = −½ zᵀα − Σ ln L_ii − (n/2) ln 2π` with `C = K + σ² diag(1/m) = L Lᵀ`, `α = C⁻¹ z`, and
//! `∂ ln p/∂θ = ½ tr[(α αᵀ − C⁻¹) ∂C/∂θ]`. `m` counts the observations merged into a row; their
//! scatter adds the terms that make the value equal that of the unmerged data.
//!
//! An evaluation is one pass over all pairs for the covariances, a factorisation, an inverse, and one
//! more pass over the pairs for the traces.
//!
//! Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), equations 5.8 and 5.9.

use nalgebra::DMatrix;

use crate::kernel::Hyperparameters;
use crate::linalg::{Cholesky, CholeskyError};
use crate::loops::{Inversion, dot};
use crate::pairs::Pairs;
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
    /// Derivatives by `ln a` and `ln b` of every column's warp; 0 without warps.
    pub warps: Vec<[f64; 2]>,
}

/// The log marginal likelihood of fixed data, ready to be evaluated many times.
///
/// Memory is allocated once: giving matrices back and asking for them again took a third of the time
/// at 100 rows.
#[derive(Clone, Debug)]
pub struct Likelihood<'a> {
    data: &'a TrainingSet,
    pairs: Pairs,
    matrix: DMatrix<f64>,
    factor: Cholesky,
    inversion: Inversion,
}

impl<'a> Likelihood<'a> {
    /// Prepares the evaluation on `data`.
    pub fn new(data: &'a TrainingSet) -> Self {
        let identity = DMatrix::identity(data.len(), data.len());
        Self {
            data,
            pairs: Pairs::new(data),
            factor: Cholesky::new(&identity).expect("the identity is positive definite"),
            matrix: identity,
            inversion: Inversion::default(),
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
        assert_eq!(at.lengthscales.len(), self.data.columns().len(), "one lengthscale a column");
        self.pairs.bend(self.data, &at.warps);
        self.pairs.fill(at);
        self.pairs.write_matrix(at, self.data.counts(), &mut self.matrix);
        self.factor.replace(&self.matrix)?;
        let targets = self.data.targets();
        let alpha = self.factor.solve(targets);
        let value = -0.5 * dot(targets, &alpha)
            - self.factor.half_log_determinant()
            - 0.5 * targets.len() as f64 * LN_TWO_PI
            + self.replicate_value(at.noise_variance);
        self.factor.inverse_lower(&mut self.inversion, &mut self.matrix);
        Ok(self.gradient(at, &alpha, value))
    }

    /// Traces of `(α αᵀ − C⁻¹) ∂C/∂θ`: pairs count twice, which cancels the factor ½.
    ///
    /// `self.matrix` holds `C⁻¹` here.
    fn gradient(&mut self, at: &Hyperparameters, alpha: &[f64], value: f64) -> LikelihoodGradient {
        let n = alpha.len();
        let (mut signal_variance, mut noise_variance) = (0.0, self.replicate_slope(at.noise_variance));
        for (b, alpha_b) in alpha.iter().enumerate() {
            let diagonal = 0.5 * (alpha_b * alpha_b - self.matrix[(b, b)]);
            signal_variance += diagonal * at.signal_variance;
            noise_variance += diagonal * at.noise_variance / self.data.counts()[b];
        }
        let inverse = self.matrix.as_slice();
        let sums = self.pairs.sums(|b, weights| {
            let below = alpha[b + 1..].iter().zip(&inverse[b * n + b + 1..]);
            for (weight, (alpha_a, inverse)) in weights.iter_mut().zip(below) {
                *weight = alpha_a * alpha[b] - inverse;
            }
        });
        signal_variance += sums.covariance;
        let scaled = sums.separations.iter().zip(&at.lengthscales);
        let lengthscales = scaled.map(|(sum, lengthscale)| sum / (lengthscale * lengthscale)).collect();
        let bent = sums.bends.iter().zip(&at.lengthscales);
        let warps = bent.map(|(sums, l)| sums.map(|sum| -sum / (l * l))).collect();
        LikelihoodGradient { value, lengthscales, signal_variance, noise_variance, warps }
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
            mean_variance: 0.0,
            warps: Vec::new(),
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
