//! Merges what is known about an attempt into one standing.
//!
//! Evidence in, [`Standing`] out. There is no clock and no I/O here: callers look and say when they
//! looked. Evidence is ranked:
//!
//! 1. the exit record is final, whatever anything else says;
//! 2. the state of the runner's process, where it can be looked up: alive means running even if the
//!    heart stands still, gone means lost once the record had time to become visible;
//! 3. the heartbeat, where the process is out of sight (another machine, another container): alive
//!    while the counter moves, lost once it stood still for too long. Counters are compared, never the
//!    clocks of two machines;
//! 4. silence proves nothing by itself and only runs down the patience above.
//!
//! Invariants, tested as properties: the first end stands for ever; without an exit record no attempt
//! ever counts as ended by itself; a living runner is never lost; a claimed attempt never becomes
//! unstarted again.

use crate::{Cause, Verdict};

/// How long the supervisor waits for evidence to appear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Milliseconds for an exit record to become visible after the runner is gone.
    pub record_ms: u64,
    /// Milliseconds for a claim to get its owner.
    pub claim_ms: u64,
    /// Milliseconds a heartbeat may stand still.
    pub heartbeat_ms: u64,
}

impl Patience {
    /// Local file systems show a record at once; the heartbeat beats every two seconds.
    pub const LOCAL: Self = Self { record_ms: 0, claim_ms: 1_000, heartbeat_ms: 90_000 };
    /// Network file systems may hide a new file for minutes behind their caches.
    pub const NETWORK: Self = Self { record_ms: 270_000, claim_ms: 270_000, heartbeat_ms: 270_000 };
}

/// When evidence was gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds on a clock that never jumps; differences of it are compared with [`Patience`].
    pub monotonic_ms: u64,
    /// Milliseconds since the Unix epoch; it dates the verdict.
    pub wall_ms: u64,
}

/// Who has claimed an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Nobody.
    None,
    /// Somebody who has not said who; its program cannot have been started yet.
    Unowned,
    /// The runner on record.
    Owned,
}

/// What the process table says about the runner on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunnerState {
    /// It exists, with the recorded start time.
    Alive,
    /// It ended, or its machine was restarted.
    Dead,
    /// It cannot be looked up from here, or is not known.
    Unknown,
}

/// One look at an attempt.
///
/// The runner must be looked up *before* the exit record is read: a runner that was gone by then had
/// written its record already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// When it was gathered.
    pub at: Moment,
    /// The verdict in the exit record.
    pub exit: Option<Verdict>,
    /// The claim.
    pub claim: Claim,
    /// The runner's process.
    pub runner: RunnerState,
    /// The heartbeat counter.
    pub heartbeat: Option<u64>,
}

/// What is known about an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has claimed it so far.
    NotStarted,
    /// It is running, or nothing proves the opposite yet.
    Running,
    /// It is over.
    Ended(Verdict),
}

/// Follows one attempt from look to look.
#[derive(Debug, Clone)]
pub struct Supervisor {
    patience: Patience,
    claimed: bool,
    dead_since: Option<u64>,
    last_sign: Option<Sign>,
    ended: Option<Verdict>,
}

/// The last sign of life and when it was first seen.
#[derive(Debug, Clone, Copy)]
struct Sign {
    claim: Claim,
    heartbeat: Option<u64>,
    since: u64,
}

impl Supervisor {
    /// Returns a supervisor that has seen nothing yet.
    pub fn new(patience: Patience) -> Self {
        Self { patience, claimed: false, dead_since: None, last_sign: None, ended: None }
    }

    /// Takes in one look and returns the standing of the attempt.
    #[must_use]
    pub fn observe(&mut self, evidence: &Evidence) -> Standing {
        if let Some(verdict) = &self.ended {
            return Standing::Ended(verdict.clone());
        }
        let standing = self.judge(evidence);
        if let Standing::Ended(verdict) = &standing {
            self.ended = Some(verdict.clone());
        }
        standing
    }

    fn judge(&mut self, evidence: &Evidence) -> Standing {
        if let Some(verdict) = &evidence.exit {
            return Standing::Ended(verdict.clone());
        }
        self.claimed |= evidence.claim != Claim::None;
        if !self.claimed {
            return Standing::NotStarted;
        }
        let now = evidence.at.monotonic_ms;
        let quiet_ms = self.quiet_ms(evidence);
        let (waited_ms, patience_ms) = match evidence.runner {
            RunnerState::Alive => {
                self.dead_since = None;
                return Standing::Running;
            }
            RunnerState::Dead => {
                let since = *self.dead_since.get_or_insert(now);
                (now.saturating_sub(since), self.patience.record_ms)
            }
            RunnerState::Unknown if evidence.claim == Claim::Unowned => (quiet_ms, self.patience.claim_ms),
            RunnerState::Unknown => (quiet_ms, self.patience.heartbeat_ms),
        };
        if waited_ms < patience_ms {
            return Standing::Running;
        }
        Standing::Ended(Verdict::unmeasured(Cause::Lost, evidence.at.wall_ms))
    }

    /// Returns for how long there was no new sign of life, this look included.
    fn quiet_ms(&mut self, evidence: &Evidence) -> u64 {
        let now = evidence.at.monotonic_ms;
        let Evidence { claim, heartbeat, .. } = *evidence;
        match self.last_sign {
            Some(sign)
                if (sign.claim, sign.heartbeat) == (claim, heartbeat)
                    && evidence.runner != RunnerState::Alive =>
            {
                now.saturating_sub(sign.since)
            }
            _ => {
                self.last_sign = Some(Sign { claim, heartbeat, since: now });
                0
            }
        }
    }
}

#[cfg(test)]
#[path = "supervisor_tests.rs"]
mod tests;
