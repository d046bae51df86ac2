//! Acquisition functions of a normal prediction, larger is better.
//!
//! `LogEI = ln h(u) + ln σ` with `u = (μ − z*)/σ` and `h(u) = φ(u) + u Φ(u)`. Far below the incumbent
//! `h` underflows, so its logarithm is computed directly: for `u < −10` by the asymptotic series
//! `ln h = −u²/2 − ½ ln 2π − 2 ln|u| + ln(1 + Σ_k (−1)^k (2k+1)!! u^{−2k})`.
//!
//! Ament et al., Unexpected Improvements to Expected Improvement for Bayesian Optimization, NeurIPS 2023.

use crate::process::Prediction;

/// Half of `ln 2π`.
const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_8;
/// Below this argument the series replaces the direct formula.
const SERIES_BELOW: f64 = -10.0;
/// Terms after which the series has surely converged at [`SERIES_BELOW`].
const SERIES_TERMS_MAX: i32 = 29;
const SERIES_TERM_MIN: f64 = 1e-18;

/// What ranks candidates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Acquisition {
    /// Logarithm of the expected improvement over a value.
    LogExpectedImprovement {
        /// The value to be exceeded.
        incumbent: f64,
    },
    /// Mean plus some standard deviations.
    UpperConfidenceBound {
        /// Number of standard deviations, 0 or more.
        deviations: f64,
    },
    /// The same for every row: only the requirements of the surface count.
    Indifferent,
}

/// Value of an acquisition function and its derivatives by mean and variance.
#[derive(Clone, Copy, Debug)]
pub struct Slopes {
    /// Acquisition value.
    pub value: f64,
    /// Derivative by the posterior mean.
    pub mean: f64,
    /// Derivative by the posterior variance.
    pub variance: f64,
}

impl Acquisition {
    /// Evaluates the acquisition function.
    pub fn value(self, prediction: Prediction) -> f64 {
        let deviation = prediction.variance.sqrt();
        match self {
            Acquisition::LogExpectedImprovement { incumbent } => {
                log_h((prediction.mean - incumbent) / deviation) + libm::log(deviation)
            }
            Acquisition::UpperConfidenceBound { deviations } => prediction.mean + deviations * deviation,
            Acquisition::Indifferent => 0.0,
        }
    }

    /// Evaluates the acquisition function with its derivatives.
    pub fn slopes(self, prediction: Prediction) -> Slopes {
        let deviation = prediction.variance.sqrt();
        let value = self.value(prediction);
        match self {
            Acquisition::LogExpectedImprovement { incumbent } => {
                let u = (prediction.mean - incumbent) / deviation;
                let slope = log_h_derivative(u);
                let variance = (1.0 - slope * u) / (2.0 * prediction.variance);
                Slopes { value, mean: slope / deviation, variance }
            }
            Acquisition::UpperConfidenceBound { deviations } => {
                Slopes { value, mean: 1.0, variance: deviations / (2.0 * deviation) }
            }
            Acquisition::Indifferent => Slopes { value, mean: 0.0, variance: 0.0 },
        }
    }
}

/// Returns `ln h(u)`, accurate to about 1e-12 where the result does not vanish.
pub fn log_h(u: f64) -> f64 {
    if u >= SERIES_BELOW {
        return libm::log(normal_density(u) + u * normal_distribution(u));
    }
    -0.5 * u * u - HALF_LN_TWO_PI - 2.0 * libm::log(-u) + libm::log1p(series(u, 1))
}

/// Returns `h(u) = φ(u) + u Φ(u)` and its derivative, for `u` from about −5 on.
pub(crate) fn h(u: f64) -> (f64, f64) {
    let distribution = normal_distribution(u);
    ((normal_density(u) + u * distribution).max(0.0), distribution)
}

/// Returns `d ln h/du = Φ(u)/h(u)`.
pub fn log_h_derivative(u: f64) -> f64 {
    if u >= SERIES_BELOW {
        let distribution = normal_distribution(u);
        return distribution / (normal_density(u) + u * distribution);
    }
    -u * (1.0 + series(u, -1)) / (1.0 + series(u, 1))
}

/// Returns `ln Φ(u)`, accurate to about 1e-12 where the result does not vanish.
pub fn log_normal_distribution(u: f64) -> f64 {
    if u >= SERIES_BELOW {
        return libm::log(normal_distribution(u));
    }
    -0.5 * u * u - HALF_LN_TWO_PI - libm::log(-u) + libm::log1p(series(u, -1))
}

/// Returns `d ln Φ/du = φ(u)/Φ(u)`.
pub(crate) fn log_normal_distribution_derivative(u: f64) -> f64 {
    if u >= SERIES_BELOW {
        return normal_density(u) / normal_distribution(u);
    }
    -u / (1.0 + series(u, -1))
}

/// `Σ_{k≥1} Π_{i=1..k} −(2i + shift)/u²`, cut where its terms vanish.
fn series(u: f64, shift: i32) -> f64 {
    let inverse = 1.0 / (u * u);
    let (mut sum, mut term) = (0.0, 1.0);
    for k in 1..=SERIES_TERMS_MAX {
        term *= -f64::from(2 * k + shift) * inverse;
        if term.abs() < SERIES_TERM_MIN {
            break;
        }
        sum += term;
    }
    sum
}

/// Standard normal density.
pub(crate) fn normal_density(u: f64) -> f64 {
    libm::exp(-0.5 * u * u - HALF_LN_TWO_PI)
}

/// Standard normal distribution function.
pub(crate) fn normal_distribution(u: f64) -> f64 {
    0.5 * libm::erfc(-u * std::f64::consts::FRAC_1_SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_match_finite_differences() {
        let acquisitions = [
            Acquisition::LogExpectedImprovement { incumbent: 1.4 },
            Acquisition::UpperConfidenceBound { deviations: 1.8 },
        ];
        for acquisition in acquisitions {
            for (mean, variance) in [(0.3, 0.2), (1.9, 0.05), (-3.0, 0.1), (-20.0, 0.5)] {
                let at = |mean, variance| acquisition.value(Prediction { mean, variance });
                let slopes = acquisition.slopes(Prediction { mean, variance });
                let by_mean = (at(mean + 1e-6, variance) - at(mean - 1e-6, variance)) / 2e-6;
                let by_variance = (at(mean, variance + 1e-7) - at(mean, variance - 1e-7)) / 2e-7;
                let close = |a: f64, b: f64| (a - b).abs() < 1e-5 * b.abs().max(1.0);
                assert!(close(by_mean, slopes.mean), "{acquisition:?} {mean} {by_mean} {slopes:?}");
                assert!(
                    close(by_variance, slopes.variance),
                    "{acquisition:?} {mean} {by_variance} {slopes:?}"
                );
            }
        }
    }

    #[test]
    fn branches_meet_without_a_step() {
        let (left, right) = (SERIES_BELOW - 1e-9, SERIES_BELOW);
        assert!((log_h(left) - log_h(right)).abs() < 1e-7);
        assert!((log_h_derivative(left) - log_h_derivative(right)).abs() < 1e-7);
        assert!((log_normal_distribution(left) - log_normal_distribution(right)).abs() < 1e-7);
        let slopes = [left, right].map(log_normal_distribution_derivative);
        assert!((slopes[0] - slopes[1]).abs() < 1e-7);
    }
}
