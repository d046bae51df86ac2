//! Arguments of `run`. Values are optional here, so that the environment, the settings file and the
//! network config can supply what the user leaves out; the defaults are named in the help.

use super::check::SkillArgs;
use super::conduct::ConductArgs;
use super::data::{ContainerMode, DatasetArgs};
use super::number::{decimal, whole};
use super::usage::UsageArgs;
use crate::render::time::parse_duration;
use automl_config::{FidelityName, LogSource, parse_log};
use automl_core::{Algorithm, Constraint};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

const EXAMPLES: &str = "Examples:
  automl run --network mal --params train.lr,train.wd
  automl run --network mal --bound 'train.lr=1e-7..1e-5:log' --set train.num_epochs=5 --trials 30
  automl run --param 'lr=1e-5..1e-1:log' --param 'act=relu|gelu' --metric val_loss:min \\
             -- python train.py --lr {lr} --act {act}
  automl run --space space.yaml --metric acc:max --parallel 4 -- ./train.sh

A command's arguments may hold {name} for each parameter, {trial}, {seed}, {results_dir},
{fidelity}, {resume} and {config} (a JSON file with the parameters; {config_yaml} is one in YAML).
Parameters are also set as variables AUTOML_PARAM_<NAME>. Write {{ and }} for braces.

Durations are 90s, 15m, 12h, 2d. Ctrl-C once: start nothing new; twice: end the running trials;
three times: kill them. `automl resume` carries on.";

/// Arguments of `run`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    #[command(flatten)]
    pub(crate) program: ProgramArgs,
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(flatten)]
    pub(crate) conduct: ConductArgs,
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// Show the first trial's spec, command and environment, and run nothing
    #[arg(long, help_heading = "Looking before running")]
    pub(crate) dry_run: bool,
    /// Show each setting and where it comes from, and run nothing
    #[arg(long, help_heading = "Looking before running", conflicts_with = "dry_run")]
    pub(crate) print_config: bool,
}

/// A network and what to search in it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Searching a network")]
pub(crate) struct NetworkArgs {
    /// Name of a network; `automl networks` lists them
    #[arg(long, value_name = "NAME")]
    pub(crate) network: Option<String>,
    /// Action of the network [default: train]
    #[arg(long, value_name = "NAME", requires = "network")]
    pub(crate) action: Option<String>,
    /// Network config to use in place of the packaged one
    #[arg(long, value_name = "FILE", requires = "network", value_hint = ValueHint::FilePath)]
    pub(crate) network_config: Option<PathBuf>,
    /// Parameter schema to use in place of the packaged one
    #[arg(long, value_name = "FILE", requires = "network", value_hint = ValueHint::FilePath)]
    pub(crate) schema: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) skill: SkillArgs,
    /// Parameters to search, separated by commas [default: the schema's list]
    #[arg(long, value_name = "NAMES", requires = "network", value_delimiter = ',')]
    pub(crate) params: Option<Vec<String>>,
    /// Range of a parameter: name=low..high[:log][:step=N], name=a|b|c (repeatable)
    #[arg(long, value_name = "BOUND", requires = "network")]
    pub(crate) bound: Vec<String>,
    /// Spec in the program's own shape, whose values stand for the network's defaults
    #[arg(long, value_name = "FILE", requires = "network", value_hint = ValueHint::FilePath)]
    pub(crate) spec: Option<PathBuf>,
    /// Spec setting for all trials: key=value (repeatable)
    #[arg(long, value_name = "KEY=VALUE", requires = "network")]
    pub(crate) set: Vec<String>,
    #[command(flatten)]
    pub(crate) data: DatasetArgs,
    /// Model to start from
    #[arg(long, value_name = "PATH", requires = "network", value_hint = ValueHint::AnyPath)]
    pub(crate) pretrained: Option<String>,
    /// Run trials in the container that the network names; auto: only where the command is missing
    #[arg(
        long,
        value_name = "MODE",
        requires = "network",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub(crate) container: ContainerMode,
    /// off: one plain training in place of a search [default: on]
    #[arg(long, value_name = "on|off", requires = "network")]
    pub(crate) automl_policy: Option<Policy>,
}

/// Whether there is a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Policy {
    // Search.
    On,
    // One plain training.
    Off,
}

