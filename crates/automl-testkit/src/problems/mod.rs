//! Objectives with known optima, by family, for comparing samplers.
//!
//! A [`Definition`] is a kind of objective; a [`Problem`] is one instance of it, drawn from a seed: the
//! optimum lies elsewhere in every instance, rotations and tables are drawn anew, and results are reported on
//! another scale. So nobody gains by proposing the centre, and a sampler that depends on the scale of the
//! results shows it.
//!
//! The tables of real models are the exception: their instances are splits of the data.
//!
//! Every objective is a *gap* of at least 0 that is 0 at the optimum. Regret is the gap divided by that of
//! the median of uniform draws: 0 is perfect, 1 is a coin's work.
//!
//! Nothing here knows a sampler.

mod build;
mod conditional;
mod curves;
mod drawn;
mod landscape;
mod mixed;
mod numeric;
mod rough;
mod table;
mod trade_offs;

pub use build::random_row;
pub use curves::{CurveDefinition, Curves, curve_definitions};
pub use trade_offs::{Reading, TradeOff, TradeOffDefinition, trade_off_definitions};

use automl_core::{Params, SearchSpace, rng};
use build::Draws;
use std::fmt;

/// Uniform draws whose median gap is the unit of regret.
const REFERENCE_DRAWS: u64 = 1001;

/// What kind of difficulty a problem stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// Real numbers only.
    Numeric,
    /// Whole numbers, ordinals and categories beside real numbers.
    Mixed,
    /// Parameters that exist only under some choices.
    Conditional,
    /// Results that differ when repeated.
    Noisy,
    /// Results that are equal over wide regions.
    Plateau,
    /// Regions in which every trial fails.
    Failing,
    /// Errors of real models, computed beforehand.
    Table,
    /// Spaces and functions drawn anew in every instance.
    Drawn,
}

impl Family {
    /// All families, in the order of reports.
    pub const ALL: [Family; 8] = [
        Family::Numeric,
        Family::Mixed,
        Family::Conditional,
        Family::Noisy,
        Family::Plateau,
        Family::Failing,
        Family::Table,
        Family::Drawn,
    ];

    /// Returns the family's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Numeric => "numeric",
            Family::Mixed => "mixed",
            Family::Conditional => "conditional",
            Family::Noisy => "noisy",
            Family::Plateau => "plateau",
            Family::Failing => "failing",
            Family::Table => "table",
            Family::Drawn => "drawn",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A kind of objective.
#[derive(Clone, Copy)]
pub struct Definition {
    /// Short unique name.
    pub name: &'static str,
    /// What it stands for.
    pub family: Family,
    shape: fn(&mut Draws) -> Shape,
}

impl Definition {
    /// Draws the instance that belongs to `seed`.
    ///
    /// # Panics
    /// If the definition is unsound: nearly all of its space fails, or half of it is optimal.
    #[must_use]
    pub fn instance(&self, seed: u64) -> Problem {
        let key = self.name.bytes().fold(rng::derive(&[seed]), |key, byte| rng::derive(&[key, byte.into()]));
        let mut draws = Draws::new(key);
        let Shape { space, optimum, gap, noise } = (self.shape)(&mut draws);
        let mut gaps = reference_gaps(&space, &gap, rng::derive(&[key, 1]));
        gaps.sort_by(f64::total_cmp);
        assert!(gaps.len() as u64 > REFERENCE_DRAWS / 10, "{}: nearly everything fails", self.name);
        let (median, worst) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
        assert!(median > 0.0, "{}: half of the space is optimal", self.name);
        let report = Report { scale: 10_f64.powf(draws.between(-2.0, 2.0)) / median, offset: draws.normal() };
        Problem {
            name: self.name,
            family: self.family,
            space,
            optimum,
            gap,
            median,
            worst,
            noise,
            report,
            key,
        }
    }
}

/// Returns all definitions, families in the order of [`Family::ALL`].
#[must_use]
pub fn definitions() -> Vec<Definition> {
    [
        numeric::DEFINITIONS.as_slice(),
        mixed::DEFINITIONS.as_slice(),
        conditional::DEFINITIONS.as_slice(),
        rough::DEFINITIONS.as_slice(),
        table::DEFINITIONS.as_slice(),
        drawn::DEFINITIONS.as_slice(),
    ]
    .concat()
}

/// Gap of a configuration to the optimum; `None` where the trial fails.
type Gap = Box<dyn Fn(&Params) -> Option<f64> + Send + Sync>;

/// What a definition draws.
struct Shape {
    space: SearchSpace,
    optimum: Params,
    gap: Gap,
    /// Standard deviation of the noise in units of the median gap.
    noise: f64,
}

/// How a gap becomes the value that is reported.
struct Report {
    scale: f64,
    offset: f64,
}

/// One instance of a definition.
pub struct Problem {
    /// Name of the definition.
    pub name: &'static str,
    /// Its family.
    pub family: Family,
    /// What may vary.
    pub space: SearchSpace,
    /// A configuration without regret.
    pub optimum: Params,
    gap: Gap,
    median: f64,
    worst: f64,
    noise: f64,
    report: Report,
    key: u64,
}

impl Problem {
    /// Returns the noise-free regret of a configuration; `None` where the trial fails.
    #[must_use]
    pub fn regret(&self, params: &Params) -> Option<f64> {
        (self.gap)(params).map(|gap| gap / self.median)
    }

