//! Which trial is handed over.

use automl_core::{Fidelity, Params, Scale, SearchSpace, TrialId, rng};
use automl_sampler::{History, Observation, recommend};

use crate::common::{float, loss, number};

fn plane() -> SearchSpace {
    SearchSpace::new(vec![float("x", 0.0, 1.0, Scale::Linear), float("y", 0.0, 1.0, Scale::Linear)]).unwrap()
}

fn bowl(params: &Params) -> f64 {
    (number(params, "x") - 0.3).powi(2) + (number(params, "y") - 0.6).powi(2)
}

/// Sixty random configurations of a bowl, each with normal noise.
fn study(space: &SearchSpace, deviation: f64, seed: u64) -> History {
    let observe = |trial: u64| {
        let params = space.decode(&[0, 1].map(|i| rng::uniform(&[seed, trial, i])));
        // Twelve uniform numbers add up to nearly a normal one of deviation 1.
        let noise = (0..12).map(|i| rng::uniform(&[seed, trial, 2 + i])).sum::<f64>() - 6.0;
        let value = loss(bowl(&params) + deviation * noise);
        Observation::single(TrialId(trial), params, value, Fidelity(1))
    };
    History { observations: (1..=60).map(observe).collect(), ..History::default() }
}

fn best_told(history: &History) -> &Observation {
    history.observations.iter().min_by_key(|o| o.loss).unwrap()
}

#[test]
fn noisy_study_recommends_better_trials_than_its_luckiest() {
    let space = plane();
    let (mut recommended, mut told) = (0.0, 0.0);
    for seed in 0..8 {
        let history = study(&space, 0.2, seed);
        let found = recommend(&space, &history).unwrap();
        let of = |trial: TrialId| history.observations.iter().find(|o| o.trial == trial).unwrap();
        recommended += bowl(&of(found.trial).params) / 8.0;
        told += bowl(&best_told(&history).params) / 8.0;
        assert!((0.12..0.28).contains(&found.noise_sd), "{found:?}");
        assert!(found.mean > best_told(&history).loss.get(), "a lucky result is not expected again");
    }
    assert!(recommended < 0.5 * told, "{recommended} {told}");
}

#[test]
fn exact_study_recommends_its_best_trial() {
    let space = plane();
    let history = study(&space, 0.0, 3);
    let (found, best) = (recommend(&space, &history).unwrap(), best_told(&history));
    assert_eq!(found.trial, best.trial);
    assert!((found.mean - best.loss.get()).abs() < 0.01 && found.noise_sd < 0.02, "{found:?}");
}

#[test]
fn order_of_the_history_changes_no_recommendation() {
    let space = plane();
    let history = study(&space, 0.2, 5);
    let mut reversed = history.clone();
    reversed.observations.reverse();
    assert_eq!(recommend(&space, &history), recommend(&space, &reversed));
}

#[test]
fn trials_that_break_a_constraint_are_not_recommended() {
    let space = plane();
    let mut history = study(&space, 0.2, 2);
    let first = recommend(&space, &history).unwrap().trial;
    for observation in &mut history.observations {
        observation.violations = vec![if observation.trial == first { 1.0 } else { -1.0 }];
    }
    assert_ne!(recommend(&space, &history).unwrap().trial, first);
}

#[test]
fn diverged_trial_does_not_hide_the_others() {
    let space = plane();
    let mut history = study(&space, 0.0, 4);
    history.observations[7].loss = loss(1e300);
    assert_eq!(recommend(&space, &history).unwrap().trial, best_told(&history).trial);
}

#[test]
fn nothing_is_recommended_where_a_model_has_nothing_to_say() {
    let space = plane();
    let whole = study(&space, 0.2, 1);
    assert_eq!(recommend(&space, &History::default()), None);
    let few = History { observations: whole.observations[..3].to_vec(), ..History::default() };
    assert_eq!(recommend(&space, &few), None);
    let mut equal = whole.clone();
    equal.observations.iter_mut().for_each(|o| o.loss = loss(2.0));
    assert_eq!(recommend(&space, &equal), None);
    let mut several = whole.clone();
    several.observations.iter_mut().for_each(|o| o.others = vec![loss(1.0)]);
    assert_eq!(recommend(&space, &several), None);
    let mut higher = whole;
    higher.observations[0].fidelity = Fidelity(9);
    assert_eq!(recommend(&space, &higher), None, "one result at the highest fidelity");
}
