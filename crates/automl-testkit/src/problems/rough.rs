//! Objectives of the other families, seen through what real programs do: noise, plateaus, failures.

use super::build::{Draws, random_row};
use super::conditional::{learners, schedule};
use super::mixed::network;
use super::numeric::{bowl, distance_square, training, wells};
use super::{Definition, Family, Gap, Shape};

pub(super) const DEFINITIONS: [Definition; 13] = [
    of(Family::Noisy, "noisy-bowl-5", |draws| noisy(bowl(draws, 5, 30.0), 0.1)),
    of(Family::Noisy, "noisy-wells-3", |draws| noisy(wells(draws, 3), 0.1)),
    of(Family::Noisy, "noisy-training-6", |draws| noisy(training(draws, 6), 0.05)),
    of(Family::Noisy, "noisy-network-8", |draws| noisy(network(draws), 0.2)),
    of(Family::Noisy, "noisy-schedule-9", |draws| noisy(schedule(draws), 0.1)),
    of(Family::Plateau, "steps-5", |draws| stepped(bowl(draws, 5, 30.0), 40.0)),
    of(Family::Plateau, "chance-6", |draws| capped(training(draws, 6), draws)),
    of(Family::Plateau, "accuracy-8", |draws| stepped(network(draws), 30.0)),
    of(Family::Plateau, "capped-15", |draws| capped(learners(draws), draws)),
    of(Family::Failing, "balls-5", |draws| failing(bowl(draws, 5, 30.0), draws, 0.35)),
    of(Family::Failing, "balls-training-6", |draws| failing(training(draws, 6), draws, 0.3)),
    of(Family::Failing, "balls-network-8", |draws| failing(network(draws), draws, 0.3)),
    of(Family::Failing, "corner-wells-4", |draws| corner(wells(draws, 4), draws)),
];

const fn of(family: Family, name: &'static str, shape: fn(&mut Draws) -> Shape) -> Definition {
    Definition { name, family, shape }
}

/// Normal noise with this standard deviation in units of the median gap.
fn noisy(shape: Shape, noise: f64) -> Shape {
    Shape { noise, ..shape }
}

/// Values rounded down to a multiple of the median divided by `levels`.
fn stepped(shape: Shape, levels: f64) -> Shape {
    let median = quantile(&shape, 0.5);
    let Shape { space, optimum, gap, noise } = shape;
    let gap: Gap = Box::new(move |params| gap(params).map(|gap| (gap / median * levels).floor() / levels));
    Shape { space, optimum, gap, noise }
}

/// Everything worse than the best quarter or so is equally bad, as with models that learn nothing.
fn capped(shape: Shape, draws: &mut Draws) -> Shape {
    let cap = quantile(&shape, draws.between(0.2, 0.35));
    let Shape { space, optimum, gap, noise } = shape;
    let gap: Gap = Box::new(move |params| gap(params).map(|gap| gap.min(cap)));
    Shape { space, optimum, gap, noise }
}

/// Balls around random rows in which trials fail, until `share` of the space does. Distances count numbers
/// in unit values and half a unit for another category. The optimum stays outside, one ball comes near it.
fn failing(shape: Shape, draws: &mut Draws, share: f64) -> Shape {
    let Shape { space, optimum, gap, noise } = shape;
    let best = scaled(&space, space.encode(&optimum));
    let sample: Vec<Vec<f64>> =
        (0..400).map(|_| scaled(&space, random_row(&space, || draws.uniform()))).collect();
    let radius = 0.35 * (best.len() as f64 / 4.0).sqrt();
    let mut balls: Vec<(Vec<f64>, f64)> = Vec::new();
    let inside = |balls: &[(Vec<f64>, f64)], row: &[f64]| {
        balls.iter().any(|(centre, radius)| distance_square(centre, row) < radius * radius)
    };
    for _ in 0..200 {
        let failed = sample.iter().filter(|row| inside(&balls, row)).count();
        if failed as f64 >= share * sample.len() as f64 {
            break;
        }
        let centre = scaled(&space, random_row(&space, || draws.uniform()));
        let clearance = 0.8 * distance_square(&centre, &best).sqrt();
        balls.push((centre, radius.min(clearance)));
    }
    let encoder = space.clone();
    let gap: Gap = Box::new(move |params| {
        let row = scaled(&encoder, encoder.encode(params));
        gap(params).filter(|_| !inside(&balls, &row))
    });
    Shape { space, optimum, gap, noise }
}

/// Trials fail beyond a plane that passes close to the optimum.
fn corner(shape: Shape, draws: &mut Draws) -> Shape {
    let Shape { space, optimum, gap, noise } = shape;
    let best = space.encode(&optimum);
    // The plane's direction points away from the centre as seen from the optimum, or nearly so.
    let direction: Vec<f64> = best.iter().map(|x| x - 0.5 + 0.1 * draws.normal()).collect();
    let along = |row: &[f64]| row.iter().zip(&direction).map(|(x, d)| x * d).sum::<f64>();
    let mut sample: Vec<f64> = (0..400).map(|_| along(&random_row(&space, || draws.uniform()))).collect();
    sample.sort_by(f64::total_cmp);
    // A tenth of the space fails at least, so where the optimum is in the way the other side fails.
    let limit = along(&best) + 0.03;
    let (limit, side) = if limit < sample[360] { (limit, 1.0) } else { (sample[160], -1.0) };
    let encoder = space.clone();
    let failing = move |row: &[f64]| {
        let along = row.iter().zip(&direction).map(|(x, d)| x * d).sum::<f64>();
        side * (along - limit) > 0.0
    };
    let gap: Gap = Box::new(move |params| gap(params).filter(|_| !failing(&encoder.encode(params))));
    Shape { space, optimum, gap, noise }
}

/// A row with category codes halved in distance: all different categories are half a unit apart.
fn scaled(space: &automl_core::SearchSpace, row: Vec<f64>) -> Vec<f64> {
    let mut columns = Vec::new();
    for (encoding, x) in space.encodings().iter().zip(row) {
        match encoding {
            automl_core::Encoding::Categorical { choices } => {
                let one_hot = |choice: u32| if f64::from(choice) == x { 0.5_f64.sqrt() / 2.0 } else { 0.0 };
                columns.extend((0..*choices).map(one_hot));
            }
            _ => columns.push(x),
        }
    }
    columns
}

fn quantile(shape: &Shape, share: f64) -> f64 {
    let mut draws = Draws::new(11);
    let mut gaps: Vec<f64> = (0..501)
        .filter_map(|_| (shape.gap)(&shape.space.decode(&random_row(&shape.space, || draws.uniform()))))
        .collect();
    gaps.sort_by(f64::total_cmp);
    gaps[(share * (gaps.len() - 1) as f64) as usize]
}
