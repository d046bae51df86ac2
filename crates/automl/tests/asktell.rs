//! Asking and telling: what is handed out, what is taken, what survives.

use automl::{Answer, AskError, AskTell, Decided, Elsewhere, Handed, Place, StudyRequest, Told};
use automl_core::{
    Algorithm, Constraint, Direction, Distribution, EarlyStop, EndReason, Fidelity, FidelityPlan, Objective,
    ParamValue, Parameter, Params, Scale, SearchSpace, TrialId, TrialState,
};

fn request(algorithm: Algorithm) -> StudyRequest {
    let x = Distribution::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: None };
    let mut n = Parameter::new("n", Distribution::Int { low: 1, high: 8, step: 1, scale: Scale::Linear });
    n.default = Some(ParamValue::Int(4));
    StudyRequest {
        early_stop: EarlyStop::None,
        name: Some("s".into()),
        space: SearchSpace::new(vec![Parameter::new("x", x), n]).unwrap(),
        objectives: vec![objective("loss")],
        constraints: Vec::new(),
        algorithm,
        seed: 7,
        max_trials: Some(6),
        workers: None,
        fidelity: None,
    }
}

fn objective(name: &str) -> Objective {
    Objective { metric: name.into(), direction: Direction::Minimize }
}

fn in_memory(request: StudyRequest) -> AskTell {
    AskTell::create(&Place::Memory, request).unwrap()
}

fn one(study: &mut AskTell) -> Handed {
    match study.ask(1, None).unwrap() {
        Answer::Trials(trials) => trials[0].clone(),
        other => panic!("{other:?}"),
    }
}

fn value(value: f64) -> Told {
    Told::Complete { values: vec![value], constraints: Vec::new() }
}

fn elsewhere(params: &Params, loss: f64) -> Elsewhere {
    Elsewhere { params: params.clone(), told: value(loss), fidelity: None, source: None }
}

fn loss(params: &Params) -> f64 {
    let get = |name: &str| params.get(name).and_then(ParamValue::as_f64).unwrap();
    (get("x") - 0.3).powi(2) + (get("n") - 3.0).powi(2)
}

fn at(x: f64) -> Params {
    [("x".to_string(), ParamValue::Float(x))].into_iter().collect()
}

/// Runs a study to its end; returns what was handed out.
fn run(study: &mut AskTell) -> Vec<Params> {
    let mut handed = Vec::new();
    while let Answer::Trials(trials) = study.ask(1, None).unwrap() {
        for trial in trials {
            study.tell(trial.trial, value(loss(&trial.params))).unwrap();
            handed.push(trial.params);
        }
    }
    handed
}

#[test]
fn a_reopened_study_goes_on_as_if_never_closed() {
    let straight = run(&mut in_memory(request(Algorithm::Bayesian)));
    assert_eq!(straight.len(), 6);
    let root = tempfile::tempdir().unwrap();
    let place = Place::Folder(root.path().into());
    let mut handed = Vec::new();
    for _ in 0..6 {
        // The process ends after the ask and after the tell.
        let mut study = AskTell::create(&place, request(Algorithm::Bayesian)).unwrap();
        let Answer::Trials(first) = study.ask(1, Some("w")).unwrap() else { panic!("nothing left") };
        drop(study);
        let mut study = AskTell::create(&place, request(Algorithm::Bayesian)).unwrap();
        let Answer::Trials(again) = study.ask(1, Some("w")).unwrap() else { panic!("nothing left") };
        assert_eq!(first, again, "a worker gets its open trial back");
        study.tell(again[0].trial, value(loss(&again[0].params))).unwrap();
        handed.push(again[0].params.clone());
    }
    assert_eq!(handed, straight);
}

#[test]
fn the_first_word_stands() {
    let mut study = in_memory(request(Algorithm::Random));
    let trial = one(&mut study).trial;
    study.tell(trial, value(0.5)).unwrap();
    let second = study.tell(trial, value(0.1)).unwrap_err();
    assert_eq!(second.to_string(), "trial 1 is not open: complete with loss 0.5");
    assert_eq!(study.study().incumbent().unwrap().value(), Some(0.5));
    assert!(matches!(study.tell(TrialId(9), value(0.1)), Err(AskError::UnknownTrial { last: 1, .. })));
}

#[test]
fn ends_are_told_apart() {
    let mut study = in_memory(request(Algorithm::Random));
    let reason = || "why".to_string();
    for (told, state) in [
        (value(f64::NAN), TrialState::Failed),
        (value(f64::INFINITY), TrialState::Failed),
        (Told::Failed { reason: reason() }, TrialState::Failed),
        (Told::Infeasible { reason: reason() }, TrialState::Infeasible),
        (Told::Stopped { reason: reason() }, TrialState::Stopped),
        (value(1e308), TrialState::Complete),
    ] {
        let trial = one(&mut study).trial;
        study.tell(trial, told.clone()).unwrap();
        assert_eq!(study.study().trials[&trial].state, state, "{told:?}");
    }
    assert_eq!(study.ask(1, None).unwrap(), Answer::Done(EndReason::Budget));
}

