//! Real parameters: what makes a numeric objective hard, one property at a time.
//!
//! The shapes are the classic ones of continuous optimisation (ellipsoid, Rosenbrock's valley, Rastrigin's
//! ripples, Ackley's funnel, sharp ridge, wells; see Hansen et al., *Real-parameter black-box optimization
//! benchmarking 2009: noiseless functions*, INRIA RR-6829), moved and rotated in the unit cube, and two that
//! imitate the training of a network.

use super::build::{Draws, float, log_float, rotate, space};
use super::{Definition, Family, Gap, Shape};
use automl_core::{Parameter, SearchSpace};

pub(super) const DEFINITIONS: [Definition; 11] = [
    numeric("bowl-5", |draws| bowl(draws, 5, 100.0)),
    numeric("bowl-20", |draws| bowl(draws, 20, 100.0)),
    numeric("stretched-8", |draws| bowl(draws, 8, 1e5)),
    numeric("valley-4", valley),
    numeric("ripples-3", ripples),
    numeric("funnel-6", funnel),
    numeric("wells-4", |draws| wells(draws, 4)),
    numeric("ridge-10", ridge),
    numeric("few-of-15", few_of_many),
    numeric("lr-wd-2", |draws| training(draws, 2)),
    numeric("training-6", |draws| training(draws, 6)),
];

const fn numeric(name: &'static str, shape: fn(&mut Draws) -> Shape) -> Definition {
    Definition { name, family: Family::Numeric, shape }
}

/// A smooth unimodal function whose axes differ in curvature by `condition`, rotated.
pub(super) fn bowl(draws: &mut Draws, dimension: usize, condition: f64) -> Shape {
    let basis = draws.rotation(dimension);
    let weights: Vec<f64> =
        (0..dimension).map(|i| condition.powf(i as f64 / (dimension - 1) as f64)).collect();
    around(draws, floats(dimension), 0.05, move |z| {
        rotate(&basis, z).iter().zip(&weights).map(|(z, w)| w * z * z).sum()
    })
}

/// A curved narrow valley with a flat bottom.
fn valley(draws: &mut Draws) -> Shape {
    let basis = draws.rotation(4);
    around(draws, floats(4), 0.2, move |z| {
        let y: Vec<f64> = rotate(&basis, z).iter().map(|z| 1.0 + 2.5 * z).collect();
        y.windows(2).map(|y| 30.0 * (y[1] - y[0] * y[0]).powi(2) + (1.0 - y[0]).powi(2)).sum()
    })
}

/// A bowl with regular local optima.
fn ripples(draws: &mut Draws) -> Shape {
    let basis = draws.rotation(3);
    around(draws, floats(3), 0.1, move |z| {
        let one = |z: &f64| {
            let z = 5.0 * z;
            z * z + 2.0 * (1.0 - (std::f64::consts::TAU * z).cos())
        };
        rotate(&basis, z).iter().map(one).sum()
    })
}

/// A steep hole in a nearly flat, rippled surrounding.
fn funnel(draws: &mut Draws) -> Shape {
    let scale = draws.between(4.0, 8.0);
    around(draws, floats(6), 0.1, move |z| {
        let count = z.len() as f64;
        let square = z.iter().map(|z| (scale * z).powi(2)).sum::<f64>() / count;
        let wave = z.iter().map(|z| (std::f64::consts::TAU * scale * z).cos()).sum::<f64>() / count;
        20.0 * (1.0 - (-0.2 * square.sqrt()).exp()) + std::f64::consts::E - wave.exp()
    })
}

/// Several round wells of different depth and width on a gentle slope; the deepest is narrow.
pub(super) fn wells(draws: &mut Draws, dimension: usize) -> Shape {
    let deepest = draws.point(dimension, 0.1);
    let others: Vec<(Vec<f64>, f64, f64)> = (0..6)
        .map(|_| (draws.point(dimension, 0.0), draws.between(0.4, 0.85), draws.between(0.2, 0.4)))
        .collect();
    let space = space(floats(dimension));
    let gap = move |x: &[f64], optimum: &[f64]| {
        let well = |centre: &[f64], depth: f64, width: f64| {
            depth * (-0.5 * distance_square(x, centre) / (width * width)).exp()
        };
        let local = others.iter().map(|(centre, depth, width)| well(centre, *depth, *width));
        let depth = local.fold(well(optimum, 1.0, 0.2), f64::max);
        1.0 - depth + 0.05 * distance_square(x, optimum)
    };
    planted(space, deepest, gap)
}

