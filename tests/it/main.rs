//! The real program from outside: arguments in, output, files and exit codes out. One module a feature.

mod support;
mod talk;

mod action;
mod architecture;
mod archive;
mod bounds;
mod checkpoints;
mod crash;
mod data;
mod failures;
mod fidelity;
mod fsck;
mod full_disk;
mod hyperband;
mod inputs;
mod json;
mod limits;
mod looking;
mod mal;
mod odd_programs;
mod odd_questions;
mod orphans;
mod plan;
mod population;
mod readers;
mod replay;
mod runs;
mod secrets;
mod serve;
mod signals;
mod steering;
mod stopping;
mod survival;
mod terminal;
mod trainers;
