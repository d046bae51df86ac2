//! An executor without processes, for tests of whatever drives an executor.
//!
//! Attempts follow scripts on a clock that moves only when told to. The executor is a handle: clones
//! share one world, so a test keeps one to move time while the engine owns another, and hands a third
//! to the next engine after it dropped the first. As in reality, attempts live on when an engine is
//! dropped, and ends that nobody heard of are found by [`Executor::adopt`].

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

use crate::files;
use crate::{Adoption, AttemptEnded, AttemptKey, CancelMode, Cause, Executor, LaunchSpec, Submit, Verdict};

/// What one simulated attempt does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Text appended to the attempt's `stdout.log`, each at this many milliseconds after the start.
    pub output: Vec<(u64, String)>,
    /// When it ends, in milliseconds after the start; never by itself if absent.
    pub ends_after_ms: Option<u64>,
    /// How it ends then.
    pub cause: Cause,
    /// Time from a graceful cancellation to the end, in milliseconds; the launch spec's grace caps it.
    pub dies_after_ms: u64,
}

impl Script {
    /// Returns a script that prints the text and succeeds, all at the moment of its start.
    pub fn succeed(output: &str) -> Self {
        Self { output: vec![(0, output.to_owned())], ..Self::end(0, Cause::Exit(0)) }
    }

    /// Returns a script that ends in this way after this many milliseconds.
    pub fn end(after_ms: u64, cause: Cause) -> Self {
        Self { output: Vec::new(), ends_after_ms: Some(after_ms), cause, dies_after_ms: 0 }
    }

    /// Returns a script that runs until it is cancelled.
    pub fn hang() -> Self {
        Self { ends_after_ms: None, ..Self::end(0, Cause::Exit(0)) }
    }
}

type Behaviour = dyn FnMut(&LaunchSpec) -> Result<Script, String> + Send;

/// Runs scripts in place of processes; see the module for what its clones share.
#[derive(Clone)]
pub struct SimulatedExecutor {
    world: Arc<Mutex<World>>,
}

struct World {
    behaviour: Box<Behaviour>,
    ended: Option<UnboundedSender<AttemptEnded>>,
    now_ms: u64,
    attempts: BTreeMap<AttemptKey, Attempt>,
    started: Vec<AttemptKey>,
}

struct Attempt {
    dir: PathBuf,
    grace_ms: u64,
    started_ms: u64,
    script: Script,
    state: State,
    /// Whether the current engine hears of the end.
    watched: bool,
}

enum State {
    Running,
    Ended(Verdict),
}

