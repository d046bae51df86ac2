//! Runs of every model, compared bit for bit with recorded ones.
//!
//! A difference means that replaying an old study gives other suggestions. If that is intended, the
//! record is replaced by what the failing test prints.

use std::collections::VecDeque;
use std::fmt::Write;

use crate::common::{choice, float, int, loss, number, record, run};
use automl_core::{Condition, Distribution, ParamValue, Parameter, Params, Scale, SearchSpace, TrialId};
use automl_sampler::{Bayesian, History, Sampler, SamplerKind, Suggestion};

#[test]
fn quadratic_run_has_the_recorded_bits() {
    let space =
        SearchSpace::new(vec![float("x", -1.0, 2.0, Scale::Linear), float("lr", 1e-4, 1.0, Scale::Log)])
            .unwrap();
    let evaluate = |params: &Params| {
        let (x, lr) = (number(params, "x") - 0.5, libm::log10(number(params, "lr")) + 2.0);
        Some(loss(x * x + 0.5 * lr * lr))
    };
    let mut trace = String::new();
    for suggestion in run(&Bayesian, &space, 20, 42, evaluate).unwrap() {
        let [x, lr] = ["x", "lr"].map(|name| number(&suggestion.params, name));
        writeln!(
            trace,
            "{:016x} {:016x} {} {x:.4} {lr:.2e}",
            x.to_bits(),
            lr.to_bits(),
            suggestion.origin.model
        )
        .unwrap();
    }
    assert!(trace == include_str!("golden/quadratic.txt"), "the run is now\n{trace}");
}

/// Fifteen suggestions of a sampler in a space with a branch, or one without.
fn trace(kind: SamplerKind, branches: bool) -> String {
    let mut parameters = vec![float("lr", 1e-4, 1.0, Scale::Log), int("k", 0, 9)];
    if branches {
        let mut depth = int("depth", 1, 30);
        depth.conditions =
            vec![Condition { parent: "model".into(), values: vec![ParamValue::Text("tree".into())] }];
        parameters.extend([choice("model", &["tree", "line", "net"]), depth]);
    }
    let space = SearchSpace::new(parameters).unwrap();
    let evaluate = |params: &Params| {
        let lr = libm::log10(number(params, "lr")) + 2.0;
        let depth = params.get("depth").and_then(ParamValue::as_f64).map_or(1.0, |d| 0.02 * (d - 9.0).abs());
        Some(loss(lr * lr + 0.1 * (number(params, "k") - 4.0).abs() + depth))
    };
    let mut trace = String::new();
    for suggestion in run(&*kind.build(), &space, 15, 42, evaluate).unwrap() {
        let lr = number(&suggestion.params, "lr").to_bits();
        writeln!(trace, "{lr:016x} {} {}", suggestion.origin.model, suggestion.params).unwrap();
    }
    trace
}

#[test]
fn tpe_run_has_the_recorded_bits() {
    let trace = trace(SamplerKind::Tpe, true);
    assert_eq!(trace, include_str!("golden/tpe.txt"));
}

#[test]
fn cma_run_has_the_recorded_bits() {
    let trace = trace(SamplerKind::CmaEs, false);
    assert_eq!(trace, include_str!("golden/cma.txt"));
}

#[test]
fn auto_run_is_that_of_the_gaussian_process() {
    assert_eq!(trace(SamplerKind::Auto, true), trace(SamplerKind::Bayesian, true));
}

/// Four workers, failures, a category with its own parameters, whole numbers on both scales.
#[test]
fn mixed_run_with_four_workers_has_the_recorded_bits() {
    let under = |mut parameter: Parameter, model: &str| {
        parameter.conditions =
            vec![Condition { parent: "model".into(), values: vec![ParamValue::Text(model.into())] }];
        parameter
    };
    let units = Distribution::Int { low: 1, high: 300, step: 1, scale: Scale::Log };
    let space = SearchSpace::new(vec![
        choice("model", &["tree", "net", "line"]),
        under(int("depth", 1, 12), "tree"),
        under(Parameter::new("units", units), "net"),
        under(float("lr", 1e-5, 1e-1, Scale::Log), "net"),
        float("share", 0.0, 1.0, Scale::Linear),
    ])
    .unwrap();
    let evaluate = |params: &Params| {
        let share = number(params, "share");
        let branch = match params.get("model") {
            Some(ParamValue::Text(name)) if name == "tree" => {
                0.4 + (number(params, "depth") - 7.0).abs() / 12.0
            }
            Some(ParamValue::Text(name)) if name == "net" => {
                (libm::log10(number(params, "lr")) + 3.0).abs() / 4.0 + 1.0 / number(params, "units")
            }
            _ => 0.9,
        };
        (share < 0.8).then(|| loss(branch + (share - 0.6) * (share - 0.6)))
    };
    let mut history = History { budget: Some(28), ..History::default() };
    let mut running = VecDeque::new();
    let mut trace = String::new();
    for trial in (1..=28).map(TrialId) {
        if running.len() == 4 {
            let (ended, suggestion): (TrialId, Suggestion) = running.pop_front().unwrap();
            history.pending.retain(|(pending, _)| *pending != ended);
            record(&mut history, ended, &suggestion, evaluate(&suggestion.params));
        }
        let suggestion = Bayesian.suggest(&space, &history, trial, 7).unwrap();
        writeln!(trace, "{} {}", suggestion.origin.model, suggestion.params.key()).unwrap();
        history.pending.push((trial, suggestion.params.clone()));
        running.push_back((trial, suggestion));
    }
    assert!(trace == include_str!("golden/mixed.txt"), "the run is now\n{trace}");
}