/// A sharp edge that falls gently: only along it is there progress.
fn ridge(draws: &mut Draws) -> Shape {
    let basis = draws.rotation(10);
    around(draws, floats(10), 0.1, move |z| {
        let z = rotate(&basis, z);
        z[0] * z[0] + 3.0 * z[1..].iter().map(|z| z * z).sum::<f64>().sqrt()
    })
}

/// Three of fifteen parameters matter, and they interact.
fn few_of_many(draws: &mut Draws) -> Shape {
    let first = draws.index(5);
    let tilt = draws.between(0.3, 0.8) * draws.sign();
    around(draws, floats(15), 0.1, move |z| {
        let (a, b, c) = (z[first], z[first + 5], z[first + 10]);
        let wave = 1.0 - (3.0 * std::f64::consts::PI * c).cos();
        4.0 * (a + tilt * b).powi(2) + b * b + 2.0 * c * c + 0.1 * wave
    })
}

/// Loss after training as a function of learning rate, weight decay and others: decades wide, coupled,
/// with divergence at large learning rates.
pub(super) fn training(draws: &mut Draws, dimension: usize) -> Shape {
    let mut parameters = vec![
        log_float("lr", 1e-6, 1.0),
        log_float("weight_decay", 1e-8, 1e-1),
        log_float("one_minus_momentum", 1e-3, 1.0),
        float("dropout", 0.0, 0.7),
        float("warmup", 0.0, 0.3),
        log_float("clip", 1e-2, 1e2),
    ];
    parameters.truncate(dimension);
    let (coupling, cliff) = (draws.between(0.3, 1.0), draws.between(0.08, 0.2));
    around(draws, parameters, 0.2, move |z| {
        let (lr, decay) = (z[0], z[1]);
        // A smaller step per sample is made up for by a larger rate, and decay acts times the rate.
        let step = lr - z.get(2).map_or(0.0, |momentum| 0.6 * momentum);
        let coupled = 6.0 * (step + coupling * decay).powi(2) + 0.8 * decay * decay;
        let rest: f64 = z.iter().skip(2).zip([0.5, 0.4, 0.1, 0.05]).map(|(z, weight)| weight * z * z).sum();
        let slow = coupled + rest;
        let excess = (step - cliff).max(0.0);
        let diverged = 4.0 * excess / (0.1 + excess);
        (slow + diverged) / (1.0 + 0.4 * (slow + diverged))
    })
}

fn floats(dimension: usize) -> Vec<Parameter> {
    let bounds = [(0.0, 1.0), (-5.0, 10.0), (-1.0, 0.0), (100.0, 300.0)];
    (0..dimension).map(|i| float(&format!("x{i:02}"), bounds[i % 4].0, bounds[i % 4].1)).collect()
}

pub(super) fn distance_square(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// A function of the difference to an optimum that keeps `margin` from the bounds.
fn around(
    draws: &mut Draws,
    parameters: Vec<Parameter>,
    margin: f64,
    function: impl Fn(&[f64]) -> f64 + Send + Sync + 'static,
) -> Shape {
    let optimum = draws.point(parameters.len(), margin);
    planted(space(parameters), optimum, move |x, optimum| {
        let z: Vec<f64> = x.iter().zip(optimum).map(|(x, o)| x - o).collect();
        function(&z)
    })
}

/// A function of a row and the optimum's row, with the optimum moved to where decoding puts it.
fn planted(
    space: SearchSpace,
    optimum: Vec<f64>,
    function: impl Fn(&[f64], &[f64]) -> f64 + Send + Sync + 'static,
) -> Shape {
    let optimum = space.decode(&optimum);
    let row = space.encode(&optimum);
    let encoder = space.clone();
    let gap: Gap = Box::new(move |params| Some(function(&encoder.encode(params), &row).max(0.0)));
    Shape { space, optimum, gap, noise: 0.0 }
}
