//! Whether the scheduler may have decided each start of a log that does not say what it was asked.

use automl_core::{Event, Study, TrialId, TrialState};
use automl_scheduler::{Breed, Choice, Decision, scheduler_for};

/// The start of a new trial is looked at with its suggestion, because it was decided before that.
#[derive(Default)]
pub(super) struct Starts {
    looked_at: Option<TrialId>,
}

/// An unexplained start: its trial, what the log says, and what is derived.
pub(super) type OtherStart = (TrialId, String, Option<String>);

impl Starts {
    /// Looks whether the scheduler may have decided a start; `None` for any other event.
    pub(super) fn explain(
        &mut self,
        study: &Study,
        event: &Event,
        next: Option<&Event>,
    ) -> Option<Result<(), OtherStart>> {
        let looked_at = self.looked_at.take();
        match (event, next) {
            (
                Event::TrialSuggested { trial, bracket, .. },
                Some(Event::AttemptStarted { trial: started, until, .. }),
            ) if trial == started => {
                self.looked_at = Some(*trial);
                let same = |decision: &Decision| match decision {
                    Decision::Start { bracket: b, until: u } => (b, u) == (bracket, until),
                    Decision::Choose(Choice { start: Some(start), .. }) => {
                        (&start.bracket, &start.until) == (bracket, until)
                    }
                    Decision::Breed(breed) => (&breed.bracket, &breed.until) == (bracket, until),
                    Decision::Run { .. } | Decision::Choose(_) | Decision::End(_) => false,
                };
                Some(
                    decided(study, same).map_err(|other| (*trial, format!("a new trial, to {until}"), other)),
                )
            }
            (Event::AttemptStarted { trial, until, .. }, _) if looked_at != Some(*trial) => {
                let same = |decision: &Decision| match decision {
                    Decision::Run { trial: t, until: u } => (t, u) == (trial, until),
                    Decision::Choose(choice) => {
                        choice.promotions.iter().any(|p| (p.trial, p.until) == (*trial, *until))
                    }
                    Decision::Start { .. } | Decision::Breed(_) | Decision::End(_) => false,
                };
                Some(decided(study, same).map_err(|other| (*trial, format!("it goes on, to {until}"), other)))
            }
            _ => None,
        }
    }
}

/// Looks whether a scheduler may have decided something. How many slots were free is not in the log, so any
/// number will do: one, two, or as many as there are. Otherwise returns what it decides for one.
fn decided(study: &Study, same: impl Fn(&Decision) -> bool) -> Result<(), Option<String>> {
    let scheduler = scheduler_for(study.settings.algorithm);
    let running = study.index().count(TrialState::Running);
    let all = (study.slots as usize).saturating_sub(running).max(3);
    let mut first = None;
    for free in [1, 2, all] {
        let decisions = scheduler.decide(study, free);
        if decisions.iter().any(&same) {
            return Ok(());
        }
        first = first.or_else(|| decisions.first().map(describe));
    }
    Err(first)
}

fn describe(decision: &Decision) -> String {
    match decision {
        Decision::Start { until, .. } => format!("a new trial, to {until}"),
        Decision::Run { trial, until } => format!("trial {trial} goes on, to {until}"),
        Decision::Breed(Breed { until, .. }) => format!("a new trial made of earlier ones, to {until}"),
        Decision::Choose(_) => "a choice between other trials".into(),
        Decision::End(reason) => format!("the search ends: {reason}"),
    }
}
