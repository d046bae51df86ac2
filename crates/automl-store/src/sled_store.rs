//! The durable [`Store`]: a sled database and its journal, kept in step.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::Store;
use crate::database::Database;
use crate::error::StoreError;
use crate::files::{DATABASE_DIR, JOURNAL_FILE, STORE_LOCK_FILE, sync_dir};
use crate::format::{Lines, StoreId, Writer, check_payloads};
use crate::journal::Journal;
use crate::recover::{Copies, Loss, Recovery, open_copies};
use crate::rest::rest;
use crate::snapshot;

/// Records read in one step by [`Store::visit`].
const READ_RECORDS: usize = 4096;
/// How long a lock may outlive its holder: a process that is being started by the holder keeps a
/// copy of the locked file until it runs its own program.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
const LOCK_RETRY: Duration = Duration::from_millis(2);

/// The event log of a study on a disk.
///
/// While it is open, no other process can open it. The lock goes with the process, however it ends. When it is
/// dropped, a database that is larger than its text is written anew, small.
pub struct SledStore {
    study_dir: PathBuf,
    /// `None` after a write to the database failed, until the next append has opened it again.
    database: Option<Database>,
    journal: Journal,
    last_seq: u64,
    writer: Writer,
    /// Whether both copies say that this process writes from here on.
    took_over: bool,
    /// Whether the journal stays when this is closed.
    keeps_journal: bool,
    _lock: File,
}

impl SledStore {
    /// Creates an empty log in a study folder, and the folder where needed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Exists`] when the folder has a log already, [`StoreError::Io`] when it cannot be
    /// written to.
    pub fn create(study_dir: &Path) -> Result<Self, StoreError> {
        fs::create_dir_all(study_dir).map_err(StoreError::io("create the folder", study_dir))?;
        let lock = lock_store(study_dir)?;
        if has_log(study_dir)? {
            return Err(StoreError::Exists { study_dir: study_dir.to_owned() });
        }
        // The journal appears in one step, and a log with a journal can be opened: an interruption
        // leaves either nothing or a log that is empty.
        let id = StoreId::random();
        let path = study_dir.join(JOURNAL_FILE);
        let mut journal = Journal::create(&path.with_extension("jsonl.new"), &id)?;
        journal.publish(&path)?;
        if let Some(root) = study_dir.parent().filter(|root| !root.as_os_str().is_empty()) {
            sync_dir(root)?;
        }
        let database = Database::create(study_dir, &id)?;
        Self::new(study_dir, Copies { database, journal, epoch: 0 }, lock)
    }

    /// Opens the log of a study and repairs what a crash or a damaged disk left behind.
    ///
    /// Both copies are read and compared in full. The [`Recovery`] says what was repaired; damaged
    /// files are kept beside the new ones, with `.damaged-<n>` in their name.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreadable`] without a usable copy, [`StoreError::Lost`] when acknowledged
    /// records are in neither copy, [`StoreError::Conflict`] and [`StoreError::Mixed`] when the copies
    /// contradict each other, [`StoreError::NewerFormat`], [`StoreError::Busy`] when another process
    /// has the log open, [`StoreError::Io`] when the folder cannot be read and written.
    pub fn open(study_dir: &Path) -> Result<(Self, Recovery), StoreError> {
        Self::open_with(study_dir, Loss::Refuse)
    }

    /// Opens the log as [`SledStore::open`] does, but accepts that acknowledged records are lost.
    ///
    /// This is for a repair on request: the log then ends where the longer copy stops being
    /// readable, and the damaged files are kept.
    ///
    /// # Errors
    ///
    /// As for [`SledStore::open`], without [`StoreError::Lost`].
    pub fn salvage(study_dir: &Path) -> Result<(Self, Recovery), StoreError> {
        Self::open_with(study_dir, Loss::Accept)
    }

    fn open_with(study_dir: &Path, loss: Loss) -> Result<(Self, Recovery), StoreError> {
        if !has_log(study_dir)? {
            return Err(StoreError::Unreadable {
                study_dir: study_dir.to_owned(),
                database: "missing".into(),
                journal: "missing".into(),
            });
        }
        let lock = lock_store(study_dir)?;
        let (copies, recovery) = open_copies(study_dir, None, loss)?;
        Ok((Self::new(study_dir, copies, lock)?, recovery))
    }

    fn new(study_dir: &Path, copies: Copies, lock: File) -> Result<Self, StoreError> {
        let last_seq = copies.journal.last_seq();
        let mut store = Self {
            study_dir: study_dir.to_owned(),
            database: Some(copies.database),
            journal: copies.journal,
            last_seq,
            writer: Writer::this(copies.epoch + 1),
            took_over: false,
            keeps_journal: true,
            _lock: lock,
        };
        match store.take_over() {
            // Nothing can be appended either until there is room, and then this comes first.
            Err(error) if error.is_full_disk() => Ok(store),
            outcome => outcome.map(|()| store),
        }
    }

