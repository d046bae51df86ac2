//! Hyperband as a pure function of the trials so far.
//!
//! Brackets follow each other, over and over, until the budget of trials is spent; the last one is
//! truncated to what is left. A rung is decided when all of its trials have reached it or failed: the
//! best go on, ties to the older trial, failed ones never. A trial that goes on resumes from its
//! checkpoint. Slots that a waiting rung leaves idle are given to the next bracket (as DEHB does), so
//! that a straggler blocks nobody; with one slot the order is that of the paper.
//!
//! Invariants, driven by `tests/simulate.rs`: a trial belongs to one bracket and its fidelity never
//! falls; a rung never holds more trials than its size; no decision is lost or repeated by a restart.
//!
//! Li et al., *Hyperband*, JMLR 18 (2018), Algorithm 1; see `bracket.rs` for the rounding.

use crate::bracket::{Bracket, Rung, brackets};
use crate::{Decision, Scheduler, end_if_settled};
use automl_core::{FidelityPlan, Study, Trial, TrialState};
use std::collections::BTreeMap;

/// Synchronous Hyperband that pauses trials at their rung and promotes by checkpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hyperband;

impl Scheduler for Hyperband {
    fn decide(&self, study: &Study, free: usize) -> Vec<Decision> {
        decide_brackets(study, free, brackets(&study.settings.fidelity))
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
        decide_brackets(study, free, halving_brackets(&study.settings.fidelity))
    }
}

/// Returns the one bracket of successive halving.
pub(crate) fn halving_brackets(plan: &FidelityPlan) -> Vec<Bracket> {
    let mut brackets = brackets(plan);
    brackets.truncate(1);
    brackets
}

/// Decides for brackets that follow each other, over and over.
fn decide_brackets(study: &Study, free: usize, iteration: Vec<Bracket>) -> Vec<Decision> {
    let mut by_bracket: BTreeMap<u32, Vec<&Trial>> = BTreeMap::new();
    for trial in study.trials.values() {
        if let Some(bracket) = trial.bracket {
            by_bracket.entry(bracket).or_default().push(trial);
        }
    }
    let mut decisions = Vec::new();
    for (number, bracket) in budgeted_brackets(study, iteration) {
        if decisions.len() >= free {
            break;
        }
        let members = by_bracket.remove(&number).unwrap_or_default();
        decide_bracket(study, number, &bracket, members, &mut decisions);
    }
    // Brackets that grew with a raised fidelity may want more trials than the budget has.
    let mut left = study.settings.trials.saturating_sub(study.started());
    decisions.retain(|decision| match decision {
        Decision::Start { .. } if left == 0 => false,
        Decision::Start { .. } => {
            left -= 1;
            true
        }
        Decision::Run { .. } | Decision::Choose(_) | Decision::End(_) => true,
    });
    decisions.truncate(free);
    if decisions.is_empty() && free > 0 { end_if_settled(study) } else { decisions }
}

/// Returns the brackets that the trial budget covers, with their numbers.
fn budgeted_brackets(study: &Study, iteration: Vec<Bracket>) -> impl Iterator<Item = (u32, Bracket)> {
    let eta = study.settings.fidelity.reduction_factor;
    let mut left = study.settings.trials;
    (0_u32..).zip(iteration.into_iter().cycle()).map_while(move |(number, bracket)| {
        let bracket = (left > 0).then(|| bracket.truncated(left, eta))?;
        left -= bracket.trials();
        Some((number, bracket))
    })
}

/// Adds what one bracket wants to run now.
fn decide_bracket(
    study: &Study,
    number: u32,
    bracket: &Bracket,
    members: Vec<&Trial>,
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
            decisions.extend((0..missing).map(|_| start()));
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
