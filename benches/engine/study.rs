//! A study in a folder of its own, worked on by the real command.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Clock ticks a second in `/proc/<pid>/stat`.
const TICKS_PER_S: f64 = 100.0;

/// A folder in which studies are made; it goes with this value.
pub(crate) struct Workplace {
    dir: TempDir,
}

impl Workplace {
    pub(crate) fn new() -> Self {
        Workplace { dir: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The study that [`Workplace::start`] makes.
    pub(crate) fn study(&self) -> PathBuf {
        self.dir.path().join("studies/s")
    }

    pub(crate) fn automl(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_automl"));
        command.current_dir(self.path()).env("AUTOML_ROOT", self.path().join("studies"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Starts a search over `x` with this program.
    pub(crate) fn start(&self, trials: u32, parallel: u32, program: &[&str]) -> Child {
        self.start_by("random", trials, parallel, program)
    }

    fn start_by(&self, algorithm: &str, trials: u32, parallel: u32, program: &[&str]) -> Child {
        let mut command = self.automl();
        command.args(["run", "--name", "s", "--algorithm", algorithm, "--gpus", "none"]);
        command.args(["--trials", &trials.to_string(), "--parallel", &parallel.to_string()]);
        command.args(["--metric", "loss:min", "--param", "x=0.0..1.0", "--"]);
        command.args(program).spawn().expect("automl runs")
    }

    /// Runs such a search to its end, by this algorithm.
    pub(crate) fn run(&self, algorithm: &str, trials: u32, parallel: u32, program: &[&str]) {
        let engine = self.start_by(algorithm, trials, parallel, program).wait();
        let status = engine.expect("a child of ours");
        assert!(status.success(), "{status}");
    }

    /// Returns the events so far, each with the time it was recorded at.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.study().join("events.jsonl")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// The path of this program.
pub(crate) fn this_program() -> String {
    let path = std::env::current_exe().expect("the system knows this program");
    path.into_os_string().into_string().expect("cargo's paths are text")
}

/// Returns the middle value.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    assert!(!values.is_empty(), "nothing was measured");
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Returns the processor time in seconds that a process itself has used, by pid, and its parent and name.
pub(crate) fn process(pid: u32) -> Option<(f64, u32, String)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (head, tail) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = tail.split(' ').collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    let name = head.split_once('(')?.1.to_owned();
    Some((ticks / TICKS_PER_S, fields.get(1)?.parse().ok()?, name))
}

/// Returns the pids of a process's children.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("a system with /proc");
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| process(*pid).is_some_and(|(_, known, _)| known == parent)).collect()
}
