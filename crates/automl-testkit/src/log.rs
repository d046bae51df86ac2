//! Event logs built step by step.

use automl_core::{
    Algorithm, AttemptEnd, AttemptNumber, Direction, Distribution, EVENT_FORMAT, Event, FailureKind,
    Fidelity, FidelityPlan, FoldError, Further, Limits, Objective, Origin, Outcome, Parameter, Params,
    Record, Resources, Scale, SearchSpace, Study, StudySettings, TrialId, TrialState,
};

/// Returns settings of a small study: one parameter `lr` in [0, 1], metric `acc` maximised, ten
/// trials, fidelities 1 to 9 with factor 3, one retry.
///
/// # Panics
/// Never: the space is sound.
#[must_use]
pub fn settings(algorithm: Algorithm) -> StudySettings {
    let lr = Distribution::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: None };
    StudySettings {
        study: "s".into(),
        tag: "00000000".into(),
        space: SearchSpace::new(vec![Parameter::new("lr", lr)]).expect("a sound space"),
        objective: Objective { metric: "acc".into(), direction: Direction::Maximize },
        further_objectives: Vec::new(),
        constraints: Vec::new(),
        algorithm,
        seed: 1,
        trials: 10,
        timeout_ms: None,
        gpu_time_ms: None,
        fidelity: FidelityPlan {
            unit: "epoch".into(),
            min: Fidelity(1),
            max: Fidelity(9),
            reduction_factor: 3,
            resumable: true,
            base: None,
            full_first: FidelityPlan::FULL_FIRST,
        },
        retries: 1,
        max_consecutive_failures: 5,
        limits: Limits { grace_ms: 1000, ..Limits::default() },
        resources: Resources { gpus: "none".into(), gpus_per_trial: 1.0, parallel: None },
        conduct: Default::default(),
        workdir: "/".into(),
        recipe: serde_json::Value::Null,
    }
}

/// A log under construction; every step is 10 ms after the one before.
#[derive(Clone, Debug)]
pub struct Log {
    /// The records so far.
    pub records: Vec<Record>,
}

impl Log {
    /// Begins a log with the study's creation and its first engine.
    #[must_use]
    pub fn new(settings: StudySettings) -> Self {
        let created =
            Event::StudyCreated { format: EVENT_FORMAT, version: "0".into(), settings: Box::new(settings) };
        Log { records: vec![Record { at: 0, event: created }] }.engine(1)
    }

    /// Adds any event.
    #[must_use]
    pub fn with(mut self, event: Event) -> Self {
        self.push(event);
        self
    }

    /// Adds any event in place.
    pub fn push(&mut self, event: Event) {
        self.records.push(Record { at: self.records.len() as u64 * 10, event });
    }

    /// Adds the start of an engine.
    #[must_use]
    pub fn engine(self, epoch: u64) -> Self {
        self.with(Event::EngineStarted {
            epoch,
            version: "0".into(),
            algorithms: 0,
            host: "h".into(),
            pid: 1,
            slots: 2,
        })
    }

    /// Adds a trial without parameters.
    #[must_use]
    pub fn suggest(self, trial: u64) -> Self {
        self.with(Event::TrialSuggested {
            trial: TrialId(trial),
            params: Params::default(),
            bracket: None,
            origin: Origin { model: "random".into(), ..Origin::default() },
        })
    }

    /// Adds the start of an attempt.
    #[must_use]
    pub fn start(self, trial: u64, attempt: u32, until: u64) -> Self {
        self.with(Event::AttemptStarted {
            trial: TrialId(trial),
            attempt: AttemptNumber(attempt),
            until: Fidelity(until),
            resume_from: None,
            slot: 0,
            log_offsets: Vec::new(),
            worker: None,
            why: None,
            asked: None,
        })
    }

    /// Adds the end of an attempt.
    #[must_use]
    pub fn end(self, trial: u64, attempt: u32, outcome: Outcome) -> Self {
        let end = AttemptEnd::unmeasured(outcome);
        self.with(Event::AttemptEnded { trial: TrialId(trial), attempt: AttemptNumber(attempt), end })
    }

    /// Adds the end of an attempt that reached its target.
    #[must_use]
    pub fn reach(self, trial: u64, attempt: u32, fidelity: u64, value: f64) -> Self {
        self.end(
            trial,
            attempt,
            Outcome::Reached {
                fidelity: Fidelity(fidelity),
                value,
                checkpoint: None,
                further: Further::default(),
            },
        )
    }

    /// Adds the end of an attempt that failed.
    #[must_use]
    pub fn fail(self, trial: u64, attempt: u32, kind: FailureKind) -> Self {
        self.end(trial, attempt, Outcome::Failed { kind, reason: "boom".into() })
    }

    /// Folds the log.
    ///
    /// # Errors
    /// The first event that cannot be applied.
    pub fn study(&self) -> Result<Study, FoldError> {
        Study::replay(&self.records)
    }

    /// Returns a trial's state.
    ///
    /// # Panics
    /// If the log cannot be folded or has no such trial.
    #[must_use]
    pub fn state(&self, trial: u64) -> TrialState {
        self.study().expect("a sound log").trials[&TrialId(trial)].state
    }
}
