//! Checkpoints that can be deleted on request: what an engine would delete under a stricter setting than
//! the study's own.
//!
//! Nothing goes that a decision may need (`automl_scheduler::disposals_keeping`), and nothing that another
//! study or action of the same root was started from. A study that an engine works on is left to it.

use crate::clock::now_ms;
use crate::engine::EventLog;
use crate::files::{self, StudyDir, checkpoint_files};
use crate::job::JobRecord;
use crate::study::{StudyError, reopen, view};
use automl_config::TrialRecipe;
use automl_core::{Event, KeepCheckpoints, Study, StudySettings, TrialId};
use automl_scheduler::{Disposal, disposals_keeping};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folder of actions beside that of studies.
const ACTIONS: &str = "results";

/// Checkpoints of one trial that can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Garbage {
    /// The trial.
    pub trial: TrialId,
    /// The files.
    pub files: Vec<PathBuf>,
    /// Their size together.
    pub bytes: u64,
    /// The one that stays because a promotion may need it.
    pub keep: Option<PathBuf>,
    /// Why they can go.
    pub reason: String,
}

/// Returns what of a study's checkpoints can go where so many trials are to keep theirs.
///
/// # Errors
/// If the study cannot be read.
pub fn garbage(dir: &StudyDir, keep: KeepCheckpoints) -> Result<Vec<Garbage>, StudyError> {
    Ok(find(dir, &view(dir)?.study, keep))
}

/// Deletes what [`garbage`] finds; each decision is in the study's log before the first file goes.
///
/// # Errors
/// If an engine works on the study, its log cannot be written, or a file cannot be deleted.
pub fn collect_garbage(dir: &StudyDir, keep: KeepCheckpoints) -> Result<Vec<Garbage>, StudyError> {
    let (mut log, _lock, _) = reopen(dir)?;
    collect(&mut log, dir, keep, now_ms())
}

/// Deletes what can go of a study whose log is open for writing.
pub(crate) fn collect(
    log: &mut EventLog,
    dir: &StudyDir,
    keep: KeepCheckpoints,
    now: u64,
) -> Result<Vec<Garbage>, StudyError> {
    let found = find(dir, log.study(), keep);
    let Some(recipe) = recipe_of(&log.study().settings) else { return Ok(found) };
    let has_budget = log.study().settings.conduct.disk_bytes.is_some();
    for garbage in &found {
        let keep = garbage.keep.as_ref().map(|path| path.to_string_lossy().into_owned());
        let (trial, reason) = (garbage.trial, garbage.reason.clone());
        // Each goes by itself, whatever stays of the others.
        log.record(now, Event::CheckpointsDropped { trial, keep, reason, spared: Some(Vec::new()) })?;
        // What stays still counts against the budget of the disk.
        if let (true, Some(kept), Some(rule)) = (has_budget, &garbage.keep, recipe.checkpoints()) {
            let files = checkpoint_files(&dir.results(trial), rule);
            let bytes = files.into_iter().filter(|file| file.path == *kept).map(|file| file.bytes).sum();
            log.record(now, Event::CheckpointsCounted { trial, bytes })?;
        }
    }
    log.commit()?;
    for garbage in &found {
        let (Some(rule), results) = (recipe.checkpoints(), dir.results(garbage.trial)) else { continue };
        let keep = garbage.keep.as_deref().and_then(Path::to_str);
        files::delete_checkpoints(&results, rule, keep)
            .map_err(|(path, source)| StudyError::NotWritable { path, source })?;
    }
    Ok(found)
}

fn find(dir: &StudyDir, study: &Study, keep: KeepCheckpoints) -> Vec<Garbage> {
    let recipe = recipe_of(&study.settings);
    let Some(rule) = recipe.as_ref().and_then(TrialRecipe::checkpoints) else { return Vec::new() };
    let again = study.trials.values().filter_map(Disposal::again);
    let disposals = disposals_keeping(study, keep).into_iter().chain(again);
    let referenced = referenced(dir);
    let garbage = |disposal: Disposal| {
        let results = dir.results(disposal.trial);
        let keep = disposal.keep.map(PathBuf::from);
        let mut files = checkpoint_files(&results, rule);
        files.retain(|file| Some(&file.path) != keep.as_ref());
        let free = !files.is_empty() && !referenced.iter().any(|path| path.starts_with(&results));
        free.then(|| Garbage {
            trial: disposal.trial,
            bytes: files.iter().map(|file| file.bytes).sum(),
            files: files.into_iter().map(|file| file.path).collect(),
            keep,
            reason: disposal.reason,
        })
    };
    disposals.filter_map(garbage).collect()
}

/// Returns the checkpoints that other studies and actions were started from: those beside a study, and
/// those in the folder `results` beside the studies' root, where actions lie unless told otherwise.
pub(crate) fn referenced(dir: &StudyDir) -> BTreeSet<PathBuf> {
    let root = dir.path().parent().unwrap_or_else(|| Path::new("."));
    let roots = [root.to_path_buf(), root.join("..").join(ACTIONS)];
    let entries = roots.iter().filter_map(|root| std::fs::read_dir(root).ok()).flatten().flatten();
    let folders = entries.map(|entry| entry.path());
    folders.filter(|folder| folder != dir.path()).filter_map(|folder| parent_checkpoint(&folder)).collect()
}

fn parent_checkpoint(folder: &Path) -> Option<PathBuf> {
    if let Ok(Some(job)) = JobRecord::read(folder) {
        return job.parent_checkpoint;
    }
    let text = std::fs::read(StudyDir::at(folder.to_path_buf()).settings()).ok()?;
    let settings: StudySettings = serde_json::from_slice(&text).ok()?;
    recipe_of(&settings)?.parent_checkpoint().map(Path::to_path_buf)
}

fn recipe_of(settings: &StudySettings) -> Option<TrialRecipe> {
    serde_json::from_value(settings.recipe.clone()).ok()
}
