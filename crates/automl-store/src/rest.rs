//! What a log is left as when nobody works on it any more.
//!
//! sled reclaims its file by whole pieces, so a small log that was written record by record takes many times its
//! text. Such a database is written anew in one go. And the journal is removed where it was asked to be there for
//! the time of the work only: then the database stands alone, and says so.
//!
//! At every step one complete copy is where an opening looks for it.

use std::fs;
use std::io;
use std::path::Path;

use crate::database::{Database, Opened};
use crate::error::StoreError;
use crate::files::{DATABASE_DIR, DATABASE_NEW_DIR, DATABASE_OLD_DIR, JOURNAL_FILE, SNAPSHOT_FILE, sync_dir};
use crate::format::Writer;
use crate::inspect::copy_database;
use crate::journal::Journal;
use crate::recover::COPY_RECORDS;

/// Puts a database to rest whose journal is complete, after the last append.
pub(crate) fn rest(
    study_dir: &Path,
    database: Database,
    journal: &Journal,
    writer: &Writer,
    keep_journal: bool,
) -> Result<(), StoreError> {
    let packed = match database.bytes() > journal.bytes() {
        true => Some(packed_copy(study_dir, &database, journal, writer)?),
        false => None,
    };
    let is_packed = packed.is_some();
    let (mut kept, replaced) = match packed {
        Some(packed) => (packed, Some(database)),
        None => (database, None),
    };
    // Said now, because sled's file grows whenever it is opened; as long as there is a journal it means nothing.
    let said = if keep_journal { Ok(()) } else { kept.stand_alone() };
    kept.close();
    replaced.into_iter().for_each(Database::close);
    said?;
    if is_packed {
        exchange(study_dir)?;
    }
    if !keep_journal && reads_back(study_dir, journal)? {
        remove_journal(study_dir)?;
    }
    Ok(())
}

/// Undoes or finishes an exchange of databases that was interrupted.
pub(crate) fn settle(study_dir: &Path) -> Result<(), StoreError> {
    let (here, old) = (study_dir.join(DATABASE_DIR), study_dir.join(DATABASE_OLD_DIR));
    if old.exists() && !here.exists() {
        fs::rename(&old, &here).map_err(StoreError::io("move back", &old))?;
        sync_dir(study_dir)?;
    }
    remove(&old)?;
    remove(&study_dir.join(DATABASE_NEW_DIR))
}

fn packed_copy(
    study_dir: &Path,
    database: &Database,
    journal: &Journal,
    writer: &Writer,
) -> Result<Database, StoreError> {
    let dir = study_dir.join(DATABASE_NEW_DIR);
    remove(&dir)?;
    let mut packed = Database::create_in(dir, &database.id)?;
    while packed.last_seq() < journal.last_seq() {
        packed.append_packed(&journal.lines(packed.last_seq() + 1, COPY_RECORDS)?)?;
    }
    packed.take_over(writer)?;
    Ok(packed)
}

/// Puts the packed copy in the place of the database; both are closed.
fn exchange(study_dir: &Path) -> Result<(), StoreError> {
    let [here, new, old] =
        [DATABASE_DIR, DATABASE_NEW_DIR, DATABASE_OLD_DIR].map(|name| study_dir.join(name));
    remove(&old)?;
    fs::rename(&here, &old).map_err(StoreError::io("replace", &here))?;
    fs::rename(&new, &here).map_err(StoreError::io("put in place", &new))?;
    sync_dir(study_dir)?;
    remove(&old)
}

/// Tells whether the database holds, on the disk, every record of the journal.
fn reads_back(study_dir: &Path, journal: &Journal) -> Result<bool, StoreError> {
    let (copy, _) = copy_database(study_dir)?;
    let Opened::Ready(mut database) = Database::open(copy.path(), &mut Vec::new())? else { return Ok(false) };
    let mut equal = 0;
    let scan = database.scan(|line| equal += u64::from(journal.crc(line.seq) == Some(line.crc)))?;
    let whole = database.is_alone() && !scan.leftovers && equal == journal.last_seq();
    database.close();
    Ok(whole)
}

fn remove_journal(study_dir: &Path) -> Result<(), StoreError> {
    for name in [JOURNAL_FILE, SNAPSHOT_FILE] {
        let path = study_dir.join(name);
        absent_is_fine(fs::remove_file(&path)).map_err(StoreError::io("remove", &path))?;
    }
    sync_dir(study_dir)
}

fn remove(folder: &Path) -> Result<(), StoreError> {
    absent_is_fine(fs::remove_dir_all(folder)).map_err(StoreError::io("remove", folder))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
