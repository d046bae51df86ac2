//! A study whose trials are run by somebody else: asked for, reported on and told from outside.
//!
//! No process is started and no clock decides anything: an answer is a function of the study's log and
//! the question. Every answer that changes something is durable before it is given, so whoever heard it
//! can rely on it after any crash. Trials are the same events as those of an engine, which is why every
//! reader of studies reads these, too.
//!
//! A trial that was handed out stays open until it is told. It is given back to the worker that asked
//! under the same name, and to others only after [`AskTell::release`]: nobody's silence is taken for
//! death.

mod error;
mod request;
#[cfg(test)]
mod simulation;
mod tell;

pub use error::AskError;
pub use request::{Place, StudyRequest};
pub use tell::{Decided, Elsewhere, NotAdded, Told};

use crate::algorithms::ALGORITHMS;
use crate::clock::{host_name, now_ms};
use crate::engine::{EventLog, Resolved, beginning, resolve, sampler_for};
use crate::study::has_begun;
use crate::warm::WarmStart;
use automl_core::{
    Asked, AttemptEnd, AttemptNumber, EndReason, Event, Fidelity, Outcome, Params, Study, Trial, TrialId,
    TrialState,
};
use automl_sampler::Sampler;
use automl_scheduler::{Decision, Scheduler, scheduler_for};
use automl_store::StudyLock;

/// Trials that one question may ask for.
const COUNT_MAX: usize = 10_000;

/// A study to be asked and told.
pub struct AskTell {
    log: EventLog,
    scheduler: Box<dyn Scheduler>,
    sampler: Box<dyn Sampler>,
    notes: Vec<String>,
    /// Held as long as the study is open; none in memory.
    _lock: Option<StudyLock>,
}

/// What an ask is answered with.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Trials to run, at least one.
    Trials(Vec<Handed>),
    /// Nothing can be started before a running trial has been told.
    Wait,
    /// Nothing is left to do.
    Done(EndReason),
}

/// A trial as it is handed out.
#[derive(Clone, Debug, PartialEq)]
pub struct Handed {
    /// Its number.
    pub trial: TrialId,
    /// Its values.
    pub params: Params,
    /// Fidelity to run it to, where the study has several.
    pub fidelity: Option<Fidelity>,
    /// Fidelity that it was run to before, to be carried on from.
    pub resume_from: Option<Fidelity>,
    /// The trial whose checkpoint at that fidelity it carries on from, where it has none of its own yet.
    pub resume_trial: Option<TrialId>,
}

impl AskTell {
    /// Begins a study, or opens the one of that name with the same space, objectives, constraints and
    /// fidelities.
    ///
    /// # Errors
    /// If the request makes no sense, the existing study is another one or held by another process, or
    /// its folder cannot be written.
    pub fn create(place: &Place, request: StudyRequest) -> Result<Self, AskError> {
        let settings = request.settings(place)?;
        if let Place::Folder(root) = place {
            let dir = crate::StudyDir::new(root, &settings.study);
            if has_begun(&dir) {
                let mut opened = Self::open(&dir)?;
                opened.carry_on(&settings)?;
                return Ok(opened);
            }
            let (log, lock) = crate::study::begin(&dir, settings, &WarmStart::default())?;
            return Self::start(log, Some(lock), Vec::new());
        }
        let store = Box::new(automl_store::MemoryStore::new());
        let log = EventLog::create(store, crate::study::created(settings), [])?;
        Self::start(log, None, Vec::new())
    }

    /// Creates the study again that is open: the same request carries it on, with more trials where it
    /// asks for more.
    ///
    /// # Errors
    /// If the request makes no sense, or asks for something else under the same name.
    pub fn create_again(&mut self, request: StudyRequest) -> Result<(), AskError> {
        let settings = request.settings(&Place::Memory)?;
        self.carry_on(&settings)
    }

    fn carry_on(&mut self, asked: &automl_core::StudySettings) -> Result<(), AskError> {
        request::same_question(self.study(), asked)?;
        self.extend(asked.budget())
    }

    /// Opens an existing study.
    ///
    /// # Errors
    /// If there is none, another process holds it, its store is damaged beyond repair, or its trials are
    /// run by an engine.
    pub fn open(dir: &crate::StudyDir) -> Result<Self, AskError> {
        let (log, lock, notes) = crate::study::reopen(dir)?;
        if !log.study().settings.recipe.is_null() {
            return Err(AskError::HasProgram { study: dir.name() });
        }
        Self::start(log, Some(lock), notes)
    }

    fn start(log: EventLog, lock: Option<StudyLock>, notes: Vec<String>) -> Result<Self, AskError> {
        let algorithm = log.study().settings.algorithm;
        let (scheduler, sampler) = (scheduler_for(algorithm), sampler_for(algorithm));
        let mut study = AskTell { log, scheduler, sampler, notes, _lock: lock };
        let epoch = study.study().engine_epoch + 1;
        let slots = study.study().settings.resources.parallel.unwrap_or(1);
        let (version, host, pid) = (env!("CARGO_PKG_VERSION").to_string(), host_name(), std::process::id());
        study.commit(vec![Event::EngineStarted {
            epoch,
            version,
            algorithms: ALGORITHMS,
            host,
            pid,
            slots,
        }])?;
        Ok(study)
    }