/// Any program and its parameters.
#[derive(Debug, Args)]
#[command(next_help_heading = "Searching any program")]
pub(crate) struct ProgramArgs {
    /// A parameter: name=low..high[:log][:step=N][:int][@default], name=a|b|c, name=value (repeatable)
    #[arg(long, value_name = "PARAM")]
    pub(crate) param: Vec<String>,
    /// File with parameters (YAML, TOML or JSON; also a space that ConfigSpace has written as JSON)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) space: Option<PathBuf>,
    /// File to read metrics from, in the trial's results folder, with wildcards: PATH[:FORMAT], FORMAT
    /// being text, json_lines, csv, tensorboard or status_json (repeatable; before the printed output)
    #[arg(long, value_name = "PATH", value_parser = parse_log)]
    pub(crate) log: Vec<LogSource>,
    /// Regular expression of printed lines with named groups: (?<value>…) of the metric, (?<NAME>…) of
    /// another one, (?<epoch>…) or (?<step>…) (repeatable)
    #[arg(long, value_name = "REGEX")]
    pub(crate) metric_pattern: Vec<String>,
    /// What the fidelity counts: step, image_size, …; fraction/100 counts hundredths [default: epoch]
    #[arg(long, value_name = "NAME[/PARTS]", requires = "max_fidelity")]
    pub(crate) fidelity: Option<FidelityName>,
    /// File in the results folder that asks the program to end by itself, before it gets a signal
    #[arg(long, value_name = "PATH")]
    pub(crate) stop_file: Option<String>,
    /// Program and arguments, after `--`
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// How the search goes.
#[derive(Debug, Args)]
#[command(next_help_heading = "The search")]
pub(crate) struct SearchArgs {
    /// Metric to optimise: NAME, NAME:min or NAME:max; repeated, several at once [default: the network's]
    #[arg(long, value_name = "METRIC")]
    pub(crate) metric: Vec<String>,
    /// What a trial must keep to: METRIC<=NUMBER or METRIC>=NUMBER (repeatable)
    #[arg(long, value_name = "CONSTRAINT", value_parser = Constraint::parse)]
    pub(crate) constraint: Vec<Constraint>,
    /// Configurations to try first: name=value,name=value, a JSON object, or a file (repeatable)
    #[arg(long, value_name = "PARAMS|FILE")]
    pub(crate) enqueue: Vec<String>,
    /// Learn from the trials of another study, or of a table with their results (repeatable)
    #[arg(long, value_name = "STUDY|FILE.csv", value_hint = ValueHint::AnyPath)]
    pub(crate) from: Vec<String>,
    /// Search algorithm [default: auto]
    #[arg(long, value_name = "NAME", env = "AUTOML_ALGORITHM", hide_env_values = true, ignore_case = true, value_parser = algorithm_parser())]
    pub(crate) algorithm: Option<Algorithm>,
    /// Number of trials [default: 20; for hyperband as many as its brackets hold]
    #[arg(long, value_name = "N", env = "AUTOML_TRIALS", hide_env_values = true, value_parser = whole::<u64>(1))]
    pub(crate) trials: Option<u64>,
    /// Fidelity of a full trial, for example epochs [default: the spec's epochs]
    #[arg(long, value_name = "N", env = "AUTOML_MAX_FIDELITY", hide_env_values = true, value_parser = whole::<u64>(1))]
    pub(crate) max_fidelity: Option<u64>,
    /// Smallest fidelity worth looking at [default: 1]
    #[arg(long, value_name = "N", env = "AUTOML_MIN_FIDELITY", hide_env_values = true, value_parser = whole::<u64>(1))]
    pub(crate) min_fidelity: Option<u64>,
    /// Factor between one rung and the next [default: 3]
    #[arg(long, value_name = "N", env = "AUTOML_ETA", hide_env_values = true, value_parser = whole::<u64>(2))]
    pub(crate) eta: Option<u64>,
    /// First trials of a race that train fully, whatever they come to at first; with 0 early results are trusted from the start [default: 2]
    #[arg(long, value_name = "N", env = "AUTOML_FULL_FIRST", hide_env_values = true, value_parser = whole::<u64>(0))]
    pub(crate) full_first: Option<u64>,
    /// Wall-clock limit of the search
    #[arg(long, value_name = "DURATION", env = "AUTOML_TIMEOUT", hide_env_values = true, value_parser = parse_duration)]
    pub(crate) timeout: Option<u64>,
    /// Limit of the GPU time of all trials together: 10h is one GPU for ten hours, or ten GPUs for one
    #[arg(long, value_name = "DURATION", env = "AUTOML_GPU_TIME", hide_env_values = true, value_parser = parse_duration)]
    pub(crate) gpu_time: Option<u64>,
    /// Root of every random choice [default: 0]
    #[arg(long, value_name = "N", env = "AUTOML_SEED", hide_env_values = true, value_parser = whole::<u64>(0))]
    pub(crate) seed: Option<u64>,
    /// Settings of a search in TAO's form (an `automl_settings` object in JSON); flags win over them
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) settings: Option<PathBuf>,
    /// Name of the study [default: the network's or program's with the first free number]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// What trials run on, and their limits.
#[derive(Debug, Args)]
#[command(next_help_heading = "The trials")]
pub(crate) struct MachineArgs {
    /// Number of trials that run at a time, or auto for as many as fit [default: auto]
    #[arg(long, value_name = "N|auto", env = "AUTOML_PARALLEL", hide_env_values = true)]
    pub(crate) parallel: Option<Parallel>,
    /// GPUs to use: all, none, or indices such as 0,2 [default: all]
    #[arg(long, value_name = "LIST", env = "AUTOML_GPUS", hide_env_values = true)]
    pub(crate) gpus: Option<String>,
    /// GPUs of one trial; a fraction packs several trials on one [default: 1]
    #[arg(long, value_name = "N", env = "AUTOML_GPUS_PER_TRIAL", hide_env_values = true, value_parser = decimal)]
    pub(crate) gpus_per_trial: Option<f64>,
    /// Longest running time of an attempt
    #[arg(long, value_name = "DURATION", env = "AUTOML_TRIAL_TIMEOUT", hide_env_values = true, value_parser = parse_duration)]
    pub(crate) trial_timeout: Option<u64>,
    /// Longest time that an attempt may print nothing
    #[arg(long, value_name = "DURATION", env = "AUTOML_SILENCE_TIMEOUT", hide_env_values = true, value_parser = parse_duration)]
    pub(crate) silence_timeout: Option<u64>,
    /// Time between asking a program to end and killing it [default: 30s]
    #[arg(long, value_name = "DURATION", env = "AUTOML_GRACE", hide_env_values = true, value_parser = parse_duration)]
    pub(crate) grace: Option<u64>,
    #[command(flatten)]
    pub(crate) usage: UsageArgs,
    /// Folder or URL (s3://, gs://, az://) that results are uploaded to while trials run
    #[arg(long, value_name = "URL", env = "AUTOML_UPLOAD_TO", hide_env_values = true, value_hint = ValueHint::AnyPath)]
    pub(crate) upload_to: Option<String>,
    /// How often a failed trial is tried again where that may help [default: 1]
    #[arg(long, value_name = "N", env = "AUTOML_RETRY", hide_env_values = true, value_parser = whole::<u32>(0))]
    pub(crate) retry: Option<u32>,
    /// End the search after so many failed trials in a row [default: 5]
    #[arg(long, value_name = "N", env = "AUTOML_MAX_FAILURES", hide_env_values = true, value_parser = whole::<u32>(1))]
    pub(crate) max_failures: Option<u32>,
}

/// How many trials run at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parallel {
    /// As many as fit.
    Auto,
    /// So many.
    Fixed(u32),
}

