//! Opening a log: whatever state the two copies are in, they leave here equal, or not at all.
//!
//! First everything is read and judged, then repaired. The longer intact beginning wins. The journal
//! is repaired first, so that a rebuilt database always has a complete source; a crash in the middle
//! of a repair leaves a state that the next opening repairs in the same way.

use std::path::Path;

use crate::database::{Database, Opened};
use crate::error::StoreError;
use crate::files::{DATABASE_DIR, JOURNAL_FILE, keep_copy, move_aside, short};
use crate::format::{FORMAT, Lines, StoreId};
use crate::journal::Journal;
use crate::rest;
use crate::scan::Scan;
use crate::view::refuse_newer;

/// Records copied from one side to the other in one step.
pub(crate) const COPY_RECORDS: usize = 4096;

/// What opening a log found and repaired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// One sentence per repair, for the user; empty when all was well.
    pub notes: Vec<String>,
    /// Number of records in the log.
    pub records: u64,
    /// Records that the database took over from the journal.
    pub from_journal: u64,
    /// Records that the journal took over from the database.
    pub to_journal: u64,
    /// Bytes of an unfinished write that were cut off the end of the journal.
    pub torn_tail_bytes: u64,
}

/// What to do when records that were acknowledged are in neither copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    Refuse,
    Accept,
}

/// The two copies, equal.
pub(crate) struct Copies {
    pub(crate) database: Database,
    pub(crate) journal: Journal,
    /// Highest epoch that either of them knows of.
    pub(crate) epoch: u64,
}

/// Opens both copies of the log in a study folder and makes them equal.
///
/// `ceiling` is the last acknowledged record where that is known: what the database has beyond it
/// belongs to an append that was reported as failed, and goes.
pub(crate) fn open_copies(
    study_dir: &Path,
    ceiling: Option<u64>,
    loss: Loss,
) -> Result<(Copies, Recovery), StoreError> {
    let mut recovery = Recovery::default();
    rest::settle(study_dir)?;
    let journal = JournalSide::open(study_dir)?;
    let mut database = DatabaseSide::open(study_dir, ceiling, &journal, &mut recovery.notes)?;
    let id = judge(study_dir, &database, &journal, loss)?;
    let epoch = database.epoch().max(journal.scan().map_or(0, |scan| scan.epoch));
    let journal = repair_journal(study_dir, journal, &mut database, &id, &mut recovery)?;
    let database = repair_database(study_dir, database, &journal, &id, &mut recovery)?;
    recovery.records = journal.last_seq();
    Ok((Copies { database, journal, epoch }, recovery))
}

enum JournalSide {
    Missing,
    Found(Journal, Box<Scan>),
}

impl JournalSide {
    fn open(study_dir: &Path) -> Result<Self, StoreError> {
        let path = study_dir.join(JOURNAL_FILE);
        let Some((journal, scan)) = Journal::open(&path)? else {
            return Ok(Self::Missing);
        };
        refuse_newer(&scan, &path)?;
        Ok(Self::Found(journal, Box::new(scan)))
    }

    fn scan(&self) -> Option<&Scan> {
        match self {
            Self::Missing => None,
            Self::Found(_, scan) => Some(scan),
        }
    }

    fn prefix(&self) -> u64 {
        self.scan().map_or(0, |scan| scan.records)
    }

    fn id(&self) -> Option<&StoreId> {
        Some(&self.scan()?.header.as_ref()?.id)
    }

    /// Says why nothing in the journal can be used, if so.
    fn useless(&self) -> Option<String> {
        match self.scan() {
            None => Some("missing".into()),
            Some(scan) if scan.records == 0 && scan.header.is_none() => Some("damaged".into()),
            Some(_) => None,
        }
    }
}

enum DatabaseSide {
    Missing,
    Unusable(String),
    /// Open, with the number of intact records.
    Open(Database, u64),
}