    /// Returns the state of the study: its trials, its incumbent, its front.
    #[must_use]
    pub fn study(&self) -> &Study {
        self.log.study()
    }

    /// Returns what had to be mended to open the study, for people.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Hands out `count` trials. Those that `worker` holds already come first, again; then what the
    /// user enqueued; then what the algorithm proposes.
    ///
    /// # Errors
    /// If `count` is 0 or too large, or the answer cannot be made durable; nothing is handed out then.
    pub fn ask(&mut self, count: usize, worker: Option<&str>) -> Result<Answer, AskError> {
        if count == 0 || count > COUNT_MAX {
            return Err(AskError::Count { count, max: COUNT_MAX });
        }
        let mut trials: Vec<TrialId> = self.held_by(worker).take(count).collect();
        if trials.len() < count {
            let wanted = count - trials.len();
            let handed = self.hand_out(wanted, worker);
            trials.extend(self.or_roll_back(handed)?);
        }
        if trials.is_empty() {
            return self.idle();
        }
        Ok(Answer::Trials(trials.iter().map(|trial| self.handed(*trial)).collect()))
    }

    /// Puts a configuration first in line. Parameters left out get their defaults. Returns how many
    /// configurations wait now.
    ///
    /// # Errors
    /// If the configuration does not fit the space.
    pub fn enqueue(&mut self, params: &Params) -> Result<usize, AskError> {
        let params = self.study().settings.space.complete(params).map_err(AskError::Params)?;
        self.commit(vec![Event::Enqueued { params, wish: None }])?;
        Ok(self.study().queue.len())
    }

    /// Gives trials that were handed out back, to be handed out again: one of them, or all of a worker.
    /// Returns which.
    ///
    /// # Errors
    /// If the trial is not open.
    pub fn release(
        &mut self,
        trial: Option<TrialId>,
        worker: Option<&str>,
    ) -> Result<Vec<TrialId>, AskError> {
        let trials: Vec<TrialId> = match trial {
            Some(trial) => vec![self.open_attempt(trial).map(|_| trial)?],
            None => self.held_by(worker).collect(),
        };
        let reason = "released: whoever ran it is gone";
        let mut events = Vec::new();
        for trial in &trials {
            let (attempt, _) = self.open_attempt(*trial)?;
            events.push(interrupted(*trial, attempt, reason));
        }
        self.commit(events)?;
        Ok(trials)
    }

    /// Open trials of a worker, oldest first.
    fn held_by(&self, worker: Option<&str>) -> impl Iterator<Item = TrialId> {
        let held = move |trial: &&Trial| {
            let open = trial.running_attempt();
            worker.is_some() && open.is_some_and(|attempt| attempt.worker.as_deref() == worker)
        };
        self.study().in_state(TrialState::Running).filter(held).map(|trial| trial.id)
    }

    /// Starts up to `wanted` trials and makes that durable.
    fn hand_out(&mut self, wanted: usize, worker: Option<&str>) -> Result<Vec<TrialId>, AskError> {
        let mut started = Vec::new();
        // A scheduler may decide for fewer than it is asked for, and go on when that has been done.
        while started.len() < wanted && self.study().ended.is_none() {
            let (free, before) = (wanted - started.len(), started.len());
            let asked = Asked { after: self.log.last_seq(), free: u32::try_from(free).unwrap_or(u32::MAX) };
            for decision in self.scheduler.decide(self.study(), free) {
                let Some(trial) = self.carry_out(decision, asked, worker)? else { break };
                started.push(trial);
            }
            if started.len() == before {
                break;
            }
        }
        self.log.commit()?;
        Ok(started)
    }

    /// Starts what a decision names; `None` where it ends the study or no configuration is left.
    fn carry_out(
        &mut self,
        decision: Decision,
        asked: Asked,
        worker: Option<&str>,
    ) -> Result<Option<TrialId>, AskError> {
        let Ok(resolved) = resolve(self.study(), &*self.sampler, decision) else {
            if self.study().in_state(TrialState::Running).next().is_none() {
                self.record(Event::StudyEnded { reason: EndReason::Exhausted })?;
            }
            return Ok(None);
        };
        let (trial, until, why) = match resolved {
            Resolved::End(reason) => {
                self.record(Event::StudyEnded { reason })?;
                return Ok(None);
            }
            Resolved::Run { trial, until, why } => (trial, until, why),
            Resolved::Start { suggestion, bracket, until, takeover } => {
                let trial = self.study().next_trial();
                let nowhere = |_, source: &str| source.to_string();
                let events = beginning(self.study(), suggestion, bracket, takeover, nowhere);
                events.into_iter().try_for_each(|event| self.record(event))?;
                (trial, until, None)
            }
        };
        let attempt = self.study().trials[&trial].next_attempt();
        self.record(Event::AttemptStarted {
            trial,
            attempt,
            until,
            resume_from: None,
            slot: 0,
            log_offsets: Vec::new(),
            worker: worker.map(String::from),
            why,
            asked: Some(asked),
        })?;
        Ok(Some(trial))
    }

