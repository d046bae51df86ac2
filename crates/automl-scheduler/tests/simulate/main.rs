//! Drives the schedulers through random worker timings, failures and restarts in simulated time.

mod schedules;
mod simulation;

use automl_core::{Algorithm, EndReason, Event, FailureKind, Fidelity, Outcome, TrialId, TrialState};
use automl_scheduler::{Asha, Choice, Decision, NewTrial, Race, Scheduler, brackets, levels, scheduler_for};
use automl_testkit::{Log, settings};
use simulation::{Simulation, halving, hyperband};
use std::collections::BTreeMap;

#[test]
fn executed_rungs_equal_the_table() {
    for workers in [1, 3, 16] {
        let settings = hyperband(49, 27);
        let table = brackets(&settings.fidelity);
        let simulation = Simulation::new(settings, 7, 0.0).run(workers);
        let rungs = simulation.rungs();
        assert_eq!(rungs.len(), table.len());
        for (bracket, executed) in rungs.values().enumerate() {
            let planned: BTreeMap<Fidelity, u64> =
                table[bracket].rungs.iter().map(|r| (r.fidelity, r.trials)).collect();
            assert_eq!(*executed, planned, "bracket {bracket}, {workers} workers");
        }
    }
}

#[test]
fn the_best_of_a_rung_go_on() {
    let simulation = Simulation::new(hyperband(49, 27), 3, 0.0).run(4);
    let first: Vec<_> = simulation.study.trials.values().filter(|t| t.bracket == Some(0)).collect();
    let at = |t: &automl_core::Trial| t.reached[&Fidelity(1)];
    let worst_promoted =
        first.iter().filter(|t| t.reached.len() > 1).map(|t| at(t)).fold(f64::INFINITY, f64::min);
    let best_left =
        first.iter().filter(|t| t.reached.len() == 1).map(|t| at(t)).fold(f64::NEG_INFINITY, f64::max);
    assert!(worst_promoted >= best_left, "{worst_promoted} {best_left}");
}

#[test]
fn resumed_trials_carry_their_checkpoint() {
    let simulation = Simulation::new(hyperband(49, 27), 5, 0.1).run(3);
    for trial in simulation.study.trials.values() {
        for attempt in &trial.attempts[1..] {
            let before = trial.attempts[..attempt.number.0 as usize - 1].iter();
            let expected = before.rev().find_map(|a| match &a.end.as_ref().unwrap().outcome {
                Outcome::Reached { checkpoint, .. } => Some(checkpoint.clone()),
                _ => None,
            });
            assert_eq!(attempt.resume_from, expected.flatten(), "trial {}", trial.id);
        }
    }
}

#[test]
fn invariants_hold_under_failures_and_any_timing() {
    for seed in 0..60 {
        let workers = 1 + (seed as usize % 7);
        let settings = hyperband(1 + seed * 2, 3 + seed % 30);
        let budget = settings.trials;
        let table = brackets(&settings.fidelity);
        let simulation = Simulation::new(settings, seed, 0.2).run(workers);
        assert_eq!(simulation.study.trials.len() as u64, budget, "seed {seed}");
        assert_eq!(simulation.study.ended, Some(EndReason::Budget));
        for (bracket, executed) in simulation.rungs() {
            for rung in &table[bracket as usize % table.len()].rungs {
                let reached = executed.get(&rung.fidelity).copied().unwrap_or(0);
                assert!(reached <= rung.trials, "seed {seed} bracket {bracket} {rung:?}: {reached}");
            }
        }
        for trial in simulation.study.trials.values() {
            let targets: Vec<Fidelity> = trial.attempts.iter().map(|a| a.until).collect();
            assert!(targets.is_sorted(), "seed {seed}: fidelity fell: {targets:?}");
        }
    }
}

#[test]
fn full_fidelity_runs_each_trial_once() {
    let simulation = Simulation::new(settings(Algorithm::Random), 1, 0.0).run(3);
    assert_eq!(simulation.study.trials.len(), 10);
    for trial in simulation.study.trials.values() {
        assert_eq!((trial.attempts.len(), trial.fidelity()), (1, Some(Fidelity(9))));
    }
}

