//! What there is to trade: classic shapes of fronts, moved and rotated, and errors against costs.
//!
//! Convex, concave and broken fronts behind a distance that must be brought to 0 (Zitzler, Deb and Thiele,
//! *Comparison of multiobjective evolutionary algorithms*, Evol. Comput. 8 (2000)), the octant of a sphere (Deb, Thiele, Laumanns and
//! Zitzler, *Scalable test problems*, CEC 2002), wells of different places (Fonseca and Fleming, *An overview of
//! evolutionary algorithms in multiobjective optimization*, Evol. Comput. 3 (1995)), bowls of different places, curvatures and
//! rotations, and the error of a configuration against what it costs.

use super::super::build::{Draws, dot, float, rotate, space};
use super::super::{Shape as Landscape, conditional, mixed};
use super::{Shape, TradeOffDefinition, Values};
use automl_core::{Encoding, Params, SearchSpace};
use std::f64::consts::{FRAC_PI_2, PI};

pub(super) const DEFINITIONS: [TradeOffDefinition; 17] = [
    numeric("convex-3", |draws| behind(draws, 3, |f, g| g * (1.0 - (f / g).sqrt()), 0.0..1.0)),
    numeric("concave-4", |draws| behind(draws, 4, |f, g| g * (1.0 - (f / g).powi(2)), 0.0..1.0)),
    numeric("broken-3", |draws| behind(draws, 3, broken, 0.0..0.852)),
    numeric("wells-2d", |draws| wells(draws, 2)),
    numeric("wells-6d", |draws| wells(draws, 6)),
    numeric("two-bowls-5", |draws| bowls(draws, 5, 2)),
    numeric("three-bowls-4", |draws| bowls(draws, 4, 3)),
    numeric("octant-5", |draws| octant(draws, 5)),
    kind("mixed", "error-cost-8", |draws| error_and_cost(draws, mixed::network)),
    kind("mixed", "error-cost-12", |draws| error_and_cost(draws, mixed::recipe)),
    kind("mixed", "two-errors-8", |draws| two_errors(draws, mixed::network)),
    kind("conditional", "error-cost-15", |draws| error_and_cost(draws, conditional::learners)),
    kind("conditional", "two-errors-9", |draws| two_errors(draws, conditional::schedule)),
    kind("constrained", "cut-bowls-2", |draws| cut(draws, |draws| bowls(draws, 2, 2))),
    kind("constrained", "cut-bowls-4", |draws| cut(draws, |draws| bowls(draws, 4, 2))),
    kind("noisy", "noisy-two-wells-3", |draws| Shape { noise: 0.05, ..wells(draws, 3) }),
    kind("noisy", "noisy-two-bowls-4", |draws| Shape { noise: 0.05, ..bowls(draws, 4, 2) }),
];

const fn numeric(name: &'static str, shape: fn(&mut Draws) -> Shape) -> TradeOffDefinition {
    kind("numeric", name, shape)
}

const fn kind(
    family: &'static str,
    name: &'static str,
    shape: fn(&mut Draws) -> Shape,
) -> TradeOffDefinition {
    TradeOffDefinition { name, family, shape }
}

/// Points of a front of two and of three objectives that come from a formula.
const POINTS: usize = 1500;
const POINTS_ACROSS: usize = 40;

fn cube(dimension: usize) -> SearchSpace {
    space((0..dimension).map(|i| float(&format!("x{i}"), 0.0, 1.0)).collect())
}

fn plain(space: SearchSpace, values: Values, front: Vec<Vec<f64>>) -> Shape {
    Shape { space, values, front, known: Vec::new(), excess: None, noise: 0.0 }
}

/// Those of a cube.
fn params_of(space: &SearchSpace, places: &[Vec<f64>]) -> Vec<Params> {
    places.iter().map(|place| space.decode(place)).collect()
}

fn shares(count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(move |i| i as f64 / (count - 1) as f64)
}

fn broken(f: f64, g: f64) -> f64 {
    g * (1.0 - (f / g).sqrt() - f / g * (10.0 * PI * f).sin())
}

