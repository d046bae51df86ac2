//! Several objectives, and constraints that are measured with the results.

use crate::common::{float, int, loss, number};
use automl_core::{Fidelity, Params, Scale, SearchSpace, TrialId};
use automl_sampler::{Bayesian, Cma, History, Observation, Random, Sampler, Tpe, hypervolume};

fn square() -> SearchSpace {
    let parameters = ["x", "y"].map(|name| float(name, 0.0, 1.0, Scale::Linear)).to_vec();
    SearchSpace::new(parameters).unwrap()
}

/// Runs a study whose observations carry what `measure` says: losses, then violations.
fn run(
    sampler: &dyn Sampler,
    trials: u64,
    seed: u64,
    measure: impl Fn(&Params) -> (Vec<f64>, Vec<f64>),
) -> Vec<Observation> {
    let space = square();
    let mut history = History { budget: Some(trials), ..History::default() };
    for trial in (1..=trials).map(TrialId) {
        let suggestion = sampler.suggest(&space, &history, trial, seed).unwrap();
        let (losses, violations) = measure(&suggestion.params);
        let losses: Vec<_> = losses.into_iter().map(loss).collect();
        let mut observation = Observation::single(trial, suggestion.params, losses[0], Fidelity(1));
        observation.others = losses[1..].to_vec();
        observation.violations = violations;
        history.observations.push(observation);
        if !suggestion.origin.theta.is_empty() {
            history.theta = suggestion.origin.theta;
        }
    }
    history.observations
}

/// Distances to two corners of a square: the front is the straight line between them.
fn two_corners(params: &Params) -> (Vec<f64>, Vec<f64>) {
    let (x, y) = (number(params, "x"), number(params, "y"));
    let square = |a: f64, b: f64| (x - a) * (x - a) + (y - b) * (y - b);
    (vec![square(0.2, 0.3), square(0.8, 0.6)], Vec::new())
}

#[test]
fn front_is_covered_better_than_by_chance() {
    let volume = |sampler: &dyn Sampler, seed| {
        let found = run(sampler, 35, seed, two_corners);
        let points: Vec<Vec<f64>> = found.iter().map(|o| vec![o.loss.get(), o.others[0].get()]).collect();
        hypervolume(&points, &[0.5, 0.5])
    };
    for seed in 0..3 {
        let (model, chance) = (volume(&Bayesian, seed), volume(&Random, seed));
        // The whole front gives 0.218.
        assert!(model > 0.205 && model > chance + 0.005, "seed {seed}: {model} against {chance}");
    }
}

#[test]
fn parzen_estimators_pull_to_both_ends_of_the_front() {
    // By the first objective alone the second corner would be shunned.
    let nearest = |sampler: &dyn Sampler, seed| {
        let found = run(sampler, 80, seed, two_corners);
        let losses = found[40..].iter().map(|o| [o.loss.get(), o.others[0].get()]);
        losses.fold([f64::INFINITY; 2], |[a, b], [x, y]| [a.min(x), b.min(y)])
    };
    for sampler in [&Tpe as &dyn Sampler, &Cma::default()] {
        for seed in 0..3 {
            let [first, second] = nearest(sampler, seed);
            assert!(first < 0.03 && second < 0.03, "seed {seed}: {first} {second}");
        }
    }
}

#[test]
fn objectives_pull_to_different_ends() {
    let found = run(&Bayesian, 40, 1, two_corners);
    let near = |i: usize| {
        let value = |o: &Observation| if i == 0 { o.loss.get() } else { o.others[0].get() };
        found.iter().map(value).fold(f64::INFINITY, f64::min)
    };
    assert!(near(0) < 0.01 && near(1) < 0.01, "{} {}", near(0), near(1));
}

#[test]
fn best_allowed_point_lies_on_the_constraint() {
    // The loss falls towards the corner (1, 1), which x + y <= 1.2 forbids.
    let measure = |params: &Params| {
        let (x, y) = (number(params, "x"), number(params, "y"));
        (vec![-x - 2.0 * y], vec![x + y - 1.2])
    };
    for seed in 0..3 {
        let found = run(&Bayesian, 35, seed, measure);
        let allowed = found.iter().filter(|o| o.is_feasible());
        let best = allowed.map(|o| o.loss.get()).fold(f64::INFINITY, f64::min);
        assert!(best < -2.15, "seed {seed}: {best}, the optimum is -2.2");
    }
}

