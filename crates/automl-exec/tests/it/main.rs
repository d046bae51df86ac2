//! Runner and local executor with real processes: small shell scripts stand in for trainers.

mod common;
mod limits;
mod local;
mod runner;
