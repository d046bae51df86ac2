//! A configuration that has not been tried, by independent draws and, if need be, by enumeration.

use automl_core::rng::uniform;
use automl_core::{Params, SearchSpace, TrialId};

use crate::design::Design;
use crate::{History, SuggestError, stream};

/// Draws before a finite space is enumerated.
const ATTEMPTS: u64 = 64;
/// Configurations enumerated at most; a larger space has not been tried out by 64 draws that all hit.
const ENUMERATED_MAX: u64 = 1 << 20;

/// Returns a configuration drawn uniformly (categories by weight) that has had no trial.
pub(crate) fn draw(
    space: &SearchSpace,
    history: &History,
    trial: TrialId,
    seed: u64,
) -> Result<Params, SuggestError> {
    let design = Design::new(space);
    let attempt = |attempt: u64| drawn(&design, trial, seed, attempt);
    if let Some(params) = (0..ATTEMPTS).map(attempt).find(|params| !history.contains(params)) {
        return Ok(params);
    }
    let Some(size) = space.size() else {
        return Ok(attempt(0));
    };
    let tried = history.keys();
    let start = (uniform(&[seed, stream::FRESH, trial.0]) * size as f64) as u64;
    let indices = (0..size.min(ENUMERATED_MAX)).map(|k| (start + k) % size);
    let mut configurations = indices.map(|index| design.params(&design.row_at(index)));
    let untried = configurations.find(|params| !tried.contains(&params.key()));
    untried.ok_or(SuggestError::Exhausted { size, tried: tried.len() as u64 })
}

/// Returns what [`draw`] tries first: a configuration that may have been tried.
pub(crate) fn first(space: &SearchSpace, trial: TrialId, seed: u64) -> Params {
    drawn(&Design::new(space), trial, seed, 0)
}

fn drawn(design: &Design<'_>, trial: TrialId, seed: u64, attempt: u64) -> Params {
    let dimensions = 0..design.columns().len() as u64;
    let unit = |dimension| uniform(&[seed, stream::FRESH, trial.0, attempt, dimension]);
    design.params(&design.row_from_units(&dimensions.map(unit).collect::<Vec<_>>()))
}
