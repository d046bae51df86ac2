//! The rung race's choices: what goes on, what starts, and that nothing else matters.

use automl_core::{Distribution, Fidelity, ParamValue, Parameter, Params, Scale, SearchSpace, TrialId};
use automl_sampler::{Chosen, Contender, Contest, History, Observation, Start, SuggestError, choose};
use std::collections::BTreeMap;

use crate::common::{float, loss};

const LEVELS: [u64; 3] = [1, 3, 9];

/// A result of trial `trial`, whose first value is `x`.
fn result(trial: u64, x: f64, fidelity: u64, value: f64) -> Observation {
    Observation::single(TrialId(trial), at(x), loss(value), Fidelity(fidelity))
}

fn space() -> SearchSpace {
    SearchSpace::new(["x", "y"].map(|name| float(name, 0.0, 1.0, Scale::Linear)).to_vec()).unwrap()
}

fn at(x: f64) -> Params {
    let value = |(name, value): (&str, f64)| (name.to_string(), ParamValue::Float(value));
    [("x", x), ("y", 0.5)].map(value).into_iter().collect()
}

/// Twelve trials after one epoch, those near `x = 0.3` the best; two of them at three epochs.
fn history() -> History {
    let x = |trial: u64| (trial as f64 * 0.618).fract();
    let mut observations: Vec<Observation> =
        (1..=12).map(|t| result(t, x(t), 1, 1.0 + (x(t) - 0.3).powi(2))).collect();
    observations.extend([2, 7].map(|t| result(t, x(t), 3, 0.5 + (x(t) - 0.3).powi(2))));
    History { observations, budget: Some(100), ..History::default() }
}

fn contest(start: Option<Start>, trials: &[u64]) -> Contest {
    let history = history();
    let contender = |trial: &u64| {
        let result = history.observations.iter().find(|o| o.trial == TrialId(*trial)).unwrap();
        let params = result.params.clone();
        Contender { trial: TrialId(*trial), params, from: Fidelity(1), until: Fidelity(3) }
    };
    Contest {
        levels: LEVELS.map(Fidelity).to_vec(),
        start,
        contenders: trials.iter().map(contender).collect(),
        running: BTreeMap::new(),
    }
}

const START: Start = Start { until: Fidelity(1), all_the_way: false };

fn made(history: &History, contest: &Contest) -> Chosen {
    choose(&space(), history, contest, TrialId(13), 1).unwrap()
}

#[test]
fn contender_far_from_the_good_ones_stays_behind() {
    // Losses at one epoch fall towards 0.3; trials 10 (0.18) and 4 (0.472) are near, trial 8 (0.944) far off.
    let Chosen::Promote { trial, until, reason } = made(&history(), &contest(None, &[8, 10, 4])) else {
        panic!("no trial may start");
    };
    assert!(trial != TrialId(8) && until == Fidelity(3), "{trial} to {until}");
    assert!(reason.contains("of 3 paused trials") && reason.contains("1, 3, 9"), "{reason}");
}

#[test]
fn order_of_history_does_not_matter() {
    let (mut turned, contest) = (history(), contest(Some(START), &[8, 10, 4]));
    let first = made(&turned, &contest);
    turned.observations.reverse();
    assert_eq!(made(&turned, &contest), first);
}

#[test]
fn trial_that_goes_all_the_way_beats_every_contender() {
    let start = Some(Start { all_the_way: true, ..START });
    let Chosen::Start(suggestion) = made(&history(), &contest(start, &[10, 4])) else { panic!("a start") };
    assert!(suggestion.origin.reason.contains("at fidelity 9"), "{}", suggestion.origin.reason);
}

#[test]
fn going_on_must_promise_more_than_was_reached_with_less() {
    // At three epochs there is a poor result only; those near it after one epoch would beat it, and themselves by nothing.
    let mut history = history();
    history.observations.retain(|o| o.fidelity == Fidelity(1));
    let poor = history.observations.iter().max_by_key(|o| o.loss).unwrap().clone();
    history.observations.push(Observation { fidelity: Fidelity(3), ..poor });
    let chosen = |levels: &[u64]| {
        let levels = levels.iter().copied().map(Fidelity).collect();
        made(&history, &Contest { levels, ..contest(Some(START), &[10, 4]) })
    };
    assert!(matches!(chosen(&[1, 3, 9]), Chosen::Start(_)));
    assert!(
        matches!(chosen(&[1, 3]), Chosen::Promote { .. }),
        "a result at the largest fidelity is what counts there"
    );
}

#[test]
fn only_an_even_design_where_few_full_results_count() {
    let full = |count: usize| {
        let mut history = history();
        let full: Vec<Observation> = history.observations[..count]
            .iter()
            .map(|o| Observation { fidelity: Fidelity(9), ..o.clone() })
            .collect();
        history.observations.extend(full);
        let start = Some(Start { all_the_way: true, ..START });
        let contest = Contest { levels: vec![Fidelity(9)], ..contest(start, &[]) };
        match made(&history, &contest) {
            Chosen::Start(suggestion) => suggestion.origin.model,
            Chosen::Promote { .. } => panic!("nothing is paused"),
        }
    };
    assert_eq!((full(3).as_str(), full(4).as_str()), ("sobol", "race"));
}

#[test]
fn results_at_skipped_rungs_do_not_count() {
    let mut contest = contest(Some(Start { until: Fidelity(3), ..START }), &[]);
    contest.levels.remove(0);
    let with = made(&history(), &contest);
    let mut without = history();
    without.observations.iter_mut().filter(|o| o.fidelity == Fidelity(1)).for_each(|o| {
        o.loss = loss(-o.loss.get());
    });
    assert_eq!(made(&without, &contest), with);
}

#[test]
fn model_comes_after_an_even_start() {
    let mut few = history();
    few.observations.truncate(2);
    let Chosen::Start(suggestion) = made(&few, &contest(Some(START), &[1, 2])) else { panic!("a start") };
    assert_eq!(suggestion.origin.model, "sobol");
    let Chosen::Promote { trial, .. } = made(&few, &contest(None, &[2, 1])) else { panic!("a promotion") };
    assert_eq!(trial, TrialId(2), "the first of the contenders");
}

#[test]
fn contender_goes_on_where_no_configuration_is_left() {
    let space = SearchSpace::new(vec![Parameter::new("flag", Distribution::bool())]).unwrap();
    let flag = |on| -> Params { [("flag".to_string(), ParamValue::Bool(on))].into_iter().collect() };
    let observations =
        [false, true].map(|on| Observation { params: flag(on), ..result(1 + u64::from(on), 0.1, 1, 1.0) });
    let history = History { observations: observations.to_vec(), ..History::default() };
    let contender =
        Contender { trial: TrialId(1), params: flag(false), from: Fidelity(1), until: Fidelity(3) };
    let mut contest = Contest { contenders: vec![contender], ..contest(Some(START), &[]) };
    let chosen = choose(&space, &history, &contest, TrialId(3), 1).unwrap();
    assert!(matches!(chosen, Chosen::Promote { trial: TrialId(1), .. }), "{chosen:?}");
    contest.contenders.clear();
    let error = choose(&space, &history, &contest, TrialId(3), 1).unwrap_err();
    assert_eq!(error, SuggestError::Exhausted { size: 2, tried: 2 });
}
