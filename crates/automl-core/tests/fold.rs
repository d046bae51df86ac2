//! The fold from events to state: transitions, refusals, the incumbent.

use automl_core::{
    Algorithm, EVENT_FORMAT, EndReason, Event, FailureKind, Fidelity, FoldError, Outcome, Record, Study,
    TrialId, TrialState,
};
use automl_core::{
    Constraint, Direction, Distribution, Foreign, Further, Objective, Origin, ParamValue, Parameter, Params,
    Scale, SearchSpace,
};
use automl_testkit::{Log, settings};

fn fresh() -> Log {
    Log::new(settings(Algorithm::Hyperband))
}

#[test]
fn trial_pauses_below_the_largest_fidelity() {
    let paused = fresh().suggest(1).start(1, 1, 3).reach(1, 1, 3, 0.5);
    assert_eq!(paused.state(1), TrialState::Paused);
    let complete = paused.start(1, 2, 9).reach(1, 2, 9, 0.6);
    assert_eq!(complete.state(1), TrialState::Complete);
    let study = complete.study().unwrap();
    let trial = &study.trials[&TrialId(1)];
    assert_eq!((trial.value(), trial.fidelity()), (Some(0.6), Some(Fidelity(9))));
}

#[test]
fn transient_failures_are_retried_as_often_as_asked() {
    let once = fresh().suggest(1).start(1, 1, 9).fail(1, 1, FailureKind::Exit);
    assert_eq!(once.state(1), TrialState::Queued);
    let twice = once.start(1, 2, 9).fail(1, 2, FailureKind::Exit);
    assert_eq!(twice.state(1), TrialState::Failed);
    assert_eq!(twice.study().unwrap().consecutive_failures, 1);
}

#[test]
fn diverged_trials_are_not_retried() {
    let log = fresh().suggest(1).start(1, 1, 9).fail(1, 1, FailureKind::NotFinite);
    assert_eq!(log.state(1), TrialState::Failed);
    assert_eq!(log.study().unwrap().trials[&TrialId(1)].failure(), Some(FailureKind::NotFinite));
}

#[test]
fn lost_trials_are_queued_until_lost_too_often() {
    let lost = || Outcome::Interrupted { reason: "gone".into(), by_request: false };
    let mut log = fresh().suggest(1);
    for attempt in 1..=3 {
        log = log.start(1, attempt, 9).end(1, attempt, lost());
        assert_eq!(log.state(1), TrialState::Queued, "attempt {attempt}");
    }
    log = log.start(1, 4, 9).end(1, 4, lost());
    assert_eq!(log.state(1), TrialState::Failed);
    assert_eq!(log.study().unwrap().trials[&TrialId(1)].failure(), Some(FailureKind::Lost));
}

#[test]
fn interruptions_on_request_never_fail_a_trial() {
    let mut log = fresh().suggest(1);
    for attempt in 1..=9 {
        log = log.start(1, attempt, 9).end(
            1,
            attempt,
            Outcome::Interrupted { reason: "stop".into(), by_request: true },
        );
    }
    assert_eq!(log.state(1), TrialState::Queued);
}

