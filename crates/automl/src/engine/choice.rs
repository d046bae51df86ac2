//! From a decision to what it means for the log: new trials get their values, and choices are made.
//!
//! A pure function of the study and the decision, so that a replay makes the same choices again.

use super::history::{history, suggest};
use automl_core::{EndReason, Fidelity, Study, TrialId, TrialState};
use automl_sampler::{Chosen, Contender, Contest, Sampler, Start, SuggestError, Suggestion, choose};
use automl_scheduler::{Choice, Decision, NewTrial};

/// A decision that leaves nothing open.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolved {
    /// Start a new trial.
    Start {
        /// Its values.
        suggestion: Suggestion,
        /// Bracket it belongs to, where there are brackets.
        bracket: Option<u32>,
        /// Fidelity at which its first attempt ends.
        until: Fidelity,
    },
    /// Run a trial that is queued or paused.
    Run {
        /// The trial.
        trial: TrialId,
        /// Fidelity at which the attempt ends.
        until: Fidelity,
        /// Why this one, where a model chose it.
        why: Option<String>,
    },
    /// End the search.
    End(EndReason),
}

/// Resolves a decision about a study.
///
/// # Errors
/// [`SuggestError::Exhausted`] when a new trial is wanted and a finite space has no configuration left.
pub(crate) fn resolve(
    study: &Study,
    sampler: &dyn Sampler,
    decision: Decision,
) -> Result<Resolved, SuggestError> {
    match decision {
        Decision::Start { bracket, until } => {
            suggest(study, sampler).map(|suggestion| Resolved::Start { suggestion, bracket, until })
        }
        Decision::Run { trial, until } => Ok(Resolved::Run { trial, until, why: None }),
        Decision::Choose(choice) => made(study, sampler, choice),
        Decision::End(reason) => Ok(Resolved::End(reason)),
    }
}

/// Makes a choice. What the user enqueued comes before anything else.
fn made(study: &Study, sampler: &dyn Sampler, choice: Choice) -> Result<Resolved, SuggestError> {
    let start = choice.start;
    if let (Some(NewTrial { bracket, until, .. }), false) = (start, study.queue.is_empty()) {
        return resolve(study, sampler, Decision::Start { bracket, until });
    }
    let settings = &study.settings;
    let contest = contest(study, choice);
    let chosen = choose(&settings.space, &history(study), &contest, study.next_trial(), settings.seed)?;
    Ok(match (chosen, start) {
        (Chosen::Promote { trial, until, reason }, _) => Resolved::Run { trial, until, why: Some(reason) },
        (Chosen::Start(suggestion), start) => {
            let NewTrial { bracket, until, .. } = start.expect("a trial is started only where one may start");
            Resolved::Start { suggestion, bracket, until }
        }
    })
}

fn contest(study: &Study, choice: Choice) -> Contest {
    let resumable = study.settings.fidelity.resumable;
    let contender = |promotion: automl_scheduler::Promotion| Contender {
        trial: promotion.trial,
        params: study.trials[&promotion.trial].params.clone(),
        // A program that cannot carry on trains again what it has trained.
        from: if resumable { promotion.from } else { Fidelity(0) },
        until: promotion.until,
    };
    let running = study.in_state(TrialState::Running);
    Contest {
        levels: choice.levels,
        start: choice.start.map(|start| Start { until: start.until, all_the_way: start.all_the_way }),
        contenders: choice.promotions.into_iter().map(contender).collect(),
        running: running.filter_map(|trial| Some((trial.id, trial.running_attempt()?.until))).collect(),
    }
}
