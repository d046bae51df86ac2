//! `automl completions`.

use crate::args::{Cli, CompletionsArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use clap::CommandFactory;

/// Prints the completion script of a shell.
pub(super) fn run(args: &CompletionsArgs, output: Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "automl", &mut script);
    output.raw(&script)?;
    Ok(Exit::Done)
}
