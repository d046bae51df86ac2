//! Several objectives, each with a model of its own: what must not matter, and what must be borne.

use crate::common::{choice, float, int, loss, number};
use automl_core::{Fidelity, Loss, Params, Scale, SearchSpace, TrialId};
use automl_sampler::{Bayesian, History, Observation, Sampler, Suggestion, hypervolume};
use automl_surrogate::{Draws, Front, Prediction};
use serde_json::Value;

fn square() -> SearchSpace {
    let parameters = ["x", "y"].map(|name| float(name, 0.0, 1.0, Scale::Linear)).to_vec();
    SearchSpace::new(parameters).unwrap()
}

fn corners(params: &Params) -> Vec<f64> {
    let (x, y) = (number(params, "x"), number(params, "y"));
    let square = |a: f64, b: f64| (x - a) * (x - a) + (y - b) * (y - b);
    vec![square(0.2, 0.3), square(0.8, 0.6), square(0.3, 0.9)]
}

fn two_corners(params: &Params) -> Vec<f64> {
    corners(params)[..2].to_vec()
}

fn observation(trial: TrialId, params: Params, losses: &[f64]) -> Observation {
    let losses: Vec<Loss> = losses.iter().map(|&value| loss(value)).collect();
    Observation { others: losses[1..].to_vec(), ..Observation::single(trial, params, losses[0], Fidelity(1)) }
}

/// Asks and tells so many times; `None` is a failure.
fn search(
    space: &SearchSpace,
    trials: u64,
    seed: u64,
    measure: impl Fn(&Params) -> Option<Vec<f64>>,
) -> (History, Vec<Suggestion>) {
    let mut history = History { budget: Some(trials), ..History::default() };
    let mut found = Vec::new();
    for trial in (1..=trials).map(TrialId) {
        let suggestion = Bayesian.suggest(space, &history, trial, seed).unwrap();
        space.check(&suggestion.params).unwrap();
        match measure(&suggestion.params) {
            Some(losses) => history.observations.push(observation(trial, suggestion.params.clone(), &losses)),
            None => history.failed.push((trial, suggestion.params.clone())),
        }
        if !suggestion.origin.theta.is_empty() {
            history.theta.clone_from(&suggestion.origin.theta);
        }
        found.push(suggestion);
    }
    (history, found)
}

/// The point that is proposed after `count` fixed configurations, and why.
fn next(count: u64, measure: impl Fn(&Params) -> Vec<f64>) -> ([f64; 2], String) {
    let (space, draws) = (square(), Draws::new(3));
    let observations = (1..=count).map(|trial| {
        let params = space.decode(&[draws.uniform(trial, 0), draws.uniform(trial, 1)]);
        let losses = measure(&params);
        observation(TrialId(trial), params, &losses)
    });
    let history = History { observations: observations.collect(), ..History::default() };
    let found = Bayesian.suggest(&space, &history, TrialId(count + 1), 5).unwrap();
    (["x", "y"].map(|name| number(&found.params, name)), found.origin.reason)
}

fn near(a: [f64; 2], b: [f64; 2], tolerance: f64) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance)
}

#[test]
fn scaling_an_objective_by_a_power_of_two_changes_no_bit() {
    let scaled = |factor: f64| {
        let measure = |params: &Params| {
            let losses = two_corners(params);
            Some(vec![losses[0], factor * losses[1]])
        };
        search(&square(), 16, 2, measure).1
    };
    assert_eq!(scaled(1.0), scaled(1024.0));
    assert_eq!(scaled(1.0), scaled(1.0 / 65536.0));
}

#[test]
fn affine_change_of_an_objective_moves_nothing() {
    for count in [12, 27] {
        let (plain, why) = next(count, corners);
        assert!(why.contains("growth of the front of 3 objectives"), "{why}");
        for (factor, offset) in [(3.7, -12.0), (0.013, 5.0)] {
            let changed = |params: &Params| {
                let losses = corners(params);
                vec![losses[0], factor * losses[1] + offset, losses[2]]
            };
            let moved = next(count, changed).0;
            assert!(near(plain, moved, 1e-4), "{count} {factor}: {plain:?} {moved:?}");
        }
    }
}

#[test]
fn order_of_objectives_moves_nothing() {
    for count in [12, 27] {
        let plain = next(count, corners).0;
        for order in [[1, 0, 2], [2, 1, 0], [1, 2, 0]] {
            let permuted = next(count, |params| order.map(|j| corners(params)[j]).to_vec()).0;
            assert!(near(plain, permuted, 1e-4), "{count} {order:?}: {plain:?} {permuted:?}");
        }
        let pair = next(count, two_corners).0;
        let turned = next(count, |params| two_corners(params).into_iter().rev().collect()).0;
        assert!(near(pair, turned, 1e-4), "{count}: {pair:?} {turned:?}");
    }
}

#[test]
fn equal_objectives_are_one() {
    let (history, _) = search(&square(), 30, 1, |params| Some(vec![two_corners(params)[0]; 2]));
    let best = history.observations.iter().map(|o| o.loss.get()).fold(f64::INFINITY, f64::min);
    assert!(best < 1e-3, "{best}");
}

