//! Repairs on request, beyond what opening a log does by itself. Nothing is deleted: what is replaced
//! stays beside the new files with `.damaged-<n>` in its name.
//!
//! A crash in the middle leaves either the log as it was or one copy that is complete, from which the
//! next opening rebuilds the other.

use std::path::Path;

use crate::error::StoreError;
use crate::files::{DATABASE_DIR, JOURNAL_FILE, keep_copy, move_aside, short};
use crate::inspect::{LogCopy, inspect};
use crate::journal::Journal;
use crate::recover::{COPY_RECORDS, Recovery};
use crate::sled_store::{SledStore, lock_store};

/// Takes one copy for the right one and builds the other anew from it.
///
/// # Errors
///
/// [`StoreError::Unreadable`] when the chosen copy holds no record, and what [`SledStore::salvage`]
/// reports.
pub fn rebuild_from(study_dir: &Path, copy: LogCopy) -> Result<Recovery, StoreError> {
    let found = inspect(study_dir)?;
    let words =
        |records| if records == 0 { "without a usable record".to_string() } else { "not chosen".into() };
    let (database, journal) = (found.database.records, found.journal.records);
    let (chosen, other) = match copy {
        LogCopy::Database => (database, &found.journal),
        LogCopy::Journal => (journal, &found.database),
    };
    if chosen == 0 {
        let study_dir = study_dir.to_owned();
        return Err(StoreError::Unreadable { study_dir, database: words(database), journal: words(journal) });
    }
    let mut notes = Vec::new();
    if other.present {
        let _lock = lock_store(study_dir)?;
        let aside = move_aside(&study_dir.join(copy.other().name()))?;
        notes.push(format!("the old {} is {}", copy.other().name(), short(&aside)));
    }
    let (_store, mut recovery) = SledStore::salvage(study_dir)?;
    recovery.notes.splice(0..0, notes);
    Ok(recovery)
}

/// Shortens a sound log to its first `last` records, in both copies.
///
/// # Errors
///
/// What [`SledStore::open`] reports.
pub fn cut_behind(study_dir: &Path, last: u64) -> Result<Recovery, StoreError> {
    drop(SledStore::open(study_dir)?);
    let mut notes = Vec::new();
    {
        let _lock = lock_store(study_dir)?;
        let path = study_dir.join(JOURNAL_FILE);
        let (old, scan) = Journal::open(&path)?.ok_or_else(|| vanished(study_dir))?;
        let id = scan.header.ok_or_else(|| vanished(study_dir))?.id;
        notes.push(format!("the whole {JOURNAL_FILE} is {}", short(&keep_copy(&path)?)));
        let mut new = Journal::create(&path.with_extension("jsonl.new"), &id)?;
        while new.last_seq() < last.min(old.last_seq()) {
            let count = (last - new.last_seq()).min(COPY_RECORDS as u64);
            new.append(&old.lines(new.last_seq() + 1, count as usize)?)?;
        }
        new.publish(&path)?;
        let aside = move_aside(&study_dir.join(DATABASE_DIR))?;
        notes.push(format!("the whole {DATABASE_DIR}/ is {}/", short(&aside)));
    }
    let (_store, mut recovery) = SledStore::open(study_dir)?;
    recovery.notes = notes;
    Ok(recovery)
}

/// The journal was sound a moment ago: somebody else is at work in the folder.
fn vanished(study_dir: &Path) -> StoreError {
    let study_dir = study_dir.to_owned();
    StoreError::Unreadable { study_dir, database: "sound".into(), journal: "gone since it was opened".into() }
}
