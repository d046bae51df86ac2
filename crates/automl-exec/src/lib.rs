//! Runs trial attempts as processes that outlive the engine and always leave a truthful verdict.
//!
//! Three parts, which know little of each other:
//! - the *runner* ([`runner_main`], also the program `automl-runner`) owns one attempt: it claims it,
//!   starts the program, beats, obeys the fence and writes the exit record;
//! - an *executor* ([`Executor`]) starts, finds and cancels runners: [`LocalExecutor`] on this machine,
//!   [`SimulatedExecutor`] nowhere at all;
//! - the *supervisor* ([`supervisor`]) merges exit record, process and heartbeat into one standing.
//!
//! Beside them, [`devices`] finds the GPUs, [`slots`] cuts the machine into places for trials, and [`GpuWatch`]
//! tells which GPUs can take one now.
//!
//! This crate knows no parameters, metrics, schedules or retries: it is told what to run and says how
//! it ended. The folder of an attempt is described in the source of `files`.

mod cgroup;
mod cut;
mod executor;
mod files;
mod gpu_watch;
mod key;
mod launch;
mod local;
mod process;
mod record;
mod runner;
mod signals;
mod simulated;
mod verdict;
mod xid;

pub mod devices;
pub mod slots;
pub mod supervisor;

pub use cgroup::available as control_groups;
pub use cut::Cut;
pub use executor::{Adoption, AttemptEnded, CancelMode, Executor, Submit};
pub use files::{RUNNER_LOG, STDERR_LOG, STDOUT_LOG, raise_fence, read_fence};
pub use gpu_watch::{GpuReport, GpuWatch};
pub use key::{AttemptKey, KeyError};
pub use launch::{LaunchError, LaunchSpec, UseLimits};
pub use local::LocalExecutor;
pub use process::{MARKER, MARKER_DIR};
pub use runner::{EXIT_REFUSED, runner_main};
pub use simulated::{Script, SimulatedExecutor};
pub use verdict::{Cause, Verdict};
pub use xid::GpuError;
