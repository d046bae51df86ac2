//! What is tried before any model: the default configuration, then scrambled Sobol points.

use automl_core::{SearchSpace, TrialId};

use crate::quasi::suggest_point;
use crate::{History, SuggestError, Suggestion};

/// Trials before the model takes over, and fewer of them in up to two dimensions.
const STARTUP: u64 = 10;
const STARTUP_LOW_DIMENSION: u64 = 6;
/// A study of known length spends at most a quarter of it on startup, but at least three trials.
const STARTUP_MIN: u64 = 3;

/// Returns how many trials come before the model; `dimension` is the number of parameters that vary.
pub(crate) fn startup_trials(dimension: usize, budget: Option<u64>) -> u64 {
    let usual = if dimension <= 2 { STARTUP_LOW_DIMENSION } else { STARTUP };
    budget.map_or(usual, |budget| usual.min((budget / 4).max(STARTUP_MIN)))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn startup_depends_on_dimension_and_budget() {
        assert_eq!(startup_trials(2, None), 6);
        assert_eq!(startup_trials(3, None), 10);
        assert_eq!(startup_trials(3, Some(20)), 5);
        assert_eq!(startup_trials(3, Some(4)), 3);
        assert_eq!(startup_trials(3, Some(400)), 10);
    }
}
