//! Looks at an attempt's folder and at the process table.

use std::path::Path;
use std::time::Instant;

use crate::AttemptKey;
use crate::files::{self, Damaged};
use crate::record::{self, Machine, Owner};
use crate::supervisor::{Claim, Evidence, Moment, RunnerState};

/// Gathers evidence about one attempt, look by look.
#[derive(Debug)]
pub(super) struct Observer {
    here: Machine,
    since: Instant,
}

impl Observer {
    pub(super) fn new(here: Machine) -> Self {
        Self { here, since: Instant::now() }
    }

    /// Takes one look; the owner is returned beside the evidence because signals need its pids.
    pub(super) fn look(&self, key: &AttemptKey, dir: &Path) -> (Evidence, Option<Owner>) {
        let owner = heard(dir, Owner::read(dir, key));
        let runner = owner.as_ref().map_or(RunnerState::Unknown, |owner| self.runner_state(owner));
        let claim = match owner {
            Some(_) => Claim::Owned,
            None if dir.join(files::CLAIM).is_dir() => Claim::Unowned,
            None => Claim::None,
        };
        // After the process: a runner that was seen dead had written its record by then.
        let exit = heard(dir, record::read_verdict(dir, key));
        let heartbeat = match runner {
            RunnerState::Unknown => files::read_heartbeat(dir),
            RunnerState::Alive | RunnerState::Dead => None,
        };
        (Evidence { at: self.now(), exit, claim, runner, heartbeat }, owner)
    }

    /// Tells whether the owner's pids mean the same processes here.
    pub(super) fn sees(&self, owner: &Owner) -> bool {
        self.here.shares_pids_with(&owner.machine)
    }

    fn runner_state(&self, owner: &Owner) -> RunnerState {
        if self.here.rebooted_since(&owner.machine) {
            return RunnerState::Dead;
        }
        match (self.sees(owner), owner.runner.is_alive()) {
            (false, _) => RunnerState::Unknown,
            (true, true) => RunnerState::Alive,
            (true, false) => RunnerState::Dead,
        }
    }

    fn now(&self) -> Moment {
        let monotonic_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        Moment { monotonic_ms, wall_ms: files::now_ms() }
    }
}

/// Treats damage as absence, with a note in the attempt's `runner.log`.
fn heard<T>(dir: &Path, reading: Result<Option<T>, Damaged>) -> Option<T> {
    reading.unwrap_or_else(|damage| {
        files::note(dir, &damage);
        None
    })
}
