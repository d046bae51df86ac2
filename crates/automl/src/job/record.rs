//! What is kept of a plain job: `action.json` in its results folder.

use crate::files;
use automl_config::CheckpointRule;
use automl_core::Objective;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Name of the file; a folder that has it is a job's.
pub(crate) const JOB_FILE: &str = "action.json";
/// Version of its form.
const FORMAT: u32 = 1;

/// A plain job, as its folder tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Version of this form.
    pub format: u32,
    /// Network that was asked for.
    pub network: String,
    /// Action that was asked for.
    pub action: String,
    /// How it goes, or how it ended.
    pub state: JobState,
    /// Why it failed or was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Number of the last attempt, from 1.
    pub attempt: u32,
    /// Eight hexadecimal digits that make the keys of its attempts unique.
    pub tag: String,
    /// When the last attempt was started, in milliseconds since 1970.
    pub started: u64,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// Name of the spec file beside this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// Checkpoint of another job that it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_checkpoint: Option<PathBuf>,
    /// Metric that tells its checkpoints apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// Epoch (as the program counts) and value of each reading of that metric.
    #[serde(default)]
    pub readings: Vec<(u64, f64)>,
    /// Last value of each metric.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Which of its files are checkpoints, where its network says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<CheckpointRule>,
}

/// How a job goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Its program runs, or its end was seen by nobody.
    Running,
    /// It ended well.
    Complete,
    /// It failed.
    Failed,
    /// It was ended on request, or from outside.
    Stopped,
}

impl JobState {
    /// Returns the state's name in output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            JobState::Running => "running",
            JobState::Complete => "complete",
            JobState::Failed => "failed",
            JobState::Stopped => "stopped",
        }
    }
}

impl JobRecord {
    /// Begins a record.
    pub(crate) fn new(network: String, action: String, tag: String) -> Self {
        JobRecord {
            format: FORMAT,
            network,
            action,
            state: JobState::Running,
            reason: None,
            attempt: 0,
            tag,
            started: 0,
            ended: None,
            spec: None,
            parent_checkpoint: None,
            objective: None,
            readings: Vec::new(),
            metrics: BTreeMap::new(),
            checkpoints: None,
        }
    }

    /// Reads the record of a folder; `None` where there is none.
    ///
    /// # Errors
    /// What stands in the way, in words.
    pub fn read(folder: &Path) -> Result<Option<Self>, String> {
        let path = folder.join(JOB_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let record: JobRecord =
            serde_json::from_str(&text).map_err(|error| format!("{} is damaged: {error}", path.display()))?;
        if record.format > FORMAT {
            return Err(format!("{} was written by a newer version of this program", path.display()));
        }
        Ok(Some(record))
    }

    pub(crate) fn write(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_string_pretty(self).expect("plain values always serialise");
        files::write(&folder.join(JOB_FILE), (text + "\n").as_bytes())
    }
}
