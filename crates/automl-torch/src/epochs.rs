//! The course of every training run: epochs, validations, checkpoints, pauses, SIGTERM.
//!
//! A trainer supplies the steps ([`Training`]); when it is validated and saved, and where it stops, is
//! decided here once for all. The loop pauses after `EARLY_STOP_EPOCH` completed epochs, on the
//! schedule of all `train.num_epochs`. The last epoch of a run is always validated and saved, and
//! SIGTERM saves the last completed epoch.

use std::ops::ControlFlow;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::checkpoint::{Progress, Snapshot};
use crate::error::TrainerError;
use crate::random::{Purpose, Stream};
use crate::run::{Ending, Run};
use crate::spec::{CheckpointInterval, Course};
use crate::status::{EpochTiming, Status, say};

/// Environment variable with the number of completed epochs to pause at.
const EARLY_STOP: &str = "EARLY_STOP_EPOCH";

/// What one trainer does between the decisions made here.
pub(crate) trait Training {
    /// The surroundings.
    fn run(&mut self) -> &mut Run;
    /// How far the run has come.
    fn progress(&self) -> Progress;
    /// Trains the rest of the epoch under way; breaks off where SIGTERM has arrived.
    fn train_epoch(&mut self) -> Result<ControlFlow<()>, TrainerError>;
    /// Counts the epoch as completed and tells how it went.
    fn complete_epoch(&mut self) -> Metrics;
    /// Measures the network on the validation data.
    fn validate(&mut self) -> Result<Metrics, TrainerError>;
    /// Adapts what depends on measurements; `validated` where the course, and not a pause, asked for a
    /// validation, so that a paused run follows the one that never paused.
    fn adapt(&mut self, _validated: bool) {}
    /// A copy of the state.
    fn snapshot(&self) -> Snapshot;
}

/// Measured values, for the status file and for stdout.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Metrics {
    /// Names and values for the status file.
    pub(crate) kpi: Vec<(String, f64)>,
    /// `name: value` pairs for stdout.
    pub(crate) text: String,
}

/// Trains until the last epoch, the pause or SIGTERM, and says so.
pub(crate) fn train(training: &mut impl Training, course: &Course) -> Result<Ending, TrainerError> {
    let pause_at = early_stop_epoch()?;
    training.run().status.write(Status::Running, "Starting Training Loop.")?;
    let ending = run_epochs(training, course, pause_at)?;
    let total = course.num_epochs;
    let (status, message) = match ending {
        Ending::Finished => (Status::Success, "Train finished successfully.".to_owned()),
        Ending::Paused(epochs) => {
            (Status::Success, format!("Train paused after {epochs} of {total} epochs ({EARLY_STOP})."))
        }
        Ending::Terminated(epochs) => {
            (Status::Failure, format!("Train interrupted by SIGTERM after {epochs} of {total} epochs."))
        }
    };
    say(&message);
    training.run().status.write(status, &message)?;
    Ok(ending)
}

fn early_stop_epoch() -> Result<Option<u64>, TrainerError> {
    let Ok(value) = std::env::var(EARLY_STOP) else { return Ok(None) };
    match value.trim().parse() {
        Ok(epochs) if epochs > 0 => Ok(Some(epochs)),
        _ if value.trim().is_empty() => Ok(None),
        _ => Err(TrainerError::Environment {
            name: EARLY_STOP,
            value,
            expected: "a whole number of epochs, 1 or more",
        }),
    }
}

