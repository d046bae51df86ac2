//! Deterministic simulation of the engine with everything around it.
//!
//! The real engine, its log, its scheduler and sampler, its log readers and the supervisor run on a
//! simulated time in a simulated world: engines die at any of their effects, the disk is full, submissions
//! are lost or late, ends are reported twice, programs fail or hang, their checkpoints break and vanish, nodes
//! are cut off and die, users wish things, the clock is set. After every commit and every turn the study is checked ([`check`]): nothing
//! acknowledged is lost, no trial number is used twice, no trial runs twice, no budget is exceeded, nothing
//! that is over counts as running for longer than its lease, every result is what the program said, no
//! checkpoint goes that is needed or whose end is not in the log ([`keeping`]), and the log replays, as a whole
//! and where it is cut.
//!
//! Everything is drawn from a seed, which a failure names. A longer run, or one seed again:
//! `AUTOML_SIMULATE=0..10000 cargo test --release -p automl --lib simulation -- --nocapture`.

mod chance;
mod check;
mod crash;
mod disk;
mod job;
mod keeping;
mod plan;
mod shelf;
mod wisher;
mod world;

use super::turns::Input;
use super::{Engine, EngineError, EventLog, LogError, Parts, RunEnd, Update, Uploads};
use crate::files::{Step, StudyDir, Watch};
use crate::gc::collect;
use crate::job::{JOB_FILE, JobRecord};
use crate::study::{StudyError, created, metric_rules, slots};
use automl_config::LogRules;
use automl_core::{Algorithm, EndReason, Event, Record};
use automl_scrape::Metrics;
use automl_store::Store;
pub(crate) use chance::Chance;
use check::Check;
pub(crate) use crash::{Crashes, survive};
pub(crate) use disk::Disk;
use keeping::{Keeping, collectable};
pub(crate) use plan::{Plan, Rates};
use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::sync::mpsc::unbounded_channel;
use wisher::Wisher;
use world::World;

/// Where Linux keeps files in memory.
const MEMORY: &str = "/dev/shm";
/// Time of day when a simulation begins, in milliseconds since 1970.
const BEGIN_MS: u64 = 1_700_000_000_000;
/// Longest time between two inputs of an engine.
const PAUSE_MS: u64 = 8_000;
/// Longest time without an engine.
const DOWN_MS: u64 = 200_000;
/// Engines and turns after which a search that has not ended never will.
const ENGINES_MAX: u32 = 3_000;
const TURNS_MAX: u32 = 60_000;

/// One simulated study.
struct Simulation {
    plan: Plan,
    chance: Rc<Chance>,
    crashes: Rc<Crashes>,
    world: World,
    disk: Rc<Disk>,
    dir: StudyDir,
    _folder: TempDir,
    /// How far the machine's clock is off.
    off_ms: Cell<i64>,
    check: Check,
    wisher: Wisher,
    turns: u32,
}

/// What happened in a simulation, for sums over many.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    events: u64,
    trials: u64,
    attempts: u64,
    engines: u64,
    deaths: u64,
    full_disks: u64,
    /// Trials that began from another one's checkpoint, that gave theirs up, and that lost them.
    inherited: u64,
    dropped: u64,
    lost: u64,
}

impl Simulation {
    fn of_seed(seed: u64) -> Self {
        let chance = Rc::new(Chance::new(seed));
        let plan = Plan::draw(&chance);
        Self::new(plan, chance, None)
    }

