//! Turns a recorded start into files on the disk and a launch spec. Safe to repeat: every file is
//! derived from the record and replaced whole.

use super::live::LogFile;
use crate::files::{self, ProgramError, StudyDir, find_program};
use automl_config::{
    AttemptContext, AttemptFiles, LogFormat, LogOrigin, LogSource, RecipeError, TrialRecipe,
};
use automl_core::{Attempt, AttemptNumber, Fidelity, Limits, Study, StudySettings, Trial, TrialId};
use automl_exec::slots::Slot;
use automl_exec::{AttemptKey, LaunchError, LaunchSpec, STDERR_LOG, STDOUT_LOG};
use automl_scrape::SourceKind;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Variable that names the folder of the files fetched for the action.
const DOWNLOADS_VARIABLE: &str = "AUTOML_DOWNLOADS";

/// Why an attempt cannot be started.
#[derive(Debug, Error)]
pub(crate) enum PrepareError {
    /// Spec or command cannot be built.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// Its program is missing.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The launch spec cannot be written.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// Prepares attempts of one study.
pub(crate) struct Launcher {
    dir: StudyDir,
    limits: Limits,
    /// Folder that programs start in unless their network says otherwise.
    workdir: PathBuf,
}

impl Launcher {
    pub(crate) fn new(dir: StudyDir, settings: &StudySettings) -> Self {
        Launcher { dir, limits: settings.limits.clone(), workdir: PathBuf::from(&settings.workdir) }
    }

    /// Writes everything the attempt's runner needs.
    pub(crate) fn prepare(
        &self,
        recipe: &TrialRecipe,
        study: &Study,
        trial: &Trial,
        attempt: &Attempt,
        slot: Option<&Slot>,
    ) -> Result<LaunchSpec, PrepareError> {
        let gpus = slot.map_or(&[][..], |slot| &slot.gpus);
        let realised = realise(recipe, &self.dir, study, trial, attempt, gpus)?;
        let workdir = realised.workdir.clone().unwrap_or_else(|| self.workdir.clone());
        let (program, arguments) = realised.argv.split_first().expect("a checked recipe has a command");
        let mut argv = vec![find_program(program, &workdir)?.to_string_lossy().into_owned()];
        argv.extend_from_slice(arguments);
        let mut env = slot.map(Slot::env).unwrap_or_default();
        if !recipe.downloads().is_empty() {
            env.insert(DOWNLOADS_VARIABLE.into(), self.dir.downloads().to_string_lossy().into_owned());
        }
        env.extend(realised.env.clone());
        let spec = LaunchSpec {
            key: AttemptKey {
                study: study.settings.tag.clone(),
                trial: trial.id.0,
                attempt: attempt.number.0,
            },
            argv,
            env,
            workdir,
            attempt_dir: self.dir.attempt(trial.id, attempt.number),
            grace_ms: self.limits.grace_ms,
            wall_limit_ms: self.limits.wall_ms,
            silence_limit_ms: self.limits.silence_ms,
            watch: self.log_files(recipe, trial.id, attempt.number).into_iter().map(|f| f.path).collect(),
        };
        self.write_files(trial.id, &spec, &realised)?;
        Ok(spec)
    }

    /// Returns the logs of an attempt, the most trusted first.
    pub(crate) fn log_files(
        &self,
        recipe: &TrialRecipe,
        trial: TrialId,
        attempt: AttemptNumber,
    ) -> Vec<LogFile> {
        let attempt_dir = self.dir.attempt(trial, attempt);
        let path = |origin: &LogOrigin| match origin {
            LogOrigin::File(path) => self.dir.results(trial).join(path),
            LogOrigin::Stdout => attempt_dir.join(STDOUT_LOG),
            LogOrigin::Stderr => attempt_dir.join(STDERR_LOG),
        };
        let file = |source: &LogSource| LogFile { path: path(&source.origin), kind: kind(source.format) };
        recipe.logs().iter().map(file).collect()
    }

    /// Returns how many bytes of each log are older than the attempt that is about to start: files in
    /// the results folder are kept over attempts, the streams are the attempt's own.
    pub(crate) fn log_offsets(
        &self,
        recipe: &TrialRecipe,
        trial: TrialId,
        attempt: AttemptNumber,
    ) -> Vec<u64> {
        let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        let logs = recipe.logs().iter().zip(self.log_files(recipe, trial, attempt));
        let offset = |(source, file): (&LogSource, LogFile)| match source.origin {
            LogOrigin::File(_) => size(&file.path),
            LogOrigin::Stdout | LogOrigin::Stderr => 0,
        };
        logs.map(offset).collect()
    }

    /// Returns the checkpoint that a trial can be carried on from after reaching a fidelity.
    pub(crate) fn checkpoint(&self, recipe: &TrialRecipe, trial: TrialId, at: Fidelity) -> Option<String> {
        let results = self.dir.results(trial);
        let rule = recipe.checkpoints()?;
        let listing = files::list_files(&results);
        let chosen = rule.choose(listing.iter().map(String::as_str), at.0)?;
        Some(results.join(chosen).to_string_lossy().into_owned())
    }

    fn write_files(
        &self,
        trial: TrialId,
        spec: &LaunchSpec,
        realised: &AttemptFiles,
    ) -> Result<(), PrepareError> {
        let folder = self.dir.trial(trial);
        for path in [&spec.attempt_dir, &self.dir.results(trial)] {
            fs::create_dir_all(path).map_err(|source| PrepareError::File { path: path.clone(), source })?;
        }
        let command = serde_json::json!({ "argv": spec.argv, "workdir": spec.workdir });
        let command = serde_json::to_string_pretty(&command).expect("plain values always serialise");
        let (params_name, params) = &realised.params_file;
        let fence = spec.key.attempt.to_string();
        let plain = [
            (self.dir.fence(trial), &fence),
            (folder.join("command.json"), &command),
            (folder.join(params_name), params),
        ];
        for (path, text) in plain {
            files::write(&path, text.as_bytes()).map_err(|source| PrepareError::File { path, source })?;
        }
        if let Some((name, text)) = &realised.spec {
            let path = folder.join(name);
            files::write_private(&path, text.as_bytes())
                .map_err(|source| PrepareError::File { path, source })?;
        }
        Ok(spec.write()?)
    }
}

/// Builds the spec, command and environment of an attempt.
pub(crate) fn realise(
    recipe: &TrialRecipe,
    dir: &StudyDir,
    study: &Study,
    trial: &Trial,
    attempt: &Attempt,
    gpus: &[u32],
) -> Result<AttemptFiles, RecipeError> {
    recipe.realise(&AttemptContext {
        study: &study.settings.study,
        trial: trial.id.0,
        attempt: attempt.number.0,
        params: &trial.params,
        trial_dir: &dir.trial(trial.id),
        results_dir: &dir.results(trial.id),
        until: attempt.until.0,
        max_fidelity: study.settings.fidelity.max.0,
        resume_from: attempt.resume_from.as_deref().map(Path::new),
        seed: study.settings.seed,
        gpus,
    })
}

fn kind(format: LogFormat) -> SourceKind {
    match format {
        LogFormat::Text => SourceKind::Text,
        LogFormat::StatusJson => SourceKind::StatusJson,
        LogFormat::JsonLines => SourceKind::JsonLines,
    }
}
