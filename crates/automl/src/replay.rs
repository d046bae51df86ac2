//! Checks that a log can be explained: every suggestion, every other choice of a model and every stop in it is
//! derived again from the events before it and compared, values bit for bit.

use crate::engine::{self, EventLog, LogError, Resolved, history, records, sampler_for};
use crate::files::StudyDir;
use crate::study::{StudyError, exists, whole_journal};
use automl_core::{Algorithm, Event, Fidelity, Params, Record, Study, TrialId};
use automl_sampler::{SuggestError, Suggestion};
use automl_scheduler::{Decision, scheduler_for, should_stop};

/// What a replay found.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// Events in the log.
    pub events: u64,
    /// Suggestions and promotions by a model that were derived again and were the same.
    pub suggestions: u64,
    /// Decisions to stop a running trial that were derived again and were the same.
    pub stops: u64,
    /// The first suggestion or promotion that was not.
    pub difference: Option<Difference>,
    /// The first stop that was not; nothing beyond it was looked at.
    pub unexplained_stop: Option<UnexplainedStop>,
    /// Version of the program that began the study, where it is not this one: then a difference may only
    /// mean that an algorithm was improved.
    pub other_version: Option<String>,
}

/// A suggestion or a promotion that the log does not explain.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Number of its event.
    pub event: u64,
    /// Its trial.
    pub trial: TrialId,
    /// Values in the log.
    pub recorded: Params,
    /// Values derived again, those of another trial where that one would have gone on; `None` where nothing
    /// would have been started.
    pub derived: Option<Params>,
}

/// A stop that the log does not explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnexplainedStop {
    /// Number of its event.
    pub event: u64,
    /// Its trial.
    pub trial: TrialId,
    /// Reason in the log.
    pub recorded: String,
    /// Reason derived again; `None` where the trial would have gone on.
    pub derived: Option<String>,
}

/// Replays a study's log. Takes no lock and writes nothing, so it works beside a running engine.
///
/// # Errors
/// If there is no study, or its log cannot be read.
pub fn replay(dir: &StudyDir) -> Result<Replay, StudyError> {
    if !exists(dir) {
        return Err(StudyError::Missing { path: dir.path().to_path_buf() });
    }
    Ok(replay_records(&records(&whole_journal(dir)?.records)?)?)
}

/// Derives every decision among the records of a whole log again.
pub(crate) fn replay_records(records: &[Record]) -> Result<Replay, LogError> {
    let mut replay = Replay {
        events: 0,
        suggestions: 0,
        stops: 0,
        difference: None,
        unexplained_stop: None,
        other_version: None,
    };
    let mut study: Option<Study> = None;
    for record in records {
        replay.events += 1;
        let seq = replay.events;
        if let Some(made) = study.as_ref().and_then(|study| Made::of(study, &record.event)) {
            let (trial, recorded) = (made.trial, made.params.clone());
            match made.derived() {
                Ok(()) => replay.suggestions += 1,
                Err(derived) => {
                    replay.difference = Some(Difference { event: seq, trial, recorded, derived });
                    return Ok(replay);
                }
            }
        }
        if let (Some(study), Event::StopDecided { trial, reason, .. }) = (&study, &record.event) {
            let derived = should_stop(study, *trial);
            if derived.as_ref() != Some(reason) {
                let recorded = reason.clone();
                replay.unexplained_stop =
                    Some(UnexplainedStop { event: seq, trial: *trial, recorded, derived });
                return Ok(replay);
            }
            replay.stops += 1;
        }
        if let Event::StudyCreated { version, .. } = &record.event {
            replay.other_version = Some(version.clone()).filter(|v| v != env!("CARGO_PKG_VERSION"));
        }
        EventLog::fold_one(&mut study, record).map_err(|source| LogError::Fold { seq, source })?;
    }
    Ok(replay)
}

/// A choice in the log, and the study that it was made for.
struct Made<'a> {
    study: &'a Study,
    trial: TrialId,
    params: &'a Params,
    /// Fidelity of a promotion; `None` for a new trial.
    until: Option<Fidelity>,
}

impl<'a> Made<'a> {
    /// Returns the choice that an event records, if it does.
    fn of(study: &'a Study, event: &'a Event) -> Option<Self> {
        match event {
            Event::TrialSuggested { trial, params, .. } => {
                Some(Made { study, trial: *trial, params, until: None })
            }
            Event::AttemptStarted { trial, until, why: Some(_), .. } => {
                let params = &study.trials.get(trial)?.params;
                Some(Made { study, trial: *trial, params, until: Some(*until) })
            }
            _ => None,
        }
    }

    /// Makes the choice again; where it differs, returns the values of what is chosen now.
    fn derived(&self) -> Result<(), Option<Params>> {
        match (chosen(self.study), self.until) {
            (Some(Resolved::Start { suggestion, .. }), None) => {
                let next = self.study.next_trial() == self.trial;
                let same = next && suggestion.params == *self.params;
                if same { Ok(()) } else { Err(Some(suggestion.params).filter(|_| next)) }
            }
            (Some(Resolved::Run { trial, until, .. }), Some(recorded))
                if trial == self.trial && until == recorded =>
            {
                Ok(())
            }
            (Some(Resolved::Run { trial, .. }), _) => {
                Err(self.study.trials.get(&trial).map(|trial| trial.params.clone()))
            }
            (Some(Resolved::Start { suggestion, .. }), Some(_)) => Err(Some(suggestion.params)),
            (Some(Resolved::End(_)) | None, _) => Err(None),
        }
    }
}

/// What is chosen next. Who starts trials whatever else there is to do is only asked for its values: how many
/// slots were free is not in the log.
fn chosen(study: &Study) -> Option<Resolved> {
    let decision = match study.settings.algorithm {
        Algorithm::Race => scheduler_for(Algorithm::Race).decide(study, 1).into_iter().next()?,
        // Which trials a new one is made from is part of what has to be found again.
        Algorithm::Dehb | Algorithm::Pbt => first_start(study)?,
        _ => Decision::Start { bracket: None, until: study.settings.fidelity.max },
    };
    resolve(study, decision).ok()
}

/// The first new trial that the scheduler wants, however many others run before it.
fn first_start(study: &Study) -> Option<Decision> {
    let scheduler = scheduler_for(study.settings.algorithm);
    let is_new = |decision: &Decision| matches!(decision, Decision::Start { .. } | Decision::Breed(_));
    let mut free = 1_usize;
    loop {
        let decisions = scheduler.decide(study, free);
        let all = decisions.len() < free;
        match decisions.into_iter().find(is_new) {
            None if !all => free *= 2,
            found => return found,
        }
    }
}

/// Returns what a decision about a study comes to: the values of a new trial, or the choice of a model. A pure
/// function of both.
///
/// # Errors
/// [`SuggestError::Exhausted`] when a new trial is wanted and a finite space has no configuration left.
pub fn resolve(study: &Study, decision: Decision) -> Result<Resolved, SuggestError> {
    engine::resolve(study, &*sampler_for(study.settings.algorithm), decision)
}

/// Returns what is tried as the study's next trial: what the user enqueued, then what its algorithm
/// proposes. A pure function of the study.
///
/// # Errors
/// [`SuggestError::Exhausted`] when a finite space has no configuration left.
pub fn suggest(study: &Study) -> Result<Suggestion, SuggestError> {
    history::suggest(study, &*sampler_for(study.settings.algorithm))
}
