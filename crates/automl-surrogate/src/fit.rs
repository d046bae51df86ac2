//! Fits the covariance parameters: the maximum of likelihood times prior.
//!
//! The search runs over natural logarithms inside a box, from the previous optimum and, regularly, from
//! a fixed start, so that a bad optimum cannot be inherited for ever. The fixed start is far from any
//! optimum; with many rows its way is first searched on a part of them. It is stateless: what was found
//! last time is an argument. With more than 180 rows only a subset takes part.

use crate::input_warp::InputWarp;
use crate::kernel::Hyperparameters;
use crate::lbfgs::{Minimum, StopRule, minimize};
use crate::likelihood::Likelihood;
use crate::linalg::CholeskyError;
use crate::prior::log_prior;
use crate::process::GaussianProcess;
use crate::subset::representatives;
use crate::training::TrainingSet;

/// Noise that is always there, in squared standardised units; keeps the covariance factorable. The improvement expected
/// right beside the incumbent cannot fall far below its root. With 1e-6 that was more than was expected anywhere
/// else once a local optimum was known: half of the trials were spent on one point.
const NOISE_FLOOR: f64 = 1e-8;
const LENGTHSCALE_BOUNDS: (f64, f64) = (0.02, 200.0);
const SIGNAL_BOUNDS: (f64, f64) = (1e-3, 50.0);
/// Bounds of the noise above [`NOISE_FLOOR`].
const NOISE_BOUNDS: (f64, f64) = (1e-9, 2.0);

/// Bounds of the exponents of a warp.
const WARP_BOUNDS: (f64, f64) = (0.25, 4.0);

/// Variance of the constant mean, in squared standardised units. With a mean of 0 whatever is far from all
/// rows would be as good as their average, which rises as a search gathers its rows around the optimum:
/// half of the suggestions then went to corners of the cube. A wide mean is estimated instead, and rows of
/// one cluster count little in it.
const MEAN_VARIANCE: f64 = 1.0;

/// Largest number of rows in a fit; an evaluation costs the cube of it.
const FIT_ROWS_MAX: usize = 180;

/// The fixed start is tried again whenever the number of rows is a multiple of this: often while few rows
/// leave several optima, rarely later, when it costs more.
const COLD_START_PERIOD_EARLY: usize = 5;
const COLD_START_PERIOD_LATE: usize = 25;
/// Rows up to which a fit is early.
const EARLY: usize = 50;
/// Columns above which the fixed start has longer lengthscales: likelihood gradients vanish when all
/// points are many lengthscales apart.
const WIDE: usize = 40;

/// The fixed start is first followed on every second or further row, at least this many.
const COARSE: usize = 50;
/// Difference, in nats per half row, below which two minimisations have ended in one basin: they stop a
/// little above its bottom.
const SAME_BASIN: f64 = 2e-2;
/// In nats per half row, see [`Posterior::negative`]. The posterior is wide: a hundredth of a nat is far
/// below what distinguishes two fits.
const STOP: StopRule = StopRule { iterations_max: 40, gradient_tolerance: 2e-4, decrease_tolerance: 1e-4 };

/// What a fit starts from and assumes.
#[derive(Clone, Debug, Default)]
pub struct FitOptions {
    /// Optimum of an earlier fit of the same columns.
    pub warm_start: Option<Hyperparameters>,
    /// Whether equal rows always give equal targets; the noise then stays at its floor of 1e-8.
    pub deterministic: bool,
    /// Whether numbers are bent before distances are taken, see [`InputWarp`].
    pub warped: bool,
}

/// Fits the covariance parameters to `data` and conditions the process on it.
///
/// # Errors
/// [`CholeskyError`] when neither the optimum nor the fallback (unit scales, noise 0.1) gives a
/// covariance matrix that can be factored.
///
/// # Panics
/// Panics when the warm start has another number of columns.
pub fn fit(data: TrainingSet, options: &FitOptions) -> Result<GaussianProcess, CholeskyError> {
    let found = optimum(&data, options);
    match found.map(|best| GaussianProcess::condition(data.clone(), best)) {
        Some(Ok(process)) => Ok(process),
        Some(Err(_)) | None => GaussianProcess::condition(data.clone(), fallback(data.columns().len())),
    }
}

