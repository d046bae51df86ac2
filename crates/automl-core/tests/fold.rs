//! The fold from events to state: transitions, refusals, the incumbent.

use automl_core::{
    Algorithm, AttemptEnd, AttemptNumber, Direction, Distribution, EVENT_FORMAT, EndReason, Event,
    FailureKind, Fidelity, FidelityPlan, FoldError, Objective, Origin, Outcome, Parameter, Params, Record,
    Scale, SearchSpace, Study, StudySettings, TrialId, TrialState,
};

fn settings() -> StudySettings {
    let lr = Distribution::Float {
        low: 0.0,
        high: 1.0,
        scale: Scale::Linear,
        step: None,
    };
    StudySettings {
        study: "s".into(),
        tag: "00000000".into(),
        space: SearchSpace::new(vec![Parameter::new("lr", lr)]).unwrap(),
        objective: Objective {
            metric: "acc".into(),
            direction: Direction::Maximize,
        },
        algorithm: Algorithm::Hyperband,
        seed: 1,
        trials: 10,
        timeout_ms: None,
        fidelity: FidelityPlan {
            unit: "epoch".into(),
            min: Fidelity(1),
            max: Fidelity(9),
            reduction_factor: 3,
            resumable: true,
        },
        retries: 1,
        max_consecutive_failures: 5,
        recipe: serde_json::Value::Null,
    }
}

struct Log {
    records: Vec<Record>,
}

impl Log {
    fn new() -> Self {
        let created = Event::StudyCreated {
            format: EVENT_FORMAT,
            version: "0".into(),
            settings: Box::new(settings()),
        };
        Log {
            records: vec![Record {
                at: 0,
                event: created,
            }],
        }
        .engine(1)
    }

    fn with(mut self, event: Event) -> Self {
        self.records.push(Record {
            at: self.records.len() as u64 * 10,
            event,
        });
        self
    }

    fn engine(self, epoch: u64) -> Self {
        self.with(Event::EngineStarted {
            epoch,
            version: "0".into(),
            host: "h".into(),
            pid: 1,
        })
    }

    fn suggest(self, trial: u64) -> Self {
        let origin = Origin {
            model: "random".into(),
            ..Origin::default()
        };
        self.with(Event::TrialSuggested {
            trial: TrialId(trial),
            params: Params::default(),
            bracket: None,
            origin,
        })
    }

    fn start(self, trial: u64, attempt: u32, until: u64) -> Self {
        self.with(Event::AttemptStarted {
            trial: TrialId(trial),
            attempt: AttemptNumber(attempt),
            until: Fidelity(until),
            resume_from: None,
            slot: 0,
        })
    }

    fn end(self, trial: u64, attempt: u32, outcome: Outcome) -> Self {
        let end = AttemptEnd {
            outcome,
            cpu_ms: None,
            max_rss_kib: None,
        };
        self.with(Event::AttemptEnded {
            trial: TrialId(trial),
            attempt: AttemptNumber(attempt),
            end,
        })
    }

    fn reach(self, trial: u64, attempt: u32, fidelity: u64, value: f64) -> Self {
        self.end(
            trial,
            attempt,
            Outcome::Reached {
                fidelity: Fidelity(fidelity),
                value,
                checkpoint: None,
            },
        )
    }

    fn fail(self, trial: u64, attempt: u32, kind: FailureKind) -> Self {
        self.end(
            trial,
            attempt,
            Outcome::Failed {
                kind,
                reason: "boom".into(),
            },
        )
    }

    fn study(&self) -> Result<Study, FoldError> {
        Study::replay(&self.records)
    }

    fn state(&self, trial: u64) -> TrialState {
        self.study().unwrap().trials[&TrialId(trial)].state
    }
}

#[test]
fn trial_pauses_below_the_largest_fidelity() {
    let paused = Log::new().suggest(1).start(1, 1, 3).reach(1, 1, 3, 0.5);
    assert_eq!(paused.state(1), TrialState::Paused);
    let complete = paused.start(1, 2, 9).reach(1, 2, 9, 0.6);
    assert_eq!(complete.state(1), TrialState::Complete);
    let study = complete.study().unwrap();
    let trial = &study.trials[&TrialId(1)];
    assert_eq!((trial.value(), trial.fidelity()), (Some(0.6), Some(Fidelity(9))));
}

#[test]
fn transient_failures_are_retried_as_often_as_asked() {
    let once = Log::new().suggest(1).start(1, 1, 9).fail(1, 1, FailureKind::Exit);
    assert_eq!(once.state(1), TrialState::Queued);
    let twice = once.start(1, 2, 9).fail(1, 2, FailureKind::Exit);
    assert_eq!(twice.state(1), TrialState::Failed);
    assert_eq!(twice.study().unwrap().consecutive_failures, 1);
}

#[test]
fn diverged_trials_are_not_retried() {
    let log = Log::new()
        .suggest(1)
        .start(1, 1, 9)
        .fail(1, 1, FailureKind::NotFinite);
    assert_eq!(log.state(1), TrialState::Failed);
    assert_eq!(
        log.study().unwrap().trials[&TrialId(1)].failure(),
        Some(FailureKind::NotFinite)
    );
}

