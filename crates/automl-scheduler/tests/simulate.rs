//! Drives the schedulers through random worker timings, failures and restarts in simulated time.

use automl_core::{
    Algorithm, AttemptEnd, EndReason, Event, FailureKind, Fidelity, Further, Origin, Outcome, Params, Study,
    StudySettings, TrialId, TrialState, rng,
};
use automl_scheduler::{Asha, Choice, Decision, Race, Scheduler, brackets, levels, scheduler_for};
use automl_testkit::{Log, curve, settings};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal};
use std::collections::BTreeMap;

/// One simulated search; everything random comes from `seed`.
struct Simulation {
    log: Log,
    study: Study,
    seed: u64,
    draws: u64,
    failing: f64,
    /// When each running trial will end, in simulated time.
    ends: BTreeMap<TrialId, f64>,
    now: f64,
}

impl Simulation {
    fn new(settings: StudySettings, seed: u64, failing: f64) -> Self {
        let log = Log::new(settings);
        let study = log.study().unwrap();
        Simulation { log, study, seed, draws: 0, failing, ends: BTreeMap::new(), now: 0.0 }
    }

    fn draw(&mut self) -> f64 {
        self.draws += 1;
        rng::uniform(&[self.seed, self.draws])
    }

    /// How long an attempt takes: log-normal, so that a few are stragglers.
    fn duration(&mut self, epochs: u64) -> f64 {
        self.draws += 1;
        let mut generator = ChaCha8Rng::seed_from_u64(rng::derive(&[self.seed, self.draws]));
        epochs as f64 * LogNormal::new(0.0, 1.0).expect("a sound spread").sample(&mut generator)
    }

    fn apply(&mut self, event: Event) {
        self.log.push(event);
        self.study.apply(self.log.records.last().unwrap()).unwrap();
    }

    /// Stands in for the model: any of the things on offer, at random.
    fn choose(&mut self, choice: &Choice) -> Decision {
        assert_eq!(choice.levels.last(), Some(&self.study.settings.fidelity.max), "seed {}", self.seed);
        let starts = choice.start.map(|new| Decision::Start { bracket: new.bracket, until: new.until });
        let promotions = choice.promotions.iter().map(|promotion| {
            let known = &self.study.trials[&promotion.trial];
            assert_eq!((known.state, known.fidelity()), (TrialState::Paused, Some(promotion.from)));
            assert!(known.checkpoint.is_some() && promotion.from < promotion.until);
            Decision::Run { trial: promotion.trial, until: promotion.until }
        });
        let mut offers: Vec<Decision> = starts.into_iter().chain(promotions).collect();
        let chosen = (self.draw() * offers.len() as f64) as usize;
        offers.swap_remove(chosen)
    }

    fn perform(&mut self, decision: Decision) {
        let (trial, until) = match decision {
            Decision::Choose(choice) => {
                let chosen = self.choose(&choice);
                return self.perform(chosen);
            }
            Decision::Start { bracket, until } => {
                let trial = self.study.next_trial();
                let origin = Origin::default();
                self.apply(Event::TrialSuggested { trial, params: Params::default(), bracket, origin });
                (trial, until)
            }
            Decision::Run { trial, until } => (trial, until),
            Decision::End(reason) => return self.apply(Event::StudyEnded { reason }),
        };
        let known = &self.study.trials[&trial];
        let (attempt, resume_from) = (known.next_attempt(), known.checkpoint.clone());
        let epochs = until.0 - known.fidelity().map_or(0, |f| f.0);
        self.apply(Event::AttemptStarted {
            trial,
            attempt,
            until,
            resume_from,
            slot: 0,
            log_offsets: Vec::new(),
            worker: None,
            why: None,
        });
        let end = self.now + self.duration(epochs);
        self.ends.insert(trial, end);
    }

    /// Ends the running trial whose time has come first.
    fn finish_one(&mut self) {
        let first = self.ends.iter().min_by(|a, b| a.1.total_cmp(b.1)).map(|(trial, end)| (*trial, *end));
        let (trial, end) = first.expect("something runs while the search goes on");
        self.ends.remove(&trial);
        self.now = end;
        let attempt = self.study.trials[&trial].running_attempt().unwrap();
        let (attempt, fidelity) = (attempt.number, attempt.until);
        let value = -curve(trial.0 + 1000 * self.seed, fidelity.0);
        let draw = self.draw();
        let outcome = if draw < self.failing / 2.0 {
            Outcome::Failed { kind: FailureKind::NotFinite, reason: "nan".into() }
        } else if draw < self.failing {
            Outcome::Interrupted { reason: "lost".into(), by_request: false }
        } else {
            Outcome::Reached {
                fidelity,
                value,
                checkpoint: Some(format!("{trial}@{fidelity}")),
                further: Further::default(),
            }
        };
        self.apply(Event::AttemptEnded { trial, attempt, end: AttemptEnd::unmeasured(outcome) });
    }

    fn run(self, workers: usize) -> Self {
        self.run_observed(workers, |_| {})
    }

