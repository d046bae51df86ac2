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
    /// A file that the program writes, relative to the results folder.
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
}

impl LogFormat {
    /// Names in configs.
    pub(crate) const NAMES: [(&'static str, LogFormat); 3] = [
        ("status_json", LogFormat::StatusJson),
        ("json_lines", LogFormat::JsonLines),
        ("text", LogFormat::Text),
    ];

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
}
