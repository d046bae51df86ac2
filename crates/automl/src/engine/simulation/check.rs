//! What must hold after every event, whatever happened before it.

use super::job::{Beginning, loss};
use super::keeping::Keeping;
use super::world::{LEASE_MS, World};
use crate::engine::{EventLog, records};
use crate::replay::replay_records;
use automl_core::{
    Attempt, AttemptNumber, EndReason, Event, Fidelity, Outcome, ParamValue, Record, Study, Trial, TrialId,
    TrialState,
};
use automl_exec::{AttemptKey, Cause};
use automl_store::StoredRecord;
use std::collections::{BTreeMap, BTreeSet};

/// Follows a study's log and notes what is wrong.
pub(super) struct Check {
    world: World,
    /// Everything that was acknowledged, and what turned up on the disk.
    pub(super) records: Vec<Record>,
    study: Option<Study>,
    /// When attempts were first seen to be started, on the world's clock.
    started: BTreeMap<AttemptKey, u64>,
    /// The last line of each attempt's log that was read.
    lines: BTreeMap<AttemptKey, u64>,
    enqueued: BTreeSet<String>,
    /// Attempts that were decided to be stopped.
    stopped: BTreeSet<AttemptKey>,
    engine_since: u64,
    pub(super) keeping: Keeping,
    pub(super) wrongs: Vec<String>,
}

impl Check {
    pub(super) fn new(world: World, keeping: Keeping) -> Self {
        Check {
            world,
            keeping,
            records: Vec::new(),
            study: None,
            started: BTreeMap::new(),
            lines: BTreeMap::new(),
            enqueued: BTreeSet::new(),
            stopped: BTreeSet::new(),
            engine_since: 0,
            wrongs: Vec::new(),
        }
    }

    /// An engine begins with what is on the disk: all that was acknowledged, and perhaps more.
    pub(super) fn reopened(&mut self, stored: &[StoredRecord]) {
        let found = records(stored).expect("what was written can be read");
        let known = self.records.len();
        if found.len() < known || found[..known] != self.records[..] {
            self.wrong(format!("of {known} acknowledged events, {} are on the disk", found.len()));
            return;
        }
        self.durable(&found[known..], false);
        self.engine_since = self.world.now();
    }

    /// Events have become durable, and nothing was done about them yet.
    pub(super) fn committed(&mut self, records: &[Record]) {
        self.durable(records, true);
        self.keeping.grown();
    }

    fn durable(&mut self, records: &[Record], just_now: bool) {
        if just_now {
            self.wrongs.extend(self.keeping.audit());
        }
        for record in records {
            self.records.push(record.clone());
            if let Some(study) = &self.study {
                self.wrongs.extend(self.keeping.before(study, &record.event));
            }
            if let Err(error) = EventLog::fold_one(&mut self.study, record) {
                self.wrong(format!("event {} cannot be applied: {error}", self.records.len()));
                return;
            }
            self.event(&record.event);
            let study = self.study.as_ref().expect("it has just been folded");
            self.wrongs.extend(self.keeping.after(study, &record.event, just_now));
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::TrialSuggested { trial, params, origin, .. } => {
                let study = self.study();
                if !origin.is_enqueued() && study.settings.space.check(params).is_err() {
                    self.wrong(format!("trial {trial} was proposed outside the bounds: {params}"));
                    return;
                }
                let (started, budget) = (study.started(), study.settings.trials);
                if started > budget {
                    self.wrong(format!("trial {trial} is number {started} of a budget of {budget}"));
                }
            }
            Event::AttemptStarted { trial, attempt, .. } => {
                let key = self.key(*trial, *attempt);
                self.world.allow(key.clone());
                self.started.insert(key, self.world.now());
                self.check_slots();
            }
            Event::Measured { trial, attempt, line, step, values, .. } => {
                let last = self.lines.insert(self.key(*trial, *attempt), *line).unwrap_or(0);
                if *line <= last {
                    self.wrong(format!("line {line} of trial {trial} was read again after line {last}"));
                }
                let expected = step.map(|step| loss(x(&self.study().trials[trial]), step));
                if values["loss"].is_finite() && Some(values["loss"]) != expected {
                    self.wrong(format!("line {line} of trial {trial} says {expected:?}, not {values:?}"));
                }
            }
            Event::AttemptEnded { trial, attempt, end } => {
                let key = self.key(*trial, *attempt);
                if let Outcome::Reached { value, fidelity, .. } = &end.outcome {
                    self.check_result(&key, *fidelity, *value);
                }
                self.world.recorded(key);
            }
            Event::StopDecided { trial, attempt, .. } => {
                self.stopped.insert(self.key(*trial, *attempt));
            }
            Event::Enqueued { wish: Some(wish), .. } => {
                self.enqueued.insert(wish.clone());
            }
            _ => {}
        }
    }

    fn check_slots(&mut self) {
        let study = self.study();
        let slots: Vec<u32> =
            study.in_state(TrialState::Running).filter_map(Trial::running_attempt).map(|a| a.slot).collect();
        let distinct: BTreeSet<u32> = slots.iter().copied().collect();
        if distinct.len() < slots.len() {
            self.wrong(format!("two trials share a slot: {slots:?}"));
        }
    }