#[test]
fn impossible_events_are_refused_and_change_nothing() {
    let log = fresh().suggest(1).start(1, 1, 9).reach(1, 1, 9, 0.5);
    let mut study = log.study().unwrap();
    let before = study.clone();
    let bad = [
        fresh().suggest(3),
        fresh().start(1, 2, 9),
        fresh().reach(1, 1, 9, 0.7),
        fresh().start(2, 1, 9),
        fresh().engine(3),
        fresh(),
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
    let log = fresh().suggest(1).start(1, 1, 9).reach(1, 1, 9, 0.5).reach(1, 1, 9, 0.6);
    assert_eq!(
        log.study().unwrap_err().to_string(),
        "trial 1, attempt 1: an end is impossible while the trial is complete"
    );
}

#[test]
fn nan_is_never_a_result() {
    let log = fresh().suggest(1).start(1, 1, 9).reach(1, 1, 9, f64::NAN);
    assert!(matches!(log.study(), Err(FoldError::NotFinite { .. })));
}

#[test]
fn newer_logs_are_refused() {
    let event = Event::StudyCreated {
        format: EVENT_FORMAT + 1,
        version: "9".into(),
        settings: Box::new(settings(Algorithm::Random)),
    };
    let error = Study::replay(&[Record { at: 0, event }]).unwrap_err();
    assert!(error.to_string().contains("use a newer automl"), "{error}");
}

#[test]
fn incumbent_is_the_best_at_the_highest_fidelity() {
    let log = fresh().suggest(1).suggest(2).suggest(3);
    let log = log.start(1, 1, 3).reach(1, 1, 3, 0.99);
    assert_eq!(log.study().unwrap().incumbent().unwrap().id, TrialId(1));
    let log = log.start(2, 1, 9).reach(2, 1, 9, 0.5).start(3, 1, 9).reach(3, 1, 9, 0.5);
    assert_eq!(log.study().unwrap().incumbent().unwrap().id, TrialId(2), "ties go to the older trial");
}

#[test]
fn working_time_skips_the_pauses_between_engines() {
    let log = fresh().suggest(1).engine(2);
    let study = log.study().unwrap();
    assert_eq!(study.earlier_engines_ms, 10);
    assert_eq!(study.worked_ms(study.engine_started_at + 5), 15);
}

/// Whoever raises the budget, or has checkpoints deleted, long after the engine has ended has not worked in between.
#[test]
fn what_users_say_between_engines_is_no_work() {
    let mut log = fresh().suggest(1).start(1, 1, 9).reach(1, 1, 9, 0.5);
    let last = log.records.last().unwrap().at;
    let raised =
        Event::BudgetChanged { trials: Some(99), timeout_ms: None, gpu_time_ms: None, parallel: None };
    log.records.push(Record { at: last + 3_600_000, event: raised });
    let dropped =
        Event::CheckpointsDropped { trial: TrialId(1), keep: None, reason: "asked for".into(), spared: None };
    log.records.push(Record { at: last + 3_600_005, event: dropped });
    let started = Event::EngineStarted {
        epoch: 2,
        version: "0".into(),
        algorithms: 0,
        host: "h".into(),
        pid: 1,
        slots: 1,
    };
    log.records.push(Record { at: last + 3_600_010, event: started });
    assert_eq!(log.study().unwrap().earlier_engines_ms, 30);
}

#[test]
fn a_larger_budget_reopens_the_study() {
    let ended = fresh().with(Event::StudyEnded { reason: EndReason::Budget });
    assert_eq!(ended.study().unwrap().ended, Some(EndReason::Budget));
    let study = ended
        .with(Event::BudgetChanged { trials: Some(40), timeout_ms: None, gpu_time_ms: None, parallel: None })
        .study()
        .unwrap();
    assert_eq!((study.ended, study.settings.trials), (None, 40));
}

#[test]
fn every_cut_of_a_log_folds_to_the_same_end() {
    let log = fresh().suggest(1).start(1, 1, 3).reach(1, 1, 3, 0.5).suggest(2).start(2, 1, 3).fail(
        2,
        1,
        FailureKind::Exit,
    );
    let whole = log.study().unwrap();
    for cut in 1..log.records.len() {
        let mut study = Study::replay(&log.records[..cut]).unwrap();
        for record in &log.records[cut..] {
            study.apply(record).unwrap();
        }
        assert_eq!(study, whole, "cut at {cut}");
    }
}

fn at(x: f64) -> Params {
    [("lr".to_string(), ParamValue::Float(x))].into_iter().collect()
}

fn suggested(trial: u64, params: Params, origin: Origin) -> Event {
    Event::TrialSuggested { trial: TrialId(trial), params, bracket: None, origin }
}

fn added(trial: u64, comparable: bool, outcome: Outcome) -> Event {
    Event::TrialAdded { trial: TrialId(trial), params: at(0.5), source: "old".into(), comparable, outcome }
}

fn reached(fidelity: u64, value: f64, further: Further) -> Outcome {
    Outcome::Reached { fidelity: Fidelity(fidelity), value, checkpoint: None, further }
}

#[test]
fn enqueued_configurations_are_used_up_in_order() {
    let wish = |x, name: &str| Event::Enqueued { params: at(x), wish: Some(name.into()) };
    let log = fresh().with(wish(0.1, "a")).with(wish(0.2, "b")).with(wish(0.1, "a"));
    assert_eq!(log.study().unwrap().queue, [at(0.1), at(0.2)], "a request read twice counts once");
    let wrong = log.clone().with(suggested(1, at(0.2), Origin::enqueued()));
    assert_eq!(wrong.study(), Err(FoldError::NotEnqueued { trial: TrialId(1) }));
    let right = log.with(suggested(1, at(0.1), Origin::enqueued()));
    assert_eq!(right.study().unwrap().queue, [at(0.2)]);
}

#[test]
fn trials_from_elsewhere_cost_no_budget_and_never_run() {
    let log = fresh().with(added(1, true, reached(3, 0.5, Further::default()))).suggest(2);
    let study = log.study().unwrap();
    assert_eq!((study.started(), study.next_trial()), (1, TrialId(3)));
    assert_eq!(log.state(1), TrialState::Complete);
    let foreign = Foreign { source: "old".into(), comparable: true };
    assert_eq!(study.trials[&TrialId(1)].foreign, Some(foreign));
    let open = Outcome::Interrupted { reason: "x".into(), by_request: true };
    assert_eq!(fresh().with(added(1, true, open)).study(), Err(FoldError::NotFinished { trial: TrialId(1) }));
}

#[test]
fn results_of_another_kind_are_never_the_incumbent() {
    let log = fresh().with(added(1, false, reached(9, 0.99, Further::default())));
    assert_eq!(log.study().unwrap().incumbent(), None);
    let own = log.suggest(2).start(2, 1, 9).reach(2, 1, 9, 0.1);
    assert_eq!(own.study().unwrap().incumbent().unwrap().id, TrialId(2));
}

#[test]
fn only_waiting_trials_can_be_stopped() {
    let stop = |trial| Event::TrialStopped { trial: TrialId(trial), reason: "enough".into() };
    let waiting = fresh().suggest(1);
    assert_eq!(waiting.clone().with(stop(1)).state(1), TrialState::Stopped);
    let running = waiting.start(1, 1, 9).with(stop(1));
    let state = TrialState::Running;
    assert_eq!(running.study(), Err(FoldError::NotStoppable { trial: TrialId(1), state }));
}

#[test]
fn feasible_trials_come_before_better_infeasible_ones() {
    let mut settings = settings(Algorithm::Random);
    settings.constraints = vec![Constraint::parse("latency<=50").unwrap()];
    let run = |log: Log, trial, value, latency| {
        let further = Further { objectives: Vec::new(), constraints: vec![latency] };
        log.suggest(trial).start(trial, 1, 9).end(trial, 1, reached(9, value, further))
    };
    let infeasible = run(run(Log::new(settings), 1, 0.9, 80.0), 2, 0.8, 60.0);
    assert_eq!(infeasible.study().unwrap().incumbent().unwrap().id, TrialId(2), "the least beyond");
    assert!(infeasible.study().unwrap().pareto_front().is_empty());
    let feasible = run(infeasible, 3, 0.1, 50.0);
    assert_eq!(feasible.study().unwrap().incumbent().unwrap().id, TrialId(3));
}

#[test]
fn front_holds_what_nothing_else_beats() {
    let mut settings = settings(Algorithm::Random);
    let metric = "size".to_string();
    settings.further_objectives = vec![Objective { metric, direction: Direction::Minimize }];
    let mut log = Log::new(settings);
    for (trial, acc, size) in [(1, 0.9, 10.0), (2, 0.8, 5.0), (3, 0.8, 6.0), (4, 0.95, 20.0), (5, 0.8, 5.0)] {
        let further = Further { objectives: vec![size], constraints: Vec::new() };
        log = log.suggest(trial).start(trial, 1, 9).end(trial, 1, reached(9, acc, further));
    }
    let study = log.study().unwrap();
    let front: Vec<u64> = study.pareto_front().iter().map(|trial| trial.id.0).collect();
    assert_eq!(front, [1, 2, 4, 5]);
    assert_eq!(study.incumbent().unwrap().id, TrialId(4), "the first objective decides");
}

#[test]
fn logs_of_the_first_format_still_read() {
    let lines = [
        r#"{"at":1,"event":"study_created","format":1,"version":"0.1.0","settings":{"study":"s","tag":"00000000","space":[{"name":"lr","distribution":{"type":"float","low":0.0,"high":1.0,"scale":"linear"}}],"objective":{"metric":"acc","direction":"maximize"},"algorithm":"random","seed":1,"trials":10,"fidelity":{"unit":"run","min":1,"max":1,"reduction_factor":3,"resumable":false},"retries":1,"max_consecutive_failures":5,"limits":{"grace_ms":1000},"resources":{"gpus":"none","gpus_per_trial":1.0},"workdir":"/","recipe":null}}"#,
        r#"{"at":2,"event":"trial_suggested","trial":1,"params":{"lr":0.5},"origin":{"model":"random","reason":"a draw","observations":0}}"#,
        r#"{"at":3,"event":"attempt_started","trial":1,"attempt":1,"until":1,"slot":0}"#,
        r#"{"at":4,"event":"attempt_ended","trial":1,"attempt":1,"end":{"outcome":{"outcome":"reached","fidelity":1,"value":0.25}}}"#,
        r#"{"at":5,"event":"budget_changed","trials":20}"#,
    ];
    let records: Vec<Record> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let study = Study::replay(&records).unwrap();
    assert_eq!((study.incumbent().unwrap().value(), study.settings.trials), (Some(0.25), 20));
}

fn bounded(low: f64, high: f64) -> Event {
    let lr = Distribution::Float { low, high, scale: Scale::Linear, step: None };
    let space = Box::new(SearchSpace::new(vec![Parameter::new("lr", lr)]).unwrap());
    Event::BoundsChanged { space, asked: vec![format!("lr={low}..{high}")] }
}

#[test]
fn trials_outside_changed_bounds_stay_but_do_not_go_on() {
    let mut log = Log::new(settings(Algorithm::Asha));
    for (trial, lr) in [(1, 0.1), (2, 0.2), (3, 0.6), (4, 0.3)] {
        log = log.with(suggested(trial, at(lr), Origin::default())).start(trial, 1, 1);
    }
    log = log.reach(1, 1, 1, 0.5).reach(3, 1, 1, 0.5).reach(4, 1, 1, 0.9);
    log = log.start(4, 2, 9).reach(4, 2, 9, 0.95).with(bounded(0.5, 1.5));
    let study = log.study().unwrap();
    let state = |study: &Study, trial| study.trials[&TrialId(trial)].state;
    assert_eq!(study.outside.iter().map(|id| id.0).collect::<Vec<_>>(), [1, 2, 4]);
    assert_eq!(
        [1, 2, 3, 4].map(|trial| state(&study, trial)),
        [TrialState::Stopped, TrialState::Running, TrialState::Paused, TrialState::Complete]
    );
    assert_eq!(study.incumbent().unwrap().id, TrialId(4), "a result stays a result");
    assert_eq!(study.rebound.as_ref().unwrap().since, TrialId(5));
    // What runs goes to the end of its rung.
    let log = log.reach(2, 1, 1, 0.7).with(suggested(5, at(1.5), Origin::default()));
    let study = log.study().unwrap();
    assert_eq!((state(&study, 2), study.outside.contains(&TrialId(5))), (TrialState::Stopped, false));
    // Wider bounds make it a result inside again; the first space is kept all the while.
    let study = log.with(bounded(0.0, 1.0)).study().unwrap();
    assert_eq!(study.outside.iter().map(|id| id.0).collect::<Vec<_>>(), [5]);
    assert_eq!(study.rebound.unwrap().first_space, settings(Algorithm::Asha).space);
}

#[test]
fn bounds_are_those_of_the_same_parameters() {
    let lr = Distribution::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: None };
    let space = Box::new(SearchSpace::new(vec![Parameter::new("other", lr)]).unwrap());
    let log = Log::new(settings(Algorithm::Random)).with(Event::BoundsChanged { space, asked: Vec::new() });
    assert_eq!(log.study().unwrap_err(), FoldError::OtherParameters);
}

#[test]
fn an_exhausted_search_may_go_on_within_other_bounds() {
    let end = |reason| Log::new(settings(Algorithm::Random)).with(Event::StudyEnded { reason });
    let ended = |reason| end(reason).with(bounded(0.0, 2.0)).study().unwrap().ended;
    assert_eq!(ended(EndReason::Exhausted), None);
    assert_eq!(ended(EndReason::Budget), Some(EndReason::Budget));
}
