//! The fold from events to state: transitions, refusals, the incumbent.

use automl_core::{
    Algorithm, EVENT_FORMAT, EndReason, Event, FailureKind, Fidelity, FoldError, Outcome, Record, Study,
    TrialId, TrialState,
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

#[test]
fn a_larger_budget_reopens_the_study() {
    let ended = fresh().with(Event::StudyEnded { reason: EndReason::Budget });
    assert_eq!(ended.study().unwrap().ended, Some(EndReason::Budget));
    let study = ended.with(Event::BudgetChanged { trials: Some(40), timeout_ms: None }).study().unwrap();
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
