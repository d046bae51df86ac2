//! Parts of tests that must run in a process of their own: this binary, started again.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use automl_store::{SledStore, Store, StudyLock};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::{database, payload, payloads};

const ROLE: &str = "AUTOML_STORE_TEST_ROLE";
const STUDY: &str = "AUTOML_STORE_TEST_STUDY";

/// A child process; it is killed when the test ends, whatever the outcome.
pub(crate) struct Helper {
    pub(crate) process: Child,
    output: BufReader<ChildStdout>,
}

impl Helper {
    pub(crate) fn start(role: &str, study: &Path) -> Self {
        Self::start_with(Command::new(std::env::current_exe().unwrap()), role, study)
    }

    /// Starts a child that gets an error instead of a signal when a file grows beyond its limit.
    pub(crate) fn start_without_file_signal(role: &str, study: &Path) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#]).arg(std::env::current_exe().unwrap());
        Self::start_with(shell, role, study)
    }

    fn start_with(mut command: Command, role: &str, study: &Path) -> Self {
        command.args(["child::play_role", "--exact", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).env(STUDY, study).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    /// Returns the next line the child said, without what the test harness prints; `None` at its end.
    pub(crate) fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            // The harness prints `test <name> ... ` without a line break before the first word.
            if let Some((_, said)) = line.split_once("say:") {
                // A kill may have cut the last line short: it says nothing then.
                return said.strip_suffix('\n').map(str::to_owned);
            }
            line.clear();
        }
        None
    }

    pub(crate) fn kill(mut self) -> Vec<String> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        std::iter::from_fn(|| self.hear()).collect()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "say:{text}").and_then(|()| out.flush()).unwrap();
}

/// Not a test of its own: what a child does. Passes at once when it was not started as one.
#[test]
fn play_role() {
    let (Ok(role), Some(study)) = (std::env::var(ROLE), std::env::var_os(STUDY)) else {
        return;
    };
    let study = PathBuf::from(study);
    match role.split_once(' ').unwrap_or((&role, "")) {
        ("append", _) => append_for_ever(&study),
        ("rest", _) => rest_for_ever(&study),
        ("lock", _) => hold_lock(&study),
        ("fill", spare) => fill_and_go_on(&study, spare.parse().unwrap()),
        (other, _) => panic!("no role {other}"),
    }
}

/// Appends batches of changing size and says each acknowledged sequence number.
fn append_for_ever(study: &Path) {
    let (mut store, _) = SledStore::open(study).unwrap();
    for size in (1..=9).cycle() {
        let first = store.last_seq() + 1;
        say(&store.append(&payloads(first, first + size - 1)).unwrap().to_string());
    }
}

/// Opens a log, says what it holds, appends, and leaves it to rest, now with a journal, now without one.
fn rest_for_ever(study: &Path) {
    for keep in [false, true].into_iter().cycle() {
        let (mut store, _) = SledStore::open(study).unwrap();
        store.keep_journal(keep);
        let first = store.last_seq() + 1;
        say(&store.append(&payloads(first, first + 2)).unwrap().to_string());
    }
}

fn hold_lock(study: &Path) {
    let _lock = StudyLock::acquire(study).unwrap();
    let _store = SledStore::open(study).unwrap();
    say("held");
    // Ends with the parent: nobody ever writes to this pipe.
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Appends until no file can grow further, reads, lifts the limit, and appends again.
///
/// The limit is `spare` bytes above the size of the database, so that the write that fails is now at
/// the end of a segment of sled, now in its middle.
fn fill_and_go_on(study: &Path, spare: u64) {
    let (mut store, _) = SledStore::open(study).unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    let limit = database(study).join("db").metadata().unwrap().len() + spare;
    setrlimit(Resource::RLIMIT_FSIZE, limit, hard).unwrap();
    let error = loop {
        let first = store.last_seq() + 1;
        if let Err(error) = store.append(&payloads(first, first + 19)) {
            break error;
        }
    };
    say(&error.to_string());
    let last = store.last_seq();
    say(&last.to_string());
    assert!(store.append(&payloads(last + 1, last + 20)).is_err(), "the disk is still full");
    let records = store.read_all().unwrap();
    assert_eq!(records.len() as u64, last);
    assert!(records.iter().all(|r| r.payload == payload(r.seq)));
    setrlimit(Resource::RLIMIT_FSIZE, hard, hard).unwrap();
    assert_eq!(store.append(&payloads(last + 1, last + 3)).unwrap(), last + 3);
    assert_eq!(store.read_all().unwrap().len() as u64, last + 3);
    say("done");
}
