//! Whether what a search may propose, or what a job is started with, keeps to the rules between keys.
//!
//! Specs are built from configurations all over the space and held against the schema's rules, before
//! anything runs. Each trial's spec is checked once more when it is built, so that a rule broken only in some
//! corner costs one trial and not a training.

use crate::problem::{Code, Problem, Problems};
use crate::recipe::{AttemptContext, RecipeError, SpecRecipe, TrialRecipe};
use automl_core::{Encoding, Params, SearchSpace};
use std::path::Path;

/// Configurations tried beside the defaults and the space's corners.
const PROBES: u64 = 32;
/// Stands for folders that do not exist yet.
const NOWHERE: &str = "/nowhere";

/// Checks configurations of a search.
///
/// # Errors
/// Each rule that some configuration breaks, once, with that configuration.
pub(super) fn check_search(trial: &TrialRecipe, space: &SearchSpace, length: u64) -> Result<(), Problems> {
    let Some(spec) = trial.spec.as_ref().filter(|spec| !spec.between_keys.is_empty()) else { return Ok(()) };
    let decoded = rows(space).into_iter().map(|row| space.decode(&row));
    let configurations: Vec<Params> = space.defaults().into_iter().chain(decoded).collect();
    let mut found: Vec<Found> = Vec::new();
    for params in &configurations {
        for (key, message) in breaches(spec, params, length) {
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
    let spec = trial.spec.as_ref();
    let found = spec.map(|spec| breaches(spec, &Params::default(), length)).unwrap_or_default();
    let problem = |(key, message): (String, String)| Problem::plain("spec", &key, Code::BadValue, message);
    let problems: Vec<Problem> = found.into_iter().map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

/// Returns keys and messages of the rules that the spec of a configuration breaks. A spec that cannot be built
/// without a secret is left to the attempt.
fn breaches(spec: &SpecRecipe, params: &Params, length: u64) -> Vec<(String, String)> {
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
    let built: Result<_, RecipeError> = spec.build_traced(&context, &mut Default::default());
    let found = built.map(|spec_values| spec.breaches(&spec_values)).unwrap_or_default();
    found.into_iter().map(|breach| (breach.key, breach.message)).collect()
}

/// Rows all over the unit cube: each parameter at its ends with the others in the middle, then a lattice.
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
    let ends =
        (0..encodings.len()).flat_map(|j| [0.0, 1.0].map(|end| row(&|i| if i == j { end } else { 0.5 })));
    // Multiples of irrational numbers spread evenly, each dimension by a step of its own.
    let lattice = (1..=PROBES).map(|n| row(&|i| (n as f64 * ((i + 2) as f64).ln()).fract()));
    ends.chain(lattice).chain([row(&|_| 0.0), row(&|_| 1.0)]).collect()
}
