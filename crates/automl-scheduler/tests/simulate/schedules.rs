//! Two thousand random schedules of every algorithm that pauses trials, and their decisions at every cut of their logs.

use super::simulation::{Simulation, check_index, halving};
use automl_core::{Algorithm, EndReason, Fidelity, Outcome, Study, StudySettings, TrialState, rng};
use automl_scheduler::{generations, levels, scheduler_for};

/// Every algorithm that pauses trials.
const PAUSING: [Algorithm; 8] = [
    Algorithm::Hyperband,
    Algorithm::SuccessiveHalving,
    Algorithm::Asha,
    Algorithm::Bohb,
    Algorithm::Race,
    Algorithm::Pasha,
    Algorithm::Dehb,
    Algorithm::Pbt,
];

/// Settings of a random search.
fn drawn(seed: u64) -> StudySettings {
    let draw = |purpose: u64, below: u64| (rng::uniform(&[seed, 77, purpose]) * below as f64) as u64;
    let mut settings = halving(PAUSING[(seed % 8) as usize], 1 + draw(0, 40), 2 + draw(1, 40));
    settings.fidelity.min = Fidelity(1 + draw(2, 3).min(settings.fidelity.max.0 - 2));
    settings.fidelity.reduction_factor = 2 + draw(3, 3);
    settings.fidelity.full_first = draw(4, 4);
    settings.seed = seed;
    settings
}

/// Two thousand random schedules, in parts that tests can take at the same time.
#[test]
fn random_schedules_end_within_their_budgets_first_part() {
    random_schedules(0..500);
}

#[test]
fn random_schedules_end_within_their_budgets_second_part() {
    random_schedules(500..1000);
}

#[test]
fn random_schedules_end_within_their_budgets_third_part() {
    random_schedules(1000..1500);
}

#[test]
fn random_schedules_end_within_their_budgets_fourth_part() {
    random_schedules(1500..2000);
}

fn random_schedules(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let settings = drawn(seed);
        let (algorithm, budget, plan) = (settings.algorithm, settings.trials, settings.fidelity.clone());
        let workers = 1 + (rng::uniform(&[seed, 78]) * 9.0) as usize;
        let failing = [0.0, 0.1, 0.4][(seed / 8 % 3) as usize];
        let simulation = Simulation::new(settings, seed, failing).run(workers);
        let study = &simulation.study;
        let told = format!("{algorithm}, seed {seed}");
        check_index(study);
        let all = algorithm != Algorithm::Pbt;
        assert!(study.started() <= budget && (!all || study.started() == budget), "{told}");
        let rungs = if all { levels(&plan) } else { generations(&plan) };
        for trial in study.trials.values() {
            let mut done = Fidelity(0);
            for attempt in &trial.attempts {
                assert!(rungs.contains(&attempt.until) && attempt.until >= done, "{told}: {}", trial.id);
                done = attempt.until;
            }
            let promoted = trial.attempts.iter().filter(|attempt| attempt.number.0 > 1);
            // Without a checkpoint only where nothing had been reached, or what had been left was lost.
            let carried_on = |resume: Option<&String>| resume.is_some() || trial.checkpoint_lost.is_some();
            let reached_before = |number: u32| {
                let before = &trial.attempts[..number as usize - 1];
                before.iter().any(|a| matches!(a.end.as_ref().unwrap().outcome, Outcome::Reached { .. }))
            };
            for attempt in promoted.filter(|attempt| reached_before(attempt.number.0)) {
                assert!(carried_on(attempt.resume_from.as_ref()), "{told}: {}", trial.id);
            }
            assert!(trial.fidelity().is_none_or(|fidelity| fidelity <= plan.max), "{told}");
        }
        let open = [TrialState::Queued, TrialState::Running].map(|state| study.index().count(state));
        assert_eq!((study.ended, open), (Some(EndReason::Budget), [0, 0]), "{told}");
        let finished = study.in_state(TrialState::Complete).next().is_some();
        let left = study.in_state(TrialState::Paused).next().is_some();
        assert!(finished || !left, "{told}: nothing got to the largest fidelity, and something could");
    }
}

#[test]
fn decisions_at_every_cut_of_a_log_are_those_of_the_search() {
    for seed in 0..24 {
        let settings = StudySettings { trials: 8 + seed % 10, ..drawn(seed) };
        let scheduler = scheduler_for(settings.algorithm);
        let simulation = Simulation::new(settings, seed, 0.2).run(1 + seed as usize % 4);
        let records = &simulation.log.records;
        let mut study = Study::create(&records[0]).unwrap();
        for (cut, record) in (1..).zip(&records[1..]) {
            for free in [1, 3] {
                let anew = Study::replay(&records[..cut]).unwrap();
                assert_eq!(study, anew);
                assert_eq!(
                    scheduler.decide(&study, free),
                    scheduler.decide(&anew, free),
                    "seed {seed}, after {cut} events"
                );
            }
            study.apply(record).unwrap();
        }
        assert_eq!(study, simulation.study);
    }
}
