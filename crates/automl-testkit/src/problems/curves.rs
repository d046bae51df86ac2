//! Learning curves over configurations: how a loss approaches its final value, epoch by epoch.
//!
//! A [`CurveDefinition`] lays curves over a problem: the final loss is the problem's regret, and what happens
//! before is what makes early stopping easy, hard or harmful. Losses are noise-free regrets plus whatever the
//! training still lacks, so the loss of a model is its regret and 0 is perfect.

mod prior;
mod real;

use super::build::Draws;
use super::{Definition, Problem, definitions, fingerprint};
use automl_core::{Params, SearchSpace, rng};
use prior::Prior;
use real::RealCurves;

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
    /// Errors of real models after each epoch.
    Real,
    /// Shapes, speeds, overfitting and noise drawn anew in every instance.
    Drawn,
}

/// A kind of curves over a kind of problem.
#[derive(Clone, Copy)]
pub struct CurveDefinition {
    /// Short unique name.
    pub name: &'static str,
    /// Problem that the curves are laid over, or table that they are read from.
    problem: &'static str,
    kind: Kind,
}

const fn curves(name: &'static str, problem: &'static str, kind: Kind) -> CurveDefinition {
    CurveDefinition { name, problem, kind }
}

const DEFINITIONS: [CurveDefinition; 18] = [
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
    curves("real-perceptron-5", "network", Kind::Real),
    curves("real-boosting-5", "boosting", Kind::Real),
    curves("real-linear-4", "linear", Kind::Real),
    curves("real-momentum-4", "momentum", Kind::Real),
    curves("drawn-curves-numeric", "drawn-numeric", Kind::Drawn),
    curves("drawn-curves-mixed", "drawn-mixed", Kind::Drawn),
    curves("drawn-curves-conditional", "drawn-conditional", Kind::Drawn),
    curves("drawn-curves-noisy", "drawn-noisy", Kind::Drawn),
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
            Kind::Drawn => "drawn",
        }
    }

    /// Draws the instance that belongs to `seed`.
    ///
    /// # Panics
    /// Never: every definition names a problem or a table.
    #[must_use]
    pub fn instance(&self, seed: u64) -> Curves {
        let key = rng::derive(&[seed, 77, self.kind as u64]);
        let source = match self.kind {
            Kind::Real => Source::Table(RealCurves::new(self.problem, seed)),
            Kind::Drawn => {
                let problem = self.problem(seed);
                let prior = Box::new(Prior::new(&mut Draws::new(key), &problem.space));
                Source::Prior(problem, prior)
            }
            kind => {
                let problem = self.problem(seed);
                let mut draws = Draws::new(key);
                let direction = problem.space.parameters().iter().map(|_| draws.normal()).collect();
                Source::Laid(Laid { problem, kind, direction })
            }
        };
        Curves { source, key }
    }

    fn problem(&self, seed: u64) -> Problem {
        let of_name = |definition: &Definition| definition.name == self.problem;
        let definition = definitions().into_iter().find(of_name);
        definition.expect("curves that are laid over a problem name one").instance(seed)
    }
}

/// One instance: a loss for every configuration and epoch.
pub struct Curves {
    source: Source,
    key: u64,
}

enum Source {
    Laid(Laid),
    Prior(Problem, Box<Prior>),
    Table(RealCurves),
}

impl Curves {
    /// Returns what may vary.
    #[must_use]
    pub fn space(&self) -> &SearchSpace {
        match &self.source {
            Source::Laid(Laid { problem, .. }) | Source::Prior(problem, _) => &problem.space,
            Source::Table(table) => table.space(),
        }
    }

    /// Returns the noise-free loss after so many epochs: the regret of that model.
    ///
    /// # Panics
    /// If `params` do not belong to the space, or the epoch is 0 or above [`CurveDefinition::EPOCHS`].
    #[must_use]
    pub fn loss(&self, params: &Params, epoch: u64) -> f64 {
        let epochs = CurveDefinition::EPOCHS;
        assert!((1..=epochs).contains(&epoch), "epoch {epoch} of {epochs}");
        let share = epoch as f64 / epochs as f64;
        match &self.source {
            Source::Laid(laid) => laid.loss(params, share),
            Source::Prior(problem, prior) => prior.loss(params, share, regret(problem, params)),
            Source::Table(table) => table.loss(params, epoch),
        }
    }

