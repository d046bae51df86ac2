//! The world around an engine: nodes that run attempts, and messages that are lost, late or doubled.
//!
//! Attempts are judged by the real [`Supervisor`], from evidence that a cut-off or dead node leaves. Time
//! moves only when told to.

use super::chance::Chance;
use super::crash::Crashes;
use super::job::{Beginning, Job};
use super::plan::{Habits, Plan, Rates};
use super::shelf::{Content, Shelf};
use automl_exec::supervisor::{Claim, Evidence, Moment, Patience, RunnerState, Standing, Supervisor};
use automl_exec::{
    Adoption, AttemptEnded, AttemptKey, CancelMode, Cause, Executor, LaunchSpec, Submit, Verdict, read_fence,
};
use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::rc::Rc;
use tokio::sync::mpsc::UnboundedSender;

const NODES: usize = 3;
/// How often a runner beats and reads its fence.
const BEAT_MS: u64 = 2_000;
/// How often an executor looks at what it watches.
const LOOK_MS: u64 = 1_000;
/// How long a submission may go without a claim before the executor gives it up.
const CLAIM_MS: u64 = 60_000;
/// Longest delay of a late message.
const LATE_MS: u64 = 120_000;
/// Longest time that a node is cut off.
const CUT_OFF_MS: u64 = 200_000;
/// Longest time that an attempt may be taken for running after it ended unseen: patience with a heart that
/// stands still, a node that is cut off, a late message, and some looks.
pub(super) const LEASE_MS: u64 =
    Patience::LOCAL.heartbeat_ms + CLAIM_MS + LATE_MS + CUT_OFF_MS + 10 * LOOK_MS;

/// A handle on the world, and the executor of an engine in it.
#[derive(Clone)]
pub(super) struct World(Rc<RefCell<Inner>>);

struct Inner {
    chance: Rc<Chance>,
    crashes: Rc<Crashes>,
    rates: Rates,
    habits: Habits,
    one_machine: bool,
    now: u64,
    due: BTreeMap<(u64, u64), Happening>,
    happenings: u64,
    connected: [bool; NODES],
    jobs: BTreeMap<AttemptKey, Job>,
    cancelled: BTreeSet<AttemptKey>,
    /// Attempts whose start is in the study's log.
    allowed: BTreeSet<AttemptKey>,
    /// Attempts whose end is in the study's log.
    recorded: BTreeSet<AttemptKey>,
    submitted: BTreeSet<AttemptKey>,
    shelf: Shelf,
    engine: Engine,
    wrongs: Vec<String>,
}

/// What belongs to one engine and is gone with it.
#[derive(Default)]
struct Engine {
    number: u64,
    outbox: Option<UnboundedSender<AttemptEnded>>,
    watched: BTreeMap<AttemptKey, Watched>,
}

struct Watched {
    supervisor: Supervisor,
    since: u64,
}

enum Happening {
    Arrival(Box<LaunchSpec>),
    Work(AttemptKey),
    Beat(AttemptKey),
    Look,
    Delivery { engine: u64, ended: AttemptEnded },
    Minute,
    Reconnection(usize),
}

impl World {
    pub(super) fn new(chance: Rc<Chance>, crashes: Rc<Crashes>, plan: &Plan) -> Self {
        let inner = Inner {
            chance,
            crashes,
            rates: plan.rates,
            habits: plan.habits,
            one_machine: plan.one_machine,
            now: 0,
            due: BTreeMap::new(),
            happenings: 0,
            connected: [true; NODES],
            jobs: BTreeMap::new(),
            cancelled: BTreeSet::new(),
            allowed: BTreeSet::new(),
            recorded: BTreeSet::new(),
            submitted: BTreeSet::new(),
            shelf: Shelf::default(),
            engine: Engine::default(),
            wrongs: Vec::new(),
        };
        let world = World(Rc::new(RefCell::new(inner)));
        world.inner().plan(0, Happening::Look);
        world.inner().plan(0, Happening::Minute);
        world
    }

