//! The sled database `store/`: the log in its primary form.
//!
//! Its default tree holds the records' lines in blocks (`blocks.rs`), and under keys that start with a
//! letter, and so sort behind every block, what describes the log: `format`, `store` (its identity),
//! `last_seq`, `epoch` (of its latest writer) and `alone` (there is no journal, and shall be none until somebody
//! works on the log again).
//!
//! Two things about sled 0.34 shape this file. Its `flush` ends in `sync_file_range`, which survives
//! a crash of the process but not a loss of power; so every append also calls `fdatasync` on the
//! database file through a handle of our own. And once a write has failed, the open database refuses
//! everything; so a failed database is dropped and opened again.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::blocks::{self, BLOCK_BYTES, CHUNK_BYTES, Content, block_key, parse_key};
use crate::contain::{SledFailure, contained};
use crate::error::StoreError;
use crate::faults::{self, Operation};
use crate::files::{DATABASE_DIR, short, sync_dir};
use crate::format::{FORMAT, Line, Lines, StoreId, Writer};

/// Memory that sled may use for its pages, in bytes.
const CACHE_BYTES: u64 = 64 << 20;
/// How often sled's own thread writes and cleans up, in milliseconds.
const BACKGROUND_FLUSH_MS: u64 = 500;
/// Blocks above this size together go to sled in several batches. sled holds a batch back until it is
/// complete, and the pages of a giant one would not fit its cache.
const BATCH_BYTES: usize = 1 << 20;
/// Size of the pieces in which sled writes and reclaims its file, in bytes. What is overwritten or removed
/// becomes free by whole pieces, and some of them are always in use: so they say how large a small log's
/// database gets. A page must fit a quarter of one, see [`CHUNK_BYTES`].
const SEGMENT_BYTES: usize = 32 << 10;
/// How long to wait for the threads of a dropped database to let go of its file.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_RETRY: Duration = Duration::from_millis(5);

/// Where sled keeps the settings that a database was made with.
const CONFIG_FILE: &str = "conf";

const KEY_FORMAT: &[u8] = b"format";
const KEY_ID: &[u8] = b"store";
const KEY_LAST_SEQ: &[u8] = b"last_seq";
const KEY_EPOCH: &[u8] = b"epoch";
const KEY_ALONE: &[u8] = b"alone";
/// First key behind all records.
const RECORDS_END: &[u8] = &[1];

/// An open database.
pub(crate) struct Database {
    db: sled::Db,
    /// A handle on sled's file for `fdatasync`.
    file: File,
    dir: PathBuf,
    /// Identity of the log.
    pub(crate) id: StoreId,
    last_seq: u64,
    epoch: u64,
    alone: bool,
    /// The plain blocks behind the last packed one; known once the database has been read.
    tail: Tail,
}

/// Plain blocks: their keys and their text.
#[derive(Default)]
struct Tail {
    first: u64,
    keys: Vec<Vec<u8>>,
    text: Vec<u8>,
}

impl Tail {
    fn add(&mut self, first: u64, parts: usize, text: &[u8]) {
        if self.keys.is_empty() {
            self.first = first;
        }
        self.keys.extend((0..parts).map(|part| block_key(first, part as u16)));
        self.text.extend_from_slice(text);
    }
}

/// Outcome of [`Database::open`].
pub(crate) enum Opened {
    Ready(Database),
    Missing,
    /// Not usable; says why.
    Damaged(String),
}

/// What reading the database from its beginning found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Number of intact records from the first on, at most the claimed ones.
    pub(crate) prefix: u64,
    /// Whether there are parts of a batch that was never completed.
    pub(crate) leftovers: bool,
}

impl Scan {
    /// Reads the lines of a block; tells whether all of them follow.
    fn read(&mut self, text: &[u8], last_seq: u64, visit: &mut impl FnMut(&Line<'_>)) -> bool {
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\n").and_then(Line::parse);
            let next = self.prefix + 1;
            let Some(line) = line.filter(|line| line.seq == next && next <= last_seq) else { return false };
            visit(&line);
            self.prefix = next;
        }
        true
    }
}

impl Database {
    /// Creates an empty database in a study folder that has none, durably.
    pub(crate) fn create(study_dir: &Path, id: &StoreId) -> Result<Self, StoreError> {
        let database = Self::create_in(study_dir.join(DATABASE_DIR), id)?;
        sync_dir(study_dir)?;
        Ok(database)
    }

