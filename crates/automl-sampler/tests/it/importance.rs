//! Importance must name the parameters that matter.

use crate::common::{choice, float, int, loss, number};
use automl_core::{Condition, Fidelity, ParamValue, Params, Scale, SearchSpace, TrialId};
use automl_sampler::{History, Importance, Observation, SamplerKind, importance};

fn space() -> SearchSpace {
    let mut depth = int("depth", 1, 9);
    depth.conditions =
        vec![Condition { parent: "model".into(), values: vec![ParamValue::Text("tree".into())] }];
    SearchSpace::new(vec![
        depth,
        choice("model", &["tree", "line"]),
        float("lr", 1e-5, 1.0, Scale::Log),
        float("idle", 0.0, 1.0, Scale::Linear),
        int("fixed", 2, 2),
    ])
    .unwrap()
}

fn shares(evaluate: impl Fn(&Params) -> f64) -> Vec<Importance> {
    let (space, history) = (space(), History::default());
    let observe = |trial| {
        let params = SamplerKind::Random.build().suggest(&space, &history, trial, 5).unwrap().params;
        let loss = loss(evaluate(&params));
        Observation::single(trial, params, loss, Fidelity(1))
    };
    importance(&space, &(1..=300).map(TrialId).map(observe).collect::<Vec<_>>(), 0)
}

#[test]
fn parameter_that_decides_comes_first() {
    let list =
        shares(|params| (libm::log10(number(params, "lr")) + 2.0).abs() + 0.01 * number(params, "idle"));
    assert_eq!(list[0].parameter, "lr");
    assert!(list[0].share > 0.7, "{list:?}");
    assert!((list.iter().map(|importance| importance.share).sum::<f64>() - 1.0).abs() < 1e-12);
    assert!(list.iter().all(|importance| importance.parameter != "fixed"));
}

#[test]
fn conditional_parameter_counts_where_it_is_active() {
    let depth = |params: &Params| params.get("depth").and_then(ParamValue::as_f64);
    let decides = shares(|params| depth(params).map_or(20.0, |depth| (depth - 4.0).abs()));
    assert_eq!(decides[0].parameter, "depth", "{decides:?}");
    assert!((120..180).contains(&decides[0].observations));
    // In the best trials it is never active.
    let idle = shares(|params| depth(params).map_or_else(|| number(params, "lr"), |depth| 20.0 + depth));
    assert!(idle.iter().any(|importance| importance.parameter == "depth" && importance.share == 0.0));
}

#[test]
fn nothing_is_said_where_nothing_is_known() {
    assert_eq!(shares(|_| 1.0), []);
    assert_eq!(importance(&space(), &[], 0), []);
}

#[test]
fn results_from_outside_the_space_do_not_count() {
    let (space, history) = (space(), History::default());
    let mut observations: Vec<Observation> = Vec::new();
    for trial in (1..=40).map(TrialId) {
        let params = SamplerKind::Random.build().suggest(&space, &history, trial, 5).unwrap().params;
        let value = number(&params, "lr");
        observations.push(Observation::single(trial, params, loss(value), Fidelity(1)));
    }
    let before = importance(&space, &observations, 0);
    let mut params = observations[0].params.clone();
    params.insert("lr".into(), ParamValue::Float(7.0));
    observations.push(Observation::single(TrialId(900), params, loss(-5.0), Fidelity(1)));
    assert_eq!(importance(&space, &observations, 0), before);
}

#[test]
fn each_objective_has_its_own_parameters_and_broken_constraints_count_as_bad() {
    let (space, history) = (space(), History::default());
    let observe = |trial| {
        let params = SamplerKind::Random.build().suggest(&space, &history, trial, 5).unwrap().params;
        let (lr, idle) = (libm::log10(number(&params, "lr")).abs(), number(&params, "idle"));
        Observation {
            others: vec![loss(idle)],
            violations: vec![if params.get("depth").is_some() { 1.0 } else { -1.0 }],
            ..Observation::single(trial, params, loss(lr), Fidelity(1))
        }
    };
    let observations: Vec<Observation> = (1..=300).map(TrialId).map(observe).collect();
    let share = |objective, name: &str| {
        let list = importance(&space, &observations, objective);
        list.iter().find(|one| one.parameter == name).map_or(0.0, |one| one.share)
    };
    assert!(share(0, "lr") > 3.0 * share(0, "idle") && share(1, "idle") > 3.0 * share(1, "lr"));
    let (model, idle) = (share(0, "model"), share(0, "idle"));
    assert!(model > 2.0 * idle, "only lines keep the constraint: {model}, {idle}");
    assert_eq!(importance(&space, &observations, 2), [], "there are two objectives");
}

#[test]
fn few_results_and_lower_fidelities_say_what_they_can() {
    let (space, history) = (space(), History::default());
    let observe = |trial: u64, fidelity| {
        let params = SamplerKind::Random.build().suggest(&space, &history, TrialId(trial), 5).unwrap().params;
        // What matters at the low fidelity does not at the high one.
        let value = number(&params, if fidelity == 1 { "idle" } else { "lr" });
        Observation::single(TrialId(trial), params, loss(value), Fidelity(fidelity))
    };
    let mut observations: Vec<Observation> = (1..=5).map(|trial| observe(trial, 1)).collect();
    assert_eq!(importance(&space, &observations, 0), []);
    observations.extend((6..=80).map(|trial| observe(trial, 1)));
    observations.extend((1..=3).map(|trial| observe(trial, 9)));
    assert_eq!(importance(&space, &observations, 0)[0].parameter, "idle");
    observations.extend((4..=60).map(|trial| observe(trial, 9)));
    assert_eq!(importance(&space, &observations, 0)[0].parameter, "lr");
}