/// Best of the starts, or `None` when the likelihood could be evaluated at none of them.
fn optimum(data: &TrainingSet, options: &FitOptions) -> Option<Hyperparameters> {
    let space = Logs {
        columns: data.columns().len(),
        deterministic: options.deterministic,
        warped: options.warped.then(|| data.columns().iter().map(|c| !c.is_categorical()).collect()),
    };
    let space = &space;
    let subset = data.select(&representatives(data, FIT_ROWS_MAX));
    let mut posterior = Posterior::new(&subset, space);
    let warm_start = options.warm_start.as_ref().map(|start| space.encode(start));
    let warm = warm_start.as_ref().map(|start| posterior.minimize(start));
    let period = if data.len() <= EARLY { COLD_START_PERIOD_EARLY } else { COLD_START_PERIOD_LATE };
    let mut cold = None;
    if warm.is_none() || data.len().is_multiple_of(period) {
        let approach = approach(&subset, space, warm_start.as_deref());
        let beaten = |warm: &Minimum| approach.known && posterior.value(&approach.point) >= warm.value;
        if !warm.as_ref().is_some_and(beaten) {
            cold = Some(posterior.minimize(&approach.point));
        }
    }
    let found = [warm, cold].into_iter().flatten().filter(|found| found.value.is_finite());
    let best = found.reduce(|a, b| if b.value < a.value { b } else { a });
    best.map(|minimum| space.decode(&minimum.point))
}

/// Where the fixed start leads to on a part of the rows.
struct Approach {
    point: Vec<f64>,
    /// Whether the warm start leads to the same value there. Then all the rows need to be minimised from
    /// `point` only where that is already better than what the warm start found on them.
    known: bool,
}

/// Follows the fixed start on a part of the rows, if there are many: most of the way is as clear there, and
/// an evaluation costs a fraction.
fn approach(data: &TrainingSet, space: &Logs, warm: Option<&[f64]>) -> Approach {
    let start = space.encode(&cold_start(space.columns));
    let stride = data.len() / COARSE;
    if stride < 2 {
        return Approach { point: start, known: false };
    }
    let part = data.select(&(0..data.len()).step_by(stride).collect::<Vec<_>>());
    let mut posterior = Posterior::new(&part, space);
    let found = posterior.minimize(&start);
    let agrees = |warm| (posterior.minimize(warm).value - found.value).abs() < SAME_BASIN;
    Approach { known: warm.is_some_and(agrees), point: found.point }
}

fn cold_start(columns: usize) -> Hyperparameters {
    let lengthscale = if columns > WIDE { (columns as f64).sqrt() / 10.0 } else { 0.5 };
    Hyperparameters::with_unknown_mean(vec![lengthscale.max(0.5); columns], 1.0, 1e-2)
}

/// Mode of the prior with so much noise that the matrix can be factored.
fn fallback(columns: usize) -> Hyperparameters {
    Hyperparameters::with_unknown_mean(vec![1.0; columns], 1.0, 0.1)
}

impl Hyperparameters {
    /// Completes fitted parameters by the variance of the mean that [`fit`] assumes.
    pub fn with_unknown_mean(lengthscales: Vec<f64>, signal_variance: f64, noise_variance: f64) -> Self {
        Self {
            lengthscales,
            signal_variance,
            noise_variance,
            mean_variance: MEAN_VARIANCE,
            warps: Vec::new(),
        }
    }
}

/// What is minimised, as a function of the logarithms.
struct Posterior<'a> {
    likelihood: Likelihood<'a>,
    space: &'a Logs,
    /// Number of rows divided by 2.
    half_rows: f64,
}

impl<'a> Posterior<'a> {
    fn new(data: &'a TrainingSet, space: &'a Logs) -> Self {
        Self { likelihood: Likelihood::new(data), space, half_rows: 0.5 * data.len() as f64 }
    }

    fn minimize(&mut self, start: &[f64]) -> Minimum {
        minimize(start, &self.space.bounds(), STOP, |logs, slopes| self.negative(logs, slopes))
    }

    fn value(&mut self, logs: &[f64]) -> f64 {
        self.negative(logs, &mut vec![0.0; logs.len()])
    }

