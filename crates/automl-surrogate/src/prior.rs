//! Prior on the covariance parameters, weak and centred at a lengthscale of 1.
//!
//! With `b = 1/ℓ²`: log-density `−(0.1/b + 0.1 b)` per column, `s² ~ Gamma(shape 2, rate 1)`,
//! `σ² ~ Gamma(shape 1.1, rate 30)`; normalising constants are left out. These are the forms that the
//! Optuna project uses in its Gaussian-process sampler. Gradients are with respect to the natural
//! logarithms of `ℓ`, `s²` and `σ²`, while the densities stay densities of the plain values.

use crate::kernel::Hyperparameters;

const LENGTHSCALE_STRENGTH: f64 = 0.1;
const SIGNAL_SHAPE: f64 = 2.0;
const SIGNAL_RATE: f64 = 1.0;
const NOISE_SHAPE: f64 = 1.1;
const NOISE_RATE: f64 = 30.0;
/// Standard deviation of the logarithms of the exponents of warps, whose density is that of the logarithms.
const WARP_DEVIATION: f64 = 0.75;

/// Log-density of the prior and its gradient.
#[derive(Clone, Debug)]
pub struct LogPrior {
    /// Unnormalised log-density.
    pub value: f64,
    /// Derivatives by `ln ℓ_i`.
    pub lengthscales: Vec<f64>,
    /// Derivative by `ln s²`.
    pub signal_variance: f64,
    /// Derivative by `ln σ²`.
    pub noise_variance: f64,
    /// Derivatives by `ln a` and `ln b` of every column's warp; empty without warps.
    pub warps: Vec<[f64; 2]>,
}

/// Evaluates the prior at `hyperparameters`.
pub fn log_prior(hyperparameters: &Hyperparameters) -> LogPrior {
    let Hyperparameters { lengthscales, signal_variance, noise_variance, mean_variance: _, warps } =
        hyperparameters;
    let mut value =
        gamma(*signal_variance, SIGNAL_SHAPE, SIGNAL_RATE) + gamma(*noise_variance, NOISE_SHAPE, NOISE_RATE);
    let mut slopes = Vec::with_capacity(lengthscales.len());
    for lengthscale in lengthscales {
        let square = lengthscale * lengthscale;
        value -= LENGTHSCALE_STRENGTH * (square + 1.0 / square);
        slopes.push(-2.0 * LENGTHSCALE_STRENGTH * (square - 1.0 / square));
    }
    let mut bends = Vec::with_capacity(warps.len());
    for warp in warps {
        let logs = [warp.a, warp.b].map(libm::log);
        value -= logs.iter().map(|log| 0.5 * log * log).sum::<f64>() / (WARP_DEVIATION * WARP_DEVIATION);
        bends.push(logs.map(|log| -log / (WARP_DEVIATION * WARP_DEVIATION)));
    }
    LogPrior {
        warps: bends,
        value,
        lengthscales: slopes,
        signal_variance: SIGNAL_SHAPE - 1.0 - SIGNAL_RATE * signal_variance,
        noise_variance: NOISE_SHAPE - 1.0 - NOISE_RATE * noise_variance,
    }
}

fn gamma(x: f64, shape: f64, rate: f64) -> f64 {
    (shape - 1.0) * libm::log(x) - rate * x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradient_matches_finite_differences() {
        let logs = [-0.7, 0.4, 0.3, -3.0];
        let at = |logs: &[f64]| {
            let plain: Vec<f64> = logs.iter().map(|&t| libm::exp(t)).collect();
            log_prior(&Hyperparameters {
                lengthscales: plain[..2].to_vec(),
                signal_variance: plain[2],
                noise_variance: plain[3],
                mean_variance: 0.0,
                warps: Vec::new(),
            })
        };
        let prior = at(&logs);
        let analytic =
            [prior.lengthscales[0], prior.lengthscales[1], prior.signal_variance, prior.noise_variance];
        for i in 0..4 {
            let (mut up, mut down) = (logs, logs);
            up[i] += 1e-5;
            down[i] -= 1e-5;
            let numeric = (at(&up).value - at(&down).value) / 2e-5;
            assert!((numeric - analytic[i]).abs() < 1e-8, "{i}: {numeric} {}", analytic[i]);
        }
    }

    #[test]
    fn lengthscale_of_one_is_the_mode() {
        let prior = log_prior(&Hyperparameters {
            lengthscales: vec![1.0],
            signal_variance: 1.0,
            noise_variance: 0.1 / NOISE_RATE,
            mean_variance: 0.0,
            warps: Vec::new(),
        });
        assert_eq!(prior.lengthscales, [0.0]);
        assert!(prior.signal_variance.abs() < 1e-15 && prior.noise_variance.abs() < 1e-15);
    }
}
