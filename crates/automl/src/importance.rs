//! Which parameters matter: the one place that asks the samplers' analysis.

use crate::engine::history;
use automl_core::Study;
pub use automl_sampler::Importance;

/// Returns the importance of every parameter that varies, the largest first; shares add up to 1. Empty
/// where there are too few results to say anything.
#[must_use]
pub fn importance(study: &Study) -> Vec<Importance> {
    automl_sampler::importance(&study.settings.space, &history::observations(study))
}
