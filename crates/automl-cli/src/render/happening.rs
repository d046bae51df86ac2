//! What happens in a search, one fact at a time: the events of the log as their readers care for them.

use crate::standing::{Standings, further_values};
use automl_core::{EndReason, Event, FailureKind, Outcome, Params, Record, Study, TrialState};
use serde_json::{Value, json};

/// Something that a watcher of a search is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    /// A new trial runs.
    Started {
        /// The trial.
        trial: u64,
        /// Its values.
        params: Params,
        /// Fidelity at which it shall end.
        until: u64,
        /// Model that proposed it, and why.
        origin: String,
    },
    /// A trial was promoted to a higher rung and runs on.
    Promoted {
        /// The trial.
        trial: u64,
        /// Fidelity at which it shall end now.
        until: u64,
    },
    /// A trial that failed or was interrupted runs again.
    Repeated {
        /// The trial.
        trial: u64,
        /// Number of its new attempt.
        attempt: u32,
    },
    /// A trial reached a fidelity.
    Reached {
        /// The trial.
        trial: u64,
        /// The fidelity.
        fidelity: u64,
        /// Value of the objective.
        value: f64,
        /// Whether it was the full fidelity.
        complete: bool,
        /// How it compares with the others now, in a word.
        standing: Option<&'static str>,
        /// Values beside the first objective, by metric.
        further: Vec<(String, f64)>,
    },
    /// A trial's attempt failed.
    Failed {
        /// The trial.
        trial: u64,
        /// Kind of failure.
        kind: FailureKind,
        /// What happened.
        reason: String,
        /// Whether the trial is tried again.
        again: bool,
    },
    /// A trial's attempt was ended from outside.
    Interrupted {
        /// The trial.
        trial: u64,
        /// What happened.
        reason: String,
    },
    /// A trial turned out to be impossible under its parameters.
    Infeasible {
        /// The trial.
        trial: u64,
        /// Why.
        reason: String,
    },
    /// A trial was given up on purpose.
    Stopped {
        /// The trial.
        trial: u64,
        /// Why.
        reason: String,
    },
    /// Bounds of parameters were changed.
    Bounded {
        /// What was asked for, `name=values` each.
        asked: Vec<String>,
        /// How many trials lie outside now.
        outside: usize,
    },
    /// The search is over.
    Ended(EndReason),
}

impl Happening {
    /// Reads an event in the light of the state after it; `None` for those that nobody waits for.
    pub(crate) fn of(record: &Record, study: &Study) -> Option<Self> {
        match &record.event {
            Event::AttemptStarted { trial: id, attempt, until, .. } => {
                let trial = study.trials.get(id)?;
                let before =
                    attempt.0.checked_sub(2).and_then(|i| trial.attempts.get(i as usize)?.end.as_ref());
                Some(match before.map(|end| &end.outcome) {
                    None => Happening::Started {
                        trial: id.0,
                        params: trial.params.clone(),
                        until: until.0,
                        origin: format!("{}: {}", trial.origin.model, trial.origin.reason),
                    },
                    Some(Outcome::Reached { .. }) => Happening::Promoted { trial: id.0, until: until.0 },
                    Some(_) => Happening::Repeated { trial: id.0, attempt: attempt.0 },
                })
            }
            Event::AttemptEnded { trial: id, end, .. } => Some(match &end.outcome {
                Outcome::Reached { fidelity, value, .. } => {
                    let trial = study.trials.get(id)?;
                    let further = further_values(study, trial).map(|(name, v)| (name.to_string(), v));
                    Happening::Reached {
                        trial: id.0,
                        fidelity: fidelity.0,
                        value: *value,
                        complete: *fidelity >= study.settings.fidelity.max,
                        standing: Standings::of(study).word(study, trial),
                        further: further.collect(),
                    }
                }
                Outcome::Infeasible { reason } => {
                    Happening::Infeasible { trial: id.0, reason: reason.clone() }
                }
                Outcome::Failed { kind, reason } => Happening::Failed {
                    trial: id.0,
                    kind: *kind,
                    reason: reason.clone(),
                    again: study.trials.get(id).is_some_and(|trial| trial.state != TrialState::Failed),
                },
                Outcome::Interrupted { reason, .. } => {
                    Happening::Interrupted { trial: id.0, reason: reason.clone() }
                }
            }),
            Event::TrialStopped { trial, reason } => {
                Some(Happening::Stopped { trial: trial.0, reason: reason.clone() })
            }
            Event::BoundsChanged { asked, .. } => {
                Some(Happening::Bounded { asked: asked.clone(), outside: study.outside.len() })
            }
            Event::StudyEnded { reason } => Some(Happening::Ended(*reason)),
            Event::StudyCreated { .. }
            | Event::EngineStarted { .. }
            | Event::BudgetChanged { .. }
            | Event::Enqueued { .. }
            | Event::TrialAdded { .. }
            | Event::TrialSuggested { .. }
            | Event::Measured { .. }
            | Event::StopDecided { .. }
            | Event::CheckpointsCounted { .. }
            | Event::CheckpointsDropped { .. }
            | Event::CheckpointLost { .. }
            | Event::CheckpointInherited { .. }
            | Event::FidelityRaised { .. } => None,
        }
    }

