//! Watches one program from its start until no process of the attempt is left.
//!
//! The runner is the subreaper of everything the program starts, so its descendants are exactly the
//! processes of the attempt, whatever session, group or environment they chose: orphans come to the
//! runner and cannot get away. `waitpid` answering that there are no children is therefore the proof
//! that the attempt is over, and a trial without strays pays nothing for it.
//!
//! A process that cannot be ended (in uninterruptible sleep, usually below a driver) keeps the attempt
//! running: it still holds its GPU. One that may not be signalled (it changed its user) is noted and
//! left behind.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{Signal, kill_process_group};

use super::activity::Activity;
use super::guard::Guard;
use crate::LaunchSpec;
use crate::files::{self, Durability, Readers};
use crate::process::{self, Signalled};
use crate::record::Why;
use crate::signals::{Notice, Signals};

/// Time between two heartbeats, and so the longest delay of the fence.
pub(crate) const HEARTBEAT_EVERY: Duration = Duration::from_secs(2);
/// Time between SIGTERM and SIGKILL for what the program left behind.
const STRAY_GRACE: Duration = Duration::from_millis(200);
/// Time between the first two rounds of SIGKILL: processes may be forked while one is on its way. It
/// doubles with every round, as what survives a few of them is stuck in the kernel.
const KILL_AGAIN: Duration = Duration::from_millis(10);
const KILL_AGAIN_MAX: Duration = Duration::from_secs(1);

pub(super) struct Watch<'a> {
    dir: &'a Path,
    signals: &'a Signals,
    attempt: u32,
    grace: Duration,
    main: Pid,
    status: Option<WaitStatus>,
    phase: Phase,
    kill_rounds: u32,
    beats: u64,
    next_beat: Instant,
    wall_end: Option<Instant>,
    activity: Option<Activity>,
    guard: Option<Guard>,
}

#[derive(Clone, Copy)]
enum Phase {
    Running,
    /// SIGTERM was sent; SIGKILL follows at this time.
    Ending {
        why: Why,
        kill_at: Instant,
    },
}

/// What became of the program.
pub(super) struct Watched {
    /// Who ended it.
    pub(super) why: Why,
    /// Its wait status, if it could be learnt.
    pub(super) status: Option<WaitStatus>,
    /// Most memory of all processes that a look has found, where memory was looked at.
    pub(super) memory_peak_bytes: Option<u64>,
}

/// What is left of the attempt.
#[derive(PartialEq, Eq)]
enum Left {
    Something,
    Nothing,
}

impl<'a> Watch<'a> {
    /// `kernel_bounds_memory` is whether somebody else sees to its limit of memory.
    pub(super) fn new(
        spec: &LaunchSpec,
        dir: &'a Path,
        main: Pid,
        signals: &'a Signals,
        kernel_bounds_memory: bool,
    ) -> Self {
        let now = Instant::now();
        Self {
            dir,
            signals,
            attempt: spec.key.attempt,
            grace: Duration::from_millis(spec.grace_ms),
            main,
            status: None,
            phase: Phase::Running,
            kill_rounds: 0,
            beats: 0,
            next_beat: now + HEARTBEAT_EVERY,
            wall_end: spec.wall_limit_ms.map(|ms| now + Duration::from_millis(ms)),
            activity: Activity::new(spec, dir, now),
            guard: Guard::new(spec, dir, now, kernel_bounds_memory),
        }
    }

    /// Watches until nothing is left.
    pub(super) fn run(mut self) -> nix::Result<Watched> {
        let mut verdict = None;
        let mut notices = Vec::new();
        loop {
            let left = self.reap()?;
            if self.status.is_some() && verdict.is_none() {
                // Settled before any later request: a program that ended by itself was not terminated.
                verdict = Some(self.why());
                self.begin_sweep(&left);
            }
            if left == Left::Nothing {
                if verdict.is_none() {
                    let reason =
                        "the program's end was not reported: SIGCHLD is ignored by what started the runner";
                    files::note(self.dir, &reason);
                }
                return Ok(self.watched(verdict));
            }
            let now = Instant::now();
            for notice in notices {
                self.heed(notice, now);
            }
            self.check_limits(now);
            if self.beat_is_due(now) {
                self.beat(now);
            }
            if self.kill_is_due(now) && self.kill(now) == Left::Nothing {
                files::note(self.dir, &"a process of the attempt may not be signalled and was left behind");
                return Ok(self.watched(verdict));
            }
            notices = self.signals.wait(self.next_deadline().saturating_duration_since(now))?;
        }
    }

    fn watched(&self, verdict: Option<Why>) -> Watched {
        Watched {
            why: verdict.unwrap_or(Why::Lost),
            status: self.status,
            memory_peak_bytes: self.guard.as_ref().and_then(Guard::memory_peak_bytes),
        }
    }

