//! What is tried before any model: the default configuration, then scrambled Sobol points.

use automl_core::{SearchSpace, TrialId};

use crate::quasi::suggest_point;
use crate::{History, SuggestError, Suggestion};

/// Trials before a Gaussian process takes over: one for each parameter, within these bounds. Other models begin with the
/// most.
const STARTUP: std::ops::RangeInclusive<u64> = 7..=10;
/// The same for up to two parameters.
const STARTUP_LOW_DIMENSION: u64 = 6;
/// A study of known length spends at most a quarter of it on startup, but at least three trials.
const STARTUP_MIN: u64 = 3;

/// Returns how many trials come before a Gaussian process; `dimension` is the number of parameters that vary.
pub(crate) fn startup_trials(dimension: usize, budget: Option<u64>) -> u64 {
    usual(dimension, (dimension as u64).clamp(*STARTUP.start(), *STARTUP.end()), budget)
}

/// As [`startup_trials`], for a model that learns less from few results, or whose first trials cost little.
pub(crate) fn long_startup_trials(dimension: usize, budget: Option<u64>) -> u64 {
    usual(dimension, *STARTUP.end(), budget)
}

fn usual(dimension: usize, trials: u64, budget: Option<u64>) -> u64 {
    let trials = if dimension <= 2 { STARTUP_LOW_DIMENSION } else { trials };
    budget.map_or(trials, |budget| trials.min((budget / 4).max(STARTUP_MIN)))
}

/// Returns the suggestion of a trial that comes before the model, and `None` for later ones; `startup` is the number of
/// the former.
pub(crate) fn opening(
    space: &SearchSpace,
    history: &History,
    trial: TrialId,
    seed: u64,
    startup: u64,
) -> Option<Result<Suggestion, SuggestError>> {
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
        assert_eq!([1, 5, 8, 10, 30].map(|dimension| startup_trials(dimension, None)), [6, 7, 8, 10, 10]);
        assert_eq!([4, 20, 28, 400].map(|budget| startup_trials(8, Some(budget))), [3, 5, 7, 8]);
        assert_eq!([None, Some(20), Some(400)].map(|budget| long_startup_trials(3, budget)), [10, 5, 10]);
        assert_eq!(long_startup_trials(2, None), 6);
    }
}
