//! What every suggestion must satisfy, whatever the space and the results.

use std::collections::BTreeSet;

use crate::common::{choice, float, int, loss, number, record, run};
use automl_core::{
    Condition, Direction, Distribution, Fidelity, Objective, ParamValue, Parameter, Params, Scale,
    SearchSpace, TrialId,
};
use automl_sampler::{Bayesian, History, Observation, Sampler, SamplerKind, SuggestError};

/// Parameters that restrict each other, in a chain and by a product.
fn related() -> SearchSpace {
    let with = |relation: &str, parameter: Parameter| Parameter {
        relations: vec![relation.parse().unwrap()],
        ..parameter
    };
    SearchSpace::new(vec![
        with("> low", int("high", 2, 30)),
        int("low", 1, 20),
        with("<= 1 - share", float("rest", 0.0, 1.0, Scale::Linear)),
        float("share", 0.0, 1.0, Scale::Linear),
        with(
            "<= low * 2",
            Parameter::new("even", Distribution::Int { low: 2, high: 40, step: 2, scale: Scale::Linear }),
        ),
        with("== floor(high / 2)", int("half", 1, 15)),
    ])
    .unwrap()
}

#[test]
fn related_parameters_are_lawful_by_construction() {
    for kind in SamplerKind::ALL {
        let evaluate = |params: &Params| Some(loss(number(params, "rest") + number(params, "low") / 20.0));
        let found = run(&*kind.build(), &related(), 25, 3, evaluate).unwrap();
        assert_eq!(found.len(), 25, "{kind:?}");
    }
}

/// Every kind of parameter, with a condition.
fn mixed() -> SearchSpace {
    let mut depth = int("depth", 1, 40);
    depth.conditions =
        vec![Condition { parent: "model".into(), values: vec![ParamValue::Text("tree".into())] }];
    let stepped = Distribution::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: Some(0.1) };
    let log_int = Distribution::Int { low: 1, high: 512, step: 1, scale: Scale::Log };
    let ordinal =
        Distribution::Ordinal { choices: [1, 2, 4, 8].map(ParamValue::Int).to_vec(), weights: None };
    SearchSpace::new(vec![
        depth,
        choice("model", &["line", "tree", "net"]),
        float("lr", 1e-5, 1e-1, Scale::Log),
        Parameter::new("dropout", stepped),
        Parameter::new("units", log_int),
        Parameter::new("batch", ordinal),
        int("fixed", 3, 3),
    ])
    .unwrap()
}

fn mixed_loss(params: &Params) -> f64 {
    let lr = libm::log10(number(params, "lr")) + 3.0;
    let depth =
        params.get("depth").and_then(ParamValue::as_f64).map_or(1.0, |depth| (depth - 9.0).abs() / 20.0);
    lr * lr + depth + number(params, "dropout") + 0.1 * libm::log(number(params, "units"))
}

fn values(suggestions: &[automl_sampler::Suggestion]) -> Vec<Params> {
    suggestions.iter().map(|suggestion| suggestion.params.clone()).collect()
}

#[test]
fn suggestions_are_valid_and_never_repeat() {
    for kind in SamplerKind::ALL {
        // `run` checks every suggestion against bounds, steps and conditions.
        let found = run(&*kind.build(), &mixed(), 30, 1, |params| Some(loss(mixed_loss(params)))).unwrap();
        let keys: BTreeSet<String> = found.iter().map(|suggestion| suggestion.params.key()).collect();
        assert_eq!(keys.len(), 30, "{kind:?}");
    }
}

#[test]
fn finite_space_is_tried_out_completely() {
    let space = SearchSpace::new(vec![int("a", 1, 4), choice("b", &["x", "y", "z"])]).unwrap();
    for kind in SamplerKind::ALL {
        let evaluate = |params: &Params| Some(loss(number(params, "a")));
        let found = run(&*kind.build(), &space, 12, 5, evaluate).unwrap();
        let keys: BTreeSet<String> = found.iter().map(|suggestion| suggestion.params.key()).collect();
        assert_eq!(keys.len(), 12, "{kind:?}");
        let end = run(&*kind.build(), &space, 13, 5, evaluate);
        assert_eq!(end.unwrap_err(), SuggestError::Exhausted { size: 12, tried: 12 }, "{kind:?}");
    }
}

#[test]
fn order_of_the_history_does_not_matter() {
    let space = mixed();
    let mut history = History::default();
    for trial in (1..=16).map(TrialId) {
        let suggestion = Bayesian.suggest(&space, &history, trial, 3).unwrap();
        match trial.0 {
            5 | 9 => history.pending.push((trial, suggestion.params)),
            7 | 8 => history.failed.push((trial, suggestion.params)),
            _ => record(&mut history, trial, &suggestion, Some(loss(mixed_loss(&suggestion.params)))),
        }
    }
    let mut reversed = history.clone();
    reversed.observations.reverse();
    reversed.pending.reverse();
    reversed.failed.reverse();
    let forward = Bayesian.suggest(&space, &history, TrialId(17), 3).unwrap();
    assert_eq!(forward, Bayesian.suggest(&space, &reversed, TrialId(17), 3).unwrap());
    assert_eq!(forward.origin.model, "gp-logei");
}

