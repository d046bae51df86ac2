//! Input warp: coordinates bent before the kernel sees them, so that one lengthscale fits all of a column.
//!
//! `w(x) = 1 − (1 − u^a)^b` with `u = x (1 − 2ε) + ε`, the distribution function of Kumaraswamy: the identity
//! for `a = b = 1`, finer near 0 for `a < 1` and near 1 for `b < 1` (Snoek, Swersky, Zemel and Adams, "Input
//! Warping for Bayesian Optimization of Non-Stationary Functions", ICML 2014, with another distribution
//! function). Categories are not bent.

use crate::column::Column;

/// Keeps logarithms of the ends finite.
const EDGE: f64 = 1e-7;

/// Exponents of one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InputWarp {
    /// Exponent of the coordinate.
    pub a: f64,
    /// Exponent of what is left to 1.
    pub b: f64,
}

/// Derivatives of a warped coordinate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WarpSlopes {
    /// By the coordinate.
    pub(crate) x: f64,
    /// By `ln a`.
    pub(crate) ln_a: f64,
    /// By `ln b`.
    pub(crate) ln_b: f64,
}

impl InputWarp {
    /// Leaves coordinates where they are, but for the edges.
    pub const NONE: Self = Self { a: 1.0, b: 1.0 };

    /// Returns the place of a coordinate of the unit interval.
    pub fn place(self, x: f64) -> f64 {
        let left = 1.0 - libm::pow(inner(x), self.a);
        1.0 - libm::pow(left, self.b)
    }

    pub(crate) fn slopes(self, x: f64) -> WarpSlopes {
        let Self { a, b } = self;
        let u = inner(x);
        let raised = libm::pow(u, a);
        let left = 1.0 - raised;
        let below = b * libm::pow(left, b - 1.0);
        WarpSlopes {
            x: below * a * libm::pow(u, a - 1.0) * (1.0 - 2.0 * EDGE),
            ln_a: a * below * raised * libm::log(u),
            ln_b: -b * libm::pow(left, b) * libm::log(left),
        }
    }
}

fn inner(x: f64) -> f64 {
    x * (1.0 - 2.0 * EDGE) + EDGE
}

/// Warps one row; without warps it stays.
pub(crate) fn place_row(warps: &[InputWarp], columns: &[Column], row: &[f64]) -> Vec<f64> {
    let mut placed = row.to_vec();
    for ((value, warp), column) in placed.iter_mut().zip(warps).zip(columns) {
        if !column.is_categorical() {
            *value = warp.place(*value);
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_match_finite_differences() {
        for (a, b) in [(1.0, 1.0), (0.4, 1.7), (3.0, 0.5)] {
            for x in [0.02, 0.4, 0.97] {
                let at = |ln_a: f64, ln_b: f64, x: f64| {
                    InputWarp { a: a * libm::exp(ln_a), b: b * libm::exp(ln_b) }.place(x)
                };
                let step = 1e-6;
                let slopes = InputWarp { a, b }.slopes(x);
                let numeric = [
                    (at(0.0, 0.0, x + step) - at(0.0, 0.0, x - step)) / (2.0 * step),
                    (at(step, 0.0, x) - at(-step, 0.0, x)) / (2.0 * step),
                    (at(0.0, step, x) - at(0.0, -step, x)) / (2.0 * step),
                ];
                for (found, expected) in [slopes.x, slopes.ln_a, slopes.ln_b].into_iter().zip(numeric) {
                    assert!((found - expected).abs() < 1e-6, "{a} {b} {x}: {found} {expected}");
                }
            }
        }
    }
}
