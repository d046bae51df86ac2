//! Checks that a log can be explained: every suggestion and every stop in it is derived again from the
//! events before it and compared, values bit for bit.

use crate::engine::{EventLog, LogError, history, records, sampler_for};
use crate::files::StudyDir;
use crate::study::{StudyError, exists, whole_journal};
use automl_core::{Event, Params, Record, Study, TrialId};
use automl_sampler::{SuggestError, Suggestion};
use automl_scheduler::should_stop;

/// What a replay found.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// Events in the log.
    pub events: u64,
    /// Suggestions that were derived again and were the same.
    pub suggestions: u64,
    /// Decisions to stop a running trial that were derived again and were the same.
    pub stops: u64,
    /// The first suggestion that was not.
    pub difference: Option<Difference>,
    /// The first stop that was not; nothing beyond it was looked at.
    pub unexplained_stop: Option<UnexplainedStop>,
    /// Version of the program that began the study, where it is not this one: then a difference may only
    /// mean that an algorithm was improved.
    pub other_version: Option<String>,
}

/// A suggestion that the log does not explain.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Number of its event.
    pub event: u64,
    /// Its trial.
    pub trial: TrialId,
    /// Values in the log.
    pub recorded: Params,
    /// Values derived again; `None` where the space has no configuration left.
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
        if let (Some(study), Event::TrialSuggested { trial, params, .. }) = (&study, &record.event) {
            let next = study.next_trial() == *trial;
            let derived = suggest(study).ok().filter(|_| next).map(|suggestion| suggestion.params);
            if derived.as_ref() != Some(params) {
                let recorded = params.clone();
                replay.difference = Some(Difference { event: seq, trial: *trial, recorded, derived });
                return Ok(replay);
            }
            replay.suggestions += 1;
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

/// Returns what is tried as the study's next trial: what the user enqueued, then what its algorithm
/// proposes. A pure function of the study.
///
/// # Errors
/// [`SuggestError::Exhausted`] when a finite space has no configuration left.
pub fn suggest(study: &Study) -> Result<Suggestion, SuggestError> {
    history::suggest(study, &*sampler_for(study.settings.algorithm))
}