impl SimulatedExecutor {
    /// Returns an executor whose attempts do what `behaviour` says of their launch spec.
    ///
    /// An error from it refuses the submission.
    pub fn new(
        ended: UnboundedSender<AttemptEnded>,
        behaviour: impl FnMut(&LaunchSpec) -> Result<Script, String> + Send + 'static,
    ) -> Self {
        let world = World {
            behaviour: Box::new(behaviour),
            ended: Some(ended),
            now_ms: 0,
            attempts: BTreeMap::new(),
            started: Vec::new(),
        };
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// Moves the clock; everything due happens in the order of its time, then of its key.
    pub fn advance(&self, by_ms: u64) {
        let mut world = self.lock();
        let until = world.now_ms.saturating_add(by_ms);
        while let Some(at) = world.next_event().filter(|at| *at <= until) {
            world.now_ms = world.now_ms.max(at);
            world.perform_due();
        }
        world.now_ms = until;
    }

    /// Moves the clock to the next thing that happens; `false` if nothing will ever happen by itself.
    pub fn advance_to_next(&self) -> bool {
        let next = {
            let world = self.lock();
            world.next_event().map(|at| at.saturating_sub(world.now_ms))
        };
        next.map(|by_ms| self.advance(by_ms)).is_some()
    }

    /// Connects the next engine after the first one let go; it hears only of what it submits or adopts.
    pub fn connect(&self, ended: UnboundedSender<AttemptEnded>) {
        let mut world = self.lock();
        world.let_go();
        world.ended = Some(ended);
    }

    /// Ends a running attempt in this way now, as a crash or a lost node would.
    pub fn fail(&self, key: &AttemptKey, cause: Cause) {
        self.lock().end(key, cause);
    }

    /// Returns the keys of all attempts ever started, in the order of their start.
    pub fn started(&self) -> Vec<AttemptKey> {
        self.lock().started.clone()
    }

    /// Returns the keys of the attempts that run now.
    pub fn running(&self) -> Vec<AttemptKey> {
        let world = self.lock();
        let running = world.attempts.iter().filter(|(_, attempt)| matches!(attempt.state, State::Running));
        running.map(|(key, _)| key.clone()).collect()
    }

    /// Returns the time of the simulation in milliseconds; it begins at zero.
    pub fn now_ms(&self) -> u64 {
        self.lock().now_ms
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor for SimulatedExecutor {
    fn submit(&mut self, spec: &LaunchSpec) -> Submit {
        let mut world = self.lock();
        if let Some(attempt) = world.attempts.get_mut(&spec.key) {
            attempt.watched = true;
            if let State::Ended(verdict) = &attempt.state {
                let verdict = verdict.clone();
                world.report(&spec.key, verdict);
            }
            return Submit::AlreadyThere;
        }
        let script = match (world.behaviour)(spec) {
            Ok(script) => script,
            Err(reason) => return Submit::Refused { reason },
        };
        let attempt = Attempt {
            dir: spec.attempt_dir.clone(),
            grace_ms: spec.grace_ms,
            started_ms: world.now_ms,
            script,
            state: State::Running,
            watched: true,
        };
        world.attempts.insert(spec.key.clone(), attempt);
        world.started.push(spec.key.clone());
        world.perform_due();
        Submit::Accepted
    }

    fn adopt(&mut self, key: &AttemptKey, _attempt_dir: &Path) -> Adoption {
        match self.lock().attempts.get_mut(key) {
            None => Adoption::NotStarted,
            Some(Attempt { state: State::Ended(verdict), .. }) => Adoption::Ended(verdict.clone()),
            Some(attempt) => {
                attempt.watched = true;
                Adoption::Running
            }
        }
    }

    fn cancel(&mut self, key: &AttemptKey, mode: CancelMode) {
        let mut world = self.lock();
        let now_ms = world.now_ms;
        let Some(attempt) = world.attempts.get_mut(key) else {
            return;
        };
        let delay = match mode {
            CancelMode::Graceful => attempt.script.dies_after_ms.min(attempt.grace_ms),
            CancelMode::Kill => 0,
        };
        let dies_ms = (now_ms - attempt.started_ms).saturating_add(delay);
        if attempt.script.ends_after_ms.is_none_or(|ends| dies_ms < ends) {
            attempt.script.ends_after_ms = Some(dies_ms);
            attempt.script.cause = Cause::Terminated;
        }
        world.perform_due();
    }

    fn detach(&mut self) {
        self.lock().let_go();
    }
}

impl World {
    fn let_go(&mut self) {
        self.ended = None;
        self.attempts.values_mut().for_each(|attempt| attempt.watched = false);
    }

    fn next_event(&self) -> Option<u64> {
        let running = self.attempts.values().filter(|attempt| matches!(attempt.state, State::Running));
        running.filter_map(Attempt::next_event).min()
    }

    /// Performs what is due now: all output first, then the ends, so that an end comes after its output.
    fn perform_due(&mut self) {
        let now_ms = self.now_ms;
        let mut over = Vec::new();
        for (key, attempt) in &mut self.attempts {
            if matches!(attempt.state, State::Running) {
                attempt.print_due(now_ms);
                if attempt.end_ms().is_some_and(|end| end <= now_ms) {
                    over.push((key.clone(), attempt.script.cause.clone()));
                }
            }
        }
        for (key, cause) in over {
            self.end(&key, cause);
        }
    }

    fn end(&mut self, key: &AttemptKey, cause: Cause) {
        let now_ms = self.now_ms;
        let Some(attempt) = self.attempts.get_mut(key) else {
            return;
        };
        if !matches!(attempt.state, State::Running) {
            return;
        }
        let started_ms = Some(attempt.started_ms);
        let verdict = Verdict { started_ms, ..Verdict::unmeasured(cause, now_ms) };
        attempt.state = State::Ended(verdict.clone());
        if attempt.watched {
            self.report(key, verdict);
        }
    }

    fn report(&self, key: &AttemptKey, verdict: Verdict) {
        if let Some(ended) = &self.ended {
            // A closed channel means that the engine is gone; the next one adopts.
            let _ = ended.send(AttemptEnded { key: key.clone(), verdict });
        }
    }
}

impl Attempt {
    fn end_ms(&self) -> Option<u64> {
        self.script.ends_after_ms.map(|after| self.started_ms.saturating_add(after))
    }

    fn next_event(&self) -> Option<u64> {
        let output = self.script.output.iter().map(|(after, _)| self.started_ms.saturating_add(*after)).min();
        output.into_iter().chain(self.end_ms()).min()
    }

    fn print_due(&mut self, now_ms: u64) {
        let started_ms = self.started_ms;
        let is_due = |line: &mut (u64, String)| started_ms.saturating_add(line.0) <= now_ms;
        for (_, text) in self.script.output.extract_if(.., is_due) {
            files::open_log(&self.dir.join(files::STDOUT_LOG))
                .and_then(|mut log| log.write_all(text.as_bytes()))
                .expect("the test made the attempt's folder");
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    fn spec(trial: u64, dir: &Path) -> LaunchSpec {
        LaunchSpec {
            key: AttemptKey { study: "0000000a".into(), trial, attempt: 1 },
            argv: vec!["train".into()],
            env: BTreeMap::new(),
            workdir: dir.to_owned(),
            attempt_dir: dir.to_owned(),
            grace_ms: 50,
            wall_limit_ms: None,
            silence_limit_ms: None,
            watch: vec![],
            limits: crate::UseLimits::default(),
        }
    }

    fn heard(ended: &mut UnboundedReceiver<AttemptEnded>) -> Vec<(u64, Cause, u64)> {
        std::iter::from_fn(|| ended.try_recv().ok())
            .map(|end| (end.key.trial, end.verdict.cause, end.verdict.ended_ms))
            .collect()
    }

    #[test]
    fn ends_come_in_the_order_of_time() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, mut ended) = unbounded_channel();
        let mut executor =
            SimulatedExecutor::new(sender, |spec| Ok(Script::end(100 - spec.key.trial * 10, Cause::Exit(0))));
        for trial in 0..3 {
            assert_eq!(executor.submit(&spec(trial, dir.path())), Submit::Accepted);
        }
        executor.advance(90);
        assert_eq!(heard(&mut ended), [(2, Cause::Exit(0), 80), (1, Cause::Exit(0), 90)]);
        assert!(executor.advance_to_next());
        assert_eq!(heard(&mut ended), [(0, Cause::Exit(0), 100)]);
        assert!(!executor.advance_to_next());
    }

    #[test]
    fn output_appears_at_its_time_and_before_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let log = || std::fs::read_to_string(dir.path().join(files::STDOUT_LOG)).unwrap_or_default();
        let (sender, mut ended) = unbounded_channel();
        let output = vec![(0, "loss=2\n".to_owned()), (10, "loss=1\n".to_owned())];
        let script = Script { output, ..Script::end(10, Cause::Exit(0)) };
        let mut executor = SimulatedExecutor::new(sender, move |_| Ok(script.clone()));
        assert_eq!(executor.submit(&spec(1, dir.path())), Submit::Accepted);
        assert_eq!(log(), "loss=2\n");
        executor.advance(10);
        assert_eq!(log(), "loss=2\nloss=1\n");
        assert_eq!(heard(&mut ended), [(1, Cause::Exit(0), 10)]);
    }

    #[test]
    fn end_between_two_engines_is_found_by_adoption() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, mut first) = unbounded_channel();
        let world = SimulatedExecutor::new(sender, |_| Ok(Script::end(10, Cause::Signal(11))));
        let mut executor = world.clone();
        let _ = executor.submit(&spec(1, dir.path()));
        executor.detach();
        world.advance(10);
        assert!(heard(&mut first).is_empty());

        let (sender, mut second) = unbounded_channel();
        world.connect(sender);
        let mut executor = world.clone();
        let key = |trial| spec(trial, dir.path()).key;
        let Adoption::Ended(verdict) = executor.adopt(&key(1), dir.path()) else { panic!("it ended") };
        assert_eq!((verdict.cause, verdict.ended_ms), (Cause::Signal(11), 10));
        assert_eq!(executor.adopt(&key(2), dir.path()), Adoption::NotStarted);
        assert!(heard(&mut second).is_empty(), "what adoption returned is not reported again");
        assert_eq!(world.started().len(), 1);
    }

