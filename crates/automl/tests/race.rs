//! The rung race through the whole core: log, fold, scheduler, model.

use automl::{Answer, AskTell, Handed, Place, StudyDir, StudyRequest, Told, replay};
use automl_core::{
    Algorithm, Direction, Distribution, EarlyStop, Fidelity, FidelityPlan, Objective, ParamValue, Parameter,
    Params, Scale, SearchSpace, TrialState,
};
use std::path::Path;

fn request(algorithm: Algorithm, trials: u64) -> StudyRequest {
    let float = || Distribution::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: None };
    let (min, max) = (Fidelity(1), Fidelity(9));
    StudyRequest {
        name: Some("s".into()),
        space: SearchSpace::new(["x", "y"].map(|name| Parameter::new(name, float())).to_vec()).unwrap(),
        objectives: vec![Objective { metric: "loss".into(), direction: Direction::Minimize }],
        constraints: Vec::new(),
        algorithm,
        seed: 7,
        max_trials: Some(trials),
        early_stop: EarlyStop::None,
        workers: None,
        fidelity: Some(FidelityPlan {
            unit: "epoch".into(),
            min,
            max,
            reduction_factor: 3,
            resumable: true,
            base: None,
            full_first: FidelityPlan::FULL_FIRST,
        }),
    }
}

/// A loss that falls with the epochs, faster for small `y`.
fn loss(params: &Params, epochs: u64) -> f64 {
    let get = |name: &str| params.get(name).and_then(ParamValue::as_f64).unwrap();
    (get("x") - 0.3).powi(2) + (1.0 + get("y")) / epochs as f64
}

fn ask(study: &mut AskTell, count: usize) -> Vec<Handed> {
    match study.ask(count, None).unwrap() {
        Answer::Trials(trials) => trials,
        Answer::Wait | Answer::Done(_) => Vec::new(),
    }
}

/// Hands out `workers` trials at a time and tells them oldest first, up to `asks` times.
fn work(study: &mut AskTell, workers: usize, asks: usize) {
    for _ in 0..asks {
        let handed = ask(study, workers);
        for trial in &handed {
            let value = loss(&trial.params, trial.fidelity.unwrap().0);
            let told = Told::Complete { values: vec![value], constraints: Vec::new() };
            study.tell(trial.trial, told).unwrap();
        }
        if handed.is_empty() {
            return;
        }
    }
}

fn place(folder: &Path) -> Place {
    Place::Folder(folder.to_path_buf())
}

#[test]
fn every_choice_is_derived_again_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut study = AskTell::create(&place(folder.path()), request(Algorithm::Race, 40)).unwrap();
    work(&mut study, 3, usize::MAX);
    let chosen = study.study().trials.values().flat_map(|trial| &trial.attempts).filter(|a| a.why.is_some());
    assert!(chosen.count() > 3, "the model has promoted");
    assert!(study.study().in_state(TrialState::Complete).count() > 1);
    let found = replay(&StudyDir::new(folder.path(), "s")).unwrap();
    assert_eq!(found.difference, None);
    assert!(found.suggestions > 43, "{found:?}");
}

#[test]
fn interrupted_race_goes_on_as_if_nothing_had_happened() {
    let trials = |study: &AskTell| -> Vec<(Params, Vec<Fidelity>)> {
        let until = |trial: &automl_core::Trial| trial.attempts.iter().map(|a| a.until).collect();
        study.study().trials.values().map(|trial| (trial.params.clone(), until(trial))).collect()
    };
    let mut straight = AskTell::create(&Place::Memory, request(Algorithm::Race, 25)).unwrap();
    work(&mut straight, 2, usize::MAX);
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..60 {
        let mut study = AskTell::create(&place(folder.path()), request(Algorithm::Race, 25)).unwrap();
        work(&mut study, 2, 3);
    }
    let study = AskTell::create(&place(folder.path()), request(Algorithm::Race, 25)).unwrap();
    assert_eq!(trials(&study), trials(&straight));
}

#[test]
fn auto_is_a_race_where_a_bracket_can_be_filled() {
    let algorithm =
        |request: StudyRequest| AskTell::create(&Place::Memory, request).unwrap().study().settings.algorithm;
    assert_eq!(algorithm(request(Algorithm::Auto, 9)), Algorithm::Race);
    assert_eq!(algorithm(request(Algorithm::Auto, 8)), Algorithm::Auto, "too few for a bracket");
    assert_eq!(algorithm(request(Algorithm::Bayesian, 9)), Algorithm::Bayesian);
    let mut whole = request(Algorithm::Auto, 9);
    whole.fidelity = None;
    assert_eq!(algorithm(whole), Algorithm::Auto, "nothing to compare early");
    let mut stuck = request(Algorithm::Auto, 9);
    stuck.fidelity.as_mut().unwrap().resumable = false;
    assert_eq!(algorithm(stuck), Algorithm::Auto, "nothing to carry on from");
}