#[test]
fn raised_budget_goes_on_where_the_study_ended() {
    let mut simulation = Simulation::new(settings(Algorithm::Random), 1, 0.0).run(2);
    simulation.apply(Event::BudgetChanged {
        trials: Some(15),
        timeout_ms: None,
        gpu_time_ms: None,
        parallel: None,
    });
    let simulation = simulation.run(2);
    assert_eq!(simulation.study.in_state(TrialState::Complete).count(), 15);
}

#[test]
fn asha_decides_as_the_reference() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../golden/asha.json")).unwrap();
    let mut settings = halving(Algorithm::Asha, 1000, 9);
    settings.objective.direction = automl_core::Direction::Minimize;
    let mut log = Log::new(settings);
    let mut decisions = Vec::new();
    for event in golden["promotion"]["events"].as_array().unwrap() {
        if event[0] == "report" {
            let (trial, rung) = (event[1].as_u64().unwrap() + 1, event[2].as_u64().unwrap());
            let (attempt, until) = (rung as u32 + 1, 3_u64.pow(rung as u32));
            if rung == 0 {
                log = log.suggest(trial).start(trial, attempt, until);
            }
            log = match event[3].as_f64() {
                Some(value) => log.reach(trial, attempt, until, value),
                None => log.fail(trial, attempt, FailureKind::NotFinite),
            };
            continue;
        }
        match Asha.decide(&log.study().unwrap(), 1)[..] {
            [Decision::Start { .. }] => decisions.push(serde_json::json!(["new"])),
            [Decision::Run { trial, until }] => {
                let attempt = log.study().unwrap().trials[&trial].next_attempt().0;
                log = log.start(trial.0, attempt, until.0);
                decisions.push(serde_json::json!(["promote", trial.0 - 1, until.0]));
            }
            ref other => panic!("{other:?}"),
        }
    }
    assert_eq!(serde_json::Value::from(decisions), golden["promotion"]["decisions"]);
}

#[test]
fn halving_keeps_its_invariants_under_failures_and_any_timing() {
    for seed in 0..54 {
        let algorithm = [Algorithm::Asha, Algorithm::SuccessiveHalving, Algorithm::Race][seed as usize % 3];
        let settings = halving(algorithm, 1 + seed * 3 % 100, 3 + seed % 30);
        let (budget, levels) = (settings.trials, levels(&settings.fidelity));
        let simulation = Simulation::new(settings, seed, 0.2).run(1 + seed as usize % 9);
        let study = &simulation.study;
        assert_eq!((study.started(), study.ended), (budget, Some(EndReason::Budget)), "seed {seed}");
        for trial in study.trials.values() {
            let targets: Vec<Fidelity> = trial.attempts.iter().map(|a| a.until).collect();
            assert!(targets.is_sorted(), "seed {seed}: fidelity fell: {targets:?}");
            assert!(targets.iter().all(|target| levels.contains(target)), "seed {seed}: {targets:?}");
        }
        let left = study.in_state(TrialState::Paused).count() > 0;
        let finished = study.in_state(TrialState::Complete).count() > 0;
        assert!(finished || !left, "seed {seed}: nothing got to the largest fidelity, and something could");
    }
}

#[test]
fn pasha_trains_less_far_than_asha_where_rankings_stay() {
    let epochs = |algorithm| -> u64 {
        let of = |seed| {
            let study = Simulation::new(halving(algorithm, 60, 81), seed, 0.0).run(4).study;
            study.trials.values().map(|trial| trial.fidelity().map_or(0, |fidelity| fidelity.0)).sum::<u64>()
        };
        (0..8).map(of).sum()
    };
    let (pasha, asha) = (epochs(Algorithm::Pasha), epochs(Algorithm::Asha));
    assert!(pasha < asha, "{pasha} {asha}");
}

