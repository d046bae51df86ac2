//! A study's state: a pure fold over its log.
//!
//! `apply` is the only way to change a [`Study`]. It checks every transition, so a log that was
//! tampered with, or written by a broken engine, is refused with the first impossible event instead
//! of giving a state that means nothing. Applying a log in one go or in pieces ends in the same state.

use crate::event::{AttemptEnd, EVENT_FORMAT, EndReason, Event, FailureKind, Origin, Outcome, Record};
use crate::ids::{AttemptNumber, Fidelity, TrialId};
use crate::objective::Loss;
use crate::settings::StudySettings;
use crate::trial::{Attempt, Series, Trial, TrialState};
use crate::value::Params;
use std::collections::BTreeMap;
use thiserror::Error;

/// A trial lost by the machine (not by its program) more often than this has failed.
const LOSSES_MAX: u32 = 3;

/// State of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// What was asked for, with later budget changes worked in.
    pub settings: StudySettings,
    /// All trials by number.
    pub trials: BTreeMap<TrialId, Trial>,
    /// Number of engines that have worked on the study.
    pub engine_epoch: u64,
    /// Number of trials the latest engine runs at a time; 0 before the first.
    pub slots: u32,
    /// Why the search is over, if it is.
    pub ended: Option<EndReason>,
    /// Failed trials since the last success.
    pub consecutive_failures: u32,
    /// When the study was created (milliseconds since 1970).
    pub created_at: u64,
    /// When the current engine started.
    pub engine_started_at: u64,
    /// Working time of earlier engines in milliseconds: from their start to their last event.
    pub earlier_engines_ms: u64,
    /// Time of the last event.
    pub updated_at: u64,
}

/// Why an event cannot be applied.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum FoldError {
    /// The log is empty.
    #[error("the event log is empty")]
    Empty,
    /// The log does not begin with the study's creation.
    #[error("the event log does not begin with `study_created`")]
    NotCreated,
    /// A second creation.
    #[error("the study was created already")]
    CreatedTwice,
    /// The log is of a newer format.
    #[error("the event log has format {found}, this program reads up to {supported}; use a newer automl")]
    NewerFormat {
        /// Format of the log.
        found: u32,
        /// Newest format understood.
        supported: u32,
    },
    /// An engine number that does not follow the last one.
    #[error("engine {found} follows engine {last}")]
    EngineOrder {
        /// Number in the event.
        found: u64,
        /// Last number in the log.
        last: u64,
    },
    /// A trial number that is not the next one.
    #[error("trial {found} was suggested where {expected} comes next")]
    TrialOrder {
        /// Number in the event.
        found: TrialId,
        /// The next free number.
        expected: TrialId,
    },
    /// An event about a trial that does not exist.
    #[error("trial {trial} does not exist")]
    UnknownTrial {
        /// The trial.
        trial: TrialId,
    },
    /// An event that the trial's state does not allow.
    #[error("trial {trial}, attempt {attempt}: {what} is impossible while the trial is {state}")]
    Impossible {
        /// The trial.
        trial: TrialId,
        /// The attempt in the event.
        attempt: AttemptNumber,
        /// The event.
        what: &'static str,
        /// The trial's state.
        state: TrialState,
    },
    /// A result that is no number.
    #[error("trial {trial}: a result must be finite, found {value}")]
    NotFinite {
        /// The trial.
        trial: TrialId,
        /// The value.
        value: f64,
    },
}

impl Study {
    /// Folds a whole log.
    ///
    /// # Errors
    /// The first event that cannot be applied.
    pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Self, FoldError> {
        let mut records = records.into_iter();
        let mut study = Study::create(records.next().ok_or(FoldError::Empty)?)?;
        for record in records {
            study.apply(record)?;
        }
        Ok(study)
    }

    /// Begins a study from its first event.
    ///
    /// # Errors
    /// If the event is another kind or of a newer format.
    pub fn create(record: &Record) -> Result<Self, FoldError> {
        let Event::StudyCreated { format, settings, .. } = &record.event else {
            return Err(FoldError::NotCreated);
        };
        if *format > EVENT_FORMAT {
            return Err(FoldError::NewerFormat { found: *format, supported: EVENT_FORMAT });
        }
        Ok(Study {
            settings: (**settings).clone(),
            trials: BTreeMap::new(),
            engine_epoch: 0,
            slots: 0,
            ended: None,
            consecutive_failures: 0,
            created_at: record.at,
            engine_started_at: record.at,
            earlier_engines_ms: 0,
            updated_at: record.at,
        })
    }