    /// A simulation whose engine dies at its `crash_at`-th effect, if it is not drawn.
    fn new(plan: Plan, chance: Rc<Chance>, crash_at: Option<u64>) -> Self {
        let crashes = Crashes::new(Rc::clone(&chance), plan.rates.crash, crash_at);
        let world = World::new(Rc::clone(&chance), Rc::clone(&crashes), &plan);
        // In memory where it can be: nothing here tries what a disk does.
        let folder = tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir());
        let folder = folder.expect("a folder for temporary files");
        let dir = StudyDir::new(folder.path(), &plan.settings.study);
        let rule = plan.recipe.checkpoints().expect("the command takes checkpoints").clone();
        Simulation {
            disk: Disk::new(Rc::clone(&crashes), &plan.rates),
            check: Check::new(world.clone(), Keeping::new(world.clone(), dir.clone(), rule)),
            wisher: Wisher::new(dir.wishes(), plan.rates.wish),
            _folder: folder,
            off_ms: Cell::new(0),
            turns: 0,
            dir,
            plan,
            chance,
            crashes,
            world,
        }
    }

    /// Has engines work on the study, one after the other, until the search is over.
    fn run(&mut self) -> Result<(EndReason, Tally), String> {
        let mut tally = Tally::default();
        while tally.engines < u64::from(ENGINES_MAX) {
            tally.engines += 1;
            let ended = survive(|| self.live());
            self.verdict()?;
            match ended {
                None => tally.deaths += 1,
                Some(Ok(RunEnd::Ended(reason))) => {
                    self.check.ended(reason, &self.wisher.enqueued);
                    self.verdict()?;
                    return Ok((reason, self.sum(tally)));
                }
                Some(Ok(RunEnd::Stopped)) => {}
                Some(Err(error)) if error.is_full_disk() => {}
                Some(Err(error)) => return Err(format!("the engine failed: {error}")),
            }
            self.world.advance(self.chance.below(DOWN_MS));
            self.set_clock();
            self.refer();
            self.collect_garbage()?;
        }
        Err("the search never ends".into())
    }

    fn sum(&self, tally: Tally) -> Tally {
        let study = self.check.study();
        let records = &self.check.records;
        let count = |of: fn(&Event) -> bool| records.iter().filter(|record| of(&record.event)).count() as u64;
        Tally {
            events: records.len() as u64,
            inherited: count(|event| matches!(event, Event::CheckpointInherited { .. })),
            dropped: count(|event| matches!(event, Event::CheckpointsDropped { .. })),
            lost: count(|event| matches!(event, Event::CheckpointLost { .. })),
            trials: study.trials.len() as u64,
            attempts: study.trials.values().map(|trial| trial.attempts.len() as u64).sum(),
            full_disks: self.disk.refusals(),
            ..tally
        }
    }

    fn verdict(&mut self) -> Result<(), String> {
        if self.check.wrongs.is_empty() { Ok(()) } else { Err(self.check.wrongs.join("\n")) }
    }

    /// Starts another action from one of the checkpoints now and then.
    fn refer(&self) {
        if !self.chance.happens(self.plan.rates.reference) {
            return;
        }
        let Some(path) = self.world.shelf(|shelf| shelf.pin(&self.chance)) else { return };
        let folder = self.dir.path().with_file_name(format!("action-{}", self.world.now()));
        let mut action = JobRecord::new("n".into(), "export".into(), "00000000".into());
        action.parent_checkpoint = Some(path);
        let text = serde_json::to_vec(&action).expect("plain values always serialise");
        let written =
            std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(JOB_FILE), text));
        written.expect("a writable folder");
    }

    /// Has checkpoints deleted as a user does while no engine works on the study.
    fn collect_garbage(&mut self) -> Result<(), String> {
        if self.disk.records().is_empty() || !self.chance.happens(self.plan.rates.garbage) {
            return Ok(());
        }
        let keep = self.chance.one_of(collectable());
        self.check.keeping.collecting = Some(keep);
        self.check.keeping.collected.push(keep);
        let _watch = self.watch();
        let done = survive(|| {
            let mut log = EventLog::open(Box::new(self.disk.open()))?;
            collect(&mut log, &self.dir, keep, self.now())
        });
        self.check.reopened(&self.disk.records());
        match done {
            Some(Err(StudyError::Log(LogError::Store(error)))) if error.is_full_disk() => self.verdict(),
            Some(Err(error)) => Err(format!("nothing could be collected: {error}")),
            Some(Ok(_)) | None => self.verdict(),
        }
    }

    /// Has the engine die, or find the disk full, between any two changes of files.
    fn watch(&self) -> Watch {
        let (crashes, disk) = (Rc::clone(&self.crashes), Rc::clone(&self.disk));
        Watch::begin(move |step| {
            crashes.may_strike();
            match step == Step::Write && disk.refuses() {
                true => Err(io::Error::from(io::ErrorKind::StorageFull)),
                false => Ok(()),
            }
        })
    }

    fn now(&self) -> u64 {
        (BEGIN_MS + self.world.now()).saturating_add_signed(self.off_ms.get())
    }

    /// The life of one engine.
    fn live(&mut self) -> Result<RunEnd, EngineError> {
        let _watch = self.watch();
        let mut engine = self.engine()?;
        let settled = engine.settle_wishes();
        self.check.reopened(&self.disk.records());
        settled?;
        if let Some(end) = engine.begin(&mut observer(&mut self.check))? {
            return Ok(end);
        }
        loop {
            if let Some(end) = engine.turn(&mut observer(&mut self.check))? {
                return Ok(end);
            }
            self.check.after_turn(engine.study(), engine.stalled);
            self.turns += 1;
            if !self.check.wrongs.is_empty() || self.turns > TURNS_MAX {
                self.check.wrongs.extend((self.turns > TURNS_MAX).then(|| "the search never ends".into()));
                return Ok(RunEnd::Stopped);
            }
            self.pass_time(&mut engine)?;
        }
    }

    /// Lets the world go on, and tells the engine what it hears of it.
    fn pass_time(&mut self, engine: &mut Engine) -> Result<(), EngineError> {
        self.world.advance(1 + self.chance.below(PAUSE_MS));
        self.wisher.wish(&self.chance, engine.study());
        self.refer();
        self.set_clock();
        self.crashes.may_strike();
        while let Ok(ended) = engine.ended.try_recv() {
            engine.take(Input::Ended(ended))?;
        }
        if self.chance.happens(0.7) {
            engine.take(Input::Look)?;
        }
        Ok(())
    }

    fn set_clock(&self) {
        if self.chance.happens(self.plan.rates.clock_jump) {
            let day = 86_400_000;
            self.off_ms.set(self.chance.below(60 * day) as i64 - 30 * day as i64);
        }
    }

    /// Opens the study as a new engine does.
    fn engine(&mut self) -> Result<Engine, EngineError> {
        let store = self.disk.open();
        let log = if store.last_seq() == 0 {
            std::fs::create_dir_all(self.dir.path()).expect("a writable folder");
            let first = Record { at: BEGIN_MS, ..created(self.plan.settings.clone()) };
            EventLog::create(Box::new(store), first, [])?
        } else {
            self.check.reopened(&self.disk.records());
            self.check.keeping.collecting = None;
            EventLog::open(Box::new(store))?
        };
        let (sender, ended) = unbounded_channel();
        self.world.connect(sender);
        let recipe = self.plan.recipe.clone();
        let rules = metric_rules(&LogRules::of_recipe(&recipe), vec!["loss".into()]);
        // Like that of `clock::steady`, it moves evenly from now on.
        let (world, off_ms) = (self.world.clone(), self.off_ms.get());
        let uploads = Uploads::start(None, self.dir.uploads(), recipe.upload_rules().clone(), |_| false).0;
        Ok(Engine::new(Parts {
            slots: slots(&log.study().settings.resources).expect("slots without GPUs").0,
            log,
            dir: self.dir.clone(),
            recipe,
            metrics: Arc::new(Metrics::compile(&rules).expect("sound patterns")),
            executor: Box::new(self.world.clone()),
            ended,
            gpus: None,
            uploads,
            clock: Box::new(move || (BEGIN_MS + world.now()).saturating_add_signed(off_ms)),
        }))
    }
}