    /// Returns what a program reports: the loss, noisy where the kind says so.
    #[must_use]
    pub fn observe(&self, params: &Params, epoch: u64, trial: u64) -> f64 {
        let noise = match &self.source {
            Source::Laid(Laid { kind: Kind::Noisy, .. }) => 0.1,
            Source::Laid(Laid { kind: Kind::Uninformative, .. }) => 0.02,
            Source::Laid(_) | Source::Table(_) => 0.0,
            Source::Prior(_, prior) => prior.noise(),
        };
        self.loss(params, epoch) + noise * Draws::new(rng::derive(&[self.key, trial, epoch])).normal()
    }

    /// Returns a number that changes when the space or the values reported of a few configurations do.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        fingerprint(self.space(), |params, trial| Some(self.observe(params, 1 + trial % 27, trial)))
    }
}

fn regret(problem: &Problem, params: &Params) -> f64 {
    problem.regret(params).expect("problems with curves do not fail")
}

/// Curves of one simple kind over a problem.
struct Laid {
    problem: Problem,
    kind: Kind,
    /// Speed of training along the columns of a row.
    direction: Vec<f64>,
}

impl Laid {
    fn loss(&self, params: &Params, share: f64) -> f64 {
        let last = regret(&self.problem, params);
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
            Kind::Real | Kind::Drawn => unreachable!("not laid over a problem"),
        }
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
                Kind::Real => 0.0..0.95,
                // Anything from no relation to equal, by instance.
                Kind::Drawn => -0.9..1.0,
            };
            assert!(expected.contains(&mean), "{}: {taus:?}", definition.name);
        }
    }

    #[test]
    fn curves_end_at_the_regret_of_the_problem() {
        for definition in curve_definitions() {
            let curves = definition.instance(2);
            let (Source::Laid(Laid { problem, .. }) | Source::Prior(problem, _)) = &curves.source else {
                continue;
            };
            let mut draws = Draws::new(9);
            for _ in 0..20 {
                let params = curves.space().decode(&random_row(curves.space(), || draws.uniform()));
                let expected = problem.regret(&params).unwrap();
                assert!((curves.loss(&params, 27) - expected).abs() < 1e-9, "{}", definition.name);
                assert!((1..27).all(|epoch| curves.loss(&params, epoch) >= 0.0), "{}", definition.name);
                if definition.kind != Kind::Drawn {
                    assert!(curves.loss(&params, 1) >= expected - 1e-9, "{}", definition.name);
                }
            }
        }
    }

    #[test]
    fn only_noisy_readings_differ_between_trials() {
        for definition in curve_definitions() {
            let curves = definition.instance(1);
            let params = curves.space().decode(&random_row(curves.space(), || 0.4));
            let same = curves.observe(&params, 9, 1) == curves.observe(&params, 9, 2);
            let noisy = matches!(definition.kind, Kind::Noisy | Kind::Uninformative | Kind::Drawn);
            assert_eq!(same, !noisy, "{}", definition.name);
        }
    }

    #[test]
    fn fingerprints_belong_to_one_instance() {
        let prints = |seed| curve_definitions().iter().map(move |d| d.instance(seed).fingerprint()).collect();
        let (first, second): (Vec<u64>, Vec<u64>) = (prints(1), prints(2));
        assert_eq!(first, prints(1));
        assert!(first.iter().zip(&second).all(|(a, b)| a != b));
    }

    #[test]
    fn drawn_instances_reach_from_helpful_to_useless_early_losses() {
        let drawn = || curve_definitions().into_iter().filter(|definition| definition.kind == Kind::Drawn);
        let taus: Vec<f64> =
            drawn().flat_map(|d| (1..9).map(move |seed| agreement(&d.instance(seed), 1, 27))).collect();
        let between = |low, high| taus.iter().filter(|tau| (low..high).contains(*tau)).count();
        assert!(between(0.6, 1.0) > 2 && between(-1.0, 0.2) > 2 && between(0.2, 0.6) > 2, "{taus:?}");
    }
}