#[test]
fn stragglers_do_not_hold_up_the_others() {
    for algorithm in [Algorithm::Asha, Algorithm::Pasha, Algorithm::Dehb, Algorithm::Race] {
        let settings = halving(algorithm, 60, 27);
        let simulation = Simulation::new(settings, 11, 0.0);
        let mut slots = Vec::new();
        let simulation =
            simulation.run_observed(5, |study| slots.push(study.in_state(TrialState::Running).count()));
        let until_last_start = slots.len() / 2;
        assert!(slots[..until_last_start].iter().all(|running| *running == 5), "{algorithm}: {slots:?}");
        assert!(simulation.study.in_state(TrialState::Complete).count() > 0);
    }
}

#[test]
fn some_of_the_race_go_all_the_way() {
    let simulation = Simulation::new(halving(Algorithm::Race, 100, 27), 5, 0.0).run(2);
    let full = simulation.study.trials.values().filter(|trial| trial.bracket == Some(0));
    let states: Vec<TrialState> = full.map(|trial| trial.state).collect();
    assert!(states.len() > 2 && states.iter().all(|state| *state == TrialState::Complete), "{states:?}");
}

/// What a race with one trial at a time offers for a new one.
fn offered(log: &Log) -> NewTrial {
    let decisions = Race.decide(&log.study().unwrap(), 1);
    let [Decision::Choose(Choice { start: Some(start), .. })] = &decisions[..] else {
        panic!("{decisions:?}")
    };
    *start
}

#[test]
fn race_trains_its_first_trials_fully() {
    let started = |log: Log, trial| {
        let (params, origin, bracket) = (Default::default(), Default::default(), offered(&log).bracket);
        log.with(Event::TrialSuggested { trial: TrialId(trial), params, bracket, origin }).start(trial, 1, 1)
    };
    let all_the_way = |full_first| -> Vec<u64> {
        let mut settings = halving(Algorithm::Race, 200, 27);
        settings.fidelity.full_first = full_first;
        let mut log = Log::new(settings);
        let trials = (1..=6).filter(|trial| {
            let start = offered(&log);
            assert_eq!(start.until, Fidelity(1), "they stop at the rungs on their way");
            log = started(log.clone(), *trial);
            start.all_the_way
        });
        trials.collect()
    };
    assert_eq!(all_the_way(2), [1, 2]);
    assert_eq!(all_the_way(0), [0; 0]);
    assert_eq!(all_the_way(4), [1, 2, 3, 4]);

    let mut settings = halving(Algorithm::Race, 200, 27);
    settings.retries = 0;
    let log = started(started(Log::new(settings), 1).fail(1, 1, FailureKind::NotFinite), 2);
    assert!(offered(&log).all_the_way, "one that failed told nothing");
}

#[test]
fn race_skips_a_rung_whose_ranking_is_turned_round() {
    let log = |trials: u64| {
        let mut log = Log::new(halving(Algorithm::Race, 1000, 9));
        for trial in 1..=trials {
            let values = [-(trial as f64), trial as f64, trial as f64];
            log = log.suggest(trial);
            for (attempt, (until, value)) in (1..).zip([1, 3, 9].into_iter().zip(values)) {
                log = log.start(trial, attempt, until).reach(trial, attempt, until, value);
            }
        }
        log
    };
    let choice = |log: &Log| match Race.decide(&log.study().unwrap(), 1).remove(0) {
        Decision::Choose(choice) => choice,
        other => panic!("{other:?}"),
    };
    let few = log(6);
    assert_eq!(choice(&few).levels, [Fidelity(9)], "nothing but full results is trusted");
    let start = offered(&few);
    assert_eq!((start.until, start.all_the_way), (Fidelity(1), true), "one more that tells about the rung");
    // So many speak for the second rung; as long as trials are sent all the way, full results alone say where.
    let known = choice(&log(16));
    assert_eq!((known.levels, known.start.unwrap().until), (vec![Fidelity(9)], Fidelity(3)));
}

