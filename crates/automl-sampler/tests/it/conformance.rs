//! What every sampler must bear, whatever it is asked: odd spaces, odd results, odd histories.

use std::collections::BTreeSet;

use crate::common::{choice, float, int, loss, number, record, run};
use automl_core::{
    Condition, Direction, Distribution, Fidelity, Objective, ParamValue, Parameter, Params, Scale,
    SearchSpace, TrialId,
};
use automl_sampler::{History, Observation, SamplerKind, SuggestError};

const TRIALS: u64 = 20;

/// Numbers, options, and a branch.
fn branching() -> SearchSpace {
    let mut depth = int("depth", 1, 40);
    depth.conditions =
        vec![Condition { parent: "model".into(), values: vec![ParamValue::Text("tree".into())] }];
    SearchSpace::new(vec![
        choice("model", &["tree", "line", "net"]),
        depth,
        float("lr", 1e-5, 1e-1, Scale::Log),
        Parameter::new("flag", Distribution::bool()),
    ])
    .unwrap()
}

fn numeric() -> SearchSpace {
    SearchSpace::new(vec![
        float("lr", 1e-5, 1e-1, Scale::Log),
        int("k", 0, 12),
        Parameter::new("flag", Distribution::bool()),
    ])
    .unwrap()
}

/// Runs every sampler; `run` checks each suggestion against the space.
fn every_sampler_runs(space: &SearchSpace, evaluate: impl Fn(u64, &Params) -> Option<f64>) {
    let objective = Objective { metric: "loss".into(), direction: Direction::Minimize };
    for kind in SamplerKind::ALL {
        let count = std::cell::Cell::new(0);
        let evaluated = |params: &Params| {
            count.set(count.get() + 1);
            evaluate(count.get(), params).and_then(|value| objective.loss(value))
        };
        let found = run(&*kind.build(), space, TRIALS, 7, evaluated).unwrap();
        assert_eq!(found.len() as u64, TRIALS, "{kind:?}");
        assert!(found.iter().all(|suggestion| !suggestion.origin.reason.is_empty()), "{kind:?}");
    }
}

/// A history that the sampler itself made, with a failure and a pending trial.
fn history_of(kind: SamplerKind, space: &SearchSpace) -> History {
    let mut history = History::default();
    for trial in (1..=TRIALS).map(TrialId) {
        let suggestion = kind.build().suggest(space, &history, trial, 3).unwrap();
        let result = libm::log10(number(&suggestion.params, "lr")) + 3.0;
        match trial.0 {
            7 => history.failed.push((trial, suggestion.params)),
            17 => history.pending.push((trial, suggestion.params)),
            _ => record(&mut history, trial, &suggestion, Some(loss(result * result))),
        }
    }
    history
}

#[test]
fn results_that_are_no_numbers_are_borne() {
    for space in [branching(), numeric()] {
        every_sampler_runs(&space, |trial, _| {
            Some([0.5, f64::NAN, 1.0, f64::INFINITY, -2.0, f64::NEG_INFINITY][trial as usize % 6])
        });
    }
}

#[test]
fn results_of_any_size_are_borne() {
    for space in [branching(), numeric()] {
        every_sampler_runs(&space, |trial, _| {
            Some([f64::MAX, 1e-300, -1e300, 0.0, f64::MIN, 1e12, -0.0][trial as usize % 7])
        });
        every_sampler_runs(&space, |trial, _| Some([5e-324, 1e-323, -5e-324, 2e-310][trial as usize % 4]));
    }
}

#[test]
fn equal_results_and_failures_only_are_borne() {
    for space in [branching(), numeric()] {
        every_sampler_runs(&space, |_, _| Some(3.0));
        every_sampler_runs(&space, |_, _| None);
        every_sampler_runs(&space, |trial, _| (trial % 2 == 0).then_some(3.0));
    }
}

#[test]
fn thousand_choices_are_searched() {
    let choices: Vec<ParamValue> = (0..1000).map(ParamValue::Int).collect();
    let weights = (0..1000).map(|i| f64::from(i % 3)).collect();
    let space = SearchSpace::new(vec![
        Parameter::new("plain", Distribution::Categorical { choices: choices.clone(), weights: None }),
        Parameter::new(
            "weighted",
            Distribution::Categorical { choices: choices.clone(), weights: Some(weights) },
        ),
        Parameter::new("ordered", Distribution::Ordinal { choices, weights: None }),
    ])
    .unwrap();
    every_sampler_runs(&space, |_, params| Some(number(params, "plain") - number(params, "ordered")));
}

