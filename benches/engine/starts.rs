//! How many trials a second the engine starts and finishes, everything durable.
//!
//! Beside it stands the rate at which this disk alone syncs a small write, for comparison.

use crate::study::{Workplace, median};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const TRIALS: u32 = 1_000;
const PARALLEL: u32 = 4;
const REPEATS: usize = 9;
const SYNCS: u32 = 200;

pub(crate) fn measure() {
    let place = Workplace::new();
    println!("disk alone            {:8.0} syncs/s", syncs_per_second(place.path()));
    let start = Instant::now();
    let mut engine = place.start(TRIALS, PARALLEL, &["/bin/echo", "loss: {x}"]);
    let mut memory = 0.0_f64;
    let status = loop {
        memory = peak_memory_mib(engine.id()).unwrap_or(0.0).max(memory);
        if let Some(status) = engine.try_wait().expect("a child of ours") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let rate = f64::from(TRIALS) / start.elapsed().as_secs_f64();
    assert!(status.success(), "{status}");
    println!(
        "trial starts          {rate:8.0} /s (target 200; {TRIALS} trials to their ends, {PARALLEL} at a time)"
    );
    println!("engine peak memory    {memory:8.1} MiB");
    println!("automl --version      {:8.1} ms", median_time_ms(&place, &["--version"]));
    println!("automl status         {:8.1} ms ({TRIALS} trials)", median_time_ms(&place, &["status", "s"]));
}

fn median_time_ms(place: &Workplace, arguments: &[&str]) -> f64 {
    let run = || {
        let start = Instant::now();
        assert!(place.automl().args(arguments).status().expect("automl runs").success(), "{arguments:?}");
        start.elapsed().as_secs_f64() * 1e3
    };
    median((0..REPEATS).map(|_| run()).collect())
}

fn syncs_per_second(dir: &Path) -> f64 {
    let mut file = File::create(dir.join("probe")).expect("a writable folder");
    let start = Instant::now();
    for _ in 0..SYNCS {
        file.write_all(&[b'x'; 200]).expect("space on the disk");
        file.sync_data().expect("a disk that syncs");
    }
    f64::from(SYNCS) / start.elapsed().as_secs_f64()
}

/// Largest resident memory of a process so far, in MiB.
fn peak_memory_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}
