//! `kill -9` of a process that hands trials out and is told their results, thousands of times:
//! `cargo run --release -p automl --example kill_storm [KILLS]` (default 1000).
//!
//! The process is this program, started again; it says what it was acknowledged. After each kill the study is
//! opened, and everything that was ever said must be in it: each result once and unchanged, each trial with
//! the values that it was handed out with. Ends with an error otherwise, else with a row of numbers.

#![expect(clippy::print_stdout, reason = "the numbers are what this program is for")]

use automl::{Answer, AskTell, Place, StudyDir, StudyRequest, Told, replay, view};
use automl_core::{
    Algorithm, Direction, Distribution, EarlyStop, Objective, ParamValue, Parameter, Params, Scale,
    SearchSpace, TrialId, rng,
};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// First argument of a process that is to be killed.
const WORK: &str = "--work";
/// Name of the study in its folder.
const STUDY: &str = "storm";
/// Longest life of a process after its first word.
const LIFE: Duration = Duration::from_millis(60);
/// Trials after which a new study is begun.
const TRIALS: u64 = 200;
/// Studies that are killed at the same time: most of a life is waiting for its end.
const STORMS: u64 = 3;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, root] = arguments.as_slice()
        && word == WORK
    {
        return work(Path::new(root));
    }
    let kills: u64 = arguments.first().map_or(Ok(1000), |text| text.parse())?;
    let storms: Vec<Result<Storm, String>> = std::thread::scope(|scope| {
        let begin = |first| scope.spawn(move || storm(kills, first).map_err(|error| error.to_string()));
        let threads: Vec<_> = (0..STORMS).map(begin).collect();
        let join = |thread: ScopedJoinHandle<'_, _>| thread.join().expect("a storm does not panic");
        threads.into_iter().map(join).collect()
    });
    let storms = storms.into_iter().collect::<Result<Vec<Storm>, String>>()?;
    let results: u64 = storms.iter().map(|storm| storm.results).sum();
    let slowest = storms.iter().map(|storm| storm.slowest).max().unwrap_or_default().as_secs_f64() * 1000.0;
    println!("| kills | results acknowledged | lost | twice | slowest opening, ms |");
    println!("|--:|--:|--:|--:|--:|");
    // A loss ends the program before it gets here.
    println!("| {kills} | {results} | 0 | 0 | {slowest:.1} |");
    Ok(())
}

/// Every [`STORMS`]th of the kills, from `first` on, one after the other.
fn storm(kills: u64, first: u64) -> Outcome<Storm> {
    let mut storm = Storm::default();
    let mut root = tempfile::tempdir()?;
    for kill in (first..kills).step_by(STORMS as usize) {
        storm.kill(root.path(), kill).map_err(|error| format!("kill {kill}: {error}"))?;
        if storm.told.len() as u64 >= TRIALS {
            storm.begin_anew();
            root = tempfile::tempdir()?;
        }
    }
    storm.begin_anew();
    Ok(storm)
}

/// What processes have said about the current study, and sums over all.
#[derive(Default)]
struct Storm {
    handed: BTreeMap<TrialId, f64>,
    told: BTreeMap<TrialId, f64>,
    results: u64,
    slowest: Duration,
}

impl Storm {
    fn kill(&mut self, root: &Path, kill: u64) -> Outcome<()> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = command.arg(WORK).arg(root).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(process.stdout.take().ok_or("a process has an output")?);
        let share = rng::uniform(&[11, kill]) * 1.2 - 0.2;
        let mut first = String::new();
        // One of six dies while it creates or opens the study.
        if share >= 0.0 {
            said.read_line(&mut first)?;
        }
        std::thread::sleep(LIFE.mul_f64(share.abs()));
        process.kill()?;
        process.wait()?;
        self.hear(&first)?;
        let mut line = String::new();
        // The kill may have cut the last line short: it says nothing then.
        while said.read_line(&mut line)? > 0 && line.ends_with('\n') {
            self.hear(&line)?;
            line.clear();
        }
        self.check(root)
    }

    fn hear(&mut self, line: &str) -> Outcome<()> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [what, trial, value] = words.as_slice() else { return Ok(()) };
        let (trial, value) = (TrialId(trial.parse()?), value.parse()?);
        let known = if *what == "told" { &mut self.told } else { &mut self.handed };
        match known.insert(trial, value) {
            Some(other) if other != value => {
                Err(format!("trial {trial}: {what} {other}, then {value}").into())
            }
            _ => Ok(()),
        }
    }

    fn check(&mut self, root: &Path) -> Outcome<()> {
        let dir = StudyDir::new(root, STUDY);
        if !automl::exists(&dir) && self.handed.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        let opened = AskTell::open(&dir);
        if self.handed.is_empty() && opened.is_err() {
            // Killed while the study was created: nothing was acknowledged, and the log is empty.
            return Ok(());
        }
        drop(opened?);
        self.slowest = self.slowest.max(start.elapsed());
        let study = view(&dir)?.study;
        for (trial, value) in &self.told {
            let found = study.trials.get(trial).map(|trial| (trial.value(), trial.attempts.len()));
            if found != Some((Some(*value), 1)) {
                return Err(format!("trial {trial} was told {value}; found {found:?}").into());
            }
        }
        for (trial, value) in &self.handed {
            let found = study.trials.get(trial).and_then(|trial| x(&trial.params));
            if found != Some(*value) {
                return Err(format!("trial {trial} was handed out with x = {value}; found {found:?}").into());
            }
        }
        if let Some(difference) = replay(&dir)?.difference {
            return Err(format!("the log does not replay: {difference:?}").into());
        }
        Ok(())
    }

    fn begin_anew(&mut self) {
        self.results += self.told.len() as u64;
        self.told.clear();
        self.handed.clear();
    }
}

/// Asks and tells, and says what was acknowledged, for ever.
fn work(root: &Path) -> Outcome<()> {
    let x01 = Distribution::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: None };
    let request = StudyRequest {
        name: Some(STUDY.into()),
        space: SearchSpace::new(vec![Parameter::new("x", x01)]).expect("a sound space"),
        objectives: vec![Objective { metric: "loss".into(), direction: Direction::Minimize }],
        constraints: Vec::new(),
        algorithm: Algorithm::Sobol,
        seed: 7,
        max_trials: None,
        workers: None,
        fidelity: None,
        early_stop: EarlyStop::None,
    };
    let mut study = AskTell::create(&Place::Folder(root.into()), request)?;
    let mut out = std::io::stdout().lock();
    loop {
        let Answer::Trials(trials) = study.ask(1, Some("w"))? else { return Ok(()) };
        for trial in trials {
            let x = x(&trial.params).ok_or("a trial has a value")?;
            writeln!(out, "handed {} {x}", trial.trial)?;
            let value = (x - 0.3).powi(2);
            study.tell(trial.trial, Told::Complete { values: vec![value], constraints: Vec::new() })?;
            writeln!(out, "told {} {value}", trial.trial)?;
            out.flush()?;
        }
    }
}

fn x(params: &Params) -> Option<f64> {
    params.get("x").and_then(ParamValue::as_f64)
}
