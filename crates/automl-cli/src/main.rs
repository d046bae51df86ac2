//! The `automl` command: arguments in, output and an exit code out.
//!
//! Nothing is decided here about searches; `automl` (the library) does the work. This crate knows how
//! people and programs ask for it, and how they are told.

mod args;
mod commands;
mod configurations;
mod datasets;
mod exit;
mod facts;
#[cfg(test)]
mod fixture;
mod output;
mod plan;
mod project;
mod render;
mod standing;
mod watcher;

use args::Cli;
use clap::FromArgMatches;
use output::{Level, Output};
use std::ffi::OsStr;
use std::path::Path;

/// Subcommand by which this program starts itself as the runner of one attempt. Not for people.
const RUNNER: &str = "__runner";

fn main() {
    // A runner is started for every attempt and must hold the signals before any thread exists, so it
    // comes before everything else.
    let mut words = std::env::args_os().skip(1);
    if let (Some(RUNNER), Some(dir)) = (words.next().as_deref().and_then(OsStr::to_str), words.next()) {
        std::process::exit(automl_exec::runner_main(Path::new(&dir)));
    }
    quiet_contained_panics();
    std::process::exit(run())
}

/// A panic that the store catches and mends is not for the user's eyes.
fn quiet_contained_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !automl_store::panic_is_contained() {
            report(panic);
        }
    }));
}

fn run() -> i32 {
    let parsed = args::matches(std::env::args_os());
    let parsed = parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => error.exit(),
    };
    let level = match (cli.global.quiet, cli.global.verbose) {
        (true, _) => Level::Quiet,
        (false, false) => Level::Normal,
        (false, true) => Level::Verbose,
    };
    let output = Output { json: cli.global.json, level };
    match commands::dispatch(cli, &matches, output) {
        Ok(exit) => exit as i32,
        Err(failure) => {
            output::report(&failure);
            failure.exit as i32
        }
    }
}
