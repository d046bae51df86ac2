//! A folder of its own for each test, with trial programs in it, and the real binary to call there.

use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a test waits for something that should happen soon.
const PATIENCE: Duration = Duration::from_secs(20);

/// Prints its loss, computed from its first argument: best at 0.3.
const TRAIN: &str = r#"#!/bin/sh
awk -v x="$1" 'BEGIN { printf "loss: %.12g\n", (x - 0.3) ^ 2 }'
"#;

/// Says that it runs, then waits until it is ended; lets go of the file `go` in its working folder.
const HANG: &str = r#"#!/bin/sh
echo "started $AUTOML_TRIAL" >> started
while [ ! -e go ]; do sleep 0.02; done
echo "loss: 0.5"
"#;

/// A network in a few lines; its program writes each epoch that it trains to `ledger`.
const TOY: [(&str, &str); 3] = [
    ("toy.config.json", include_str!("fixtures/toy/toy.config.json")),
    ("toy.schema.json", include_str!("fixtures/toy/toy.schema.json")),
    ("toy.py", include_str!("fixtures/toy/toy.py")),
];

/// A test's surroundings.
pub(crate) struct TestEnv {
    dir: TempDir,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl TestEnv {
    /// Makes a folder with the trial programs `train.sh` and `hang.sh`.
    pub(crate) fn new() -> Self {
        let env = TestEnv { dir: tempfile::tempdir().unwrap() };
        env.script("train.sh", TRAIN);
        env.script("hang.sh", HANG);
        env
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.path("studies")
    }

    /// Writes an executable file.
    pub(crate) fn script(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Returns the command `automl ARGUMENTS` with nothing of the caller's settings.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_automl"));
        let ours =
            |name: &str| name.starts_with("AUTOML_") || name == "NO_COLOR" || name == "CUDA_VISIBLE_DEVICES";
        for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
            command.env_remove(name);
        }
        command.env("TZ", "UTC").stdin(Stdio::null()).current_dir(self.dir.path());
        command.args(words(arguments));
        command
    }

    /// Writes a network with epochs, checkpoints and a status file, and returns the options that name it.
    pub(crate) fn toy(&self) -> &'static str {
        for (name, text) in TOY {
            fs::write(self.path(name), text).unwrap();
        }
        "--network toy --network-config toy.config.json --schema toy.schema.json --gpus none"
    }

    /// Runs `automl ARGUMENTS` to its end.
    pub(crate) fn automl(&self, arguments: &str) -> Ran {
        ran(&self.command(arguments).output().unwrap())
    }

    /// Runs a search over `x` with `train.sh`, which must succeed.
    pub(crate) fn search(&self, options: &str) -> Ran {
        let ran = self.run_over("./train.sh {x}", options);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran
    }

    /// Runs a search over `x` in `[0, 1]` with any program.
    pub(crate) fn run_over(&self, program: &str, options: &str) -> Ran {
        self.automl(&format!("run {SEARCH} {options} -- {program}"))
    }

    /// Starts a search over `x` and leaves it running; what it says goes to files.
    pub(crate) fn start(&self, program: &str, options: &str) -> Running {
        self.leave_running(self.command(&format!("run {SEARCH} {options} -- {program}")))
    }

    /// As [`TestEnv::start`], by a program that is given the command.
    pub(crate) fn start_by(&self, starter: &str, program: &str, options: &str) -> Running {
        let command = self.command(&format!("run {SEARCH} {options} -- {program}"));
        let mut started = Command::new(starter);
        started.arg(command.get_program()).args(command.get_args()).current_dir(self.dir.path());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => started.env(name, value),
                None => started.env_remove(name),
            };
        }
        started.stdin(Stdio::null());
        self.leave_running(started)
    }

    fn leave_running(&self, mut command: Command) -> Running {
        let (out, err) = (self.path("run.out"), self.path("run.err"));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Running { child: command.spawn().unwrap(), out, err }
    }

    /// Runs a command that prints one JSON object a line.
    pub(crate) fn objects(&self, arguments: &str) -> Vec<Value> {
        let ran = self.automl(arguments);
        ran.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// Waits until trials of `hang.sh` have said that they run.
    pub(crate) fn wait_for_started(&self, trials: usize) {
        let lines = || fs::read_to_string(self.path("started")).unwrap_or_default().lines().count();
        wait_until("trials to start", || lines() >= trials);
    }

    /// Replaces this folder's path in a text.
    pub(crate) fn filtered(&self, text: &str) -> String {
        text.replace(&self.dir.path().display().to_string(), "[DIR]")
    }
}

const SEARCH: &str = "--gpus none --metric loss:min --param x=0.0..1.0";

/// A started command, killed when a test gives up on it.
pub(crate) struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Running {
    /// Sends a signal.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits until it has said something on standard error.
    pub(crate) fn wait_for(&self, words: &str) {
        wait_until(words, || fs::read_to_string(&self.err).unwrap().contains(words));
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Ran {
        let status = self.child.wait().unwrap();
        let read = |path| fs::read_to_string(path).unwrap();
        Ran { code: status.code().unwrap_or(-1), stdout: read(&self.out), stderr: read(&self.err) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both do nothing where it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for something with a deadline.
pub(crate) fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Asserts that an object has exactly these fields in this order, so that a renamed field fails.
pub(crate) fn assert_fields(object: &Value, fields: &[&str]) {
    let found: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(found, fields, "{object}");
}

/// Returns the files below a folder that are not hidden, for tests that nothing was written.
pub(crate) fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Returns the lines of a log that hold events; others name the log and those who wrote it.
pub(crate) fn event_lines(log: &str) -> Vec<&str> {
    log.lines().filter(|line| line.starts_with("{\"seq\":")).collect()
}

/// Continues a CRC-32, bit by bit: slow, and independent of the code that is tested.
pub(crate) fn crc32(bytes: &[u8], crc: u32) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(!crc, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

/// Splits at blanks; single quotes keep words together.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut open) = (Vec::new(), String::new(), false, false);
    for c in text.chars() {
        match c {
            '\'' => (quoted, open) = (!quoted, true),
            ' ' if !quoted => {
                if open {
                    words.push(std::mem::take(&mut word));
                }
                open = false;
            }
            _ => {
                word.push(c);
                open = true;
            }
        }
    }
    if open {
        words.push(word);
    }
    words
}