#[test]
fn narrow_allowed_region_is_found() {
    // Only a disc of a fiftieth of the square is allowed.
    let measure = |params: &Params| {
        let (x, y) = (number(params, "x") - 0.71, number(params, "y") - 0.23);
        (vec![x], vec![1e6 * (x * x + y * y - 0.0064)])
    };
    let found = run(&Bayesian, 40, 2, measure);
    let allowed: Vec<f64> = found.iter().filter(|o| o.is_feasible()).map(|o| o.loss.get()).collect();
    assert!(allowed.iter().copied().fold(f64::INFINITY, f64::min) < -0.05, "{allowed:?}");
}

#[test]
fn odd_violations_are_survived() {
    let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 0.0, -0.0, -1e-300];
    let measure = |params: &Params| {
        let x = number(params, "x");
        (vec![x, 1.0 - x], vec![odd[(x * 7.0) as usize % 7], f64::NAN])
    };
    let found = run(&Bayesian, 20, 1, measure);
    assert_eq!(found.len(), 20);
}

#[test]
fn study_in_which_nothing_is_allowed_goes_on() {
    let measure = |params: &Params| (vec![number(params, "x")], vec![1.0 + number(params, "y")]);
    let found = run(&Bayesian, 20, 1, measure);
    let least = found.iter().map(|o| o.violations[0]).fold(f64::INFINITY, f64::min);
    assert!(least < 1.02, "the search goes where the violation is least: {least}");
}

#[test]
fn weights_of_options_steer_early_trials() {
    use automl_core::{Distribution, ParamValue, Parameter};
    let chosen = |weights: Option<Vec<f64>>| {
        let choices = ["a", "b", "c", "d"].map(|name| ParamValue::Text(name.into())).to_vec();
        let option = Parameter::new("c", Distribution::Categorical { choices, weights });
        let space = SearchSpace::new(vec![option, int("k", 0, 1000)]).unwrap();
        let mut history = History { budget: Some(20), ..History::default() };
        let mut count = 0;
        for trial in (1..=20).map(TrialId) {
            let suggestion = Bayesian.suggest(&space, &history, trial, 4).unwrap();
            count += u32::from(suggestion.params.get("c") == Some(&ParamValue::Text("c".into())));
            let value = (number(&suggestion.params, "k") - 400.0).abs();
            history.observations.push(Observation::single(
                trial,
                suggestion.params,
                loss(value),
                Fidelity(1),
            ));
        }
        count
    };
    let (weighted, plain) = (chosen(Some(vec![0.02, 0.02, 0.94, 0.02])), chosen(None));
    assert!(weighted >= plain + 3, "{weighted} against {plain}");
}

#[test]
fn default_draws_the_first_modelled_trials_near() {
    use automl_core::ParamValue;
    let mean_distance = |default: Option<f64>| {
        let mut x = float("x", 0.0, 1.0, Scale::Linear);
        x.default = default.map(ParamValue::Float);
        let space = SearchSpace::new(vec![x, float("y", 0.0, 1.0, Scale::Linear)]).unwrap();
        let mut history = History { budget: Some(60), ..History::default() };
        for trial in (1..=14).map(TrialId) {
            let suggestion = Bayesian.suggest(&space, &history, trial, 4).unwrap();
            let value = (number(&suggestion.params, "y") - 0.4).abs();
            history.observations.push(Observation::single(
                trial,
                suggestion.params,
                loss(value),
                Fidelity(1),
            ));
        }
        let modelled = &history.observations[6..];
        modelled.iter().map(|o| (number(&o.params, "x") - 0.3).abs()).sum::<f64>() / modelled.len() as f64
    };
    let (with, without) = (mean_distance(Some(0.3)), mean_distance(None));
    assert!(with < without, "{with} against {without}");
}