fn observer(check: &mut Check) -> impl FnMut(Update<'_>) {
    |update| {
        if let Update::Committed { records, .. } = update {
            check.committed(records);
        }
    }
}

/// Simulates every seed of a range; panics with the first that finds something wrong.
fn simulate(seeds: Range<u64>) -> Tally {
    let mut sum = Tally::default();
    for seed in seeds {
        let tally = match Simulation::of_seed(seed).run() {
            Ok((_, tally)) => tally,
            Err(wrong) => panic!(
                "seed {seed}: {wrong}\nagain: AUTOML_SIMULATE={seed}..{} cargo test -p automl --lib simulation",
                seed + 1
            ),
        };
        sum.events += tally.events;
        sum.trials += tally.trials;
        sum.attempts += tally.attempts;
        sum.engines += tally.engines;
        sum.deaths += tally.deaths;
        sum.full_disks += tally.full_disks;
        sum.inherited += tally.inherited;
        sum.dropped += tally.dropped;
        sum.lost += tally.lost;
    }
    sum
}

/// Seeds of the short run, in parts that tests can take at the same time.
const SEEDS: u64 = 10;

/// Simulates a part of the short run, which must have seen what happens often.
fn simulate_part(part: u64) {
    let seen = simulate(part * SEEDS..(part + 1) * SEEDS);
    let all = [seen.deaths, seen.full_disks, seen.dropped];
    assert!(all.iter().all(|times| *times > 0), "{seen:?}");
}

#[test]
fn simulated_studies_survive_first_part() {
    simulate_part(0);
}

#[test]
fn simulated_studies_survive_second_part() {
    simulate_part(1);
}

#[test]
fn simulated_studies_survive_third_part() {
    simulate_part(2);
}

#[test]
fn simulated_studies_survive_fourth_part() {
    simulate_part(3);
}