    #[test]
    fn cancellation_takes_its_grace_unless_it_kills() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, mut ended) = unbounded_channel();
        let mut executor =
            SimulatedExecutor::new(sender, |_| Ok(Script { dies_after_ms: 1000, ..Script::hang() }));
        for trial in [1, 2] {
            let _ = executor.submit(&spec(trial, dir.path()));
        }
        executor.cancel(&spec(1, dir.path()).key, CancelMode::Graceful);
        executor.cancel(&spec(2, dir.path()).key, CancelMode::Kill);
        assert_eq!(heard(&mut ended), [(2, Cause::Terminated, 0)]);
        executor.advance(50);
        assert_eq!(heard(&mut ended), [(1, Cause::Terminated, 50)]);
    }

    #[test]
    fn second_submission_starts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (sender, mut ended) = unbounded_channel();
        let mut executor = SimulatedExecutor::new(sender, |_| Ok(Script::hang()));
        assert_eq!(executor.submit(&spec(1, dir.path())), Submit::Accepted);
        assert_eq!(executor.submit(&spec(1, dir.path())), Submit::AlreadyThere);
        executor.fail(&spec(1, dir.path()).key, Cause::Lost);
        assert_eq!(heard(&mut ended), [(1, Cause::Lost, 0)]);
        assert!(executor.running().is_empty());
        assert_eq!(executor.started().len(), 1);
    }
}
