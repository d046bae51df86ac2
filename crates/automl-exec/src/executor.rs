//! What the engine asks of a place where attempts run.
//!
//! An executor starts, finds, cancels and reports. It does not read metrics, decide about retries or
//! write the study's log. Each attempt that it accepted or found running is reported exactly once, as
//! an [`AttemptEnded`] on the channel that the executor was built with.

use std::path::Path;

use crate::{AttemptKey, LaunchSpec, Verdict};

/// Runs attempts: local processes, a simulation, or a cluster engine.
pub trait Executor {
    /// Starts the attempt, unless it was started before.
    ///
    /// The key makes this safe to repeat: of any number of submissions of one key at most one runs.
    /// `launch.json` must already be in the attempt's folder (see [`LaunchSpec::write`]).
    fn submit(&mut self, spec: &LaunchSpec) -> Submit;

    /// Finds out what became of an attempt that an earlier executor may have started.
    ///
    /// `Running` attempts are watched from then on and reported once; `Ended` ones are not reported
    /// again. After `NotStarted` the same key may be submitted.
    fn adopt(&mut self, key: &AttemptKey, attempt_dir: &Path) -> Adoption;

    /// Asks a running attempt to end; its end is reported as usual. Unknown keys are ignored.
    fn cancel(&mut self, key: &AttemptKey, mode: CancelMode);

    /// Lets go of all attempts: they run on, and nothing more is reported.
    fn detach(&mut self);
}

/// The answer to [`Executor::submit`].
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submit {
    /// The attempt was handed over; its end will be reported.
    Accepted,
    /// The attempt had been started before; its end will be reported all the same.
    AlreadyThere,
    /// Nothing was started and nothing will be reported.
    Refused {
        /// What stood in the way, for people.
        reason: String,
    },
}

/// The answer to [`Executor::adopt`].
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adoption {
    /// Nobody ever claimed the attempt.
    NotStarted,
    /// The attempt runs, or its runner is just claiming it; its end will be reported.
    Running,
    /// The attempt is over.
    Ended(Verdict),
}

/// How an attempt is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelMode {
    /// SIGTERM, the grace period of the launch spec, then SIGKILL.
    Graceful,
    /// SIGKILL at once.
    Kill,
}

/// Reports the end of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnded {
    /// The attempt.
    pub key: AttemptKey,
    /// How it ended.
    pub verdict: Verdict,
}
