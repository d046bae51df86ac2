//! What a scheduler answers to the question that a log says it was asked, start for start.
//!
//! It is asked once for all free slots, and its answers are carried out one after the other: values are suggested
//! in the state that the answers before have led to. So [`Rounds`] asks where the log says that it was asked, and
//! resolves each answer where the start before it was recorded.

use super::resolve;
use crate::engine::Resolved;
use automl_core::{Asked, Event, Fidelity, Params, Record, Study, TrialId, TrialState};
use automl_scheduler::{Decision, scheduler_for};

/// Events that a start consists of: a trial is given up, a new one suggested, a checkpoint taken over and found
/// to be lost, and the attempt begins.
const START_EVENTS: usize = 5;

/// What has been asked, and what is left of its answers.
#[derive(Default)]
pub(super) struct Rounds {
    round: Option<Round>,
    /// What the next start has to be.
    due: Option<Resolved>,
    /// The new trial of the next start, once it was suggested.
    begun: Option<TrialId>,
    /// Whether the engine that works notes what its scheduler is asked; unknown before its first start.
    told: Option<bool>,
}

struct Round {
    asked: Asked,
    /// Answers that are not carried out yet.
    left: std::vec::IntoIter<Decision>,
}

/// What is to be said of an event.
#[derive(Debug, PartialEq)]
pub(super) enum Judged {
    /// It is part of no start, or as its start needs it.
    Nothing,
    /// The values of a new trial are the same.
    Suggestion,
    /// The start is the same; a model may have chosen it.
    Start { by_model: bool },
    /// Other values are suggested.
    OtherValues { trial: TrialId, recorded: Params, derived: Option<Params> },
    /// The start does not follow from what was asked.
    OtherStart { trial: TrialId, recorded: String, derived: Option<String> },
    /// What the scheduler was asked is not in the log.
    NothingTold,
}

impl Rounds {
    /// Judges the first of the records that are left, in the state after so many events.
    pub(super) fn judge(&mut self, study: &Study, events: u64, left: &[Record]) -> Judged {
        self.ask(study, events, left);
        match (&left[0].event, &self.due) {
            (Event::EngineStarted { .. }, _) => {
                self.told = None;
                Judged::Nothing
            }
            (Event::TrialSuggested { trial, params, bracket, .. }, Some(due)) => {
                self.begun = Some(*trial);
                suggested(study, *trial, params, *bracket, due)
            }
            (Event::TrialStopped { trial, .. }, Some(due)) => {
                let takeover = takeover(due).is_some_and(|takeover| takeover.instead_of == *trial);
                part(takeover, *trial, || "it is given up for a new one".into(), due)
            }
            (Event::CheckpointInherited { trial, from, fidelity, .. }, Some(due)) => {
                let same = takeover(due).is_some_and(|t| (t.from, t.at) == (*from, *fidelity));
                part(same, *trial, || format!("it takes over from trial {from}"), due)
            }
            (Event::AttemptStarted { trial, attempt, until, why, asked, .. }, _) => {
                let (due, begun) = (self.due.take(), self.begun.take());
                let told = asked.is_some();
                if *self.told.get_or_insert(told) == told && !told {
                    return Judged::NothingTold;
                }
                let same = match &due {
                    Some(Resolved::Run { trial: t, until: u, why: w }) => {
                        (t, u, w.is_some()) == (trial, until, why.is_some())
                    }
                    // Its suggestion has been compared.
                    Some(Resolved::Start { until: u, .. }) => {
                        u == until && begun == Some(*trial) && why.is_none()
                    }
                    Some(Resolved::End(_)) | None => false,
                };
                if same {
                    return Judged::Start { by_model: why.is_some() };
                }
                let goes_on = if attempt.0 == 1 { "it begins" } else { "it goes on" };
                let slots =
                    asked.map_or_else(String::new, |asked| format!(", with {} free slots", asked.free));
                let recorded = format!("{goes_on}, to {until}{slots}");
                Judged::OtherStart { trial: *trial, recorded, derived: due.as_ref().map(describe) }
            }
            (Event::TrialSuggested { .. }, None) => Judged::NothingTold,
            _ => Judged::Nothing,
        }
    }

