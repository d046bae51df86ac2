//! Matérn-5/2 covariance with one lengthscale a column, and a Hamming term for categories.
//!
//! `k(a, b) = τ² + s² M(r)`, `r² = ρ = Σ_numeric (a_i − b_i)²/ℓ_i² + Σ_categorical [a_i ≠ b_i]/ℓ_i²`,
//! `M(r) = (1 + √5 r + 5r²/3) exp(−√5 r)`. One `ρ` for both kinds of column means that one Matérn acts
//! on numbers and categories together. `τ²` makes the mean an unknown constant with that prior variance
//! (Rasmussen and Williams 2006, section 2.7).
//!
//! Derivatives are taken with respect to `ρ`, where they are finite at zero distance:
//! `dM/dρ = −W/2` with the *slope weight* `W = (5/3)(1 + √5 r) exp(−√5 r)`. Hence
//! `∂k/∂ln ℓ_i = s² W D_i/ℓ_i²` and `∂k(a, b)/∂a_i = −s² W (a_i − b_i)/ℓ_i²`.
//!
//! Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 4.2.1.

use crate::column::Column;
use crate::input_warp::InputWarp;

/// Value of the correlation function and its slope weight at one distance.
#[derive(Clone, Copy, Debug)]
pub struct Matern {
    /// `M(r)`, in `(0, 1]`.
    pub value: f64,
    /// `W = −2 dM/dρ`, in `(0, 5/3]`.
    pub slope_weight: f64,
}

/// Evaluates the Matérn-5/2 correlation at the squared scaled distance `rho >= 0`.
pub fn matern52(rho: f64) -> Matern {
    let lanes = matern52_lanes([rho]);
    Matern { value: lanes.values[0], slope_weight: lanes.slope_weights[0] }
}

/// [`Matern`] of several distances.
pub(crate) struct MaternLanes<const N: usize> {
    pub(crate) values: [f64; N],
    pub(crate) slope_weights: [f64; N],
}

/// Evaluates [`matern52`] at several distances, with the same bits as one by one.
#[inline(always)]
pub(crate) fn matern52_lanes<const N: usize>(rho: [f64; N]) -> MaternLanes<N> {
    let scaled = rho.map(|rho| (5.0 * rho).sqrt());
    let mut values = decay(scaled);
    let mut slope_weights = values;
    for lane in 0..N {
        values[lane] *= 1.0 + scaled[lane] + 5.0 / 3.0 * rho[lane];
        slope_weights[lane] *= 5.0 / 3.0 * (1.0 + scaled[lane]);
    }
    MaternLanes { values, slope_weights }
}

/// Returns `exp(−x)` for every `x >= 0`, within two units in the last place.
///
/// Without branches and calls, so that several lanes are computed at once: exponentials are a large
/// part of a fit and of a search. `−x = k ln 2 + r` with `|r| <= ln 2 / 2`, then the Taylor series of
/// `exp(r)`, whose 14th term is below 1e-17. Beyond 708, where the result is 3e-308, it stays constant.
#[inline(always)]
pub(crate) fn decay<const N: usize>(x: [f64; N]) -> [f64; N] {
    /// Adding `1.5 · 2⁵²` leaves the nearest integer in the lowest bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// `ln 2` in two parts; the first has so few digits that `k` times it is exact.
    const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    /// `1/k!` from `k = 13` down to 0.
    const TAYLOR: [f64; 14] = [
        1.0 / 6_227_020_800.0,
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let exponent = x.map(|x| if x < 708.0 { -x } else { -708.0 });
    let shifted = exponent.map(|exponent| exponent * std::f64::consts::LOG2_E + ROUND);
    let mut r = [0.0; N];
    for lane in 0..N {
        let k = shifted[lane] - ROUND;
        r[lane] = (exponent[lane] - k * LN_2_HIGH) - k * LN_2_LOW;
    }
    let mut series = [TAYLOR[0]; N];
    for coefficient in &TAYLOR[1..] {
        for lane in 0..N {
            series[lane] = series[lane] * r[lane] + coefficient;
        }
    }
    for lane in 0..N {
        series[lane] *= f64::from_bits(shifted[lane].to_bits().wrapping_add(1023) << 52);
    }
    series
}

/// Parameters of the covariance, all positive but perhaps the variance of the mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Hyperparameters {
    /// `ℓ_i`, one a column, in units of the unit cube.
    pub lengthscales: Vec<f64>,
    /// `s²`, in squared units of the standardised target.
    pub signal_variance: f64,
    /// `σ²`, in squared units of the standardised target.
    pub noise_variance: f64,
    /// `τ²`, the prior variance of the constant mean, in squared units of the standardised target; 0 for a
    /// process with mean 0.
    pub mean_variance: f64,
    /// How each column is bent before distances are taken; empty where none is.
    pub warps: Vec<InputWarp>,
}