    /// Returns this process as the writer of the log.
    #[must_use]
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Makes this process the writer in both copies, if it is not yet.
    fn take_over(&mut self) -> Result<(), StoreError> {
        if self.took_over {
            return Ok(());
        }
        let writer = self.writer.clone();
        if let Err(error) = self.healthy_database()?.take_over(&writer) {
            self.drop_database();
            return Err(error);
        }
        self.journal.take_over(&writer)?;
        self.took_over = true;
        Ok(())
    }

    /// Returns the database, opened again and cut back when its last write failed.
    fn healthy_database(&mut self) -> Result<&mut Database, StoreError> {
        if self.database.is_none() {
            self.journal.trim()?;
            let (copies, recovery) = open_copies(&self.study_dir, Some(self.last_seq), Loss::Refuse)?;
            if recovery.records != self.last_seq {
                return Err(StoreError::Lost {
                    study_dir: self.study_dir.clone(),
                    readable: recovery.records,
                    expected: self.last_seq,
                });
            }
            self.journal = copies.journal;
            self.journal.go_on_as(&self.writer, self.took_over);
            self.database = Some(copies.database);
        }
        Ok(self.database.as_mut().expect("it was opened above"))
    }

    /// Gives up the open database: after a failed write sled refuses everything.
    fn drop_database(&mut self) {
        if let Some(database) = self.database.take() {
            database.close();
        }
    }

    /// Leaves the log as it shall be while nobody works on it.
    fn rest(&mut self) -> Result<(), StoreError> {
        // What is not sound, or not this process's any more, is left as it is.
        self.journal.trim()?;
        self.journal.check_own()?;
        match self.database.take() {
            Some(database) if self.took_over => {
                rest(&self.study_dir, database, &self.journal, &self.writer, self.keeps_journal)
            }
            database => {
                self.database = database;
                Ok(())
            }
        }
    }

    /// Takes a batch back out of the database that could not be written to the journal.
    fn undo_database(&mut self) {
        let last_seq = self.last_seq;
        if self.database.as_mut().is_some_and(|database| database.truncate(last_seq).is_err()) {
            self.drop_database();
        }
    }
}

impl Store for SledStore {
    fn append(&mut self, payloads: &[Vec<u8>]) -> Result<u64, StoreError> {
        check_payloads(payloads)?;
        if payloads.is_empty() {
            return Ok(self.last_seq);
        }
        // Before the database has it: a process that lost the study leaves no trace.
        self.journal.trim()?;
        self.journal.check_own()?;
        self.take_over()?;
        let records: Vec<(u64, &[u8])> =
            payloads.iter().map(|payload| (self.writer.epoch, payload.as_slice())).collect();
        let lines = Lines::batch(self.last_seq + 1, &records);
        if let Err(error) = self.healthy_database()?.append(&lines) {
            self.drop_database();
            return Err(error);
        }
        if let Err(error) = self.journal.append(&lines) {
            self.undo_database();
            return Err(error);
        }
        self.last_seq = lines.last();
        Ok(self.last_seq)
    }

    fn visit(&self, first: u64, visit: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError> {
        // Both copies hold the same; the journal is the faster one.
        for first in (first..=self.last_seq).step_by(READ_RECORDS) {
            self.journal.read(first, READ_RECORDS, |line| visit(line.seq, line.payload))?;
        }
        Ok(())
    }

    fn snapshot(&self, format: &str) -> Option<(u64, Vec<u8>)> {
        self.journal.snapshot(&self.study_dir, format)
    }

    fn keep_snapshot(&mut self, format: &str, content: &[u8]) -> Result<(), StoreError> {
        snapshot::write(&self.study_dir, self.journal.origin()?, format, content)
    }

    fn keep_journal(&mut self, keep: bool) {
        self.keeps_journal = keep;
    }

    fn last_seq(&self) -> u64 {
        self.last_seq
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        if !thread::panicking() {
            // Whatever fails, a complete copy is there, and nobody is left to be told.
            let _ = self.rest();
        }
        self.drop_database();
    }
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore")
            .field("study_dir", &self.study_dir)
            .field("last_seq", &self.last_seq)
            .finish_non_exhaustive()
    }
}

fn has_log(study_dir: &Path) -> Result<bool, StoreError> {
    let found = |name: &str| {
        let path = study_dir.join(name);
        path.try_exists().map_err(StoreError::io("look for", &path))
    };
    Ok(found(JOURNAL_FILE)? || found(DATABASE_DIR)?)
}

/// Keeps other processes, and other openings in this one, away from a log.
pub(crate) fn lock_store(study_dir: &Path) -> Result<File, StoreError> {
    let path = study_dir.join(STORE_LOCK_FILE);
    let file = open_lock(&path)?;
    hold(&file, &path, study_dir, File::try_lock)?;
    Ok(file)
}

fn open_lock(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(StoreError::io("open", path))
}

