//! The runner: a small process that owns one attempt from its claim to its exit record.
//!
//! It outlives the engine that started it, sits in a session of its own, and is the subreaper of
//! everything its program starts. The order of its steps is the contract:
//!
//! 1. block the signals (`crate::signals`), leave the terminal's session, become subreaper;
//! 2. refuse if the fence names another attempt;
//! 3. `mkdir claim`; whoever fails at that refuses, so at most one runner goes on;
//! 4. write `claim/owner.json`, then look at the fence *again*. An engine that gave up on a claim
//!    without an owner has raised the fence by then, so a claimant that was merely slow starts nothing;
//! 5. start the program, in a control group of its own where there can be one (`group`), add both to
//!    `claim/owner.json`, watch it (`watch`);
//! 6. once no process of the attempt is left, write `exit.json`.
//!
//! No program ever runs without an owner on record, and no exit record is written while a process of the
//! attempt is alive. Nothing here starts a thread, an async runtime or a shell.

mod activity;
mod group;
mod guard;
mod program;
mod watch;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::wait::WaitStatus;
use nix::unistd::setsid;

use crate::LaunchSpec;
use crate::files;
use crate::launch::LaunchError;
use crate::process::{self, ProcessId};
use crate::record::{ExitRecord, Machine, Owner, Why};
use crate::signals::Signals;

pub(crate) use group::PLACE as CGROUP;

/// Exit code of a runner that left the attempt to somebody else (`EX_TEMPFAIL`).
pub const EXIT_REFUSED: i32 = 75;
const EXIT_RECORDED: i32 = 0;
const EXIT_FAILED: i32 = 1;
/// How often the exit record is tried: half a minute in which somebody may free a full disk.
const RECORD_TRIES: u32 = 30;
const RECORD_AGAIN: Duration = Duration::from_secs(1);

/// Runs the attempt in this folder and returns the exit code for the process.
///
/// Call it first thing in `main`, before any thread is started. It reads `launch.json`, and returns
/// - 0 once `exit.json` holds the verdict, whatever that is,
/// - [`EXIT_REFUSED`] if another runner or a newer attempt has precedence (see the file `refused`),
/// - 1 if it could do neither; the reason is on standard error, which executors send to `runner.log`.
pub fn runner_main(attempt_dir: &Path) -> i32 {
    match run(attempt_dir) {
        Ok(code) => code,
        Err(error) => {
            // The last resort: if standard error is closed as well, the exit code has to do.
            let _ = writeln!(io::stderr(), "{} runner: {error}", files::now_ms());
            EXIT_FAILED
        }
    }
}

/// Why a runner could not do its work.
#[derive(Debug, thiserror::Error)]
enum RunnerError {
    #[error("cannot open the attempt folder {}: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error("cannot {what}: {source}")]
    System { what: &'static str, source: nix::Error },
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot claim {}: {source}", path.display())]
    Claim { path: PathBuf, source: io::Error },
    #[error("cannot read its own entry in /proc")]
    NoProc,
}

/// How the program ended, and who wanted it to.
struct End {
    why: Why,
    status: Option<WaitStatus>,
    message: Option<String>,
    started_ms: Option<u64>,
    memory_peak_kib: Option<u64>,
    oom_kills: bool,
}

impl End {
    fn before_start(why: Why, message: Option<String>) -> Self {
        Self { why, status: None, message, started_ms: None, memory_peak_kib: None, oom_kills: false }
    }
}

fn run(attempt_dir: &Path) -> Result<i32, RunnerError> {
    let mut signals = Signals::block().map_err(system("block signals"))?;
    // Fails if this process leads a group already: a shell's job, or a session leader as under Slurm.
    signals.ignore_terminal = setsid().is_ok();
    set_child_subreaper(true).map_err(system("become subreaper"))?;

    let dir = fs::canonicalize(attempt_dir)
        .map_err(|source| RunnerError::Folder { path: attempt_dir.to_owned(), source })?;
    let spec = LaunchSpec::read(&dir)?;
    let runner = ProcessId::of(std::process::id().cast_signed()).ok_or(RunnerError::NoProc)?;
    let mut owner =
        Owner { key: spec.key.clone(), machine: Machine::here(), runner, child: None, group: None };

    if let Some(reason) = superseded(&dir, &spec) {
        return refuse(&dir, &owner, &reason);
    }
    let claim = dir.join(files::CLAIM);
    match fs::create_dir(&claim) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return refuse(&dir, &owner, "the attempt is claimed already");
        }
        Err(source) => return Err(RunnerError::Claim { path: claim, source }),
    }
    let end = own(&dir, &spec, &mut owner, &signals)?;
    let exit = exit_record(owner, end);
    for _ in 1..RECORD_TRIES {
        match exit.write(&dir) {
            Ok(()) => return Ok(EXIT_RECORDED),
            Err(error) => files::note(&dir, &format_args!("cannot write {}: {error}", files::EXIT)),
        }
        signals.wait(RECORD_AGAIN).map_err(system("wait"))?;
    }
    exit.write(&dir).map_err(|source| RunnerError::Write { path: dir.join(files::EXIT), source })?;
    Ok(EXIT_RECORDED)
}