    /// Runs to the end of the search; `observe` sees the study whenever decisions have been performed.
    fn run_observed(mut self, workers: usize, mut observe: impl FnMut(&Study)) -> Self {
        let scheduler = scheduler_for(self.study.settings.algorithm);
        for _ in 0..100_000 {
            while self.decide(&*scheduler, workers) && self.study.ended.is_none() {}
            check_index(&self.study);
            observe(&self.study);
            if self.study.ended.is_some() {
                return self;
            }
            self.finish_one();
        }
        panic!("seed {}: the search never ended", self.seed);
    }

    /// Performs what the scheduler decides for the free workers; tells whether that was anything.
    fn decide(&mut self, scheduler: &dyn Scheduler, workers: usize) -> bool {
        let free = workers - self.study.in_state(TrialState::Running).count();
        let decisions = scheduler.decide(&self.study, free);
        assert!(decisions.len() <= free.max(1), "seed {}: more decisions than slots", self.seed);
        if self.draws.is_multiple_of(5) {
            let restarted = Study::replay(&self.log.records).unwrap();
            assert_eq!(scheduler.decide(&restarted, free), decisions, "restart");
        }
        let any = !decisions.is_empty();
        decisions.into_iter().for_each(|decision| self.perform(decision));
        any
    }

    /// Number of trials that reached each fidelity, by bracket.
    fn rungs(&self) -> BTreeMap<u32, BTreeMap<Fidelity, u64>> {
        let mut rungs: BTreeMap<u32, BTreeMap<Fidelity, u64>> = BTreeMap::new();
        for trial in self.study.trials.values() {
            for fidelity in trial.reached.keys() {
                *rungs.entry(trial.bracket.unwrap()).or_default().entry(*fidelity).or_default() += 1;
            }
        }
        rungs
    }
}

/// The index tells what the trials tell.
fn check_index(study: &Study) {
    for state in TrialState::ALL {
        let told: Vec<TrialId> = study.in_state(state).map(|trial| trial.id).collect();
        let found = study.trials.values().filter(|trial| trial.state == state).map(|trial| trial.id);
        assert_eq!(told, found.collect::<Vec<_>>(), "{state}");
    }
    for level in levels(&study.settings.fidelity) {
        let told: Vec<TrialId> = study
            .index()
            .rung(level)
            .into_iter()
            .flat_map(|rung| &rung.results)
            .map(|rank| rank.trial())
            .collect();
        let mut found: Vec<_> = study
            .trials
            .values()
            .filter_map(|trial| Some((study.loss_at(trial, level)?, trial.id)))
            .collect();
        found.sort();
        assert_eq!(told, found.into_iter().map(|(_, trial)| trial).collect::<Vec<_>>(), "rung {level}");
    }
}

fn halving(algorithm: Algorithm, trials: u64, max: u64) -> StudySettings {
    let mut settings = hyperband(trials, max);
    settings.algorithm = algorithm;
    settings
}

fn hyperband(trials: u64, max: u64) -> StudySettings {
    let mut settings = settings(Algorithm::Hyperband);
    settings.trials = trials;
    settings.fidelity.max = Fidelity(max);
    settings
}

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
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/asha.json")).unwrap();
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
        let all_failed = study.in_state(TrialState::Failed).count() as u64 == budget;
        let finished = study.in_state(TrialState::Complete).count() > 0;
        assert!(finished || all_failed, "seed {seed}: nothing got to the largest fidelity");
    }
}

#[test]
fn stragglers_do_not_hold_up_the_others() {
    for algorithm in [Algorithm::Asha, Algorithm::Race] {
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

#[test]
fn race_probes_its_rungs_before_it_goes_on() {
    let mut log = Log::new(halving(Algorithm::Race, 100, 27));
    for trial in 1..=10 {
        log = log.suggest(trial).start(trial, 1, 1).reach(trial, 1, 1, trial as f64);
    }
    let run = |trial, until| Decision::Run { trial: TrialId(trial), until: Fidelity(until) };
    assert_eq!(Race.decide(&log.study().unwrap(), 5), [run(10, 3), run(6, 3), run(1, 3)]);
    log = log.start(10, 2, 3).reach(10, 2, 3, 0.0).start(1, 2, 3);
    assert_eq!(Race.decide(&log.study().unwrap(), 5), [run(10, 9), run(6, 3)]);
    assert_eq!(Race.decide(&log.study().unwrap(), 1), [run(10, 9)]);
}

#[test]
fn race_skips_a_rung_whose_ranking_is_turned_round() {
    let mut log = Log::new(halving(Algorithm::Race, 1000, 9));
    for trial in 1..=6 {
        let values = [-(trial as f64), trial as f64, trial as f64];
        log = log.suggest(trial);
        for (attempt, (until, value)) in (1..).zip([1, 3, 9].into_iter().zip(values)) {
            log = log.start(trial, attempt, until).reach(trial, attempt, until, value);
        }
    }
    let decisions = Race.decide(&log.study().unwrap(), 1);
    let [Decision::Choose(choice)] = &decisions[..] else { panic!("{decisions:?}") };
    assert_eq!(choice.levels, [3, 9].map(Fidelity));
    let start = choice.start.unwrap();
    assert_eq!((start.until, start.all_the_way), (Fidelity(1), true), "one more that tells about the rung");
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
