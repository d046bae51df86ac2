//! Runs the real binary on tiny data made here: actions, resumption, pauses, signals, bad input.

mod action_recognition;
mod bad_input;
mod clips;
mod fixture;
mod resume;
mod train;