    /// Creates an empty database in a folder that is not there; the name of the folder is not durable yet.
    pub(crate) fn create_in(dir: PathBuf, id: &StoreId) -> Result<Self, StoreError> {
        let create = || {
            let db = open_sled(&dir)?;
            let mut batch = sled::Batch::default();
            batch.insert(KEY_FORMAT, &FORMAT.to_be_bytes());
            batch.insert(KEY_ID, id.as_str().as_bytes());
            batch.insert(KEY_LAST_SEQ, &0u64.to_be_bytes());
            db.apply_batch(batch)?;
            db.flush()?;
            let file = File::open(dir.join("db")).map_err(SledFailure::Io)?;
            file.sync_all().map_err(SledFailure::Io)?;
            File::open(dir.join(CONFIG_FILE)).and_then(|file| file.sync_all()).map_err(SledFailure::Io)?;
            let (id, tail) = (id.clone(), Tail::default());
            Ok(Self { db, file, dir: dir.clone(), id, last_seq: 0, epoch: 0, alone: false, tail })
        };
        let database = contained(create).map_err(|failure| failure.into_error("create", &dir))?;
        sync_dir(&dir)?;
        Ok(database)
    }

    /// Opens the database of a study folder; tells missing and damaged from forbidden.
    ///
    /// A damaged snapshot file of sled is only a cache: it is put aside, and the second attempt
    /// reads the log instead. What was done goes to `notes`.
    pub(crate) fn open(study_dir: &Path, notes: &mut Vec<String>) -> Result<Opened, StoreError> {
        let dir = study_dir.join(DATABASE_DIR);
        if !dir.try_exists().map_err(StoreError::io("look for", &dir))? {
            return Ok(Opened::Missing);
        }
        if !dir.join("db").exists() {
            return Ok(Opened::Damaged("without its file db".into()));
        }
        let mut outcome = contained(|| Self::attach(&dir));
        if matches!(outcome, Err(SledFailure::Damage(_))) && put_snapshots_aside(&dir)? {
            outcome = contained(|| Self::attach(&dir));
            if outcome.is_ok() {
                notes.push("put a damaged snapshot file of store/ aside; no record was affected".into());
            }
        }
        match outcome {
            Ok(Attached::Database(database)) => Ok(Opened::Ready(database)),
            Ok(Attached::Newer(found)) => {
                Err(StoreError::NewerFormat { path: dir, found, supported: FORMAT })
            }
            Err(SledFailure::Damage(reason)) => Ok(Opened::Damaged(reason)),
            Err(SledFailure::Locked) => Err(StoreError::Busy { study_dir: study_dir.to_owned() }),
            Err(SledFailure::Io(source)) => Err(StoreError::Io { action: "open", path: dir, source }),
        }
    }

    fn attach(dir: &Path) -> Result<Attached, SledFailure> {
        let db = open_sled(dir)?;
        let meta = |key: &[u8]| db.get(key).map_err(SledFailure::from);
        // sled shows a log that it cannot make sense of as an empty database.
        let empty = || SledFailure::Damage("damaged (it opens as an empty database)".into());
        let format = meta(KEY_FORMAT)?.ok_or_else(empty)?;
        let format = format.as_ref().try_into().map(u32::from_be_bytes).map_err(|_| empty())?;
        if format > FORMAT {
            return Ok(Attached::Newer(format));
        }
        let id = meta(KEY_ID)?.and_then(|id| StoreId::from_bytes(&id)).ok_or_else(empty)?;
        let last_seq = meta(KEY_LAST_SEQ)?.ok_or_else(empty)?;
        let last_seq = last_seq.as_ref().try_into().map(u64::from_be_bytes).map_err(|_| empty())?;
        // Format 1 had none.
        let epoch = meta(KEY_EPOCH)?.map_or(Ok(0), |epoch| epoch.as_ref().try_into().map(u64::from_be_bytes));
        let epoch = epoch.map_err(|_| empty())?;
        let alone = meta(KEY_ALONE)?.is_some();
        let file = File::open(dir.join("db")).map_err(SledFailure::Io)?;
        let tail = Tail::default();
        Ok(Attached::Database(Self { db, file, dir: dir.to_owned(), id, last_seq, epoch, alone, tail }))
    }

