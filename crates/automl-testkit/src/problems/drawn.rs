//! Spaces and functions that are drawn anew in every instance: nothing here was chosen for being hard.
//!
//! The other families test one difficulty each and keep their spaces; a sampler can be fitted to them without
//! anybody meaning to. Here the seed decides on the parameters, their kinds, ranges and conditions, and on a function of
//! a different make: several basins, each with curvatures and directions of its own, of which the lowest counts
//! (the idea of Gallagher and Yuan, *A general-purpose tunable landscape generator*, IEEE Trans. Evol. Comput.
//! 10 (2006)), seen through a scale that may be stretched. Changes of defaults are checked on these.

use super::build::{
    Draws, choice, dot, float, int, log_float, log_int, ordinal, random_row, rotate, space, switch, under,
};
use super::{Definition, Family, Gap, Shape};
use automl_core::{Encoding, Parameter, Params, SearchSpace};

pub(super) const DEFINITIONS: [Definition; 4] = [
    drawn("drawn-numeric", |draws| basins(draws, numbers)),
    drawn("drawn-mixed", |draws| basins(draws, kinds)),
    drawn("drawn-conditional", |draws| basins(draws, tree)),
    drawn("drawn-noisy", |draws| {
        let noise = 10_f64.powf(draws.between(-1.7, -0.6));
        let parameters = [numbers, kinds, tree][draws.index(3)];
        Shape { noise, ..basins(draws, parameters) }
    }),
];

const fn drawn(name: &'static str, shape: fn(&mut Draws) -> Shape) -> Definition {
    Definition { name, family: Family::Drawn, shape }
}

/// Places of a category's choices in the space of distances.
const CHOICE_DIMENSION: usize = 3;
const OPTIONS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Two to twelve real numbers.
fn numbers(draws: &mut Draws) -> Vec<Parameter> {
    let count = 2 + draws.index(11);
    (0..count).map(|i| number(draws, &format!("x{i:02}"))).collect()
}

/// Three to twelve parameters of any kind.
fn kinds(draws: &mut Draws) -> Vec<Parameter> {
    let count = 3 + draws.index(10);
    (0..count).map(|i| any(draws, &format!("p{i:02}"))).collect()
}

/// Some parameters of any kind, and choices that open others, some of which are choices again.
fn tree(draws: &mut Draws) -> Vec<Parameter> {
    let common = 1 + draws.index(4);
    let mut parameters: Vec<Parameter> = (0..common).map(|i| any(draws, &format!("p{i:02}"))).collect();
    for choice in 0..1 + draws.index(3) {
        branch(draws, &mut parameters, &format!("c{choice}"), None);
    }
    parameters
}

/// A choice, perhaps below an option of another one, and what its options open.
fn branch(draws: &mut Draws, parameters: &mut Vec<Parameter>, name: &str, parent: Option<(&str, &str)>) {
    let below = |parameter: Parameter, parent: Option<(&str, &str)>| match parent {
        Some((parent, option)) => under(parameter, parent, &[option]),
        None => parameter,
    };
    let options = &OPTIONS[..2 + draws.index(4)];
    parameters.push(below(choice(name, options), parent));
    for option in options {
        for child in 0..draws.index(4) {
            let child = format!("{name}.{option}{child}");
            if parent.is_none() && draws.uniform() < 0.15 {
                branch(draws, parameters, &child, Some((name, option)));
            } else {
                parameters.push(below(any(draws, &child), Some((name, option))));
            }
        }
    }
}

fn number(draws: &mut Draws, name: &str) -> Parameter {
    if draws.uniform() < 0.5 {
        let low = draws.between(-10.0, 10.0);
        return float(name, low, low + 10_f64.powf(draws.between(-2.0, 3.0)));
    }
    let exponent = draws.between(-7.0, 0.0);
    log_float(name, 10_f64.powf(exponent), 10_f64.powf(exponent + draws.between(2.0, 6.0)))
}

fn any(draws: &mut Draws, name: &str) -> Parameter {
    match draws.index(8) {
        0..3 => number(draws, name),
        3 => int(name, 0, 2 + draws.index(30) as i64),
        4 => log_int(name, 1, 10_i64.pow(1 + draws.index(3) as u32)),
        5 => ordinal(name, &[1, 2, 4, 8, 16, 32, 64][..3 + draws.index(5)]),
        6 => switch(name),
        _ => choice(name, &OPTIONS[..2 + draws.index(5)]),
    }
}

/// A place that costs least, and how the cost grows around it.
struct Basin {
    centre: Vec<f64>,
    basis: Vec<Vec<f64>>,
    weights: Vec<f64>,
    floor: f64,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    Square,
    Cone,
    Saturating,
}