#[test]
fn bounds_may_be_a_hair_or_the_world_apart() {
    let space = SearchSpace::new(vec![
        float("hair", 1.0, 1.0_f64.next_up(), Scale::Linear),
        float("log", 1e-5, 1e-5_f64.next_up(), Scale::Log),
        float("tiny", 5e-324, 1e-323, Scale::Log),
        float("world", -8e307, 8e307, Scale::Linear),
        float("decades", 1e-300, 1e300, Scale::Log),
        int("int", i64::MIN, i64::MAX),
        int("exact", (1 << 53) - 3, (1 << 53) + 3),
        Parameter::new("log_int", Distribution::Int { low: 1, high: i64::MAX, step: 1, scale: Scale::Log }),
    ])
    .unwrap();
    every_sampler_runs(&space, |_, params| Some(number(params, "world").abs()));
}

#[test]
fn two_hundred_parameters_are_searched() {
    let space =
        SearchSpace::new((0..200).map(|i| float(&format!("x{i}"), 0.0, 1.0, Scale::Linear)).collect());
    every_sampler_runs(&space.unwrap(), |_, params| Some(number(params, "x0") + number(params, "x199")));
}

#[test]
fn names_and_options_may_be_any_text() {
    let options = ["true", "false", "1", "1e3", "é", "e\u{301}", "", " ", "\"\\\n\u{0}"];
    let mut choices: Vec<ParamValue> = options.map(|text| ParamValue::Text(text.into())).to_vec();
    choices.extend([ParamValue::Bool(true), ParamValue::Int(1), ParamValue::Float(1e3)]);
    let of = |name: &str, choices: &[ParamValue]| {
        Parameter::new(name, Distribution::Categorical { choices: choices.to_vec(), weights: None })
    };
    let mut child = float("x", 0.0, 1.0, Scale::Linear);
    child.conditions =
        vec![Condition { parent: "λ \u{2603}\"".into(), values: vec![ParamValue::Text("1".into())] }];
    let space = SearchSpace::new(vec![of("λ \u{2603}\"", &choices), of("a b=c,d", &choices), child]).unwrap();
    every_sampler_runs(&space, |trial, _| Some(trial as f64));
    for kind in SamplerKind::ALL {
        let alone = SearchSpace::new(vec![of("c", &choices)]).unwrap();
        let found = run(&*kind.build(), &alone, 12, 5, |_| Some(loss(1.0))).unwrap();
        let keys: BTreeSet<String> = found.iter().map(|suggestion| suggestion.params.key()).collect();
        assert_eq!(keys.len(), 12, "{kind:?}: a text and the value that it spells are two options");
    }
}

#[test]
fn one_parameter_is_enough() {
    let parameters = [
        float("x", 0.0, 1.0, Scale::Linear),
        int("k", 0, 1_000_000),
        choice(
            "c",
            &[
                "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r",
                "s", "t",
            ],
        ),
    ];
    for parameter in parameters {
        let space = SearchSpace::new(vec![parameter]).unwrap();
        every_sampler_runs(&space, |trial, _| Some(((trial as f64) - 7.0).powi(2)));
    }
}

#[test]
fn space_of_one_point_is_tried_once() {
    let one = SearchSpace::new(vec![int("k", 3, 3), choice("c", &["only"])]).unwrap();
    let none = SearchSpace::new(Vec::new()).unwrap();
    for space in [one, none] {
        for kind in SamplerKind::ALL {
            let end = run(&*kind.build(), &space, 2, 1, |_| Some(loss(1.0)));
            assert_eq!(end.unwrap_err(), SuggestError::Exhausted { size: 1, tried: 1 }, "{kind:?}");
        }
    }
}

