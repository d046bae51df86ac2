//! Drives the rules of early stopping through simulated trainings: many trials at a time, an epoch after
//! another, at speeds of their own.

#[path = "../../../benches/stopping/training.rs"]
mod training;

use automl_core::{EarlyStop, Fidelity, Study, TrialState};
use automl_scheduler::should_stop;
use automl_testkit::problems::curve_definitions;
use training::{EPOCHS, Lab, Training};

const TRIALS: u64 = 40;
const RULES: [EarlyStop; 3] = [EarlyStop::Asha, EarlyStop::Median, EarlyStop::Curve];

/// A search whose every stop is found again in the log.
fn replayed(rule: EarlyStop, seed: u64) -> Training {
    Training::run_checked(Lab::Exponential, rule, TRIALS, seed, |_, records, trial, reason| {
        let replayed = Study::replay(records).unwrap();
        assert_eq!(should_stop(&replayed, trial).as_deref(), Some(reason), "trial {trial}");
    })
}

#[test]
fn every_rule_saves_epochs_and_finds_nearly_the_best() {
    const SEEDS: u64 = 12;
    for (rule, share_max) in RULES.into_iter().zip([0.35, 0.8, 0.85]) {
        let runs: Vec<Training> = (0..SEEDS).map(|seed| replayed(rule, seed)).collect();
        let share = runs.iter().map(Training::share).sum::<f64>() / SEEDS as f64;
        let regret = runs.iter().map(Training::regret).sum::<f64>() / SEEDS as f64;
        assert!(share < share_max, "{rule}: {share}");
        assert!(regret < 0.03, "{rule}: {regret}");
        for (seed, run) in runs.iter().enumerate() {
            let stopped: Vec<_> = run.study.in_state(TrialState::Stopped).collect();
            assert!(!stopped.is_empty(), "{rule}, seed {seed}");
            for trial in stopped {
                let fidelity = trial.fidelity().expect("a stopped trial has a result");
                assert!(fidelity < Fidelity(EPOCHS), "{rule}, seed {seed}, trial {}", trial.id);
            }
            assert_eq!(run.study.started(), TRIALS, "nothing is lost");
        }
    }
}

#[test]
fn without_a_rule_everything_runs_to_its_end() {
    let run = replayed(EarlyStop::None, 3);
    assert_eq!((run.epochs, run.regret(), run.advantage()), (TRIALS * EPOCHS, 0.0, 0.0));
}

/// Curves that say nothing early on, or the wrong thing: the curve rule and the median are not much worse than as many
/// epochs of whole trainings. (The rungs of `asha` cannot know; the race can.)
#[test]
fn cautious_rules_survive_curves_that_mislead() {
    const SEEDS: u64 = 6;
    for definition in curve_definitions() {
        for (rule, worse_max) in [(EarlyStop::Median, 0.2), (EarlyStop::Curve, 0.15)] {
            let run =
                |seed| Training::run(Lab::Family(Box::new(definition.instance(seed))), rule, TRIALS, seed);
            let worse = (1..=SEEDS).map(|seed| run(seed).advantage()).sum::<f64>() / SEEDS as f64;
            assert!(worse < worse_max, "{}, {rule}: {worse}", definition.name);
        }
    }
}