    /// A result must be what the program said, and the program must have ended well, unless it was stopped.
    fn check_result(&mut self, key: &AttemptKey, fidelity: Fidelity, value: f64) {
        let trial = &self.study().trials[&TrialId(key.trial)];
        let attempt = trial.attempts.last().expect("it has just ended");
        let until = attempt.until;
        let expected = loss(x(trial), fidelity.0);
        let complete = attempt.series.last("loss") == Some(expected);
        if value != expected || !complete {
            self.wrong(format!("{key:?} reached {expected}, and {value} is recorded"));
        }
        self.check_beginning(key);
        if self.stopped.contains(key) {
            return;
        }
        if fidelity != until {
            self.wrong(format!("{key:?} ended at {fidelity} and was not stopped"));
        }
        match self.world.truth(key) {
            Some((false, _, Some(Cause::Exit(0)))) => {}
            other => self.wrong(format!("{key:?} is recorded as a success; in truth: {other:?}")),
        }
    }

    /// A program carries on where the trial was, neither before nor after.
    fn check_beginning(&mut self, key: &AttemptKey) {
        let trial = &self.study().trials[&TrialId(key.trial)];
        let attempt = trial.attempts.last().expect("it has just ended");
        let resumed = attempt.resume_from.is_some();
        let earlier = trial.reached.range(..attempt.until).next_back().map(|(fidelity, _)| *fidelity);
        let trained = earlier.or(trial.inherited.as_ref().map(|inherited| inherited.fidelity));
        let exact = self.world.checkpoints_tell() && !self.stopped.contains(key);
        match self.world.beginning(key) {
            Some(Beginning::Scratch) if !resumed => {}
            Some(Beginning::Epoch(epoch)) if resumed && (!exact || trained == Some(Fidelity(epoch))) => {}
            other => {
                let said = attempt.resume_from.clone();
                self.wrong(format!(
                    "{key:?} began from {other:?}; the log says {said:?}, trained to {trained:?}"
                ));
            }
        }
    }

    /// The engine has done all it could for now.
    pub(super) fn after_turn(&mut self, engines: &Study, stalled: bool) {
        self.wrongs.extend(self.world.wrongs());
        self.wrongs.extend(self.keeping.audit());
        if stalled {
            return;
        }
        if engines != self.study() {
            self.wrong("the engine's state is not that of its log".into());
        }
        let now = self.world.now();
        let running = self.study().in_state(TrialState::Running).filter_map(|trial| {
            trial.running_attempt().map(|attempt: &Attempt| self.key(trial.id, attempt.number))
        });
        let since = |key: &AttemptKey| match self.world.truth(key) {
            Some((true, ..)) => None,
            Some((false, ended_at, _)) => Some(ended_at),
            None => self.started.get(key).copied(),
        };
        let overdue =
            |key: &AttemptKey| since(key).is_some_and(|since| now > since.max(self.engine_since) + LEASE_MS);
        let ghosts: Vec<AttemptKey> = running.filter(overdue).collect();
        for ghost in ghosts {
            self.wrong(format!("{ghost:?} is long over and still counts as running"));
        }
    }

    /// The search is over.
    pub(super) fn ended(&mut self, reason: EndReason, wished: &BTreeSet<String>) {
        self.wrongs.extend(self.world.wrongs());
        self.wrongs.extend(self.keeping.audit());
        self.wrongs.extend(self.keeping.ended(self.study()));
        if reason == EndReason::Budget {
            self.check_budget();
        }
        if let Some(wish) = self.enqueued.difference(wished).next() {
            self.wrong(format!("nobody asked for {wish}"));
        }
        let events = self.records.len();
        for cut in [events / 3, 2 * events / 3, events] {
            self.wrongs.extend(self.cut(cut.max(1)));
        }
    }

    /// Tells what is wrong with the log as it was after some of its events: its state is to be the same from a
    /// snapshot, to come to the same end, and to explain every decision.
    pub(super) fn cut(&self, events: usize) -> Option<String> {
        let (before, after) = self.records.split_at(events);
        let study = Study::replay(before).expect("it was folded before");
        let Some(mut from_snapshot) =
            Study::from_snapshot(&study.to_snapshot()).filter(|other| *other == study)
        else {
            return Some(format!("a snapshot after {events} events is another study"));
        };
        after.iter().for_each(|record| from_snapshot.apply(record).expect("it was folded before"));
        if from_snapshot != *self.study() {
            return Some(format!("from a snapshot after {events} events the study ends differently"));
        }
        match replay_records(before) {
            Ok(replay) if replay.explains_all() && replay.other_algorithms.is_none() => None,
            other => Some(format!("the log does not replay after {events} events: {other:?}")),
        }
    }

    fn check_budget(&mut self) {
        let study = self.study();
        let open = study.in_state(TrialState::Running).chain(study.in_state(TrialState::Queued)).count();
        let whole = !study.settings.algorithm.pauses_trials();
        let (started, budget) = (study.started(), study.settings.trials);
        if open > 0 || (whole && started != budget) {
            self.wrong(format!("at the end, {open} trials are open, and {started} of {budget} were started"));
        }
    }

    pub(super) fn study(&self) -> &Study {
        self.study.as_ref().expect("a log begins with its study")
    }

    fn key(&self, trial: TrialId, attempt: AttemptNumber) -> AttemptKey {
        AttemptKey { study: self.study().settings.tag.clone(), trial: trial.0, attempt: attempt.0 }
    }

    fn wrong(&mut self, what: String) {
        self.wrongs.push(what);
    }
}

/// Returns the value that a trial's program gets.
fn x(trial: &Trial) -> f64 {
    trial.params.get("x").and_then(ParamValue::as_f64).expect("the space has x")
}
