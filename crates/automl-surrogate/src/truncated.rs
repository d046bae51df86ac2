//! The normal distribution cut to an interval, accurate far out in its tails.
//!
//! Masses and quantiles are taken in logarithms and on the side where the numbers are small, so that an
//! interval forty deviations away still has a mass and a median.

use crate::acquisition::normal_distribution;
use crate::draws::normal_quantile;

const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_8;
/// Below this argument `ln Φ` comes from its asymptotic series.
const SERIES_BELOW: f64 = -20.0;
/// What lies beyond so many deviations does not change a mass near 1.
const INVISIBLE: f64 = 8.3;
/// `ln Φ` above this is resolved through its complement.
const NEAR_ONE: f64 = -0.01;
/// `ln Φ` below this underflows as a probability.
const UNDERFLOW: f64 = -700.0;
const NEWTON_STEPS_MAX: usize = 100;
const NEWTON_TOLERANCE: f64 = 1e-9;

/// Returns `ln Φ(u)`, the logarithm of the standard normal distribution function.
pub fn log_normal_distribution(u: f64) -> f64 {
    if u > 6.0 {
        return -0.5 * libm::erfc(u * std::f64::consts::FRAC_1_SQRT_2);
    }
    if u > SERIES_BELOW {
        return libm::log(0.5 * libm::erfc(-u * std::f64::consts::FRAC_1_SQRT_2));
    }
    -0.5 * u * u - libm::log(-u) - HALF_LN_TWO_PI + libm::log1p(tail_series(u))
}

/// `Σ_{k≥1} (−1)ᵏ (2k−1)!! / u²ᵏ`, cut where it stops shrinking.
fn tail_series(u: f64) -> f64 {
    let inverse = 1.0 / (u * u);
    let (mut sum, mut term) = (0.0, 1.0);
    for k in 1..=20 {
        term *= -f64::from(2 * k - 1) * inverse;
        sum += term;
        if term.abs() < 1e-18 {
            break;
        }
    }
    sum
}

/// Returns the logarithm of the standard normal mass of `[a, b]`, for `a < b`.
pub fn log_normal_mass(a: f64, b: f64) -> f64 {
    if a > 0.0 {
        return log_normal_mass(-b, -a);
    }
    if b <= 0.0 {
        let upper = log_normal_distribution(b);
        return upper + log_of_complement(log_normal_distribution(a) - upper);
    }
    let outside = upper_tail(-a) + upper_tail(b);
    if outside == 0.0 {
        return 0.0;
    }
    if outside > 0.5 {
        // Near the centre the complement would cancel.
        let inside = 0.5
            * (libm::erf(b * std::f64::consts::FRAC_1_SQRT_2)
                - libm::erf(a * std::f64::consts::FRAC_1_SQRT_2));
        return libm::log(inside);
    }
    libm::log1p(-outside)
}

/// Returns the value below which a standard normal, cut to `[a, b]`, lies with probability `share`.
pub fn truncated_normal_quantile(share: f64, a: f64, b: f64) -> f64 {
    if a >= 0.0 {
        return -truncated_normal_quantile(1.0 - share, -b, -a);
    }
    let within = libm::log(share) + log_normal_mass(a, b);
    let below = log_normal_distribution(a);
    let high = below.max(within);
    let target = high + libm::log1p(libm::exp(below.min(within) - high));
    let found = if target > NEAR_ONE {
        -log_normal_quantile(log_of_complement(target.min(0.0)))
    } else {
        log_normal_quantile(target)
    };
    found.clamp(a, b)
}

/// Returns `1 − Φ(u)` for `u >= 0`, and 0 where that does not change a mass near 1.
pub(crate) fn upper_tail(u: f64) -> f64 {
    if u > INVISIBLE { 0.0 } else { normal_distribution(-u) }
}

/// [`truncated_normal_quantile`] where the probabilities cut off are known and leave the centre.
pub(crate) fn quantile_between_tails(share: f64, [below, above]: [f64; 2]) -> f64 {
    let inside = 1.0 - below - above;
    let left = below + share * inside;
    if left <= 0.5 { normal_quantile(left) } else { -normal_quantile(above + (1.0 - share) * inside) }
}

/// Inverts `ln Φ` by Newton's method.
fn log_normal_quantile(target: f64) -> f64 {
    if target == f64::NEG_INFINITY {
        return f64::NEG_INFINITY;
    }
    let mut u = if target > UNDERFLOW {
        normal_quantile(libm::exp(target))
    } else {
        -(-2.0 * (target + HALF_LN_TWO_PI)).sqrt()
    };
    for _ in 0..NEWTON_STEPS_MAX {
        let value = log_normal_distribution(u);
        let slope = libm::exp(-0.5 * u * u - HALF_LN_TWO_PI - value);
        let step = (value - target) / slope;
        u -= step;
        if step.abs() <= NEWTON_TOLERANCE * u.abs().max(1.0) {
            break;
        }
    }
    u
}

/// `ln(1 − eˣ)` for `x ≤ 0`.
fn log_of_complement(x: f64) -> f64 {
    if x > -std::f64::consts::LN_2 { libm::log(-libm::expm1(x)) } else { libm::log1p(-libm::exp(x)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_invert_masses() {
        for (a, b) in [(-1.0, 2.0), (0.0, 33.0), (-33.0, 0.0), (-0.5, 0.01), (3.0, 3.5), (-60.0, -50.0)] {
            for share in [1e-9, 0.01, 0.5, 0.99] {
                let u = truncated_normal_quantile(share, a, b);
                let found = libm::exp(log_normal_mass(a, u) - log_normal_mass(a, b));
                assert!((found - share).abs() < 1e-7 * share.max(1e-6), "{a} {b} {share}: {found}");
                let plain = quantile_between_tails(share, [-a, b].map(|u| normal_distribution(-u)));
                assert!(a > 0.0 || b < 0.0 || (plain - u).abs() < 1e-7 * u.abs().max(1.0), "{plain} {u}");
            }
        }
    }

    #[test]
    fn quantiles_stay_between_the_bounds() {
        for share in [0.0, 1e-300, 0.5, 1.0 - f64::EPSILON] {
            let u = truncated_normal_quantile(share, -0.25, 0.75);
            assert!((-0.25..=0.75).contains(&u), "{share}: {u}");
        }
    }
}