#[test]
fn a_spent_budget_is_done_even_while_others_work() {
    let mut study = in_memory(request(Algorithm::Random));
    let Answer::Trials(trials) = study.ask(50, None).unwrap() else { panic!("none") };
    assert_eq!(trials.len(), 6, "never more than the budget");
    assert_eq!(study.ask(1, None).unwrap(), Answer::Done(EndReason::Budget));
    let released = study.release(Some(trials[2].trial), None).unwrap();
    assert_eq!(released, [TrialId(3)]);
    assert_eq!(one(&mut study).params, trials[2].params, "handed out again");
    assert!(matches!(study.ask(0, None), Err(AskError::Count { .. })));
}

#[test]
fn own_configurations_come_first_and_complete() {
    let mut study = in_memory(request(Algorithm::Sobol));
    assert_eq!(study.enqueue(&at(0.25)).unwrap(), 1);
    assert_eq!(one(&mut study).params.to_string(), "n=4 x=0.25");
    assert_ne!(one(&mut study).params.to_string(), "n=4 x=0.25");
    assert!(study.enqueue(&at(7.0)).unwrap_err().to_string().contains("`x`: 7"));
}

#[test]
fn finished_trials_from_elsewhere_count_as_results_not_as_budget() {
    let mut study = in_memory(request(Algorithm::Random));
    let whole = study.study().settings.space.complete(&at(0.3)).unwrap();
    let added = study.add(elsewhere(&whole, -1.0)).unwrap();
    assert_eq!(study.study().incumbent().unwrap().id, added);
    assert_eq!(run(&mut study).len(), 6);
    assert!(study.add(elsewhere(&at(0.3), 0.0)).unwrap_err().to_string().contains("`n` has no value"));
}

#[test]
fn exhausted_spaces_are_done() {
    let mut request = request(Algorithm::Random);
    request.space = SearchSpace::new(vec![Parameter::new("b", Distribution::bool())]).unwrap();
    let mut study = in_memory(request);
    let Answer::Trials(trials) = study.ask(5, None).unwrap() else { panic!("none") };
    assert_eq!(trials.len(), 2);
    assert_eq!(study.ask(1, None).unwrap(), Answer::Done(EndReason::Exhausted));
    for trial in &trials {
        study.tell(trial.trial, value(1.0)).unwrap();
    }
    assert_eq!(study.ask(1, None).unwrap(), Answer::Done(EndReason::Exhausted));
    // Measuring one again is the user's choice.
    study.enqueue(&trials[0].params).unwrap();
    let again = one(&mut study);
    assert_eq!((again.params.clone(), again.trial), (trials[0].params.clone(), TrialId(3)));
    study.tell(again.trial, value(3.0)).unwrap();
    assert_eq!(study.ask(1, None).unwrap(), Answer::Done(EndReason::Exhausted));
}

#[test]
fn reports_that_fall_behind_are_answered_with_stop() {
    let fidelity = rungs().fidelity;
    let request = StudyRequest { fidelity, early_stop: EarlyStop::Asha, ..request(Algorithm::Random) };
    let mut study = AskTell::create(&Place::Memory, request).unwrap();
    study.ask(2, None).unwrap();
    let report = |study: &mut AskTell, trial, step, value| {
        study.report(TrialId(trial), step, [("loss".to_string(), value)].into()).unwrap()
    };
    assert_eq!(report(&mut study, 1, 1, 0.1), Decided::Continue);
    assert_eq!(report(&mut study, 2, 1, 0.2), Decided::Stop);
    assert_eq!(report(&mut study, 2, 2, 0.15), Decided::Stop, "it was said already");
    study.tell(TrialId(2), Told::Stopped { reason: "as told".into() }).unwrap();
    let stopped = &study.study().trials[&TrialId(2)];
    assert_eq!((stopped.state, stopped.value()), (TrialState::Stopped, Some(0.15)));
    assert!(stopped.reason.as_deref().unwrap().starts_with("asha: place 2 of 2"), "{:?}", stopped.reason);
}

fn rungs() -> StudyRequest {
    let (min, max) = (Fidelity(1), Fidelity(9));
    let fidelity = FidelityPlan {
        unit: "epoch".into(),
        min,
        max,
        reduction_factor: 3,
        resumable: true,
        base: None,
        full_first: FidelityPlan::FULL_FIRST,
    };
    StudyRequest { fidelity: Some(fidelity), max_trials: Some(9), ..request(Algorithm::Hyperband) }
}

