//! Where everything of a study lies. The only place that spells these names.

use automl_core::{AttemptNumber, TrialId};
use std::path::{Path, PathBuf};

/// Names of the two halves of a study's log, as `automl-store` writes them.
pub(crate) const JOURNAL: &str = "events.jsonl";
/// Name of the fence in a trial's folder, as `automl-exec` reads it.
pub(crate) const FENCE: &str = "fence";
/// The command of the last attempt, for people.
pub(crate) const COMMAND_FILE: &str = "command.json";
/// See [`JOURNAL`].
pub(crate) const STORE: &str = "store";

/// The folder of one study.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudyDir(PathBuf);

impl StudyDir {
    /// Names the folder of a study under a root; nothing is created.
    #[must_use]
    pub fn new(root: &Path, study: &str) -> Self {
        StudyDir(root.join(study))
    }

    /// Takes a study's own folder.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        StudyDir(path)
    }

    /// Returns the folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the study's name: that of its folder.
    #[must_use]
    pub fn name(&self) -> String {
        self.0.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// What was asked for, for people: `study.json`.
    #[must_use]
    pub fn settings(&self) -> PathBuf {
        self.0.join("study.json")
    }

    /// The folder of a trial.
    #[must_use]
    pub fn trial(&self, trial: TrialId) -> PathBuf {
        self.0.join("trials").join(format!("{:05}", trial.0))
    }

    /// The folder of an attempt.
    #[must_use]
    pub fn attempt(&self, trial: TrialId, attempt: AttemptNumber) -> PathBuf {
        self.trial(trial).join(format!("attempt-{attempt}"))
    }

    /// The folder a trial's program writes its results and checkpoints to; kept over attempts.
    #[must_use]
    pub fn results(&self, trial: TrialId) -> PathBuf {
        self.trial(trial).join("results")
    }

    /// Where a trial keeps its copy of another trial's checkpoint: where that one has it.
    #[must_use]
    pub fn inherited(&self, trial: TrialId, from: TrialId, checkpoint: &str) -> String {
        let checkpoint = Path::new(checkpoint);
        let name = checkpoint.strip_prefix(self.results(from)).ok();
        let name = name.or(checkpoint.file_name().map(Path::new)).unwrap_or(Path::new("checkpoint"));
        self.results(trial).join(name).to_string_lossy().into_owned()
    }

    /// The attempt number that may run; a runner with a lower one ends itself.
    #[must_use]
    pub fn fence(&self, trial: TrialId) -> PathBuf {
        self.trial(trial).join(FENCE)
    }

    /// What users ask of the study while it is worked on.
    #[must_use]
    pub fn wishes(&self) -> PathBuf {
        self.0.join("wishes")
    }

    /// Files fetched for the study's trials.
    #[must_use]
    pub fn downloads(&self) -> PathBuf {
        self.0.join("downloads")
    }

    /// What has been uploaded.
    #[must_use]
    pub fn uploads(&self) -> PathBuf {
        self.0.join("uploads.jsonl")
    }

    /// The link to the incumbent's folder.
    #[must_use]
    pub fn best_link(&self) -> PathBuf {
        self.0.join("best")
    }

    /// The incumbent's spec, ready to use, with the given extension.
    #[must_use]
    pub fn best_spec(&self, extension: &str) -> PathBuf {
        self.0.join(format!("best_spec.{extension}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trial_folders_sort_by_number() {
        let dir = StudyDir::new(Path::new("/r"), "s");
        assert_eq!(dir.attempt(TrialId(7), AttemptNumber(2)), Path::new("/r/s/trials/00007/attempt-2"));
        assert_eq!(dir.name(), "s");
    }
}
