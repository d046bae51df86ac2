//! Runs the real binary on tiny data made here: actions, resumption, pauses, signals, bad input.

mod bad_input;
mod fixture;
mod resume;
mod train;
