//! What every search needs: a folder to write to, a store that keeps its word, a runner that reports.

use super::Finding;
use automl_exec::{AttemptEnded, AttemptKey, Cause, Executor, LaunchSpec, LocalExecutor, Submit, UseLimits};
use automl_store::{SledStore, Store};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A program that every machine has and that does nothing.
const IDLE_PROGRAM: &str = "/bin/true";
/// A runner that takes longer than this is as good as none.
const PATIENCE: Duration = Duration::from_secs(10);
const GLANCE: Duration = Duration::from_millis(5);
const GRACE_MS: u64 = 1000;

/// Tries the root folder, and a store and a runner in it.
pub(super) fn check(root: &Path) -> Vec<Finding> {
    let scratch = match Scratch::new(root) {
        Ok(scratch) => scratch,
        Err(message) => return vec![Finding::fail("root", message, "choose another folder with `--root`")],
    };
    let writable = Finding::ok("root", format!("{} can be written", root.display()));
    vec![writable, store(&scratch.0), executor(&scratch.0), memory(&automl_exec::control_groups())]
}

/// A folder on the root's disk that goes with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(root: &Path) -> Result<Self, String> {
        let existing = root.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
        let folder = existing.join(format!(".automl-doctor-{}", std::process::id()));
        match fs::create_dir(&folder) {
            Ok(()) => Ok(Scratch(folder)),
            Err(error) => Err(format!("{} cannot be written: {error}", existing.display())),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed does no harm: its name says where it comes from.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn store(scratch: &Path) -> Finding {
    let (study, started) = (scratch.join("store-check"), Instant::now());
    match write_and_read(&study) {
        Ok(true) => {
            Finding::ok("store", format!("writes and reads back in {} ms", started.elapsed().as_millis()))
        }
        Ok(false) => Finding::fail("store", "a record did not read back as it was written", "check the disk"),
        Err(error) => Finding::fail("store", error.to_string(), "use a local disk with free space"),
    }
}

fn write_and_read(study: &Path) -> Result<bool, automl_store::StoreError> {
    let payload = br#"{"check":1}"#.to_vec();
    // An error here comes back from the store as well, with more words.
    let _ = fs::create_dir_all(study);
    let mut store = SledStore::create(study)?;
    store.append(std::slice::from_ref(&payload))?;
    drop(store);
    let (store, _) = SledStore::open(study)?;
    let records = store.read_all()?;
    Ok(records.len() == 1 && records[0].payload == payload)
}

fn executor(scratch: &Path) -> Finding {
    let started = Instant::now();
    match run_idle_program(scratch) {
        Ok(Cause::Exit(0)) => Finding::ok(
            "executor",
            format!("local: runs {IDLE_PROGRAM} in {} ms", started.elapsed().as_millis()),
        ),
        Ok(cause) => {
            Finding::fail("executor", format!("{IDLE_PROGRAM} ended with {}", describe(&cause)), RUNNER_FIX)
        }
        Err(message) => Finding::fail("executor", message, RUNNER_FIX),
    }
}

const RUNNER_FIX: &str = "run `automl` from a local disk, and allow it to start programs";

fn run_idle_program(scratch: &Path) -> Result<Cause, String> {
    let spec = LaunchSpec {
        key: AttemptKey { study: "00000000".into(), trial: 1, attempt: 1 },
        argv: vec![IDLE_PROGRAM.into()],
        env: BTreeMap::new(),
        workdir: scratch.to_path_buf(),
        attempt_dir: scratch.join("trials/00001/attempt-1"),
        grace_ms: GRACE_MS,
        wall_limit_ms: None,
        silence_limit_ms: None,
        watch: Vec::new(),
        limits: UseLimits::default(),
    };
    fs::create_dir_all(&spec.attempt_dir).map_err(|error| error.to_string())?;
    spec.write().map_err(|error| error.to_string())?;
    let runner = crate::commands::run::runner().map_err(|failure| failure.messages.join("; "))?;
    let (sender, mut ended) = unbounded_channel();
    let mut executor = LocalExecutor::new(runner, sender);
    match executor.submit(&spec) {
        Submit::Accepted | Submit::AlreadyThere => {}
        Submit::Refused { reason } => return Err(reason),
    }
    let end = wait(&mut ended).ok_or("the runner did not report in time")?;
    Ok(end.verdict.cause)
}

/// Tells what bounds and counts the memory of trials. Either way does.
fn memory(groups: &Result<PathBuf, String>) -> Finding {
    let message = match groups {
        Ok(folder) => {
            format!("of trials is bounded by the kernel, in control groups in {}", folder.display())
        }
        Err(reason) => {
            format!(
                "of trials is what their processes hold, looked at twice a second; no control groups: {reason}"
            )
        }
    };
    Finding::ok("memory", message)
}

fn wait(ended: &mut UnboundedReceiver<AttemptEnded>) -> Option<AttemptEnded> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Ok(end) = ended.try_recv() {
            return Some(end);
        }
        thread::sleep(GLANCE);
    }
    None
}

fn describe(cause: &Cause) -> String {
    match cause {
        Cause::Exit(code) => format!("exit code {code}"),
        Cause::Signal(signal) => format!("signal {signal}"),
        Cause::LaunchFailed(reason) => reason.clone(),
        Cause::Lost => "no trace".into(),
        Cause::Terminated
        | Cause::TimeLimit
        | Cause::Silent
        | Cause::MemoryLimit
        | Cause::DiskLimit
        | Cause::Fenced => "somebody's help".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Health;

    #[test]
    fn sound_folders_pass_and_are_left_clean() {
        let root = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(&root.path().join("not/yet/there")).unwrap();
        assert_eq!(store(&scratch.0).health, Health::Ok);
        drop(scratch);
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn whatever_bounds_memory_is_told() {
        let (there, absent) = (Ok(PathBuf::from("/sys/fs/cgroup/a")), Err("not mounted".to_string()));
        assert!(memory(&there).message.ends_with("by the kernel, in control groups in /sys/fs/cgroup/a"));
        let seen = memory(&absent);
        assert_eq!(seen.health, Health::Ok);
        assert!(seen.message.ends_with("no control groups: not mounted"), "{}", seen.message);
    }

    #[test]
    fn files_are_no_root() {
        let root = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(check(root.path())[0].health, Health::Fail);
    }
}
