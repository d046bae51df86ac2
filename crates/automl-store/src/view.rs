//! A look at the log from outside: no lock, no write, no database.
//!
//! This is what `status` or `trials` use, beside a running engine or on a folder that may only be
//! read. The journal is enough for it, because everything acknowledged is in it.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::StoredRecord;
use crate::error::StoreError;
use crate::files::JOURNAL_FILE;
use crate::format::{FORMAT, Header, StoreId, Writer};
use crate::journal::place;
use crate::lone::{State, open_journal};
use crate::scan::{Found, Scan, Stray, scan, scan_on};
use crate::snapshot;

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
    /// Who opened the log for writing, each with the number of the first record from then on.
    pub writers: Vec<(Writer, u64)>,
    /// The first line that does not follow on what is before it: damage, or the unfinished end.
    pub stray: Option<Stray>,
    /// Lines without a record that counts, each by the number of the first record behind it.
    others: Vec<u64>,
}

impl JournalView {
    /// Returns the number of the line, from 1, that holds a record or would hold the next one.
    #[must_use]
    pub fn line_of(&self, seq: u64) -> u64 {
        // The header is line 1.
        1 + seq + self.others.partition_point(|first| *first <= seq) as u64
    }
}

/// Reads the log of a study without locking, writing or waiting for anything.
///
/// An unfinished last line is left out, and so is a batch whose end is not there yet: an engine may
/// be writing it at this moment. A log whose journal was removed on purpose is read from a copy of its database.
///
/// # Errors
///
/// [`StoreError::Io`] when the journal is missing or cannot be read, [`StoreError::NewerFormat`] when
/// a newer version wrote it.
pub fn read_journal(study_dir: &Path) -> Result<JournalView, StoreError> {
    read_open_journal(&open_journal(study_dir)?, &study_dir.join(JOURNAL_FILE))
}

/// Reads a journal under any name, such as one taken from an archive.
///
/// # Errors
///
/// As for [`read_journal`].
pub fn read_journal_file(path: &Path) -> Result<JournalView, StoreError> {
    read_open_journal(&File::open(path).map_err(StoreError::io("open", path))?, path)
}

/// Reads a journal that was opened before ([`open_journal`]), from where it was read to; the path names it in
/// errors.
///
/// # Errors
///
/// As for [`read_journal`].
pub fn read_open_journal(file: &File, path: &Path) -> Result<JournalView, StoreError> {
    let mut records = Vec::new();
    let collect =
        |found: Found<'_>| records.push(StoredRecord { seq: found.seq, payload: found.payload.to_vec() });
    let found = scan(file, collect).map_err(StoreError::io("read", path))?;
    refuse_newer(&found, path)?;
    let damage = found.damage();
    Ok(JournalView {
        damage,
        whole_bytes: found.good_len,
        torn_tail_bytes: found.tail_bytes(),
        stray: found.stray,
        writers: found.writers,
        others: found.others,
        store_id: found.header.map(|h| h.id.to_string()).unwrap_or_default(),
        records,
    })
}

/// Bytes before the place where reading stopped by which a changed journal is recognised; they hold the end of
/// a line, and in short lines its checksum.
const MARK_BYTES: u64 = 512;

/// Reads the log of a study again and again, each time only what is new.
///
/// Like [`read_journal`] it locks nothing, writes nothing and waits for nobody. When the journal was replaced,
/// or lost what had been read of it, reading begins anew.
#[derive(Debug)]
pub struct JournalFollower {
    study_dir: PathBuf,
    path: PathBuf,
    /// The text of a log without a journal, and the state of the database that it was made from.
    lone: Option<(State, File)>,
    /// Device and inode of the file that was read.
    place: Option<(u64, u64)>,
    scan: Scan,
    /// What was before the place where reading stopped.
    mark: Vec<u8>,
}

/// What a look at a followed log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Records in whole batches, those of earlier looks included.
    pub records: u64,
    /// Bytes behind them: a batch that is being written, or that a crash interrupted.
    pub torn_tail_bytes: u64,
    /// What is wrong beyond an unfinished end.
    pub damage: Option<String>,
}

impl JournalFollower {
    /// Begins to follow the log of a study. Nothing is read yet.
    #[must_use]
    pub fn new(study_dir: &Path) -> Self {
        let (study_dir, path) = (study_dir.to_owned(), study_dir.join(JOURNAL_FILE));
        Self { study_dir, path, lone: None, place: None, scan: Scan::default(), mark: Vec::new() }
    }

    /// Opens what is to be read; a text that was made before serves as long as the database is the same.
    fn open(&mut self) -> Result<File, StoreError> {
        let failed = StoreError::io("open", &self.path);
        let state = State::of(&self.study_dir).filter(|_| !self.path.exists());
        let file = match (state, self.lone.take()) {
            (Some(now), Some((state, file))) if now == state => {
                self.lone = Some((state, file.try_clone().map_err(failed)?));
                file
            }
            (Some(state), _) => {
                let file = open_journal(&self.study_dir)?;
                self.lone = Some((state, file.try_clone().map_err(failed)?));
                file
            }
            (None, _) => open_journal(&self.study_dir)?,
        };
        Ok(file)
    }

    /// Begins behind the snapshot of the log, where there is one of this format that can be believed, and
    /// returns what is in it ([`Store::keep_snapshot`](crate::Store::keep_snapshot)).
    pub fn begin_with_snapshot(&mut self, format: &str) -> Option<Vec<u8>> {
        let file = File::open(&self.path).ok()?;
        let (origin, content) = snapshot::read(self.path.parent()?, &file, format)?;
        let id = StoreId::from_bytes(b"")?;
        self.place = Some(place(&file).ok()?);
        self.mark = mark(&file, origin.bytes).ok()?;
        self.scan = Scan {
            // What the first line says has been checked together with all others.
            header: Some(Header { format: FORMAT, id }),
            records: origin.records,
            good_len: origin.bytes,
            epoch: origin.epoch,
            ..Scan::default()
        };
        Some(content)
    }

    /// Shows the records that are new since the last look to `visit`, with their sequence numbers. Record 1
    /// means that reading has begun anew.
    ///
    /// # Errors
    ///
    /// As for [`read_journal`]. The next look begins anew.
    pub fn follow(&mut self, mut visit: impl FnMut(u64, &[u8])) -> Result<Followed, StoreError> {
        let known = std::mem::take(&mut self.scan);
        let mut file = self.open()?;
        let here = place(&file).map_err(StoreError::io("look at", &self.path))?;
        let same = self.place == Some(here) && mark(&file, known.good_len).is_ok_and(|now| now == self.mark);
        let before = if same { known } else { Scan::default() };
        let shown = |found: Found<'_>| visit(found.seq, found.payload);
        let found = file
            .seek(SeekFrom::Start(before.good_len))
            .and_then(|_| scan_on(before, &file, shown))
            .map_err(StoreError::io("read", &self.path))?;
        refuse_newer(&found, &self.path)?;
        self.place = Some(here);
        self.mark = mark(&file, found.good_len).map_err(StoreError::io("read", &self.path))?;
        let (records, torn_tail_bytes) = (found.records, found.tail_bytes());
        let followed = Followed { records, torn_tail_bytes, damage: found.damage() };
        self.scan = found;
        Ok(followed)
    }
}

/// Returns what is before a place of a journal.
fn mark(file: &File, place: u64) -> io::Result<Vec<u8>> {
    let len = place.min(MARK_BYTES);
    let mut mark = vec![0; len as usize];
    file.read_exact_at(&mut mark, place - len).map(|()| mark)
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