/// Does what the owner of the attempt does, up to the end of its last process.
fn own(dir: &Path, spec: &LaunchSpec, owner: &mut Owner, signals: &Signals) -> Result<End, RunnerError> {
    if let Err(error) = owner.write(dir) {
        let message = format!("cannot write {}: {error}", dir.join(files::OWNER).display());
        return Ok(End::before_start(Why::LaunchFailed, Some(message)));
    }
    if let Some(reason) = superseded(dir, spec) {
        return Ok(End::before_start(Why::Fenced, Some(reason)));
    }
    if !signals.drain().map_err(system("read signals"))?.is_empty() {
        return Ok(End::before_start(Why::Terminated, None));
    }
    let oom_kills = process::oom_kills();
    let group = group::Held::create(spec, dir);
    owner.group = group.as_ref().map(|group| group.folder().to_owned());
    let main = match group::start_in(group.as_ref(), dir, || program::start(spec, dir)) {
        Ok(main) => main,
        Err(message) => return Ok(End::before_start(Why::LaunchFailed, Some(message))),
    };
    let started_ms = files::now_ms();
    owner.child = ProcessId::of(main.as_raw());
    if let Err(error) = owner.write(dir) {
        // The program runs and is watched all the same; its marker would identify it after a crash.
        files::note(dir, &format_args!("cannot add the program to {}: {error}", files::OWNER));
    }
    let watch = watch::Watch::new(spec, dir, main, signals, group.is_some());
    let watch::Watched { why, status, memory_peak_bytes } =
        watch.run().map_err(system("watch the program"))?;
    let counted = group.map(|group| group.memory_use());
    let ended_well = matches!(status, Some(WaitStatus::Exited(_, 0)));
    let passed_limit = why == Why::Exited && !ended_well && counted.is_some_and(|memory| memory.passed_limit);
    Ok(End {
        why: if passed_limit { Why::MemoryLimit } else { why },
        status,
        message: None,
        started_ms: Some(started_ms),
        memory_peak_kib: counted
            .map_or(memory_peak_bytes, |memory| memory.peak_bytes)
            .map(|bytes| bytes / 1024),
        oom_kills: counted.map_or_else(|| process::oom_kills() > oom_kills, |memory| memory.starved),
    })
}

/// Returns the reason for which this attempt may not start, if the fence gives one.
fn superseded(dir: &Path, spec: &LaunchSpec) -> Option<String> {
    let fence = files::read_fence(files::trial_dir(dir))?;
    (fence != spec.key.attempt)
        .then(|| format!("the fence lets attempt {fence} run, this is {}", spec.key.attempt))
}

fn refuse(dir: &Path, owner: &Owner, reason: &str) -> Result<i32, RunnerError> {
    let path = dir.join(files::REFUSED);
    let line = format!("runner {} on {}: {reason}", owner.runner.pid, owner.machine.host);
    files::add_line(&path, &line).map_err(|source| RunnerError::Write { path, source })?;
    Ok(EXIT_REFUSED)
}

fn exit_record(owner: Owner, end: End) -> ExitRecord {
    let (code, signal) = match end.status {
        Some(WaitStatus::Exited(_, code)) => (Some(code), None),
        Some(WaitStatus::Signaled(_, signal, _)) => (None, Some(signal as i32)),
        _ => (None, None),
    };
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok().filter(|_| end.started_ms.is_some());
    let cpu = |t: nix::sys::time::TimeVal| u64::try_from(t.tv_sec() * 1000 + t.tv_usec() / 1000).unwrap_or(0);
    ExitRecord {
        key: owner.key.clone(),
        why: end.why,
        code,
        signal,
        message: end.message,
        started_ms: end.started_ms,
        ended_ms: files::now_ms(),
        cpu_ms: usage.as_ref().map(|usage| cpu(usage.user_time()) + cpu(usage.system_time())),
        max_rss_kib: usage.as_ref().and_then(|usage| u64::try_from(usage.max_rss()).ok()),
        memory_peak_kib: end.memory_peak_kib,
        oom_kills: end.oom_kills,
        owner,
    }
}

fn system(what: &'static str) -> impl FnOnce(nix::Error) -> RunnerError {
    move |source| RunnerError::System { what, source }
}
