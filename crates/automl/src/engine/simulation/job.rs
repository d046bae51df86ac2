//! One attempt as it runs somewhere: a runner that keeps the contract of real ones, and a program whose
//! output is a function of its arguments.

use super::chance::Chance;
use super::plan::{Rates, WALL_MS};
use automl_exec::{Cause, LaunchSpec, STDOUT_LOG, Verdict};
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

/// Returns what the program prints as its loss after an epoch.
pub(super) fn loss(x: f64, epoch: u64) -> f64 {
    (x - 0.3).powi(2) + 1.0 / epoch as f64
}

/// A claimed attempt.
pub(super) struct Job {
    pub(super) dir: PathBuf,
    pub(super) node: usize,
    pub(super) alive: bool,
    /// When it ended, alive no more.
    pub(super) ended_at: u64,
    /// Counter in its heartbeat file, as it can be seen.
    pub(super) heartbeat: u64,
    /// Exit record, as it can be seen.
    pub(super) exit: Option<Verdict>,
    /// Exit record that a cut-off node could not write yet.
    pub(super) unwritten: Option<Verdict>,
    script: Script,
    started_at: u64,
}

/// What the program will do.
struct Script {
    /// Lines, each at a time after the start.
    lines: VecDeque<(u64, String)>,
    ends_after: u64,
    end: End,
}

/// How an attempt ends by itself.
enum End {
    Program(Cause),
    /// Its runner is killed.
    Killed,
}

impl Job {
    pub(super) fn start(spec: &LaunchSpec, node: usize, now: u64, chance: &Chance, rates: &Rates) -> Self {
        Job {
            dir: spec.attempt_dir.clone(),
            node,
            alive: true,
            ended_at: 0,
            heartbeat: 0,
            exit: None,
            unwritten: None,
            script: Script::draw(spec, chance, rates),
            started_at: now,
        }
    }

    /// Prints what is due, and ends if that is due. Tells whether it ended.
    pub(super) fn work(&mut self, now: u64, connected: bool) -> bool {
        if !self.alive {
            return false;
        }
        let age = now - self.started_at;
        while self.script.lines.front().is_some_and(|(at, _)| *at <= age) {
            let (_, line) = self.script.lines.pop_front().expect("it was looked at");
            let log = OpenOptions::new().append(true).create(true).open(self.dir.join(STDOUT_LOG));
            log.and_then(|mut log| log.write_all(line.as_bytes())).expect("the engine made the folder");
        }
        if age >= WALL_MS && self.script.ends_after > WALL_MS {
            self.end(Cause::TimeLimit, now, connected);
        } else if age >= self.script.ends_after {
            match &self.script.end {
                End::Program(cause) => self.end(cause.clone(), now, connected),
                End::Killed => self.die(now),
            }
        }
        !self.alive
    }

    /// Returns when something happens to it by itself next.
    pub(super) fn next(&self) -> u64 {
        let line = self.script.lines.front().map(|(at, _)| *at);
        let end = self.script.ends_after.min(WALL_MS);
        self.started_at + line.map_or(end, |line| line.min(end))
    }

    /// Ends it, leaving an exit record.
    pub(super) fn end(&mut self, cause: Cause, now: u64, connected: bool) {
        let verdict = Some(Verdict { started_ms: Some(self.started_at), ..Verdict::unmeasured(cause, now) });
        self.die(now);
        if connected {
            self.exit = verdict;
        } else {
            self.unwritten = verdict;
        }
    }

    /// Ends it without a trace.
    pub(super) fn die(&mut self, now: u64) {
        self.alive = false;
        self.ended_at = now;
    }
}

impl Script {
    fn draw(spec: &LaunchSpec, chance: &Chance, rates: &Rates) -> Self {
        let x: f64 = spec.argv[1].parse().expect("the recipe's first argument is x");
        let epochs: u64 = spec.argv[2].parse().expect("the recipe's second argument is the fidelity");
        let pace = 500 + chance.below(15_000);
        let mut lines: VecDeque<(u64, String)> =
            (1..=epochs).map(|epoch| (epoch * pace, format!("loss: {}\n", loss(x, epoch)))).collect();
        let ends_after = epochs * pace + chance.below(1_000);
        if !chance.happens(rates.failure) {
            return Script { lines, ends_after, end: End::Program(Cause::Exit(0)) };
        }
        let early = chance.below(ends_after.max(1));
        let (ends_after, end) = match chance.below(6) {
            0 => (early, End::Program(Cause::Exit(1))),
            1 => (early, End::Program(Cause::Signal(9))),
            2 => (u64::MAX, End::Program(Cause::Exit(0))),
            3 => (early, End::Killed),
            4 => {
                lines.push_back((epochs * pace, "loss: inf\n".into()));
                (ends_after, End::Program(Cause::Exit(0)))
            }
            _ => {
                lines.clear();
                (ends_after, End::Program(Cause::Exit(0)))
            }
        };
        lines.retain(|(at, _)| *at <= ends_after);
        Script { lines, ends_after, end }
    }
}
