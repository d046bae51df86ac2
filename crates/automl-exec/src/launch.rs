//! What to run, as the runner reads it from `launch.json`.
//!
//! The program is an argument vector and never passes through a shell. The file is readable by its
//! owner only, because the environment may hold tokens.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::AttemptKey;
use crate::files::{self, Durability, Readers};

/// Everything a runner needs to run one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// The attempt.
    pub key: AttemptKey,
    /// The program and its arguments. A program without a slash is searched on the `PATH` of `env`,
    /// else of the runner; one with a slash is relative to `workdir`.
    pub argv: Vec<String>,
    /// Variables set on top of the environment that the runner inherits.
    pub env: BTreeMap<String, String>,
    /// The folder the program starts in.
    pub workdir: PathBuf,
    /// The folder of the attempt: it holds `launch.json`, and the trial's fence lies beside it.
    pub attempt_dir: PathBuf,
    /// Milliseconds between SIGTERM and SIGKILL.
    pub grace_ms: u64,
    /// Wall-clock limit in milliseconds, counted from the start of the program.
    pub wall_limit_ms: Option<u64>,
    /// Longest time in milliseconds without a change of the two logs or of a watched file.
    pub silence_limit_ms: Option<u64>,
    /// More files whose change counts as a sign of life; relative ones start at `workdir`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<PathBuf>,
    /// What the attempt may use of the machine.
    #[serde(default, skip_serializing_if = "UseLimits::is_none")]
    pub limits: UseLimits,
}

/// What an attempt may use of its machine; absent limits do not limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UseLimits {
    /// Memory of all its processes together, in bytes. Memory they share counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Disk space of the folder `disk_dir`, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// The folder that `disk_bytes` is about; relative ones start at `workdir`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_dir: Option<PathBuf>,
    /// Disk space of each of its two logs, in bytes. Of a longer one the beginning and the end are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    /// Files that each process may have open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
}

impl UseLimits {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A `launch.json` that could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The file system refused.
    #[error("cannot access {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The content is not a launch spec.
    #[error("{} is not a launch spec: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What the parser found.
        source: serde_json::Error,
    },
}

impl LaunchSpec {
    /// Writes `launch.json` into the attempt's folder, which must exist.
    ///
    /// # Errors
    /// The file could not be written.
    pub fn write(&self) -> Result<(), LaunchError> {
        let path = self.attempt_dir.join(files::LAUNCH);
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|source| LaunchError::Content { path: path.clone(), source })?;
        files::replace(&path, &bytes, Durability::Process, Readers::Owner)
            .map_err(|source| LaunchError::File { path, source })
    }

    /// Reads `launch.json` from an attempt's folder.
    ///
    /// # Errors
    /// The file is absent, unreadable or not a launch spec.
    pub fn read(attempt_dir: &Path) -> Result<Self, LaunchError> {
        let path = attempt_dir.join(files::LAUNCH);
        let bytes = fs::read(&path).map_err(|source| LaunchError::File { path: path.clone(), source })?;
        serde_json::from_slice(&bytes).map_err(|source| LaunchError::Content { path, source })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn spec(dir: &Path) -> LaunchSpec {
        LaunchSpec {
            key: AttemptKey { study: "00000001".into(), trial: 3, attempt: 1 },
            argv: vec!["train".into(), "--lr".into(), "1e-3; rm -rf /".into()],
            env: BTreeMap::from([("TOKEN".into(), "s3cret".into())]),
            workdir: "/tmp".into(),
            attempt_dir: dir.to_owned(),
            grace_ms: 1000,
            wall_limit_ms: Some(5),
            silence_limit_ms: None,
            watch: vec!["results/status.json".into()],
            limits: UseLimits { memory_bytes: Some(1 << 30), ..UseLimits::default() },
        }
    }

    #[test]
    fn spec_survives_its_file_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let spec = spec(dir.path());
        spec.write().unwrap();
        assert_eq!(LaunchSpec::read(dir.path()).unwrap(), spec);
        let mode = fs::metadata(dir.path().join(files::LAUNCH)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let absent = LaunchSpec::read(dir.path()).unwrap_err();
        assert!(matches!(absent, LaunchError::File { .. }) && absent.to_string().contains("launch.json"));
        fs::write(dir.path().join(files::LAUNCH), "{}").unwrap();
        let wrong = LaunchSpec::read(dir.path()).unwrap_err();
        assert!(matches!(wrong, LaunchError::Content { .. }) && wrong.to_string().contains("missing field"));
    }
}
