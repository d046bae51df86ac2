//! The durable memory of one study: an append-only log of opaque JSON records.
//!
//! A record goes in as bytes and gets a sequence number, and all records come out again in that
//! order. What a record means is the engine's business: nothing here reads inside a payload.
//!
//! Every record is kept twice, because neither half alone is safe enough:
//!
//! - `store/`, a sled database, is the source of truth. It applies a batch in one atomic step.
//! - `events.jsonl`, the journal, is a plain mirror with one checksummed line per record. It can be
//!   read by anybody, without a lock, while an engine runs, and rebuilds a damaged database.
//!
//! Invariants:
//! - sequence numbers are dense from 1, and a record never changes once it is acknowledged;
//! - [`Store::append`] returns only when both halves are on the disk (`fdatasync`), and appends all
//!   of a batch or nothing;
//! - the database is made durable before the journal, so the journal is never ahead of a healthy
//!   database;
//! - after [`SledStore::open`] both halves hold the same records;
//! - each record carries the epoch of its writer. Opening for writing raises it, durably, before anything is
//!   appended; a record that comes after one of a higher epoch does not count.
//!
//! One thread owns a [`SledStore`]: sled 0.34 is known to deadlock under concurrent writers. Readers
//! use [`read_journal`], or [`JournalFollower`] to look again and again. [`StudyLock`] keeps a second engine away from the study.

mod blocks;
mod contain;
mod database;
mod error;
mod faults;
mod files;
mod format;
mod inspect;
mod journal;
mod lock;
mod lone;
mod memory;
mod process;
mod recover;
mod repair;
mod rest;
mod scan;
mod sled_store;
mod snapshot;
mod view;

pub use contain::panic_is_contained;
pub use error::{StoreError, is_full_disk};
pub use faults::{Fault, Operation, with_faults};
pub use format::{MAX_PAYLOAD_BYTES, Writer};
pub use inspect::{CopyState, Defect, Inspection, LogCopy, inspect};
pub use lock::{EngineInfo, LockError, StudyLock, running_engine};
pub use lone::open_journal;
pub use memory::MemoryStore;
pub use recover::Recovery;
pub use repair::{cut_behind, rebuild_from};
pub use scan::Stray;
pub use sled_store::SledStore;
pub use view::{Followed, JournalFollower, JournalView, read_journal, read_journal_file, read_open_journal};

/// One record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Position in the log: from 1, without gaps.
    pub seq: u64,
    /// One JSON object in UTF-8 without line breaks, byte for byte as it was appended.
    pub payload: Vec<u8>,
}

/// An append-only log of JSON records.
pub trait Store {
    /// Appends a batch of records, all of them or none, and returns the last sequence number.
    ///
    /// Each payload is one JSON object in UTF-8 without line breaks, at most [`MAX_PAYLOAD_BYTES`]
    /// long. When this returns `Ok`, the records survive a crash and, in a store on a disk, the loss
    /// of power. An empty batch changes nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadPayload`] for a payload that is no such object, and what the medium reports
    /// otherwise. After an error the log reads as before, and a later append may succeed, for
    /// instance once a full disk has space again. Only when the process ends before that next
    /// append may the refused batch, whole, turn up at the next opening.
    fn append(&mut self, payloads: &[Vec<u8>]) -> Result<u64, StoreError>;

    /// Shows the records from `first` on to `visit`, with their sequence numbers and in their order.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when a record cannot be read back intact.
    fn visit(&self, first: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError>;

    /// Returns what was kept with [`Store::keep_snapshot`] under this format by this build of the program, and
    /// the number of records it was made from. `None` whenever there is the slightest doubt about it.
    fn snapshot(&self, format: &str) -> Option<(u64, Vec<u8>)> {
        let _ = format;
        None
    }

    /// Keeps what the caller has made of all records so far, so that it need not be made again. A store may
    /// forget it at any time.
    ///
    /// # Errors
    ///
    /// What the medium reports; the log is not touched.
    fn keep_snapshot(&mut self, format: &str, content: &[u8]) -> Result<(), StoreError> {
        let _ = (format, content);
        Ok(())
    }

    /// Says whether the plain text copy of the log shall stay when nobody works on it; it does unless this is
    /// called. A store that has no such copy does not mind.
    fn keep_journal(&mut self, keep: bool) {
        let _ = keep;
    }

    /// Returns all records in the order of their sequence numbers.
    ///
    /// # Errors
    ///
    /// As for [`Store::visit`].
    fn read_all(&self) -> Result<Vec<StoredRecord>, StoreError> {
        let mut records = Vec::with_capacity(usize::try_from(self.last_seq()).unwrap_or_default());
        self.visit(1, &mut |seq, payload| records.push(StoredRecord { seq, payload: payload.to_vec() }))?;
        Ok(records)
    }

    /// Returns the sequence number of the last record, 0 in an empty log.
    fn last_seq(&self) -> u64;
}
