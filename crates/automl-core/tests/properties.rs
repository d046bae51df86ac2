//! Whatever happens to a study, its fold stays sound: any sequence of events either applies or leaves the
//! state as it was, and a log gives the same state in one go and in pieces.

use automl_core::{
    Algorithm, AttemptEnd, AttemptNumber, Distribution, Event, FailureKind, Fidelity, Further, Origin,
    Outcome, ParamValue, Parameter, Params, Record, Scale, SearchSpace, Study, TrialId, TrialState,
};
use automl_testkit::{Log, settings};
use proptest::prelude::*;

fn params() -> impl Strategy<Value = Params> {
    (0_u8..4).prop_map(|x| [("lr".to_string(), ParamValue::Float(f64::from(x) / 4.0))].into_iter().collect())
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let value = prop_oneof![4 => -1.0..1.0, 1 => Just(f64::NAN)];
    let reached = (prop_oneof![Just(1_u64), Just(9)], value).prop_map(|(fidelity, value)| {
        let further = Further::default();
        Outcome::Reached { fidelity: Fidelity(fidelity), value, checkpoint: None, further }
    });
    let failed = any::<bool>().prop_map(|transient| {
        let kind = if transient { FailureKind::Exit } else { FailureKind::NotFinite };
        Outcome::Failed { kind, reason: "r".into() }
    });
    let interrupted =
        any::<bool>().prop_map(|by_request| Outcome::Interrupted { reason: "r".into(), by_request });
    let infeasible = Just(Outcome::Infeasible { reason: "r".into() });
    prop_oneof![reached, failed, interrupted, infeasible]
}

fn event() -> impl Strategy<Value = Event> {
    let trial = || (1_u64..5).prop_map(TrialId);
    let attempt = || (1_u32..4).prop_map(AttemptNumber);
    prop_oneof![
        (trial(), params(), any::<bool>()).prop_map(|(trial, params, enqueued)| {
            let origin = if enqueued { Origin::enqueued() } else { Origin::default() };
            Event::TrialSuggested { trial, params, bracket: None, origin }
        }),
        (params(), 0_u8..3).prop_map(|(params, n)| Event::Enqueued { params, wish: Some(n.to_string()) }),
        (trial(), params(), any::<bool>(), outcome()).prop_map(|(trial, params, comparable, outcome)| {
            Event::TrialAdded { trial, params, source: "s".into(), comparable, outcome }
        }),
        (trial(), attempt()).prop_map(|(trial, attempt)| Event::AttemptStarted {
            trial,
            attempt,
            until: Fidelity(9),
            resume_from: None,
            slot: 0,
            log_offsets: Vec::new(),
            worker: None,
            why: None,
            asked: None,
        }),
        (trial(), attempt(), outcome()).prop_map(|(trial, attempt, outcome)| {
            let end = AttemptEnd::unmeasured(outcome);
            Event::AttemptEnded { trial, attempt, end }
        }),
        (trial(), attempt(), 0_u16..2, 1_u64..9, prop::option::of(0_u64..9), -1.0..1.0_f64).prop_map(
            |(trial, attempt, source, line, step, value)| {
                let values = [("acc".to_string(), value), ("loss".to_string(), -value)].into();
                Event::Measured { trial, attempt, source, line, step, values }
            }
        ),
        trial().prop_map(|trial| Event::TrialStopped { trial, reason: "r".into() }),
        (1_u64..30).prop_map(|trials| Event::BudgetChanged {
            trials: Some(trials),
            timeout_ms: None,
            gpu_time_ms: None,
            parallel: Some(2)
        }),
        (0.0_f64..0.5, 0.5_f64..2.0).prop_map(|(low, high)| Event::BoundsChanged {
            space: Box::new(bounded(low, high)),
            asked: vec!["lr".into()],
        }),
    ]
}

fn bounded(low: f64, high: f64) -> SearchSpace {
    let lr = Distribution::Float { low, high, scale: Scale::Linear, step: None };
    SearchSpace::new(vec![Parameter::new("lr", lr)]).unwrap()
}

fn check(study: &Study) {
    for trial in study.trials.values() {
        let inside = study.settings.space.check(&trial.params).is_ok();
        let known_outside = study.outside.contains(&trial.id);
        assert_eq!(known_outside, !inside, "trial {} under {:?}", trial.id, study.settings.space);
        assert!(inside || trial.state != TrialState::Paused, "nothing outside waits to go on");
    }

    let foreign = study.trials.values().filter(|t| t.foreign.is_some()).count();
    assert_eq!(study.started() as usize + foreign, study.trials.len());
    for (number, trial) in (1..).zip(study.trials.values()) {
        assert_eq!(trial.id, TrialId(number), "numbers are dense");
        assert_eq!(trial.running_attempt().is_some(), trial.state == TrialState::Running);
        assert!(trial.foreign.is_none() || (trial.state.is_final() && trial.attempts.is_empty()));
        assert!(trial.reached.values().all(|value| value.is_finite()));
    }
    let front = study.pareto_front();
    assert_eq!(front.is_empty(), study.incumbent().is_none());
    assert!(study.incumbent().is_none_or(|best| front.iter().any(|t| t.value() == best.value())));
}

proptest! {
    #[test]
    fn any_events_apply_or_change_nothing(events in prop::collection::vec(event(), 0..60)) {
        let mut study = Log::new(settings(Algorithm::Random)).study().unwrap();
        let mut applied = Log::new(settings(Algorithm::Random)).records;
        for (at, event) in (100..).zip(events) {
            let record = Record { at, event };
            let before = study.clone();
            match study.apply(&record) {
                Ok(()) => applied.push(record),
                Err(_) => prop_assert_eq!(&study, &before),
            }
            check(&study);
        }
        prop_assert_eq!(&Study::replay(&applied).unwrap(), &study);
        let mut folded = None;
        for record in &applied {
            Study::apply_stored(&mut folded, &serde_json::to_vec(record).unwrap()).unwrap();
        }
        prop_assert_eq!(folded.as_ref(), Some(&study));
        let snapshot = study.to_snapshot();
        let back = Study::from_snapshot(&snapshot);
        prop_assert_eq!(back.as_ref(), Some(&study));
        prop_assert_eq!(Study::from_snapshot(&snapshot[..snapshot.len() - 1]), None);
        let stored: Vec<Record> = applied
            .iter()
            .map(|record| serde_json::from_str(&serde_json::to_string(record).unwrap()).unwrap())
            .collect();
        prop_assert_eq!(stored, applied);
    }
}