#[test]
fn constant_objective_does_not_stand_in_the_way() {
    for constant in [0.0, 3.0, -1e300] {
        let measure = |params: &Params| Some(vec![two_corners(params)[0], constant]);
        let (history, found) = search(&square(), 30, 1, measure);
        let best = history.observations.iter().map(|o| o.loss.get()).fold(f64::INFINITY, f64::min);
        assert!(best < 1e-2, "{constant}: {best}");
        assert_eq!(found[29].origin.model, "gp-logei", "{constant}");
    }
    let (_, found) = search(&square(), 15, 1, |_| Some(vec![1.0, 2.0]));
    assert!(found.iter().all(|suggestion| suggestion.origin.model == "sobol"));
}

#[test]
fn losses_of_any_size_are_borne() {
    let sizes = [1e300, -1e300, 0.0, f64::MAX, f64::MIN, 5e-324, 1.0];
    for seed in 0..3 {
        let measure = |params: &Params| {
            let at = (number(params, "x") * 6.9) as usize;
            Some(vec![sizes[at], sizes[6 - at], number(params, "y")])
        };
        assert_eq!(search(&square(), 20, seed, measure).1.len(), 20);
    }
}

#[test]
fn failures_are_left_alone_and_failures_only_are_borne() {
    let half = |params: &Params| (number(params, "x") <= 0.5).then(|| two_corners(params));
    let (_, found) = search(&square(), 40, 3, half);
    let failed = found[20..].iter().filter(|s| number(&s.params, "x") > 0.5).count();
    assert!(failed <= 8, "{failed} of the last 20 trials failed");
    let (history, _) = search(&square(), 15, 1, |_| None);
    assert_eq!(history.failed.len(), 15);
}

#[test]
fn front_ends_at_a_constraint() {
    let (space, mut history) = (square(), History { budget: Some(40), ..History::default() });
    for trial in (1..=40).map(TrialId) {
        let suggestion = Bayesian.suggest(&space, &history, trial, 2).unwrap();
        let losses = two_corners(&suggestion.params);
        let violations = vec![number(&suggestion.params, "x") - 0.5];
        let result = observation(trial, suggestion.params, &losses);
        history.observations.push(Observation { violations, ..result });
        history.theta = suggestion.origin.theta;
    }
    let allowed: Vec<&Observation> = history.observations.iter().filter(|o| o.is_feasible()).collect();
    let best = |loss: &dyn Fn(&Observation) -> f64| allowed.iter().map(|o| loss(o)).fold(1.0, f64::min);
    let (first, second) = (best(&|o| o.loss.get()), best(&|o| o.others[0].get()));
    // At (0.2, 0.3), which is allowed, and at (0.5, 0.6), on the bound; the corner itself is at (0.8, 0.6).
    assert!(first < 0.003 && second < 0.095, "{first} {second}");
    let broken = history.observations[20..].iter().filter(|o| !o.is_feasible()).count();
    assert!(broken <= 8, "{broken} of the last 20 trials are not allowed");
}

#[test]
fn trials_that_run_at_once_differ() {
    let (space, draws) = (square(), Draws::new(8));
    let mut history = History::default();
    for trial in 1..=14 {
        let params = space.decode(&[draws.uniform(trial, 0), draws.uniform(trial, 1)]);
        let losses = corners(&params);
        history.observations.push(observation(TrialId(trial), params, &losses));
    }
    let mut asked: Vec<[f64; 2]> = Vec::new();
    for trial in (15..=22).map(TrialId) {
        let found = Bayesian.suggest(&space, &history, trial, 8).unwrap();
        let point = ["x", "y"].map(|name| number(&found.params, name));
        assert!(asked.iter().all(|other| !near(*other, point, 0.01)), "{asked:?} {point:?}");
        asked.push(point);
        history.pending.push((trial, found.params));
    }
    let mut reversed = history.clone();
    reversed.observations.reverse();
    reversed.pending.reverse();
    let ask = |history: &History| Bayesian.suggest(&space, history, TrialId(23), 8).unwrap();
    assert_eq!(ask(&history), ask(&reversed), "the order of the history does not matter");
}

#[test]
fn options_and_branches_are_searched_too() {
    let mut depth = int("depth", 1, 40);
    depth.conditions = vec![automl_core::Condition {
        parent: "model".into(),
        values: vec![automl_core::ParamValue::Text("tree".into())],
    }];
    let parameters = vec![choice("model", &["line", "tree", "net"]), depth, int("width", 1, 60)];
    let space = SearchSpace::new(parameters).unwrap();
    let measure = |params: &Params| {
        let depth = params.get("depth").and_then(automl_core::ParamValue::as_f64);
        let error = depth.map_or(1.0, |depth| 1.0 / depth) + (number(params, "width") - 30.0).abs() / 60.0;
        Some(vec![error, depth.unwrap_or(20.0) + 0.1 * number(params, "width")])
    };
    let (history, found) = search(&space, 60, 4, measure);
    let points: Vec<Vec<f64>> =
        history.observations.iter().map(|o| vec![o.loss.get(), o.others[0].get()]).collect();
    let all = (1..=40).flat_map(|depth| (1..=60).map(move |width| (f64::from(depth), f64::from(width))));
    let all = all.map(|(depth, width)| vec![1.0 / depth + (width - 30.0).abs() / 60.0, depth + 0.1 * width]);
    let (have, whole) =
        (hypervolume(&points, &[1.5, 30.0]), hypervolume(&all.collect::<Vec<_>>(), &[1.5, 30.0]));
    assert!(have > 0.95 * whole, "{have} of {whole}");
    assert!(found[59].origin.reason.contains("growth of the front of 2 objectives"));
}

