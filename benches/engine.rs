//! What the engine itself costs: `cargo bench -p automl-cli --bench engine`.
//!
//! Runs the real command on a trial that only prints a number, everything durable, and prints trials a
//! second, the engine's peak memory, and the times of `--version` and `status` on the study it made.
//! Beside them stands the rate at which this disk alone syncs a small write, for comparison.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const TRIALS: u32 = 1_000;
const PARALLEL: &str = "4";
const REPEATS: usize = 9;
const SYNCS: u32 = 200;

fn automl(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_automl"));
    command.current_dir(dir).env("AUTOML_ROOT", dir.join("studies"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Median time of a command over several runs.
fn median_time(dir: &Path, arguments: &[&str]) -> Duration {
    let run = || {
        let start = Instant::now();
        assert!(automl(dir).args(arguments).status().expect("automl runs").success(), "{arguments:?}");
        start.elapsed()
    };
    let mut times: Vec<Duration> = (0..REPEATS).map(|_| run()).collect();
    times.sort();
    times[REPEATS / 2]
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

/// Largest resident memory of the engine so far, in MiB.
fn peak_memory_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

fn main() {
    let temporary = tempfile::tempdir().expect("a temporary folder");
    let dir = temporary.path();
    println!("disk alone           {:8.0} syncs/s", syncs_per_second(dir));

    let trials = TRIALS.to_string();
    let mut command = automl(dir);
    command.args(["run", "--name", "s", "--algorithm", "random", "--trials", &trials, "--gpus", "none"]);
    command.args(["--parallel", PARALLEL, "--metric", "loss:min", "--param", "x=0.0..1.0"]);
    command.args(["--", "/bin/echo", "loss: {x}"]);
    let start = Instant::now();
    let mut engine = command.spawn().expect("automl runs");
    let mut memory = 0.0_f64;
    let status = loop {
        memory = peak_memory_mib(engine.id()).unwrap_or(0.0).max(memory);
        if let Some(status) = engine.try_wait().expect("a child of ours") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let seconds = start.elapsed().as_secs_f64();
    assert!(status.success(), "{status}");
    println!(
        "engine               {:8.0} trials/s ({TRIALS} trials, {PARALLEL} at a time)",
        f64::from(TRIALS) / seconds
    );
    println!("engine peak memory   {memory:8.1} MiB");
    println!("automl --version     {:8.1} ms", median_time(dir, &["--version"]).as_secs_f64() * 1e3);
    println!(
        "automl status        {:8.1} ms ({TRIALS} trials)",
        median_time(dir, &["status", "s"]).as_secs_f64() * 1e3
    );
}
