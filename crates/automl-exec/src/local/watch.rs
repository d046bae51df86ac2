//! Follows one attempt, on a thread of its own, until its verdict stands.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::evidence::Observer;
use super::leftovers;
use crate::files;
use crate::process::ProcessId;
use crate::record::{Machine, Owner};
use crate::supervisor::{Patience, RunnerState, Standing, Supervisor};
use crate::{AttemptEnded, AttemptKey, CancelMode, Cause, EXIT_REFUSED, Verdict};

/// Pause between two looks where no process can be waited for: a claim without an owner, or a runner on
/// another machine.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The handle through which an attempt is cancelled while its thread is blocked.
#[derive(Debug, Default)]
pub(super) struct Control(Mutex<Wish>);

#[derive(Debug, Default)]
struct Wish {
    runner: Option<ProcessId>,
    mode: Option<CancelMode>,
}

impl Control {
    /// Cancels the attempt now, or as soon as its runner is known.
    pub(super) fn cancel(&self, mode: CancelMode) {
        let mut wish = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wish.mode = Some(mode);
        if let Some(runner) = wish.runner {
            send(runner, mode);
        }
    }

    /// Tells which runner is in charge; an earlier wish reaches it at once.
    pub(super) fn aim(&self, runner: ProcessId) {
        let mut wish = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if wish.runner.replace(runner) == Some(runner) {
            return;
        }
        if let Some(mode) = wish.mode {
            send(runner, mode);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).mode.is_some()
    }
}

fn send(runner: ProcessId, mode: CancelMode) {
    let signal = match mode {
        CancelMode::Graceful => Signal::TERM,
        CancelMode::Kill => Signal::QUIT,
    };
    runner.signal(signal);
    // A stopped runner acts on it only once it goes on.
    runner.signal(Signal::CONT);
}

/// Everything needed to follow one attempt.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) key: AttemptKey,
    /// Canonical, as the markers are compared with it.
    pub(super) dir: PathBuf,
    pub(super) control: Arc<Control>,
    observer: Observer,
    supervisor: Supervisor,
    alive: Option<ProcessId>,
}

impl Watcher {
    pub(super) fn new(key: AttemptKey, dir: PathBuf, here: Machine) -> Self {
        let supervisor = Supervisor::new(Patience::LOCAL);
        Self { key, dir, control: Arc::default(), observer: Observer::new(here), supervisor, alive: None }
    }

    /// Takes one look. Before an attempt is declared lost, its leftovers are ended.
    pub(super) fn look(&mut self) -> Standing {
        let (evidence, owner) = self.observer.look(&self.key, &self.dir);
        self.alive = None;
        if let (RunnerState::Alive, Some(owner)) = (evidence.runner, &owner) {
            self.alive = Some(owner.runner);
            self.control.aim(owner.runner);
        }
        let standing = self.supervisor.observe(&evidence);
        if let (Standing::Ended(Verdict { cause: Cause::Lost, .. }), Some(owner)) = (&standing, owner) {
            self.end_leftovers(&owner);
        }
        standing
    }

    /// Blocks until the attempt is over. A runner started here comes as a child, which is reaped.
    pub(super) fn watch(mut self, child: Option<Child>) -> AttemptEnded {
        let status = child.and_then(|mut child| child.wait().ok());
        let verdict = loop {
            match self.look() {
                Standing::Ended(verdict) => break verdict,
                Standing::NotStarted => break Verdict::unmeasured(self.unclaimed(status), files::now_ms()),
                Standing::Running => self.pause(),
            }
        };
        // The control goes first: whoever hears of the end must find the attempt unwatched.
        let Self { key, control, .. } = self;
        drop(control);
        AttemptEnded { key, verdict }
    }

    fn pause(&self) {
        match self.alive {
            Some(runner) => runner.wait_for_end(),
            None => thread::sleep(LOOK_EVERY),
        }
    }

    fn end_leftovers(&self, owner: &Owner) {
        if self.observer.sees(owner) {
            leftovers::end(owner, &self.dir);
        }
    }

    /// Returns the cause if the runner ended and nobody ever claimed the attempt.
    fn unclaimed(&self, status: Option<ExitStatus>) -> Cause {
        if self.control.is_cancelled() {
            return Cause::Terminated;
        }
        match status.and_then(|status| status.code()) {
            Some(EXIT_REFUSED) => Cause::Fenced,
            Some(code) => Cause::LaunchFailed(launch_failure(code, &self.dir)),
            None => Cause::Lost,
        }
    }
}

fn launch_failure(code: i32, dir: &Path) -> String {
    let log = dir.join(files::RUNNER_LOG);
    let text = fs::read(&log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().last().map(|line| format!(": {line}")).unwrap_or_default();
    format!("the runner ended with code {code} before it claimed the attempt ({}){last}", log.display())
}
