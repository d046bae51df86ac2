//! Independent draws: uniform on every parameter's scale, categories by their weights.

use automl_core::{SearchSpace, TrialId};

use crate::{History, Sampler, SuggestError, Suggestion, fresh};

/// Draws every trial independently of all results.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl Sampler for Random {
    fn suggest(
        &self,
        space: &SearchSpace,
        history: &History,
        trial: TrialId,
        seed: u64,
    ) -> Result<Suggestion, SuggestError> {
        // Comparing one configuration is cheap; the keys of all are only worth it where it has been tried.
        let first = fresh::first(space, trial, seed);
        let params = match history.contains(&first) {
            false => first,
            true => fresh::draw(space, history, trial, seed)?,
        };
        Ok(Suggestion::plain(params, "random", "an independent draw from the whole space".into()))
    }
}
