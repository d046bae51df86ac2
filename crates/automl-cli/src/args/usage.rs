//! Arguments about what a trial may use of its machine.

use super::number::whole;
use crate::render::size::{parse_size, size};
use clap::Args;
use std::fmt;
use std::str::FromStr;

/// What an attempt may use of its machine.
#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// Memory of all processes of an attempt together, for example 20GiB
    #[arg(long, value_name = "SIZE", env = "AUTOML_TRIAL_MEMORY", hide_env_values = true, value_parser = parse_size)]
    pub(crate) trial_memory: Option<u64>,
    /// Disk space of a trial's results
    #[arg(long, value_name = "SIZE", env = "AUTOML_TRIAL_DISK", hide_env_values = true, value_parser = parse_size)]
    pub(crate) trial_disk: Option<u64>,
    /// Disk space of each log of an attempt; a longer one loses its middle; or none [default: 1GiB]
    #[arg(long, value_name = "SIZE|none", env = "AUTOML_TRIAL_LOG", hide_env_values = true)]
    pub(crate) trial_log: Option<LogSize>,
    /// Files that each process of an attempt may have open
    #[arg(long, value_name = "N", env = "AUTOML_TRIAL_OPEN_FILES", hide_env_values = true, value_parser = whole::<u64>(16))]
    pub(crate) trial_open_files: Option<u64>,
}

/// How much of a log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogSize {
    /// All of it.
    Whole,
    /// So many bytes.
    Bytes(u64),
}

/// Shortest log that can be asked for: the engine must have read what is dropped, also behind a program
/// that prints as fast as it can.
const LOG_BYTES_MIN: u64 = 1 << 20;

impl LogSize {
    /// Returns the number of bytes, where there is a limit.
    pub(crate) fn bytes(self) -> Option<u64> {
        match self {
            LogSize::Whole => None,
            LogSize::Bytes(bytes) => Some(bytes),
        }
    }
}

impl FromStr for LogSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(LogSize::Whole);
        }
        match parse_size(text)? {
            bytes if bytes < LOG_BYTES_MIN => {
                Err(format!("`{text}` is too short: a log keeps at least 1MiB"))
            }
            bytes => Ok(LogSize::Bytes(bytes)),
        }
    }
}

impl fmt::Display for LogSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogSize::Whole => f.write_str("none"),
            LogSize::Bytes(bytes) => f.write_str(&size(*bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_are_whole_or_long_enough() {
        assert_eq!("none".parse(), Ok(LogSize::Whole));
        assert_eq!("2MiB".parse(), Ok(LogSize::Bytes(2 << 20)));
        assert!("5kB".parse::<LogSize>().unwrap_err().contains("at least 1MiB"));
    }
}
