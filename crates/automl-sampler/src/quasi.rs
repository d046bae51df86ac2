//! Points of a scrambled Sobol sequence: the trial number is the index.

use automl_core::rng::derive;
use automl_core::{SearchSpace, TrialId};

use crate::design::Design;
use crate::{History, Sampler, Sobol, SuggestError, Suggestion, fresh, stream};

/// Spreads trials evenly, whatever their results.
///
/// Trial numbers start at 1, so that the origin of the unscrambled sequence (index 0) is left out.
/// Inactive parameters use up their coordinate, which keeps the mapping of the others fixed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quasi;

impl Sampler for Quasi {
    fn suggest(
        &self,
        space: &SearchSpace,
        history: &History,
        trial: TrialId,
        seed: u64,
    ) -> Result<Suggestion, SuggestError> {
        suggest_point(space, history, trial, seed, "it covers the space evenly")
    }
}

/// Returns the Sobol point of a trial, or a random configuration where that one has been tried.
pub(crate) fn suggest_point(
    space: &SearchSpace,
    history: &History,
    trial: TrialId,
    seed: u64,
    why: &str,
) -> Result<Suggestion, SuggestError> {
    let design = Design::new(space);
    let sobol = Sobol::new(design.columns().len(), derive(&[seed, stream::DESIGN]));
    let params = design.params(&design.row_from_units(&sobol.point(trial.0)));
    if history.contains(&params) {
        let params = fresh::draw(space, history, trial, seed)?;
        let reason = "a random configuration, because the Sobol point has been tried".into();
        return Ok(Suggestion::plain(params, "random", reason));
    }
    Ok(Suggestion::plain(params, "sobol", format!("point {trial} of a scrambled Sobol sequence: {why}")))
}