impl Parallel {
    /// Returns the number; `None` for as many as fit.
    pub(crate) fn number(self) -> Option<u32> {
        match self {
            Parallel::Auto => None,
            Parallel::Fixed(n) => Some(n),
        }
    }
}

impl FromStr for Parallel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(n) if n > 0 => Ok(Parallel::Fixed(n)),
            _ if text == "auto" => Ok(Parallel::Auto),
            _ => Err("expected a number of at least 1, or `auto`".into()),
        }
    }
}

impl fmt::Display for Parallel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Parallel::Auto => f.write_str("auto"),
            Parallel::Fixed(n) => n.fmt(f),
        }
    }
}

/// Accepts every name of an algorithm and lists the canonical ones.
fn algorithm_parser() -> impl TypedValueParser<Value = Algorithm> {
    let values = Algorithm::NAMES.map(|(_, names)| PossibleValue::new(names[0]).aliases(&names[1..]));
    PossibleValuesParser::new(values).map(|name| name.parse().expect("only known names are accepted"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn run(arguments: &str) -> Result<RunArgs, String> {
        let words = ["automl", "run"].into_iter().chain(arguments.split_whitespace());
        match Cli::try_parse_from(words) {
            Ok(Cli { command: Command::Run(args), .. }) => Ok(*args),
            Ok(_) => Err("another command".into()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn names_and_aliases_of_algorithms_are_accepted() {
        for (text, algorithm) in
            [("H", Algorithm::Hyperband), ("gp", Algorithm::Bayesian), ("sobol", Algorithm::Sobol)]
        {
            assert_eq!(run(&format!("--algorithm {text}")).unwrap().search.algorithm, Some(algorithm));
        }
        let error = run("--algorithm bayesain").unwrap_err();
        assert!(error.contains("tip: a similar value exists: 'bayesian'"), "{error}");
    }

    #[test]
    fn network_options_need_a_network() {
        assert!(run("--bound a=1..2 -- ./a.sh").unwrap_err().contains("--network <NAME>"));
        assert!(run("--network mal --bound a=1..2").is_ok());
    }

    #[test]
    fn words_behind_the_dashes_are_the_command() {
        let args = run("--param a=1..2 --metric loss -- ./a.sh --trials 3").unwrap();
        assert_eq!(args.program.command, ["./a.sh", "--trials", "3"]);
    }

    #[test]
    fn wrong_values_name_what_is_expected() {
        for (arguments, expected) in [
            ("--parallel 0", "or `auto`"),
            ("--timeout 90", "write 90s"),
            ("--trials 0", "a whole number of at least 1"),
            ("--trails 3", "'--trials'"),
        ] {
            let error = run(arguments).unwrap_err();
            assert!(error.contains(expected), "{arguments}: {error}");
        }
    }
}
