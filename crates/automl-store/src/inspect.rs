//! A full look at both copies of a log that changes neither.
//!
//! The journal is read where it lies. sled writes when it opens a database, and more so when it finds
//! damage, so the database is looked at in a copy of its folder. What is found is named by record and
//! byte; what to do about it is decided elsewhere.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use tempfile::TempDir;

use crate::StoredRecord;
use crate::database::{Database, Opened};
use crate::error::StoreError;
use crate::files::{DATABASE_DIR, JOURNAL_FILE};
use crate::format::Writer;
use crate::scan::{Found, Scan, scan};
use crate::sled_store::lock_store_to_read;
use crate::view::refuse_newer;

/// One of the two copies of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogCopy {
    /// The folder `store/`.
    Database,
    /// The file `events.jsonl`.
    Journal,
}

impl LogCopy {
    /// Returns the name of its file or folder.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LogCopy::Database => DATABASE_DIR,
            LogCopy::Journal => JOURNAL_FILE,
        }
    }

    /// Returns the other copy.
    #[must_use]
    pub fn other(self) -> LogCopy {
        match self {
            LogCopy::Database => LogCopy::Journal,
            LogCopy::Journal => LogCopy::Database,
        }
    }
}

/// What one copy holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyState {
    /// Whether its file or folder is there.
    pub present: bool,
    /// Intact records from the first on.
    pub records: u64,
    /// Size on the disk in bytes.
    pub bytes: u64,
}

/// Something that is missing or damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The copy it is in; `None` where it concerns the log as a whole.
    pub copy: Option<LogCopy>,
    /// First and last record that it costs, where that is known.
    pub records: Option<(u64, u64)>,
    /// Position in the file where it begins, where that is known.
    pub offset: Option<u64>,
    /// What is wrong, for people.
    pub what: String,
}

/// What both copies of a log hold and lack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// State of `store/`.
    pub database: CopyState,
    /// State of `events.jsonl`. Where it was removed on purpose, it is not there and nothing is wrong with that.
    pub journal: CopyState,
    /// What is missing or damaged; empty when both copies are whole and equal.
    pub defects: Vec<Defect>,
    /// Traces of an interrupted write that cost nothing: the next opening removes them.
    pub remarks: Vec<String>,
    /// Who opened the log for writing, as far as the journal tells, each with the number of the first record
    /// from then on.
    pub writers: Vec<(Writer, u64)>,
    /// The longest intact beginning of the log that one of the copies has.
    pub records: Vec<StoredRecord>,
    /// Acknowledged records that are in neither copy.
    pub lost: u64,
    /// Whether the copies contradict each other, so that only a person can tell which one is right.
    pub contradictory: bool,
}

/// Reads both copies of a log in full, compares them, and changes neither.
///
/// # Errors
///
/// [`StoreError::Busy`] when another process has the log open, [`StoreError::NewerFormat`] when a newer
/// version wrote it, [`StoreError::Io`] when the folder cannot be read or its database not be copied to
/// the folder for temporary files.
pub fn inspect(study_dir: &Path) -> Result<Inspection, StoreError> {
    let _lock = lock_store_to_read(study_dir)?;
    let journal = Side::of_journal(study_dir)?;
    let database = Side::of_database(study_dir)?;
    if database.alone && !journal.state.present {
        return Ok(alone(database));
    }
    Ok(compare(database, journal))
}

/// One copy as it was read.
#[derive(Default)]
struct Side {
    state: CopyState,
    id: Option<String>,
    records: Vec<StoredRecord>,
    /// Highest record that is known to have been written.
    claimed: u64,
    /// Bytes of a journal up to the end of its last usable record.
    good_len: u64,
    /// Whether a database says that the journal was removed on purpose.
    alone: bool,
    defects: Vec<Defect>,
    remarks: Vec<String>,
    writers: Vec<(Writer, u64)>,
}

impl Side {
    fn of_journal(study_dir: &Path) -> Result<Self, StoreError> {
        let path = study_dir.join(JOURNAL_FILE);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Side::missing(LogCopy::Journal));
            }
            opened => opened.map_err(StoreError::io("open", &path))?,
        };
        let mut records = Vec::new();
        let collect =
            |found: Found<'_>| records.push(StoredRecord { seq: found.seq, payload: found.payload.to_vec() });
        let found = scan(file, collect).map_err(StoreError::io("read", &path))?;
        refuse_newer(&found, &path)?;
        let mut side = Side {
            state: CopyState { present: true, records: found.records, bytes: found.file_len },
            id: found.header.as_ref().map(|header| header.id.to_string()),
            records,
            claimed: found.claimed,
            good_len: found.good_len,
            writers: found.writers.clone(),
            ..Side::default()
        };
        side.defects.extend(journal_defects(&found));
        if found.fenced > 0 {
            side.remarks.push(format!(
                "{JOURNAL_FILE} holds {} records of a process that had lost the study to another one; they were \
                 never acknowledged and do not count",
                found.fenced
            ));
        }
        if found.damage().is_none() && found.tail_bytes() > 0 {
            side.remarks.push(format!(
                "{JOURNAL_FILE} ends in {} bytes of an unfinished write, from byte {} on",
                found.tail_bytes(),
                found.good_len
            ));
        }
        Ok(side)
    }

    fn of_database(study_dir: &Path) -> Result<Self, StoreError> {
        let dir = study_dir.join(DATABASE_DIR);
        if !dir.try_exists().map_err(StoreError::io("look for", &dir))? {
            return Ok(Side::missing(LogCopy::Database));
        }
        let (copy, bytes) = copy_database(study_dir)?;
        let mut side = Side { state: CopyState { present: true, records: 0, bytes }, ..Side::default() };
        match Database::open(copy.path(), &mut side.remarks)? {
            Opened::Missing => return Ok(Side::missing(LogCopy::Database)),
            Opened::Damaged(reason) => side.defects.push(whole(LogCopy::Database, format!("is {reason}"))),
            Opened::Ready(mut database) => {
                side.read(&mut database)?;
                database.close();
            }
        }
        Ok(side)
    }

    fn read(&mut self, database: &mut Database) -> Result<(), StoreError> {
        let records = &mut self.records;
        let found = database
            .scan(|line| records.push(StoredRecord { seq: line.seq, payload: line.payload.to_vec() }))?;
        self.state.records = found.prefix;
        self.id = Some(database.id.to_string());
        self.claimed = database.last_seq();
        self.alone = database.is_alone();
        if found.prefix < self.claimed {
            self.defects.push(Defect {
                copy: Some(LogCopy::Database),
                records: Some((found.prefix + 1, self.claimed)),
                offset: None,
                what: format!("record {} does not read back", found.prefix + 1),
            });
        }
        if found.leftovers {
            self.remarks.push(format!("{DATABASE_DIR}/ holds parts of an unfinished batch"));
        }
        Ok(())
    }

    /// Names the records that the other copy has beyond the sound end of this one.
    fn early_end(&self, copy: LogCopy, readable: u64) -> Option<Defect> {
        let last = self.state.records;
        (last < readable && self.defects.is_empty()).then(|| Defect {
            copy: Some(copy),
            records: Some((last + 1, readable)),
            offset: Some(self.good_len).filter(|_| copy == LogCopy::Journal),
            what: "ends early".into(),
        })
    }

    fn missing(copy: LogCopy) -> Self {
        Side { defects: vec![whole(copy, "is missing".into())], ..Side::default() }
    }
}

