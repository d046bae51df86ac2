//! `status.json` and the plain progress lines on stdout.
//!
//! The status file holds one JSON object a line and is only ever appended to, so a resumed run adds to
//! the history. Metrics (`kpi`) persist: each line repeats the latest values. Date and time are local
//! and without zero padding, as readers of this format expect. Every line is flushed at once, because
//! a search follows both while the run goes on.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::error::TrainerError;

/// Overall state named on a status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// The action begins.
    Started,
    /// The action goes on.
    Running,
    /// The action did what was asked.
    Success,
    /// The action ended early.
    Failure,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Started => "STARTED",
            Self::Running => "RUNNING",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
        }
    }
}

/// Appends to `status.json` and prints progress.
#[derive(Debug)]
pub(crate) struct StatusLog {
    path: PathBuf,
    file: File,
    kpi: Map<String, Value>,
}

/// Where the run stands after an epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EpochTiming {
    /// Epoch just completed, counted from 0.
    pub(crate) epoch: u64,
    /// Last epoch of the run, counted from 0.
    pub(crate) max_epoch: u64,
    /// Time the epoch took.
    pub(crate) took: Duration,
}

impl StatusLog {
    /// Opens `status.json` in `dir`, creating both.
    pub(crate) fn open(dir: &Path) -> Result<Self, TrainerError> {
        let path = dir.join("status.json");
        let opened =
            std::fs::create_dir_all(dir).and_then(|()| File::options().create(true).append(true).open(&path));
        match opened {
            Ok(file) => Ok(Self { path, file, kpi: Map::new() }),
            Err(source) => Err(TrainerError::Results { path, source }),
        }
    }

    /// Writes a line with a message only.
    pub(crate) fn write(&mut self, status: Status, message: &str) -> Result<(), TrainerError> {
        self.append(Map::new(), status, message)
    }

    /// Writes the line that ends an epoch.
    pub(crate) fn write_epoch(&mut self, timing: EpochTiming) -> Result<(), TrainerError> {
        let left = timing.max_epoch.saturating_sub(timing.epoch);
        let eta = timing.took.saturating_mul(u32::try_from(left).unwrap_or(u32::MAX));
        let mut data = Map::new();
        data.insert("epoch".into(), timing.epoch.into());
        data.insert("max_epoch".into(), timing.max_epoch.into());
        data.insert("time_per_epoch".into(), clock_text(timing.took).into());
        data.insert("eta".into(), clock_text(eta).into());
        self.append(data, Status::Running, "Training loop in progress")
    }

    /// Writes metrics; those of earlier lines are repeated where they have no new value.
    pub(crate) fn write_metrics(
        &mut self,
        metrics: &[(String, f64)],
        message: &str,
    ) -> Result<(), TrainerError> {
        for (name, value) in metrics {
            self.kpi.insert(name.clone(), json!(value));
        }
        self.append(Map::new(), Status::Running, message)
    }

    fn append(
        &mut self,
        mut line: Map<String, Value>,
        status: Status,
        message: &str,
    ) -> Result<(), TrainerError> {
        let now = jiff::Zoned::now();
        let verbosity = if status == Status::Failure { "ERROR" } else { "INFO" };
        line.insert("date".into(), format!("{}/{}/{}", now.month(), now.day(), now.year()).into());
        line.insert("time".into(), format!("{}:{}:{}", now.hour(), now.minute(), now.second()).into());
        line.insert("status".into(), status.name().into());
        line.insert("verbosity".into(), verbosity.into());
        line.insert("message".into(), message.into());
        if !self.kpi.is_empty() {
            line.insert("kpi".into(), Value::Object(self.kpi.clone()));
        }
        let mut text = Value::Object(line).to_string();
        text.push('\n');
        let written = self.file.write_all(text.as_bytes()).and_then(|()| self.file.flush());
        written.map_err(|source| TrainerError::Results { path: self.path.clone(), source })
    }
}

/// Prints one line to stdout at once; a closed pipe is no reason to stop training.
pub(crate) fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _closed_pipe = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Prints one line to stderr.
pub(crate) fn complain(line: &str) {
    let _closed_pipe = writeln!(std::io::stderr().lock(), "{line}");
}

/// `H:MM:SS` with microseconds where there are any.
fn clock_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let text = format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match duration.subsec_micros() {
        0 => text,
        micros => format!("{text}.{micros:06}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(dir: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(dir.join("status.json")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn metrics_persist_on_later_lines() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = StatusLog::open(dir.path()).unwrap();
        log.write(Status::Started, "Starting MAL train.").unwrap();
        log.write_metrics(&[("train_loss".into(), 2.5)], "Train metrics generated.").unwrap();
        let took = Duration::from_millis(72_500);
        log.write_epoch(EpochTiming { epoch: 1, max_epoch: 3, took }).unwrap();
        let lines = lines(dir.path());
        assert_eq!(lines[0]["status"], "STARTED");
        assert_eq!(lines[0].get("kpi"), None);
        assert_eq!(lines[2]["kpi"]["train_loss"], 2.5);
        assert_eq!(lines[2]["time_per_epoch"], "0:01:12.500000");
        assert_eq!(lines[2]["eta"], "0:02:25");
        let first_keys: Vec<_> = lines[2].as_object().unwrap().keys().take(5).cloned().collect();
        assert_eq!(first_keys, ["epoch", "max_epoch", "time_per_epoch", "eta", "date"]);
    }

    #[test]
    fn reopened_log_is_appended_to() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            StatusLog::open(dir.path()).unwrap().write(Status::Started, "again").unwrap();
        }
        assert_eq!(lines(dir.path()).len(), 2);
    }
}
