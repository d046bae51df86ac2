//! What can go wrong with a log, in words that name the file and the way out.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Failure to create, open, append to or read a log.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The operating system refused an operation on a file.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was attempted, such as `append to`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The reason given by the operating system.
        source: io::Error,
    },
    /// The database reported damage, or panicked, in the middle of its work.
    #[error("cannot {action} {}: {detail}; open the study again, or `automl fsck --repair` it, which mends it from events.jsonl", path.display())]
    Database {
        /// What was attempted.
        action: &'static str,
        /// The folder of the database.
        path: PathBuf,
        /// The words of the database.
        detail: String,
    },
    /// A record did not read back as it was written.
    #[error("record {seq} in {} is damaged; open the study again, or `automl fsck --repair` it, which mends it from the other copy", path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// The first record that is damaged.
        seq: u64,
    },
    /// The folder already holds a log.
    #[error("{} already holds an event log; open it, or choose another study name", study_dir.display())]
    Exists {
        /// The study folder.
        study_dir: PathBuf,
    },
    /// Neither copy of the log can be used.
    #[error(
        "no usable event log in {}: store/ is {database}, events.jsonl is {journal}; \
         restore one of them from a backup (`automl fsck` tells more)",
        study_dir.display()
    )]
    Unreadable {
        /// The study folder.
        study_dir: PathBuf,
        /// State of the database: `missing`, or what is wrong with it.
        database: String,
        /// State of the journal: `missing`, or what is wrong with it.
        journal: String,
    },
    /// Both copies are damaged, and records that were acknowledged are in neither.
    #[error(
        "{} has lost records: {expected} were acknowledged, only the first {readable} can be read \
         from store/ or events.jsonl; restore the folder from a backup, or let `automl fsck --repair` go on from \
         what is left",
        study_dir.display()
    )]
    Lost {
        /// The study folder.
        study_dir: PathBuf,
        /// Length of the longest intact beginning of the log.
        readable: u64,
        /// Highest sequence number that is known to have been written.
        expected: u64,
    },
    /// The two copies disagree about a record.
    #[error(
        "record {seq} differs between store/ and events.jsonl in {}; one of them belongs to another \
         study or was edited: `automl fsck --repair --from store` (or `journal`) keeps the right one",
        study_dir.display()
    )]
    Conflict {
        /// The study folder.
        study_dir: PathBuf,
        /// The first record that differs.
        seq: u64,
    },
    /// The two copies carry the marks of different logs.
    #[error(
        "store/ (log {database}) and events.jsonl (log {journal}) in {} belong to different studies; \
         `automl fsck --repair --from store` (or `journal`) keeps the right one",
        study_dir.display()
    )]
    Mixed {
        /// The study folder.
        study_dir: PathBuf,
        /// Identity of the log in the database.
        database: String,
        /// Identity of the log in the journal.
        journal: String,
    },
    /// The log was written by a newer version of the program.
    #[error("{} has format {found}, this version reads up to {supported}; use a newer automl", path.display())]
    NewerFormat {
        /// The file or folder.
        path: PathBuf,
        /// Format number of the file.
        found: u32,
        /// Highest format number that can be read.
        supported: u32,
    },
    /// Another process has the log open.
    #[error("the event log in {} is open in another process; wait for it, or ask the running engine", study_dir.display())]
    Busy {
        /// The study folder.
        study_dir: PathBuf,
    },
    /// The log went on without this process, or was taken away from it.
    #[error(
        "{} was {how} by somebody else while this process had it open: this process writes no more; \
         look who works on the study, then resume it",
        path.display()
    )]
    Fenced {
        /// The journal.
        path: PathBuf,
        /// What was done to it, such as `removed`, `written to` or `taken over by process 7 on host`.
        how: String,
    },
    /// A payload may not be stored.
    #[error("payload {index} of the batch {reason}")]
    BadPayload {
        /// Position in the batch, from 0.
        index: usize,
        /// What is wrong with it, such as `is not a JSON object`.
        reason: String,
    },
}

/// Tells whether an operation failed only for want of space: the disk is full, or a quota is used up.
#[must_use]
pub fn is_full_disk(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl StoreError {
    /// Tells whether there is only no space left, so that the same may succeed later.
    #[must_use]
    pub fn is_full_disk(&self) -> bool {
        matches!(self, StoreError::Io { source, .. } if is_full_disk(source))
    }

    /// Returns a function that turns an [`io::Error`] into this type, for `map_err`.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        move |source| StoreError::Io { action, path: path.to_owned(), source }
    }
}
