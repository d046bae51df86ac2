//! Compares samplers with each other and with those of other projects:
//! `cargo bench -p automl --bench quality -- --help`.
//!
//! The problems are those of `automl_testkit::problems`. Each run is one sampler on one instance of one problem
//! with simulated workers (`race`); all samplers meet the same instances, the same noise and the same
//! durations. Other projects' samplers answer from a Python process (`peer`) and see only what a user's
//! program would. How often a better sampler wins is counted in `statistics`, and printed by `report`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]
#![cfg_attr(test, allow(dead_code, unused_imports, reason = "the tests beside the code run in tests.rs"))]

mod arguments;
mod asker;
mod command;
mod jobs;
mod peer;
mod peer_training;
mod race;
mod reach;
mod report;
mod results;
mod statistics;
mod subject;
mod trade;
mod training;

use std::process::ExitCode;

fn main() -> ExitCode {
    // `cargo bench` adds `--bench` to whatever the user gave.
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    match command::run(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}
