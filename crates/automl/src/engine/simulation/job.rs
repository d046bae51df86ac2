//! One attempt as it runs somewhere: a runner that keeps the contract of real ones, and a program whose
//! output is a function of its arguments.

use super::chance::Chance;
use super::plan::{Habits, Rates, WALL_MS};
use super::shelf::{Content, Shelf};
use automl_exec::{Cause, LaunchSpec, STDOUT_LOG, Verdict};
use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

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
    pub(super) beginning: Beginning,
    started_at: u64,
}

/// What the program will do.
struct Script {
    /// What it does, each at a time after the start.
    acts: VecDeque<(u64, Act)>,
    ends_after: u64,
    end: End,
}

/// What a program does while it runs.
enum Act {
    Print(String),
    /// Begins to write a checkpoint.
    BeginToSave(PathBuf),
    /// Has written it, through another name first where it has the habit.
    Save {
        through: PathBuf,
        path: PathBuf,
        content: Content,
    },
}

/// What a program begins from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Beginning {
    Scratch,
    /// A checkpoint of this epoch.
    Epoch(u64),
    /// A checkpoint that it cannot read.
    Unreadable,
}

/// How an attempt ends by itself.
enum End {
    Program(Cause),
    /// Its runner is killed.
    Killed,
}

impl Job {
    pub(super) fn start(
        spec: &LaunchSpec,
        node: usize,
        now: u64,
        beginning: Beginning,
        luck: (&Chance, &Rates, Habits),
    ) -> Self {
        Job {
            dir: spec.attempt_dir.clone(),
            node,
            alive: true,
            ended_at: 0,
            heartbeat: 0,
            exit: None,
            unwritten: None,
            script: Script::draw(spec, beginning, luck),
            beginning,
            started_at: now,
        }
    }

    /// Does what is due, and ends if that is due. Tells whether it ended. Nothing that is written to the results
    /// from a node that is cut off ever arrives.
    pub(super) fn work(&mut self, now: u64, connected: bool, shelf: &mut Shelf) -> bool {
        if !self.alive {
            return false;
        }
        let age = now - self.started_at;
        while self.script.acts.front().is_some_and(|(at, _)| *at <= age) {
            let (_, act) = self.script.acts.pop_front().expect("it was looked at");
            match act {
                Act::Print(line) => self.print(&line),
                Act::BeginToSave(path) if connected => shelf.write(&path, Content::Broken, now),
                Act::Save { through, path, content } if connected => {
                    shelf.rename(&through, &path, content, now);
                }
                Act::BeginToSave(_) | Act::Save { .. } => {}
            }
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

    fn print(&self, line: &str) {
        let log = OpenOptions::new().append(true).create(true).open(self.dir.join(STDOUT_LOG));
        log.and_then(|mut log| log.write_all(line.as_bytes())).expect("the engine made the folder");
    }

    /// Returns when something happens to it by itself next.
    pub(super) fn next(&self) -> u64 {
        let act = self.script.acts.front().map(|(at, _)| *at);
        let end = self.script.ends_after.min(WALL_MS);
        self.started_at + act.map_or(end, |act| act.min(end))
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
    fn draw(
        spec: &LaunchSpec,
        beginning: Beginning,
        (chance, rates, habits): (&Chance, &Rates, Habits),
    ) -> Self {
        let x: f64 = spec.argv[1].parse().expect("the recipe's first argument is x");
        let until: u64 = spec.argv[2].parse().expect("the recipe's second argument is the fidelity");
        let pace = 500 + chance.below(15_000);
        let from = match beginning {
            Beginning::Scratch => 0,
            Beginning::Epoch(epoch) => epoch,
            Beginning::Unreadable => {
                let end = End::Program(Cause::Exit(1));
                return Script { acts: VecDeque::new(), ends_after: chance.below(1_000), end };
            }
        };
        let results =
            spec.attempt_dir.parent().expect("an attempt lies in its trial's folder").join("results");
        // Where all is done, it says again how good that is.
        let first = (from + 1).min(until.max(from));
        let epochs = first..=until.max(from);
        let mut acts: VecDeque<(u64, Act)> = (1..)
            .zip(epochs)
            .flat_map(|(n, epoch)| habits.epoch(n * pace, &results, spec.key.trial, epoch, loss(x, epoch)))
            .collect();
        let last = acts.back().map_or(0, |(at, _)| *at);
        let ends_after = last + 1 + chance.below(1_000);
        if !chance.happens(rates.failure) {
            return Script { acts, ends_after, end: End::Program(Cause::Exit(0)) };
        }
        let early = chance.below(ends_after.max(1));
        let (ends_after, end) = match chance.below(6) {
            0 => (early, End::Program(Cause::Exit(1))),
            1 => (early, End::Program(Cause::Signal(9))),
            2 => (u64::MAX, End::Program(Cause::Exit(0))),
            3 => (early, End::Killed),
            4 => {
                acts.push_back((last, Act::Print("loss: inf\n".into())));
                (ends_after, End::Program(Cause::Exit(0)))
            }
            _ => {
                acts.clear();
                (ends_after, End::Program(Cause::Exit(0)))
            }
        };
        acts.retain(|(at, _)| *at <= ends_after);
        Script { acts, ends_after, end }
    }
}

impl Habits {
    /// What is done at the end of an epoch.
    fn epoch(self, at: u64, results: &Path, trial: u64, epoch: u64, loss: f64) -> Vec<(u64, Act)> {
        let name = if self.epoch_in_name { format!("weights/ckpt_{epoch}") } else { "weights/ckpt".into() };
        let path = results.join(name);
        let through = if self.saves_whole { path.with_extension("tmp") } else { path.clone() };
        let begin = Act::BeginToSave(through.clone());
        let save = Act::Save { through, path, content: Content::Whole { trial, epoch } };
        let print = Act::Print(format!("epoch {epoch} loss: {loss}\n"));
        let acts = if self.saves_first { [begin, save, print] } else { [print, begin, save] };
        (0..).map(|n| at + 100 * n).zip(acts).collect()
    }
}
