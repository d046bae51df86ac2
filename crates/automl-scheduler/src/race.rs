//! The rung race: for every free slot a model of all rungs weighs each paused trial against a new one.
//!
//! This scheduler says what may run; the model, which knows parameters, chooses among that
//! ([`Decision::Choose`]). A paused trial may go on to the next rung that is worth comparing at
//! (`agreement.rs`), a new trial starts at the lowest such rung. One choice is offered at a time, because the
//! next depends on it.
//!
//! Two rules do without the model. The first trials ([`FidelityPlan::full_first`](automl_core::FidelityPlan::full_first)),
//! and then a share of the work, go all the way, whatever their early results ([`FULL_RUNS`]): where these are worth
//! nothing, a random search at full fidelity would be ahead otherwise. From such trials is known which rungs are worth
//! comparing at, without the bias of having been promoted for their early results; they bound what misleading rungs can cost; and they get to the largest
//! fidelity even where the model is wrong. While no rung misleads, the model of all rungs says where they start; once one
//! does, results at the largest fidelity alone do. And when the budget of trials is spent, only what ASHA would promote
//! goes on.
//!
//! Nobody waits: whatever else runs, a free slot gets a trial while any may run.

use crate::agreement::{Agreement, agreements, useful_levels, visited_levels};
use crate::asha::{finish, next_level, promotable, waiting};
use crate::bracket::levels;
use crate::{Choice, Decision, NewTrial, Promotion, Scheduler, end_if_settled};
use automl_core::{Fidelity, Study, TrialId, TrialState};

/// Bracket of the trials that go all the way; all others belong to none.
const FULL_RUNS: u32 = 0;
/// Beyond the first ones such a trial starts when this many times the fidelity spent so far exceeds what those before it
/// and itself cost.
const FULL_RUN_SHARE: f64 = 0.5;
/// Paused trials of each rung that are weighed, the best ones: the others are far behind, and a slot must not
/// stay free while the model is asked about thousands.
const CONTENDERS: usize = 48;

/// Asynchronous promotions and starts that a model of all rungs chooses.
#[derive(Clone, Copy, Debug, Default)]
pub struct Race;

impl Scheduler for Race {
    fn decide(&self, study: &Study, free: usize) -> Vec<Decision> {
        if free == 0 {
            return Vec::new();
        }
        let (rungs, max) = (agreements(study), study.settings.fidelity.max);
        let (levels, visited) = (useful_levels(&rungs, max), visited_levels(&rungs, max));
        let unconditional: Vec<Decision> =
            waiting(study, &levels).chain(full_runs(study, &visited)).take(free).collect();
        if !unconditional.is_empty() {
            return unconditional;
        }
        if study.started() >= study.settings.trials {
            return close(study, &levels);
        }
        let all_the_way = visited.len() > 1 && full_run_is_due(study, &levels);
        let promotions = contenders(study, &levels);
        if !all_the_way {
            let start = Some(NewTrial { bracket: None, until: levels[0], all_the_way });
            return vec![Decision::Choose(Choice { start, promotions, levels })];
        }
        let start = Some(NewTrial { bracket: Some(FULL_RUNS), until: visited[0], all_the_way });
        let levels = if rungs.iter().all(Agreement::is_useful) { levels } else { vec![max] };
        vec![Decision::Choose(Choice { start, promotions, levels })]
    }
}

/// Trials that go all the way and are paused, each to its next rung.
fn full_runs<'a>(study: &'a Study, visited: &'a [Fidelity]) -> impl Iterator<Item = Decision> + 'a {
    let paused = study.index().paused_in_bracket(FULL_RUNS).rev().filter_map(|id| study.trials.get(&id));
    paused.filter_map(|trial| Some(Decision::Run { trial: trial.id, until: next_level(trial, visited)? }))
}

/// Tells whether fewer trials than shall have been sent all the way. Where only the largest fidelity is worth comparing at,
/// all are.
fn full_run_is_due(study: &Study, useful: &[Fidelity]) -> bool {
    let first = usize::try_from(study.settings.fidelity.full_first).unwrap_or(usize::MAX);
    let sent = study.index().in_bracket(FULL_RUNS);
    let full_runs = sent.len() as f64;
    let failed = |id: &TrialId| matches!(study.trials[id].state, TrialState::Failed | TrialState::Infeasible);
    useful.len() == 1
        || sent.filter(|id| !failed(id)).take(first).count() < first
        || full_runs + 1.0 <= FULL_RUN_SHARE * trainings(study)
}

/// The work done so far, in full trainings.
fn trainings(study: &Study) -> f64 {
    let rungs = levels(&study.settings.fidelity);
    let results = |level: &Fidelity| study.index().rung(*level).map_or(0, |rung| rung.results.len() as u64);
    let steps = rungs.iter().scan(0, |below, level| {
        let added = level.0 - *below;
        *below = level.0;
        Some(results(level) * added)
    });
    steps.sum::<u64>() as f64 / study.settings.fidelity.max.0 as f64
}

/// The best paused trials of every rung, whether new trials are still compared there or not; those of the
/// highest rung first.
fn contenders(study: &Study, useful: &[Fidelity]) -> Vec<Promotion> {
    let rungs = levels(&study.settings.fidelity);
    let rungs = rungs.iter().rev().filter_map(|level| Some((*level, study.index().rung(*level)?)));
    let of_rung = |(from, rung): (Fidelity, &automl_core::RungResults)| -> Vec<Promotion> {
        let until = useful.iter().copied().find(|level| *level > from);
        let paused = rung.paused.iter().take(CONTENDERS);
        paused.filter_map(|rank| Some(Promotion { trial: rank.trial(), from, until: until? })).collect()
    };
    rungs.flat_map(of_rung).collect()
}

/// What is left to do when no new trial may start: the promotions of ASHA, in the order that the model gives
/// them.
fn close(study: &Study, levels: &[Fidelity]) -> Vec<Decision> {
    let promotions: Vec<Promotion> = promotable(study, levels)
        .filter_map(|decision| match decision {
            Decision::Run { trial, until } => {
                Some(Promotion { trial, from: study.trials[&trial].fidelity()?, until })
            }
            Decision::Start { .. } | Decision::Breed(_) | Decision::Choose(_) | Decision::End(_) => None,
        })
        .take(CONTENDERS)
        .collect();
    if !promotions.is_empty() {
        return vec![Decision::Choose(Choice { start: None, promotions, levels: levels.to_vec() })];
    }
    finish(study, levels).map_or_else(|| end_if_settled(study), |decision| vec![decision])
}
