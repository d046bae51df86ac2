//! Learning curves over configurations: how a loss approaches its final value, epoch by epoch.
//!
//! A [`CurveDefinition`] lays curves over a problem: the final loss is the problem's regret, and what happens
//! before is what makes early stopping easy, hard or harmful. Losses are noise-free regrets plus whatever the
//! training still lacks, so the loss of a model is its regret and 0 is perfect.

use super::build::Draws;
use super::table::Table;
use super::{Definition, Problem, definitions};
use automl_core::{Params, SearchSpace, rng};
use serde_json::Value;

/// How early losses relate to final ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Power laws of nearly one speed: the ranking is there from the start.
    Aligned,
    /// Power laws whose speeds depend on the configuration, not on its quality: many cross.
    Crossing,
    /// Power laws in which good configurations are slow: the early ranking is turned around.
    Inverting,
    /// Nothing but noise for a third of the training, then a quick fall.
    Uninformative,
    /// Like `Crossing`, and every reading is noisy.
    Noisy,
    /// Errors of real networks after each epoch.
    Real,
}

/// A kind of curves over a kind of problem.
#[derive(Clone, Copy)]
pub struct CurveDefinition {
    /// Short unique name.
    pub name: &'static str,
    problem: &'static str,
    kind: Kind,
}

const fn curves(name: &'static str, problem: &'static str, kind: Kind) -> CurveDefinition {
    CurveDefinition { name, problem, kind }
}

const DEFINITIONS: [CurveDefinition; 11] = [
    curves("aligned-training-6", "training-6", Kind::Aligned),
    curves("aligned-network-8", "network-8", Kind::Aligned),
    curves("crossing-training-6", "training-6", Kind::Crossing),
    curves("crossing-schedule-9", "schedule-9", Kind::Crossing),
    curves("inverting-training-6", "training-6", Kind::Inverting),
    curves("inverting-network-8", "network-8", Kind::Inverting),
    curves("uninformative-bowl-5", "bowl-5", Kind::Uninformative),
    curves("uninformative-network-8", "network-8", Kind::Uninformative),
    curves("noisy-training-6", "training-6", Kind::Noisy),
    curves("noisy-network-8", "network-8", Kind::Noisy),
    curves("real-perceptron-5", "perceptron-5", Kind::Real),
];

/// Returns all definitions of curves.
#[must_use]
pub fn curve_definitions() -> Vec<CurveDefinition> {
    DEFINITIONS.to_vec()
}

impl CurveDefinition {
    /// Epochs of a full training.
    pub const EPOCHS: u64 = 27;

    /// Returns what the curves are like, for grouping.
    #[must_use]
    pub fn family(&self) -> &'static str {
        match self.kind {
            Kind::Aligned => "aligned",
            Kind::Crossing => "crossing",
            Kind::Inverting => "inverting",
            Kind::Uninformative => "uninformative",
            Kind::Noisy => "noisy",
            Kind::Real => "real",
        }
    }

    /// Draws the instance that belongs to `seed`.
    ///
    /// # Panics
    /// Never: every definition names a problem.
    #[must_use]
    pub fn instance(&self, seed: u64) -> Curves {
        let of_name = |definition: &Definition| definition.name == self.problem;
        let definition = definitions().into_iter().find(of_name).expect("definitions name problems");
        let problem = definition.instance(seed);
        let key = rng::derive(&[seed, 77, self.kind as u64]);
        let mut draws = Draws::new(key);
        let direction = problem.space.parameters().iter().map(|_| draws.normal()).collect();
        let real = (self.kind == Kind::Real).then(|| RealCurves::new(seed, &problem));
        Curves { problem, kind: self.kind, direction, key, real }
    }
}

/// One instance: a loss for every configuration and epoch.
pub struct Curves {
    problem: Problem,
    kind: Kind,
    /// Speed of training along the columns of a row.
    direction: Vec<f64>,
    key: u64,
    real: Option<RealCurves>,
}

impl Curves {
    /// Returns what may vary.
    #[must_use]
    pub fn space(&self) -> &SearchSpace {
        &self.problem.space
    }

    /// Returns the noise-free loss after so many epochs: the regret of that model.
    ///
    /// # Panics
    /// If `params` do not belong to the space, or the epoch is 0 or above [`CurveDefinition::EPOCHS`].
    #[must_use]
    pub fn loss(&self, params: &Params, epoch: u64) -> f64 {
        let epochs = CurveDefinition::EPOCHS;
        assert!((1..=epochs).contains(&epoch), "epoch {epoch} of {epochs}");
        if let Some(real) = &self.real {
            return real.loss(params, epoch);
        }
        let last = self.problem.regret(params).expect("problems with curves do not fail");
        let share = epoch as f64 / epochs as f64;
        let lacking = |amount: f64, speed: f64| amount * (share.powf(-speed) - 1.0);
        match self.kind {
            Kind::Aligned => last + lacking(0.1, 0.5 + 0.1 * self.speed(params)),
            Kind::Crossing | Kind::Noisy => last + lacking(0.1, 0.3 + 0.7 * self.speed(params)),
            Kind::Inverting => last + lacking(0.5, 0.1 + 0.9 / (1.0 + 1.5 * last)),
            Kind::Uninformative => {
                let onset = 0.25 + 0.15 * self.speed(params);
                let learned = ((share - onset) / (1.0 - onset)).max(0.0).powf(0.3);
                last + (CHANCE - last).max(0.0) * (1.0 - learned)
            }
            Kind::Real => unreachable!("answered above"),
        }
    }

