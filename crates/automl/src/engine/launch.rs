//! Turns a recorded start into files on the disk and a launch spec. Safe to repeat: every file is
//! derived from the record and replaced whole.

use crate::files::{self, COMMAND_FILE, FENCE, LogFile, ProgramError, StudyDir, find_program};
use automl_config::{
    AttemptContext, AttemptFiles, LogFormat, LogOrigin, LogSource, RecipeError, TrialRecipe,
};
use automl_core::{
    Attempt, AttemptNumber, Fidelity, Limits, Study, StudySettings, Trial, TrialId, UsageLimits,
};
use automl_exec::slots::Slot;
use automl_exec::{AttemptKey, LaunchError, LaunchSpec, STDERR_LOG, STDOUT_LOG, UseLimits};
use automl_scrape::SourceKind;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

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
        let place = Place {
            key: AttemptKey {
                study: study.settings.tag.clone(),
                trial: trial.id.0,
                attempt: attempt.number.0,
            },
            recipe,
            folder: &self.dir.trial(trial.id),
            results: &self.dir.results(trial.id),
            attempt: &self.dir.attempt(trial.id, attempt.number),
            workdir: &self.workdir,
            limits: &self.limits,
        };
        let watch = self.log_files(recipe, trial.id, attempt.number).into_iter().map(|f| f.path()).collect();
        place.write(&realised, slot, watch)
    }

    /// Returns the logs of an attempt, the most trusted first.
    pub(crate) fn log_files(
        &self,
        recipe: &TrialRecipe,
        trial: TrialId,
        attempt: AttemptNumber,
    ) -> Vec<LogFile> {
        log_files(recipe, &self.dir.results(trial), &self.dir.attempt(trial, attempt))
    }

    /// Returns where the program's printed output of an attempt is.
    pub(crate) fn streams(&self, trial: TrialId, attempt: AttemptNumber) -> [PathBuf; 2] {
        streams(&self.dir.attempt(trial, attempt))
    }

    /// Returns how many bytes of each log are older than the attempt that is about to start: files in
    /// the results folder are kept over attempts, the streams are the attempt's own.
    pub(crate) fn log_offsets(
        &self,
        recipe: &TrialRecipe,
        trial: TrialId,
        attempt: AttemptNumber,
    ) -> Vec<u64> {
        let logs = recipe.logs().iter().zip(self.log_files(recipe, trial, attempt));
        let offset = |(source, file): (&LogSource, LogFile)| match source.origin {
            LogOrigin::File(_) => file.bytes(),
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
}

/// Returns the logs of an attempt, the most trusted first.
pub(crate) fn log_files(recipe: &TrialRecipe, results: &Path, attempt_dir: &Path) -> Vec<LogFile> {
    let file = |source: &LogSource| {
        let (folder, name) = match &source.origin {
            LogOrigin::File(name) => (results, name.as_str()),
            LogOrigin::Stdout => (attempt_dir, STDOUT_LOG),
            LogOrigin::Stderr => (attempt_dir, STDERR_LOG),
        };
        LogFile { folder: folder.into(), name: name.into(), kind: kind(source.format) }
    };
    recipe.logs().iter().map(file).collect()
}

/// Returns where the printed output of an attempt is.
pub(crate) fn streams(attempt_dir: &Path) -> [PathBuf; 2] {
    [STDOUT_LOG, STDERR_LOG].map(|name| attempt_dir.join(name))
}

/// Where an attempt's files lie, and what bounds it.
pub(crate) struct Place<'a> {
    pub(crate) key: AttemptKey,
    /// Knows what has to stay out of files that others may read.
    pub(crate) recipe: &'a TrialRecipe,
    /// Folder of the spec; the attempt's own folder lies in it.
    pub(crate) folder: &'a Path,
    /// Folder that the program writes to.
    pub(crate) results: &'a Path,
    /// The attempt's own folder.
    pub(crate) attempt: &'a Path,
    /// Folder that programs start in unless their network says otherwise.
    pub(crate) workdir: &'a Path,
    pub(crate) limits: &'a Limits,
}