#[test]
fn flipping_metric_and_direction_changes_nothing() {
    let sign = |direction: Direction| {
        let objective = Objective { metric: "m".into(), direction };
        run(&Bayesian, &mixed(), 14, 2, |params| {
            let value = mixed_loss(params);
            objective.loss(if direction == Direction::Minimize { value } else { -value })
        })
        .unwrap()
    };
    assert_eq!(sign(Direction::Minimize), sign(Direction::Maximize));
}

#[test]
fn scaling_the_metric_by_a_power_of_two_changes_no_bit() {
    let scaled = |factor: f64| {
        run(&Bayesian, &mixed(), 14, 2, |params| Some(loss(factor * mixed_loss(params)))).unwrap()
    };
    assert_eq!(scaled(1.0), scaled(1024.0));
}

#[test]
fn constant_parameter_changes_nothing() {
    for kind in SamplerKind::ALL {
        let plain = vec![float("x", 0.0, 1.0, Scale::Linear), int("k", 0, 30)];
        let mut padded = plain.clone();
        padded.insert(1, int("c", 7, 7));
        let trace = |parameters: Vec<Parameter>| {
            let space = SearchSpace::new(parameters).unwrap();
            let evaluate =
                |params: &Params| Some(loss((number(params, "x") - 0.3).abs() + number(params, "k")));
            let mut found = values(&run(&*kind.build(), &space, 12, 4, evaluate).unwrap());
            found.iter_mut().for_each(|params| drop(params.remove("c")));
            found
        };
        assert_eq!(trace(plain), trace(padded), "{kind:?}");
    }
}

#[test]
fn order_of_categories_only_renames_them() {
    let trace = |names: [&str; 3]| {
        let space = SearchSpace::new(vec![choice("c", &names), float("x", 0.0, 1.0, Scale::Linear)]).unwrap();
        let index = |params: &Params| {
            let is = |name: &&str| params.get("c") == Some(&ParamValue::Text((*name).into()));
            names.iter().position(is).unwrap()
        };
        let evaluate =
            |params: &Params| Some(loss([0.2, 0.0, 0.7][index(params)] + (number(params, "x") - 0.6).abs()));
        let found = run(&Bayesian, &space, 14, 6, evaluate).unwrap();
        found.iter().map(|s| (index(&s.params), number(&s.params, "x"))).collect::<Vec<_>>()
    };
    assert_eq!(trace(["a", "b", "c"]), trace(["c", "a", "b"]));
}

#[test]
fn complete_default_configuration_comes_first() {
    let mut x = float("x", 0.0, 1.0, Scale::Linear);
    x.default = Some(ParamValue::Float(0.125));
    let mut k = int("k", 0, 9);
    k.default = Some(ParamValue::Int(4));
    let space = SearchSpace::new(vec![x.clone(), k]).unwrap();
    let first = Bayesian.suggest(&space, &History::default(), TrialId(1), 0).unwrap();
    assert_eq!((first.params.clone(), first.origin.model.as_str()), (space.defaults().unwrap(), "default"));
    let incomplete = SearchSpace::new(vec![x, int("k", 0, 9)]).unwrap();
    let first = Bayesian.suggest(&incomplete, &History::default(), TrialId(1), 0).unwrap();
    assert_eq!(first.origin.model, "sobol");
}

#[test]
fn pending_trials_push_the_next_one_away() {
    let space =
        SearchSpace::new(vec![float("x", 0.0, 1.0, Scale::Linear), float("y", 0.0, 1.0, Scale::Linear)])
            .unwrap();
    let mut history = History::default();
    for trial in (1..=6).map(TrialId) {
        let suggestion = Bayesian.suggest(&space, &history, trial, 8).unwrap();
        let value =
            (number(&suggestion.params, "x") - 0.4).abs() + (number(&suggestion.params, "y") - 0.7).abs();
        record(&mut history, trial, &suggestion, Some(loss(value)));
    }
    let mut asked: Vec<Params> = Vec::new();
    for trial in (7..=10).map(TrialId) {
        let suggestion = Bayesian.suggest(&space, &history, trial, 8).unwrap();
        assert_eq!(suggestion.origin.model, "gp-logei");
        history.pending.push((trial, suggestion.params.clone()));
        asked.push(suggestion.params);
    }
    for (i, a) in asked.iter().enumerate() {
        for b in &asked[..i] {
            let gap = ["x", "y"].map(|name| (number(a, name) - number(b, name)).abs());
            assert!(gap[0].max(gap[1]) > 0.02, "{a} and {b}");
        }
    }
}