impl DatabaseSide {
    fn open(
        study_dir: &Path,
        ceiling: Option<u64>,
        journal: &JournalSide,
        notes: &mut Vec<String>,
    ) -> Result<Self, StoreError> {
        let mut database = match Database::open(study_dir, notes)? {
            Opened::Missing => return Ok(Self::Missing),
            Opened::Damaged(reason) => return Ok(Self::Unusable(reason)),
            Opened::Ready(database) => database,
        };
        if let Some(last) = ceiling.filter(|&last| last < database.last_seq()) {
            database.truncate(last)?;
        }
        let mut differs = None;
        let scan = database.scan(|line| {
            if let JournalSide::Found(journal, _) = journal
                && journal.crc(line.seq).is_some_and(|other| other != line.crc)
            {
                differs.get_or_insert(line.seq);
            }
        })?;
        same_log(study_dir, &database, journal)?;
        if let Some(seq) = differs {
            return Err(StoreError::Conflict { study_dir: study_dir.to_owned(), seq });
        }
        if scan.leftovers {
            database.truncate(scan.prefix)?;
            notes.push("removed an unfinished batch from store/".into());
        }
        Ok(Self::Open(database, scan.prefix))
    }

    fn prefix(&self) -> u64 {
        match self {
            Self::Open(_, prefix) => *prefix,
            Self::Missing | Self::Unusable(_) => 0,
        }
    }

    fn claimed(&self) -> u64 {
        match self {
            Self::Open(database, _) => database.last_seq(),
            Self::Missing | Self::Unusable(_) => 0,
        }
    }

    /// Whether the journal was removed on purpose.
    fn is_alone(&self) -> bool {
        matches!(self, Self::Open(database, _) if database.is_alone())
    }

    fn epoch(&self) -> u64 {
        match self {
            Self::Open(database, _) => database.epoch(),
            Self::Missing | Self::Unusable(_) => 0,
        }
    }
}

fn same_log(study_dir: &Path, database: &Database, journal: &JournalSide) -> Result<(), StoreError> {
    match journal.id() {
        Some(id) if *id != database.id => Err(StoreError::Mixed {
            study_dir: study_dir.to_owned(),
            database: database.id.to_string(),
            journal: id.to_string(),
        }),
        _ => Ok(()),
    }
}

/// Decides whether the log can be opened, and under which identity. No record has been changed so far.
fn judge(
    study_dir: &Path,
    database: &DatabaseSide,
    journal: &JournalSide,
    loss: Loss,
) -> Result<StoreId, StoreError> {
    let id = match (database, journal.useless()) {
        (DatabaseSide::Open(database, _), _) => database.id.clone(),
        (_, None) => journal.id().cloned().unwrap_or_else(StoreId::random),
        (unusable, Some(journal)) => {
            let database = match unusable {
                DatabaseSide::Unusable(reason) => reason.clone(),
                _ => "missing".into(),
            };
            return Err(StoreError::Unreadable { study_dir: study_dir.to_owned(), database, journal });
        }
    };
    let readable = database.prefix().max(journal.prefix());
    let expected = database.claimed().max(journal.scan().map_or(0, |scan| scan.claimed));
    if readable < expected && loss == Loss::Refuse {
        return Err(StoreError::Lost { study_dir: study_dir.to_owned(), readable, expected });
    }
    Ok(id)
}

/// Makes the journal whole and as long as the longer side.
fn repair_journal(
    study_dir: &Path,
    side: JournalSide,
    database: &mut DatabaseSide,
    id: &StoreId,
    recovery: &mut Recovery,
) -> Result<Journal, StoreError> {
    let path = study_dir.join(JOURNAL_FILE);
    let mut journal = match side {
        JournalSide::Missing => {
            if !database.is_alone() {
                recovery.notes.push(format!("{JOURNAL_FILE} was missing and is written again from store/"));
            }
            rewrite_journal(&path, None, database, id, recovery)?
        }
        JournalSide::Found(old, scan) => match scan.damage() {
            Some(damage) => {
                let kept = keep_copy(&path)?;
                recovery.notes.push(format!(
                    "{JOURNAL_FILE} was {damage} and is written again; the old one is {}",
                    short(&kept)
                ));
                rewrite_journal(&path, Some(&old), database, id, recovery)?
            }
            None if scan.header.as_ref().is_some_and(|header| header.format < FORMAT) => {
                recovery.notes.push(format!("{JOURNAL_FILE} is written anew in this version's format"));
                rewrite_journal(&path, Some(&old), database, id, recovery)?
            }
            None => cut_torn_tail(old, &scan, recovery)?,
        },
    };
    let added = complete_journal(&mut journal, database)?;
    if added > 0 {
        recovery.notes.push(format!("completed {JOURNAL_FILE} with {added} records from store/"));
        recovery.to_journal += added;
    }
    Ok(journal)
}