    /// Returns the negative log posterior per half row, and writes its gradient.
    ///
    /// The second derivative of the log-likelihood by the logarithm of a scale is about half the number of
    /// rows. Divided by that it is about 1, which is what the first step of a minimisation takes it for.
    fn negative(&mut self, logs: &[f64], slopes: &mut [f64]) -> f64 {
        let at = self.space.decode(logs);
        let Ok(data) = self.likelihood.evaluate(&at) else {
            return f64::INFINITY;
        };
        let prior = log_prior(&at);
        for (slope, (a, b)) in slopes.iter_mut().zip(data.lengthscales.iter().zip(&prior.lengthscales)) {
            *slope = a + b;
        }
        slopes[self.space.columns] = data.signal_variance + prior.signal_variance;
        if !self.space.deterministic {
            let share_above_floor = (at.noise_variance - NOISE_FLOOR) / at.noise_variance;
            slopes[self.space.columns + 1] = (data.noise_variance + prior.noise_variance) * share_above_floor;
        }
        let bends = slopes.iter_mut().skip(self.space.columns + 1 + usize::from(!self.space.deterministic));
        let gradient = data.warps.iter().zip(&prior.warps).flat_map(|(a, b)| [a[0] + b[0], a[1] + b[1]]);
        bends.zip(gradient).for_each(|(slope, sum)| *slope = sum);
        slopes.iter_mut().for_each(|slope| *slope /= -self.half_rows);
        -(data.value + prior.value) / self.half_rows
    }
}

/// Order of the logarithms: lengthscales, signal variance, the noise above its floor if free, and the exponents of
/// every column's warp if there are warps.
struct Logs {
    columns: usize,
    deterministic: bool,
    /// Which columns are bent, if any may be.
    warped: Option<Vec<bool>>,
}

impl Logs {
    fn bounds(&self) -> Vec<(f64, f64)> {
        let mut bounds = vec![LENGTHSCALE_BOUNDS; self.columns];
        bounds.push(SIGNAL_BOUNDS);
        if !self.deterministic {
            bounds.push(NOISE_BOUNDS);
        }
        for &bent in self.warped.iter().flatten() {
            bounds.extend([if bent { WARP_BOUNDS } else { (1.0, 1.0) }; 2]);
        }
        bounds.into_iter().map(|(low, high)| (libm::log(low), libm::log(high))).collect()
    }

    fn encode(&self, plain: &Hyperparameters) -> Vec<f64> {
        assert_eq!(plain.lengthscales.len(), self.columns, "one lengthscale a column");
        let mut logs: Vec<f64> = plain.lengthscales.iter().map(|&l| libm::log(l)).collect();
        logs.push(libm::log(plain.signal_variance));
        if !self.deterministic {
            logs.push(libm::log((plain.noise_variance - NOISE_FLOOR).max(NOISE_BOUNDS.0)));
        }
        for i in 0..self.warped.as_ref().map_or(0, Vec::len) {
            let InputWarp { a, b } = plain.warps.get(i).copied().unwrap_or(InputWarp::NONE);
            logs.extend([libm::log(a), libm::log(b)]);
        }
        logs
    }