    /// Applies one event.
    ///
    /// # Errors
    /// If the event is impossible in this state; the state is then unchanged.
    pub fn apply(&mut self, record: &Record) -> Result<(), FoldError> {
        let at = record.at;
        match &record.event {
            Event::StudyCreated { .. } => return Err(FoldError::CreatedTwice),
            Event::EngineStarted { epoch, slots, .. } => self.start_engine(*epoch, *slots, at)?,
            Event::BudgetChanged { trials, timeout_ms } => self.change_budget(*trials, *timeout_ms),
            Event::TrialSuggested { trial, params, bracket, origin } => {
                self.add_trial(*trial, params, *bracket, origin, at)?;
            }
            Event::AttemptStarted { trial, attempt, until, resume_from, slot, log_offsets } => {
                let attempt = Attempt {
                    number: *attempt,
                    until: *until,
                    resume_from: resume_from.clone(),
                    slot: *slot,
                    log_offsets: log_offsets.clone(),
                    started_at: at,
                    ended_at: None,
                    series: Series::default(),
                    end: None,
                };
                self.start_attempt(*trial, attempt)?;
            }
            Event::Measured { trial, attempt, source, line, step, values } => {
                let running = self.running(*trial, *attempt, "a measurement")?;
                running.last_attempt().series.push(*source, *line, *step, values);
            }
            Event::AttemptEnded { trial, attempt, end } => self.end_attempt(*trial, *attempt, end, at)?,
            Event::StudyEnded { reason } => self.ended = Some(*reason),
        }
        self.updated_at = at;
        Ok(())
    }

    /// Returns the number that the next trial gets.
    #[must_use]
    pub fn next_trial(&self) -> TrialId {
        TrialId(self.trials.last_key_value().map_or(0, |(id, _)| id.0) + 1)
    }

    /// Returns the trials in one state, oldest first.
    pub fn in_state(&self, state: TrialState) -> impl Iterator<Item = &Trial> {
        self.trials.values().filter(move |t| t.state == state)
    }

    /// Returns the objective's loss of a trial at a fidelity it reached.
    #[must_use]
    pub fn loss_at(&self, trial: &Trial, fidelity: Fidelity) -> Option<Loss> {
        trial.reached.get(&fidelity).and_then(|value| self.settings.objective.loss(*value))
    }

    /// Returns the incumbent: the best trial among those that went furthest. A value at a low
    /// fidelity never beats one at a higher fidelity; ties go to the older trial.
    #[must_use]
    pub fn incumbent(&self) -> Option<&Trial> {
        let furthest = self.trials.values().filter_map(Trial::fidelity).max()?;
        let losses = self.trials.values().filter_map(|t| Some((self.loss_at(t, furthest)?, t.id, t)));
        losses.min_by_key(|(loss, id, _)| (*loss, *id)).map(|(_, _, trial)| trial)
    }

    /// Returns the working time of all engines at an instant, in milliseconds.
    #[must_use]
    pub fn worked_ms(&self, now: u64) -> u64 {
        self.earlier_engines_ms + now.saturating_sub(self.engine_started_at)
    }

    fn start_engine(&mut self, epoch: u64, slots: u32, at: u64) -> Result<(), FoldError> {
        if epoch != self.engine_epoch + 1 {
            return Err(FoldError::EngineOrder { found: epoch, last: self.engine_epoch });
        }
        if self.engine_epoch > 0 {
            self.earlier_engines_ms += self.updated_at.saturating_sub(self.engine_started_at);
        }
        self.engine_epoch = epoch;
        self.engine_started_at = at;
        self.slots = slots;
        Ok(())
    }

    fn change_budget(&mut self, trials: Option<u64>, timeout_ms: Option<u64>) {
        if let Some(trials) = trials {
            self.settings.trials = trials;
        }
        if timeout_ms.is_some() {
            self.settings.timeout_ms = timeout_ms;
        }
        self.ended = None;
        self.consecutive_failures = 0;
    }