    /// Returns the regret of having nothing: the worst of many uniform draws.
    #[must_use]
    pub fn worst_regret(&self) -> f64 {
        self.worst / self.median
    }

    /// Returns what a trial reports, smaller is better; `None` if it fails. Noise belongs to the
    /// trial's number: the same trial reports the same, another one with the same values does not.
    #[must_use]
    pub fn observe(&self, params: &Params, trial: u64) -> Option<f64> {
        let gap = (self.gap)(params)?;
        let noise = if self.noise > 0.0 {
            self.noise * self.median * Draws::new(rng::derive(&[self.key, 2, trial])).normal()
        } else {
            0.0
        };
        Some(self.report.offset + self.report.scale * (gap + noise))
    }

    /// Returns a number that changes when the space or the values reported at a few configurations do.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        fingerprint(&self.space, |params, trial| self.observe(params, trial))
    }
}

/// A number that changes when a space or the values reported at a few of its configurations do.
fn fingerprint(space: &SearchSpace, observe: impl Fn(&Params, u64) -> Option<f64>) -> u64 {
    let text = serde_json::to_string(space).expect("a space always serialises");
    let start = text.bytes().fold(0, |hash, byte| rng::derive(&[hash, byte.into()]));
    let mut draws = Draws::new(7);
    (0..16).fold(start, |hash, trial| {
        let params = space.decode(&random_row(space, || draws.uniform()));
        // Twelve digits: the last bits may differ between machines' mathematical libraries.
        let value = observe(&params, trial).map_or_else(String::new, |value| format!("{value:.11e}"));
        value.bytes().fold(hash, |hash, byte| rng::derive(&[hash, byte.into()]))
    })
}

fn reference_gaps(space: &SearchSpace, gap: &Gap, key: u64) -> Vec<f64> {
    let draw = |index: u64| {
        let mut draws = Draws::new(rng::derive(&[key, index]));
        gap(&space.decode(&random_row(space, || draws.uniform())))
    };
    (0..REFERENCE_DRAWS).filter_map(draw).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_families_complete() {
        let names: BTreeSet<_> = definitions().iter().map(|definition| definition.name).collect();
        assert_eq!(names.len(), definitions().len());
        for family in Family::ALL {
            let members = definitions().iter().filter(|definition| definition.family == family).count();
            assert!(members >= 3, "{family}: {members}");
        }
    }

    #[test]
    fn optimum_has_no_regret_and_nothing_has_less() {
        for definition in definitions() {
            for seed in 1..3 {
                let problem = definition.instance(seed);
                problem
                    .space
                    .check(&problem.optimum)
                    .unwrap_or_else(|why| panic!("{}: {why:?}", problem.name));
                let best = problem.regret(&problem.optimum).expect("the optimum does not fail");
                assert!(best.abs() < 1e-9, "{} seed {seed}: {best}", problem.name);
                let mut draws = Draws::new(seed);
                for _ in 0..100 {
                    let params = problem.space.decode(&random_row(&problem.space, || draws.uniform()));
                    let regret = problem.regret(&params);
                    assert!(regret.is_none_or(|regret| regret >= 0.0), "{}: {regret:?}", problem.name);
                }
            }
        }
    }

    #[test]
    fn random_search_leaves_room_for_improvement() {
        for definition in definitions() {
            let problem = definition.instance(1);
            let mut draws = Draws::new(3);
            let best = (0..100)
                .filter_map(|_| {
                    let params = problem.space.decode(&random_row(&problem.space, || draws.uniform()));
                    problem.regret(&params)
                })
                .fold(f64::INFINITY, f64::min);
            assert!(best > 1e-4 || problem.family == Family::Table, "{} is too easy: {best}", problem.name);
        }
    }

    #[test]
    fn instances_differ_by_seed_and_repeat_for_one() {
        for definition in definitions() {
            let (a, b) = (definition.instance(1), definition.instance(2));
            assert_eq!(a.fingerprint(), definition.instance(1).fingerprint(), "{}", a.name);
            assert_ne!(a.fingerprint(), b.fingerprint(), "{}", a.name);
            assert!(a.family == Family::Table || a.optimum != b.optimum, "{}", a.name);
        }
    }

    #[test]
    fn only_noisy_problems_report_noise() {
        for definition in definitions() {
            let problem = definition.instance(1);
            let same = problem.observe(&problem.optimum, 1) == problem.observe(&problem.optimum, 2);
            assert_eq!(same, !problem.name.contains("noisy"), "{}", problem.name);
            assert_eq!(problem.observe(&problem.optimum, 1), problem.observe(&problem.optimum, 1));
        }
    }

    #[test]
    fn failing_problems_fail_in_part_of_the_space_and_others_never() {
        for definition in definitions() {
            let problem = definition.instance(2);
            let mut draws = Draws::new(5);
            let failed = (0..200)
                .filter(|_| {
                    let params = problem.space.decode(&random_row(&problem.space, || draws.uniform()));
                    problem.regret(&params).is_none()
                })
                .count();
            let expected = if definition.family == Family::Failing { 20..140 } else { 0..1 };
            assert!(expected.contains(&failed), "{}: {failed} of 200", problem.name);
        }
    }
}
