//! Deterministic simulation of workers that ask and tell through messages which are lost, late or doubled,
//! while the process that answers them dies at any of its effects and its disk is full at times.
//!
//! Whatever happens: what was acknowledged stays, a trial is with one worker at a time and keeps its
//! values, the first word about it stands, and no budget is exceeded.

use super::{Answer, AskError, AskTell, Handed, Told};
use crate::engine::simulation::{Chance, Crashes, Disk, Plan, Rates, survive};
use crate::engine::{EventLog, LogError, records};
use crate::replay::replay_records;
use automl_core::{Algorithm, Fidelity, Params, Record, Study, TrialId, TrialState};
use automl_store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Steps after which a study that has not ended never will.
const STEPS_MAX: u32 = 20_000;

struct Service {
    plan: Plan,
    chance: Rc<Chance>,
    disk: Rc<Disk>,
    server: Option<AskTell>,
    workers: Vec<Worker>,
    /// What was acknowledged to be told, by trial.
    acknowledged: BTreeMap<TrialId, f64>,
    /// What trials were handed out with.
    handed: BTreeMap<TrialId, Params>,
    /// Tells that are still on their way although they were answered or repeated.
    late: Vec<(TrialId, Option<Fidelity>, f64)>,
    /// Names of workers that are gone.
    gone: Vec<String>,
}

struct Worker {
    name: String,
    holds: Option<Handed>,
}

impl Service {
    fn new(seed: u64) -> Self {
        let chance = Rc::new(Chance::new(seed));
        let rate = |most: f64| if chance.happens(0.5) { most * chance.unit() } else { 0.0 };
        let rates = Rates { crash: rate(0.1), full_disk: rate(0.2), late: rate(0.5), ..Rates::CALM };
        let algorithm = chance.one_of(&[
            Algorithm::Random,
            Algorithm::Sobol,
            Algorithm::Asha,
            Algorithm::Pasha,
            Algorithm::Dehb,
            Algorithm::Pbt,
        ]);
        let mut plan = Plan::calm(algorithm, 2 + chance.below(20), 1);
        plan.rates = rates;
        plan.settings.recipe = serde_json::Value::Null;
        plan.settings.retries = 0;
        plan.settings.max_consecutive_failures = u32::MAX;
        let crashes = Crashes::new(Rc::clone(&chance), rates.crash, None);
        let workers = (0..1 + chance.below(4)).map(|n| Worker { name: format!("w{n}"), holds: None });
        Service {
            disk: Disk::new(Rc::clone(&crashes), &rates),
            workers: workers.collect(),
            server: None,
            acknowledged: BTreeMap::new(),
            handed: BTreeMap::new(),
            late: Vec::new(),
            gone: Vec::new(),
            plan,
            chance,
        }
    }

    fn run(&mut self) {
        for _ in 0..STEPS_MAX {
            if let Some(true) = survive(|| self.step()) {
                return self.check_end();
            }
        }
        panic!("the study never ends");
    }

    /// Something happens; tells whether the study is over. A death on the way takes the server along.
    fn step(&mut self) -> bool {
        let mut server = match self.server.take() {
            Some(server) => server,
            None => match self.start() {
                Ok(server) => server,
                Err(error) => return self.only_full(&error),
            },
        };
        let worker = self.chance.below(self.workers.len() as u64) as usize;
        let over = match self.chance.below(12) {
            0 => self.tell_late(&mut server),
            1 => self.lose_worker(&mut server, worker),
            _ if self.workers[worker].holds.is_some() => self.tell(&mut server, worker),
            _ => self.ask(&mut server, worker),
        };
        self.check(server.study());
        self.server = Some(server);
        over
    }

    fn start(&mut self) -> Result<AskTell, AskError> {
        let store = self.disk.open();
        let log = if store.last_seq() == 0 {
            EventLog::create(Box::new(store), crate::study::created(self.plan.settings.clone()), [])?
        } else {
            EventLog::open(Box::new(store))?
        };
        AskTell::start(log, None, Vec::new())
    }

    fn ask(&mut self, server: &mut AskTell, worker: usize) -> bool {
        let name = self.workers[worker].name.clone();
        match server.ask(1, Some(&name)) {
            Ok(Answer::Trials(trials)) => {
                let trial = trials[0].clone();
                self.check_handed(&trial, worker);
                // A lost answer: the worker asks again under its name.
                if !self.chance.happens(self.plan.rates.late) {
                    self.workers[worker].holds = Some(trial);
                }
                false
            }
            Ok(Answer::Wait) => self.release_the_gone(server),
            Ok(Answer::Done(_)) => {
                self.workers.iter().all(|worker| worker.holds.is_none()) && server.study().ended.is_some()
            }
            Err(error) => self.only_full(&error),
        }
    }

