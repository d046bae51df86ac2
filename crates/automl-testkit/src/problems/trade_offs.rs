//! Problems of two or three objectives that cannot all be best at once.
//!
//! A [`TradeOffDefinition`] is a kind of such a problem; a [`TradeOff`] is one instance of it, drawn from a seed: positions,
//! rotations, tables and the scale of what is reported are drawn anew. What can be had is its *front*, the points
//! that no configuration beats: sampled from its formula where there is one, and otherwise the best of a long local search
//! that knows the functions (`front.rs`).
//!
//! The reference point that volumes are measured from is, in each objective, the median of uniform draws, or the worst of
//! the front where that is worse, and a tenth of the distance from the best further away: a coin's work beats some of the
//! volume, and the ends of the front count.
//!
//! Nothing here knows a sampler.

mod front;
mod shapes;

use super::build::{Draws, random_row};
use super::fingerprint;
use automl_core::{Params, SearchSpace, rng};
use front::Task;

/// Uniform draws whose medians are part of the reference.
const REFERENCE_DRAWS: u64 = 1001;
/// How much further the reference is, as a share of its distance from the best.
const MARGIN: f64 = 0.1;

/// What a definition draws.
struct Shape {
    space: SearchSpace,
    values: Values,
    /// Points of the front, from a formula; empty where there is none.
    front: Vec<Vec<f64>>,
    /// Configurations that are the best ones in an objective, as far as they are known.
    known: Vec<Params>,
    /// Beyond 0 a configuration is not allowed.
    excess: Option<Excess>,
    /// Standard deviation of the noise, as a share of the distance from the best to the reference.
    noise: f64,
}

/// One number for each objective, smaller is better.
type Values = Box<dyn Fn(&Params) -> Vec<f64> + Send + Sync>;
/// How far a configuration is beyond what is allowed.
type Excess = Box<dyn Fn(&Params) -> f64 + Send + Sync>;

/// A kind of problem with several objectives.
#[derive(Clone, Copy)]
pub struct TradeOffDefinition {
    /// Short unique name.
    pub name: &'static str,
    /// What it stands for.
    pub family: &'static str,
    shape: fn(&mut Draws) -> Shape,
}

impl TradeOffDefinition {
    /// Draws the instance that belongs to `seed`.
    ///
    /// # Panics
    /// If the definition is unsound: nothing is allowed.
    #[must_use]
    pub fn instance(&self, seed: u64) -> TradeOff {
        let key =
            self.name.bytes().fold(rng::derive(&[seed, 2]), |key, byte| rng::derive(&[key, byte.into()]));
        let mut draws = Draws::new(key);
        let Shape { space, values, front, known, excess, noise } = (self.shape)(&mut draws);
        let is_allowed = |params: &Params| excess.as_ref().is_none_or(|excess| excess(params) <= 0.0);
        let key_of_front = rng::derive(&[key, 1]);
        let front = if front.is_empty() {
            front::search(
                &Task { space: &space, values: &values, is_allowed: &is_allowed, known: &known },
                key_of_front,
            )
        } else {
            front
        };
        assert!(!front.is_empty(), "{}: nothing is allowed", self.name);
        let sample: Vec<Vec<f64>> = (0..REFERENCE_DRAWS)
            .map(|index| {
                let mut draws = Draws::new(rng::derive(&[key, 2, index]));
                values(&space.decode(&random_row(&space, || draws.uniform())))
            })
            .collect();
        let best: Vec<f64> = (0..front[0].len())
            .map(|j| front.iter().map(|point| point[j]).fold(f64::INFINITY, f64::min))
            .collect();
        let reference: Vec<f64> = (0..best.len())
            .map(|j| {
                let worst = front.iter().map(|point| point[j]).fold(median(&sample, j), f64::max);
                worst + MARGIN * (worst - best[j])
            })
            .collect();
        let report = best.iter().zip(&reference).map(|(best, reference)| {
            let scale = 10_f64.powf(draws.between(-2.0, 2.0)) / (reference - best);
            Report {
                scale,
                offset: scale * draws.normal() * (reference - best),
                noise: noise * (reference - best),
            }
        });
        let report = report.collect();
        TradeOff { name: self.name, space, front, reference, values, excess, report, key }
    }
}

fn median(sample: &[Vec<f64>], objective: usize) -> f64 {
    let mut values: Vec<f64> = sample.iter().map(|values| values[objective]).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns all definitions of problems with several objectives.
#[must_use]
pub fn trade_off_definitions() -> Vec<TradeOffDefinition> {
    shapes::DEFINITIONS.to_vec()
}

/// How the value of one objective becomes what is reported.
struct Report {
    scale: f64,
    offset: f64,
    noise: f64,
}

/// What a trial of several objectives reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// One number for each objective, smaller is better.
    pub values: Vec<f64>,
    /// One number for each constraint, at most 0 where it is kept.
    pub violations: Vec<f64>,
}

impl Reading {
    /// Tells whether all constraints are kept.
    #[must_use]
    pub fn is_feasible(&self) -> bool {
        self.violations.iter().all(|violation| *violation <= 0.0)
    }
}

/// One instance of a definition.
pub struct TradeOff {
    /// Name of the definition.
    pub name: &'static str,
    /// What may vary.
    pub space: SearchSpace,
    front: Vec<Vec<f64>>,
    reference: Vec<f64>,
    values: Values,
    excess: Option<Excess>,
    report: Vec<Report>,
    key: u64,
}

impl TradeOff {
    /// Returns points of the best front there is, noise-free.
    #[must_use]
    pub fn front(&self) -> &[Vec<f64>] {
        &self.front
    }