    /// The answer where nothing can be handed out: done if no result of the open trials could change
    /// that, wait otherwise.
    fn idle(&self) -> Result<Answer, AskError> {
        if let Some(reason) = self.study().ended {
            return Ok(Answer::Done(reason));
        }
        let mut settled = self.study().clone();
        let open: Vec<_> = settled.in_state(TrialState::Running).filter_map(open_of).collect();
        for (trial, attempt, fidelity) in open {
            let (value, further) = (0.0, automl_core::Further::default());
            let outcome = Outcome::Reached { fidelity, value, checkpoint: None, further };
            let event = ended(trial, attempt, outcome);
            let record = automl_core::Record { at: settled.updated_at, event };
            settled.apply(&record).expect("an open attempt can end");
        }
        match self.scheduler.decide(&settled, 1).first() {
            Some(Decision::End(reason)) => Ok(Answer::Done(*reason)),
            Some(decision) if resolve(&settled, &*self.sampler, decision.clone()).is_err() => {
                Ok(Answer::Done(EndReason::Exhausted))
            }
            Some(
                Decision::Start { .. } | Decision::Run { .. } | Decision::Breed(_) | Decision::Choose(_),
            )
            | None => Ok(Answer::Wait),
        }
    }

    fn handed(&self, trial: TrialId) -> Handed {
        let study = self.study();
        let known = &study.trials[&trial];
        let plan = &study.settings.fidelity;
        let attempt = known.running_attempt().expect("a handed-out trial is running");
        Handed {
            trial,
            params: known.params.clone(),
            fidelity: (plan.min < plan.max).then_some(attempt.until),
            resume_from: known.trained(),
            resume_trial: known.inherited.as_ref().filter(|_| known.reached.is_empty()).map(|i| i.from),
        }
    }

    /// Gives the study more trials where more are asked for than it has. Whoever names no number asks for no
    /// other one.
    fn extend(&mut self, trials: Option<u64>) -> Result<(), AskError> {
        let Some(asked) = trials.filter(|asked| *asked > self.study().settings.trials) else {
            return Ok(());
        };
        self.commit(vec![Event::BudgetChanged {
            trials: Some(asked),
            timeout_ms: None,
            gpu_time_ms: None,
            parallel: None,
        }])
    }

    fn open_attempt(&self, trial: TrialId) -> Result<(AttemptNumber, Fidelity), AskError> {
        let known = self.study().trials.get(&trial).ok_or_else(|| self.unknown(trial))?;
        open_of(known)
            .map(|(_, number, until)| (number, until))
            .ok_or_else(|| AskError::NotOpen { trial, first: told_before(self.study(), known) })
    }

    fn unknown(&self, trial: TrialId) -> AskError {
        AskError::UnknownTrial { trial, last: self.study().next_trial().0 - 1 }
    }

    fn record(&mut self, event: Event) -> Result<(), AskError> {
        Ok(self.log.record(now_ms(), event)?)
    }

    /// Records events and makes them durable: all of them or none.
    fn commit(&mut self, events: Vec<Event>) -> Result<(), AskError> {
        let recorded = events.into_iter().try_for_each(|event| self.record(event));
        let committed = recorded.and_then(|()| Ok(self.log.commit().map(drop)?));
        self.or_roll_back(committed)
    }

    /// What was not made durable has not happened.
    fn or_roll_back<T>(&mut self, result: Result<T, AskError>) -> Result<T, AskError> {
        if result.is_err() {
            self.log.roll_back()?;
        }
        result
    }
}

fn open_of(trial: &Trial) -> Option<(TrialId, AttemptNumber, Fidelity)> {
    trial.running_attempt().map(|attempt| (trial.id, attempt.number, attempt.until))
}

fn ended(trial: TrialId, attempt: AttemptNumber, outcome: Outcome) -> Event {
    Event::AttemptEnded { trial, attempt, end: AttemptEnd::unmeasured(outcome) }
}

fn interrupted(trial: TrialId, attempt: AttemptNumber, reason: &str) -> Event {
    ended(trial, attempt, Outcome::Interrupted { reason: reason.into(), by_request: true })
}

/// Says what a trial was told first.
fn told_before(study: &Study, trial: &Trial) -> String {
    match (trial.state, trial.value(), &trial.reason) {
        (TrialState::Queued, ..) => "it waits to be handed out".into(),
        (state, Some(value), _) => format!("{state} with {} {value:?}", study.settings.objective.metric),
        (state, None, Some(reason)) => format!("{state}: {reason}"),
        (state, None, None) => state.to_string(),
    }
}