#[test]
fn rungs_pause_promote_and_make_others_wait() {
    let mut study = in_memory(rungs());
    let Answer::Trials(trials) = study.ask(9, None).unwrap() else { panic!("none") };
    assert!(trials.iter().all(|t| t.fidelity == Some(Fidelity(1)) && t.resume_from.is_none()));
    assert_eq!(study.ask(1, None).unwrap(), Answer::Wait, "the rung is full and undecided");
    let report = |study: &mut AskTell, trial, step, value| {
        study.report(trial, step, [("loss".to_string(), value)].into()).unwrap()
    };
    for (trial, value) in trials.iter().zip(1_u32..) {
        assert_eq!(report(&mut study, trial.trial, 1, f64::from(value)), Decided::Pause);
    }
    study.tell(TrialId(1), value(1.0)).unwrap();
    let Answer::Trials(promoted) = study.ask(9, None).unwrap() else { panic!("none") };
    let numbers: Vec<u64> = promoted.iter().map(|t| t.trial.0).collect();
    assert_eq!(numbers, [1, 2, 3]);
    assert!(promoted.iter().all(|t| t.fidelity == Some(Fidelity(3)) && t.resume_from == Some(Fidelity(1))));
    assert_eq!(report(&mut study, TrialId(1), 2, 0.5), Decided::Continue);
    assert_eq!(report(&mut study, TrialId(2), 2, f64::NAN), Decided::Stop, "it has diverged");
}

#[test]
fn several_objectives_and_constraints_need_a_value_each() {
    let mut request = request(Algorithm::Random);
    request.objectives.push(objective("size"));
    request.constraints = vec![Constraint::named("heat")];
    let mut study = in_memory(request);
    let trial = one(&mut study).trial;
    let tell = |values: &[f64], constraints: &[f64]| Told::Complete {
        values: values.to_vec(),
        constraints: constraints.to_vec(),
    };
    for (told, words) in [
        (tell(&[1.0], &[0.0]), "each objective (loss, size), found 1"),
        (tell(&[1.0, 2.0], &[]), "each constraint (heat), found 0"),
        (tell(&[1.0, 2.0], &[f64::NAN]), "constraint `heat` is NaN"),
    ] {
        let error = study.tell(trial, told).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    study.tell(trial, tell(&[1.0, 2.0], &[-1.0])).unwrap();
    assert_eq!(study.study().pareto_front().len(), 1);
}

#[test]
fn another_question_under_the_same_name_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::Folder(root.path().into());
    drop(AskTell::create(&place, request(Algorithm::Random)).unwrap());
    let mut other = request(Algorithm::Random);
    other.space = SearchSpace::new(vec![Parameter::new("b", Distribution::bool())]).unwrap();
    let refused = AskTell::create(&place, other).err().unwrap().to_string();
    assert_eq!(refused, "study `s` exists with another space; give the new one another name");
    let more = StudyRequest { max_trials: Some(8), ..request(Algorithm::Random) };
    let mut opened = AskTell::create(&place, more).unwrap();
    assert_eq!(run(&mut opened).len(), 8, "more trials are more budget");
    opened.create_again(StudyRequest { max_trials: None, ..request(Algorithm::Random) }).unwrap();
    assert_eq!(opened.study().settings.budget(), Some(8), "whoever names no budget changes none");
    let held = AskTell::create(&place, request(Algorithm::Random)).err().unwrap();
    assert!(matches!(held, AskError::Study(_)), "{held}");
}

#[test]
fn trials_from_elsewhere_are_taken_all_or_none() {
    let mut study = in_memory(request(Algorithm::Random));
    let whole = study.study().settings.space.complete(&at(0.5)).unwrap();
    let refused = study.add_all(vec![elsewhere(&whole, 1.0), elsewhere(&at(0.5), 2.0)]).unwrap_err();
    assert_eq!((refused.index, study.study().trials.len()), (1, 0));
    let added = study.add_all(vec![elsewhere(&whole, 1.0), elsewhere(&whole, 2.0)]).unwrap();
    assert_eq!(added, [TrialId(1), TrialId(2)]);
    assert_eq!(study.study().trials.len(), 2);
}

#[test]
fn a_result_told_again_is_not_that_of_the_next_rung() {
    let plan = FidelityPlan {
        unit: "epoch".into(),
        min: Fidelity(1),
        max: Fidelity(9),
        reduction_factor: 3,
        resumable: true,
        base: None,
        full_first: FidelityPlan::FULL_FIRST,
    };
    let mut asked = request(Algorithm::Asha);
    asked.fidelity = Some(plan);
    asked.max_trials = Some(20);
    let mut study = in_memory(asked);
    // The first trial to come back for a higher rung.
    let promoted = (0..20).find_map(|_| {
        let handed = one(&mut study);
        if handed.fidelity > Some(Fidelity(1)) {
            return Some(handed);
        }
        study.tell_at(handed.trial, handed.fidelity, value(1.0)).unwrap();
        None
    });
    let promoted = promoted.expect("one of three is promoted");
    let again = study.tell_at(promoted.trial, Some(Fidelity(1)), value(1.0)).unwrap_err();
    assert!(
        matches!(&again, AskError::NotOpen { first, .. } if first.contains("run to 3, not to 1")),
        "{again}"
    );
    study.tell_at(promoted.trial, promoted.fidelity, value(0.5)).unwrap();
    assert_eq!(study.study().trials[&promoted.trial].reached[&Fidelity(3)], 0.5);
}