    /// Connects the next engine. What was on its way to the last one is lost.
    pub(super) fn connect(&self, outbox: UnboundedSender<AttemptEnded>) {
        let mut inner = self.inner();
        let number = inner.engine.number + 1;
        inner.engine = Engine { number, outbox: Some(outbox), watched: BTreeMap::new() };
    }

    pub(super) fn now(&self) -> u64 {
        self.inner().now
    }

    /// Moves time on; what is due happens in its order.
    pub(super) fn advance(&self, by_ms: u64) {
        let mut inner = self.inner();
        let until = inner.now + by_ms;
        while let Some(entry) = inner.due.first_entry().filter(|entry| entry.key().0 <= until) {
            let ((at, _), happening) = entry.remove_entry();
            inner.now = at;
            inner.happen(happening);
        }
        inner.now = until;
    }

    /// Returns how an attempt ended in truth and until when it was alive; `None` for one that never ran.
    pub(super) fn truth(&self, key: &AttemptKey) -> Option<(bool, u64, Option<Cause>)> {
        let inner = self.inner();
        let job = inner.jobs.get(key)?;
        let verdict = job.exit.as_ref().or(job.unwritten.as_ref());
        Some((job.alive, job.ended_at, verdict.map(|verdict| verdict.cause.clone())))
    }

    /// Learns that the start of an attempt is in the study's log.
    pub(super) fn allow(&self, key: AttemptKey) {
        self.inner().allowed.insert(key);
    }

    /// Learns that the end of an attempt is in the study's log.
    pub(super) fn recorded(&self, key: AttemptKey) {
        self.inner().recorded.insert(key);
    }

    /// Returns what the program of an attempt began from; `None` for one that never ran.
    pub(super) fn beginning(&self, key: &AttemptKey) -> Option<Beginning> {
        self.inner().jobs.get(key).map(|job| job.beginning)
    }

    /// Tells whether checkpoints say which epoch they are of, and are there as they were written.
    pub(super) fn checkpoints_tell(&self) -> bool {
        let inner = self.inner();
        let arrive = inner.one_machine || inner.rates.partition == 0.0;
        inner.habits.epoch_in_name && inner.rates.damage == 0.0 && arrive
    }

    /// Asks or tells something about checkpoints.
    pub(super) fn shelf<T>(&self, work: impl FnOnce(&mut Shelf) -> T) -> T {
        work(&mut self.inner().shelf)
    }

    /// Takes what went wrong in the engine's dealings with the world.
    pub(super) fn wrongs(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().wrongs)
    }

    fn inner(&self) -> RefMut<'_, Inner> {
        self.0.borrow_mut()
    }

    fn effect(&self) {
        let crashes = Rc::clone(&self.inner().crashes);
        crashes.may_strike();
    }
}

impl Inner {
    fn plan(&mut self, after: u64, happening: Happening) {
        self.happenings += 1;
        self.due.insert((self.now + after, self.happenings), happening);
    }

