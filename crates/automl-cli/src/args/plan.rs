//! Arguments of `plan`: those of `run` that say what is searched and how, and what a trial costs.

use super::conduct::ConductArgs;
use super::run::{MachineArgs, NetworkArgs, ProgramArgs, RunArgs, SearchArgs};
use crate::render::size::parse_size;
use crate::render::time::parse_duration;
use clap::Args;

const EXAMPLES: &str = "Examples:
  automl plan --network mal --algorithm hyperband --max-fidelity 27
  automl plan --algorithm asha --max-fidelity 81 --trials 200 --parallel 8 --epoch-time 90s \\
              --param 'lr=1e-5..1e-1:log' --metric loss:min -- ./train.py --lr {lr} --epochs {fidelity} {resume}

Takes the options of `run` and runs nothing. Time and disk are those of the newest study of the same
program, unless `--epoch-time` and `--checkpoint-size` say them.";

/// Arguments of `plan`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    program: ProgramArgs,
    #[command(flatten)]
    search: SearchArgs,
    #[command(flatten)]
    conduct: ConductArgs,
    #[command(flatten)]
    machine: MachineArgs,
    #[command(flatten)]
    pub(crate) costs: CostArgs,
}

/// What a trial costs.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "What a trial costs")]
pub(crate) struct CostArgs {
    /// Time of one epoch, or of one unit of whatever the fidelity is [default: as in an earlier study]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) epoch_time: Option<u64>,
    /// Size of a trial's checkpoints [default: as in an earlier study]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) checkpoint_size: Option<u64>,
    /// Study that tells what a trial costs [default: the newest one of the same program]
    #[arg(long, value_name = "STUDY")]
    pub(crate) like: Option<String>,
}

impl PlanArgs {
    /// Splits the arguments into those of `run` and the costs.
    pub(crate) fn into_parts(self) -> (RunArgs, CostArgs) {
        let PlanArgs { network, program, search, conduct, machine, costs } = self;
        (RunArgs { network, program, search, conduct, machine, dry_run: false, print_config: false }, costs)
    }
}