    fn add_trial(
        &mut self,
        id: TrialId,
        params: &Params,
        bracket: Option<u32>,
        origin: &Origin,
        at: u64,
    ) -> Result<(), FoldError> {
        let expected = self.next_trial();
        if id != expected {
            return Err(FoldError::TrialOrder { found: id, expected });
        }
        let trial = Trial {
            id,
            params: params.clone(),
            bracket,
            origin: origin.clone(),
            state: TrialState::Queued,
            attempts: Vec::new(),
            reached: BTreeMap::new(),
            checkpoint: None,
            reason: None,
            failures: 0,
            losses: 0,
            suggested_at: at,
            ended_at: None,
        };
        self.trials.insert(id, trial);
        Ok(())
    }

    fn start_attempt(&mut self, id: TrialId, attempt: Attempt) -> Result<(), FoldError> {
        let trial = self.trials.get_mut(&id).ok_or(FoldError::UnknownTrial { trial: id })?;
        let may_start = matches!(trial.state, TrialState::Queued | TrialState::Paused);
        if !may_start || attempt.number != trial.next_attempt() {
            let (attempt, state) = (attempt.number, trial.state);
            return Err(FoldError::Impossible { trial: id, attempt, what: "a start", state });
        }
        trial.attempts.push(attempt);
        trial.state = TrialState::Running;
        trial.reason = None;
        Ok(())
    }

    fn running(
        &mut self,
        id: TrialId,
        attempt: AttemptNumber,
        what: &'static str,
    ) -> Result<&mut Trial, FoldError> {
        let trial = self.trials.get_mut(&id).ok_or(FoldError::UnknownTrial { trial: id })?;
        if trial.running_attempt().is_none_or(|a| a.number != attempt) {
            return Err(FoldError::Impossible { trial: id, attempt, what, state: trial.state });
        }
        Ok(trial)
    }

    fn end_attempt(
        &mut self,
        id: TrialId,
        attempt: AttemptNumber,
        end: &AttemptEnd,
        at: u64,
    ) -> Result<(), FoldError> {
        let (max, retries) = (self.settings.fidelity.max, self.settings.retries);
        let trial = self.running(id, attempt, "an end")?;
        if let Outcome::Reached { value, .. } = end.outcome
            && !value.is_finite()
        {
            return Err(FoldError::NotFinite { trial: id, value });
        }
        trial.finish_attempt(end, at);
        trial.settle(&end.outcome, max, retries);
        match trial.state {
            TrialState::Failed => self.consecutive_failures += 1,
            TrialState::Complete | TrialState::Paused => self.consecutive_failures = 0,
            _ => {}
        }
        Ok(())
    }
}

impl Trial {
    fn last_attempt(&mut self) -> &mut Attempt {
        self.attempts.last_mut().expect("a running trial has an attempt")
    }

    fn finish_attempt(&mut self, end: &AttemptEnd, at: u64) {
        self.ended_at = Some(at);
        let attempt = self.last_attempt();
        attempt.ended_at = Some(at);
        attempt.end = Some(end.clone());
    }

    /// Moves the trial on after an attempt: the one place where an outcome becomes a state.
    fn settle(&mut self, outcome: &Outcome, max: Fidelity, retries: u32) {
        match outcome {
            Outcome::Reached { fidelity, value, checkpoint } => {
                self.reached.insert(*fidelity, *value);
                self.checkpoint.clone_from(checkpoint);
                self.state = if *fidelity >= max { TrialState::Complete } else { TrialState::Paused };
            }
            Outcome::Failed { kind, reason } => {
                self.failures += 1;
                self.reason = Some(reason.clone());
                let again = kind.may_be_transient() && self.failures <= retries;
                self.state = if again { TrialState::Queued } else { TrialState::Failed };
            }
            Outcome::Interrupted { reason, by_request } => {
                self.losses += u32::from(!by_request);
                self.reason = Some(reason.clone());
                self.state = if self.losses > LOSSES_MAX { TrialState::Failed } else { TrialState::Queued };
            }
        }
    }

    /// Returns what kind of failure ended the trial.
    #[must_use]
    pub fn failure(&self) -> Option<FailureKind> {
        match &self.attempts.last()?.end.as_ref()?.outcome {
            Outcome::Failed { kind, .. } => Some(*kind),
            Outcome::Interrupted { .. } if self.state == TrialState::Failed => Some(FailureKind::Lost),
            Outcome::Reached { .. } | Outcome::Interrupted { .. } => None,
        }
    }
}