    /// Returns what a program reports: the loss, noisy where the kind says so.
    #[must_use]
    pub fn observe(&self, params: &Params, epoch: u64, trial: u64) -> f64 {
        let noise = match self.kind {
            Kind::Noisy => 0.1,
            Kind::Uninformative => 0.02,
            Kind::Aligned | Kind::Crossing | Kind::Inverting | Kind::Real => 0.0,
        };
        self.loss(params, epoch) + noise * Draws::new(rng::derive(&[self.key, trial, epoch])).normal()
    }

    /// A number between 0 and 1 that varies smoothly with the configuration.
    fn speed(&self, params: &Params) -> f64 {
        let row = self.problem.space.encode(params);
        let along: f64 = row.iter().zip(&self.direction).map(|(x, d)| (x - 0.5) * d).sum();
        1.0 / (1.0 + (-4.0 * along).exp())
    }
}

/// Loss of a model that has learned nothing: that of a bad configuration.
const CHANCE: f64 = 2.0;

/// The table of real curves, scaled like the problem made of their ends.
struct RealCurves {
    table: Table,
    least: f64,
    median: f64,
}

impl RealCurves {
    fn new(seed: u64, problem: &Problem) -> Self {
        // Splits alternate with the instance, so that curves and problem may belong to different ones: only
        // the space is taken from the problem.
        let table = Table::read(include_str!("../../tables/network.json"), |splits| seed as usize % splits);
        let mut ends: Vec<f64> = table
            .configurations()
            .iter()
            .map(|params| curve(table.at(params)).last().copied().expect("epochs"))
            .collect();
        ends.sort_by(f64::total_cmp);
        assert_eq!(table.space, problem.space, "one table");
        let (least, median) = (ends[0], ends[ends.len() / 2] - ends[0]);
        RealCurves { table, least, median }
    }

    fn loss(&self, params: &Params, epoch: u64) -> f64 {
        (curve(self.table.at(params))[epoch as usize - 1] - self.least) / self.median
    }
}

fn curve(entry: &Value) -> Vec<f64> {
    let epochs = entry.as_array().expect("a curve").iter();
    epochs.map(|error| error.as_f64().expect("an error for each epoch")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::random_row;

    /// Rank correlation (Kendall's tau) between losses at two epochs over random configurations.
    fn agreement(curves: &Curves, early: u64, late: u64) -> f64 {
        let mut draws = Draws::new(4);
        let sample: Vec<Params> = (0..120)
            .map(|_| curves.space().decode(&random_row(curves.space(), || draws.uniform())))
            .collect();
        let at = |epoch| sample.iter().map(|params| curves.loss(params, epoch)).collect::<Vec<_>>();
        let (early, late) = (at(early), at(late));
        let mut sum = 0.0;
        for b in 1..sample.len() {
            for a in 0..b {
                sum += ((early[a] - early[b]) * (late[a] - late[b])).signum();
            }
        }
        2.0 * sum / (sample.len() * (sample.len() - 1)) as f64
    }

    #[test]
    fn early_rankings_are_what_the_kind_says() {
        for definition in curve_definitions() {
            let taus: Vec<f64> = (1..5).map(|seed| agreement(&definition.instance(seed), 1, 27)).collect();
            let mean = taus.iter().sum::<f64>() / 4.0;
            let expected = match definition.kind {
                Kind::Aligned => 0.6..1.0,
                Kind::Crossing | Kind::Noisy => 0.1..0.8,
                Kind::Inverting => -1.0..-0.2,
                Kind::Uninformative => -0.2..0.4,
                Kind::Real => 0.1..0.95,
            };
            assert!(expected.contains(&mean), "{}: {taus:?}", definition.name);
        }
    }

    #[test]
    fn curves_end_at_the_regret_of_the_problem() {
        for definition in curve_definitions().iter().filter(|definition| definition.kind != Kind::Real) {
            let curves = definition.instance(2);
            let mut draws = Draws::new(9);
            for _ in 0..20 {
                let params = curves.space().decode(&random_row(curves.space(), || draws.uniform()));
                let expected = curves.problem.regret(&params).unwrap();
                assert!((curves.loss(&params, 27) - expected).abs() < 1e-9, "{}", definition.name);
                assert!(curves.loss(&params, 1) >= expected - 1e-9, "{}", definition.name);
            }
        }
    }

    #[test]
    fn only_noisy_readings_differ_between_trials() {
        for definition in curve_definitions() {
            let curves = definition.instance(1);
            let params = curves.problem.optimum.clone();
            let same = curves.observe(&params, 9, 1) == curves.observe(&params, 9, 2);
            let noisy = matches!(definition.kind, Kind::Noisy | Kind::Uninformative);
            assert_eq!(same, !noisy, "{}", definition.name);
        }
    }
}
