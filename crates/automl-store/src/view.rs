//! A look at the log from outside: no lock, no write, no database.
//!
//! This is what `status` or `trials` use, beside a running engine or on a folder that may only be
//! read. The journal is enough for it, because everything acknowledged is in it.

use std::fs::File;
use std::path::Path;

use crate::StoredRecord;
use crate::error::StoreError;
use crate::files::JOURNAL_FILE;
use crate::format::FORMAT;
use crate::journal::{Scan, Stray, scan};

/// The log as the journal showed it at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalView {
    /// Random identity of the log; empty when the first line of the journal is damaged.
    pub store_id: String,
    /// All records up to the first that is not whole.
    pub records: Vec<StoredRecord>,
    /// Bytes of the file up to the end of the last of them.
    pub whole_bytes: u64,
    /// Bytes behind them: a batch that was being written, or that a crash interrupted.
    pub torn_tail_bytes: u64,
    /// What is wrong beyond an unfinished end; opening the study for writing repairs it.
    pub damage: Option<String>,
    /// The first line that does not follow on what is before it: damage, or the unfinished end.
    pub stray: Option<Stray>,
}

/// Reads the log of a study without locking, writing or waiting for anything.
///
/// An unfinished last line is left out, and so is a batch whose end is not there yet: an engine may
/// be writing it at this moment.
///
/// # Errors
///
/// [`StoreError::Io`] when the journal is missing or cannot be read, [`StoreError::NewerFormat`] when
/// a newer version wrote it.
pub fn read_journal(study_dir: &Path) -> Result<JournalView, StoreError> {
    read_journal_file(&study_dir.join(JOURNAL_FILE))
}

/// Reads a journal under any name, such as one taken from an archive.
///
/// # Errors
///
/// As for [`read_journal`].
pub fn read_journal_file(path: &Path) -> Result<JournalView, StoreError> {
    let file = File::open(path).map_err(StoreError::io("open", path))?;
    let mut records = Vec::new();
    let collect = |seq, payload: &[u8]| records.push(StoredRecord { seq, payload: payload.to_vec() });
    let found = scan(file, collect).map_err(StoreError::io("read", path))?;
    refuse_newer(&found, path)?;
    // The scan shows a batch before it knows whether the batch is whole.
    records.truncate(found.entries.len());
    Ok(JournalView {
        whole_bytes: found.good_len,
        torn_tail_bytes: found.tail_bytes(),
        stray: found.stray,
        damage: found.damage(),
        store_id: found.header.map(|h| h.id.to_string()).unwrap_or_default(),
        records,
    })
}

/// Refuses a journal whose header promises a format that this program does not know.
pub(crate) fn refuse_newer(found: &Scan, path: &Path) -> Result<(), StoreError> {
    match &found.header {
        Some(header) if header.format > FORMAT => {
            Err(StoreError::NewerFormat { path: path.to_owned(), found: header.format, supported: FORMAT })
        }
        _ => Ok(()),
    }
}
