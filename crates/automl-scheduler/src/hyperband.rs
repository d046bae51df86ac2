//! Hyperband as a pure function of the trials so far.
//!
//! Brackets follow each other, over and over, until the budget of trials is spent; the last one is
//! truncated to what is left. A rung is decided when all of its trials have reached it or failed: the
//! best go on, ties to the older trial, failed ones never. A trial that goes on resumes from its
//! checkpoint. Slots that a waiting rung leaves idle are given to the next bracket (as DEHB does), so
//! that a straggler blocks nobody; with one slot the order is that of the paper. Where all that went to the largest fidelity
//! failed there, the best of the highest rung goes on in the end, so that a search has a finished trial if it can.
//!
//! Invariants, driven by `tests/simulate.rs`: a trial belongs to one bracket and its fidelity never
//! falls; a rung never holds more trials than its size; no decision is lost or repeated by a restart.
//!
//! Li et al., *Hyperband*, JMLR 18 (2018), Algorithm 1; see `bracket.rs` for the rounding.

use crate::asha::{finish, waiting};
use crate::bracket::{Bracket, Rung, brackets, levels};
use crate::{Decision, Scheduler, end_if_settled};
use automl_core::{FidelityPlan, Study, Trial, TrialState};

/// Synchronous Hyperband that pauses trials at their rung and promotes by checkpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hyperband;

impl Scheduler for Hyperband {
    fn decide(&self, study: &Study, free: usize) -> Vec<Decision> {
        decide_brackets(study, free, &Iteration::of(brackets(&study.settings.fidelity)))
    }
}

/// Synchronous successive halving: Hyperband with its most aggressive bracket only, over and over.
///
/// Jamieson and Talwalkar, *Non-stochastic Best Arm Identification and Hyperparameter Optimization*,
/// AISTATS 2016.
#[derive(Clone, Copy, Debug, Default)]
pub struct SuccessiveHalving;

impl Scheduler for SuccessiveHalving {
    fn decide(&self, study: &Study, free: usize) -> Vec<Decision> {
        decide_brackets(study, free, &Iteration::of(halving_brackets(&study.settings.fidelity)))
    }
}

/// Returns the one bracket of successive halving.
pub(crate) fn halving_brackets(plan: &FidelityPlan) -> Vec<Bracket> {
    let mut brackets = brackets(plan);
    brackets.truncate(1);
    brackets
}

/// Decides for brackets that follow each other, over and over.
pub(crate) fn decide_brackets(study: &Study, free: usize, iteration: &Iteration) -> Vec<Decision> {
    let budgeted = Budgeted::new(study, iteration);
    let mut decisions = Vec::new();
    let begun = study.index().awake().into_iter();
    let new = study.index().last_bracket().map_or(0, |last| last + 1)..;
    for number in begun.chain(new) {
        let Some(bracket) = budgeted.bracket(number).filter(|_| decisions.len() < free) else { break };
        let members = study.index().in_bracket(number).filter_map(|id| study.trials.get(&id));
        let before = decisions.len();
        decide_bracket(study, number, &bracket, members.collect(), free, &mut decisions);
        if decisions.len() == before {
            study.index().rest(number);
        }
    }
    // Brackets that grew with a raised fidelity may want more trials than the budget has.
    let mut left = study.settings.trials.saturating_sub(study.started());
    decisions.retain(|decision| match decision {
        Decision::Start { .. } | Decision::Breed(_) if left == 0 => false,
        Decision::Start { .. } | Decision::Breed(_) => {
            left -= 1;
            true
        }
        Decision::Run { .. } | Decision::Choose(_) | Decision::End(_) => true,
    });
    decisions.truncate(free);
    if !decisions.is_empty() || free == 0 {
        return decisions;
    }
    let levels = levels(&study.settings.fidelity);
    // What was carried on beyond its bracket belongs to no rung of it any more.
    let queued: Vec<Decision> = waiting(study, &levels).take(free).collect();
    if !queued.is_empty() {
        return queued;
    }
    finish(study, &levels).map_or_else(|| end_if_settled(study), |decision| vec![decision])
}

/// Brackets that follow each other.
pub(crate) struct Iteration {
    /// Those that come first, once.
    pub(crate) first: Vec<Bracket>,
    /// Those that follow, over and over; at least one.
    pub(crate) again: Vec<Bracket>,
}