fn run_epochs(
    training: &mut impl Training,
    course: &Course,
    pause_at: Option<u64>,
) -> Result<Ending, TrainerError> {
    let total = course.num_epochs;
    let end = pause_at.map_or(total, |epochs| epochs.min(total));
    // The state after the last completed epoch, while it is in no file.
    let mut unsaved: Option<Snapshot> = None;
    if training.progress().epochs >= end {
        // Nothing is left to train; the caller still learns how good the checkpoint is.
        let epoch = training.progress().epochs.saturating_sub(1);
        validate(training, epoch)?;
    }
    while training.progress().epochs < end {
        let started = Instant::now();
        let epoch = training.progress().epochs;
        if training.run().should_stop() || training.train_epoch()?.is_break() {
            if let Some(snapshot) = unsaved {
                snapshot.write(&training.run().dir)?;
            }
            return Ok(Ending::Terminated(training.progress().epochs));
        }
        finish_epoch(training, EpochTiming { epoch, max_epoch: total - 1, took: started.elapsed() })?;
        let last = epoch + 1 == end;
        let validation_due = (epoch + 1).is_multiple_of(course.validation_interval) || epoch + 1 == total;
        if last || validation_due {
            validate(training, epoch)?;
        }
        training.adapt(validation_due);
        unsaved = save_epoch(training, course, last)?;
    }
    Ok(if end < total { Ending::Paused(training.progress().epochs) } else { Ending::Finished })
}

fn finish_epoch(training: &mut impl Training, timing: EpochTiming) -> Result<(), TrainerError> {
    let metrics = training.complete_epoch();
    say(&format!("epoch: {} {}", timing.epoch, metrics.text));
    let status = &mut training.run().status;
    status.write_epoch(timing)?;
    status.write_metrics(&metrics.kpi, "Train metrics generated.")
}

fn validate(training: &mut impl Training, epoch: u64) -> Result<(), TrainerError> {
    let metrics = training.validate()?;
    say(&format!("epoch: {epoch} {}", metrics.text));
    training.run().status.write_metrics(&metrics.kpi, "Eval metrics generated.")
}

/// Writes the completed epoch where it is due, else returns a copy for SIGTERM.
fn save_epoch(
    training: &mut impl Training,
    course: &Course,
    last: bool,
) -> Result<Option<Snapshot>, TrainerError> {
    let due = match course.checkpoint_interval {
        CheckpointInterval::Epochs(interval) => training.progress().epochs.is_multiple_of(interval),
        CheckpointInterval::Steps(_) => false,
    };
    let snapshot = training.snapshot();
    if !last && !due {
        return Ok(Some(snapshot));
    }
    snapshot.write(&training.run().dir)?;
    Ok(None)
}

/// Whether the course asks for a checkpoint in the middle of an epoch, after so many steps.
pub(crate) fn step_is_due(course: &Course, progress: &Progress) -> bool {
    match course.checkpoint_interval {
        CheckpointInterval::Steps(interval) => progress.steps.is_multiple_of(interval),
        CheckpointInterval::Epochs(_) => false,
    }
}

/// Seed of libtorch's generator for one purpose of a run.
pub(crate) fn libtorch_seed(seed: u64, purpose: Purpose) -> i64 {
    // 63 bits: the seed is a signed number there.
    (Stream::open(seed, purpose).bits() >> 1) as i64
}

/// A seed for runs that ask for a new one each time; printed, so that it can be repeated.
pub(crate) fn seed_from_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let purpose = Purpose::FreshSeed { process: u64::from(std::process::id()) };
    Stream::open(since.as_nanos() as u64, purpose).bits() >> 33
}

impl Progress {
    /// Nothing done yet, with the seed of the course, else that of the checkpoint, else a new one.
    pub(crate) fn begin(course: &Course, stored: Option<Self>) -> Self {
        let seed = course.seed.or(stored.map(|progress| progress.seed)).unwrap_or_else(seed_from_clock);
        let fresh = Self { epochs: 0, epoch_steps: 0, steps: 0, loss_sum: 0.0, seed };
        Self { seed, ..stored.unwrap_or(fresh) }
    }

    /// Seed of libtorch's generator for the step under way.
    pub(crate) fn step_seed(&self) -> i64 {
        libtorch_seed(self.seed, Purpose::Step { epoch: self.epochs, step: self.epoch_steps })
    }

    /// Counts one optimizer step with its loss.
    pub(crate) fn count_step(&mut self, loss: f64) {
        self.steps += 1;
        self.epoch_steps += 1;
        self.loss_sum += loss;
    }

    /// Counts the epoch as completed.
    pub(crate) fn count_epoch(&mut self) {
        self.epochs += 1;
        self.epoch_steps = 0;
        self.loss_sum = 0.0;
    }
}
