//! The sampler of BOHB: a Parzen estimator at the highest rung with enough results, and one trial in three that it has
//! no say in, so that a model of misleading rungs cannot keep the search from any part of the space.
//!
//! The estimator is that of [`Tpe`], which models categories, conditions and dependence as the paper's does and has
//! measured settings. Falkner, Klein and Hutter, *BOHB: Robust and Efficient Hyperparameter Optimization at Scale*,
//! ICML 2018.

use automl_core::rng::uniform;
use automl_core::{SearchSpace, TrialId};

use crate::quasi::suggest_point;
use crate::tpe::Tpe;
use crate::{History, Sampler, SuggestError, Suggestion, stream};

/// Share of the trials that no model proposes.
const WITHOUT_MODEL: f64 = 1.0 / 3.0;

/// A Parzen estimator for two trials in three.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bohb;

impl Sampler for Bohb {
    fn suggest(
        &self,
        space: &SearchSpace,
        history: &History,
        trial: TrialId,
        seed: u64,
    ) -> Result<Suggestion, SuggestError> {
        if uniform(&[seed, stream::WITHOUT_MODEL, trial.0]) < WITHOUT_MODEL {
            let why = "one trial in three covers the space, whatever the model says";
            return suggest_point(space, &history.within(space), trial, seed, why);
        }
        Tpe.suggest(space, history, trial, seed)
    }
}