#[test]
fn race_weighs_the_best_of_a_rung() {
    let mut log = Log::new(halving(Algorithm::Race, 100_000, 27));
    for trial in 1..=60 {
        log = log.suggest(trial).start(trial, 1, 1).reach(trial, 1, 1, trial as f64);
    }
    for probe in [1, 6, 10] {
        for (attempt, until) in [(2, 3), (3, 9), (4, 27)] {
            log = log.start(probe, attempt, until).reach(probe, attempt, until, probe as f64);
        }
    }
    let decisions = Race.decide(&log.study().unwrap(), 1);
    let [Decision::Choose(choice)] = &decisions[..] else { panic!("{decisions:?}") };
    assert_eq!(choice.promotions.len(), 48, "the best of the rung");
    assert_eq!(choice.promotions[0].trial, TrialId(60));
}

#[test]
fn many_reports_at_once_do_not_stop_new_trials() {
    let mut log = Log::new(halving(Algorithm::Asha, 1000, 27));
    for trial in 1..=30 {
        log = log.suggest(trial).start(trial, 1, 1).reach(trial, 1, 1, trial as f64);
    }
    let decisions = Asha.decide(&log.study().unwrap(), 8);
    let promotions = decisions.iter().filter(|d| matches!(d, Decision::Run { .. })).count();
    assert_eq!((decisions.len(), promotions), (8, 4));
}

/// A whole rung with the same value, but for one that failed: the older ones go on.
#[test]
fn ties_go_to_the_older_trial_under_every_algorithm_that_promotes() {
    for algorithm in [
        Algorithm::Asha,
        Algorithm::Pasha,
        Algorithm::Hyperband,
        Algorithm::SuccessiveHalving,
        Algorithm::Bohb,
        Algorithm::Dehb,
    ] {
        let mut settings = halving(algorithm, 9, 9);
        settings.retries = 0;
        let mut log = Log::new(settings);
        for trial in 1..=9 {
            let (params, origin) = (Default::default(), Default::default());
            let suggested = Event::TrialSuggested { trial: TrialId(trial), params, bracket: Some(0), origin };
            log = log.with(suggested).start(trial, 1, 1);
            log = match trial {
                // What fails comes last, however old it is.
                1 => log.fail(trial, 1, FailureKind::NotFinite),
                _ => log.reach(trial, 1, 1, 0.5),
            };
        }
        let decisions = scheduler_for(algorithm).decide(&log.study().unwrap(), 3);
        let go_on = |trial| Decision::Run { trial: TrialId(trial), until: Fidelity(3) };
        assert_eq!(decisions, [2, 3, 4].map(go_on), "{algorithm}");
    }
}

/// A search that has ended goes on when the largest fidelity is raised: nothing is trained twice, and the new end is
/// reached. Under `dehb` it cannot be raised.
#[test]
fn raised_fidelity_goes_on_from_checkpoints_under_every_algorithm() {
    for algorithm in [
        Algorithm::Random,
        Algorithm::Hyperband,
        Algorithm::SuccessiveHalving,
        Algorithm::Asha,
        Algorithm::Bohb,
        Algorithm::Race,
        Algorithm::Pasha,
        Algorithm::Pbt,
    ] {
        let mut simulation = Simulation::new(halving(algorithm, 30, 9), 3, 0.0).run(3);
        let before = simulation.study.clone();
        simulation.apply(Event::FidelityRaised { max: Fidelity(27) });
        let study = simulation.run(3).study;
        assert_eq!(study.ended, Some(EndReason::Budget), "{algorithm}");
        let (mut finished, mut carried_on) = (0, 0);
        for trial in study.trials.values() {
            let fidelities: Vec<Fidelity> = trial.attempts.iter().map(|attempt| attempt.until).collect();
            assert!(fidelities.is_sorted_by(|a, b| a < b), "{algorithm}: {} trained twice", trial.id);
            let resumed = |attempt: &automl_core::Attempt| attempt.resume_from.is_some();
            assert!(trial.attempts.iter().skip(1).all(resumed), "{algorithm}: {} began anew", trial.id);
            let was_finished =
                before.trials.get(&trial.id).is_some_and(|trial| trial.state == TrialState::Complete);
            finished += u32::from(trial.fidelity() == Some(Fidelity(27)));
            carried_on += u32::from(was_finished && trial.fidelity() == Some(Fidelity(27)));
        }
        assert!(finished > 0 && carried_on > 0, "{algorithm}: {finished} finished, {carried_on} carried on");
    }
}
