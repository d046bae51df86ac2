//! The command line: names, help texts, shapes of values. What the values mean is checked elsewhere.

mod action;
mod archive;
mod check;
mod command;
mod conduct;
mod data;
mod gc;
mod number;
mod plan;
mod run;
mod service;
mod steer;
mod usage;

pub(crate) use action::ActionArgs;
pub(crate) use archive::{FsckArgs, ImportArgs};
pub(crate) use check::{CheckArgs, Intent, SkillArgs};
pub(crate) use command::matches;
pub(crate) use conduct::{ConductArgs, YesNo};
pub(crate) use data::{ContainerMode, DatasetArgs};
pub(crate) use gc::GcArgs;
pub(crate) use plan::{CostArgs, PlanArgs};
pub(crate) use run::{MachineArgs, NetworkArgs, Parallel, Policy, RunArgs, SearchArgs};
pub(crate) use service::ServeArgs;
pub(crate) use steer::{EnqueueArgs, ExportArgs, ExportForm, SetArgs, TrialArg};
pub(crate) use usage::{LogSize, UsageArgs};

use crate::render::time::parse_duration;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use number::{decimal, whole};
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  automl run --network mal --params train.lr,train.wd
  automl run --param 'lr=1e-5..1e-1:log' --metric loss:min -- python train.py --lr {lr}
  automl status --watch
  automl best --spec > spec.yaml

Exit codes: 0 done; 1 no trial succeeded; 2 wrong usage or input; 3 something is missing (dataset,
program, writable disk); 4 stopped on request; 5 store damaged; 7 study busy; 130 interrupted.";

/// Tunes the hyperparameters of training programs.
#[derive(Debug, Parser)]
#[command(name = "automl", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Reads a path; an empty one, as of a variable that is set to nothing, counts as none.
fn possibly_empty() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Options of every command.
#[derive(Default, Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Folder that holds the studies [default: ./studies]
    #[arg(long, global = true, value_name = "DIR", env = "AUTOML_ROOT", hide_env_values = true, value_parser = possibly_empty(), value_hint = ValueHint::DirPath)]
    pub(crate) root: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but data, warnings and errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say why things are done
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Search for the best parameters of a network or of any program
    Run(Box<RunArgs>),
    /// Show what a run would do: brackets, rungs, trials, epochs, time and disk; runs nothing
    Plan(Box<PlanArgs>),
    /// Run one action of a network, without a search: train, evaluate, inference, export, …
    Action(Box<ActionArgs>),
    /// Carry on a stopped, interrupted or finished study
    #[command(after_help = "Examples:\n  automl resume\n  automl resume mal-1 --trials 40")]
    Resume(ResumeArgs),
    /// List the studies
    #[command(after_help = "Examples:\n  automl list\n  automl list --json | jq -r .study")]
    List,
    /// Show state, progress and incumbent of a study
    #[command(after_help = "Examples:\n  automl status\n  automl status mal-1 --watch")]
    Status(StatusArgs),
    /// Show the trials of a study
    #[command(after_help = "Examples:\n  automl trials\n  automl trials mal-1 --json | jq .value")]
    Trials(StudyArg),
    /// Show the incumbent of a study
    #[command(after_help = "Examples:\n  automl best --json\n  automl best mal-1 --spec > spec.yaml")]
    Best(BestArgs),
    /// Tell which model proposed a trial and why, and what happened to it
    #[command(after_help = "Examples:\n  automl explain 7\n  automl explain mal-1/7 --json")]
    Explain(TrialArg),
    /// Show how much each parameter matters for good results
    #[command(after_help = "Examples:\n  automl importance\n  automl importance mal-1 --json")]
    Importance(StudyArg),
    /// Print the trials of a study as a table for other programs, or its whole event log
    #[command(after_help = "Examples:\n  automl export > trials.csv\n  automl export mal-1 --to json\n  \
                      automl export mal-1 --to jsonl > mal-1.events.jsonl")]
    Export(ExportArgs),
    /// Make a study from an event log
    #[command(after_help = "Example:\n  automl import mal-1.events.jsonl --name mal-1-again")]
    Import(ImportArgs),
    /// Try configurations of your own next
    #[command(
        after_help = "Examples:\n  automl enqueue mal-1 'train.lr=1e-6,train.wd=0'\n  automl enqueue mal-1 mine.jsonl"
    )]
    Enqueue(EnqueueArgs),
    /// Change the limits of a study and the bounds of its parameters, also while it runs
    #[command(
        after_help = "Examples:\n  automl set mal-1 trials=60 parallel=4 timeout=12h\n  automl set mal-1 bound:train.lr=1e-6..1e-4"
    )]
    Set(SetArgs),
    /// Ask the engine of a study to end its running trials and itself
    #[command(after_help = "Example:\n  automl stop mal-1")]
    Stop(StudyArg),
    /// Ask the engine of a study to start nothing new and to end with the running trials
    #[command(after_help = "Example:\n  automl pause mal-1")]
    Pause(StudyArg),
    /// Give a trial up
    #[command(after_help = "Examples:\n  automl cancel 7\n  automl cancel mal-1/7")]
    Cancel(TrialArg),
    /// Serve studies to programs of any language: ask for trials, tell results
    Serve(ServeArgs),
    /// Show what a trial's program printed
    #[command(
        after_help = "Examples:\n  automl logs 7\n  automl logs mal-1/7 -f\n  automl logs 7 --attempt 1\n  automl logs 7 --json | jq 'select(.values)'"
    )]
    Logs(LogsArgs),
    /// List the networks, or the parameters of one
    #[command(
        after_help = "Examples:\n  automl networks\n  automl networks mal\n  automl networks mal train"
    )]
    Networks(NetworksArgs),
    /// Check network configs, schemas, search spaces, specs, automl.toml files and datasets
    #[command(
        after_help = "Examples:\n  automl check network_configs space.yaml\n  automl check spec.yaml --network mal\n  \
                      automl check data/train --network mal --intent training\n  \
                      automl check --log train.log --metric val_loss\n  \
                      automl check --print-schema network > network.schema.json"
    )]
    Check(CheckArgs),
    /// Derive every suggestion of a study again from its log, and compare
    #[command(after_help = "Example:\n  automl replay mal-1")]
    Replay(StudyArg),
    /// Show which checkpoints nothing needs any more, and delete them with --yes
    Gc(GcArgs),
    /// Check the two copies of a study's log against each other, and repair them
    #[command(after_help = "Examples:\n  automl fsck mal-1\n  automl fsck mal-1 --repair")]
    Fsck(FsckArgs),
    /// Find out what works on this machine, what does not, and how to mend it
    #[command(after_help = "Example:\n  automl doctor --json")]
    Doctor,
    /// Print a completion script
    #[command(
        after_help = "Example:\n  automl completions bash > ~/.local/share/bash-completion/completions/automl"
    )]
    Completions(CompletionsArgs),
}

