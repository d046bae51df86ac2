//! A study's state: a pure fold over its log.
//!
//! `apply` is the only way to change a [`Study`]. It checks every transition, so a log that was
//! tampered with, or written by a broken engine, is refused with the first impossible event instead
//! of giving a state that means nothing. Applying a log in one go or in pieces ends in the same state.

use crate::event::{AttemptEnd, EVENT_FORMAT, EndReason, Event, FailureKind, Origin, Outcome, Record};
use crate::fold_error::FoldError;
use crate::ids::{AttemptNumber, Fidelity, TrialId};
use crate::index::{Index, Rank, rank};
use crate::settings::StudySettings;
use crate::space::SearchSpace;
use crate::stored::Reading;
use crate::trial::{Attempt, Dropped, Foreign, Inherited, Series, Trial, TrialState};
use crate::value::Params;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What changed bounds leave behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Rebound {
    /// What the study began with.
    pub first_space: SearchSpace,
    /// The first trial that was proposed, or will be, under the bounds that hold now.
    pub since: TrialId,
}

/// State of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// What was asked for, with later changes of budget and bounds worked in.
    pub settings: StudySettings,
    /// Version of the algorithms that the latest engine decides by; 0 where nobody noted it.
    pub algorithms: u32,
    /// Set once bounds have been changed.
    pub rebound: Option<Box<Rebound>>,
    /// Trials whose values do not belong to the space: from elsewhere, or from before bounds were changed.
    pub outside: BTreeSet<TrialId>,
    /// All trials by number.
    pub trials: BTreeMap<TrialId, Trial>,
    /// Configurations of the user's own that have no trial yet, the next one first.
    pub queue: VecDeque<Params>,
    /// Names of the requests that configurations were enqueued by.
    pub wishes: BTreeSet<String>,
    /// Number of engines that have worked on the study.
    pub engine_epoch: u64,
    /// Number of trials the latest engine runs at a time; 0 before the first.
    pub slots: u32,
    /// Number of reports of the objective so far.
    pub reports: u64,
    /// Why the search is over, if it is.
    pub ended: Option<EndReason>,
    /// Failed trials since the last success.
    pub consecutive_failures: u32,
    /// Trials since the last success that failed because of something that every trial needs.
    pub setup_failures: u32,
    /// GPU time of all attempts that have ended, in milliseconds of one GPU.
    pub gpu_ms: u64,
    /// When the study was created (milliseconds since 1970).
    pub created_at: u64,
    /// When the current engine started.
    pub engine_started_at: u64,
    /// Working time of earlier engines in milliseconds: from their start to their last event.
    pub earlier_engines_ms: u64,
    /// Time of the last event.
    pub updated_at: u64,
    /// Time of the last event that an engine's work left. What users say, which may be between two
    /// engines, is not counted as work.
    pub worked_until: u64,
    pub(crate) index: Index,
}

