//! A trial folder, and ways to wait for what happens in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use automl_exec::{AttemptEnded, AttemptKey, LaunchSpec, LocalExecutor, UseLimits, raise_fence};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Far longer than anything awaited here takes, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) const RUNNER: &str = env!("CARGO_BIN_EXE_automl-runner");

/// One trial with one attempt, whose program is a shell script.
pub(crate) struct Trial {
    root: TempDir,
    pub(crate) spec: LaunchSpec,
}

impl Trial {
    /// The script runs as `sh -c`; `$AUTOML_ATTEMPT_DIR` is the attempt's folder.
    pub(crate) fn script(script: &str) -> Self {
        Self::program(&["/bin/sh", "-c", script])
    }

    pub(crate) fn program(argv: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let attempt_dir = root.path().join("trials/00007/attempt-1");
        fs::create_dir_all(&attempt_dir).unwrap();
        let spec = LaunchSpec {
            key: AttemptKey { study: "0000beef".into(), trial: 7, attempt: 1 },
            argv: argv.iter().map(|&arg| arg.to_owned()).collect(),
            env: BTreeMap::new(),
            workdir: root.path().to_owned(),
            attempt_dir,
            grace_ms: 10_000,
            wall_limit_ms: None,
            silence_limit_ms: None,
            watch: vec![],
            limits: UseLimits::default(),
        };
        Self { root, spec }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut LaunchSpec)) -> Self {
        change(&mut self.spec);
        self
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.spec.attempt_dir
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub(crate) fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.text(name)).unwrap()
    }

    pub(crate) fn raise_fence(&self, attempt: u32) {
        raise_fence(self.dir().parent().unwrap(), attempt).unwrap();
    }

    /// Writes `launch.json` and the fence, as an engine does before a submission.
    pub(crate) fn prepare(self) -> Self {
        self.spec.write().unwrap();
        self.raise_fence(self.spec.key.attempt);
        self
    }

    /// Starts the runner by hand.
    pub(crate) fn start_runner(&self) -> Child {
        Command::new(RUNNER).arg(self.dir()).spawn().unwrap()
    }

    /// Runs the runner by hand to its end and returns its exit code and the exit record.
    pub(crate) fn run(self) -> (Self, Value) {
        let trial = self.prepare();
        let status = trial.start_runner().wait().unwrap();
        assert_eq!(status.code(), Some(0));
        let record = trial.json("exit.json");
        (trial, record)
    }

    /// Waits until the program has written a whole line to this file and returns it.
    pub(crate) fn line(&self, name: &str) -> String {
        eventually(name, || self.text(name).ends_with('\n'));
        self.text(name).trim().to_owned()
    }

    /// Waits until the program has written a pid to this file and returns it.
    pub(crate) fn pid(&self, name: &str) -> i32 {
        self.line(name).parse().unwrap()
    }
}

/// An executor and what it reports.
pub(crate) fn executor() -> (LocalExecutor, UnboundedReceiver<AttemptEnded>) {
    let (sender, ended) = unbounded_channel();
    (LocalExecutor::new(vec![RUNNER.to_owned()], sender), ended)
}

/// Waits for one report.
pub(crate) fn heard(ended: &mut UnboundedReceiver<AttemptEnded>) -> AttemptEnded {
    let mut report = None;
    eventually("a report", || {
        report = ended.try_recv().ok();
        report.is_some()
    });
    report.unwrap()
}

/// Asserts that nothing was reported and nothing ever will be.
pub(crate) fn assert_closed(ended: &mut UnboundedReceiver<AttemptEnded>) {
    assert_eq!(ended.try_recv(), Err(TryRecvError::Disconnected));
}

/// Waits for an event, in small steps and with a deadline.
pub(crate) fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Tells whether a process of this pid runs; a zombie does not.
pub(crate) fn is_running(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

pub(crate) fn exists(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// Sends a signal to one process.
pub(crate) fn kill(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).unwrap();
}
