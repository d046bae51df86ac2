//! Arguments that say how trials are treated while and after they run.

use crate::render::size::parse_size;
use automl_core::{EarlyStop, Journal, KeepCheckpoints, Reading};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use std::fmt;

/// How trials are paused, stopped and cleaned up after.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Pausing, stopping, checkpoints")]
pub(crate) struct ConductArgs {
    /// Stop trials that are not going to win: asha (behind at a rung), median (below the others'
    /// average), curve (extrapolated end too bad) [default: none]
    #[arg(long, value_name = "RULE", env = "AUTOML_EARLY_STOP", hide_env_values = true, value_parser = early_stop_parser(), hide_possible_values = true)]
    pub(crate) early_stop: Option<EarlyStop>,
    /// Which reading is a trial's value: last, or best where the program keeps its best checkpoint
    /// [default: last]
    #[arg(long, value_name = "last|best", value_parser = reading_parser(), hide_possible_values = true)]
    pub(crate) reading: Option<Reading>,
    /// Whether a paused trial can be carried on; otherwise it begins anew [default: as its checkpoints say]
    #[arg(long, value_name = "yes|no", hide_possible_values = true)]
    pub(crate) resume: Option<YesNo>,
    /// Whose checkpoints stay when nothing needs them: all, best, none, top:N [default: all]
    #[arg(long, value_name = "WHOSE", env = "AUTOML_KEEP_CHECKPOINTS", hide_env_values = true)]
    pub(crate) keep_checkpoints: Option<KeepCheckpoints>,
    /// Disk that checkpoints may take; those that nothing needs are deleted beyond, the worst trial's first
    #[arg(long, value_name = "SIZE", env = "AUTOML_DISK", hide_env_values = true, value_parser = parse_size)]
    pub(crate) disk: Option<u64>,
    /// Whether the plain text copy of the event log, events.jsonl, stays when the study is at rest [default: on]
    #[arg(long, value_name = "on|off", env = "AUTOML_JOURNAL", hide_env_values = true, value_parser = journal_parser(), hide_possible_values = true)]
    pub(crate) journal: Option<Journal>,
}

/// A plain answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    // It is so.
    Yes,
    // It is not.
    No,
}

impl fmt::Display for YesNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            YesNo::Yes => "yes",
            YesNo::No => "no",
        })
    }
}

fn early_stop_parser() -> impl TypedValueParser<Value = EarlyStop> {
    PossibleValuesParser::new(EarlyStop::NAMES.map(|(_, name)| PossibleValue::new(name)))
        .map(|name| name.parse().expect("only known names are accepted"))
}

fn journal_parser() -> impl TypedValueParser<Value = Journal> {
    PossibleValuesParser::new(Journal::NAMES.map(|(_, name)| PossibleValue::new(name)))
        .map(|name| name.parse().expect("only known names are accepted"))
}

fn reading_parser() -> impl TypedValueParser<Value = Reading> {
    PossibleValuesParser::new(Reading::NAMES.map(|(_, name)| PossibleValue::new(name)))
        .map(|name| name.parse().expect("only known names are accepted"))
}