impl Iteration {
    fn of(brackets: Vec<Bracket>) -> Self {
        Iteration { first: Vec::new(), again: brackets }
    }
}

/// The brackets that a budget of trials covers.
struct Budgeted<'a> {
    iteration: &'a Iteration,
    trials: u64,
    reduction_factor: u64,
}

impl<'a> Budgeted<'a> {
    fn new(study: &Study, iteration: &'a Iteration) -> Self {
        let reduction_factor = study.settings.fidelity.reduction_factor;
        Budgeted { iteration, trials: study.settings.trials, reduction_factor }
    }

    /// Returns a bracket by its number, the last one truncated to what is left; `None` beyond the budget.
    fn bracket(&self, number: u32) -> Option<Bracket> {
        let (first, again) = (&self.iteration.first, &self.iteration.again);
        let sum = |brackets: &[Bracket]| brackets.iter().map(Bracket::trials).sum::<u64>();
        let number = number as usize;
        let (before, bracket) = match first.get(number) {
            Some(bracket) => (sum(&first[..number]), bracket),
            None => {
                let number = number - first.len();
                let (rounds, place) = (number / again.len(), number % again.len());
                let whole = (rounds as u64).saturating_mul(sum(again));
                (sum(first).saturating_add(whole).saturating_add(sum(&again[..place])), &again[place])
            }
        };
        let left = self.trials.checked_sub(before).filter(|left| *left > 0)?;
        Some(bracket.truncated(left, self.reduction_factor))
    }
}

/// Adds what one bracket wants to run now.
fn decide_bracket(
    study: &Study,
    number: u32,
    bracket: &Bracket,
    members: Vec<&Trial>,
    free: usize,
    decisions: &mut Vec<Decision>,
) {
    let missing = bracket.trials().saturating_sub(members.len() as u64);
    let mut members = members;
    for (i, rung) in bracket.rungs.iter().enumerate() {
        decisions.extend(
            members
                .iter()
                .filter(|t| wants(t, rung))
                .map(|t| Decision::Run { trial: t.id, until: rung.fidelity }),
        );
        if i == 0 {
            let start = || Decision::Start { bracket: Some(number), until: rung.fidelity };
            // Brackets of large fidelities have millions of trials; no more are wanted than can begin.
            decisions.extend((0..missing).take(free).map(|_| start()));
        }
        if missing > 0 || !members.iter().all(|t| is_decided(t, rung)) {
            return;
        }
        let Some(next) = bracket.rungs.get(i + 1) else {
            return;
        };
        members = survivors(study, members, rung, next);
    }
}

/// Tells whether a trial waits to be run to this rung.
fn wants(trial: &Trial, rung: &Rung) -> bool {
    let waits = matches!(trial.state, TrialState::Queued | TrialState::Paused);
    waits && !trial.reached.contains_key(&rung.fidelity)
}

/// Tells whether nothing more about this rung will be learned from a trial.
fn is_decided(trial: &Trial, rung: &Rung) -> bool {
    trial.reached.contains_key(&rung.fidelity) || trial.state.is_final()
}

/// Returns the trials that go on from a decided rung, best first.
fn survivors<'a>(study: &Study, members: Vec<&'a Trial>, rung: &Rung, next: &Rung) -> Vec<&'a Trial> {
    let mut ranked: Vec<_> =
        members.into_iter().filter_map(|t| Some((study.loss_at(t, rung.fidelity)?, t.id, t))).collect();
    ranked.sort_by_key(|(loss, id, _)| (*loss, *id));
    ranked.truncate(next.trials as usize);
    ranked.into_iter().map(|(_, _, trial)| trial).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, Fidelity};
    use automl_testkit::{Log, settings};

    #[test]
    fn no_more_starts_are_decided_than_can_begin() {
        let mut settings = settings(Algorithm::Hyperband);
        settings.fidelity.max = Fidelity(u64::MAX);
        settings.trials = u64::MAX;
        let study = Log::new(settings).study().unwrap();
        assert_eq!(Hyperband.decide(&study, 3).len(), 3);
        assert_eq!(SuccessiveHalving.decide(&study, 0).len(), 0);
    }
}
