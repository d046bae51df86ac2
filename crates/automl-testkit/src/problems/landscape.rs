//! An objective over any space: costs of single parameters, interactions of pairs, nothing else.
//!
//! All costs are at least 0 and 0 at a reference configuration, so that is the optimum. Parameters that are
//! inactive cost nothing; the price of a wrong branch is in the cost of the choice that opens it.

use super::build::Draws;
use super::{Gap, Shape, random_row};
use automl_core::{Encoding, SearchSpace};

/// How rough and how entangled a landscape is.
#[derive(Clone, Copy)]
pub(super) struct Style {
    /// Share of all pairs of parameters that interact.
    pub(super) interactions: f64,
    /// Cost of wrong categories relative to that of wrong numbers.
    pub(super) category_cost: f64,
    /// Height of ripples along numbers relative to their curvature.
    pub(super) ripple: f64,
}

pub(super) const PLAIN: Style = Style { interactions: 0.3, category_cost: 1.0, ripple: 0.0 };

/// Cost of one column's value on its own.
enum Single {
    Number { weight: f64, ripple: f64 },
    Category { costs: Vec<f64> },
}

/// Cost of two columns' values together.
enum Pair {
    /// `weight · (z_a + slope · z_b)²`
    Numbers { a: usize, b: usize, weight: f64, slope: f64 },
    /// The best number depends on the category.
    Shift { category: usize, number: usize, weight: f64, shifts: Vec<f64> },
    /// A table.
    Categories { a: usize, b: usize, costs: Vec<Vec<f64>> },
}

/// Draws a landscape over the space.
pub(super) fn landscape(draws: &mut Draws, space: SearchSpace, style: Style) -> Shape {
    let encodings = space.encodings();
    let mut reference = random_row(&space, || draws.between(0.05, 0.95));
    let optimum = space.decode(&reference);
    // Where the optimum is active its row is that of its values; elsewhere the drawn one stands.
    for (column, parameter) in space.parameters().iter().enumerate() {
        if let Some(unit) =
            optimum.get(&parameter.name).and_then(|value| parameter.distribution.to_unit(value))
        {
            reference[column] = unit;
        }
    }
    let singles: Vec<Single> =
        encodings.iter().zip(&reference).map(|(encoding, at)| single(draws, *encoding, *at, style)).collect();
    let mut pairs = Vec::new();
    for b in 1..encodings.len() {
        for a in 0..b {
            if draws.uniform() < style.interactions {
                pairs.push(pair(draws, (a, encodings[a]), (b, encodings[b]), &reference, style));
            }
        }
    }
    let encoder = space.clone();
    let gap: Gap = Box::new(move |params| {
        let row = encoder.encode(params);
        let parameters = encoder.parameters();
        let active: Vec<bool> = parameters.iter().map(|p| params.get(&p.name).is_some()).collect();
        let columns = singles.iter().zip(&row).zip(&reference).zip(&active).filter(|(_, active)| **active);
        let own: f64 = columns.map(|(((single, x), at), _)| single.cost(*x, *at)).sum();
        Some(own + pairs.iter().map(|pair| pair.cost(&row, &reference, &active)).sum::<f64>())
    });
    Shape { space, optimum, gap, noise: 0.0 }
}

fn single(draws: &mut Draws, encoding: Encoding, at: f64, style: Style) -> Single {
    match encoding {
        Encoding::Categorical { choices } => {
            let cost = |choice: u32, draws: &mut Draws| {
                let drawn = style.category_cost * draws.between(0.05, 0.6);
                if f64::from(choice) == at { 0.0 } else { drawn }
            };
            Single::Category { costs: (0..choices).map(|choice| cost(choice, draws)).collect() }
        }
        // Importance is uneven: a few parameters carry most of the cost.
        Encoding::Constant | Encoding::Continuous | Encoding::Grid { .. } => {
            Single::Number { weight: 2.0 * draws.uniform().powi(3) + 0.05, ripple: style.ripple }
        }
    }
}

fn pair(
    draws: &mut Draws,
    a: (usize, Encoding),
    b: (usize, Encoding),
    reference: &[f64],
    style: Style,
) -> Pair {
    match (a, b) {
        ((a, Encoding::Categorical { choices: m }), (b, Encoding::Categorical { choices: n })) => {
            let chosen = (reference[a] as usize, reference[b] as usize);
            let mut table = vec![vec![0.0; n as usize]; m as usize];
            for (i, row) in table.iter_mut().enumerate() {
                for (j, cost) in row.iter_mut().enumerate() {
                    let drawn = style.category_cost * draws.between(0.0, 0.4);
                    *cost = if (i, j) == chosen { 0.0 } else { drawn };
                }
            }
            Pair::Categories { a, b, costs: table }
        }
        ((category, Encoding::Categorical { choices }), (number, _))
        | ((number, _), (category, Encoding::Categorical { choices })) => {
            let shift = |choice: u32, draws: &mut Draws| {
                let drawn = draws.between(-0.4, 0.4);
                if f64::from(choice) == reference[category] { 0.0 } else { drawn }
            };
            let shifts = (0..choices).map(|choice| shift(choice, draws)).collect();
            Pair::Shift { category, number, weight: draws.between(0.2, 1.5), shifts }
        }
        ((a, _), (b, _)) => {
            let slope = draws.between(0.3, 1.0) * draws.sign();
            Pair::Numbers { a, b, weight: draws.between(0.2, 1.5), slope }
        }
    }
}

impl Single {
    fn cost(&self, x: f64, at: f64) -> f64 {
        match self {
            Single::Number { weight, ripple } => {
                let z = x - at;
                weight * (z * z + ripple * (1.0 - (8.0 * std::f64::consts::PI * z).cos()))
            }
            Single::Category { costs } => costs[x as usize],
        }
    }
}

impl Pair {
    fn cost(&self, row: &[f64], reference: &[f64], active: &[bool]) -> f64 {
        let z = |column: usize| row[column] - reference[column];
        match self {
            Pair::Numbers { a, b, weight, slope } if active[*a] && active[*b] => {
                weight * (z(*a) + slope * z(*b)).powi(2)
            }
            Pair::Shift { category, number, weight, shifts } if active[*category] && active[*number] => {
                weight * (z(*number) - shifts[row[*category] as usize]).powi(2)
            }
            Pair::Categories { a, b, costs } if active[*a] && active[*b] => {
                costs[row[*a] as usize][row[*b] as usize]
            }
            Pair::Numbers { .. } | Pair::Shift { .. } | Pair::Categories { .. } => 0.0,
        }
    }
}