    fn decode(&self, logs: &[f64]) -> Hyperparameters {
        let above_floor = if self.deterministic { 0.0 } else { libm::exp(logs[self.columns + 1]) };
        let mut found = Hyperparameters::with_unknown_mean(
            logs[..self.columns].iter().map(|&l| libm::exp(l)).collect(),
            libm::exp(logs[self.columns]),
            NOISE_FLOOR + above_floor,
        );
        if self.warped.is_some() {
            let exponents = logs[self.columns + 1 + usize::from(!self.deterministic)..].as_chunks::<2>().0;
            let warp = |[a, b]: &[f64; 2]| InputWarp { a: libm::exp(*a), b: libm::exp(*b) };
            found.warps = exponents.iter().map(warp).collect();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Column;
    use crate::draws::Draws;

    fn smooth(n: usize) -> TrainingSet {
        let draws = Draws::new(3);
        let rows: Vec<Vec<f64>> =
            (0..n as u64).map(|i| (0..3).map(|j| draws.uniform(i, j)).collect()).collect();
        let targets: Vec<f64> = rows.iter().map(|row| libm::sin(7.0 * row[0]) + 0.2 * row[1]).collect();
        TrainingSet::new(&[Column::Continuous; 3], &rows, &targets)
    }

    #[test]
    fn posterior_gradient_matches_finite_differences() {
        let data = smooth(12);
        for warped in [None, Some(vec![true; 3])] {
            let space = Logs { columns: 3, deterministic: false, warped };
            let mut posterior = Posterior::new(&data, &space);
            let logs = [-0.5, 0.3, 0.9, 0.2, -5.0, 0.4, -0.2, -0.7, 0.1, 0.0, 0.3];
            let logs = &logs[..if space.warped.is_some() { 11 } else { 5 }];
            let mut analytic = vec![0.0; logs.len()];
            posterior.negative(logs, &mut analytic);
            for i in 0..logs.len() {
                let (mut up, mut down) = (logs.to_vec(), logs.to_vec());
                up[i] += 1e-5;
                down[i] -= 1e-5;
                let mut value = |logs: &[f64]| posterior.negative(logs, &mut vec![0.0; logs.len()]);
                let numeric = (value(&up) - value(&down)) / 2e-5;
                assert!((numeric - analytic[i]).abs() < 1e-5, "{i}: {numeric} {}", analytic[i]);
            }
        }
    }

    #[test]
    fn bent_column_gets_its_warp() {
        let draws = Draws::new(3);
        let rows: Vec<Vec<f64>> = (0..40).map(|i| vec![draws.uniform(i, 0), draws.uniform(i, 1)]).collect();
        let targets: Vec<f64> = rows.iter().map(|row| libm::sin(9.0 * libm::pow(row[0], 0.4))).collect();
        let data = TrainingSet::new(&[Column::Continuous; 2], &rows, &targets);
        let process = fit(data.clone(), &FitOptions { warped: true, ..FitOptions::default() }).unwrap();
        let warps = &process.hyperparameters().warps;
        assert!(warps[0].a < 0.7, "{warps:?}");
        let plain = fit(data, &FitOptions::default()).unwrap();
        let query = [vec![0.02, 0.5], vec![0.5, 0.5]];
        let error = |process: &GaussianProcess| {
            let found = process.predict(&query);
            let gap = |(row, found): (&Vec<f64>, &crate::Prediction)| {
                (found.mean - libm::sin(9.0 * libm::pow(row[0], 0.4))).abs()
            };
            query.iter().zip(&found).map(gap).fold(0.0, f64::max)
        };
        assert!(error(&process) < error(&plain), "{} {}", error(&process), error(&plain));
        let warm = FitOptions {
            warm_start: Some(process.hyperparameters().clone()),
            deterministic: false,
            warped: true,
        };
        let again = fit(process.data().clone(), &warm).unwrap();
        assert!((again.hyperparameters().warps[0].a / warps[0].a - 1.0).abs() < 0.05);
    }

    #[test]
    fn irrelevant_columns_get_long_lengthscales() {
        let process = fit(smooth(40), &FitOptions::default()).unwrap();
        let lengthscales = &process.hyperparameters().lengthscales;
        assert!(lengthscales[0] < 0.6 * lengthscales[1], "{lengthscales:?}");
        assert!(lengthscales[0] < 0.4 * lengthscales[2], "{lengthscales:?}");
        assert!(process.hyperparameters().noise_variance < 1e-2);
    }

    #[test]
    fn warm_start_ends_in_the_same_optimum() {
        let cold = fit(smooth(41), &FitOptions::default()).unwrap();
        let warm_start = Some(cold.hyperparameters().clone());
        let warm = fit(smooth(41), &FitOptions { warm_start, deterministic: false, warped: false }).unwrap();
        let pairs = cold.hyperparameters().lengthscales.iter().zip(&warm.hyperparameters().lengthscales);
        assert!(pairs.into_iter().all(|(a, b)| (a / b - 1.0).abs() < 0.02));
    }

    #[test]
    fn bad_warm_start_is_left_behind() {
        let draws = Draws::new(3);
        let noise = Hyperparameters {
            lengthscales: vec![1.5; 3],
            signal_variance: 0.1,
            noise_variance: 1.0,
            mean_variance: MEAN_VARIANCE,
            warps: Vec::new(),
        };
        let refit = |frequency: f64, n: u64| {
            let rows: Vec<Vec<f64>> = (0..n).map(|i| (0..3).map(|j| draws.uniform(i, j)).collect()).collect();
            let targets: Vec<f64> = rows.iter().map(|row| 1.4 * libm::sin(frequency * row[0])).collect();
            let data = TrainingSet::new(&[Column::Continuous; 3], &rows, &targets);
            let options = FitOptions { warm_start: Some(noise.clone()), deterministic: false, warped: false };
            fit(data, &options).unwrap().hyperparameters().noise_variance
        };
        assert!(refit(30.0, 101) > 0.1 && refit(14.0, 101) > 0.1, "all is noise to the warm start alone");
        assert!(refit(30.0, 100) < 1e-2, "half of the rows have both optima");
        assert!(refit(14.0, 100) < 1e-2, "half of the rows have one optimum, all have two");
    }

    #[test]
    fn deterministic_data_keep_the_noise_floor() {
        let process = fit(smooth(20), &FitOptions { deterministic: true, ..FitOptions::default() }).unwrap();
        assert_eq!(process.hyperparameters().noise_variance, NOISE_FLOOR);
    }
}
