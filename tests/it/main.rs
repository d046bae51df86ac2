//! The real program from outside: arguments in, output, files and exit codes out. One module a feature.

mod support;

mod action;
mod architecture;
mod archive;
mod crash;
mod data;
mod failures;
mod fsck;
mod full_disk;
mod hyperband;
mod inputs;
mod json;
mod looking;
mod mal;
mod readers;
mod replay;
mod runs;
mod serve;
mod signals;
mod steering;
mod survival;
mod terminal;
