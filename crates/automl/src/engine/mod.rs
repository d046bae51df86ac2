//! The loop that turns decisions into running programs and their logs into events.
//!
//! One thread owns the study, its log and the executor. Each turn of the loop gathers what happened,
//! applies it, lets the scheduler and the sampler decide, makes all of that durable in one commit, and
//! only then acts. Whatever interrupts it, the log says what was decided, and acting on it again is
//! safe: a second submission of one attempt loses its claim.
//!
//! Here, and nowhere below, are the clock and the waiting.

mod checkpoints;
mod choice;
mod ended;
mod event_log;
pub(crate) mod failures;
mod gpus;
pub(crate) mod history;
pub(crate) mod launch;
mod limits;
pub(crate) mod live;
pub(crate) mod outcome;
#[cfg(test)]
pub(crate) mod simulation;
mod stopping;
pub(crate) mod success;
mod turns;
mod uploads;
mod wishes;

pub use choice::{Resolved, Takeover, beginning};
pub(crate) use choice::{resolve, sampler_for};
pub use event_log::LogError;
pub(crate) use event_log::{EventLog, Folding, fold, fold_store, records, snapshot_format};
pub(crate) use launch::realise;
pub(crate) use limits::setup_is_wrong;
pub use live::LogFileError;
pub(crate) use uploads::Uploads;

use crate::algorithms::ALGORITHMS;
use crate::clock::Clock;
use crate::files::StudyDir;
use crate::incumbent;
use automl_config::TrialRecipe;
use automl_core::{
    Asked, AttemptEnd, AttemptNumber, EndReason, Event, FailureKind, Fidelity, Outcome, Record, Study, Trial,
    TrialId, TrialState,
};
use automl_exec::slots::Slot;
use automl_exec::{
    Adoption, AttemptEnded, AttemptKey, CancelMode, Executor, GpuError, GpuWatch, LaunchError, Submit,
};
use automl_sampler::Sampler;
use automl_scheduler::{Scheduler, scheduler_for};
use automl_scrape::Metrics;
use failures::Failures;
use gpus::Obstacle;
use launch::{Launcher, PrepareError};
use live::LiveAttempt;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::mpsc::UnboundedReceiver;
use turns::{POLL, POLL_QUIET, QUICKLY_LOOKED_AT};

/// How uploads that are left are tried again.
const UPLOAD_AGAIN: &str = "`automl resume`";

/// Why the engine cannot go on. Running trials are left alone: a later engine finds them.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The log cannot be written or makes no sense.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A trial's log cannot be read.
    #[error(transparent)]
    TrialLog(#[from] LogFileError),
    /// An attempt's launch file cannot be written.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A file of the study cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl EngineError {
    /// Tells whether there is only no space left, so that the same may succeed later.
    #[must_use]
    pub fn is_full_disk(&self) -> bool {
        match self {
            EngineError::Log(LogError::Store(error)) => error.is_full_disk(),
            EngineError::File { source, .. } | EngineError::Launch(LaunchError::File { source, .. }) => {
                automl_store::is_full_disk(source)
            }
            EngineError::Log(_) | EngineError::TrialLog(_) | EngineError::Launch(_) => false,
        }
    }
}

/// What a user asks of a running engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Start nothing new; end when the running trials have ended.
    Drain,
    /// End running trials gracefully.
    Stop,
    /// Kill running trials.
    Kill,
}

/// What the engine tells whoever watches it.
#[derive(Debug)]
pub enum Update<'a> {
    /// Events that have just become durable, and the state after them.
    Committed {
        /// The events.
        records: &'a [Record],
        /// The state.
        study: &'a Study,
    },
    /// Something worth telling a person.
    Note(&'a str),
}

/// How an engine's work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// The search is over.
    Ended(EndReason),
    /// It was asked to stop; the study can be resumed.
    Stopped,
}

