//! The comparison's own tests: what it prints is believed, so its arithmetic is checked like anything else.

#![allow(
    dead_code,
    unused_imports,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the bench's main uses the rest"
)]

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