#[test]
fn failing_half_of_the_space_is_left_alone() {
    let space =
        SearchSpace::new(vec![float("x", 0.0, 1.0, Scale::Linear), float("y", 0.0, 1.0, Scale::Linear)])
            .unwrap();
    // The loss falls towards x = 1, but everything beyond 0.6 fails.
    let evaluate = |params: &Params| {
        let x = number(params, "x");
        (x <= 0.6).then(|| loss(1.0 - x + 0.1 * number(params, "y")))
    };
    let found = run(&Bayesian, &space, 40, 3, evaluate).unwrap();
    let failures = found[20..].iter().filter(|s| number(&s.params, "x") > 0.6).count();
    assert!(failures <= 8, "{failures} of the last 20 trials failed");
    let best = found.iter().map(|s| number(&s.params, "x")).filter(|&x| x <= 0.6).fold(0.0, f64::max);
    assert!(best > 0.55, "{best}");
}

#[test]
fn equal_results_and_few_results_fall_back_to_sobol() {
    let found = run(&Bayesian, &mixed(), 15, 1, |_| Some(loss(3.0))).unwrap();
    assert!(found.iter().all(|suggestion| suggestion.origin.model == "sobol"));
    let found = run(&Bayesian, &mixed(), 15, 1, |_| None).unwrap();
    assert!(found.iter().all(|suggestion| suggestion.origin.model == "sobol"));
}

#[test]
fn the_highest_well_observed_fidelity_decides() {
    let space = SearchSpace::new(vec![float("x", 0.0, 1.0, Scale::Linear)]).unwrap();
    let mut history = History::default();
    let design = run(&*SamplerKind::Sobol.build(), &space, 8, 1, |_| Some(loss(0.0))).unwrap();
    for (trial, suggestion) in (1..).map(TrialId).zip(&design) {
        let x = number(&suggestion.params, "x");
        // Low fidelity points to 0.1, high fidelity to 0.8.
        for (fidelity, target) in [(1, 0.1), (9, 0.8)] {
            let params = suggestion.params.clone();
            let loss = loss((x - target) * (x - target));
            history.observations.push(Observation::single(trial, params, loss, Fidelity(fidelity)));
        }
    }
    let suggestion = Bayesian.suggest(&space, &history, TrialId(9), 1).unwrap();
    assert!((number(&suggestion.params, "x") - 0.8).abs() < 0.2, "{}", suggestion.params);
    assert_eq!(suggestion.origin.observations, 8);
}

#[test]
fn stored_theta_only_warms_the_fit() {
    let space = mixed();
    let mut history = History::default();
    for trial in (1..=12).map(TrialId) {
        let suggestion = Bayesian.suggest(&space, &history, trial, 3).unwrap();
        record(&mut history, trial, &suggestion, Some(loss(mixed_loss(&suggestion.params))));
    }
    assert_eq!(history.theta.len(), 8, "six varying parameters, signal and noise");
    history.theta = vec![1.0; 3];
    let suggestion = Bayesian.suggest(&space, &history, TrialId(13), 3).unwrap();
    assert_eq!(suggestion.origin.model, "gp-logei", "parameters of another space are ignored");
}

#[test]
fn thousand_options_are_searched_quickly_and_well() {
    let names: Vec<String> = (0..1000).map(|k| format!("c{k}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let space = SearchSpace::new(vec![choice("c", &names), float("x", 0.0, 1.0, Scale::Linear)]).unwrap();
    let evaluate = |params: &Params| {
        let Some(ParamValue::Text(name)) = params.get("c") else { unreachable!("a text in {params}") };
        let good = name.ends_with('7');
        Some(loss(f64::from(u8::from(!good)) + (number(params, "x") - 0.3).abs()))
    };
    let found = run(&Bayesian, &space, 30, 3, evaluate).unwrap();
    let best = found.iter().filter_map(|s| evaluate(&s.params)).min().unwrap();
    assert!(best.get() < 0.1, "{}", best.get());
}

#[test]
fn bounds_one_ulp_apart_and_huge_losses_are_survived() {
    let space = SearchSpace::new(vec![
        float("thin", 1.0, 1.0 + f64::EPSILON, Scale::Linear),
        float("x", 0.0, 1.0, Scale::Linear),
    ])
    .unwrap();
    let evaluate = |params: &Params| {
        let x = number(params, "x");
        Some(loss(if x < 0.2 { -1e300 * x } else { 1e300 * (x - 0.5) }))
    };
    let found = run(&Bayesian, &space, 20, 2, evaluate).unwrap();
    assert!(found.iter().all(|s| (1.0..=1.0 + f64::EPSILON).contains(&number(&s.params, "thin"))));
}

#[test]
fn space_of_one_point_ends_after_it() {
    let space = SearchSpace::new(vec![int("k", 3, 3), choice("c", &["only"])]).unwrap();
    for kind in SamplerKind::ALL {
        assert_eq!(run(&*kind.build(), &space, 1, 1, |_| Some(loss(0.0))).unwrap().len(), 1, "{kind:?}");
        let end = run(&*kind.build(), &space, 2, 1, |_| Some(loss(0.0)));
        assert_eq!(end.unwrap_err(), SuggestError::Exhausted { size: 1, tried: 1 }, "{kind:?}");
    }
}