#[test]
fn unsound_spaces_are_refused() {
    let stepped = Distribution::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: Some(1.5) };
    let under = |name: &str, parent: &str| Parameter {
        conditions: vec![Condition { parent: parent.into(), values: vec![ParamValue::Int(1)] }],
        ..int(name, 0, 3)
    };
    let cases = [
        (vec![Parameter::new("x", stepped)], "step 1.5 must be above 0 and at most the range 1"),
        (vec![float("x", 0.0, 1.0, Scale::Log)], "a log scale needs a lower bound above 0, found 0"),
        (vec![float("x", -1.0, 1.0, Scale::Log)], "a log scale needs a lower bound above 0, found -1"),
        (vec![float("x", f64::NAN, 1.0, Scale::Linear)], "bounds must be finite numbers"),
        (vec![int("a", 0, 1), int("a", 0, 1)], "parameter `a` is declared twice"),
        (
            vec![Parameter::new("k", Distribution::Int { low: 0, high: 8, step: 1, scale: Scale::Log })],
            "a log scale needs a lower bound above 0, found 0",
        ),
        (vec![float("x", f64::MIN, f64::MAX, Scale::Linear)], "bring them closer together"),
        (vec![under("a", "nobody")], "condition on unknown parameter `nobody`"),
        (vec![under("a", "b"), under("b", "a")], "cycle through a, b"),
    ];
    for (parameters, expected) in cases {
        let problems = SearchSpace::new(parameters).unwrap_err();
        let text: String = problems.iter().map(ToString::to_string).collect();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn asking_again_gives_the_same() {
    for space in [branching(), numeric()] {
        for kind in SamplerKind::ALL {
            let history = history_of(kind, &space);
            let mut shuffled = history.clone();
            shuffled.observations.reverse();
            shuffled.observations.swap(3, 9);
            let ask =
                |history: &History| kind.build().suggest(&space, history, TrialId(TRIALS + 1), 3).unwrap();
            let first = ask(&history);
            assert_eq!(first, ask(&history), "{kind:?}");
            assert_eq!(first, ask(&shuffled), "{kind:?}");
            let elsewhere = std::thread::scope(|scope| {
                let threads = [0, 1].map(|_| scope.spawn(|| ask(&history)));
                threads.map(|thread| thread.join().unwrap())
            });
            assert!(elsewhere.iter().all(|found| *found == first), "{kind:?}");
        }
    }
}

#[test]
fn parallel_trials_differ() {
    for space in [branching(), numeric()] {
        for kind in SamplerKind::ALL {
            let mut history = history_of(kind, &space);
            for trial in (TRIALS + 1..=TRIALS + 8).map(TrialId) {
                let suggestion = kind.build().suggest(&space, &history, trial, 3).unwrap();
                history.pending.push((trial, suggestion.params));
            }
            let keys: BTreeSet<String> = history.pending.iter().map(|(_, params)| params.key()).collect();
            assert_eq!(keys.len(), 9, "{kind:?}");
        }
    }
}

#[test]
fn results_from_outside_the_space_are_skipped() {
    let space = numeric();
    let outside = |lr: f64, k: i64| -> Params {
        [("lr", ParamValue::Float(lr)), ("k", ParamValue::Int(k)), ("flag", ParamValue::Bool(true))]
            .map(|(name, value)| (name.to_string(), value))
            .into_iter()
            .collect()
    };
    let mut unknown = outside(1e-3, 3);
    unknown.insert("else".into(), ParamValue::Int(1));
    for kind in SamplerKind::ALL {
        let history = history_of(kind, &space);
        let mut mixed = history.clone();
        for (i, params) in
            [outside(1.0, 3), outside(1e-3, 99), unknown.clone(), Params::default()].into_iter().enumerate()
        {
            // Their numbers lie between, and far beyond, those of the study.
            let trial = TrialId(1_000_000 * (1 + i as u64));
            mixed.observations.push(Observation::single(trial, params.clone(), loss(-1e9), Fidelity(1)));
            mixed.failed.push((TrialId(trial.0 + 1), params));
        }
        let ask = |history: &History| kind.build().suggest(&space, history, TrialId(TRIALS + 1), 3).unwrap();
        assert_eq!(ask(&history).params, ask(&mixed).params, "{kind:?}");
    }
}

#[test]
fn numbers_of_trials_may_have_gaps() {
    for space in [branching(), numeric()] {
        for kind in SamplerKind::ALL {
            let mut history = history_of(kind, &space);
            for observation in &mut history.observations {
                observation.trial = TrialId(observation.trial.0 * 1_000_003);
            }
            let suggestion = kind.build().suggest(&space, &history, TrialId(1 << 40), 3).unwrap();
            space.check(&suggestion.params).unwrap();
        }
    }
}

#[test]
fn only_the_order_of_results_counts_for_ranking_samplers() {
    for kind in [SamplerKind::Tpe, SamplerKind::CmaEs] {
        let trace = |curve: fn(f64) -> f64| {
            let evaluate = |params: &Params| {
                let lr = libm::log10(number(params, "lr")) + 3.0;
                Some(loss(curve(lr * lr + 0.1 * number(params, "k"))))
            };
            run(&*kind.build(), &numeric(), TRIALS, 2, evaluate).unwrap()
        };
        assert_eq!(trace(|x| x), trace(|x| libm::exp(3.0 * x) - 7.0), "{kind:?}");
    }
}
