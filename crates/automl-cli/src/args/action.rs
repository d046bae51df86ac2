//! Arguments of `action`.

use super::SkillArgs;
use super::data::{ContainerMode, DatasetArgs};
use super::number::whole;
use crate::render::time::parse_duration;
use automl_config::CheckpointChoice;
use clap::{Args, ValueHint};
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  automl action mal train --train-dataset data/train --eval-dataset data/val
  automl action mal evaluate --parent mal-1
  automl action mal inference --parent mal-1/7 --checkpoint epoch:4 --inference-dataset data/new
  automl action mal evaluate --parent results/mal-train-1 --dry-run

A parent is a study (its best trial), STUDY/TRIAL, or the results folder of another action.
Run again with the same --results, an action carries on from its last checkpoint.
Ctrl-C once ends the program gracefully, twice kills it.";

/// Arguments of `action`.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ActionArgs {
    /// Network; `automl networks` lists them
    #[arg(value_name = "NETWORK")]
    pub(crate) network: String,
    /// What to do with it: train, evaluate, inference, export, …
    #[arg(value_name = "ACTION")]
    pub(crate) action: String,
    /// Job whose model is used: STUDY, STUDY/TRIAL, or the results folder of an action
    #[arg(long, value_name = "JOB")]
    pub(crate) parent: Option<String>,
    /// Which of its checkpoints: best, latest, epoch:N, step:N or a path [default: best]
    #[arg(long, value_name = "WHICH", requires = "parent")]
    pub(crate) checkpoint: Option<CheckpointChoice>,
    /// Folder of the results [default: results/NETWORK-ACTION-N]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) results: Option<PathBuf>,
    /// Spec in the program's own shape, whose values stand for the network's defaults
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) spec: Option<PathBuf>,
    /// Spec setting: key=value (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) data: DatasetArgs,
    /// Model to start from
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) pretrained: Option<String>,
    /// Metric that tells the best checkpoint: NAME, NAME:min or NAME:max [default: the network's]
    #[arg(long, value_name = "METRIC")]
    pub(crate) metric: Option<String>,
    /// Network config to use in place of the packaged one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) network_config: Option<PathBuf>,
    /// Parameter schema to use in place of the packaged one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) schema: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) skill: SkillArgs,
    /// Run in the container that the network names; auto: only where the command is missing
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    pub(crate) container: ContainerMode,
    /// GPUs to use: all, none, or indices such as 0,2 [default: all]
    #[arg(long, value_name = "LIST", env = "AUTOML_GPUS", hide_env_values = true)]
    pub(crate) gpus: Option<String>,
    /// How many of them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u32>(1))]
    pub(crate) num_gpus: u32,
    /// Longest running time
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<u64>,
    /// Longest time that the program may print nothing
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) silence_timeout: Option<u64>,
    /// Time between asking the program to end and killing it [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) grace: Option<u64>,
    /// Folder or URL (s3://, gs://, az://) that the results are uploaded to while the action runs
    #[arg(long, value_name = "URL", env = "AUTOML_UPLOAD_TO", hide_env_values = true, value_hint = ValueHint::AnyPath)]
    pub(crate) upload_to: Option<String>,
    /// Show spec, command and environment, and run nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
