//! Studies as readers see them: no lock is taken, nothing is written, nobody is waited for.

use super::StudyError;
use crate::engine::{Folding, snapshot_format};
use crate::files::{self, StudyDir};
use automl_core::Study;
use automl_store::{
    EngineInfo, JournalFollower, JournalView, StoreError, open_journal, read_open_journal, running_engine,
};
use serde::Deserialize;
use std::fs::File;
use std::io;
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
    let mut watch = Watch::new(dir);
    watch.look()?;
    Ok(watch.seen.expect("a look that succeeds has seen the study"))
}

/// Looks at a study again and again, as [`view`] does once, and reads each time only what is new.
#[derive(Debug)]
pub struct Watch {
    dir: StudyDir,
    follower: JournalFollower,
    seen: Option<View>,
}

impl Watch {
    /// Begins to watch a study. Nothing is read yet.
    #[must_use]
    pub fn new(dir: &StudyDir) -> Self {
        Watch { dir: dir.clone(), follower: JournalFollower::new(dir.path()), seen: None }
    }

    /// Returns the study as it is now.
    ///
    /// # Errors
    /// As for [`view`]. The next look begins anew.
    pub fn look(&mut self) -> Result<&View, StudyError> {
        let anew = JournalFollower::new(self.dir.path());
        let mut follower = std::mem::replace(&mut self.follower, anew);
        check_exists(&self.dir)?;
        let is_first = self.seen.is_none();
        let known = match self.seen.take() {
            Some(seen) => Some(seen.study),
            None => {
                let snapshot = follower.begin_with_snapshot(&snapshot_format());
                let known = snapshot.and_then(|bytes| Study::from_snapshot(&bytes));
                if known.is_none() {
                    follower = JournalFollower::new(self.dir.path());
                }
                known
            }
        };
        let mut folding = Folding::from(known);
        let found = follower.follow(|seq, payload| folding.apply(seq, payload));
        let found = found.map_err(|error| unread(&self.dir, error))?;
        if let Some(what) = found.damage {
            return Err(damaged(&self.dir, what));
        }
        if found.records == 0 {
            return Err(StudyError::NotBegun { name: self.dir.name() });
        }
        let mut study = folding.finish()?;
        if is_first {
            check_owner(&self.dir, &study)?;
        }
        // One whose folder was renamed is found by its new name.
        study.settings.study = self.dir.name();
        let engine = running_engine(self.dir.path());
        let torn = found.torn_tail_bytes > 0 && engine.is_none();
        self.follower = follower;
        Ok(self.seen.insert(View { study, engine, torn }))
    }
}

fn damaged(dir: &StudyDir, what: String) -> StudyError {
    StudyError::Damaged { path: dir.path().to_path_buf(), what }
}

fn check_exists(dir: &StudyDir) -> Result<(), StudyError> {
    match exists(dir) {
        true => Ok(()),
        false => Err(StudyError::Missing { path: dir.path().to_path_buf() }),
    }
}

/// Says that a journal is missing that should be there.
fn unread(dir: &StudyDir, error: StoreError) -> StudyError {
    match error {
        StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            damaged(dir, "the file is missing".into())
        }
        error => error.into(),
    }
}

/// Returns the tag of the study that the settings in a folder belong to, where that is another than its log's: the files of two
/// studies have been mixed up.
pub(crate) fn other_owner(dir: &StudyDir, study: &Study) -> Option<String> {
    #[derive(Deserialize)]
    struct Owner {
        tag: String,
    }
    let settings = std::fs::read(dir.settings()).ok()?;
    let owner: Owner = serde_json::from_slice(&settings).ok()?;
    (owner.tag != study.settings.tag).then_some(owner.tag)
}

fn check_owner(dir: &StudyDir, study: &Study) -> Result<(), StudyError> {
    let (path, log) = (dir.path().to_path_buf(), study.settings.tag.clone());
    match other_owner(dir, study) {
        Some(settings) => Err(StudyError::OtherStudy { path, log, settings }),
        None => Ok(()),
    }
}

/// Reads a study's journal, and returns the file, too; one that is damaged before its end tells only a part of the
/// story and is refused.
pub(crate) fn whole_journal(dir: &StudyDir) -> Result<(JournalView, File), StudyError> {
    check_exists(dir)?;
    let file = open_journal(dir.path()).map_err(|error| unread(dir, error))?;
    let journal = read_open_journal(&file, &dir.path().join(files::JOURNAL))?;
    match journal.damage {
        Some(what) => Err(damaged(dir, what)),
        None if journal.records.is_empty() => Err(StudyError::NotBegun { name: dir.name() }),
        None => {
            let first = &journal.records[0];
            let mut study = None;
            let created = Study::apply_stored(&mut study, &first.payload);
            if let (Ok(()), Some(study)) = (created, study) {
                check_owner(dir, &study)?;
            }
            Ok((journal, file))
        }
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
