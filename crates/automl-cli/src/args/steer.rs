//! Arguments of the commands that steer a study from outside, and of those that look into it.

use clap::{Args, ValueEnum};

/// Arguments of `enqueue`.
#[derive(Debug, Args)]
pub(crate) struct EnqueueArgs {
    /// Name of the study, or its folder
    #[arg(value_name = "STUDY")]
    pub(crate) study: String,
    /// Configurations: name=value,name=value, a JSON object, or a file of them (JSON, JSON lines, CSV)
    #[arg(value_name = "PARAMS|FILE", required = true)]
    pub(crate) params: Vec<String>,
}

/// Arguments of `set`.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// Name of the study, or its folder
    #[arg(value_name = "STUDY")]
    pub(crate) study: String,
    /// What to change: trials=N, timeout=DURATION, parallel=N, max-fidelity=N, bound:PARAMETER=VALUES
    #[arg(value_name = "KEY=VALUE", required = true)]
    pub(crate) changes: Vec<String>,
}

/// A trial, of a named study or of the one worked on last.
#[derive(Debug, Args)]
pub(crate) struct TrialArg {
    /// Number of the trial, with its study where that is not the one worked on last
    #[arg(value_name = "[STUDY/]TRIAL")]
    pub(crate) trial: String,
}

impl TrialArg {
    /// Splits the study off.
    ///
    /// # Errors
    /// What is expected instead.
    pub(crate) fn parts(&self) -> Result<(Option<&str>, u64), String> {
        let (study, number) = match self.trial.rsplit_once('/') {
            Some((study, number)) => (Some(study), number),
            None => (None, self.trial.as_str()),
        };
        match number.parse() {
            Ok(number) if number > 0 && study != Some("") => Ok((study, number)),
            _ => Err(format!("`{}` is no trial: write its number, or STUDY/NUMBER", self.trial)),
        }
    }
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Name of the study, or its folder [default: the one worked on last]
    #[arg(value_name = "STUDY")]
    pub(crate) study: Option<String>,
    /// What to print
    #[arg(long, value_name = "FORM", default_value = "csv")]
    pub(crate) to: ExportForm,
}

/// Forms of an exported study.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportForm {
    /// One line a trial under a line of headings
    Csv,
    /// One JSON object with a list of trials
    Json,
    /// The event log as it is, for archives and `automl import`
    Jsonl,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn studies_are_split_off() {
        let parts =
            |text: &str| TrialArg { trial: text.into() }.parts().map(|(s, n)| (s.map(String::from), n));
        assert_eq!(parts("7"), Ok((None, 7)));
        assert_eq!(parts("mal-1/7"), Ok((Some("mal-1".into()), 7)));
        assert_eq!(parts("runs/mal-1/7"), Ok((Some("runs/mal-1".into()), 7)));
        for wrong in ["", "x", "0", "/7", "mal-1/", "-1"] {
            assert!(parts(wrong).unwrap_err().contains("STUDY/NUMBER"), "{wrong}");
        }
    }
}
