//! What a sampler may know about the trials so far.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeSet;

use automl_core::{Fidelity, Loss, Params, SearchSpace, TrialId};

use crate::axes::Axes;

/// One finished measurement of a configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The trial.
    pub trial: TrialId,
    /// Its values.
    pub params: Params,
    /// Its result, smaller is better.
    pub loss: Loss,
    /// The fidelity at which the loss was measured.
    pub fidelity: Fidelity,
    /// Losses of further objectives, in the study's order; empty for a single objective.
    pub others: Vec<Loss>,
    /// One number per constraint that depends on results, at most 0 where it holds; empty without any.
    pub violations: Vec<f64>,
}

impl Observation {
    /// A result of a study with one objective and no constraints.
    pub fn single(trial: TrialId, params: Params, loss: Loss, fidelity: Fidelity) -> Self {
        Self { trial, params, loss, fidelity, others: Vec::new(), violations: Vec::new() }
    }

    /// Orders results that meet their constraints by loss, then the others by how far they miss them;
    /// ties by trial.
    pub(crate) fn rank(&self, other: &Self) -> Ordering {
        self.rank_with(other, self.loss.cmp(&other.loss))
    }

    /// [`Observation::rank`] with another order of the results than that of their first losses.
    pub(crate) fn rank_with(&self, other: &Self, results: Ordering) -> Ordering {
        self.excess().total_cmp(&other.excess()).then(results).then(self.trial.cmp(&other.trial))
    }

    /// Sum of what exceeds 0 in the constraints; NaN counts as infinite.
    pub(crate) fn excess(&self) -> f64 {
        let above = |&violation: &f64| if violation.is_nan() { f64::INFINITY } else { violation.max(0.0) };
        self.violations.iter().map(above).fold(0.0, |sum, above| sum + above)
    }

    /// Whether every constraint holds; NaN counts as violated.
    pub fn is_feasible(&self) -> bool {
        self.violations.iter().all(|&violation| violation <= 0.0)
    }
}

/// Everything a suggestion depends on besides the space, the trial number and the seed.
///
/// The order within the lists does not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Results. A trial may appear several times, at several fidelities.
    pub observations: Vec<Observation>,
    /// Trials without a result yet.
    pub pending: Vec<(TrialId, Params)>,
    /// Trials that ended without a result.
    pub failed: Vec<(TrialId, Params)>,
    /// `theta` of the latest suggestion that has one; empty is allowed and only costs time.
    pub theta: Vec<f64>,
    /// Number of trials the study will have, where known: a short study starts modelling earlier.
    pub budget: Option<u64>,
}

impl History {
    /// Returns the keys of all configurations that have or had a trial.
    pub(crate) fn keys(&self) -> BTreeSet<String> {
        let observed = self.observations.iter().map(|observation| &observation.params);
        let others = self.pending.iter().chain(&self.failed).map(|(_, params)| params);
        observed.chain(others).map(Params::key).collect()
    }

    /// Returns the history without the trials whose values do not belong to the space.
    ///
    /// They come from elsewhere, or from before bounds were changed. Moving them into the bounds would put
    /// their results where they were not measured.
    pub(crate) fn within(&self, space: &SearchSpace) -> Cow<'_, Self> {
        let axes = Axes::new(space);
        let belongs = |params: &Params| axes.holds(params);
        let listed = |trials: &[(TrialId, Params)]| trials.iter().all(|(_, params)| belongs(params));
        let all = self.observations.iter().all(|observation| belongs(&observation.params));
        if all && listed(&self.pending) && listed(&self.failed) {
            return Cow::Borrowed(self);
        }
        let mut inside = self.clone();
        inside.observations.retain(|observation| belongs(&observation.params));
        inside.pending.retain(|(_, params)| belongs(params));
        inside.failed.retain(|(_, params)| belongs(params));
        Cow::Owned(inside)
    }

    /// Tells whether a configuration has or had a trial.
    pub(crate) fn contains(&self, params: &Params) -> bool {
        let others = self.pending.iter().chain(&self.failed);
        self.observations.iter().any(|observation| observation.params == *params)
            || others.map(|(_, tried)| tried).any(|tried| tried == params)
    }

    /// Returns the number of trials in any state, counting no further than `limit`.
    pub(crate) fn trials_up_to(&self, limit: usize) -> usize {
        let observed = self.observations.iter().map(|observation| observation.trial);
        let others = self.pending.iter().chain(&self.failed).map(|(trial, _)| *trial);
        let mut seen = BTreeSet::new();
        let mut new = observed.chain(others).filter(|trial| seen.insert(*trial));
        new.by_ref().take(limit).count()
    }
}