impl Place<'_> {
    /// Writes everything the attempt's runner needs.
    pub(crate) fn write(
        self,
        realised: &AttemptFiles,
        slot: Option<&Slot>,
        watch: Vec<PathBuf>,
    ) -> Result<LaunchSpec, PrepareError> {
        let workdir = realised.workdir.clone().unwrap_or_else(|| self.workdir.to_path_buf());
        let (program, arguments) = realised.argv.split_first().expect("a checked recipe has a command");
        let mut argv = vec![find_program(program, &workdir)?.to_string_lossy().into_owned()];
        argv.extend_from_slice(arguments);
        let mut env = slot.map(Slot::env).unwrap_or_default();
        env.extend(realised.env.clone());
        let spec = LaunchSpec {
            key: self.key,
            argv,
            env,
            workdir,
            attempt_dir: self.attempt.to_path_buf(),
            grace_ms: self.limits.grace_ms,
            wall_limit_ms: self.limits.wall_ms,
            silence_limit_ms: self.limits.silence_ms,
            watch,
            limits: use_limits(self.limits.usage, self.results),
        };
        for path in [self.attempt, self.results] {
            files::make_folder(path).map_err(|source| PrepareError::File { path: path.into(), source })?;
        }
        let shown: Vec<String> = spec.argv.iter().map(|part| self.recipe.hide_secrets(part)).collect();
        let command = serde_json::json!({ "argv": shown, "workdir": spec.workdir });
        let command = serde_json::to_string_pretty(&command).expect("plain values always serialise");
        let fence = spec.key.attempt.to_string();
        let plain = [(self.folder.join(FENCE), &fence), (self.folder.join(COMMAND_FILE), &command)];
        let params = realised.params_files.iter().map(|(name, text)| (self.folder.join(name), text));
        for (path, text) in plain.into_iter().chain(params) {
            files::write(&path, text.as_bytes()).map_err(|source| PrepareError::File { path, source })?;
        }
        if let Some((name, text)) = &realised.adapter {
            let path = self.folder.join(name);
            files::write(&path, text.as_bytes()).map_err(|source| PrepareError::File { path, source })?;
        }
        if let Some((name, text)) = &realised.spec {
            let path = self.folder.join(name);
            files::write_private(&path, text.as_bytes())
                .map_err(|source| PrepareError::File { path, source })?;
        }
        spec.write()?;
        Ok(spec)
    }
}

fn use_limits(limits: UsageLimits, results: &Path) -> UseLimits {
    UseLimits {
        memory_bytes: limits.memory_bytes,
        disk_bytes: limits.disk_bytes,
        disk_dir: limits.disk_bytes.map(|_| results.to_path_buf()),
        log_bytes: limits.log_bytes,
        open_files: limits.open_files,
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
    recipe.realise(&context(&Folders::of(dir, trial.id), study, trial, attempt, gpus))
}

/// The folders that a trial's files are in.
pub(crate) struct Folders {
    trial: PathBuf,
    results: PathBuf,
    downloads: PathBuf,
}

impl Folders {
    pub(crate) fn of(dir: &StudyDir, trial: TrialId) -> Self {
        Folders { trial: dir.trial(trial), results: dir.results(trial), downloads: dir.downloads() }
    }
}

/// Returns what a recipe has to know of an attempt.
pub(crate) fn context<'a>(
    folders: &'a Folders,
    study: &'a Study,
    trial: &'a Trial,
    attempt: &'a Attempt,
    gpus: &'a [u32],
) -> AttemptContext<'a> {
    AttemptContext {
        study: &study.settings.study,
        trial: trial.id.0,
        attempt: attempt.number.0,
        params: &trial.params,
        trial_dir: &folders.trial,
        results_dir: &folders.results,
        downloads_dir: &folders.downloads,
        until: attempt.until.0,
        max_fidelity: study.settings.fidelity.max.0,
        resume_from: attempt.resume_from.as_deref().map(Path::new),
        seed: study.settings.seed,
        gpus,
    }
}

/// Returns the reader of a format.
pub(crate) fn kind(format: LogFormat) -> SourceKind {
    match format {
        LogFormat::Text => SourceKind::Text,
        LogFormat::StatusJson => SourceKind::StatusJson,
        LogFormat::JsonLines => SourceKind::JsonLines,
        LogFormat::Csv => SourceKind::Csv,
        LogFormat::TensorBoard => SourceKind::TensorBoard,
    }
}
