//! Drives the rules of early stopping through simulated trainings: many trials at a time, an epoch after
//! another, at speeds of their own.

use automl_core::{
    Algorithm, AttemptEnd, AttemptNumber, Conduct, EarlyStop, Event, Fidelity, Further, Outcome, Study,
    StudySettings, TrialId, TrialState, rng,
};
use automl_scheduler::{Decision, Scheduler, scheduler_for, should_stop};
use automl_testkit::{Log, curve, settings};
use std::collections::BTreeMap;

const EPOCHS: u64 = 27;
const TRIALS: u64 = 40;
const WORKERS: usize = 4;

/// A search over learning curves; everything random comes from `seed`.
struct Training {
    log: Log,
    study: Study,
    seed: u64,
    /// When each running trial reports next, and its last epoch.
    running: BTreeMap<TrialId, (f64, u64)>,
    epochs: u64,
}

impl Training {
    fn run(rule: EarlyStop, seed: u64) -> Self {
        let settings = StudySettings {
            conduct: Conduct { early_stop: rule, ..Conduct::default() },
            trials: TRIALS,
            ..settings(Algorithm::Random)
        };
        let mut log = Log::new(settings);
        let Event::StudyCreated { settings, .. } = &mut log.records[0].event else { panic!("a creation") };
        settings.fidelity.max = Fidelity(EPOCHS);
        let study = log.study().unwrap();
        let mut training = Training { log, study, seed, running: BTreeMap::new(), epochs: 0 };
        let scheduler = scheduler_for(Algorithm::Random);
        while training.step(&*scheduler) {}
        training
    }

    fn apply(&mut self, event: Event) {
        self.log.push(event);
        self.study.apply(self.log.records.last().unwrap()).unwrap();
    }

    /// Starts what is to be started, and takes the next report; `false` when the search is over.
    fn step(&mut self, scheduler: &dyn Scheduler) -> bool {
        for decision in scheduler.decide(&self.study, WORKERS - self.running.len()) {
            let Decision::Start { until, .. } = decision else { return false };
            let trial = self.study.next_trial();
            self.log = std::mem::replace(&mut self.log, Log { records: Vec::new() }).suggest(trial.0);
            self.study.apply(self.log.records.last().unwrap()).unwrap();
            self.log =
                std::mem::replace(&mut self.log, Log { records: Vec::new() }).start(trial.0, 1, until.0);
            self.study.apply(self.log.records.last().unwrap()).unwrap();
            let now = self.running.values().map(|(at, _)| *at).fold(0.0, f64::max);
            self.running.insert(trial, (now + self.pace(trial), 0));
        }
        let next = self.running.iter().min_by(|a, b| a.1.0.total_cmp(&b.1.0));
        let Some((trial, (at, epoch))) = next.map(|(trial, state)| (*trial, *state)) else { return false };
        self.running.insert(trial, (at + self.pace(trial), epoch + 1));
        self.report(trial, epoch + 1);
        true
    }

    /// Time of an epoch: some trials take four times as long as others.
    fn pace(&self, trial: TrialId) -> f64 {
        1.0 + 3.0 * rng::uniform(&[self.seed, trial.0, 7])
    }

    fn report(&mut self, trial: TrialId, epoch: u64) {
        self.epochs += 1;
        let (attempt, value) = (AttemptNumber(1), -self.loss(trial, epoch));
        let values = [("acc".to_string(), value)].into();
        self.apply(Event::Measured { trial, attempt, source: 0, line: epoch, step: Some(epoch), values });
        let stop = should_stop(&self.study, trial);
        if let Some(reason) = stop.clone() {
            let replayed = Study::replay(&self.log.records).unwrap();
            assert_eq!(should_stop(&replayed, trial), stop, "seed {}", self.seed);
            self.apply(Event::StopDecided { trial, attempt, reason });
        }
        if stop.is_some() || epoch == EPOCHS {
            self.running.remove(&trial);
            let (fidelity, further) = (Fidelity(epoch), Further::default());
            let outcome = Outcome::Reached { fidelity, value, checkpoint: None, further };
            let end = AttemptEnd::unmeasured(outcome);
            self.apply(Event::AttemptEnded { trial, attempt, end });
        }
        if let Some(reason) = stop {
            self.apply(Event::TrialStopped { trial, reason });
        }
    }

    fn loss(&self, trial: TrialId, epoch: u64) -> f64 {
        curve(trial.0 + 1000 * self.seed, epoch)
    }

    /// How much worse the best finished trial is than the best one would have been.
    fn regret(&self) -> f64 {
        let last = |trial: &TrialId| self.loss(*trial, EPOCHS);
        let best = |trials: &mut dyn Iterator<Item = TrialId>| {
            trials.map(|t| last(&t)).fold(f64::INFINITY, f64::min)
        };
        let finished = best(&mut self.study.in_state(TrialState::Complete).map(|trial| trial.id));
        finished - best(&mut (1..=TRIALS).map(TrialId))
    }
}

#[test]
fn every_rule_saves_epochs_and_finds_nearly_the_best() {
    const SEEDS: u64 = 12;
    for (rule, share_max) in [(EarlyStop::Asha, 0.35), (EarlyStop::Median, 0.8), (EarlyStop::Curve, 0.85)] {
        let runs: Vec<Training> = (0..SEEDS).map(|seed| Training::run(rule, seed)).collect();
        let epochs: u64 = runs.iter().map(|run| run.epochs).sum();
        let share = epochs as f64 / (SEEDS * TRIALS * EPOCHS) as f64;
        let regret = runs.iter().map(Training::regret).sum::<f64>() / SEEDS as f64;
        assert!(share < share_max, "{rule}: {share}");
        assert!(regret < 0.03, "{rule}: {regret}");
        for run in &runs {
            let stopped: Vec<_> = run.study.in_state(TrialState::Stopped).collect();
            assert!(!stopped.is_empty(), "{rule}, seed {}", run.seed);
            for trial in stopped {
                let fidelity = trial.fidelity().expect("a stopped trial has a result");
                assert!(fidelity < Fidelity(EPOCHS), "{rule}, seed {}, trial {}", run.seed, trial.id);
            }
            assert_eq!(run.study.started(), TRIALS, "nothing is lost");
        }
    }
}

#[test]
fn without_a_rule_everything_runs_to_its_end() {
    let run = Training::run(EarlyStop::None, 3);
    assert_eq!((run.epochs, run.regret()), (TRIALS * EPOCHS, 0.0));
}
