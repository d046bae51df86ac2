//! Trial program that trains MAL, a box-supervised mask network, on libtorch.
//!
//! It is started by the engine like any other trainer: a spec file, overrides on the command line,
//! metrics on stdout and in `status.json`, checkpoints in the results folder, and an exit code. It
//! knows nothing of studies and searches.
//!
//! Reading order: [`cli`] and [`spec`] say what is wanted, [`data`] gives batches, [`model`] and
//! [`loss`] are the mathematics, [`train`] is the loop, [`segment`], [`validate`] and [`infer`] use
//! the result. This file is the process boundary: exit codes, signals, and panics of libtorch.

mod checkpoint;
mod cli;
mod data;
mod device;
mod error;
mod infer;
mod loss;
mod model;
mod optim;
mod run;
mod schedule;
mod segment;
mod size_class;
mod spec;
mod status;
mod train;
mod validate;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cli::{Action, Command, MalArguments};
use error::{EXIT_PASS, EXIT_TERMINATED, EXIT_USAGE, TrainerError};
use run::{Ending, Run};
use spec::{MalSpec, SpecReader};
use status::{Status, StatusLog, complain, say};

fn main() -> ExitCode {
    let arguments = cli::texts(std::env::args_os().skip(1));
    let code = match arguments.and_then(|arguments| cli::parse(&arguments)) {
        Ok(Command::Help) => print_and_pass(cli::HELP),
        Ok(Command::Version) => {
            print_and_pass(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")))
        }
        Ok(Command::Devices) => print_and_pass(&device::report().to_string()),
        Ok(Command::Mal(arguments)) => run_to_exit_code(&arguments),
        Err(error) => {
            complain(&format!("error: {error}"));
            complain(cli::HINT);
            EXIT_USAGE
        }
    };
    ExitCode::from(code)
}

fn print_and_pass(text: &str) -> u8 {
    say(text);
    EXIT_PASS
}

/// Runs the action, prints its verdict as the last line, and gives the exit code.
fn run_to_exit_code(arguments: &MalArguments) -> u8 {
    let code = match run_action(arguments) {
        Ok(Ending::Finished | Ending::Paused(_)) => EXIT_PASS,
        Ok(Ending::Terminated(_)) => EXIT_TERMINATED,
        Err(error) => {
            complain(&format!("error: {error}"));
            error.exit_code()
        }
    };
    say(if code == EXIT_PASS { "Execution status: PASS" } else { "Execution status: FAIL" });
    code
}

fn run_action(arguments: &MalArguments) -> Result<Ending, TrainerError> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop))
        .map_err(TrainerError::Signal)?;
    let reader = SpecReader::open(&arguments.spec, &arguments.overrides)?;
    let dir = spec::action_dir(&reader, arguments.action)?;
    let mut status = StatusLog::open(&dir)?;
    status.write(Status::Started, &format!("Starting MAL {}.", arguments.action.name()))?;
    let outcome = catch_panics(|| {
        let mut run = Run::new(read_spec(&reader, &dir)?, dir, &mut status, stop)?;
        match arguments.action {
            Action::Train => train::train(&mut run),
            Action::Evaluate => infer::evaluate(&mut run),
            Action::Inference => infer::inference(&mut run),
        }
    });
    if let Err(error) = &outcome
        && let Err(unwritten) = status.write(Status::Failure, &error.to_string())
    {
        complain(&format!("warning: {unwritten}"));
    }
    outcome
}

/// Checks the spec and keeps a copy, overrides included, beside the results.
fn read_spec(reader: &SpecReader, dir: &Path) -> Result<MalSpec, TrainerError> {
    let spec = MalSpec::read(reader)?;
    if !spec.ignored_keys.is_empty() {
        complain(&format!("warning: keys of the spec without effect here: {}", spec.ignored_keys.join(", ")));
    }
    let copy = dir.join("experiment.yaml");
    match std::fs::write(&copy, &spec.yaml) {
        Ok(()) => Ok(spec),
        Err(source) => Err(TrainerError::Results { path: copy, source }),
    }
}

/// Turns a panic, which is how the bindings report libtorch errors, into an error.
fn catch_panics(action: impl FnOnce() -> Result<Ending, TrainerError>) -> Result<Ending, TrainerError> {
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(action));
    drop(std::panic::take_hook());
    outcome.unwrap_or_else(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied())
            .unwrap_or("a panic without a message");
        Err(TrainerError::from_torch_text(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_panics_become_errors() {
        let shapes = || {
            let _ = tch::Tensor::from_slice(&[1.0f32]).view([3, 3]);
            Ok(Ending::Finished)
        };
        assert_eq!(catch_panics(shapes).unwrap_err().exit_code(), error::EXIT_FAIL);
        let memory = || panic!("called `Result::unwrap()` on: Torch(\"CUDA out of memory. Tried\")");
        assert_eq!(catch_panics(memory).unwrap_err().exit_code(), error::EXIT_OUT_OF_MEMORY);
    }
}
