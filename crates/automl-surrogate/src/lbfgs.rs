//! Limited-memory quasi-Newton minimisation inside a box.
//!
//! Each iteration fixes the coordinates that sit on a bound with the gradient pointing outwards, takes
//! the L-BFGS direction in the others, and backtracks along the projected path until the Armijo
//! condition holds. Two-loop recursion: Nocedal and Wright, Numerical Optimization (2006), algorithm
//! 7.4; projected path: Bertsekas, SIAM J. Control Optim. 20 (1982). Everything is a fixed sequence of
//! operations with iteration caps, never a time limit.

use std::collections::VecDeque;

use crate::loops::dot;

/// Number of curvature pairs kept.
const MEMORY: usize = 8;
/// Sufficient decrease demanded of a step, as a share of the linear prediction.
const ARMIJO: f64 = 1e-4;
/// Step lengths tried before a direction is given up.
const BACKTRACKS_MAX: usize = 20;
/// Largest coordinate change of a step: variables are scaled so that curvature changes over about 1.
const STEP_MAX: f64 = 1.0;
/// The same for a step taken without curvature information.
const FIRST_STEP_MAX: f64 = 0.5;

/// When a minimisation ends.
#[derive(Clone, Copy, Debug)]
pub struct StopRule {
    /// Largest number of iterations.
    pub iterations_max: usize,
    /// Ends when every entry of the projected gradient is smaller than this.
    pub gradient_tolerance: f64,
    /// Ends when a step gains less than this share of `max(|f|, 1)`.
    pub decrease_tolerance: f64,
}

/// Where a minimisation ended.
#[derive(Clone, Debug)]
pub struct Minimum {
    /// Best point seen, inside the box.
    pub point: Vec<f64>,
    /// Function value there.
    pub value: f64,
    /// Number of function evaluations.
    pub evaluations: usize,
}