    /// Number of records that the database says it holds.
    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Epoch of the latest writer; 0 where there was none.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns the size of sled's file in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Tells whether the journal was removed on purpose.
    pub(crate) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Records that the journal is removed on purpose, durably.
    pub(crate) fn stand_alone(&mut self) -> Result<(), StoreError> {
        self.change("append to", |db| db.insert(KEY_ALONE, &[]).map(drop))?;
        self.alone = true;
        Ok(())
    }

    /// Records who writes from now on, durably. An older database is of this format from then on: its blocks
    /// stay as they are.
    pub(crate) fn take_over(&mut self, writer: &Writer) -> Result<(), StoreError> {
        self.change("append to", |db| {
            let mut batch = sled::Batch::default();
            batch.insert(KEY_FORMAT, &FORMAT.to_be_bytes());
            batch.insert(KEY_EPOCH, &writer.epoch.to_be_bytes());
            batch.remove(KEY_ALONE);
            db.apply_batch(batch)
        })?;
        (self.epoch, self.alone) = (writer.epoch, false);
        Ok(())
    }

    /// Appends a batch behind the last record, in one atomic and durable step.
    ///
    /// The last sequence number is written together with the last block. Blocks beyond it, left by
    /// a crash between the parts of a large append, do not exist.
    pub(crate) fn append(&mut self, lines: &Lines) -> Result<(), StoreError> {
        let (blocks, packed) = blocks::of_batch(lines);
        self.add(lines, blocks, packed)
    }

    /// Appends a batch as [`Database::append`] does, compressed however small it is: for records that were
    /// acknowledged before.
    pub(crate) fn append_packed(&mut self, lines: &Lines) -> Result<(), StoreError> {
        self.add(lines, blocks::pack(lines.first(), lines.text()), true)
    }

    fn add(&mut self, lines: &Lines, blocks: Vec<(u64, Vec<u8>)>, packed: bool) -> Result<(), StoreError> {
        let full = packed || self.tail.text.len() + lines.text().len() >= BLOCK_BYTES;
        // Only what was acknowledged before is packed: the batch keeps keys of its own, by which it can be
        // taken back.
        let tail = std::mem::take(&mut self.tail);
        self.change("append to", |db| {
            let mut batch = sled::Batch::default();
            if full {
                tail.keys.iter().for_each(|key| batch.remove(key.as_slice()));
                blocks::pack(tail.first, &tail.text).iter().for_each(|(first, block)| {
                    insert(&mut batch, *first, block);
                });
            }
            let mut batch_bytes = 0;
            for (first, block) in &blocks {
                if batch_bytes > BATCH_BYTES {
                    db.apply_batch(std::mem::take(&mut batch))?;
                    batch_bytes = 0;
                }
                insert(&mut batch, *first, block);
                batch_bytes += block.len();
            }
            batch.insert(KEY_LAST_SEQ, &lines.last().to_be_bytes());
            db.apply_batch(batch)
        })?;
        if !full {
            self.tail = tail;
        }
        if let (false, [(first, block)]) = (packed, blocks.as_slice()) {
            self.tail.add(*first, block.chunks(CHUNK_BYTES).len(), lines.text());
        }
        self.last_seq = lines.last();
        Ok(())
    }

    /// Removes the batches behind record `last`, durably.
    pub(crate) fn truncate(&mut self, last: u64) -> Result<(), StoreError> {
        self.change("cut the unfinished end of", |db| {
            let mut batch = sled::Batch::default();
            for item in db.range(block_key(last + 1, 0).as_slice()..RECORDS_END) {
                batch.remove(item?.0);
            }
            batch.insert(KEY_LAST_SEQ, &last.to_be_bytes());
            db.apply_batch(batch)
        })?;
        self.last_seq = last;
        self.scan(|_| ()).map(drop)
    }

