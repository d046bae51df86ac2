//! New values from those of earlier trials: differential evolution, and small changes of a copy.
//!
//! Notation: all numbers are coordinates of the unit cube; an option is the middle of its share of the unit interval.
//! Which trials are used is decided elsewhere (`automl-scheduler`). A coordinate that is inactive in one of them is
//! drawn uniformly for it, so that it has a value wherever another one needs it.
//!
//! Differential evolution is DE/rand/1/bin with F = [`SCALE`] and CR = [`CROSSOVER`]; coordinates that leave the cube are
//! drawn anew. Storn and Price, *Differential Evolution*, Journal of Global Optimization 11 (1997); constants of Awad,
//! Mallik and Hutter, *DEHB*, IJCAI 2021.
//!
//! A copy keeps its options, because a trained model seldom fits another choice; numbers and ordered options are drawn anew
//! now and then ([`REDRAWN`]), and go one [`STEP`] up or down otherwise.

use automl_core::rng::uniform;
use automl_core::{Origin, Params, SearchSpace, TrialId};
use automl_surrogate::Column;

use crate::design::Design;
use crate::{History, SuggestError, Suggestion, fresh, stream};

/// Length of a difference, as a share.
const SCALE: f64 = 0.5;
/// Share of coordinates that come from the mutant.
const CROSSOVER: f64 = 0.5;
/// Draws before a configuration that has not been tried is taken from anywhere.
const ATTEMPTS: u64 = 8;
/// Share of a copy's coordinates that are drawn anew.
const REDRAWN: f64 = 0.2;
/// How far the others go, in units of the cube.
const STEP: f64 = 0.1;

/// A trial that new values are made from.
#[derive(Clone, Copy, Debug)]
pub struct Ancestor<'a> {
    /// The trial.
    pub trial: TrialId,
    /// Its values.
    pub params: &'a Params,
}