impl Study {
    /// Folds a whole log.
    ///
    /// # Errors
    /// The first event that cannot be applied.
    pub fn replay<'a>(records: impl IntoIterator<Item = &'a Record>) -> Result<Self, FoldError> {
        let mut records = records.into_iter();
        let mut study = Study::create(records.next().ok_or(FoldError::Empty)?)?;
        for record in records {
            study.apply(record)?;
        }
        Ok(study)
    }

    /// Begins a study from its first event.
    ///
    /// # Errors
    /// If the event is another kind or of a newer format.
    pub fn create(record: &Record) -> Result<Self, FoldError> {
        let Event::StudyCreated { format, settings, .. } = &record.event else {
            return Err(FoldError::NotCreated);
        };
        if *format > EVENT_FORMAT {
            return Err(FoldError::NewerFormat { found: *format, supported: EVENT_FORMAT });
        }
        Ok(Study {
            settings: (**settings).clone(),
            algorithms: 0,
            rebound: None,
            outside: BTreeSet::new(),
            trials: BTreeMap::new(),
            queue: VecDeque::new(),
            wishes: BTreeSet::new(),
            engine_epoch: 0,
            slots: 0,
            reports: 0,
            ended: None,
            consecutive_failures: 0,
            setup_failures: 0,
            gpu_ms: 0,
            created_at: record.at,
            engine_started_at: record.at,
            earlier_engines_ms: 0,
            updated_at: record.at,
            worked_until: record.at,
            index: Index::default(),
        })
    }

    /// Applies one event.
    ///
    /// # Errors
    /// If the event is impossible in this state; the state is then unchanged.
    pub fn apply(&mut self, record: &Record) -> Result<(), FoldError> {
        let at = record.at;
        match &record.event {
            Event::StudyCreated { .. } => return Err(FoldError::CreatedTwice),
            Event::EngineStarted { epoch, slots, algorithms, .. } => {
                self.start_engine(*epoch, *slots, at)?;
                self.algorithms = *algorithms;
            }
            Event::BudgetChanged { trials, timeout_ms, gpu_time_ms, parallel } => {
                self.settings.gpu_time_ms = gpu_time_ms.or(self.settings.gpu_time_ms);
                self.change_budget(*trials, *timeout_ms, *parallel);
            }
            Event::BoundsChanged { space, .. } => self.change_bounds(space)?,
            Event::Enqueued { params, wish } => self.enqueue(params, wish.as_ref()),
            Event::TrialAdded { trial, params, source, comparable, outcome } => {
                let foreign = Foreign { source: source.clone(), comparable: *comparable };
                self.add_foreign(*trial, params, foreign, outcome, at)?;
            }
            Event::TrialStopped { trial, reason } => self.stop_trial(*trial, reason, at)?,
            Event::TrialSuggested { trial, params, bracket, origin } => {
                self.suggest_trial(*trial, params, *bracket, origin, at)?;
            }
            Event::AttemptStarted {
                trial,
                attempt,
                until,
                resume_from,
                slot,
                log_offsets,
                worker,
                why,
                asked: _,
            } => {
                let attempt = Attempt {
                    number: *attempt,
                    until: *until,
                    resume_from: resume_from.clone(),
                    slot: *slot,
                    log_offsets: log_offsets.clone(),
                    worker: worker.clone(),
                    why: why.clone(),
                    started_at: at,
                    ended_at: None,
                    series: Series::default(),
                    end: None,
                };
                self.start_attempt(*trial, attempt)?;
            }
            Event::Measured { trial, attempt, source, line, step, values } => {
                let values = values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
                let (at, step) = (record.at, *step);
                let (trial, attempt, source, line) = (*trial, *attempt, *source, *line);
                return self.measure(&Reading { at, trial, attempt, source, line, step, values });
            }
            Event::StopDecided { trial, attempt, reason } => {
                self.running(*trial, *attempt, "a stop")?.stopping = Some(reason.clone());
            }
            Event::CheckpointsCounted { trial, bytes } => {
                self.own_trial(*trial)?.checkpoint_bytes = Some(*bytes);
            }
            Event::CheckpointsDropped { trial, keep, reason, spared: _ } => {
                self.drop_checkpoints(*trial, keep.as_ref(), reason)?;
            }
            Event::CheckpointLost { trial, reason, .. } => {
                let trial = self.own_trial(*trial)?;
                trial.checkpoint = None;
                trial.inherited = None;
                trial.checkpoint_lost = Some(reason.clone());
            }
            Event::CheckpointInherited { trial, from, fidelity, source, copy } => {
                let inherited = Inherited { from: *from, fidelity: *fidelity, source: source.clone() };
                self.inherit(*trial, inherited, copy.as_ref())?;
            }
            Event::FidelityRaised { max } => self.raise_fidelity(*max)?,
            Event::AttemptEnded { trial, attempt, end } => self.end_attempt(*trial, *attempt, end, at)?,
            Event::StudyEnded { reason } => self.ended = Some(*reason),
        }
        // Checkpoints can be given up at any time, too.
        let said_by_users = matches!(
            record.event,
            Event::BudgetChanged { .. }
                | Event::CheckpointsDropped { .. }
                | Event::CheckpointsCounted { .. }
                | Event::BoundsChanged { .. }
                | Event::Enqueued { .. }
                | Event::TrialAdded { .. }
                | Event::TrialStopped { .. }
                | Event::FidelityRaised { .. }
        );
        if !said_by_users {
            self.worked_until = at;
        }
        self.updated_at = at;
        Ok(())
    }

    /// Applies readings, which are most of every long log, without copying their names.
    pub(crate) fn measure(&mut self, reading: &Reading<'_>) -> Result<(), FoldError> {
        let metric = self.settings.objective.metric.as_str();
        let arrived = reading.step.filter(|_| reading.values.iter().any(|(name, _)| *name == metric));
        let order = self.reports + 1;
        let running = self.running(reading.trial, reading.attempt, "a measurement")?;
        let series = &mut running.last_attempt().series;
        series.push(reading.source, reading.line, reading.step, reading.values.iter().copied());
        if let Some(step) = arrived {
            series.arrive(step, order);
            self.reports = order;
        }
        self.worked_until = reading.at;
        self.updated_at = reading.at;
        Ok(())
    }

    /// Returns the number that the next trial gets.
    #[must_use]
    pub fn next_trial(&self) -> TrialId {
        TrialId(self.trials.last_key_value().map_or(0, |(id, _)| id.0) + 1)
    }

    /// Returns the study's own trials in one state, oldest first.
    pub fn in_state(&self, state: TrialState) -> impl DoubleEndedIterator<Item = &Trial> {
        self.index.in_state(state).filter_map(|id| self.trials.get(&id))
    }

    /// Returns the study's own trials by state, and their results by fidelity.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Returns where a trial's result at a fidelity stands among others there; `None` without a result.
    #[must_use]
    pub fn rank_at(&self, trial: &Trial, fidelity: Fidelity) -> Option<Rank> {
        rank(trial, fidelity, &self.settings)
    }

    /// Returns the number of trials that cost budget: all but those from elsewhere.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.index.trials()
    }

    /// Returns the working time of all engines at an instant, in milliseconds.
    #[must_use]
    pub fn worked_ms(&self, now: u64) -> u64 {
        self.earlier_engines_ms + now.saturating_sub(self.engine_started_at)
    }

    fn start_engine(&mut self, epoch: u64, slots: u32, at: u64) -> Result<(), FoldError> {
        if epoch != self.engine_epoch + 1 {
            return Err(FoldError::EngineOrder { found: epoch, last: self.engine_epoch });
        }
        if self.engine_epoch > 0 {
            self.earlier_engines_ms += self.worked_until.saturating_sub(self.engine_started_at);
        }
        self.engine_epoch = epoch;
        self.engine_started_at = at;
        self.slots = slots;
        Ok(())
    }

    fn change_budget(&mut self, trials: Option<u64>, timeout_ms: Option<u64>, parallel: Option<u32>) {
        if let Some(trials) = trials {
            self.settings.trials = trials;
        }
        if timeout_ms.is_some() {
            self.settings.timeout_ms = timeout_ms;
        }
        if parallel.is_some() {
            self.settings.resources.parallel = parallel;
        }
        if let (Some(parallel), true) = (parallel, self.slots > 0) {
            self.slots = parallel;
        }
        self.ended = None;
        self.consecutive_failures = 0;
        self.setup_failures = 0;
        self.index.wake_all();
    }

    /// Paused trials that lie outside now would never be chosen by a model that knows only what is inside:
    /// they end where they are. A space that was used up may have room again.
    fn change_bounds(&mut self, space: &SearchSpace) -> Result<(), FoldError> {
        let names = |space: &SearchSpace| -> Vec<String> {
            space.parameters().iter().map(|parameter| parameter.name.clone()).collect()
        };
        if names(space) != names(&self.settings.space) {
            return Err(FoldError::OtherParameters);
        }
        let since = self.next_trial();
        let before = std::mem::replace(&mut self.settings.space, space.clone());
        let first_space = self.rebound.take().map_or(before, |rebound| rebound.first_space);
        self.rebound = Some(Box::new(Rebound { first_space, since }));
        let belongs = |trial: &Trial| space.check(&trial.params).is_ok();
        self.outside = self.trials.values().filter(|trial| !belongs(trial)).map(|trial| trial.id).collect();
        for id in &self.outside {
            let trial = self.trials.get_mut(id).expect("it was found among the trials");
            if trial.state == TrialState::Paused {
                self.index.forget(trial, &self.settings);
                trial.give_up_outside();
                self.index.learn(trial, &self.settings);
            }
        }
        if self.ended == Some(EndReason::Exhausted) {
            self.ended = None;
        }
        Ok(())
    }

    /// A request that was read twice, because a crash came before it could be removed, counts once. A space that
    /// was used up has something to be tried again.
    fn enqueue(&mut self, params: &Params, wish: Option<&String>) {
        if wish.is_none_or(|wish| self.wishes.insert(wish.clone())) {
            self.queue.push_back(params.clone());
            if self.ended == Some(EndReason::Exhausted) {
                self.ended = None;
            }
        }
    }

    fn suggest_trial(
        &mut self,
        id: TrialId,
        params: &Params,
        bracket: Option<u32>,
        origin: &Origin,
        at: u64,
    ) -> Result<(), FoldError> {
        if origin.is_enqueued() && self.queue.front() != Some(params) {
            return Err(FoldError::NotEnqueued { trial: id });
        }
        self.add_trial(Trial::new(id, params, bracket, origin, at))?;
        if origin.is_enqueued() {
            self.queue.pop_front();
        }
        Ok(())
    }

    fn add_foreign(
        &mut self,
        id: TrialId,
        params: &Params,
        foreign: Foreign,
        outcome: &Outcome,
        at: u64,
    ) -> Result<(), FoldError> {
        check_finite(id, outcome)?;
        let reason = format!("finished elsewhere: {}", foreign.source);
        let origin = Origin { model: Origin::FOREIGN.into(), reason, ..Origin::default() };
        let mut trial = Trial::new(id, params, None, &origin, at);
        trial.foreign = Some(foreign);
        trial.ended_at = Some(at);
        // Nothing from elsewhere is ever run here, so whatever fidelity it reached is its last.
        trial.settle(outcome, Fidelity(0), 0);
        if !trial.state.is_final() {
            return Err(FoldError::NotFinished { trial: id });
        }
        self.add_trial(trial)
    }

    fn add_trial(&mut self, trial: Trial) -> Result<(), FoldError> {
        let expected = self.next_trial();
        if trial.id != expected {
            return Err(FoldError::TrialOrder { found: trial.id, expected });
        }
        // Under the bounds that a study began with, all of its own trials are inside.
        if (trial.foreign.is_some() || self.rebound.is_some())
            && self.settings.space.check(&trial.params).is_err()
        {
            self.outside.insert(trial.id);
        }
        self.index.learn(&trial, &self.settings);
        self.trials.insert(trial.id, trial);
        Ok(())
    }

    fn stop_trial(&mut self, id: TrialId, reason: &str, at: u64) -> Result<(), FoldError> {
        let trial = self.trials.get_mut(&id).ok_or(FoldError::UnknownTrial { trial: id })?;
        if !matches!(trial.state, TrialState::Queued | TrialState::Paused) {
            return Err(FoldError::NotStoppable { trial: id, state: trial.state });
        }
        self.index.forget(trial, &self.settings);
        trial.state = TrialState::Stopped;
        trial.reason = Some(reason.into());
        trial.ended_at = Some(at);
        self.index.learn(trial, &self.settings);
        Ok(())
    }

    fn start_attempt(&mut self, id: TrialId, attempt: Attempt) -> Result<(), FoldError> {
        let trial = self.trials.get_mut(&id).ok_or(FoldError::UnknownTrial { trial: id })?;
        let may_start = matches!(trial.state, TrialState::Queued | TrialState::Paused);
        if !may_start || attempt.number != trial.next_attempt() {
            let (attempt, state) = (attempt.number, trial.state);
            return Err(FoldError::Impossible { trial: id, attempt, what: "a start", state });
        }
        self.index.forget(trial, &self.settings);
        // Most trials have one attempt, and a list that grows by itself has room for four.
        trial.attempts.reserve_exact(1);
        trial.attempts.push(attempt);
        trial.state = TrialState::Running;
        trial.reason = None;
        trial.dropped = None;
        self.index.learn(trial, &self.settings);
        Ok(())
    }

    fn own_trial(&mut self, id: TrialId) -> Result<&mut Trial, FoldError> {
        self.trials.get_mut(&id).ok_or(FoldError::UnknownTrial { trial: id })
    }

    /// Nothing that may still be carried on from is ever dropped.
    fn drop_checkpoints(
        &mut self,
        id: TrialId,
        keep: Option<&String>,
        reason: &str,
    ) -> Result<(), FoldError> {
        let trial = self.own_trial(id)?;
        if matches!(trial.state, TrialState::Queued | TrialState::Running) {
            return Err(FoldError::CheckpointNeeded { trial: id, state: trial.state });
        }
        trial.checkpoint = keep.cloned();
        trial.checkpoint_bytes = None;
        trial.dropped = Some(Dropped { keep: keep.cloned(), reason: reason.into() });
        Ok(())
    }

    /// Only a trial that has not run yet begins from another one's checkpoint, and only from where that one got.
    fn inherit(&mut self, id: TrialId, inherited: Inherited, copy: Option<&String>) -> Result<(), FoldError> {
        let from = inherited.from;
        let parent = self.trials.get(&from).ok_or(FoldError::UnknownTrial { trial: from })?;
        let there = parent.reached.contains_key(&inherited.fidelity);
        let trial = self.own_trial(id)?;
        if !there || trial.state != TrialState::Queued || !trial.attempts.is_empty() {
            return Err(FoldError::NotInheritable { trial: id, from });
        }
        trial.inherited = Some(inherited);
        trial.checkpoint = copy.cloned();
        Ok(())
    }

    /// Trials that had reached the largest fidelity are on their way again.
    fn raise_fidelity(&mut self, max: Fidelity) -> Result<(), FoldError> {
        let old = self.settings.fidelity.max;
        if max <= old {
            return Err(FoldError::FidelityNotRaised { found: max, max: old });
        }
        let plan = &mut self.settings.fidelity;
        plan.base.get_or_insert(old);
        plan.max = max;
        for trial in self.trials.values_mut().filter(|trial| trial.foreign.is_none()) {
            if trial.state == TrialState::Complete {
                self.index.forget(trial, &self.settings);
                trial.state = TrialState::Paused;
                if self.outside.contains(&trial.id) {
                    trial.give_up_outside();
                }
                self.index.learn(trial, &self.settings);
            }
        }
        self.index.wake_all();
        self.ended = None;
        Ok(())
    }

    fn running(
        &mut self,
        id: TrialId,
        attempt: AttemptNumber,
        what: &'static str,
    ) -> Result<&mut Trial, FoldError> {
        let trial = self.trials.get_mut(&id).ok_or(FoldError::UnknownTrial { trial: id })?;
        if trial.running_attempt().is_none_or(|a| a.number != attempt) {
            return Err(FoldError::Impossible { trial: id, attempt, what, state: trial.state });
        }
        Ok(trial)
    }

    fn end_attempt(
        &mut self,
        id: TrialId,
        attempt: AttemptNumber,
        end: &AttemptEnd,
        at: u64,
    ) -> Result<(), FoldError> {
        check_finite(id, &end.outcome)?;
        self.running(id, attempt, "an end")?;
        let settings = &self.settings;
        let trial = self.trials.get_mut(&id).expect("a running trial is known");
        self.gpu_ms = self.gpu_ms.saturating_add(end.gpu.map_or(0, |gpu| gpu.ms));
        self.index.forget(trial, settings);
        trial.finish_attempt(end, at);
        trial.settle(&end.outcome, settings.fidelity.max, settings.retries);
        if trial.state == TrialState::Paused && self.outside.contains(&id) {
            trial.give_up_outside();
        }
        self.index.learn(trial, settings);
        match trial.state {
            TrialState::Failed => {
                self.consecutive_failures += 1;
                self.setup_failures += u32::from(trial.failure() == Some(FailureKind::Setup));
            }
            TrialState::Complete | TrialState::Paused | TrialState::Stopped => {
                self.consecutive_failures = 0;
                self.setup_failures = 0;
            }
            _ => {}
        }
        Ok(())
    }
}

fn check_finite(trial: TrialId, outcome: &Outcome) -> Result<(), FoldError> {
    let Outcome::Reached { value, further, .. } = outcome else { return Ok(()) };
    match std::iter::once(*value).chain(further.values()).find(|value| !value.is_finite()) {
        Some(value) => Err(FoldError::NotFinite { trial, value }),
        None => Ok(()),
    }
}
