//! What workers say about their trials: readings on the way, results at the end, finished trials from
//! elsewhere.

use super::{AskError, AskTell, ended, interrupted};
use automl_core::{
    AttemptNumber, Event, FailureKind, Fidelity, Further, Outcome, Params, StudySettings, TrialId, TrialState,
};
use automl_scheduler::should_stop;
use std::collections::BTreeMap;

/// How a trial ended, as its worker tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// It was run to its fidelity. NaN and infinities are accepted and make it a failed trial.
    Complete {
        /// Values of all objectives, in their declared order.
        values: Vec<f64>,
        /// Values of all constraints, in their declared order; finite.
        constraints: Vec<f64>,
    },
    /// It failed.
    Failed {
        /// Why.
        reason: String,
    },
    /// It cannot be carried out under its parameters.
    Infeasible {
        /// Why.
        reason: String,
    },
    /// It was given up.
    Stopped {
        /// Why.
        reason: String,
    },
}

impl Told {
    /// Returns the end of a complete trial of a study with one objective and no constraints.
    #[must_use]
    pub fn value(value: f64) -> Self {
        Told::Complete { values: vec![value], constraints: Vec::new() }
    }
}

/// A finished trial from elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Elsewhere {
    /// Its values, complete.
    pub params: Params,
    /// How it ended.
    pub told: Told,
    /// Fidelity it was run to; absent for the largest.
    pub fidelity: Option<Fidelity>,
    /// Where it comes from, for people.
    pub source: Option<String>,
}

/// Why none of several trials from elsewhere was taken.
#[derive(Debug, thiserror::Error)]
#[error("trial {index} of the list: {source}")]
pub struct NotAdded {
    /// The first that cannot be taken, counted from 0.
    pub index: usize,
    /// Why.
    pub source: AskError,
}

/// What a worker shall do after a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// Go on.
    Continue,
    /// Give the trial up: it has diverged, or is not going to win.
    Stop,
    /// Keep a checkpoint and ask for the next trial; this one may be handed out again.
    Pause,
}

impl AskTell {
    /// Takes readings of an open trial at a step (completed fidelity units).
    ///
    /// # Errors
    /// If the trial is not open, or the readings have no value of the first objective.
    pub fn report(
        &mut self,
        trial: TrialId,
        step: u64,
        values: BTreeMap<String, f64>,
    ) -> Result<Decided, AskError> {
        let (attempt, until) = self.open_attempt(trial)?;
        let settings = &self.study().settings;
        let metric = &settings.objective.metric;
        let Some(value) = values.get(metric).copied() else {
            return Err(AskError::Result { what: format!("the report has no value of `{metric}`") });
        };
        let on_rung = step >= until.0 && until < settings.fidelity.max;
        let outcome = on_rung.then(|| at_rung(settings, until, &values)).transpose()?;
        let line = self.study().trials[&trial].running_attempt().map_or(0, |a| a.series.last_line(0)) + 1;
        let mut events = vec![Event::Measured { trial, attempt, source: 0, line, step: Some(step), values }];
        events.extend(outcome.map(|outcome| ended(trial, attempt, outcome)));
        self.commit(events)?;
        if !on_rung && self.is_to_stop(trial, attempt)? {
            return Ok(Decided::Stop);
        }
        Ok(match (value.is_finite(), on_rung) {
            (false, _) => Decided::Stop,
            (true, true) => Decided::Pause,
            (true, false) => Decided::Continue,
        })
    }

    /// Takes the end of an open trial. The first word stands.
    ///
    /// # Errors
    /// If the trial is not open, the error naming what it was told first; or values are missing.
    pub fn tell(&mut self, trial: TrialId, told: Told) -> Result<(), AskError> {
        self.tell_at(trial, None, told)
    }

