//! Studies as readers see them: no lock is taken, nothing is written, nobody is waited for.

use super::StudyError;
use crate::engine::fold;
use crate::files::{self, StudyDir};
use automl_core::Study;
use automl_store::{EngineInfo, JournalView, read_journal, running_engine};
use std::path::Path;

/// A study as a reader sees it: its state, and who works on it.
#[derive(Debug)]
pub struct View {
    /// The state.
    pub study: Study,
    /// The engine that works on it now.
    pub engine: Option<EngineInfo>,
    /// Whether the log breaks off within a record although no engine is writing one: the last moments
    /// of a killed engine, or lost bytes.
    pub torn: bool,
}

/// Looks at a study without taking it: works while an engine runs, writes nothing, waits for nobody.
///
/// # Errors
/// If there is no study, or its log cannot be read.
pub fn view(dir: &StudyDir) -> Result<View, StudyError> {
    if !exists(dir) {
        return Err(StudyError::Missing { path: dir.path().to_path_buf() });
    }
    let journal = whole_journal(dir)?;
    let engine = running_engine(dir.path());
    let torn = journal.torn_tail_bytes > 0 && engine.is_none();
    Ok(View { study: fold(&journal.records)?, engine, torn })
}

/// Reads a study's journal; one that is damaged before its end tells only a part of the story and is
/// refused.
pub(crate) fn whole_journal(dir: &StudyDir) -> Result<JournalView, StudyError> {
    let damaged = |what: String| StudyError::Damaged { path: dir.path().to_path_buf(), what };
    if !dir.path().join(files::JOURNAL).exists() {
        return Err(damaged("the file is missing".into()));
    }
    let journal = read_journal(dir.path())?;
    match journal.damage {
        Some(what) => Err(damaged(what)),
        None => Ok(journal),
    }
}

/// Returns the names of the studies under a root, sorted.
#[must_use]
pub fn list(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| exists(&StudyDir::at(entry.path())))
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Tells whether a folder holds a study.
#[must_use]
pub fn exists(dir: &StudyDir) -> bool {
    dir.settings().exists()
        || dir.path().join(files::JOURNAL).exists()
        || dir.path().join(files::STORE).exists()
}
