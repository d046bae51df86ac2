//! Whether what a search may propose, or what a job is started with, keeps to the rules between keys.
//!
//! Specs are built from configurations all over the space and held against the schema's rules, before
//! anything runs. Each trial's spec is checked once more when it is built, so that a rule broken only in some
//! corner costs one trial and not a training.

use crate::problem::{Code, Problem, Problems};
use crate::recipe::{AttemptContext, RecipeError, TrialRecipe};
use automl_core::{Encoding, Params, SearchSpace};
use std::path::Path;

/// Configurations tried beside the defaults and the pairs.
const PROBES: u64 = 16;
/// Units at which each parameter of a pair is tried.
const LEVELS: [f64; 3] = [0.0, 0.5, 1.0];
/// Parameters that are tried in pairs; those beyond are tried by the lattice alone.
const MAX_PAIRED: usize = 16;
/// Stands for folders that do not exist yet.
const NOWHERE: &str = "/nowhere";

/// Checks configurations of a search.
///
/// # Errors
/// Each rule that some configuration breaks, once, with that configuration.
pub(super) fn check_search(trial: &TrialRecipe, space: &SearchSpace, length: u64) -> Result<(), Problems> {
    if trial.spec.as_ref().is_none_or(|spec| spec.between_keys.is_empty()) {
        return Ok(());
    }
    let decoded = rows(space).into_iter().map(|row| space.decode(&row));
    let configurations: Vec<Params> = space.defaults().into_iter().chain(decoded).collect();
    let mut found: Vec<Found> = Vec::new();
    for params in &configurations {
        for (key, message) in breaches(trial, params, length) {
            match found.iter_mut().find(|known| known.key == key) {
                Some(known) => known.times += 1,
                None => found.push(Found { key, message, params, times: 1 }),
            }
        }
    }
    let problems: Vec<Problem> = found.iter().map(|found| found.problem(configurations.len())).collect();
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

/// A rule that some configurations break.
struct Found<'p> {
    key: String,
    message: String,
    /// The first configuration that breaks it.
    params: &'p Params,
    times: usize,
}

impl Found<'_> {
    /// What every configuration breaks has nothing to do with the parameters.
    fn problem(&self, configurations: usize) -> Problem {
        let hint = match self.times == configurations {
            true => format!("--set {}=VALUE", self.key),
            false => format!("found with {}; narrow a parameter with --bound", self.params),
        };
        Problem::plain("spec", &self.key, Code::BadValue, self.message.clone()).with_hint(hint)
    }
}

/// Checks the spec of a plain job.
///
/// # Errors
/// Each rule that it breaks.
pub(super) fn check_job(trial: &TrialRecipe, length: u64) -> Result<(), Problems> {
    let found = breaches(trial, &Params::default(), length);
    let problem = |(key, message): (String, String)| Problem::plain("spec", &key, Code::BadValue, message);
    let problems: Vec<Problem> = found.into_iter().map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

/// Returns keys and messages of the rules that the spec of a configuration breaks. A spec that cannot be built
/// without a secret is left to the attempt.
fn breaches(trial: &TrialRecipe, params: &Params, length: u64) -> Vec<(String, String)> {
    let Some(spec) = &trial.spec else { return Vec::new() };
    let context = AttemptContext {
        study: "probe",
        trial: 1,
        attempt: 1,
        params,
        trial_dir: Path::new(NOWHERE),
        results_dir: Path::new(NOWHERE),
        downloads_dir: Path::new(NOWHERE),
        until: length,
        max_fidelity: length,
        resume_from: None,
        seed: 0,
        gpus: &[],
    };
    let built: Result<_, RecipeError> =
        spec.build_traced(&context, trial.fidelity_parts, &mut Default::default());
    let found = built.map(|spec_values| spec.breaches(&spec_values)).unwrap_or_default();
    found.into_iter().map(|breach| (breach.key, breach.message)).collect()
}

/// Rows all over the unit cube: each pair of parameters at its ends and middles with the others in the middle,
/// which is where rules between two keys break, then a lattice.
fn rows(space: &SearchSpace) -> Vec<Vec<f64>> {
    let encodings = space.encodings();
    let value = |encoding: &Encoding, unit: f64| match encoding {
        Encoding::Categorical { choices } => {
            (unit * f64::from(*choices)).floor().min(f64::from(*choices) - 1.0)
        }
        _ => unit,
    };
    let row = |unit: &dyn Fn(usize) -> f64| -> Vec<f64> {
        encodings.iter().enumerate().map(|(i, encoding)| value(encoding, unit(i))).collect()
    };
    let paired = encodings.len().min(MAX_PAIRED);
    let pairs = (0..paired).flat_map(|i| (i..paired).map(move |j| (i, j)));
    let levels = LEVELS.iter().flat_map(|a| LEVELS.iter().map(move |b| (*a, *b)));
    let of_pair = |(i, j): (usize, usize)| {
        let at = move |a: f64, b: f64| {
            move |k: usize| {
                if k == i {
                    a
                } else if k == j {
                    b
                } else {
                    0.5
                }
            }
        };
        levels.clone().map(|(a, b)| row(&at(a, b))).collect::<Vec<_>>()
    };
    // Multiples of irrational numbers spread evenly, each dimension by a step of its own.
    let lattice = (1..=PROBES).map(|n| row(&|i| (n as f64 * ((i + 2) as f64).ln()).fract()));
    pairs.flat_map(of_pair).chain(lattice).collect()
}
