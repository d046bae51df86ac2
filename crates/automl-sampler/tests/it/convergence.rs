//! Model-based search must find clearly better configurations than chance, on average over seeds.

use crate::common::{choice, float, int, loss, number, run};
use automl_core::{Condition, ParamValue, Params, Scale, SearchSpace};
use automl_sampler::{Auto, Bayesian, Cma, Random, Sampler, Tpe, Warped};

const TRIALS: u64 = 40;
const SEEDS: u64 = 5;

struct Problem {
    space: SearchSpace,
    /// Minimum 0.
    regret: fn(&Params) -> f64,
}

fn branin() -> Problem {
    let space =
        SearchSpace::new(vec![float("x", -5.0, 10.0, Scale::Linear), float("y", 0.0, 15.0, Scale::Linear)])
            .unwrap();
    let regret = |params: &Params| {
        use std::f64::consts::PI;
        let (x, y) = (number(params, "x"), number(params, "y"));
        let bend = y - 5.1 / (4.0 * PI * PI) * x * x + 5.0 / PI * x - 6.0;
        bend * bend + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * libm::cos(x) + 10.0 - 0.397_887
    };
    Problem { space, regret }
}

fn ellipsoid() -> Problem {
    let names = ["a", "b", "c", "d", "e"];
    let space = SearchSpace::new(names.map(|name| float(name, 0.0, 1.0, Scale::Linear)).to_vec()).unwrap();
    let regret = |params: &Params| {
        let terms = [("a", 1.0), ("b", 2.0), ("c", 4.0), ("d", 8.0), ("e", 16.0)];
        terms
            .iter()
            .map(|&(name, weight)| weight * (number(params, name) - 0.37) * (number(params, name) - 0.37))
            .sum()
    };
    Problem { space, regret }
}

fn training_run() -> Problem {
    let space = SearchSpace::new(vec![
        float("lr", 1e-6, 1.0, Scale::Log),
        float("decay", 1e-6, 1e-1, Scale::Log),
        int("layers", 1, 12),
        choice("optimiser", &["sgd", "adam", "lamb"]),
    ])
    .unwrap();
    let regret = |params: &Params| {
        let adam = params.get("optimiser") == Some(&ParamValue::Text("adam".into()));
        let best_lr = if adam { -3.0 } else { -1.0 };
        let lr = libm::log10(number(params, "lr")) - best_lr;
        let decay = libm::log10(number(params, "decay")) + 4.0;
        let layers = number(params, "layers") - 7.0;
        lr * lr + 0.3 * decay * decay + 0.05 * layers * layers + if adam { 0.0 } else { 0.5 }
    };
    Problem { space, regret }
}

fn conditional() -> Problem {
    let under = |mut parameter: automl_core::Parameter, model: &str| {
        parameter.conditions =
            vec![Condition { parent: "model".into(), values: vec![ParamValue::Text(model.into())] }];
        parameter
    };
    let space = SearchSpace::new(vec![
        choice("model", &["tree", "net"]),
        under(int("depth", 1, 30), "tree"),
        under(float("lr", 1e-5, 1e-1, Scale::Log), "net"),
        under(float("momentum", 0.0, 1.0, Scale::Linear), "net"),
        float("share", 0.0, 1.0, Scale::Linear),
    ])
    .unwrap();
    let regret = |params: &Params| {
        let share = number(params, "share") - 0.7;
        let branch = match params.get("depth") {
            Some(_) => 0.3 + (number(params, "depth") - 12.0).abs() / 30.0,
            None => {
                let (lr, momentum) =
                    (libm::log10(number(params, "lr")) + 2.5, number(params, "momentum") - 0.9);
                0.5 * lr * lr + 2.0 * momentum * momentum
            }
        };
        branch + 3.0 * share * share
    };
    Problem { space, regret }
}

/// Mean over the seeds of the decimal logarithm of the best regret.
fn mean_log_regret(sampler: &dyn Sampler, problem: &Problem) -> f64 {
    let best = |seed| {
        let evaluate = |params: &Params| Some(loss((problem.regret)(params)));
        let found = run(sampler, &problem.space, TRIALS, seed, evaluate).unwrap();
        found.iter().map(|suggestion| (problem.regret)(&suggestion.params)).fold(f64::INFINITY, f64::min)
    };
    (0..SEEDS).map(|seed| libm::log10(best(seed).max(1e-6))).sum::<f64>() / SEEDS as f64
}

fn check(problem: &Problem) {
    check_margin(&Bayesian, problem, 0.7);
}

fn check_margin(sampler: &dyn Sampler, problem: &Problem, margin: f64) {
    let model = mean_log_regret(sampler, problem);
    let chance = mean_log_regret(&Random, problem);
    assert!(model < chance - margin, "log10 regret {model:.2} against {chance:.2}");
}

#[test]
fn branin_beats_chance() {
    check(&branin());
}

#[test]
fn ellipsoid_beats_chance() {
    check(&ellipsoid());
}

#[test]
fn training_run_beats_chance() {
    check(&training_run());
}

#[test]
fn conditional_space_beats_chance() {
    check(&conditional());
}

#[test]
fn tpe_beats_chance_everywhere() {
    for (problem, margin) in
        [(branin(), 0.2), (ellipsoid(), 0.2), (training_run(), 0.2), (conditional(), 0.2)]
    {
        check_margin(&Tpe, &problem, margin);
    }
}

#[test]
fn default_beats_tpe_by_far() {
    let problems = [branin(), ellipsoid(), training_run(), conditional()];
    let mean = |sampler: &dyn Sampler| {
        let regrets = problems.iter().map(|problem| mean_log_regret(sampler, problem));
        regrets.sum::<f64>() / problems.len() as f64
    };
    let (default, tpe) = (mean(&Auto), mean(&Tpe));
    assert!(default < tpe - 0.4, "log10 regret {default:.2} against {tpe:.2}");
}

#[test]
fn bent_model_beats_chance() {
    for problem in [branin(), training_run()] {
        check_margin(&Warped, &problem, 0.7);
    }
}

#[test]
fn cma_beats_chance_on_numbers() {
    check_margin(&Cma::default(), &branin(), 0.2);
    check_margin(&Cma::default(), &ellipsoid(), 0.2);
}
