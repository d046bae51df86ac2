//! Which parameters matter: the one place that asks the samplers' analysis.

use crate::engine::history;
use automl_core::{Objective, Study};
pub use automl_sampler::Importance;

/// Returns for each objective the importance of every parameter that varies, the largest first; shares add up to 1.
/// A list is empty where there are too few results to say anything.
#[must_use]
pub fn importance(study: &Study) -> Vec<(&Objective, Vec<Importance>)> {
    let (settings, observations) = (&study.settings, history::observations(study));
    let of = |objective| automl_sampler::importance(&settings.space, &observations, objective);
    settings.objectives().zip((0..).map(of)).collect()
}
