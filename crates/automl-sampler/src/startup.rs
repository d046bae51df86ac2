//! What is tried before any model: the default configuration, then scrambled Sobol points.

use automl_core::{SearchSpace, TrialId};

use crate::bayes::startup_trials;
use crate::quasi::suggest_point;
use crate::{History, SuggestError, Suggestion};

/// Returns the suggestion of a trial that comes before the model, and `None` for later ones.
///
/// `dimension` is the number of parameters that vary.
pub(crate) fn opening(
    space: &SearchSpace,
    history: &History,
    trial: TrialId,
    seed: u64,
    dimension: usize,
) -> Option<Result<Suggestion, SuggestError>> {
    let startup = startup_trials(dimension, history.budget);
    let trials = history.trials_up_to(startup as usize) as u64;
    if let Some(params) = space.defaults().filter(|_| trials == 0) {
        let reason = "the default configuration, tried first".into();
        return Some(Ok(Suggestion::plain(params, "default", reason)));
    }
    (trials < startup).then(|| {
        let why = format!("trial {} of {startup} before the model", trials + 1);
        suggest_point(space, history, trial, seed, &why)
    })
}