fn whole(copy: LogCopy, what: String) -> Defect {
    Defect { copy: Some(copy), records: None, offset: None, what }
}

/// Names what is wrong with a journal beyond an unfinished end.
fn journal_defects(found: &Scan) -> Vec<Defect> {
    let mut defects = Vec::new();
    if found.header.is_none() {
        defects.push(Defect {
            copy: Some(LogCopy::Journal),
            records: None,
            offset: Some(0),
            what: "line 1, which names the log, is damaged".into(),
        });
    }
    if let Some(stray) = found.stray.filter(|_| found.claimed > found.records) {
        let what = match stray.found {
            Some(seq) => format!("line {} holds record {seq}, which does not follow", stray.line),
            None => format!("line {} does not read back", stray.line),
        };
        defects.push(Defect {
            copy: Some(LogCopy::Journal),
            records: Some((found.records + 1, found.claimed)),
            offset: Some(stray.offset),
            what: format!("{what}; {} lines behind it are intact", found.behind),
        });
    }
    defects
}

/// Judges a database that has no second copy, as was wished.
fn alone(database: Side) -> Inspection {
    let lost = database.claimed - database.state.records;
    Inspection {
        defects: database.defects,
        remarks: database.remarks,
        records: database.records,
        database: database.state,
        lost,
        ..Inspection::default()
    }
}

fn compare(database: Side, journal: Side) -> Inspection {
    let readable = database.state.records.max(journal.state.records);
    let claimed = database.claimed.max(journal.claimed);
    let contradiction = contradiction(&database, &journal);
    let mut log_defects: Vec<Defect> = contradiction.iter().cloned().collect();
    log_defects.extend(database.early_end(LogCopy::Database, readable));
    log_defects.extend(journal.early_end(LogCopy::Journal, readable));
    if claimed > readable {
        let records = Some((readable + 1, claimed));
        log_defects.push(Defect { copy: None, records, offset: None, what: "in neither copy".into() });
    }
    Inspection {
        defects: [database.defects, journal.defects, log_defects].concat(),
        remarks: [database.remarks, journal.remarks].concat(),
        records: if database.state.records > journal.state.records {
            database.records
        } else {
            journal.records
        },
        database: database.state,
        journal: journal.state,
        writers: journal.writers,
        lost: claimed - readable,
        contradictory: contradiction.is_some(),
    }
}

/// Says how two copies that are each sound differ, if they do.
fn contradiction(database: &Side, journal: &Side) -> Option<Defect> {
    let what = match (&database.id, &journal.id) {
        (Some(a), Some(b)) if a != b => format!("the copies belong to different logs, {a} and {b}"),
        _ => {
            let mut pairs = database.records.iter().zip(&journal.records);
            let (first, _) = pairs.find(|(a, b)| a != b)?;
            format!("record {} differs between the copies, and is intact in each", first.seq)
        }
    };
    Some(Defect { copy: None, records: None, offset: None, what })
}

/// Copies a study's database to a folder for temporary files; returns its size in bytes, too.
pub(crate) fn copy_database(study_dir: &Path) -> Result<(TempDir, u64), StoreError> {
    let dir = study_dir.join(DATABASE_DIR);
    let copy = tempfile::Builder::new().prefix("automl-store-").tempdir();
    let copy = copy.map_err(StoreError::io("copy", &dir))?;
    let bytes = copy_folder(&dir, &copy.path().join(DATABASE_DIR)).map_err(StoreError::io("copy", &dir))?;
    Ok((copy, bytes))
}

/// Copies the files of a folder and of those in it; returns their size in bytes.
fn copy_folder(from: &Path, to: &Path) -> io::Result<u64> {
    fs::create_dir(to)?;
    let mut bytes = 0;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        bytes += match entry.file_type()?.is_dir() {
            true => copy_folder(&entry.path(), &target)?,
            false => fs::copy(entry.path(), &target)?,
        };
    }
    Ok(bytes)
}