/// The lowest of one to five basins. The first has its centre at the optimum; the floors of the others are higher.
fn basins(draws: &mut Draws, parameters: fn(&mut Draws) -> Vec<Parameter>) -> Shape {
    let space = space(parameters(draws));
    let places = Places::new(draws, &space);
    let optimum = space.decode(&random_row(&space, || draws.between(0.03, 0.97)));
    let all: Vec<Basin> = (0..1 + draws.index(5))
        .map(|rank| {
            let centre = if rank == 0 {
                places.of(&space, &optimum)
            } else {
                places.of(&space, &space.decode(&random_row(&space, || draws.uniform())))
            };
            let floor = if rank == 0 { 0.0 } else { draws.between(0.05, 0.6) };
            basin(draws, centre, floor)
        })
        .collect();
    let stretch = draws.between(-1.0, 3.0);
    let encoder = space.clone();
    let gap: Gap = Box::new(move |params| {
        let place = places.of(&encoder, params);
        let cost = all.iter().map(|basin| basin.cost(&place)).fold(f64::INFINITY, f64::min);
        // From square roots to long tails.
        Some(if stretch > 0.0 { (stretch * cost).exp_m1() } else { cost.powf(1.0 + 0.4 * stretch) })
    });
    Shape { space, optimum, gap, noise: 0.0 }
}

fn basin(draws: &mut Draws, centre: Vec<f64>, floor: f64) -> Basin {
    let dimension = centre.len();
    let turned = draws.uniform() < 0.5;
    let axis = |i: usize| (0..dimension).map(|j| f64::from(u8::from(i == j))).collect();
    let basis = if turned { draws.rotation(dimension) } else { (0..dimension).map(axis).collect() };
    let unevenness = draws.between(0.3, 1.5);
    let weights: Vec<f64> = (0..dimension).map(|_| (2.0 * unevenness * draws.normal()).exp()).collect();
    // Half a unit away in all directions costs about one.
    let total: f64 = weights.iter().sum();
    let weights = weights.into_iter().map(|weight| 4.0 * weight / total).collect();
    let form = [Form::Square, Form::Cone, Form::Saturating][draws.index(3)];
    Basin { centre, basis, weights, floor, form }
}

impl Basin {
    fn cost(&self, place: &[f64]) -> f64 {
        let z: Vec<f64> = place.iter().zip(&self.centre).map(|(x, c)| x - c).collect();
        let turned = rotate(&self.basis, &z);
        let square = dot(&self.weights, &turned.iter().map(|z| z * z).collect::<Vec<_>>());
        let cost = match self.form {
            Form::Square => square,
            Form::Cone => square.sqrt(),
            Form::Saturating => 1.5 * square / (0.5 + square),
        };
        self.floor + (1.0 - self.floor) * cost
    }
}

/// Where configurations lie: numbers at their unit values, choices at random places, what is inactive at 0.5.
struct Places {
    choices: Vec<Vec<Vec<f64>>>,
}

impl Places {
    fn new(draws: &mut Draws, space: &SearchSpace) -> Self {
        let places = |encoding: Encoding, draws: &mut Draws| match encoding {
            Encoding::Categorical { choices } => {
                (0..choices).map(|_| draws.point(CHOICE_DIMENSION, 0.0)).collect()
            }
            Encoding::Constant | Encoding::Continuous | Encoding::Grid { .. } => Vec::new(),
        };
        Places { choices: space.encodings().into_iter().map(|encoding| places(encoding, draws)).collect() }
    }

    fn of(&self, space: &SearchSpace, params: &Params) -> Vec<f64> {
        let row = space.encode(params);
        let mut place = Vec::new();
        for ((x, choices), parameter) in row.iter().zip(&self.choices).zip(space.parameters()) {
            let active = params.get(&parameter.name).is_some();
            match (choices.is_empty(), active) {
                (true, true) => place.push(*x),
                (true, false) => place.push(0.5),
                (false, true) => place.extend(&choices[*x as usize]),
                (false, false) => place.extend([0.5; CHOICE_DIMENSION]),
            }
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::super::definitions;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_instance_has_a_space_of_its_own() {
        for definition in definitions().into_iter().filter(|d| d.family == Family::Drawn) {
            let spaces: BTreeSet<String> =
                (1..9).map(|seed| serde_json::to_string(&definition.instance(seed).space).unwrap()).collect();
            assert_eq!(spaces.len(), 8, "{}", definition.name);
        }
    }

    #[test]
    fn trees_have_conditions_and_numbers_have_none() {
        let conditional = |name: &str, seed| {
            let all = definitions();
            let problem = all.into_iter().find(|d| d.name == name).unwrap().instance(seed);
            problem.space.parameters().iter().any(|p| !p.conditions.is_empty())
        };
        assert!((1..9).all(|seed| !conditional("drawn-numeric", seed)));
        assert!((1..9).filter(|seed| conditional("drawn-conditional", *seed)).count() >= 6);
    }
}