    /// Takes the end of an open trial that was handed out to be run to a fidelity. A worker that names it
    /// can repeat itself when an answer was lost: what it says again of a lower rung is not taken for the
    /// result of a higher one, which the trial may have been handed out for since.
    ///
    /// # Errors
    /// As for [`AskTell::tell`], also where the trial is open for another fidelity.
    pub fn tell_at(
        &mut self,
        trial: TrialId,
        fidelity: Option<Fidelity>,
        told: Told,
    ) -> Result<(), AskError> {
        if self.is_paused_by_report(trial) {
            return self.tell_paused(trial, told);
        }
        let (attempt, until) = self.open_attempt(trial)?;
        if let Some(fidelity) = fidelity.filter(|fidelity| *fidelity != until) {
            let first = format!("it is being run to {until}, not to {fidelity}");
            return Err(AskError::NotOpen { trial, first });
        }
        if let Some(events) = self.ends_as_stopped(trial, attempt, &told)? {
            return self.commit(events);
        }
        let events = match told {
            Told::Stopped { reason } => {
                vec![interrupted(trial, attempt, &reason), Event::TrialStopped { trial, reason }]
            }
            other => vec![ended(trial, attempt, outcome(&self.study().settings, until, other)?)],
        };
        self.commit(events)
    }

    /// Takes a finished trial from elsewhere. It costs no budget. Returns its number.
    ///
    /// # Errors
    /// If its values do not fit the space, or values are missing.
    pub fn add(&mut self, trial: Elsewhere) -> Result<TrialId, AskError> {
        let id = self.study().next_trial();
        let event = self.added(id, trial)?;
        self.commit(vec![event])?;
        Ok(id)
    }

    /// Takes finished trials from elsewhere, all of them or none. Returns their numbers.
    ///
    /// # Errors
    /// The first trial that cannot be taken, as for [`AskTell::add`].
    pub fn add_all(&mut self, trials: Vec<Elsewhere>) -> Result<Vec<TrialId>, NotAdded> {
        let ids: Vec<TrialId> = (self.study().next_trial().0..).map(TrialId).take(trials.len()).collect();
        let event = |(index, (id, trial)): (usize, (&TrialId, Elsewhere))| {
            self.added(*id, trial).map_err(|source| NotAdded { index, source })
        };
        let events = ids.iter().zip(trials).enumerate().map(event).collect::<Result<Vec<_>, _>>()?;
        self.commit(events).map_err(|source| NotAdded { index: 0, source })?;
        Ok(ids)
    }

    fn added(&self, trial: TrialId, elsewhere: Elsewhere) -> Result<Event, AskError> {
        let Elsewhere { params, told, fidelity, source } = elsewhere;
        let settings = &self.study().settings;
        let params = settings.space.canonical(&params);
        settings.space.check(&params).map_err(AskError::Params)?;
        let fidelity = fidelity.unwrap_or(settings.fidelity.max);
        if fidelity < settings.fidelity.min || fidelity > settings.fidelity.max {
            let (min, max) = (settings.fidelity.min, settings.fidelity.max);
            return Err(AskError::Result {
                what: format!("`fidelity` is {fidelity}, outside of {min} to {max}"),
            });
        }
        let outcome = outcome(settings, fidelity, told)?;
        let source = source.unwrap_or_else(|| "added by the user".into());
        Ok(Event::TrialAdded { trial, params, source, comparable: true, outcome })
    }

    /// Tells whether a trial that has just reported is to be given up, and makes the decision durable.
    fn is_to_stop(&mut self, trial: TrialId, attempt: AttemptNumber) -> Result<bool, AskError> {
        if self.study().trials[&trial].stopping.is_some() {
            return Ok(true);
        }
        let Some(reason) = should_stop(self.study(), trial) else { return Ok(false) };
        self.commit(vec![Event::StopDecided { trial, attempt, reason }])?;
        Ok(true)
    }

    /// A trial that was decided to be stopped has the result that it last reported; one that failed, or
    /// went on to its end all the same, is what its worker says.
    fn ends_as_stopped(
        &self,
        trial: TrialId,
        attempt: AttemptNumber,
        told: &Told,
    ) -> Result<Option<Vec<Event>>, AskError> {
        let study = self.study();
        let known = &study.trials[&trial];
        let until = study.settings.fidelity.max;
        let step = known.running_attempt().and_then(|attempt| attempt.furthest_step());
        let (Some(reason), Some(step)) = (known.stopping.clone(), step) else { return Ok(None) };
        if step >= until.0 || !matches!(told, Told::Stopped { .. } | Told::Complete { .. }) {
            return Ok(None);
        }
        let mut values = known.metrics();
        let best = study.best_reading(known);
        values.extend(best.map(|best| (study.settings.objective.metric.clone(), best)));
        let outcome = at_rung(&study.settings, Fidelity(step), &values)?;
        let is_result = matches!(outcome, Outcome::Reached { .. });
        let mut events = vec![ended(trial, attempt, outcome)];
        events.extend(is_result.then_some(Event::TrialStopped { trial, reason }));
        Ok(Some(events))
    }