#[test]
fn lost_trials_are_queued_until_lost_too_often() {
    let lost = || Outcome::Interrupted {
        reason: "gone".into(),
        by_request: false,
    };
    let mut log = Log::new().suggest(1);
    for attempt in 1..=3 {
        log = log.start(1, attempt, 9).end(1, attempt, lost());
        assert_eq!(log.state(1), TrialState::Queued, "attempt {attempt}");
    }
    log = log.start(1, 4, 9).end(1, 4, lost());
    assert_eq!(log.state(1), TrialState::Failed);
    assert_eq!(
        log.study().unwrap().trials[&TrialId(1)].failure(),
        Some(FailureKind::Lost)
    );
}

#[test]
fn interruptions_on_request_never_fail_a_trial() {
    let mut log = Log::new().suggest(1);
    for attempt in 1..=9 {
        log = log.start(1, attempt, 9).end(
            1,
            attempt,
            Outcome::Interrupted {
                reason: "stop".into(),
                by_request: true,
            },
        );
    }
    assert_eq!(log.state(1), TrialState::Queued);
}

#[test]
fn impossible_events_are_refused_and_change_nothing() {
    let log = Log::new().suggest(1).start(1, 1, 9).reach(1, 1, 9, 0.5);
    let mut study = log.study().unwrap();
    let before = study.clone();
    let bad = [
        Log::new().suggest(3),
        Log::new().start(1, 2, 9),
        Log::new().reach(1, 1, 9, 0.7),
        Log::new().start(2, 1, 9),
        Log::new().engine(3),
        Log::new(),
    ];
    for log in bad {
        let record = log.records.last().unwrap();
        assert!(study.apply(record).is_err(), "{record:?}");
        assert_eq!(study, before);
    }
    assert_eq!(study.apply(&log.records[0]), Err(FoldError::CreatedTwice));
}

#[test]
fn double_tell_names_the_trial() {
    let log = Log::new()
        .suggest(1)
        .start(1, 1, 9)
        .reach(1, 1, 9, 0.5)
        .reach(1, 1, 9, 0.6);
    assert_eq!(
        log.study().unwrap_err().to_string(),
        "trial 1, attempt 1: an end is impossible while the trial is complete"
    );
}

#[test]
fn nan_is_never_a_result() {
    let log = Log::new().suggest(1).start(1, 1, 9).reach(1, 1, 9, f64::NAN);
    assert!(matches!(log.study(), Err(FoldError::NotFinite { .. })));
}

#[test]
fn newer_logs_are_refused() {
    let event = Event::StudyCreated {
        format: EVENT_FORMAT + 1,
        version: "9".into(),
        settings: Box::new(settings()),
    };
    let error = Study::replay(&[Record { at: 0, event }]).unwrap_err();
    assert!(error.to_string().contains("use a newer automl"), "{error}");
}

#[test]
fn incumbent_is_the_best_at_the_highest_fidelity() {
    let log = Log::new().suggest(1).suggest(2).suggest(3);
    let log = log.start(1, 1, 3).reach(1, 1, 3, 0.99);
    assert_eq!(log.study().unwrap().incumbent().unwrap().id, TrialId(1));
    let log = log
        .start(2, 1, 9)
        .reach(2, 1, 9, 0.5)
        .start(3, 1, 9)
        .reach(3, 1, 9, 0.5);
    assert_eq!(
        log.study().unwrap().incumbent().unwrap().id,
        TrialId(2),
        "ties go to the older trial"
    );
}

#[test]
fn working_time_skips_the_pauses_between_engines() {
    let log = Log::new().suggest(1).engine(2);
    let study = log.study().unwrap();
    assert_eq!(study.earlier_engines_ms, 10);
    assert_eq!(study.worked_ms(study.engine_started_at + 5), 15);
}

#[test]
fn a_larger_budget_reopens_the_study() {
    let ended = Log::new().with(Event::StudyEnded {
        reason: EndReason::Budget,
    });
    assert_eq!(ended.study().unwrap().ended, Some(EndReason::Budget));
    let study = ended
        .with(Event::BudgetChanged {
            trials: Some(40),
            timeout_ms: None,
        })
        .study()
        .unwrap();
    assert_eq!((study.ended, study.settings.trials), (None, 40));
}

#[test]
fn every_cut_of_a_log_folds_to_the_same_end() {
    let log = Log::new()
        .suggest(1)
        .start(1, 1, 3)
        .reach(1, 1, 3, 0.5)
        .suggest(2)
        .start(2, 1, 3)
        .fail(2, 1, FailureKind::Exit);
    let whole = log.study().unwrap();
    for cut in 1..log.records.len() {
        let mut study = Study::replay(&log.records[..cut]).unwrap();
        for record in &log.records[cut..] {
            study.apply(record).unwrap();
        }
        assert_eq!(study, whole, "cut at {cut}");
    }
}