/// The first objective is one coordinate; the second one falls with it, if the others are where they belong, which
/// depends on the first one.
fn behind(
    draws: &mut Draws,
    dimension: usize,
    second: fn(f64, f64) -> f64,
    reach: std::ops::Range<f64>,
) -> Shape {
    let first = draws.index(dimension);
    let is_turned = draws.uniform() < 0.5;
    let power = draws.between(0.7, 1.6);
    let (at, bend) = (draws.point(dimension, 0.3), draws.between(-0.25, 0.25));
    let basis = draws.rotation(dimension);
    let space = cube(dimension);
    let encoder = space.clone();
    let values: Values = Box::new(move |params| {
        let row = encoder.encode(params);
        let u = if is_turned { 1.0 - row[first] } else { row[first] };
        let away =
            |j: usize| if j == first { 0.0 } else { row[j] - at[j] - bend * (3.0 * u + j as f64).sin() };
        let z = rotate(&basis, &(0..dimension).map(away).collect::<Vec<_>>());
        let distance: f64 = z.iter().enumerate().map(|(j, z)| (1.0 + 4.0 * j as f64) * z * z).sum();
        let f = u.powf(power);
        vec![f, second(f, 1.0 + 4.0 * distance)]
    });
    let f = shares(POINTS).map(|share| reach.start + share * (reach.end - reach.start));
    let mut front: Vec<Vec<f64>> = Vec::new();
    for f in f {
        let point = vec![f, second(f, 1.0)];
        if front.last().is_none_or(|last| point[1] < last[1]) {
            front.push(point);
        }
    }
    plain(space, values, front)
}

/// Distances to two places, each of which saturates.
fn wells(draws: &mut Draws, dimension: usize) -> Shape {
    let places = apart(draws, dimension, 2);
    let sharpness = draws.between(1.5, 4.0);
    let space = cube(dimension);
    let encoder = space.clone();
    let known = params_of(&space, &places);
    let length = distance(&places[0], &places[1]);
    let depth = move |distance: f64| 1.0 - (-sharpness * distance * distance).exp();
    let values: Values = Box::new(move |params| {
        let row = encoder.encode(params);
        places.iter().map(|place| depth(distance(place, &row))).collect()
    });
    let front = shares(POINTS).map(|share| vec![depth(share * length), depth((1.0 - share) * length)]);
    Shape { known, ..plain(space, values, front.collect()) }
}

/// Places that are not too close to each other.
fn apart(draws: &mut Draws, dimension: usize, count: usize) -> Vec<Vec<f64>> {
    loop {
        let places: Vec<Vec<f64>> = (0..count).map(|_| draws.point(dimension, 0.15)).collect();
        let far = |i: usize| (0..i).all(|k| distance(&places[i], &places[k]) > 0.3);
        if (0..count).all(far) {
            return places;
        }
    }
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
}

/// A bowl for each objective; axes differ in curvature by a factor of 10. The front is found by search.
fn bowls(draws: &mut Draws, dimension: usize, count: usize) -> Shape {
    let places = apart(draws, dimension, count);
    let bases: Vec<Vec<Vec<f64>>> = (0..count).map(|_| draws.rotation(dimension)).collect();
    let weight = |j: usize| 10_f64.powf(j as f64 / (dimension - 1) as f64);
    let weights: Vec<f64> = (0..dimension).map(weight).collect();
    let space = cube(dimension);
    let known = params_of(&space, &places);
    let encoder = space.clone();
    let values: Values = Box::new(move |params| {
        let row = encoder.encode(params);
        let one = |(place, basis): (&Vec<f64>, &Vec<Vec<f64>>)| {
            let z: Vec<f64> = row.iter().zip(place).map(|(x, place)| x - place).collect();
            rotate(basis, &z).iter().zip(&weights).map(|(z, weight)| weight * z * z).sum()
        };
        places.iter().zip(&bases).map(one).collect()
    });
    Shape { known, ..plain(space, values, Vec::new()) }
}