    /// Returns the point that volumes are measured from.
    #[must_use]
    pub fn reference(&self) -> &[f64] {
        &self.reference
    }

    /// Returns the noise-free objectives of a configuration, comparable with [`TradeOff::front`].
    #[must_use]
    pub fn values(&self, params: &Params) -> Vec<f64> {
        (self.values)(params)
    }

    /// Returns the number of constraints that trials report.
    #[must_use]
    pub fn constraints(&self) -> usize {
        usize::from(self.excess.is_some())
    }

    /// Returns what a trial reports. Noise belongs to the trial's number.
    #[must_use]
    pub fn observe(&self, params: &Params, trial: u64) -> Reading {
        let mut draws = Draws::new(rng::derive(&[self.key, 3, trial]));
        let told = |(value, report): (f64, &Report)| {
            report.offset + report.scale * (value + report.noise * draws.normal())
        };
        let values = (self.values)(params).into_iter().zip(&self.report).map(told).collect();
        Reading { values, violations: self.excess.iter().map(|excess| excess(params)).collect() }
    }

    /// Returns a number that changes when the space or what is reported of a few configurations does.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        fingerprint(&self.space, |params, trial| {
            let Reading { values, violations } = self.observe(params, trial);
            Some(values.iter().chain(&violations).enumerate().map(|(j, v)| v * (j + 1) as f64).sum())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn drawn(problem: &TradeOff, draws: &mut Draws) -> Params {
        problem.space.decode(&random_row(&problem.space, || draws.uniform()))
    }

    fn beats(a: &[f64], b: &[f64]) -> bool {
        a.iter().zip(b).all(|(a, b)| *a < b - 1e-9)
    }

    #[test]
    fn names_are_unique_among_all_problems() {
        let single = super::super::definitions().into_iter().map(|definition| definition.name);
        let all: Vec<&str> = trade_off_definitions().iter().map(|d| d.name).chain(single).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    /// One test, because searching for fronts takes its time.
    #[test]
    fn instances_keep_what_they_promise() {
        for definition in trade_off_definitions() {
            let problem = definition.instance(1);
            noise_and_constraints_are_those_of(definition.family, &problem);
            let (front, reference) = (problem.front(), problem.reference());
            assert!(front.iter().all(|point| beats(point, reference)), "{}", problem.name);
            let some = front.iter().step_by(9);
            assert!(some.clone().all(|a| !front.iter().any(|b| beats(b, a))), "{}", problem.name);
            let mut draws = Draws::new(3);
            let all: Vec<Params> = (0..200).map(|_| drawn(&problem, &mut draws)).collect();
            let allowed = all.iter().filter(|params| problem.observe(params, 1).is_feasible());
            let values: Vec<Vec<f64>> = allowed.map(|params| problem.values(params)).collect();
            for values in &values {
                // Fronts of three objectives that were searched for are not exact.
                let worse: Vec<f64> = values.iter().zip(reference).map(|(v, r)| v + 0.02 * r).collect();
                assert!(!front.iter().any(|point| beats(&worse, point)), "{}: {values:?}", problem.name);
            }
            let counted = values.iter().filter(|values| beats(values, reference)).count();
            assert!(counted >= 4, "{}: {counted} of 200", problem.name);
            let unbeaten = |values: &&Vec<f64>| !front.iter().any(|point| beats(point, values));
            let close = values.iter().filter(unbeaten).count();
            assert!(close <= 20, "{}: {close} of 200", problem.name);
        }
    }

    /// Wells have a formula: what the search finds beats nearly the same area.
    #[test]
    fn searched_front_is_close_to_that_of_the_formula() {
        let definition = trade_off_definitions().into_iter().find(|d| d.name == "wells-6d").unwrap();
        let problem = definition.instance(3);
        let found = front::search(
            &Task { space: &problem.space, values: &problem.values, is_allowed: &|_| true, known: &[] },
            1,
        );
        let area = |mut points: Vec<Vec<f64>>| {
            points.sort_by(|a, b| a[0].total_cmp(&b[0]));
            let ends = points.iter().skip(1).map(|next| next[0]).chain([problem.reference[0]]);
            let strips = points.iter().zip(ends);
            strips.map(|(point, end)| (end - point[0]) * (problem.reference[1] - point[1])).sum::<f64>()
        };
        let (found, expected) = (area(found), area(problem.front.clone()));
        assert!(found <= expected * 1.0001 && found > 0.995 * expected, "{found}, not {expected}");
    }

    #[test]
    fn instances_differ_by_seed_and_repeat_for_one() {
        for definition in trade_off_definitions().into_iter().step_by(5) {
            let (a, again, b) = (definition.instance(1), definition.instance(1), definition.instance(2));
            assert_eq!((a.fingerprint(), a.front()), (again.fingerprint(), again.front()), "{}", a.name);
            assert_ne!(a.fingerprint(), b.fingerprint(), "{}", a.name);
        }
    }

    fn noise_and_constraints_are_those_of(family: &str, problem: &TradeOff) {
        let mut draws = Draws::new(4);
        let params = drawn(problem, &mut draws);
        let same = problem.observe(&params, 1).values == problem.observe(&params, 2).values;
        assert_eq!(same, family != "noisy", "{}", problem.name);
        let kept = (0..200).filter(|_| problem.observe(&drawn(problem, &mut draws), 1).is_feasible()).count();
        let expected = if family == "constrained" { 20..180 } else { 200..201 };
        assert!(expected.contains(&kept), "{}: {kept} of 200", problem.name);
        assert_eq!(problem.constraints() > 0, family == "constrained");
    }
}