/// The covariance function with its parameters put in, of rows that are already bent.
#[derive(Clone, Debug)]
pub struct Kernel {
    categorical: Vec<bool>,
    /// `1/ℓ_i²`.
    precisions: Vec<f64>,
    signal_variance: f64,
    mean_variance: f64,
}

impl Kernel {
    /// Builds the covariance function of rows that consist of `columns`.
    ///
    /// # Panics
    /// Panics unless there is one lengthscale a column.
    pub fn new(columns: &[Column], hyperparameters: &Hyperparameters) -> Self {
        assert_eq!(columns.len(), hyperparameters.lengthscales.len(), "one lengthscale a column");
        Self {
            categorical: columns.iter().map(|column| column.is_categorical()).collect(),
            precisions: hyperparameters.lengthscales.iter().map(|l| 1.0 / (l * l)).collect(),
            signal_variance: hyperparameters.signal_variance,
            mean_variance: hyperparameters.mean_variance,
        }
    }

    /// Returns `s²`, the variance around the constant mean.
    pub fn signal_variance(&self) -> f64 {
        self.signal_variance
    }

    /// Returns `τ²`, the variance of the constant mean.
    pub fn mean_variance(&self) -> f64 {
        self.mean_variance
    }

    /// Returns `k(a, a) = τ² + s²`.
    pub fn variance(&self) -> f64 {
        self.mean_variance + self.signal_variance
    }

    /// Returns `1/ℓ_i²` of every column.
    pub fn precisions(&self) -> &[f64] {
        &self.precisions
    }

    /// Whether column `i` enters through the Hamming term.
    pub fn is_categorical(&self, i: usize) -> bool {
        self.categorical[i]
    }

    /// Returns `ρ`, the squared distance in lengthscales.
    pub fn squared_distance(&self, a: &[f64], b: &[f64]) -> f64 {
        let mut rho = 0.0;
        for (i, (&a, &b)) in a.iter().zip(b).enumerate() {
            rho += separation(self.categorical[i], a, b) * self.precisions[i];
        }
        rho
    }

    /// Returns `k(a, b)`.
    pub fn covariance(&self, a: &[f64], b: &[f64]) -> f64 {
        self.mean_variance + self.signal_variance * matern52(self.squared_distance(a, b)).value
    }
}

/// `D_i`: the squared difference of two numbers, or 1 for two different categories.
pub(crate) fn separation(categorical: bool, a: f64, b: f64) -> f64 {
    if categorical { f64::from(u8::from(a != b)) } else { (a - b) * (a - b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decay_agrees_with_the_library_exponential() {
        for i in 0..=70_800 {
            let x = 0.01 * f64::from(i);
            let expected = libm::exp(-x);
            let [found] = decay([x]);
            assert!((found - expected).abs() <= 5e-16 * expected, "exp(-{x}): {found} {expected}");
        }
        assert_eq!(decay([0.0]), [1.0]);
        assert!(decay([1e300])[0] < 1e-300);
    }

    #[test]
    fn lanes_have_the_bits_of_single_evaluations() {
        let rho: [f64; 8] = std::array::from_fn(|lane| 0.37 * lane as f64 * lane as f64);
        let lanes = matern52_lanes(rho);
        for (lane, &rho) in rho.iter().enumerate() {
            let single = matern52(rho);
            assert_eq!((lanes.values[lane], lanes.slope_weights[lane]), (single.value, single.slope_weight));
        }
    }

    #[test]
    fn slope_weight_is_minus_twice_the_derivative() {
        for rho in [0.01, 0.3, 1.0, 4.0, 30.0] {
            let step = 1e-5 * rho;
            let numeric = (matern52(rho + step).value - matern52(rho - step).value) / (2.0 * step);
            let analytic = -0.5 * matern52(rho).slope_weight;
            assert!((numeric - analytic).abs() < 1e-8, "{rho}: {numeric} {analytic}");
        }
        assert_eq!(matern52(0.0).slope_weight, 5.0 / 3.0);
    }

    #[test]
    fn categories_are_equally_far_apart() {
        let columns = [Column::Categorical { choices: 5 }, Column::Continuous];
        let hyperparameters = Hyperparameters {
            lengthscales: vec![0.5, 1.0],
            signal_variance: 2.0,
            noise_variance: 0.1,
            mean_variance: 0.0,
            warps: Vec::new(),
        };
        let kernel = Kernel::new(&columns, &hyperparameters);
        assert_eq!(kernel.squared_distance(&[0.0, 0.2], &[4.0, 0.2]), 4.0);
        assert_eq!(kernel.squared_distance(&[0.0, 0.2], &[1.0, 0.2]), 4.0);
        assert_eq!(kernel.squared_distance(&[3.0, 0.2], &[3.0, 0.2]), 0.0);
        assert_eq!(kernel.covariance(&[3.0, 0.2], &[3.0, 0.2]), 2.0);
    }
}