    fn check_handed(&mut self, trial: &Handed, worker: usize) {
        let known = self.handed.entry(trial.trial).or_insert_with(|| trial.params.clone());
        assert_eq!(*known, trial.params, "trial {} got other values", trial.trial);
        // A worker whose answer was lost believes to hold what it has told; that is another fidelity.
        let same = |held: &Handed| (held.trial, held.fidelity) == (trial.trial, trial.fidelity);
        let holds = |other: &Worker| other.holds.as_ref().is_some_and(same);
        let elsewhere =
            (0..self.workers.len()).find(|other| *other != worker && holds(&self.workers[*other]));
        assert_eq!(elsewhere, None, "trial {} is with two workers", trial.trial);
    }

    fn tell(&mut self, server: &mut AskTell, worker: usize) -> bool {
        let Some(held) = self.workers[worker].holds.clone() else { return false };
        let value = self.chance.unit();
        let lost = self.chance.happens(self.plan.rates.late);
        match server.tell_at(held.trial, held.fidelity, told(value)) {
            Ok(()) if lost => {
                // The answer was lost; the worker will tell again, and perhaps something else arrives late.
                self.late.push((held.trial, held.fidelity, self.chance.unit()));
                self.acknowledged.insert(held.trial, value);
            }
            Ok(()) => {
                self.acknowledged.insert(held.trial, value);
                self.workers[worker].holds = None;
                if self.chance.happens(self.plan.rates.late) {
                    self.late.push((held.trial, held.fidelity, self.chance.unit()));
                }
            }
            // It was told before: by this worker, whose answer was lost, or before a death.
            Err(AskError::NotOpen { .. }) => self.workers[worker].holds = None,
            Err(error) => return self.only_full(&error),
        }
        false
    }

    /// Something told long ago arrives again, saying something else.
    fn tell_late(&mut self, server: &mut AskTell) -> bool {
        let Some((trial, fidelity, value)) = self.late.pop() else { return false };
        match server.tell_at(trial, fidelity, told(value)) {
            Err(AskError::NotOpen { .. }) => false,
            Ok(()) => panic!("trial {trial} was told twice"),
            Err(error) => self.only_full(&error),
        }
    }

    /// A worker is gone for good, and somebody says so; another takes its place.
    fn lose_worker(&mut self, server: &mut AskTell, worker: usize) -> bool {
        let name = self.workers[worker].name.clone();
        self.workers[worker] = Worker { name: format!("{name}+"), holds: None };
        self.gone.push(name);
        self.release_the_gone(server)
    }

    /// Says who is gone, those of earlier, too: a step that was refused for want of space, handing out a trial
    /// to one or taking it back, may turn up when the log is opened the next time.
    fn release_the_gone(&self, server: &mut AskTell) -> bool {
        let released = |name: &String| server.release(None, Some(name));
        match self.gone.iter().map(released).collect::<Result<Vec<_>, _>>() {
            Ok(_) => false,
            Err(error) => self.only_full(&error),
        }
    }

    fn only_full(&self, error: &AskError) -> bool {
        match error {
            AskError::Log(LogError::Store(error)) if error.is_full_disk() => false,
            other => panic!("{other}"),
        }
    }

    fn check(&self, study: &Study) {
        assert!(study.started() <= study.settings.trials, "more trials than were asked for");
        for (trial, value) in &self.acknowledged {
            let reached: Vec<f64> = study.trials[trial].reached.values().copied().collect();
            assert!(reached.contains(value), "{value} of trial {trial} is lost: {reached:?}");
        }
        let durable: Vec<Record> = records(&self.disk.records()).expect("what was written can be read");
        assert_eq!(&Study::replay(&durable).expect("a sound log"), study, "the log is not the state");
    }

    fn check_end(&self) {
        let durable: Vec<Record> = records(&self.disk.records()).expect("what was written can be read");
        let study = Study::replay(&durable).expect("a sound log");
        let open: BTreeSet<_> = study.in_state(TrialState::Running).map(|trial| trial.id).collect();
        assert!(open.is_empty(), "{open:?} are open at the end");
        let replayed = replay_records(&durable).expect("a sound log");
        assert!(replayed.explains_all(), "{replayed:?}");
    }
}

fn told(value: f64) -> Told {
    Told::Complete { values: vec![value], constraints: Vec::new() }
}

#[test]
fn simulated_workers_lose_nothing_that_was_acknowledged() {
    let asked = std::env::var("AUTOML_SIMULATE").ok();
    let asked = asked.as_deref().and_then(|text| text.split_once(".."));
    let (from, to) = asked.unwrap_or(("0", "150"));
    for seed in from.parse::<u64>().expect("a number")..to.parse().expect("a number") {
        // The test's output says which seed it was.
        let end = std::panic::catch_unwind(|| Service::new(seed).run());
        assert!(end.is_ok(), "seed {seed}; again: AUTOML_SIMULATE={seed}..{}", seed + 1);
    }
}
