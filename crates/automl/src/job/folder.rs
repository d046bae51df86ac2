//! A job's folder: what lies there, whose it is, and what the next attempt goes on from.

use super::{JobError, JobRecord};
use crate::files::{self, COMMAND_FILE, FENCE};
use crate::study::new_tag;
use automl_config::{AttemptFiles, TrialRecipe};
use automl_core::TrialId;
use automl_exec::{Adoption, AttemptKey, Executor, LocalExecutor};
use std::path::{Path, PathBuf};
use tokio::sync::mpsc::unbounded_channel;

/// A job is a study with one trial, as far as the names in its environment go.
pub(super) const TRIAL: TrialId = TrialId(1);
/// Folder of the files fetched for the action.
pub(super) const DOWNLOADS: &str = "downloads";
/// What has been uploaded.
pub(super) const UPLOADS_FILE: &str = "uploads.jsonl";
/// Begins the names of the attempts' folders.
const ATTEMPT_PREFIX: &str = "attempt-";

/// Returns the folder of an attempt.
pub(super) fn attempt_dir(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{ATTEMPT_PREFIX}{number}"))
}

/// Returns what tells the files of the job itself, which stay here: some may hold secrets, and what was
/// fetched is somewhere else already.
pub(super) fn own_files(files: &AttemptFiles) -> impl Fn(&str) -> bool + Send + 'static {
    let spec = files.spec.iter().map(|(name, _)| name.as_str());
    let params = files.params_files.iter().map(|(name, _)| name.as_str());
    let names = [FENCE, COMMAND_FILE, UPLOADS_FILE].into_iter().chain(params).chain(spec);
    let names: Vec<String> = names.map(String::from).collect();
    move |path: &str| {
        let top = path.split_once('/').map(|(top, _)| top);
        names.iter().any(|name| name == path)
            || top.is_some_and(|top| top == DOWNLOADS || top.starts_with(ATTEMPT_PREFIX))
    }
}

/// Returns the record that the job goes on with: a new one, or that of the same job in the same folder.
pub(super) fn earlier(recipe: &TrialRecipe, folder: &Path) -> Result<JobRecord, JobError> {
    let job = recipe.job().expect("a plain job is an action of a network");
    let occupied = |what: String| JobError::Occupied { path: folder.into(), what };
    match JobRecord::read(folder).map_err(occupied)? {
        Some(record) if (&record.network, &record.action) != (&job.network, &job.action) => {
            Err(occupied(format!("another job: {} {}", record.network, record.action)))
        }
        Some(record) => {
            let key = AttemptKey { study: record.tag.clone(), trial: TRIAL.0, attempt: record.attempt };
            let (sender, _) = unbounded_channel();
            let running =
                LocalExecutor::new(Vec::new(), sender).adopt(&key, &attempt_dir(folder, record.attempt));
            match running {
                Adoption::Running => {
                    let what = format!("{} {}", record.network, record.action);
                    Err(JobError::Busy { path: folder.into(), what })
                }
                Adoption::NotStarted | Adoption::Ended(_) => Ok(record),
            }
        }
        None if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) => {
            Err(occupied("files and no job".into()))
        }
        None => {
            let tag = format!("{:08x}", new_tag(&folder.to_string_lossy()));
            Ok(JobRecord::new(job.network.clone(), job.action.clone(), tag))
        }
    }
}

/// Returns the furthest checkpoint that the job itself has left, where it can carry on from one.
pub(super) fn last_checkpoint(recipe: &TrialRecipe, folder: &Path) -> Option<PathBuf> {
    let listing = files::list_files(folder);
    let chosen = recipe.checkpoints()?.choose(listing.iter().map(String::as_str), u64::MAX)?;
    Some(folder.join(chosen))
}
