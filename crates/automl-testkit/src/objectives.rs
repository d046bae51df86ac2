//! Synthetic objectives with known optima.

use automl_core::rng;

/// Squared distance of a point to 0.3 in every coordinate; the optimum is 0.
#[must_use]
pub fn quadratic(point: &[f64]) -> f64 {
    point.iter().map(|x| (x - 0.3).powi(2)).sum()
}

/// A learning curve that falls from 1 towards a final loss in [0, 1) given by `seed`, with the
/// ranking at low fidelities only partly that at high ones.
#[must_use]
pub fn curve(seed: u64, fidelity: u64) -> f64 {
    let last = rng::uniform(&[seed, 0]);
    let speed = 0.2 + rng::uniform(&[seed, 1]);
    last + (1.0 - last) * (-speed * fidelity as f64).exp()
}