fn cut_torn_tail(mut journal: Journal, scan: &Scan, recovery: &mut Recovery) -> Result<Journal, StoreError> {
    journal.trim()?;
    recovery.torn_tail_bytes = scan.tail_bytes();
    if scan.tail_bytes() > 0 {
        recovery.notes.push(format!(
            "cut {} bytes of an unfinished write from the end of {JOURNAL_FILE}",
            scan.tail_bytes()
        ));
    }
    Ok(journal)
}

/// Writes a new journal beside the old one and puts it in its place when it is complete.
fn rewrite_journal(
    path: &Path,
    old: Option<&Journal>,
    database: &mut DatabaseSide,
    id: &StoreId,
    recovery: &mut Recovery,
) -> Result<Journal, StoreError> {
    let mut new = Journal::create(&path.with_extension("jsonl.new"), id)?;
    if let Some(old) = old {
        while new.last_seq() < old.last_seq() {
            new.append(&old.lines(new.last_seq() + 1, COPY_RECORDS)?)?;
        }
    }
    recovery.to_journal += complete_journal(&mut new, database)?;
    new.publish(path)?;
    Ok(new)
}

/// Appends the records that only the database has; returns their number.
fn complete_journal(journal: &mut Journal, database: &mut DatabaseSide) -> Result<u64, StoreError> {
    let DatabaseSide::Open(database, prefix) = database else {
        return Ok(0);
    };
    let before = journal.last_seq();
    if before >= *prefix {
        return Ok(0);
    }
    let mut pending: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut outcome = Ok(());
    let mut flush = |pending: &mut Vec<(u64, Vec<u8>)>| {
        let records: Vec<(u64, &[u8])> =
            pending.iter().map(|(epoch, payload)| (*epoch, payload.as_slice())).collect();
        let appended = journal.append(&Lines::batch(journal.last_seq() + 1, &records));
        pending.clear();
        appended
    };
    database.scan(|line| {
        if line.seq > before && outcome.is_ok() {
            pending.push((line.epoch, line.payload.to_vec()));
            if pending.len() == COPY_RECORDS {
                outcome = flush(&mut pending);
            }
        }
    })?;
    outcome?;
    if !pending.is_empty() {
        flush(&mut pending)?;
    }
    Ok(journal.last_seq() - before)
}

/// Makes the database whole and equal to the journal.
fn repair_database(
    study_dir: &Path,
    side: DatabaseSide,
    journal: &Journal,
    id: &StoreId,
    recovery: &mut Recovery,
) -> Result<Database, StoreError> {
    let (mut database, rebuilt) = match side {
        DatabaseSide::Open(database, prefix) if prefix == database.last_seq() => (database, false),
        DatabaseSide::Open(database, prefix) => {
            let reason = format!("damaged behind record {prefix}");
            database.close();
            (replace_database(study_dir, &reason, id, recovery)?, true)
        }
        DatabaseSide::Unusable(reason) => (replace_database(study_dir, &reason, id, recovery)?, true),
        DatabaseSide::Missing => {
            recovery.notes.push(format!("{DATABASE_DIR}/ was missing and is rebuilt from {JOURNAL_FILE}"));
            (Database::create(study_dir, id)?, true)
        }
    };
    let before = database.last_seq();
    while database.last_seq() < journal.last_seq() {
        database.append(&journal.lines(database.last_seq() + 1, COPY_RECORDS)?)?;
    }
    recovery.from_journal = database.last_seq() - before;
    if recovery.from_journal > 0 && !rebuilt {
        recovery.notes.push(format!(
            "completed {DATABASE_DIR}/ with {} records from {JOURNAL_FILE}",
            recovery.from_journal
        ));
    }
    Ok(database)
}

fn replace_database(
    study_dir: &Path,
    reason: &str,
    id: &StoreId,
    recovery: &mut Recovery,
) -> Result<Database, StoreError> {
    let aside = move_aside(&study_dir.join(DATABASE_DIR))?;
    recovery.notes.push(format!(
        "{DATABASE_DIR}/ was {reason} and is rebuilt from {JOURNAL_FILE}; the old one is {}/",
        short(&aside)
    ));
    Database::create(study_dir, id)
}
