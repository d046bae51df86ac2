//! Whether a study's log is whole, and what can be kept of one that is not.
//!
//! Three things are held against each other: the database, the journal, and the fold, which accepts only
//! events that are possible after those before them. A repair keeps the longest beginning that all of
//! this allows; what is replaced stays beside it, so that nothing is gone for good.

use crate::engine::fold;
use crate::files::StudyDir;
use crate::study::{StudyError, exists, other_owner, settings_mended, write_settings};
use automl_store::{
    Defect, Inspection, LockError, LogCopy, Recovery, SledStore, StoreError, StudyLock, cut_behind, inspect,
    rebuild_from, running_engine,
};

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The two copies of the log, and what is wrong with them.
    pub log: Inspection,
    /// Number of the first event that is impossible, and why.
    pub impossible: Option<(u64, String)>,
}

impl Health {
    /// Tells whether both copies are whole and equal, and every event is possible.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.log.defects.is_empty() && self.impossible.is_none()
    }

    /// Returns the number of events from the first on that can be used.
    #[must_use]
    pub fn usable(&self) -> u64 {
        let readable = self.log.records.len() as u64;
        self.impossible.as_ref().map_or(readable, |(seq, _)| seq.saturating_sub(1).min(readable))
    }
}

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// One sentence a step, for people: what was written again, and where the old files are.
    pub notes: Vec<String>,
    /// Events in the log now.
    pub events: u64,
    /// Events that were acknowledged once and are in the log no more.
    pub dropped: u64,
}

/// Checks a study's log, and changes nothing of it.
///
/// # Errors
/// If there is no study, an engine holds it, or its files cannot be read.
pub fn check(dir: &StudyDir) -> Result<Health, StudyError> {
    if !exists(dir) {
        return Err(StudyError::Missing { path: dir.path().to_path_buf() });
    }
    let mut log = inspect(dir.path()).map_err(|error| busy(error, dir))?;
    let impossible = match fold(&log.records) {
        Ok(study) => {
            let other = other_owner(dir, &study).filter(|_| !log.contradictory);
            log.defects.extend(other.map(|other| Defect {
                copy: None,
                records: None,
                offset: None,
                what: format!("study.json belongs to another study ({other})"),
            }));
            None
        }
        Err(error) => match error.impossible_event() {
            Some(seq) => Some((seq, error.to_string())),
            None => return Err(error.into()),
        },
    };
    // A log of which nothing is left has no first event to blame.
    let impossible = impossible.filter(|_| !log.records.is_empty() || log.defects.is_empty());
    Ok(Health { log, impossible })
}

/// Repairs a study's log as far as can be: rebuilds a copy from the other, and where an event is
/// impossible or in neither copy, keeps the longest beginning before it.
///
/// `from` names the copy that is right where the two contradict each other; otherwise the longer one is
/// taken. Replaced files are kept with `.damaged-<n>` in their names.
///
/// # Errors
/// As [`check`]; [`StudyError::Contradictory`] where a choice is needed and none is given,
/// [`StudyError::NothingLeft`] where not one event can be kept. The files are then as before.
pub fn repair(dir: &StudyDir, from: Option<LogCopy>) -> Result<Repaired, StudyError> {
    if !exists(dir) {
        return Err(StudyError::Missing { path: dir.path().to_path_buf() });
    }
    let _lock = StudyLock::acquire(dir.path())?;
    let before = check(dir)?;
    let path = || dir.path().to_path_buf();
    if before.log.contradictory && from.is_none() {
        return Err(StudyError::Contradictory { path: path() });
    }
    if before.usable() == 0 {
        return Err(StudyError::NothingLeft { path: path() });
    }
    let expected = before.log.records.len() as u64 + before.log.lost;
    let mut recovery = mend(dir, from)?;
    let health = check(dir)?;
    if health.impossible.is_some() {
        if health.usable() == 0 {
            return Err(StudyError::NothingLeft { path: path() });
        }
        let cut = cut_behind(dir.path(), health.usable())?;
        recovery.notes.extend(cut.notes);
        recovery.records = cut.records;
    }
    let study = fold(&inspect(dir.path())?.records)?;
    if let Some(other) = other_owner(dir, &study) {
        write_settings(dir, &study)?;
        recovery.notes.push(settings_mended(&other));
    }
    let dropped = expected.saturating_sub(recovery.records);
    Ok(Repaired { notes: recovery.notes, events: recovery.records, dropped })
}

/// Names the engine that a log is open in.
fn busy(error: StoreError, dir: &StudyDir) -> StudyError {
    match (&error, running_engine(dir.path())) {
        (StoreError::Busy { .. }, Some(engine)) => LockError::held_by(dir.path(), engine).into(),
        _ => error.into(),
    }
}

fn mend(dir: &StudyDir, from: Option<LogCopy>) -> Result<Recovery, StudyError> {
    Ok(match from {
        Some(copy) => rebuild_from(dir.path(), copy)?,
        None => SledStore::salvage(dir.path())?.1,
    })
}