/// Minimises `function` over the box `bounds`, from `start` moved into the box.
///
/// `function` receives a point and fills in the gradient there. A value that is not finite marks a
/// point that cannot be evaluated; the step towards it is shortened.
///
/// # Panics
/// Panics unless `start` and `bounds` have the same length.
pub fn minimize(
    start: &[f64],
    bounds: &[(f64, f64)],
    stop: StopRule,
    mut function: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Minimum {
    assert_eq!(start.len(), bounds.len(), "one pair of bounds a coordinate");
    let mut point = project(start, bounds);
    let mut gradient = vec![0.0; point.len()];
    let mut value = function(&point, &mut gradient);
    let mut evaluations = 1;
    let mut memory = Memory::default();
    for _ in 0..stop.iterations_max {
        let free = free_coordinates(&point, &gradient, bounds);
        let steepest = masked_negative(&gradient, &free);
        if !value.is_finite() || projected_norm(&point, &gradient, bounds) < stop.gradient_tolerance {
            break;
        }
        let direction = memory.direction(&steepest, &free);
        let step =
            line_search(&point, value, &gradient, &direction, bounds, memory.is_empty(), &mut function);
        evaluations += step.evaluations;
        let Some(next) = step.accepted else {
            if memory.is_empty() {
                break;
            }
            memory.clear();
            continue;
        };
        let gain = value - next.value;
        memory.remember(difference(&next.point, &point), difference(&next.gradient, &gradient));
        let scale = value.abs().max(1.0);
        (point, value, gradient) = (next.point, next.value, next.gradient);
        if gain < stop.decrease_tolerance * scale {
            break;
        }
    }
    Minimum { point, value, evaluations }
}

struct Evaluated {
    point: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

struct Step {
    accepted: Option<Evaluated>,
    evaluations: usize,
}

/// Backtracks from the full step until the projected point decreases the function enough.
fn line_search(
    point: &[f64],
    value: f64,
    gradient: &[f64],
    direction: &[f64],
    bounds: &[(f64, f64)],
    without_curvature: bool,
    function: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Step {
    let longest = direction.iter().fold(0.0, |max: f64, d| max.max(d.abs()));
    let step_max = if without_curvature { FIRST_STEP_MAX } else { STEP_MAX };
    let mut length = (step_max / longest).min(1.0);
    for evaluations in 1..=BACKTRACKS_MAX {
        let moved: Vec<f64> = point.iter().zip(direction).map(|(x, d)| x + length * d).collect();
        let candidate = project(&moved, bounds);
        let predicted = dot(gradient, &difference(&candidate, point));
        let mut new_gradient = vec![0.0; point.len()];
        let new_value = function(&candidate, &mut new_gradient);
        if new_value.is_finite() && new_value <= value + ARMIJO * predicted && predicted < 0.0 {
            let accepted = Evaluated { point: candidate, value: new_value, gradient: new_gradient };
            return Step { accepted: Some(accepted), evaluations };
        }
        length *= shrink(new_value - value, predicted);
    }
    Step { accepted: None, evaluations: BACKTRACKS_MAX }
}

/// Factor to the minimum of the parabola through the two values and the slope, within `[0.1, 0.5]`.
fn shrink(change: f64, predicted: f64) -> f64 {
    let curvature = change - predicted;
    if curvature.is_finite() && curvature > 0.0 {
        (-0.5 * predicted / curvature).clamp(0.1, 0.5)
    } else {
        0.1
    }
}

/// Pairs of position change and gradient change, oldest first.
#[derive(Default)]
struct Memory {
    pairs: VecDeque<(Vec<f64>, Vec<f64>)>,
}

impl Memory {
    fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn clear(&mut self) {
        self.pairs.clear();
    }

    /// Keeps a pair of positive curvature; others would make the direction point uphill.
    fn remember(&mut self, step: Vec<f64>, change: Vec<f64>) {
        if dot(&step, &change) <= 1e-12 * dot(&change, &change) {
            return;
        }
        if self.pairs.len() == MEMORY {
            self.pairs.pop_front();
        }
        self.pairs.push_back((step, change));
    }

    /// Applies the inverse Hessian approximation of the free coordinates to `steepest`.
    fn direction(&self, steepest: &[f64], free: &[bool]) -> Vec<f64> {
        let pairs: Vec<(Vec<f64>, Vec<f64>, f64)> = self
            .pairs
            .iter()
            .map(|(step, change)| (masked(step, free), masked(change, free)))
            .map(|(step, change)| {
                let curvature = dot(&step, &change);
                (step, change, curvature)
            })
            .filter(|(_, change, curvature)| *curvature > 1e-12 * dot(change, change))
            .collect();
        let mut q = steepest.to_vec();
        let mut alphas = Vec::with_capacity(pairs.len());
        for (step, change, curvature) in pairs.iter().rev() {
            let alpha = dot(step, &q) / curvature;
            add_scaled(&mut q, -alpha, change);
            alphas.push(alpha);
        }
        if let Some((_, change, curvature)) = pairs.last() {
            let scale = curvature / dot(change, change);
            q.iter_mut().for_each(|value| *value *= scale);
        }
        for ((step, change, curvature), alpha) in pairs.iter().zip(alphas.iter().rev()) {
            let beta = dot(change, &q) / curvature;
            add_scaled(&mut q, alpha - beta, step);
        }
        if dot(&q, steepest) > 0.0 { q } else { steepest.to_vec() }
    }
}

fn project(point: &[f64], bounds: &[(f64, f64)]) -> Vec<f64> {
    point.iter().zip(bounds).map(|(x, (low, high))| x.clamp(*low, *high)).collect()
}

fn free_coordinates(point: &[f64], gradient: &[f64], bounds: &[(f64, f64)]) -> Vec<bool> {
    let outward = |x: f64, g: f64, (low, high): (f64, f64)| (x <= low && g > 0.0) || (x >= high && g < 0.0);
    point.iter().zip(gradient).zip(bounds).map(|((x, g), b)| !outward(*x, *g, *b)).collect()
}

fn projected_norm(point: &[f64], gradient: &[f64], bounds: &[(f64, f64)]) -> f64 {
    let moves = point.iter().zip(gradient).zip(bounds);
    moves.fold(0.0, |max, ((x, g), (low, high))| max.max((x - (x - g).clamp(*low, *high)).abs()))
}

fn masked(values: &[f64], mask: &[bool]) -> Vec<f64> {
    values.iter().zip(mask).map(|(value, keep)| if *keep { *value } else { 0.0 }).collect()
}

fn masked_negative(values: &[f64], mask: &[bool]) -> Vec<f64> {
    values.iter().zip(mask).map(|(value, keep)| if *keep { -value } else { 0.0 }).collect()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn add_scaled(target: &mut [f64], factor: f64, x: &[f64]) {
    for (value, &x) in target.iter_mut().zip(x) {
        *value += factor * x;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: StopRule =
        StopRule { iterations_max: 200, gradient_tolerance: 1e-8, decrease_tolerance: 0.0 };

    fn rosenbrock(x: &[f64], gradient: &mut [f64]) -> f64 {
        let bend = x[1] - x[0] * x[0];
        gradient[0] = -400.0 * x[0] * bend - 2.0 * (1.0 - x[0]);
        gradient[1] = 200.0 * bend;
        100.0 * bend * bend + (1.0 - x[0]) * (1.0 - x[0])
    }

    #[test]
    fn finds_the_valley_of_rosenbrock() {
        let found = minimize(&[-1.2, 1.0], &[(-5.0, 5.0); 2], STRICT, rosenbrock);
        assert!((found.point[0] - 1.0).abs() < 1e-6 && (found.point[1] - 1.0).abs() < 1e-6, "{found:?}");
        assert!(found.evaluations < 80, "{}", found.evaluations);
    }

    #[test]
    fn stops_at_the_constrained_minimum() {
        let found = minimize(&[-1.2, 1.0], &[(-2.0, 0.5), (-2.0, 2.0)], STRICT, rosenbrock);
        assert!((found.point[0] - 0.5).abs() < 1e-9 && (found.point[1] - 0.25).abs() < 1e-7, "{found:?}");
    }

    #[test]
    fn steps_back_from_points_without_value() {
        let logarithm = |x: &[f64], gradient: &mut [f64]| {
            if x[0] <= 0.0 {
                return f64::NAN;
            }
            gradient[0] = 1.0 - 0.01 / x[0];
            x[0] - 0.01 * libm::log(x[0])
        };
        let found = minimize(&[3.0], &[(-10.0, 10.0)], STRICT, logarithm);
        assert!((found.point[0] - 0.01).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn start_outside_moves_into_the_box() {
        let slope = |x: &[f64], gradient: &mut [f64]| {
            gradient[0] = 1.0;
            x[0]
        };
        let found = minimize(&[7.0], &[(-1.0, 2.0)], STRICT, slope);
        assert_eq!((found.point[0], found.value), (-1.0, -1.0));
    }

    #[test]
    fn empty_problem_has_an_empty_minimum() {
        let found = minimize(&[], &[], STRICT, |_, _| 4.0);
        assert_eq!((found.point.len(), found.value), (0, 4.0));
    }
}
