//! ASHA: successive halving without waiting, as a pure function of the trials so far.
//!
//! A free slot looks at the rungs from the second highest down. With n trials compared at a rung, the
//! best ⌊n / η⌋ may go on; the first of them that is paused is promoted and resumes from its checkpoint.
//! If there is none, a new trial starts at the lowest rung. A trial that failed counts among the n, as
//! the worst. Ties go to the older trial. This is the *set rule*: more than ⌊n / η⌋ trials may be
//! promoted over time, those included that fell behind later, and no later, better trial is ever blocked.
//!
//! Two additions. Many reports at once, as after an interruption, do not turn every slot to promotions:
//! at most half of the slots that are given out together (rounded up) promote while new trials are left.
//! And a budget of few trials, which would end before any rung is large enough, is carried to its end:
//! when nothing else is left to do and no trial has reached the largest fidelity, the best at the
//! highest rung goes on.
//!
//! Li et al., *A System for Massively Parallel Hyperparameter Tuning*, MLSys 2020, Algorithm 2.

use crate::bracket::levels;
use crate::{Decision, Scheduler, end_if_settled};
use automl_core::{Fidelity, Rank, RungResults, Study, Trial, TrialId, TrialState};

/// Asynchronous successive halving that pauses trials at their rung and promotes by checkpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asha;

impl Scheduler for Asha {
    fn decide(&self, study: &Study, free: usize) -> Vec<Decision> {
        let levels = levels(&study.settings.fidelity);
        decide(study, free, &levels, levels.len())
    }
}

/// Decides where trials are promoted among the lowest `open` rungs only, until nothing else is left to do.
pub(crate) fn decide(study: &Study, free: usize, levels: &[Fidelity], open: usize) -> Vec<Decision> {
    let mut decisions: Vec<Decision> = waiting(study, levels).take(free).collect();
    let left = usize::try_from(study.settings.trials.saturating_sub(study.started())).unwrap_or(usize::MAX);
    let slots = free - decisions.len();
    let promotions_max = slots - left.min(slots / 2);
    decisions.extend(promotable(study, &levels[..open]).take(promotions_max));
    let start = Decision::Start { bracket: None, until: levels[0] };
    decisions.extend(std::iter::repeat_n(start, left.min(free - decisions.len())));
    if !decisions.is_empty() || free == 0 {
        return decisions;
    }
    finish(study, levels).map_or_else(|| end_if_settled(study), |decision| vec![decision])
}

/// Trials that wait to be run again, or for their first run, oldest first.
pub(crate) fn waiting<'a>(study: &'a Study, levels: &'a [Fidelity]) -> impl Iterator<Item = Decision> + 'a {
    study
        .in_state(TrialState::Queued)
        .map(|trial| Decision::Run { trial: trial.id, until: target(study, trial, levels) })
}

/// Where a queued trial is going: where it was going before, or to the lowest rung above what it was trained to.
pub(crate) fn target(study: &Study, trial: &Trial, levels: &[Fidelity]) -> Fidelity {
    let before = trial.attempts.last().map(|attempt| attempt.until);
    before.or_else(|| next_level(trial, levels)).unwrap_or(study.settings.fidelity.max)
}

/// The lowest rung above what a trial was trained to.
pub(crate) fn next_level(trial: &Trial, levels: &[Fidelity]) -> Option<Fidelity> {
    levels.iter().copied().find(|level| Some(*level) > trial.trained())
}

/// Promotions that the rule allows, those to the highest rung first, then the best first.
pub(crate) fn promotable<'a>(
    study: &'a Study,
    levels: &'a [Fidelity],
) -> impl Iterator<Item = Decision> + 'a {
    let eta = usize::try_from(study.settings.fidelity.reduction_factor.max(2)).unwrap_or(usize::MAX);
    let steps = levels.windows(2).rev();
    steps.flat_map(move |step| {
        let rung = study.index().rung(step[0]);
        let trials = rung.into_iter().flat_map(move |rung| best_paused(rung, rung.compared() / eta));
        trials.map(move |trial| Decision::Run { trial, until: step[1] })
    })
}

/// Paused trials among the best `count` of a rung, in order.
fn best_paused(rung: &RungResults, count: usize) -> impl Iterator<Item = TrialId> + '_ {
    let is_among = move |rank: &&Rank| rung.results.place(rank) < count;
    rung.paused.iter().take_while(is_among).map(|rank| rank.trial())
}

/// The promotion that brings a study to its end in which no trial has got to the largest fidelity.
pub(crate) fn finish(study: &Study, levels: &[Fidelity]) -> Option<Decision> {
    let index = study.index();
    let busy = index.count(TrialState::Running) + index.count(TrialState::Queued) > 0;
    let finished = index.rung(*levels.last()?).is_some_and(|rung| !rung.results.is_empty());
    if busy || finished {
        return None;
    }
    let best = |step: &[Fidelity]| Some((index.rung(step[0])?.paused.first()?.trial(), step[1]));
    let (trial, until) = levels.windows(2).rev().find_map(best)?;
    Some(Decision::Run { trial, until })
}