    fn change(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&sled::Db) -> sled::Result<()>,
    ) -> Result<(), StoreError> {
        let (db, file) = (&self.db, &self.file);
        contained(|| {
            faults::pass(Operation::DatabaseWrite).map_err(SledFailure::Io)?;
            work(db)?;
            faults::pass(Operation::DatabaseFlush).map_err(SledFailure::Io)?;
            db.flush()?;
            faults::pass(Operation::DatabaseSync).map_err(SledFailure::Io)?;
            file.sync_data().map_err(SledFailure::Io)
        })
        .map_err(|failure| failure.into_error(action, &self.dir.join("db")))
    }

    /// Reads the records in order, shows each intact one to `visit`, and stops at the first other.
    pub(crate) fn scan(&mut self, mut visit: impl FnMut(&Line<'_>)) -> Result<Scan, StoreError> {
        let mut scan = Scan::default();
        let mut tail = Tail::default();
        let read = contained(|| {
            let mut block = Vec::new();
            let mut items = self.db.range::<&[u8], _>(..RECORDS_END).peekable();
            while let Some(item) = items.next() {
                let (key, head) = item?;
                let first = scan.prefix + 1;
                if first > self.last_seq {
                    scan.leftovers = true;
                    break;
                }
                if parse_key(&key) != Some((first, 0)) {
                    break;
                }
                block.clear();
                block.extend_from_slice(&head);
                let mut parts = 1;
                while let Some(Ok(part)) = items.next_if(|next| is_part_of(next, first)) {
                    block.extend_from_slice(&part.1);
                    parts += 1;
                }
                match blocks::open(first, &block) {
                    Some(Content::Record(line)) => {
                        tail = Tail::default();
                        visit(&line);
                        scan.prefix = first;
                    }
                    Some(Content::Lines { text, packed }) => {
                        if packed {
                            tail = Tail::default();
                        } else {
                            tail.add(first, parts, &text);
                        }
                        if !scan.read(&text, self.last_seq, &mut visit) {
                            break;
                        }
                    }
                    None => break,
                }
            }
            Ok(())
        });
        self.tail = tail;
        match read {
            // Damage in the middle: the records before it count.
            Ok(()) | Err(SledFailure::Damage(_)) => Ok(scan),
            Err(failure) => Err(failure.into_error("read", &self.dir)),
        }
    }

    /// Closes the database; a panic or an error of sled on the way is of no consequence.
    pub(crate) fn close(self) {
        // Everything acknowledged is on the disk already.
        let _ = contained(move || {
            drop(self);
            Ok(())
        });
    }
}

enum Attached {
    Database(Database),
    /// Written by a newer version, with this format number.
    Newer(u32),
}

fn is_part_of(item: &sled::Result<(sled::IVec, sled::IVec)>, seq: u64) -> bool {
    item.as_ref().is_ok_and(|(key, _)| matches!(parse_key(key), Some((s, 1..)) if s == seq))
}

/// Puts a block into a batch, in as many parts as it takes.
fn insert(batch: &mut sled::Batch, first: u64, block: &[u8]) {
    for (part, key) in block.chunks(CHUNK_BYTES).zip((0..).map(|part| block_key(first, part))) {
        batch.insert(key, part);
    }
}

/// Opens sled, waiting a little for a predecessor in this process to let go of the file.
fn open_sled(dir: &Path) -> Result<sled::Db, SledFailure> {
    let config = sled::Config::new()
        .path(dir)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(Some(BACKGROUND_FLUSH_MS))
        .segment_size(segment_bytes(dir));
    let give_up = Instant::now() + LOCK_PATIENCE;
    loop {
        match config.open().map_err(SledFailure::from) {
            Err(SledFailure::Locked) if Instant::now() < give_up => thread::sleep(LOCK_RETRY),
            outcome => return outcome,
        }
    }
}

/// Returns the segment size of the database in a folder, which sled cannot change; that of new ones where
/// there is none.
fn segment_bytes(dir: &Path) -> usize {
    let text = fs::read(dir.join(CONFIG_FILE)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let size = text.lines().find_map(|line| line.strip_prefix("segment_size: ")?.trim().parse().ok());
    // sled panics on sizes that it does not accept.
    let accepted = |size: &usize| size.is_power_of_two() && (256..=1 << 24).contains(size);
    size.filter(accepted).unwrap_or(SEGMENT_BYTES)
}

/// Renames sled's snapshot files so that it does not see them; tells whether there were any.
fn put_snapshots_aside(dir: &Path) -> Result<bool, StoreError> {
    let list = || -> io::Result<Vec<PathBuf>> { fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect() };
    let files = list().map_err(StoreError::io("list", dir))?;
    let snapshots: Vec<_> = files.into_iter().filter(|path| short(path).starts_with("snap.")).collect();
    for path in &snapshots {
        let aside = path.with_file_name(format!("damaged-{}", short(path)));
        fs::rename(path, aside).map_err(StoreError::io("move aside", path))?;
    }
    Ok(!snapshots.is_empty())
}
