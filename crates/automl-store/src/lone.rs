//! Reading a log that has no journal: it was removed on purpose, and the database stands alone (`rest.rs`).
//!
//! sled cannot be read beside another process, and writes when it opens a file. So a reader copies the database and
//! writes the journal's text from that for itself. It holds back writers only while it copies.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::database::{Database, Opened};
use crate::error::StoreError;
use crate::files::{DATABASE_DIR, JOURNAL_FILE};
use crate::format::{FORMAT, Header, push_line};
use crate::inspect::copy_database;
use crate::sled_store::lock_store_to_read;

/// How long a journal may be on its way: whoever opens a log for work writes it first.
const PATIENCE: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_millis(5);

/// Opens the journal of a study for reading. Where it was removed on purpose, the file has what it would hold, for
/// this reader alone, and no name.
///
/// # Errors
///
/// [`StoreError::Io`] of the kind [`io::ErrorKind::NotFound`] where there is no journal and should be one,
/// [`StoreError::Lost`] when a database that stands alone has lost records.
pub fn open_journal(study_dir: &Path) -> Result<File, StoreError> {
    let path = study_dir.join(JOURNAL_FILE);
    let give_up = Instant::now() + PATIENCE;
    loop {
        let missing = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => StoreError::io("open", &path)(error),
            opened => return opened.map_err(StoreError::io("open", &path)),
        };
        if !study_dir.join(DATABASE_DIR).exists() {
            return Err(missing);
        }
        match lock_store_to_read(study_dir) {
            Err(StoreError::Busy { .. }) if Instant::now() < give_up => thread::sleep(RETRY),
            // It is at work, and somebody has removed the journal under it.
            Err(StoreError::Busy { .. }) => return Err(missing),
            Err(error) => return Err(error),
            // Somebody may have worked on the log, and written it, before it was locked.
            Ok(_) if path.exists() => {}
            Ok(lock) => {
                let (copy, _) = copy_database(study_dir)?;
                drop(lock);
                return text_of(copy.path(), study_dir)?.ok_or(missing);
            }
        }
    }
}

/// Says which state of a database a text was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State(u64, u64, i64, i64);

impl State {
    pub(crate) fn of(study_dir: &Path) -> Option<Self> {
        let file = fs::metadata(study_dir.join(DATABASE_DIR).join("db")).ok()?;
        Some(Self(file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
    }
}

/// Writes the journal of a database that stands alone; `None` for one that does not.
fn text_of(copy: &Path, study_dir: &Path) -> Result<Option<File>, StoreError> {
    let Opened::Ready(mut database) = Database::open(copy, &mut Vec::new())? else { return Ok(None) };
    if !database.is_alone() {
        database.close();
        return Ok(None);
    }
    let failed = |error| StoreError::io("write a copy of", &study_dir.join(JOURNAL_FILE))(error);
    let mut file = BufWriter::new(tempfile::tempfile().map_err(failed)?);
    let mut written = file.write_all(&Header { format: FORMAT, id: database.id.clone() }.line());
    let mut line = Vec::new();
    let scan = database.scan(|found| {
        line.clear();
        push_line(&mut line, found.seq, found.batch_last, found.epoch, found.crc, found.payload);
        if written.is_ok() {
            written = file.write_all(&line);
        }
    })?;
    let expected = database.last_seq();
    database.close();
    if scan.prefix < expected {
        return Err(StoreError::Lost { study_dir: study_dir.to_owned(), readable: scan.prefix, expected });
    }
    written.map_err(failed)?;
    let mut file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.rewind().map_err(failed)?;
    Ok(Some(file))
}
