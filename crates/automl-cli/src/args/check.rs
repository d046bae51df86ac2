//! Arguments of `check`, and those by which several commands find a network's files.

use automl_config::{FileFormat, LogSource, parse_log};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Files to check, and folders whose files to check; with --network, folders and archives are datasets
    #[arg(value_name = "PATH", required_unless_present_any = ["print_schema", "log"], value_hint = ValueHint::AnyPath)]
    pub(crate) paths: Vec<PathBuf>,
    /// Parameter schema to check specs against
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "network")]
    pub(crate) schema: Option<PathBuf>,
    /// Network that specs are checked against and datasets are meant for
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    /// Action of the network [default: train]
    #[arg(long, value_name = "NAME", requires = "network")]
    pub(crate) action: Option<String>,
    /// Network config to use in place of the packaged one, for datasets
    #[arg(long, value_name = "FILE", requires = "network", value_hint = ValueHint::FilePath)]
    pub(crate) network_config: Option<PathBuf>,
    /// What the paths, all of them datasets then, are meant for [default: what they say themselves]
    #[arg(long, value_name = "INTENT", requires = "network")]
    pub(crate) intent: Option<Intent>,
    #[command(flatten)]
    pub(crate) skill: SkillArgs,
    /// Show what is read from an existing log: FILE[:FORMAT], FORMAT being text, json_lines, csv, tensorboard or
    /// status_json. Needs --network, or --metric
    #[arg(long, value_name = "FILE", value_parser = parse_log, conflicts_with_all = ["paths", "schema", "intent"])]
    pub(crate) log: Option<LogSource>,
    /// Metric to look for in the log: NAME[:min|:max] [default: the network's]
    #[arg(long, value_name = "METRIC", requires = "log")]
    pub(crate) metric: Option<String>,
    /// Regular expression of printed lines with named groups, as for `run` (repeatable)
    #[arg(long, value_name = "REGEX", requires = "log", conflicts_with = "network")]
    pub(crate) metric_pattern: Vec<String>,
    /// Print the JSON Schema of a file format, for editors, and check nothing
    #[arg(long, value_name = "FORMAT", value_parser = format_parser(), conflicts_with_all = ["paths", "schema", "network", "action", "skill_dir"])]
    pub(crate) print_schema: Option<FileFormat>,
}

/// What a dataset is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Intent {
    Training,
    Evaluation,
    Testing,
    Calibration,
}

/// Where a network's files are, beside the catalogue.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SkillArgs {
    /// Folder of a model's skill: its schemas and spec templates stand for the packaged ones
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) skill_dir: Option<PathBuf>,
}

fn format_parser() -> impl TypedValueParser<Value = FileFormat> {
    PossibleValuesParser::new(FileFormat::ALL.map(FileFormat::name)).map(|name| {
        let known = FileFormat::ALL.into_iter().find(|format| format.name() == name);
        known.expect("only known names are let through")
    })
}