/// Three objectives: the octant of a sphere, at a distance that must be brought to 0.
fn octant(draws: &mut Draws, dimension: usize) -> Shape {
    let at = draws.point(dimension, 0.2);
    let basis = draws.rotation(dimension - 2);
    let powers = [draws.between(0.7, 1.4), draws.between(0.7, 1.4)];
    let space = cube(dimension);
    let encoder = space.clone();
    let on_sphere = |a: f64, b: f64| {
        let (a, b) = (FRAC_PI_2 * a, FRAC_PI_2 * b);
        [a.cos() * b.cos(), a.cos() * b.sin(), a.sin()]
    };
    let values: Values = Box::new(move |params| {
        let row = encoder.encode(params);
        let z: Vec<f64> = row.iter().zip(&at).skip(2).map(|(x, at)| x - at).collect();
        let axes = rotate(&basis, &z);
        let radius = 1.0 + 2.0 * dot(&axes, &axes) + 2.0 * axes[0] * axes[0];
        on_sphere(row[0].powf(powers[0]), row[1].powf(powers[1])).map(|value| radius * value).to_vec()
    });
    let across = || shares(POINTS_ACROSS);
    let front = across().flat_map(|a| across().map(move |b| on_sphere(a, b).to_vec()));
    plain(space, values, front.collect())
}

/// How good a configuration is, and what it costs: more for larger numbers and for some of the options, and only
/// for what is active.
fn error_and_cost(draws: &mut Draws, landscape: fn(&mut Draws) -> Landscape) -> Shape {
    let Landscape { space, gap, optimum, .. } = landscape(draws);
    let growth = draws.between(1.0, 3.0);
    let column = |encoding: Encoding, draws: &mut Draws| match encoding {
        Encoding::Categorical { choices } => (0..choices).map(|_| draws.between(0.0, 0.4)).collect(),
        Encoding::Constant | Encoding::Continuous | Encoding::Grid { .. } => {
            vec![if draws.uniform() < 0.5 { draws.between(0.1, 1.0) } else { 0.0 }]
        }
    };
    let prices: Vec<Vec<f64>> = space.encodings().into_iter().map(|e| column(e, draws)).collect();
    let encoder = space.clone();
    let values: Values = Box::new(move |params| {
        let row = encoder.encode(params);
        let paid = |(i, parameter): (usize, &automl_core::Parameter)| match params.get(&parameter.name) {
            None => 0.0,
            Some(_) if prices[i].len() == 1 => prices[i][0] * row[i],
            Some(_) => prices[i][row[i] as usize],
        };
        let price: f64 = encoder.parameters().iter().enumerate().map(paid).sum();
        vec![gap_of(&gap, params), (growth * price).exp()]
    });
    Shape { known: vec![optimum], ..plain(space, values, Vec::new()) }
}

/// Two landscapes over one space: what is good for one task, and for another.
fn two_errors(draws: &mut Draws, landscape: fn(&mut Draws) -> Landscape) -> Shape {
    let (one, other) = (landscape(draws), landscape(draws));
    let (first, second) = (one.gap, other.gap);
    let values: Values = Box::new(move |params| vec![gap_of(&first, params), gap_of(&second, params)]);
    Shape { known: vec![one.optimum, other.optimum], ..plain(one.space, values, Vec::new()) }
}

fn gap_of(gap: &super::super::Gap, params: &Params) -> f64 {
    gap(params).expect("landscapes do not fail")
}

/// A slab through the middle of the cube is not allowed. The front is found by search.
fn cut(draws: &mut Draws, shape: fn(&mut Draws) -> Shape) -> Shape {
    let Shape { space, values, known, noise, .. } = shape(draws);
    let dimension = space.parameters().len();
    let axis = draws.rotation(dimension).swap_remove(0);
    let (centre, half) = (draws.point(dimension, 0.35), draws.between(0.08, 0.18));
    let encoder = space.clone();
    let excess = Box::new(move |params: &Params| {
        let z: Vec<f64> = encoder.encode(params).iter().zip(&centre).map(|(x, at)| x - at).collect();
        half - dot(&axis, &z).abs()
    });
    Shape { space, values, front: Vec::new(), known, excess: Some(excess), noise }
}
