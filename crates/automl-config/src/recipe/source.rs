//! Where metrics and failures are read from.

use crate::pattern::Pattern;
use serde::{Deserialize, Serialize};

/// One log of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSource {
    /// Where it comes from.
    pub origin: LogOrigin,
    /// How it is read.
    pub format: LogFormat,
}

/// Where a log comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogOrigin {
    /// The program's standard output.
    Stdout,
    /// The program's standard error.
    Stderr,
    /// A file that the program writes, relative to the results folder. `*`, `?`, `[…]` and `**` match as
    /// in a shell; of several files each is read, in the order of their names, numbers by value.
    File(String),
}

/// How a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line with `kpi`, `epoch` and `status`.
    StatusJson,
    /// One JSON object a line with metrics as plain fields.
    JsonLines,
    /// `name=value` and `name: value` anywhere in lines.
    Text,
    /// A table with a header line, whose columns may become more.
    Csv,
    /// A TensorBoard event file.
    #[serde(rename = "tensorboard")]
    TensorBoard,
}

impl LogFormat {
    /// Names in configs.
    pub(crate) const NAMES: [(&'static str, LogFormat); 5] = [
        ("status_json", LogFormat::StatusJson),
        ("json_lines", LogFormat::JsonLines),
        ("text", LogFormat::Text),
        ("csv", LogFormat::Csv),
        ("tensorboard", LogFormat::TensorBoard),
    ];

    /// Returns the format that a file of this name most likely has.
    #[must_use]
    pub fn of_file(name: &str) -> Self {
        let file = name.rsplit('/').next().unwrap_or(name);
        let ending = |endings: &[&str]| endings.iter().any(|ending| file.ends_with(ending));
        match file {
            "status.json" => LogFormat::StatusJson,
            _ if file.contains("tfevents") => LogFormat::TensorBoard,
            _ if ending(&[".csv", ".tsv"]) => LogFormat::Csv,
            _ if ending(&[".jsonl", ".ndjson", ".json"]) => LogFormat::JsonLines,
            _ => LogFormat::Text,
        }
    }

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }
}

/// A known failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorPattern {
    /// Found in a log line of a failed attempt.
    pub pattern: Pattern,
    /// What the user can do about it.
    pub advice: String,
    /// What follows from it; absent where that depends on how the program ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<FailurePolicy>,
}

/// What follows from a known failure of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailurePolicy {
    /// The configuration cannot be carried out: the models learn to avoid it.
    Infeasible,
    /// The trial has failed and is not tried again.
    Fail,
    /// It is tried again, as often as retries allow.
    Retry,
    /// It is tried again, on another GPU where there is one.
    RetryElsewhere,
    /// It would be the same for every trial: the study ends before more are wasted.
    Stop,
}

impl FailurePolicy {
    /// All policies with their names in config files.
    pub(crate) const NAMES: [(&'static str, FailurePolicy); 5] = [
        ("infeasible", FailurePolicy::Infeasible),
        ("fail", FailurePolicy::Fail),
        ("retry", FailurePolicy::Retry),
        ("retry_elsewhere", FailurePolicy::RetryElsewhere),
        ("stop", FailurePolicy::Stop),
    ];
}

/// Which metric names are read from logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRules {
    /// The metric that the study optimises.
    pub monitoring: String,
    /// Further names; where there are none, any name is read.
    pub available: Vec<String>,
    /// Patterns of further names. They match whole names, not log lines.
    pub patterns: Vec<Pattern>,
    /// Patterns of lines of text, whose named groups give metrics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub line_patterns: Vec<Pattern>,
}

/// Reads `PATH` or `PATH:FORMAT` as users write it after `--log`.
///
/// # Errors
/// What is wrong with it, and what would be right.
pub fn parse_log(text: &str) -> Result<LogSource, String> {
    let known = |name: &str| LogFormat::of_name(name);
    let (path, format) = match text.rsplit_once(':') {
        Some((path, name)) if known(name).is_some() => (path, known(name)),
        Some((_, name)) if !name.contains(['/', '.', '*']) => {
            let names: Vec<&str> = LogFormat::NAMES.iter().map(|(name, _)| *name).collect();
            return Err(format!("unknown log format `{name}`; known are {}", names.join(", ")));
        }
        _ => (text, None),
    };
    if path.is_empty() {
        return Err("a log needs a path, relative to the trial's results folder".into());
    }
    let origin = match path {
        "stdout" => LogOrigin::Stdout,
        "stderr" => LogOrigin::Stderr,
        path => LogOrigin::File(path.into()),
    };
    Ok(LogSource { origin, format: format.unwrap_or_else(|| LogFormat::of_file(path)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn format_follows_the_name_unless_given() {
        let format = |text: &str| parse_log(text).map(|log| log.format);
        assert_eq!(format("lightning_logs/*/metrics.csv"), Ok(LogFormat::Csv));
        assert_eq!(format("tb/**/events.out.tfevents.*"), Ok(LogFormat::TensorBoard));
        assert_eq!(format("log.json"), Ok(LogFormat::JsonLines));
        assert_eq!(format("log.json:text"), Ok(LogFormat::Text));
        assert_eq!(format("train.log"), Ok(LogFormat::Text));
        assert_eq!(parse_log("stdout:json_lines").unwrap().origin, LogOrigin::Stdout);
        assert!(format("a.log:cvs").unwrap_err().contains("csv"));
        assert!(format(":csv").is_err());
    }
}