    fn delay(&self) -> u64 {
        let most = if self.chance.happens(self.rates.late) { LATE_MS } else { 500 };
        self.chance.below(most)
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Arrival(spec) => self.arrive(&spec),
            Happening::Work(key) => self.work(&key),
            Happening::Beat(key) => self.beat(&key),
            Happening::Look => {
                self.look();
                self.plan(LOOK_MS, Happening::Look);
            }
            Happening::Delivery { engine, ended } => self.deliver(engine, ended),
            Happening::Minute => {
                self.trouble();
                self.plan(60_000, Happening::Minute);
            }
            Happening::Reconnection(node) => self.reconnect(node),
        }
    }

    /// A runner begins, as the runner's contract says: the fence, then the claim.
    fn arrive(&mut self, spec: &LaunchSpec) {
        let key = &spec.key;
        let nodes: Vec<usize> = (0..NODES).filter(|node| self.connected[*node]).collect();
        let trial_dir = spec.attempt_dir.parent().expect("an attempt lies in its trial's folder");
        let fenced = read_fence(trial_dir) != Some(key.attempt);
        if nodes.is_empty() || fenced || self.jobs.contains_key(key) || self.cancelled.contains(key) {
            return;
        }
        let node = self.chance.one_of(&nodes);
        let beginning = self.beginning(spec);
        let luck = (&*self.chance, &self.rates, self.habits);
        let job = Job::start(spec, node, self.now, beginning, luck);
        let first = job.next() - self.now;
        self.jobs.insert(key.clone(), job);
        self.plan(first, Happening::Work(key.clone()));
        self.plan(BEAT_MS, Happening::Beat(key.clone()));
    }

    /// Looks at the checkpoint that a program is told to carry on from. One that is not there, or not whole, is the
    /// engine's fault unless something has happened to it, or the submission arrives after the attempt was given up.
    fn beginning(&mut self, spec: &LaunchSpec) -> Beginning {
        let Some(path) = spec.argv.get(3).filter(|path| !path.is_empty()) else { return Beginning::Scratch };
        let (key, path) = (&spec.key, Path::new(path));
        match self.shelf.read(path) {
            Some(Content::Whole { trial, epoch }) => {
                if trial != key.trial && !self.shelf.is_copy(path) {
                    self.wrongs.push(format!("{key:?} carries on from a checkpoint of trial {trial}"));
                }
                Beginning::Epoch(epoch)
            }
            found => {
                if !self.shelf.is_excused(path) && !self.recorded.contains(key) {
                    self.wrongs
                        .push(format!("{key:?} was to carry on from {}, found {found:?}", path.display()));
                }
                Beginning::Unreadable
            }
        }
    }

    fn work(&mut self, key: &AttemptKey) {
        let (now, connected) = (self.now, self.connected);
        let job = self.jobs.get_mut(key).expect("jobs stay known");
        let connected = connected[job.node];
        if job.alive && !job.work(now, connected, &mut self.shelf) {
            let next = job.next().max(now + 1) - now;
            self.plan(next, Happening::Work(key.clone()));
        }
    }

    fn beat(&mut self, key: &AttemptKey) {
        let (now, connected) = (self.now, self.connected);
        let cancelled = self.cancelled.contains(key);
        let job = self.jobs.get_mut(key).expect("jobs stay known");
        if !job.alive {
            return;
        }
        if connected[job.node] {
            job.heartbeat += 1;
            let trial_dir = job.dir.parent().expect("an attempt lies in its trial's folder");
            if read_fence(trial_dir).is_some_and(|fence| fence > key.attempt) {
                job.end(Cause::Fenced, now, true);
            } else if cancelled {
                job.end(Cause::Terminated, now, true);
            }
        }
        self.plan(BEAT_MS, Happening::Beat(key.clone()));
    }

    /// The engine's executor looks at everything that it watches.
    fn look(&mut self) {
        let keys: Vec<AttemptKey> = self.engine.watched.keys().cloned().collect();
        for key in keys {
            let evidence = self.evidence(&key);
            let watched = self.engine.watched.get_mut(&key).expect("it was listed");
            let verdict = match watched.supervisor.observe(&evidence) {
                Standing::Ended(verdict) => verdict,
                Standing::Running => continue,
                Standing::NotStarted if self.cancelled.contains(&key) => {
                    Verdict::unmeasured(Cause::Terminated, self.now)
                }
                Standing::NotStarted if self.now >= watched.since + CLAIM_MS => {
                    Verdict::unmeasured(Cause::Lost, self.now)
                }
                Standing::NotStarted => continue,
            };
            self.engine.watched.remove(&key);
            self.report(key, verdict);
        }
    }

    /// Sends the end of an attempt to the engine, perhaps twice.
    fn report(&mut self, key: AttemptKey, verdict: Verdict) {
        let (engine, ended) = (self.engine.number, AttemptEnded { key, verdict });
        if self.chance.happens(self.rates.duplicate) {
            let delay = self.chance.below(LATE_MS);
            self.plan(delay, Happening::Delivery { engine, ended: ended.clone() });
        }
        let delay = self.delay();
        self.plan(delay, Happening::Delivery { engine, ended });
    }

    fn deliver(&mut self, engine: u64, ended: AttemptEnded) {
        if let (true, Some(outbox)) = (engine == self.engine.number, &self.engine.outbox) {
            // The engine may have died since: then the next one asks.
            let _ = outbox.send(ended);
        }
    }

    fn evidence(&self, key: &AttemptKey) -> Evidence {
        let job = self.jobs.get(key);
        let runner = match job {
            Some(job) if self.one_machine && job.alive => RunnerState::Alive,
            Some(_) if self.one_machine => RunnerState::Dead,
            _ => RunnerState::Unknown,
        };
        Evidence {
            at: Moment { monotonic_ms: self.now, wall_ms: self.now },
            exit: job.and_then(|job| job.exit.clone()),
            claim: if job.is_some() { Claim::Owned } else { Claim::None },
            runner,
            heartbeat: job.map(|job| job.heartbeat),
        }
    }

    /// Checkpoints break; nodes are cut off and die.
    fn trouble(&mut self) {
        if self.chance.happens(self.rates.damage) {
            self.shelf.damage(&self.chance);
        }
        if self.one_machine {
            return;
        }
        for node in 0..NODES {
            if self.connected[node] && self.chance.happens(self.rates.partition) {
                self.connected[node] = false;
                let delay = self.chance.below(CUT_OFF_MS);
                self.plan(delay, Happening::Reconnection(node));
            }
            if self.chance.happens(self.rates.node_loss) {
                let now = self.now;
                let here = |job: &&mut Job| job.node == node && job.alive;
                self.jobs.values_mut().filter(here).for_each(|job| job.die(now));
            }
        }
    }

    fn reconnect(&mut self, node: usize) {
        self.connected[node] = true;
        for job in self.jobs.values_mut().filter(|job| job.node == node) {
            job.exit = job.unwritten.take().or_else(|| job.exit.take());
        }
    }

    /// Checks that an attempt is not started beside, or after, a later fate of its trial.
    fn check_submission(&mut self, key: &AttemptKey) {
        for attempt in 1..key.attempt {
            let earlier = AttemptKey { attempt, ..key.clone() };
            if self.submitted.contains(&earlier) && !self.recorded.contains(&earlier) {
                self.wrongs
                    .push(format!("{key:?} was started before the end of attempt {attempt} was recorded"));
            }
        }
        if !self.allowed.contains(key) {
            self.wrongs.push(format!("{key:?} was started before that was recorded"));
        }
        if self.recorded.contains(key) {
            self.wrongs.push(format!("{key:?} was started again after its end was recorded"));
        }
        if self.submitted.iter().any(|other| other.trial == key.trial && other.attempt > key.attempt) {
            self.wrongs.push(format!("{key:?} was started after a later attempt"));
        }
        self.submitted.insert(key.clone());
    }
}

