//! Runs attempts as processes of this machine.
//!
//! Every attempt gets a runner process, which lives on when this executor, or the whole engine, is gone;
//! and a thread that blocks until that runner ends, so that an end is noticed at once and a runner never
//! stays a zombie. Everything else is found in the attempt's folder, which is why [`Executor::adopt`]
//! needs no memory of the submission.
//!
//! Attempts of another machine or container (a study on a shared file system) can be watched through
//! their heartbeat, but not signalled: to end one, raise its trial's fence.

mod evidence;
mod leftovers;
mod watch;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use tokio::sync::mpsc::UnboundedSender;

use self::watch::{Control, Watcher};
use crate::cgroup;
use crate::files;
use crate::process::ProcessId;
use crate::record::Machine;
use crate::runner;
use crate::signals;
use crate::supervisor::Standing;
use crate::{Adoption, AttemptEnded, AttemptKey, CancelMode, Executor, LaunchSpec, Submit};

/// Runs attempts as processes of this machine that outlive the engine.
///
/// Dropping it is the same as [`Executor::detach`]: trials run on.
#[derive(Debug)]
pub struct LocalExecutor {
    runner_argv: Vec<String>,
    here: Machine,
    outbox: Outbox,
    watched: BTreeMap<AttemptKey, Weak<Control>>,
}

/// The channel to the engine, until the executor lets go.
#[derive(Debug, Clone)]
struct Outbox(Arc<Mutex<Option<UnboundedSender<AttemptEnded>>>>);

impl LocalExecutor {
    /// Returns an executor that starts runners with this command and reports ends on this channel.
    ///
    /// The attempt's folder is added to the command as its last argument; the program must do nothing
    /// but call [`crate::runner_main`] with it.
    pub fn new(runner_argv: Vec<String>, ended: UnboundedSender<AttemptEnded>) -> Self {
        Self {
            runner_argv,
            here: Machine::here(),
            outbox: Outbox(Arc::new(Mutex::new(Some(ended)))),
            watched: BTreeMap::new(),
        }
    }

    fn watched(&self, key: &AttemptKey) -> Option<Arc<Control>> {
        self.watched.get(key)?.upgrade()
    }

    /// Registers the attempt and starts a thread that waits for what is to be watched.
    fn start_watch(&mut self, watcher: Watcher) -> io::Result<SyncSender<Option<Child>>> {
        self.watched.retain(|_, control| control.strong_count() > 0);
        self.watched.insert(watcher.key.clone(), Arc::downgrade(&watcher.control));
        let (subject, subjects): (_, Receiver<Option<Child>>) = sync_channel(1);
        let outbox = self.outbox.clone();
        thread::Builder::new().name("attempt-watch".into()).spawn(move || {
            // Nothing arrives if the runner could not be started: then there is nothing to report.
            if let Ok(child) = subjects.recv() {
                outbox.send(watcher.watch(child));
            }
        })?;
        Ok(subject)
    }

    /// Starts a runner; the thread comes first, because a process without one could not be reported.
    fn start_runner(&mut self, watcher: Watcher) -> Result<(), String> {
        let [program, arguments @ ..] = self.runner_argv.as_slice() else {
            return Err("the runner command is empty".into());
        };
        let mut command = Command::new(program);
        command.args(arguments).arg(&watcher.dir).env_remove(runner::CGROUP);
        if let Some(place) = cgroup::prepared() {
            command.env(runner::CGROUP, place);
        }
        let failed = |error: io::Error| format!("cannot start the runner `{}`: {error}", self.runner_argv[0]);
        let log = files::open_log(&watcher.dir.join(files::RUNNER_LOG)).map_err(failed)?;
        let (key, control) = (watcher.key.clone(), Arc::clone(&watcher.control));
        let (out, err) = (log.try_clone().map_err(failed)?, log);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let subject =
            self.start_watch(watcher).map_err(|error| format!("cannot start a watching thread: {error}"))?;
        let child = signals::with_blocked(|| command.spawn()).map_err(|error| {
            self.watched.remove(&key);
            format!("cannot start the runner `{}`: {error}", self.runner_argv[0])
        })?;
        // Unreaped until the thread gets it, so the pid is still its own.
        if let Some(runner) = ProcessId::of(child.id().cast_signed()) {
            control.aim(runner);
        }
        subject.send(Some(child)).expect("the thread waits for this message before it ends");
        Ok(())
    }
}

impl Executor for LocalExecutor {
    fn submit(&mut self, spec: &LaunchSpec) -> Submit {
        match self.adopt(&spec.key, &spec.attempt_dir) {
            Adoption::Running => return Submit::AlreadyThere,
            Adoption::Ended(verdict) => {
                self.outbox.send(AttemptEnded { key: spec.key.clone(), verdict });
                return Submit::AlreadyThere;
            }
            Adoption::NotStarted => {}
        }
        let dir = match fs::canonicalize(&spec.attempt_dir) {
            Ok(dir) if dir.join(files::LAUNCH).is_file() => dir,
            Ok(dir) => {
                return Submit::Refused {
                    reason: format!("there is no {} in {}", files::LAUNCH, dir.display()),
                };
            }
            Err(error) => {
                let reason =
                    format!("cannot open the attempt folder {}: {error}", spec.attempt_dir.display());
                return Submit::Refused { reason };
            }
        };
        match self.start_runner(Watcher::new(spec.key.clone(), dir, self.here.clone())) {
            Ok(()) => Submit::Accepted,
            Err(reason) => Submit::Refused { reason },
        }
    }

    fn adopt(&mut self, key: &AttemptKey, attempt_dir: &Path) -> Adoption {
        if self.watched(key).is_some() {
            return Adoption::Running;
        }
        let Ok(dir) = fs::canonicalize(attempt_dir) else {
            return Adoption::NotStarted;
        };
        let mut watcher = Watcher::new(key.clone(), dir, self.here.clone());
        match watcher.look() {
            Standing::NotStarted => Adoption::NotStarted,
            Standing::Ended(verdict) => Adoption::Ended(verdict),
            Standing::Running => match self.start_watch(watcher) {
                Ok(subject) => {
                    subject.send(None).expect("the thread waits for this message before it ends");
                    Adoption::Running
                }
                Err(error) => {
                    files::note(attempt_dir, &format_args!("cannot start a watching thread: {error}"));
                    Adoption::Running
                }
            },
        }
    }

    fn cancel(&mut self, key: &AttemptKey, mode: CancelMode) {
        if let Some(control) = self.watched(key) {
            control.cancel(mode);
        }
    }

    fn detach(&mut self) {
        self.outbox.close();
        self.watched.clear();
    }
}

impl Drop for LocalExecutor {
    fn drop(&mut self) {
        self.detach();
    }
}

impl Outbox {
    fn send(&self, ended: AttemptEnded) {
        let outbox = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = outbox.as_ref() {
            // A closed channel means that the engine is gone; the next one reads the exit record.
            let _ = sender.send(ended);
        }
    }

    fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