/// A study being worked on.
pub struct Engine {
    log: EventLog,
    dir: StudyDir,
    launcher: Launcher,
    recipe: TrialRecipe,
    metrics: Arc<Metrics>,
    failures: Failures,
    scheduler: Box<dyn Scheduler>,
    sampler: Box<dyn Sampler>,
    executor: Box<dyn Executor>,
    ended: UnboundedReceiver<AttemptEnded>,
    slots: Vec<Slot>,
    /// Absent without GPUs, or where nobody can be asked about them.
    gpus: Option<GpuWatch>,
    /// Free slots that cannot be used now.
    obstacles: BTreeMap<u32, Obstacle>,
    /// Most memory that running attempts were seen to hold on GPUs, in MiB.
    gpu_peaks: BTreeMap<AttemptKey, u64>,
    /// Whether what is known of the GPUs is newer than the end of the last attempt.
    gpus_are_known: bool,
    /// Errors of GPUs that were told of.
    gpu_errors: BTreeSet<GpuError>,
    live: BTreeMap<TrialId, LiveAttempt>,
    mode: Mode,
    clock: Clock,
    /// Trials whose start is recorded and that are still to be launched, in order.
    unlaunched: VecDeque<TrialId>,
    /// When all logs are looked at next, in milliseconds since 1970.
    look_at_all: u64,
    /// Whether the disk was full when the engine last tried to write.
    stalled: bool,
    incumbent: Option<(TrialId, Fidelity)>,
    /// Whether there are results that `best` has not been compared with.
    unpublished: bool,
    /// Files of wishes whose events are recorded, to be removed when these are durable.
    granted: Vec<PathBuf>,
    uploads: Uploads,
    /// Trials with reports that no rule has looked at.
    reported: BTreeSet<TrialId>,
    /// Trials whose stop is recorded, to be asked to end when that is durable.
    to_stop: Vec<TrialId>,
    /// Whether anything has happened since checkpoints were last looked at that may let some of them go.
    may_dispose: bool,
    /// Trials whose checkpoints go when that is durable.
    to_delete: Vec<TrialId>,
    /// The one trial that this engine is there to end, if it is.
    to_end: Option<TrialId>,
}

/// What the engine is willing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Search,
    /// No new attempts; end with this reason, or as stopped, when nothing runs any more.
    Drain(Option<EndReason>),
}

