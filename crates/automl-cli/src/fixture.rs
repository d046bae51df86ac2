//! A small study in the middle of its search, for tests of what is shown.

use automl_core::{
    Algorithm, AttemptEnd, AttemptNumber, Direction, Distribution, EVENT_FORMAT, Event, FailureKind,
    Fidelity, FidelityPlan, Further, Limits, Objective, Origin, Outcome, ParamValue, Parameter, Params,
    Record, Resources, Scale, SearchSpace, Study, StudySettings, TrialId,
};

/// When the study of [`study`] was created.
pub(crate) const CREATED: u64 = 1_700_000_000_000;

fn settings() -> StudySettings {
    let lr = Distribution::Float { low: 1e-5, high: 0.1, scale: Scale::Log, step: None };
    let choices = vec![ParamValue::Text("relu".into()), ParamValue::Text("gelu".into())];
    let act = Distribution::Categorical { choices, weights: None };
    StudySettings {
        study: "demo-1".into(),
        tag: "0000000a".into(),
        space: SearchSpace::new(vec![Parameter::new("lr", lr), Parameter::new("act", act)]).unwrap(),
        objective: Objective { metric: "loss".into(), direction: Direction::Minimize },
        further_objectives: Vec::new(),
        constraints: Vec::new(),
        algorithm: Algorithm::Bayesian,
        seed: 0,
        trials: 6,
        timeout_ms: None,
        gpu_time_ms: None,
        fidelity: FidelityPlan {
            unit: "epoch".into(),
            min: Fidelity(1),
            max: Fidelity(3),
            reduction_factor: 3,
            resumable: true,
            base: None,
            full_first: FidelityPlan::FULL_FIRST,
        },
        retries: 1,
        max_consecutive_failures: 5,
        limits: Limits { grace_ms: 1000, ..Limits::default() },
        resources: Resources { gpus: "none".into(), gpus_per_trial: 1.0, parallel: Some(2) },
        conduct: Default::default(),
        workdir: "/".into(),
        recipe: serde_json::json!({}),
    }
}

fn suggested(trial: u64, lr: f64, act: &str, model: &str) -> Event {
    let params: Params =
        [("lr".to_string(), ParamValue::Float(lr)), ("act".to_string(), ParamValue::Text(act.into()))]
            .into_iter()
            .collect();
    let origin = Origin { model: model.into(), reason: "the start".into(), ..Origin::default() };
    Event::TrialSuggested { trial: TrialId(trial), params, bracket: None, origin }
}

fn started(trial: u64) -> Event {
    Event::AttemptStarted {
        trial: TrialId(trial),
        attempt: AttemptNumber(1),
        until: Fidelity(3),
        resume_from: None,
        slot: 0,
        log_offsets: Vec::new(),
        worker: None,
        why: None,
        asked: None,
    }
}

fn measured(trial: u64, step: u64, value: f64) -> Event {
    Event::Measured {
        trial: TrialId(trial),
        attempt: AttemptNumber(1),
        source: 0,
        line: step,
        step: Some(step),
        values: [("loss".to_string(), value)].into(),
    }
}

fn ended(trial: u64, outcome: Outcome) -> Event {
    let end = AttemptEnd::unmeasured(outcome);
    Event::AttemptEnded { trial: TrialId(trial), attempt: AttemptNumber(1), end }
}

fn reached(trial: u64, value: f64) -> Event {
    ended(
        trial,
        Outcome::Reached { fidelity: Fidelity(3), value, checkpoint: None, further: Further::default() },
    )
}

/// The events of the study: trial 1 is the default (0.5), 2 the best (0.25), 3 failed, 4 runs. Events are
/// two seconds apart.
pub(crate) fn records() -> Vec<Record> {
    let failed = Outcome::Failed {
        kind: FailureKind::OutOfMemory,
        reason: "exit code 17\n| CUDA out of memory".into(),
    };
    let created =
        Event::StudyCreated { format: EVENT_FORMAT, version: "0.1.0".into(), settings: Box::new(settings()) };
    let engine = Event::EngineStarted {
        epoch: 1,
        version: "0.1.0".into(),
        algorithms: 0,
        host: "h".into(),
        pid: 1,
        slots: 2,
    };
    let events = vec![
        created,
        engine,
        suggested(1, 0.001, "relu", "default"),
        started(1),
        measured(1, 1, 0.9),
        measured(1, 3, 0.5),
        reached(1, 0.5),
        suggested(2, 0.012_345_678, "gelu", "sobol"),
        started(2),
        measured(2, 3, 0.25),
        reached(2, 0.25),
        suggested(3, 0.09, "gelu", "gp-logei"),
        started(3),
        ended(3, failed),
        suggested(4, 1e-5, "relu", "gp-logei"),
        started(4),
        measured(4, 1, 0.8),
        measured(4, 2, 0.4),
    ];
    (0..).zip(events).map(|(i, event)| Record { at: CREATED + 2000 * i, event }).collect()
}

/// The state after all of [`records`].
pub(crate) fn study() -> Study {
    Study::replay(&records()).unwrap()
}