    /// Returns the JSON object of `run --json` for it.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Happening::Started { trial, params, until, .. } => {
                json!({"event": "started", "trial": trial, "until": until, "params": super::json::params(params)})
            }
            Happening::Promoted { trial, until } => {
                json!({"event": "promoted", "trial": trial, "until": until})
            }
            Happening::Repeated { trial, attempt } => {
                json!({"event": "repeated", "trial": trial, "attempt": attempt})
            }
            Happening::Reached { trial, fidelity, value, complete, standing, further } => {
                let event = if *complete { "finished" } else { "paused" };
                let best = matches!(standing, Some("best" | "on the front"));
                let mut object = json!({
                    "event": event, "trial": trial, "fidelity": fidelity, "value": value, "best": best,
                    "standing": standing,
                });
                if !further.is_empty() {
                    object["further"] = further.iter().cloned().collect();
                }
                object
            }
            Happening::Failed { trial, kind, reason, again } => {
                json!({"event": "failed", "trial": trial, "kind": kind, "reason": reason, "again": again})
            }
            Happening::Interrupted { trial, reason } => {
                json!({"event": "interrupted", "trial": trial, "reason": reason})
            }
            Happening::Infeasible { trial, reason } => {
                json!({"event": "infeasible", "trial": trial, "reason": reason})
            }
            Happening::Stopped { trial, reason } => {
                json!({"event": "stopped", "trial": trial, "reason": reason})
            }
            Happening::Bounded { asked, outside } => {
                json!({"event": "bounds_changed", "bounds": asked, "outside_bounds": outside})
            }
            Happening::Ended(reason) => json!({"event": "ended", "reason": reason}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use automl_core::{AttemptNumber, Fidelity, TrialId};

    #[test]
    fn watchers_are_told_what_matters() {
        let study = fixture::study();
        let names: Vec<String> = fixture::records()
            .iter()
            .filter_map(|record| Happening::of(record, &study))
            .map(|h| format!("{} {}", h.to_json()["event"].as_str().unwrap(), h.to_json()["trial"]))
            .collect();
        let expected =
            ["started 1", "finished 1", "started 2", "finished 2", "started 3", "failed 3", "started 4"];
        assert_eq!(names, expected);
    }

    #[test]
    fn second_attempts_are_promotions_or_repeats() {
        let mut study = fixture::study();
        let start = |trial| Record {
            at: 0,
            event: Event::AttemptStarted {
                trial: TrialId(trial),
                attempt: AttemptNumber(2),
                until: Fidelity(3),
                resume_from: None,
                slot: 0,
                log_offsets: Vec::new(),
                worker: None,
                why: None,
                asked: None,
            },
        };
        assert_eq!(Happening::of(&start(1), &study), Some(Happening::Promoted { trial: 1, until: 3 }));
        assert_eq!(Happening::of(&start(3), &study), Some(Happening::Repeated { trial: 3, attempt: 2 }));
        study.trials.clear();
        assert_eq!(Happening::of(&start(1), &study), None);
    }
}