/// The study a command is about.
#[derive(Clone, Debug, Args)]
pub(crate) struct StudyArg {
    /// Name of the study, or its folder [default: the one worked on last]
    #[arg(value_name = "STUDY")]
    pub(crate) study: Option<String>,
}

/// Arguments of `resume`.
#[derive(Debug, Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    pub(crate) study: StudyArg,
    /// Number of trials in all, those already done included
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1))]
    pub(crate) trials: Option<u64>,
    /// Wall-clock limit of the search in all, the time already worked included
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<u64>,
    /// New fidelity of a full trial: the best trials go on to it from their checkpoints
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1))]
    pub(crate) max_fidelity: Option<u64>,
    /// Limit of the GPU time of all trials together, the time already used included
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) gpu_time: Option<u64>,
    /// Number of trials that run at a time, or auto
    #[arg(long, value_name = "N|auto")]
    pub(crate) parallel: Option<Parallel>,
    /// GPUs to use: all, none, or indices such as 0,2
    #[arg(long, value_name = "LIST")]
    pub(crate) gpus: Option<String>,
    /// GPUs of one trial; a fraction packs several trials on one
    #[arg(long, value_name = "N", value_parser = decimal)]
    pub(crate) gpus_per_trial: Option<f64>,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) study: StudyArg,
    /// Show it again and again until the engine ends
    #[arg(long, short)]
    pub(crate) watch: bool,
}

/// Arguments of `best`.
#[derive(Debug, Args)]
pub(crate) struct BestArgs {
    #[command(flatten)]
    pub(crate) study: StudyArg,
    /// Print the spec that trains the best configuration from scratch
    #[arg(long, conflicts_with = "json")]
    pub(crate) spec: bool,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) trial: TrialArg,
    /// Name of the study, or its folder [default: the one worked on last]
    #[arg(long, value_name = "STUDY")]
    pub(crate) study: Option<String>,
    /// Go on printing until the trial's program ends
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Number of the attempt [default: the last]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1))]
    pub(crate) attempt: Option<u32>,
}

/// Arguments of `networks`.
#[derive(Debug, Args)]
pub(crate) struct NetworksArgs {
    /// Network to show
    #[arg(value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    /// Action whose parameters to show
    #[arg(value_name = "ACTION")]
    pub(crate) action: Option<String>,
    #[command(flatten)]
    pub(crate) skill: SkillArgs,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// Shell to complete for
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("automl "), "{} has none", command.get_name());
        }
    }
}
