//! Finds what another job has left for this one: its spec, its results, the checkpoint that is wanted.

use crate::files::{self, StudyDir};
use crate::job::JobRecord;
use crate::study::{StudyError, view};
use automl_config::{
    CheckpointChoice, CheckpointError, CheckpointRule, Checkpoints, ParentJob, Problems, TrialRecipe,
    read_spec, usual_results,
};
use automl_core::{Objective, TrialId};
use serde_json::Value;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Names of spec files.
const SPEC_FILES: [&str; 3] = ["spec.yaml", "spec.json", "spec.toml"];

/// Why a job cannot be a parent.
#[derive(Debug, Error)]
pub enum ParentError {
    /// The study cannot be read.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// The study has no such trial.
    #[error("study {study} has no trial {trial}; it has {trials}")]
    NoTrial {
        /// The study.
        study: String,
        /// The trial asked for.
        trial: u64,
        /// How many it has.
        trials: usize,
    },
    /// The study has no result yet.
    #[error("study {study} has no result yet; name a trial: {study}/1")]
    NoResult {
        /// The study.
        study: String,
    },
    /// The folder's record cannot be used.
    #[error("{0}")]
    Record(String),
    /// The folder is no job's.
    #[error("{} is neither a study nor the results of an action (it has no action.json)", path.display())]
    NoJob {
        /// The folder.
        path: PathBuf,
    },
    /// The spec cannot be read.
    #[error(transparent)]
    Spec(#[from] Problems),
    /// The checkpoint is not there.
    #[error("{id}: {source} in {}", results.display())]
    Checkpoint {
        /// The parent.
        id: String,
        /// Its results.
        results: PathBuf,
        /// What is missing.
        source: CheckpointError,
    },
    /// The file named as checkpoint is not there.
    #[error("checkpoint {} does not exist, and {} neither", path.display(), within.display())]
    NoFile {
        /// As it was named.
        path: PathBuf,
        /// The same within the parent's results.
        within: PathBuf,
    },
}

/// Returns a trial of a study as a parent: the incumbent where none is named. Also returns remarks for
/// people.
///
/// # Errors
/// If there is no such trial, or not the checkpoint that is wanted.
pub fn parent_of_trial(
    dir: &StudyDir,
    trial: Option<TrialId>,
    choice: &CheckpointChoice,
) -> Result<(ParentJob, Vec<String>), ParentError> {
    let study = view(dir)?.study;
    let name = || study.settings.study.clone();
    let trial = match trial {
        Some(id) => study.trials.get(&id).ok_or_else(|| ParentError::NoTrial {
            study: name(),
            trial: id.0,
            trials: study.trials.len(),
        })?,
        None => study.incumbent().ok_or_else(|| ParentError::NoResult { study: name() })?,
    };
    let recipe: Option<TrialRecipe> = serde_json::from_value(study.settings.recipe.clone()).ok();
    let job = recipe.as_ref().and_then(|recipe| recipe.job());
    let objective = &study.settings.objective;
    let curve = trial.curve(&objective.metric).into_iter();
    let readings: Vec<(u64, f64)> = curve.filter_map(|(step, value)| Some((step?, value))).collect();
    let found = Found {
        id: format!("{}/{}", name(), trial.id),
        network: job.map(|job| job.network.clone()),
        action: job.map_or_else(|| "train".into(), |job| job.action.clone()),
        folder: &dir.trial(trial.id),
        results: dir.results(trial.id),
        rule: recipe.as_ref().and_then(|recipe| recipe.checkpoints()),
        readings: &readings,
        objective: Some(objective),
    };
    found.parent(choice)
}

/// Returns the job of a results folder as a parent, with remarks for people.
///
/// # Errors
/// If the folder is no job's, or has not the checkpoint that is wanted.
pub fn parent_of_job(
    folder: &Path,
    choice: &CheckpointChoice,
) -> Result<(ParentJob, Vec<String>), ParentError> {
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
    let record = JobRecord::read(&folder).map_err(ParentError::Record)?;
    let record = record.ok_or_else(|| ParentError::NoJob { path: folder.clone() })?;
    let found = Found {
        id: folder.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        network: Some(record.network.clone()),
        action: record.action.clone(),
        folder: &folder,
        results: folder.clone(),
        rule: record.checkpoints.as_ref(),
        readings: &record.readings,
        objective: record.objective.as_ref(),
    };
    found.parent(choice)
}

/// What is known of a parent before its checkpoint is chosen.
struct Found<'a> {
    id: String,
    network: Option<String>,
    action: String,
    /// Folder of its spec.
    folder: &'a Path,
    results: PathBuf,
    rule: Option<&'a CheckpointRule>,
    readings: &'a [(u64, f64)],
    objective: Option<&'a Objective>,
}

impl Found<'_> {
    fn parent(self, choice: &CheckpointChoice) -> Result<(ParentJob, Vec<String>), ParentError> {
        let file = SPEC_FILES.iter().map(|name| self.folder.join(name)).find(|path| path.exists());
        let spec = file.map(|path| read_spec(&path)).transpose()?.unwrap_or(Value::Null);
        let (checkpoint, note) = self.checkpoint(choice)?;
        let notes = checkpoint.iter().map(|path| format!("checkpoint of {}: {}", self.id, path.display()));
        let notes = notes.chain(note).collect();
        let Found { id, network, action, results, .. } = self;
        Ok((ParentJob { id, network, action, spec, results_dir: results, checkpoint }, notes))
    }

    /// Returns the checkpoint that is wanted. That there is none at all is no error here: not every job
    /// that follows another one needs a checkpoint.
    fn checkpoint(
        &self,
        choice: &CheckpointChoice,
    ) -> Result<(Option<PathBuf>, Option<String>), ParentError> {
        if let CheckpointChoice::Path(path) = choice {
            return self.file(path).map(|path| (Some(path), None));
        }
        let usual = usual_results(&self.action);
        let listing = files::list_files(&self.results);
        let checkpoints = Checkpoints {
            rule: self.rule.unwrap_or(&usual),
            listing: &listing,
            readings: self.readings,
            objective: self.objective,
        };
        match checkpoints.choose(choice) {
            Ok((path, note)) => Ok((Some(self.results.join(path)), note)),
            Err(CheckpointError::None) if *choice == CheckpointChoice::Best => Ok((None, None)),
            Err(source) => {
                Err(ParentError::Checkpoint { id: self.id.clone(), results: self.results.clone(), source })
            }
        }
    }

    /// A file is named from the working folder, or within the parent's results.
    fn file(&self, path: &Path) -> Result<PathBuf, ParentError> {
        let here = std::path::absolute(path).unwrap_or_else(|_| path.into());
        let within = self.results.join(path);
        let known = [here, within.clone()].into_iter().find(|path| path.exists());
        known.ok_or_else(|| ParentError::NoFile { path: path.into(), within })
    }
}