impl Executor for World {
    fn submit(&mut self, spec: &LaunchSpec) -> Submit {
        self.effect();
        let mut inner = self.inner();
        inner.check_submission(&spec.key);
        let there = inner.jobs.contains_key(&spec.key);
        let watched = Watched { supervisor: Supervisor::new(Patience::LOCAL), since: inner.now };
        inner.engine.watched.insert(spec.key.clone(), watched);
        if !there && !inner.chance.happens(inner.rates.lost_submission) {
            let delay = inner.delay();
            inner.plan(delay, Happening::Arrival(Box::new(spec.clone())));
        }
        drop(inner);
        self.effect();
        if there { Submit::AlreadyThere } else { Submit::Accepted }
    }

    fn adopt(&mut self, key: &AttemptKey, _attempt_dir: &Path) -> Adoption {
        self.effect();
        let mut inner = self.inner();
        let evidence = inner.evidence(key);
        let mut supervisor = Supervisor::new(Patience::LOCAL);
        match supervisor.observe(&evidence) {
            Standing::NotStarted => Adoption::NotStarted,
            Standing::Running => {
                let since = inner.now;
                inner.engine.watched.insert(key.clone(), Watched { supervisor, since });
                Adoption::Running
            }
            Standing::Ended(verdict) => Adoption::Ended(verdict),
        }
    }

    fn cancel(&mut self, key: &AttemptKey, _mode: CancelMode) {
        self.effect();
        let mut inner = self.inner();
        if inner.engine.watched.contains_key(key) {
            inner.cancelled.insert(key.clone());
        }
    }

    fn detach(&mut self) {
        self.inner().engine.watched.clear();
    }
}