/// Keeps writers away from a log that is only read, but no other reader. Nothing is written for that where nothing
/// can be; a log that was never locked has no writer there.
pub(crate) fn lock_store_to_read(study_dir: &Path) -> Result<Option<File>, StoreError> {
    let denied = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
    };
    let path = study_dir.join(STORE_LOCK_FILE);
    let file = match open_lock(&path) {
        Err(StoreError::Io { source, .. }) if denied(&source) => match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Io { action: "open", path, source }),
        },
        opened => opened?,
    };
    hold(&file, &path, study_dir, File::try_lock_shared)?;
    Ok(Some(file))
}

/// Locks a file, waiting a little for a lock that outlives its holder.
fn hold(
    file: &File,
    path: &Path,
    study_dir: &Path,
    lock: fn(&File) -> Result<(), TryLockError>,
) -> Result<(), StoreError> {
    let give_up = Instant::now() + LOCK_PATIENCE;
    loop {
        match lock(file) {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if Instant::now() < give_up => thread::sleep(LOCK_RETRY),
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Busy { study_dir: study_dir.to_owned() });
            }
            Err(TryLockError::Error(source)) => {
                return Err(StoreError::Io { action: "lock", path: path.to_owned(), source });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn record(n: u32) -> Vec<u8> {
        format!(r#"{{"n":{n}}}"#).into_bytes()
    }

    #[test]
    fn batch_refused_by_the_journal_leaves_the_database_too() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SledStore::create(dir.path()).unwrap();
        store.append(&[record(1), record(2)]).unwrap();
        let full = OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
        let real = store.journal.swap_file(full);
        let error = store.append(&[record(3), record(4)]).unwrap_err();
        assert!(error.to_string().contains(JOURNAL_FILE), "{error}");
        assert_eq!(store.database.as_ref().map(Database::last_seq), Some(2));

        store.journal.swap_file(real);
        assert_eq!((store.last_seq(), store.read_all().unwrap().len()), (2, 2));
        assert_eq!(store.append(&[record(5)]).unwrap(), 3);
        drop(store);
        let (store, recovery) = SledStore::open(dir.path()).unwrap();
        assert_eq!(recovery.notes, Vec::<String>::new());
        assert_eq!(store.read_all().unwrap()[2].payload, record(5));
    }

    #[test]
    fn journal_stays_where_the_database_lacks_a_record() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SledStore::create(dir.path()).unwrap();
        // Longer than a database that is not written anew.
        let long = [br#"{"l":""#.to_vec(), vec![b'y'; 300_000], br#""}"#.to_vec()].concat();
        store.append(&[long, record(1)]).unwrap();
        store.append(&[record(2)]).unwrap();
        store.keep_journal(false);
        store.database.as_mut().unwrap().truncate(2).unwrap();
        drop(store);
        assert!(dir.path().join(JOURNAL_FILE).exists());
        let (store, recovery) = SledStore::open(dir.path()).unwrap();
        assert_eq!((store.last_seq(), recovery.from_journal), (3, 1));
    }

    #[test]
    fn writer_that_lost_the_log_leaves_no_trace() {
        let lose: [fn(&Path); 3] = [
            |path| fs::remove_file(path).unwrap(),
            |path| {
                fs::copy(path, path.with_extension("new"))
                    .and_then(|_| fs::rename(path.with_extension("new"), path))
                    .unwrap()
            },
            |path| OpenOptions::new().append(true).open(path).unwrap().write_all(b"{}\n").unwrap(),
        ];
        for lose in lose {
            let dir = tempfile::tempdir().unwrap();
            let mut store = SledStore::create(dir.path()).unwrap();
            store.append(&[record(1)]).unwrap();
            let journal = dir.path().join(JOURNAL_FILE);
            lose(&journal);
            let left = fs::read(&journal).unwrap_or_default();
            let error = store.append(&[record(2)]).unwrap_err();
            assert!(matches!(error, StoreError::Fenced { .. }), "{error}");
            assert!(matches!(store.append(&[record(2)]), Err(StoreError::Fenced { .. })), "it stays lost");
            assert_eq!(fs::read(&journal).unwrap_or_default(), left);
            assert_eq!(store.database.as_ref().map(Database::last_seq), Some(1));
        }
    }

    #[test]
    fn database_given_up_is_read_from_the_journal_and_opened_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = SledStore::create(dir.path()).unwrap();
        store.append(&[record(1)]).unwrap();
        // As after a write that sled reports as failed although it reached the disk.
        let unsaid = [record(7), record(8)];
        let records: Vec<(u64, &[u8])> = unsaid.iter().map(|record| (1, record.as_slice())).collect();
        store.database.as_mut().unwrap().append(&Lines::batch(2, &records)).unwrap();
        store.drop_database();
        assert_eq!(store.read_all().unwrap()[0].payload, record(1));
        assert_eq!(store.append(&[record(2)]).unwrap(), 2);
        let read: Vec<_> = store.read_all().unwrap().into_iter().map(|r| r.payload).collect();
        assert_eq!(read, [record(1), record(2)]);
    }
}
