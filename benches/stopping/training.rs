//! Trainings under a rule of early stopping: many trials at a time, an epoch after another, at speeds of their own.

use automl_core::{
    Algorithm, AttemptEnd, AttemptNumber, Conduct, EarlyStop, Event, Fidelity, Further, Origin, Outcome,
    Params, Record, Study, StudySettings, TrialId, TrialState, rng,
};
use automl_scheduler::{Decision, Scheduler, scheduler_for, should_stop};
use automl_testkit::problems::{CurveDefinition, Curves, random_row};
use automl_testkit::{Log, curve, settings};
use std::collections::BTreeMap;

/// Epochs of a whole training.
pub(crate) const EPOCHS: u64 = CurveDefinition::EPOCHS;
const WORKERS: usize = 4;

/// What is trained.
pub(crate) enum Lab {
    /// Exponential curves.
    Exponential,
    /// A family of curves over configurations.
    Family(Box<Curves>),
}

/// A search over learning curves; everything random comes from `seed`.
pub(crate) struct Training {
    pub(crate) study: Study,
    pub(crate) records: Vec<Record>,
    /// Epochs that were trained in all.
    pub(crate) epochs: u64,
    lab: Lab,
    trials: u64,
    seed: u64,
    /// When each running trial reports next, and its last epoch.
    running: BTreeMap<TrialId, (f64, u64)>,
    /// Sees the study, the records so far and the answer whenever a trial has been found hopeless.
    on_stop: fn(&Study, &[Record], TrialId, &str),
}

impl Training {
    /// Runs a search of so many trials to its end.
    pub(crate) fn run(lab: Lab, rule: EarlyStop, trials: u64, seed: u64) -> Self {
        Self::run_checked(lab, rule, trials, seed, |_, _, _, _| {})
    }

    /// As [`Training::run`]; `on_stop` looks at every stop.
    pub(crate) fn run_checked(
        lab: Lab,
        rule: EarlyStop,
        trials: u64,
        seed: u64,
        on_stop: fn(&Study, &[Record], TrialId, &str),
    ) -> Self {
        let mut settings = StudySettings {
            conduct: Conduct { early_stop: rule, ..Conduct::default() },
            trials,
            ..settings(Algorithm::Random)
        };
        settings.fidelity.max = Fidelity(EPOCHS);
        let log = Log::new(settings);
        let study = log.study().expect("a log that was just begun");
        let running = BTreeMap::new();
        let mut training =
            Training { study, records: log.records, epochs: 0, lab, trials, seed, running, on_stop };
        let scheduler = scheduler_for(Algorithm::Random);
        while training.step(&*scheduler) {}
        training
    }

    fn apply(&mut self, event: Event) {
        let record = Record { at: self.records.len() as u64, event };
        self.study.apply(&record).expect("what is possible");
        self.records.push(record);
    }

    /// Starts what is to be started, and takes the next report; `false` when the search is over.
    fn step(&mut self, scheduler: &dyn Scheduler) -> bool {
        for decision in scheduler.decide(&self.study, WORKERS - self.running.len()) {
            let Decision::Start { until, .. } = decision else { return false };
            let trial = self.study.next_trial();
            let (params, origin) = (self.params(trial), Origin::default());
            self.apply(Event::TrialSuggested { trial, params, bracket: None, origin });
            self.apply(Event::AttemptStarted {
                trial,
                attempt: AttemptNumber(1),
                until,
                resume_from: None,
                slot: 0,
                log_offsets: Vec::new(),
                worker: None,
                why: None,
                asked: None,
            });
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
        let (attempt, value) = (AttemptNumber(1), -self.reported(trial, epoch));
        let values = [("acc".to_string(), value)].into();
        self.apply(Event::Measured { trial, attempt, source: 0, line: epoch, step: Some(epoch), values });
        let stop = should_stop(&self.study, trial);
        if let Some(reason) = stop.clone() {
            (self.on_stop)(&self.study, &self.records, trial, &reason);
            self.apply(Event::StopDecided { trial, attempt, reason });
        }
        if stop.is_some() || epoch == EPOCHS {
            self.running.remove(&trial);
            let (fidelity, further) = (Fidelity(epoch), Further::default());
            let outcome = Outcome::Reached { fidelity, value, checkpoint: None, further };
            self.apply(Event::AttemptEnded { trial, attempt, end: AttemptEnd::unmeasured(outcome) });
        }
        if let Some(reason) = stop {
            self.apply(Event::TrialStopped { trial, reason });
        }
    }

    fn params(&self, trial: TrialId) -> Params {
        let Lab::Family(curves) = &self.lab else { return Params::default() };
        let mut draws = 0;
        let row = random_row(curves.space(), || {
            draws += 1;
            rng::uniform(&[self.seed, trial.0, 8, draws])
        });
        curves.space().decode(&row)
    }

    /// What a trial's program prints.
    fn reported(&self, trial: TrialId, epoch: u64) -> f64 {
        match &self.lab {
            Lab::Exponential => self.loss(trial, epoch),
            Lab::Family(curves) => curves.observe(&self.params(trial), epoch, trial.0),
        }
    }

    fn loss(&self, trial: TrialId, epoch: u64) -> f64 {
        match &self.lab {
            Lab::Exponential => curve(trial.0 + 1000 * self.seed, epoch),
            Lab::Family(curves) => curves.loss(&self.params(trial), epoch),
        }
    }

    /// Share of all epochs that was trained.
    pub(crate) fn share(&self) -> f64 {
        self.epochs as f64 / (self.trials * EPOCHS) as f64
    }

    /// How much worse the best finished trial is than the best one would have been.
    pub(crate) fn regret(&self) -> f64 {
        let last = |trial: TrialId| self.loss(trial, EPOCHS);
        let finished = self.study.in_state(TrialState::Complete).map(|trial| last(trial.id));
        let all = (1..=self.trials).map(|trial| last(TrialId(trial)));
        finished.fold(f64::INFINITY, f64::min) - all.fold(f64::INFINITY, f64::min)
    }

    /// The regret of as many epochs spent on whole trainings, on the average over which trials these are, less the
    /// same: below 0 where the rule is worth it.
    pub(crate) fn advantage(&self) -> f64 {
        let mut ends: Vec<f64> = (1..=self.trials).map(|trial| self.loss(TrialId(trial), EPOCHS)).collect();
        ends.sort_by(f64::total_cmp);
        let whole = self.share() * self.trials as f64;
        // The k-th best is the best of `whole` trials with the probability that none before it is among them.
        let (mut expected, mut none_so_far) = (0.0, 1.0);
        for (k, end) in ends.iter().enumerate() {
            let drawn = (whole / (self.trials as f64 - k as f64)).min(1.0);
            expected += none_so_far * drawn * (end - ends[0]);
            none_so_far *= 1.0 - drawn;
        }
        self.regret() - expected
    }
}