    /// Finds out what the start has to be whose events come next, if there is one.
    fn ask(&mut self, study: &Study, events: u64, left: &[Record]) {
        let Some(asked) = next_start(left) else {
            (self.round, self.due) = (None, None);
            return;
        };
        if self.due.is_some() {
            return;
        }
        if asked.after == events {
            let answers = match there_may_be(study, asked.free) {
                true => scheduler_for(study.settings.algorithm).decide(study, asked.free as usize),
                false => Vec::new(),
            };
            self.round = Some(Round { asked, left: answers.into_iter() });
        }
        // A new trial that no values are left for is not started, and the next answer is carried out.
        let round = self.round.as_mut().filter(|round| round.asked == asked);
        self.due = round.and_then(|round| round.left.find_map(|answer| resolve(study, answer).ok()));
    }
}

/// Returns what the scheduler was asked for the start that the next events make up.
fn next_start(left: &[Record]) -> Option<Asked> {
    let is_part = |event: &Event| {
        matches!(
            event,
            Event::TrialStopped { .. }
                | Event::TrialSuggested { .. }
                | Event::CheckpointInherited { .. }
                | Event::CheckpointLost { .. }
        )
    };
    let mut parts = left.iter().take(START_EVENTS).skip_while(|record| is_part(&record.event));
    match &parts.next()?.event {
        Event::AttemptStarted { asked, .. } => *asked,
        _ => None,
    }
}

/// Whether so many slots may be free. Who hands trials out has none.
fn there_may_be(study: &Study, free: u32) -> bool {
    let running = study.index().count(TrialState::Running);
    study.settings.recipe.is_null() || (free as usize).saturating_add(running) <= study.slots as usize
}

fn suggested(study: &Study, trial: TrialId, params: &Params, bracket: Option<u32>, due: &Resolved) -> Judged {
    match due {
        Resolved::Start { suggestion, bracket: derived, .. } if study.next_trial() == trial => {
            if suggestion.params != *params {
                let (recorded, derived) = (params.clone(), Some(suggestion.params.clone()));
                return Judged::OtherValues { trial, recorded, derived };
            }
            if *derived == bracket {
                return Judged::Suggestion;
            }
            let of = |bracket: &Option<u32>| {
                bracket.map_or_else(|| "no bracket".into(), |bracket| format!("bracket {bracket}"))
            };
            Judged::OtherStart { trial, recorded: of(&bracket), derived: Some(of(derived)) }
        }
        Resolved::Run { trial: other, .. } => {
            let derived = study.trials.get(other).map(|trial| trial.params.clone());
            Judged::OtherValues { trial, recorded: params.clone(), derived }
        }
        Resolved::Start { .. } | Resolved::End(_) => {
            Judged::OtherValues { trial, recorded: params.clone(), derived: None }
        }
    }
}

fn takeover(due: &Resolved) -> Option<&crate::engine::Takeover> {
    match due {
        Resolved::Start { takeover, .. } => takeover.as_ref(),
        Resolved::Run { .. } | Resolved::End(_) => None,
    }
}

/// Judges an event that belongs to a start.
fn part(same: bool, trial: TrialId, recorded: impl FnOnce() -> String, due: &Resolved) -> Judged {
    if same {
        return Judged::Nothing;
    }
    Judged::OtherStart { trial, recorded: recorded(), derived: Some(describe(due)) }
}

fn describe(due: &Resolved) -> String {
    let to = |until: &Fidelity| format!("to {until}");
    match due {
        Resolved::Start { until, takeover: None, .. } => format!("a new trial, {}", to(until)),
        Resolved::Start { until, takeover: Some(takeover), .. } => {
            format!("a new trial that goes on from trial {}, {}", takeover.from, to(until))
        }
        Resolved::Run { trial, until, .. } => format!("trial {trial} goes on, {}", to(until)),
        Resolved::End(reason) => format!("the search ends: {reason}"),
    }
}