    /// Collects what has ended; no children at all means that nothing is left.
    fn reap(&mut self) -> nix::Result<Left> {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => return Ok(Left::Something),
                Ok(status) if status.pid() == Some(self.main) => self.status = Some(status),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => return Ok(Left::Nothing),
                Err(error) => return Err(error),
            }
        }
    }

    fn why(&self) -> Why {
        match self.phase {
            Phase::Running => Why::Exited,
            Phase::Ending { why, .. } => why,
        }
    }

    fn heed(&mut self, notice: Notice, now: Instant) {
        match notice {
            Notice::Terminate => self.end(Why::Terminated, now),
            Notice::Kill => {
                self.end(Why::Terminated, now);
                self.phase = Phase::Ending { why: self.why(), kill_at: now };
            }
        }
    }

    /// Begins the end of a running program; the first reason stands.
    fn end(&mut self, why: Why, now: Instant) {
        if matches!(self.phase, Phase::Running) {
            self.signal_group(Signal::TERM);
            // A stopped process acts on SIGTERM only once it goes on.
            self.signal_group(Signal::CONT);
            self.phase = Phase::Ending { why, kill_at: now + self.grace };
        }
    }

    /// The program has ended: what it left behind gets a short grace, unless that was used up already.
    fn begin_sweep(&mut self, left: &Left) {
        if *left == Left::Nothing || self.kill_rounds > 0 {
            return;
        }
        for stray in self.descendants() {
            stray.id.signal(Signal::TERM);
            stray.id.signal(Signal::CONT);
        }
        self.phase = Phase::Ending { why: self.why(), kill_at: Instant::now() + STRAY_GRACE };
    }

    fn check_limits(&mut self, now: Instant) {
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        let beat_is_due = self.beat_is_due(now);
        if self.wall_end.is_some_and(|end| now >= end) {
            self.end(Why::TimeLimit, now);
        } else if let Some(activity) = &mut self.activity
            && (beat_is_due || now >= activity.deadline())
            && activity.is_silent(now)
        {
            self.end(Why::Silent, now);
        } else if let Some(mut guard) = self.guard.take() {
            let passed = guard.look(now, || self.descendants());
            self.guard = Some(guard);
            passed.into_iter().for_each(|why| self.end(why, now));
        }
    }

    fn beat_is_due(&self, now: Instant) -> bool {
        now >= self.next_beat
    }

    fn beat(&mut self, now: Instant) {
        self.beats += 1;
        self.next_beat = now + HEARTBEAT_EVERY;
        let text = format!("{}\n", self.beats);
        let path = self.dir.join(files::HEARTBEAT);
        if let Err(error) = files::replace(&path, text.as_bytes(), Durability::Process, Readers::Umask) {
            files::note(self.dir, &format_args!("cannot write heartbeat {}: {error}", self.beats));
        }
        if files::read_fence(files::trial_dir(self.dir)).is_some_and(|fence| fence > self.attempt) {
            self.end(Why::Fenced, now);
        }
    }

    fn kill_is_due(&self, now: Instant) -> bool {
        matches!(self.phase, Phase::Ending { kill_at, .. } if now >= kill_at)
    }

    /// Sends SIGKILL to everything; `Nothing` if none of it could be signalled.
    fn kill(&mut self, now: Instant) -> Left {
        self.signal_group(Signal::KILL);
        let descendants = self.descendants();
        let signalled: Vec<_> = descendants.iter().map(|stray| stray.id.signal(Signal::KILL)).collect();
        let pause = KILL_AGAIN_MAX.min(KILL_AGAIN * 2u32.saturating_pow(self.kill_rounds.min(16)));
        self.kill_rounds = self.kill_rounds.saturating_add(1);
        self.phase = Phase::Ending { why: self.why(), kill_at: now + pause };
        let all_refuse = !signalled.is_empty() && signalled.iter().all(|s| *s == Signalled::Refused);
        if all_refuse { Left::Nothing } else { Left::Something }
    }

    /// Signals the program's group. Once the program is reaped its number may mean somebody else.
    fn signal_group(&self, signal: Signal) {
        if let (None, Some(group)) = (self.status, rustix::process::Pid::from_raw(self.main.as_raw())) {
            // Fails only if the whole group is gone or changed its user, which `descendants` finds.
            let _ = kill_process_group(group, signal);
        }
    }

    fn descendants(&self) -> Vec<process::Stat> {
        let me = std::process::id().cast_signed();
        process::trees(&process::all(), |process| process.parent == me)
    }

    fn next_deadline(&self) -> Instant {
        let ending = match self.phase {
            Phase::Running => [
                self.wall_end,
                self.activity.as_ref().map(Activity::deadline),
                self.guard.as_ref().map(Guard::deadline),
            ],
            Phase::Ending { kill_at, .. } => [Some(kill_at), None, None],
        };
        ending.into_iter().flatten().fold(self.next_beat, Instant::min)
    }
}