    /// Tells whether a trial was paused by a report that had reached its rung, not by being told.
    fn is_paused_by_report(&self, trial: TrialId) -> bool {
        let Some(known) = self.study().trials.get(&trial) else { return false };
        let last_report = |attempt: &automl_core::Attempt| {
            attempt.series.names().filter_map(|name| attempt.series.readings(name).last()?.0).max()
        };
        let reached = |a: &automl_core::Attempt| last_report(a).is_some_and(|step| step >= a.until.0);
        known.state == TrialState::Paused && known.attempts.last().is_some_and(reached)
    }

    /// A worker that tells the end of a trial which its own report has paused says nothing new, unless it
    /// gives the trial up.
    fn tell_paused(&mut self, trial: TrialId, told: Told) -> Result<(), AskError> {
        match told {
            Told::Complete { .. } => Ok(()),
            Told::Stopped { reason } | Told::Failed { reason } | Told::Infeasible { reason } => {
                self.commit(vec![Event::TrialStopped { trial, reason }])
            }
        }
    }
}

/// The outcome of a trial whose report has reached its rung.
fn at_rung(
    settings: &StudySettings,
    until: Fidelity,
    values: &BTreeMap<String, f64>,
) -> Result<Outcome, AskError> {
    let value_of = |name: &str| {
        let missing = || AskError::Result { what: format!("the report at a rung has no value of `{name}`") };
        values.get(name).copied().ok_or_else(missing)
    };
    let all = settings.metrics().map(value_of).collect::<Result<Vec<f64>, _>>()?;
    let (values, constraints) = all.split_at(1 + settings.further_objectives.len());
    let told = Told::Complete { values: values.to_vec(), constraints: constraints.to_vec() };
    outcome(settings, until, told)
}

/// Turns a worker's words into an outcome; values that are no numbers are a failure of the trial.
fn outcome(settings: &StudySettings, fidelity: Fidelity, told: Told) -> Result<Outcome, AskError> {
    let (values, constraints) = match told {
        Told::Complete { values, constraints } => (values, constraints),
        Told::Failed { reason } => return Ok(Outcome::Failed { kind: FailureKind::Reported, reason }),
        Told::Infeasible { reason } => return Ok(Outcome::Infeasible { reason }),
        Told::Stopped { .. } => {
            let what = "a trial from elsewhere is complete, failed or infeasible".to_string();
            return Err(AskError::Result { what });
        }
    };
    let objectives: Vec<&str> = settings.objectives().map(|o| o.metric.as_str()).collect();
    expect_values("objective", &objectives, values.len())?;
    let names: Vec<&str> = settings.constraints.iter().map(|c| c.metric.as_str()).collect();
    expect_values("constraint", &names, constraints.len())?;
    if let Some((name, value)) = names.iter().zip(&constraints).find(|(_, value)| !value.is_finite()) {
        let what = format!("constraint `{name}` is {value}; tell a number, or the state `infeasible`");
        return Err(AskError::Result { what });
    }
    if let Some((name, value)) = objectives.iter().zip(&values).find(|(_, value)| !value.is_finite()) {
        return Ok(Outcome::Failed { kind: FailureKind::NotFinite, reason: format!("`{name}` is {value}") });
    }
    let further = Further { objectives: values[1..].to_vec(), constraints };
    Ok(Outcome::Reached { fidelity, value: values[0], checkpoint: None, further })
}

fn expect_values(kind: &str, names: &[&str], found: usize) -> Result<(), AskError> {
    if names.len() == found {
        return Ok(());
    }
    let names = if names.is_empty() { "none".into() } else { names.join(", ") };
    Err(AskError::Result { what: format!("expected a value for each {kind} ({names}), found {found}") })
}