/// Where growth is certain, it is the difference of two volumes; what is larger is better to the one, and smaller to the
/// other.
fn growth(front: &[Vec<f64>], reference: &[f64], new: &[f64]) -> f64 {
    let turned = |point: &[f64]| point.iter().map(|value| -value).collect::<Vec<f64>>();
    let points: Vec<Vec<f64>> = front.iter().map(|point| turned(point)).collect();
    let found: Vec<Prediction> =
        turned(new).into_iter().map(|mean| Prediction { mean, variance: 1e-16 }).collect();
    libm::exp(Front::new(&points, &turned(reference)).log_expected_growth(&found))
}

#[test]
fn certain_growth_adds_up_to_the_golden_volumes() {
    let table: Value = serde_json::from_str(include_str!("golden/multi_objective.json")).unwrap();
    for (points, reference, volume) in [
        ("points_min", vec![10.0; 2], "hypervolume_ref_10_10"),
        ("points3", vec![7.0; 3], "hypervolume3_ref_7"),
    ] {
        let point = |row: &Value| -> Vec<f64> {
            row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
        };
        let points: Vec<Vec<f64>> = table[points].as_array().unwrap().iter().map(point).collect();
        let total: f64 = (0..points.len()).map(|i| growth(&points[..i], &reference, &points[i])).sum();
        let expected = table[volume].as_f64().unwrap();
        assert!((total - expected).abs() < 1e-5, "{total}, not {expected}");
    }
}

#[test]
fn certain_growth_is_a_difference_of_volumes() {
    let draws = Draws::new(9);
    for round in 0..60 {
        let objectives = 2 + round as usize % 2;
        let point = |i: u64| -> Vec<f64> {
            (0..objectives as u64).map(|j| draws.uniform(100 * round + i, j)).collect()
        };
        let front: Vec<Vec<f64>> = (0..12).map(point).collect();
        let (new, reference) = (point(50), vec![0.9; objectives]);
        let mut with = front.clone();
        with.push(new.clone());
        let expected = hypervolume(&with, &reference) - hypervolume(&front, &reference);
        let found = growth(&front, &reference, &new);
        assert!((found - expected).abs() < 1e-5, "round {round}: {found}, not {expected}");
    }
}

#[test]
fn expected_growth_does_not_depend_on_the_order_of_objectives() {
    let draws = Draws::new(4);
    for round in 0..40 {
        let point = |i: u64| -> Vec<f64> { (0..3).map(|j| draws.uniform(100 * round + i, j)).collect() };
        let front: Vec<Vec<f64>> = (0..15).map(point).collect();
        let found: Vec<Prediction> = (0..3)
            .map(|j| Prediction {
                mean: draws.normal(round, 90 + j),
                variance: libm::exp(-12.0 * draws.uniform(round, 95 + j)),
            })
            .collect();
        let value = |order: [usize; 3]| {
            let front: Vec<Vec<f64>> = front.iter().map(|point| order.map(|j| point[j]).to_vec()).collect();
            Front::new(&front, &[0.1; 3]).log_expected_growth(&order.map(|j| found[j]))
        };
        let plain = value([0, 1, 2]);
        for order in [[1, 0, 2], [2, 0, 1], [2, 1, 0]] {
            let other = value(order);
            assert!(
                plain.is_finite() && (plain - other).abs() < 1e-7 * plain.abs().max(1.0),
                "{round} {plain} {other}"
            );
        }
    }
}

#[test]
fn growth_and_weightings_take_turns() {
    let (history, found) = search(&square(), 24, 6, |params| Some(two_corners(params)));
    for (trial, suggestion) in (1..).zip(&found).skip(6) {
        let expected = match trial % 4 {
            0 | 1 => "expected growth of the front of 2 objectives",
            _ => "expected improvement of a random weighting of 2 objectives",
        };
        assert!(suggestion.origin.reason.contains(expected), "{trial}: {}", suggestion.origin.reason);
    }
    // Two lengthscales, signal and noise of both objectives and of the weighting.
    assert_eq!(history.theta.len(), 12);
    assert!(history.theta.iter().all(|value| *value > 0.0), "{:?}", history.theta);
}

#[test]
fn many_objectives_and_many_results_are_weighted() {
    let four = |params: &Params| [corners(params), two_corners(params)[..1].to_vec()].concat();
    assert!(next(20, four).1.contains("random weighting of 4 objectives"));
    assert!(next(330, two_corners).1.contains("random weighting of 2 objectives"));
}
