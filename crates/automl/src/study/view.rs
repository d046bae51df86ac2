//! Studies as readers see them: no lock is taken, nothing is written, nobody is waited for.

use super::StudyError;
use crate::engine::fold;
use crate::files::{self, StudyDir};
use automl_core::Study;
use automl_store::{EngineInfo, read_journal, running_engine};
use std::path::Path;

/// A study as a reader sees it: its state, and who works on it.
#[derive(Debug)]
pub struct View {
    /// The state.
    pub study: Study,
    /// The engine that works on it now.
    pub engine: Option<EngineInfo>,
    /// What is damaged in the part that was read; the next engine mends it.
    pub damage: Option<String>,
}

/// Looks at a study without taking it: works while an engine runs, writes nothing, waits for nobody.
///
/// # Errors
/// If there is no study, or its log cannot be read.
pub fn view(dir: &StudyDir) -> Result<View, StudyError> {
    if !exists(dir) {
        return Err(StudyError::Missing { path: dir.path().to_path_buf() });
    }
    let journal = read_journal(dir.path())?;
    Ok(View { study: fold(&journal.records)?, engine: running_engine(dir.path()), damage: journal.damage })
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
