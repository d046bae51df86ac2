//! What 200 trials that write a megabyte a second each cost the engine, and what they cost while they are silent.
//!
//! Its runners are counted beside it: they only wait, unless a limit makes them look.

use crate::study::{Workplace, children, process, this_program};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) const PROGRAM: &str = "write-and-write";

const TRIALS: u32 = 200;
const BYTES_PER_S: usize = 1_000_000;
const WRITES_PER_S: u32 = 20;
/// How long each of the two is measured.
const MEASURED: Duration = Duration::from_secs(6);
/// The trials start slowly on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// Folder in which each trial says that it runs, and files that tell all of them to write, and to end.
const READY: &str = "ready";
const GO: &str = "go";
const STOP: &str = "stop";

/// What a trial does when it may: lines as data loaders print them, and a metric every second.
pub(crate) fn program() {
    let name = std::env::var("AUTOML_TRIAL").expect("the engine numbers its trials");
    fs::write(Path::new(READY).join(name), "").expect("a folder to say so");
    while !Path::new(GO).exists() {
        sleep(Duration::from_millis(100));
    }
    let bytes = BYTES_PER_S / WRITES_PER_S as usize;
    let (mut line, mut tick, start) = (0_u64, 0, Instant::now());
    while !Path::new(STOP).exists() {
        let mut text = String::with_capacity(bytes + 200);
        if tick % WRITES_PER_S == 0 {
            text.push_str(&format!("epoch {} loss: 0.{line}\n", tick / WRITES_PER_S));
        }
        while text.len() < bytes {
            line += 1;
            text.push_str(&format!(
                "2026-03-07 09:05:07,{:03} - INFO - dataloader: worker {} fetched shard {line} ({} images)\n",
                line % 1000,
                line % 16,
                line % 512
            ));
        }
        std::io::stdout().write_all(text.as_bytes()).expect("a log that can be written");
        tick += 1;
        let next = start + Duration::from_secs(1) / WRITES_PER_S * tick;
        sleep(next.saturating_duration_since(Instant::now()));
    }
}

pub(crate) fn measure() {
    let place = Workplace::new();
    let file = |name: &str| place.path().join(name);
    fs::create_dir(file(READY)).expect("a writable folder");
    let mut engine = place.start(TRIALS, TRIALS, &[&this_program(), PROGRAM, "{x}"]);
    wait_until("all trials to start", || {
        fs::read_dir(file(READY)).is_ok_and(|entries| entries.count() == TRIALS as usize)
    });
    report("silent trials", "", &place, &engine);
    fs::write(file(GO), "").expect("a writable folder");
    wait_until("all trials to write", || written(&place) > u64::from(TRIALS) * BYTES_PER_S as u64);
    report("writers", " (target 1)", &place, &engine);
    fs::write(file(STOP), "").expect("a writable folder");
    assert!(engine.wait().expect("a child of ours").success());
}

/// Prints what engine and runners use for a while.
fn report(what: &str, target: &str, place: &Workplace, engine: &Child) {
    let used = || {
        let own = process(engine.id()).map_or(0.0, |(seconds, ..)| seconds);
        let runners = children(engine.id()).into_iter().filter_map(process).map(|(seconds, ..)| seconds);
        (own, runners.sum::<f64>())
    };
    let (begin, before, already) = (Instant::now(), used(), written(place));
    sleep(MEASURED);
    let (after, seconds) = (used(), begin.elapsed().as_secs_f64());
    println!(
        "engine, {TRIALS} {what:<13} {:5.2} cores{target}, its runners {:.2}; they wrote {:.0} MB/s together",
        (after.0 - before.0) / seconds,
        (after.1 - before.1) / seconds,
        (written(place) - already) as f64 / 1e6 / seconds
    );
}

/// Returns the bytes in the logs of all trials.
fn written(place: &Workplace) -> u64 {
    let log = |trial| place.study().join(format!("trials/{trial:05}/attempt-1/stdout.log"));
    (1..=TRIALS).filter_map(|trial| log(trial).metadata().ok()).map(|metadata| metadata.len()).sum()
}

fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        sleep(Duration::from_millis(100));
    }
}
