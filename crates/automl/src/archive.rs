//! Studies as single files: the event log as it is, out of a study and into a new one.

use crate::engine::{fold, fold_store};
use crate::files::{JOURNAL, StudyDir};
use crate::study::{StudyError, check_name, take_unborn, whole_journal, write_settings};
use automl_core::{Journal, Study};
use automl_store::{JournalView, Store, StoreError, StoredRecord, read_journal_file};
use serde_json::Value;
use std::io::{Read, Seek};
use std::path::Path;

/// A study that was made from a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its folder.
    pub dir: StudyDir,
    /// Its name.
    pub name: String,
    /// Events in its log.
    pub events: u64,
    /// Trials among them.
    pub trials: u64,
}

/// Opens a study's log for reading, byte for byte, up to the end of the last whole batch. Takes no lock,
/// so it works beside a running engine.
///
/// # Errors
/// If there is no log, or it is damaged before its end.
pub fn export_log(dir: &StudyDir) -> Result<impl Read + use<>, StudyError> {
    let (journal, mut file) = whole_journal(dir)?;
    let path = || dir.path().join(JOURNAL);
    file.rewind().map_err(|source| StoreError::Io { action: "read", path: path(), source })?;
    Ok(file.take(journal.whole_bytes))
}

/// Makes a study from a log, under the name it had or another one. Its events are written in one step:
/// an interruption leaves no study at all.
///
/// # Errors
/// If the log is damaged, of a newer format or holds an impossible event; the line is named. If a study
/// of that name exists, or the folder cannot be written.
pub fn import_log(root: &Path, file: &Path, name: Option<&str>) -> Result<Imported, StudyError> {
    let archive = whole_archive(file, read_journal_file(file)?)?;
    let study = sensible(file, &archive)?;
    let mut records = archive.records;
    let name = name.unwrap_or(&study.settings.study).to_string();
    check_name(&name)?;
    if name != study.settings.study {
        rename(&mut records, &name);
    }
    let dir = StudyDir::new(root, &name);
    let (mut store, _lock) = take_unborn(&dir, &name)?;
    let payloads: Vec<Vec<u8>> = records.into_iter().map(|record| record.payload).collect();
    store.keep_journal(study.settings.conduct.journal == Journal::On);
    let events = store.append(&payloads)?;
    let trials = study.trials.len() as u64;
    write_settings(&dir, &fold_store(&store)?.0)?;
    Ok(Imported { dir, name, events, trials })
}

/// Returns an archive that is whole, and refuses any other.
fn whole_archive(file: &Path, journal: JournalView) -> Result<JournalView, StudyError> {
    let bad = |line, what: String| Err(StudyError::BadArchive { path: file.to_path_buf(), line, what });
    let events = journal.records.len();
    if journal.store_id.is_empty() {
        let what = "is not the first line of an event log; `automl export STUDY --to jsonl` writes one";
        return bad(1, what.into());
    }
    match journal.stray {
        Some(stray) if journal.damage.is_some() => {
            let what = match stray.found {
                Some(seq) => format!("holds event {seq}, which does not follow on the line before"),
                None => "is damaged".to_string(),
            };
            bad(stray.line, format!("{what}; {events} events before it are whole"))
        }
        _ if journal.torn_tail_bytes > 0 => {
            let line = journal.stray.map_or(journal.line_of(events as u64 + 1), |stray| stray.line);
            let whole = journal.whole_bytes;
            let what = format!(
                "breaks off; the first {events} events are whole: `head -c {whole}` of the file can be imported"
            );
            bad(line, what)
        }
        _ => Ok(journal),
    }
}

/// Folds the records of an archive; an impossible one is named by its line.
fn sensible(file: &Path, archive: &JournalView) -> Result<Study, StudyError> {
    fold(&archive.records).map_err(|error| match error.impossible_event() {
        Some(seq) => {
            let (path, line) = (file.to_path_buf(), archive.line_of(seq));
            StudyError::BadArchive { path, line, what: error.to_string() }
        }
        None => error.into(),
    })
}

/// Writes another name into the settings of the first event, and leaves the rest of it as it is.
fn rename(records: &mut [StoredRecord], name: &str) {
    let first = &mut records.first_mut().expect("a study that could be folded has events").payload;
    let mut event: Value = serde_json::from_slice(first).expect("it could be folded");
    event["settings"]["study"] = name.into();
    *first = event.to_string().into_bytes();
}
