//! Trial program that trains networks on libtorch: MAL, a box-supervised mask network, and action
//! recognition, a classifier of short clips.
//!
//! It is started by the engine like any other trainer: a spec file, overrides on the command line,
//! metrics on stdout and in `status.json`, checkpoints in the results folder, and an exit code. It
//! knows nothing of studies and searches.
//!
//! Reading order: [`cli`] and [`spec`] say what is wanted; [`epochs`] is the course of every training
//! run, with [`checkpoint`], [`optim`], [`loader`], [`picture`] and [`weights`] as its tools; [`mal`] and
//! [`action_recognition`] are the networks, which know the tools and not each other. This file is the
//! process boundary: exit codes, signals, and panics of libtorch.

mod action_recognition;
mod checkpoint;
mod cli;
mod device;
mod epochs;
mod error;
mod loader;
mod mal;
mod optim;
mod picture;
mod random;
mod run;
mod spec;
mod status;
mod weights;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cli::{Arguments, Command, Network};
use error::{EXIT_PASS, EXIT_TERMINATED, EXIT_USAGE, TrainerError};
use run::{Ending, Run};
use spec::SpecReader;
use status::{Status, complain, say};

fn main() -> ExitCode {
    let arguments = cli::texts(std::env::args_os().skip(1));
    let code = match arguments.and_then(|arguments| cli::parse(&arguments)) {
        Ok(Command::Help) => print_and_pass(cli::HELP),
        Ok(Command::Version) => {
            print_and_pass(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")))
        }
        Ok(Command::Devices) => print_and_pass(&device::report().to_string()),
        Ok(Command::Run(arguments)) => run_to_exit_code(&arguments),
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
fn run_to_exit_code(arguments: &Arguments) -> u8 {
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

fn run_action(arguments: &Arguments) -> Result<Ending, TrainerError> {
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&stop))
        .map_err(TrainerError::Signal)?;
    let reader = SpecReader::open(&arguments.spec, &arguments.overrides)?;
    let Arguments { network, action, .. } = arguments;
    let mut run = Run::open(spec::action_dir(&reader, *action)?, stop)?;
    run.status.write(Status::Started, &format!("Starting {} {}.", network.title(), action.name()))?;
    let outcome = catch_panics(|| match network {
        Network::Mal => mal::perform(*action, &reader, &mut run),
        Network::ActionRecognition => action_recognition::perform(*action, &reader, &mut run),
    });
    if let Err(error) = &outcome
        && let Err(unwritten) = run.status.write(Status::Failure, &error.to_string())
    {
        complain(&format!("warning: {unwritten}"));
    }
    outcome
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