/// The parts an engine is built from.
pub(crate) struct Parts {
    pub(crate) log: EventLog,
    pub(crate) dir: StudyDir,
    pub(crate) recipe: TrialRecipe,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) executor: Box<dyn Executor>,
    pub(crate) ended: UnboundedReceiver<AttemptEnded>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) gpus: Option<GpuWatch>,
    pub(crate) uploads: Uploads,
    pub(crate) clock: Clock,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Self {
        let settings = &parts.log.study().settings;
        Engine {
            scheduler: scheduler_for(settings.algorithm),
            sampler: sampler_for(settings.algorithm),
            launcher: Launcher::new(parts.dir.clone(), settings),
            log: parts.log,
            dir: parts.dir,
            failures: Failures::of(parts.recipe.error_patterns()),
            recipe: parts.recipe,
            metrics: parts.metrics,
            executor: parts.executor,
            ended: parts.ended,
            slots: parts.slots,
            gpus: parts.gpus,
            obstacles: BTreeMap::new(),
            gpu_peaks: BTreeMap::new(),
            gpus_are_known: true,
            gpu_errors: BTreeSet::new(),
            live: BTreeMap::new(),
            mode: Mode::Search,
            clock: parts.clock,
            unlaunched: VecDeque::new(),
            look_at_all: 0,
            stalled: false,
            incumbent: None,
            unpublished: true,
            granted: Vec::new(),
            uploads: parts.uploads,
            reported: BTreeSet::new(),
            to_stop: Vec::new(),
            may_dispose: true,
            to_delete: Vec::new(),
            to_end: None,
        }
    }

    /// Returns the state of the study.
    #[must_use]
    pub fn study(&self) -> &Study {
        self.log.study()
    }

    /// Works until the search is over or it is asked to stop.
    ///
    /// # Errors
    /// If the study's log or files cannot be written or read. Nothing acknowledged is lost then:
    /// trials run on, and a later engine carries on.
    pub async fn run(
        &mut self,
        control: &mut UnboundedReceiver<Control>,
        observer: &mut dyn FnMut(Update<'_>),
    ) -> Result<RunEnd, EngineError> {
        self.upload_earlier();
        let end = self.work(control, observer).await?;
        self.uploads.finish(control, UPLOAD_AGAIN, &mut |note| observer(Update::Note(note))).await;
        Ok(end)
    }

    /// Has the results of trials uploaded that earlier engines have run.
    fn upload_earlier(&self) {
        let ended = self.study().trials.values().filter(|trial| trial.state != TrialState::Running);
        ended.for_each(|trial| self.upload(trial.id, true));
    }

    /// Has the results of a trial uploaded from now on.
    fn upload(&self, trial: TrialId, ended: bool) {
        let name = format!("{}/trials/{:05}", self.dir.name(), trial.0);
        self.uploads.follow(name, self.dir.results(trial), ended);
    }

    /// Grants the wishes that were left while nobody worked on the study; those about the engine itself
    /// were meant for an earlier one. Returns what people should know.
    pub(crate) fn settle_wishes(&mut self) -> Result<Vec<String>, EngineError> {
        let (notes, _) = self.grant_wishes()?;
        self.log.commit()?;
        self.forget_granted()?;
        Ok(notes)
    }

    fn hear_wishes(&mut self, observer: &mut dyn FnMut(Update<'_>)) -> Result<(), EngineError> {
        let (notes, controls) = self.grant_wishes()?;
        if !self.granted.is_empty() {
            self.commit(observer)?;
            self.forget_granted()?;
        }
        notes.iter().for_each(|note| observer(Update::Note(note)));
        controls.into_iter().for_each(|control| self.on_control(control));
        Ok(())
    }

    /// Has the engine start nothing: it only follows what runs to its end. With a trial its work is done when
    /// that one is over, and the others run on.
    pub fn only_end(&mut self, trial: Option<TrialId>) {
        self.mode = Mode::Drain(None);
        self.to_end = trial;
    }

    /// Lets go of running trials without ending them.
    pub fn detach(&mut self) {
        self.executor.detach();
    }

    /// Takes the study over: says so in the log and finds out what became of its running trials.
    fn reconcile(&mut self, observer: &mut dyn FnMut(Update<'_>)) -> Result<(), EngineError> {
        let epoch = self.study().engine_epoch + 1;
        let (version, host) = (env!("CARGO_PKG_VERSION").to_string(), crate::clock::host_name());
        let slots = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        let (algorithms, pid) = (ALGORITHMS, std::process::id());
        self.record(Event::EngineStarted { epoch, version, algorithms, host, pid, slots })?;
        self.commit(observer)?;
        let running = |t: &Trial| t.running_attempt().map(|a| (t.id, a.number));
        let running: Vec<_> = self.study().trials.values().filter_map(running).collect();
        self.resume_deleting();
        for (trial, number) in running {
            match self.executor.adopt(&self.key(trial, number), &self.dir.attempt(trial, number)) {
                Adoption::NotStarted => self.unlaunched.push_back(trial),
                Adoption::Running => {
                    observer(Update::Note(&format!("trial {trial} is still running; carrying on with it")));
                    self.follow(trial);
                    match self.study().trials[&trial].stopping {
                        Some(_) => self.to_stop.push(trial),
                        None => drop(self.reported.insert(trial)),
                    }
                }
                Adoption::Ended(verdict) => {
                    self.follow(trial);
                    self.on_ended(&AttemptEnded { key: self.key(trial, number), verdict })?;
                }
            }
        }
        Ok(())
    }

    /// Decides, commits and acts until there is nothing to do but wait.
    fn advance(&mut self, observer: &mut dyn FnMut(Update<'_>)) -> Result<Option<RunEnd>, EngineError> {
        loop {
            self.respect_limits();
            self.decide_stops()?;
            let started = self.decide()?;
            self.decide_disposals()?;
            self.commit(observer)?;
            self.perform_stops()?;
            self.delete_dropped().iter().for_each(|note| observer(Update::Note(note)));
            self.launch_started()?;
            if let Some(reason) = self.study().ended {
                return Ok(Some(RunEnd::Ended(reason)));
            }
            if self.mode == Mode::Drain(None) && self.is_done_ending() {
                return Ok(Some(RunEnd::Stopped));
            }
            if !started {
                return Ok(None);
            }
        }
    }

    /// Tells whether nothing that this engine should see to its end runs any more.
    fn is_done_ending(&self) -> bool {
        let ended = |trial: TrialId| self.study().trials.get(&trial).is_none_or(|t| t.state.is_final());
        self.study().in_state(TrialState::Running).next().is_none() || self.to_end.is_some_and(ended)
    }

    /// Turns decisions into events, and the trials among them into ones to launch after the commit. Tells
    /// whether there are any.
    fn decide(&mut self) -> Result<bool, EngineError> {
        let mut free = self.free_slots();
        if let Mode::Drain(reason) = self.mode {
            let idle = self.study().in_state(TrialState::Running).next().is_none();
            if let (true, Some(reason)) = (idle && self.study().ended.is_none(), reason) {
                self.record(Event::StudyEnded { reason })?;
            }
            return Ok(false);
        }
        let (mut started, mut exhausted) = (false, false);
        let asked = Asked { after: self.log.last_seq(), free: u32::try_from(free.len()).unwrap_or(u32::MAX) };
        for decision in self.scheduler.decide(self.study(), free.len()) {
            let Ok(resolved) = resolve(self.study(), &*self.sampler, decision) else {
                exhausted = true;
                continue;
            };
            let (trial, until, why) = match resolved {
                Resolved::End(reason) => {
                    self.record(Event::StudyEnded { reason })?;
                    return Ok(started);
                }
                Resolved::Run { trial, until, why } => (trial, until, why),
                Resolved::Start { suggestion, bracket, until, takeover } => {
                    let trial = self.study().next_trial();
                    let copy = |from, source: &str| self.dir.inherited(trial, from, source);
                    let events = beginning(self.study(), suggestion, bracket, takeover, copy);
                    events.into_iter().try_for_each(|event| self.record(event))?;
                    (trial, until, None)
                }
            };
            let Some(slot) = self.take_slot(&mut free, trial) else { break };
            self.start(trial, until, why, asked, slot)?;
            self.unlaunched.push_back(trial);
            started = true;
        }
        if exhausted && !started && self.live.is_empty() {
            self.record(Event::StudyEnded { reason: EndReason::Exhausted })?;
        }
        Ok(started)
    }

    fn start(
        &mut self,
        trial: TrialId,
        until: Fidelity,
        why: Option<String>,
        asked: Asked,
        slot: u32,
    ) -> Result<(), EngineError> {
        let known = &self.study().trials[&trial];
        let attempt = known.next_attempt();
        let resume_from = self.good_checkpoint(trial)?;
        let log_offsets = self.launcher.log_offsets(&self.recipe, trial, attempt);
        self.record(Event::AttemptStarted {
            trial,
            attempt,
            until,
            resume_from,
            slot,
            log_offsets,
            worker: None,
            why,
            asked: Some(asked),
        })
    }

    /// Acts on recorded starts, in order; those that cannot be acted on yet stay. Checkpoints that are taken over
    /// are copied before anything runs on that might write over them.
    fn launch_started(&mut self) -> Result<(), EngineError> {
        for trial in &self.unlaunched {
            self.copy_inherited(*trial)?;
        }
        while let Some(trial) = self.unlaunched.front() {
            self.launch(*trial)?;
            self.unlaunched.pop_front();
        }
        Ok(())
    }

    /// Acts on a recorded start. Safe to repeat.
    fn launch(&mut self, trial: TrialId) -> Result<(), EngineError> {
        let study = self.log.study();
        let known = &study.trials[&trial];
        let attempt = known.running_attempt().expect("only recorded starts are launched");
        let number = attempt.number;
        let slot = self.slots.iter().find(|slot| slot.id == attempt.slot);
        let submitted = match self.launcher.prepare(&self.recipe, study, known, attempt, slot) {
            Ok(spec) => match self.executor.submit(&spec) {
                Submit::Accepted | Submit::AlreadyThere => None,
                Submit::Refused { reason } => Some(reason),
            },
            // The machine's fault, not the trial's: the next engine launches it again.
            Err(PrepareError::File { path, source }) => return Err(EngineError::File { path, source }),
            Err(PrepareError::Launch(error)) => return Err(error.into()),
            Err(error @ (PrepareError::Recipe(_) | PrepareError::Program(_))) => Some(error.to_string()),
        };
        self.follow(trial);
        match submitted {
            None => Ok(()),
            Some(reason) => {
                self.live.remove(&trial);
                let outcome = Outcome::Failed { kind: FailureKind::Launch, reason };
                let end = AttemptEnd::unmeasured(outcome);
                self.record(Event::AttemptEnded { trial, attempt: number, end })
            }
        }
    }

    fn follow(&mut self, trial: TrialId) {
        let known = &self.log.study().trials[&trial];
        let attempt = known.running_attempt().expect("only running attempts are followed");
        let files = self.launcher.log_files(&self.recipe, trial, attempt.number);
        self.live.insert(trial, LiveAttempt::open(trial, attempt, &files, &self.metrics));
        self.upload(trial, false);
    }

    fn on_control(&mut self, wish: Control) {
        if self.mode == Mode::Search {
            self.mode = Mode::Drain(None);
        }
        match wish {
            Control::Drain => {}
            Control::Stop => self.cancel_all(CancelMode::Graceful, "ended on request"),
            Control::Kill => self.cancel_all(CancelMode::Kill, "killed on request"),
        }
    }

    fn cancel_all(&mut self, mode: CancelMode, why: &'static str) {
        let running = |t: &Trial| t.running_attempt().map(|a| (t.id, a.number));
        let running: Vec<_> = self.study().trials.values().filter_map(running).collect();
        for (trial, number) in running {
            if let Some(live) = self.live.get_mut(&trial) {
                live.asked = Some(why);
            }
            self.executor.cancel(&self.key(trial, number), mode);
        }
    }

    /// Looks at the logs of attempts that nothing was heard of yet, and of all where that is due.
    fn poll_logs(&mut self) -> Result<(), EngineError> {
        let now = (self.clock)();
        let pause = |quick: bool| if quick { POLL_QUIET } else { POLL }.as_millis() as u64;
        // A time further ahead than any pause was told by another clock.
        let all = !(now + 1..=now + pause(false)).contains(&self.look_at_all);
        let mut events = Vec::new();
        for (trial, live) in self.live.iter_mut().filter(|(_, live)| all || !live.is_heard()) {
            let news = live.poll()?;
            if !news.is_empty() {
                self.reported.insert(*trial);
            }
            events.extend(news);
        }
        if all {
            self.look_at_all = now + pause(events.is_empty() && self.live.len() <= QUICKLY_LOOKED_AT);
        }
        for event in events {
            self.record(event)?;
        }
        Ok(())
    }

    /// Records an event. What programs print may hold secrets that they were given: these stay out of the log.
    fn record(&mut self, mut event: Event) -> Result<(), EngineError> {
        if let Event::AttemptEnded { end, .. } = &mut event
            && let Some(reason) = end.outcome.reason_mut()
        {
            *reason = self.recipe.hide_secrets(reason);
        }
        self.may_dispose |= matches!(
            event,
            Event::AttemptEnded { .. }
                | Event::TrialStopped { .. }
                | Event::BoundsChanged { .. }
                | Event::BudgetChanged { .. }
                | Event::StudyEnded { .. }
        );
        Ok(self.log.record((self.clock)(), event)?)
    }

    fn commit(&mut self, observer: &mut dyn FnMut(Update<'_>)) -> Result<(), EngineError> {
        let records = self.log.commit()?;
        if !records.is_empty() {
            observer(Update::Committed { records: &records, study: self.log.study() });
            self.unpublished = true;
        }
        if self.unpublished {
            self.publish_incumbent()?;
            self.unpublished = false;
        }
        Ok(())
    }

    /// Brings `best` and `best_spec` up to date.
    fn publish_incumbent(&mut self) -> Result<(), EngineError> {
        let study = self.log.study();
        let incumbent = study.incumbent().and_then(|t| Some((t.id, t.fidelity()?)));
        if incumbent != self.incumbent {
            incumbent::publish(&self.dir, &self.recipe, study)?;
            self.incumbent = incumbent;
        }
        Ok(())
    }

    fn key(&self, trial: TrialId, attempt: AttemptNumber) -> AttemptKey {
        AttemptKey { study: self.study().settings.tag.clone(), trial: trial.0, attempt: attempt.0 }
    }
}