/// Returns a configuration by differential evolution: `target` crossed with a mutant of three of `parents`. Who is
/// missing is replaced by random configurations.
///
/// # Errors
/// [`SuggestError::Exhausted`] when a finite space has no configuration left.
pub fn differential(
    space: &SearchSpace,
    history: &History,
    target: Option<Ancestor<'_>>,
    parents: &[Ancestor<'_>],
    trial: TrialId,
    seed: u64,
) -> Result<Suggestion, SuggestError> {
    let design = Design::new(space);
    let made = (0..ATTEMPTS).find_map(|attempt| {
        let draws = Draws { seed, trial, attempt };
        let (row, three) = cross(&design, target, parents, &draws);
        let params = design.params(&row);
        (!history.contains(&params)).then_some((params, three))
    });
    let parent = target.map(|target| target.trial);
    let (params, model, reason) = match made {
        Some((params, [a, b, c])) => {
            let with = target.map_or("a random one".into(), |target| format!("trial {}", target.trial));
            (params, "de", format!("{with}, crossed with {a} + {SCALE} ({b} - {c})"))
        }
        None => {
            let params = fresh::draw(space, history, trial, seed)?;
            (params, "random", "a random configuration, because what evolution gave has been tried".into())
        }
    };
    Ok(with_parent(Suggestion::plain(params, model, reason), parent))
}

/// Returns changed values of a trial.
pub fn perturbed(space: &SearchSpace, parent: Ancestor<'_>, trial: TrialId, seed: u64) -> Suggestion {
    let design = Design::new(space);
    let draws = Draws { seed, trial, attempt: 0 };
    let units = units(&design, parent.params, &draws, 0);
    let row = design.columns().iter().zip(units).enumerate().map(|(i, (column, unit))| {
        let changed = || match draws.number(1, i) < REDRAWN {
            true => draws.number(2, i),
            false => {
                let step = column.levels().map_or(STEP, |levels| STEP.max(1.0 / f64::from(levels)));
                (unit + if draws.number(3, i) < 0.5 { -step } else { step }).clamp(0.0, LAST)
            }
        };
        column.from_unit(if column.is_categorical() { unit } else { changed() })
    });
    let params = design.params(&row.collect::<Vec<f64>>());
    let names =
        params.iter().filter(|(name, value)| parent.params.get(name) != Some(*value)).map(|(name, _)| name);
    let names: Vec<&str> = names.collect();
    let reason = match names.is_empty() {
        true => format!("a copy of trial {}", parent.trial),
        false => format!("a copy of trial {}, changed in {}", parent.trial, names.join(", ")),
    };
    with_parent(Suggestion::plain(params, "pbt", reason), Some(parent.trial))
}

/// The largest number below 1: the last of several equal cells is open there.
const LAST: f64 = 1.0 - f64::EPSILON;

fn with_parent(suggestion: Suggestion, parent: Option<TrialId>) -> Suggestion {
    Suggestion { origin: Origin { parent, ..suggestion.origin }, ..suggestion }
}

/// The random numbers of one attempt.
struct Draws {
    seed: u64,
    trial: TrialId,
    attempt: u64,
}

impl Draws {
    fn number(&self, purpose: u64, index: usize) -> f64 {
        uniform(&[self.seed, stream::EVOLUTION, self.trial.0, self.attempt, purpose, index as u64])
    }

    fn below(&self, purpose: u64, index: usize, count: usize) -> usize {
        ((self.number(purpose, index) * count as f64) as usize).min(count - 1)
    }
}

/// Purposes of the draws of differential evolution; coordinates of the ancestors have those from [`ROLES`] on.
const CHOICE: u64 = 1;
const FORCED: u64 = 2;
const CROSSED: u64 = 3;
const OUTSIDE: u64 = 4;
const ROLES: u64 = 8;

/// Returns a target crossed with a mutant, and the names of the three that it is made of.
fn cross(
    design: &Design<'_>,
    target: Option<Ancestor<'_>>,
    parents: &[Ancestor<'_>],
    draws: &Draws,
) -> (Vec<f64>, [String; 3]) {
    let mut left: Vec<Ancestor<'_>> = parents.to_vec();
    let mut three: [Option<Ancestor<'_>>; 3] = [None; 3];
    for (i, place) in three.iter_mut().enumerate() {
        *place = (!left.is_empty()).then(|| left.swap_remove(draws.below(CHOICE, i, left.len())));
    }
    let mut role = ROLES;
    let mut place = |of: Option<Ancestor<'_>>| {
        role += 1;
        units(design, of.map_or(&Params::default(), |of| of.params), draws, role)
    };
    let [a, b, c] = three.map(&mut place);
    let target = place(target);
    let dimensions = design.columns().len();
    let forced = if dimensions > 0 { draws.below(FORCED, 0, dimensions) } else { 0 };
    let coordinate = |i: usize| {
        if i != forced && draws.number(CROSSED, i) >= CROSSOVER {
            return target[i];
        }
        let mutant = a[i] + SCALE * (b[i] - c[i]);
        if (0.0..1.0).contains(&mutant) { mutant } else { draws.number(OUTSIDE, i) }
    };
    let row = design.columns().iter().enumerate().map(|(i, column)| column.from_unit(coordinate(i)));
    let names = three.map(|of| of.map_or("a random one".into(), |of| of.trial.to_string()));
    (row.collect(), names)
}

/// Returns the coordinates of some values in the unit cube; those of inactive ones are drawn.
fn units(design: &Design<'_>, params: &Params, draws: &Draws, role: u64) -> Vec<f64> {
    let row = design.row(params);
    let unit = |(i, (column, value)): (usize, (&Column, f64))| match column {
        _ if !design.is_given(i, params) => draws.number(role, i),
        Column::Categorical { choices } => (value + 0.5) / f64::from(*choices),
        Column::Continuous | Column::Grid { .. } => value,
    };
    design.columns().iter().zip(row).enumerate().map(unit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Condition, Distribution, ParamValue, Parameter, Scale};

    fn float(name: &str, low: f64, high: f64, scale: Scale) -> Parameter {
        Parameter::new(name, Distribution::Float { low, high, scale, step: None })
    }

    fn space() -> SearchSpace {
        let on = vec![Condition { parent: "kind".into(), values: vec![ParamValue::Bool(true)] }];
        SearchSpace::new(vec![
            float("lr", 1e-5, 1e-1, Scale::Log),
            float("wd", 0.0, 1.0, Scale::Linear),
            Parameter::new("kind", Distribution::bool()),
            Parameter { conditions: on, ..float("only", 0.0, 1.0, Scale::Linear) },
        ])
        .unwrap()
    }

    fn some(space: &SearchSpace) -> Vec<Params> {
        (1..=12).map(|trial| fresh::first(space, TrialId(trial), 3)).collect()
    }

    #[test]
    fn evolved_configurations_are_lawful_new_and_the_same_again() {
        let space = space();
        let known = some(&space);
        let ancestors: Vec<Ancestor<'_>> =
            (1..).zip(&known).map(|(trial, params)| Ancestor { trial: TrialId(trial), params }).collect();
        let history = History {
            pending: ancestors.iter().map(|a| (a.trial, a.params.clone())).collect(),
            ..History::default()
        };
        for trial in 13..200 {
            for (target, parents) in
                [(Some(ancestors[0]), &ancestors[1..]), (None, &ancestors[..2]), (None, &ancestors[..0])]
            {
                let made = || differential(&space, &history, target, parents, TrialId(trial), 9).unwrap();
                let suggestion = made();
                assert_eq!(suggestion, made());
                assert!(space.check(&suggestion.params).is_ok(), "{suggestion:?}");
                assert!(!history.contains(&suggestion.params));
                assert_eq!(suggestion.origin.parent, target.map(|target| target.trial));
            }
        }
    }

    #[test]
    fn coordinates_come_from_target_or_mutant() {
        let space =
            SearchSpace::new((0..6).map(|i| float(&format!("x{i}"), 0.0, 1.0, Scale::Linear)).collect());
        let space = space.unwrap();
        let at =
            |value: f64| -> Params { (0..6).map(|i| (format!("x{i}"), ParamValue::Float(value))).collect() };
        let (target, one) = (at(0.125), at(0.75));
        let target = Ancestor { trial: TrialId(1), params: &target };
        let parents = [2, 3, 4].map(|trial| Ancestor { trial: TrialId(trial), params: &one });
        let (mut from_mutant, mut all) = (0, 0);
        for trial in 5..105 {
            let made = differential(&space, &History::default(), Some(target), &parents, TrialId(trial), 1);
            let values: Vec<f64> = made.unwrap().params.iter().filter_map(|(_, v)| v.as_f64()).collect();
            assert!(values.iter().all(|v| [0.125, 0.75].contains(v)), "equal parents have no difference");
            let mutants = values.iter().filter(|v| **v == 0.75).count();
            assert!(mutants >= 1, "one at least");
            (from_mutant, all) = (from_mutant + mutants, all + values.len());
        }
        assert!((0.45..0.7).contains(&(from_mutant as f64 / all as f64)), "{from_mutant} of {all}");
    }

    #[test]
    fn copies_keep_options_and_move_numbers_a_little() {
        let space = space();
        let mut near = 0;
        for (trial, params) in (20..).zip(some(&space)) {
            let suggestion =
                perturbed(&space, Ancestor { trial: TrialId(1), params: &params }, TrialId(trial), 4);
            assert!(space.check(&suggestion.params).is_ok());
            assert_eq!(suggestion.params.get("kind"), params.get("kind"));
            assert_ne!(suggestion.params, params);
            let lr = |params: &Params| params.get("lr").and_then(ParamValue::as_f64).unwrap();
            let moved = (lr(&suggestion.params) / lr(&params)).log10().abs() / 4.0;
            near += usize::from(moved < STEP + 1e-9);
            assert!(suggestion.origin.reason.contains("a copy of trial 1, changed in"), "{suggestion:?}");
        }
        assert!(near >= 8, "{near} of 12 are a step away");
    }

    #[test]
    fn exhausted_spaces_say_so() {
        let space = SearchSpace::new(vec![Parameter::new("a", Distribution::bool())]).unwrap();
        let both: Vec<(TrialId, Params)> = [false, true]
            .map(|value| [("a".to_string(), ParamValue::Bool(value))].into_iter().collect())
            .into_iter()
            .zip(1..)
            .map(|(params, trial)| (TrialId(trial), params))
            .collect();
        let history = History { failed: both, ..History::default() };
        let made = differential(&space, &history, None, &[], TrialId(3), 1);
        assert!(matches!(made, Err(SuggestError::Exhausted { size: 2, .. })), "{made:?}");
    }
}