#[test]
fn simulated_studies_survive_fifth_part() {
    simulate_part(4);
}

#[test]
fn simulated_studies_survive_sixth_part() {
    simulate_part(5);
}

#[test]
fn simulated_studies_survive_seventh_part() {
    simulate_part(6);
}

#[test]
fn simulated_studies_survive_eighth_part() {
    simulate_part(7);
}

/// Whatever is drawn elsewhere, here checkpoints break and vanish all the time.
#[test]
fn populations_survive_the_loss_of_their_checkpoints() {
    let (mut inherited, mut lost) = (0, 0);
    for seed in 0..8 {
        let chance = Rc::new(Chance::new(seed));
        let mut plan = Plan::calm(Algorithm::Pbt, 9, 2);
        plan.show_more_of(Algorithm::Pbt);
        plan.rates.damage = 1.0;
        let (end, tally) = Simulation::new(plan, chance, None).run().expect("it ends");
        assert_eq!(end, EndReason::Budget, "seed {seed}");
        (inherited, lost) = (inherited + tally.inherited, lost + tally.lost);
    }
    assert!(inherited > 0 && lost > 0, "{inherited} inherited, {lost} lost");
}

/// Of what `gc` left of a trial twice nobody counted the rest, so that it stayed beyond the budget of the disk.
#[test]
fn disk_budget_holds_for_what_gc_left() {
    simulate(6105..6106);
}

#[test]
fn every_cut_of_a_log_is_a_log() {
    for seed in 0..6 {
        let mut simulation = Simulation::of_seed(seed);
        simulation.run().expect("it ends");
        let events = simulation.check.records.len();
        for cut in 1..events {
            assert_eq!(simulation.check.cut(cut), None, "seed {seed}, after {cut} of {events} events");
        }
    }
}

/// The long run, where somebody asks for it.
#[test]
#[expect(clippy::print_stderr, reason = "whoever asked for a long run wants to know what it tried")]
fn simulated_studies_survive_as_many_seeds_as_asked_for() {
    let Ok(asked) = std::env::var("AUTOML_SIMULATE") else { return };
    let (from, to) = asked.split_once("..").expect("AUTOML_SIMULATE=FROM..TO");
    let seeds = from.parse().expect("a number")..to.parse().expect("a number");
    eprintln!("{} seeds: {:?}", to, simulate(seeds));
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    for seed in 0..4 {
        let story = || {
            let mut simulation = Simulation::of_seed(seed);
            let end = simulation.run().expect("it ends").0;
            let folder = simulation.dir.path().to_string_lossy().into_owned();
            let told = |record: &Record| {
                serde_json::to_string(record).expect("a record serialises").replace(&folder, "")
            };
            // Its version comes first.
            (end, simulation.check.records[1..].iter().map(told).collect::<Vec<_>>())
        };
        assert_eq!(story(), story(), "seed {seed}");
    }
}

/// Dies at the first effect, then the second, and so on: the search ends the same every time.
fn death_at_any_effect(algorithm: Algorithm) {
    let story = |crash_at| {
        let chance = Rc::new(Chance::new(5));
        let mut plan = Plan::calm(algorithm, if algorithm == Algorithm::Dehb { 7 } else { 4 }, 1);
        plan.show_more_of(algorithm);
        let mut simulation = Simulation::new(plan, chance, crash_at);
        let (end, tally) = simulation.run().expect("it ends");
        assert_eq!((end, tally.deaths), (EndReason::Budget, u64::from(crash_at.is_some())));
        let trials = simulation.check.study().trials.values();
        let facts = trials.map(|trial| (trial.params.clone(), trial.reached.clone(), trial.attempts.len()));
        (facts.collect::<Vec<_>>(), simulation.crashes.effects())
    };
    let (expected, effects) = story(None);
    assert!(effects > 20, "{effects}");
    for effect in 0..effects {
        assert_eq!(story(Some(effect)).0, expected, "death at effect {effect}");
    }
}

#[test]
fn death_at_any_effect_changes_no_trial() {
    death_at_any_effect(Algorithm::Sobol);
}

#[test]
fn death_at_any_effect_changes_no_trial_of_rungs() {
    death_at_any_effect(Algorithm::Asha);
}

#[test]
fn death_at_any_effect_changes_no_trial_made_from_others() {
    death_at_any_effect(Algorithm::Dehb);
}

#[test]
fn death_at_any_effect_changes_no_trial_of_a_population() {
    death_at_any_effect(Algorithm::Pbt);
}
