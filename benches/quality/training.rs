//! One search over learning curves: the real scheduler, sampler and fold, with workers in simulated time.
//!
//! A discrete-event loop in place of the engine. What a run costs is the epochs trained: an attempt that goes on
//! from a checkpoint costs only the epochs it adds. The regret is that of the study's incumbent, judged by its
//! noise-free loss after the epochs it has had: the model a user would be left with.

use crate::asker::thread_seconds;
use crate::race::{Outcome, Setup, simulated_duration};
use automl::{Resolved, beginning, resolve};
use automl_core::{
    Algorithm, AttemptEnd, Direction, Event, Fidelity, FidelityPlan, Further, Objective,
    Outcome as AttemptOutcome, Study, TrialId,
};
use automl_sampler::SuggestError;
use automl_scheduler::{Decision, Scheduler, generations, population_trials, scheduler_for};
use automl_testkit::problems::{CurveDefinition, Curves};
use automl_testkit::{Log, settings};
use std::collections::BTreeMap;

/// Algorithms that are compared on curves. A new one is one line.
pub(crate) const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::Race,
    Algorithm::Asha,
    Algorithm::Bohb,
    Algorithm::Hyperband,
    Algorithm::Pasha,
    Algorithm::Dehb,
    Algorithm::Pbt,
    Algorithm::Bayesian,
    Algorithm::Random,
];

/// Factor between one rung and the next.
const REDUCTION_FACTOR: u64 = 3;

/// Regret before any model was trained: twice that of a mediocre configuration.
pub(crate) const UNTRAINED: f64 = 2.0;

/// Searches until `setup.evaluations` epochs have been trained; those that run beyond are not counted.
pub(crate) fn train(curves: &Curves, algorithm: Algorithm, setup: Setup) -> Result<Outcome, String> {
    let mut search = Search::new(curves, algorithm, setup);
    loop {
        while search.decide()? {}
        if !search.finish_one() {
            return Ok(search.outcome);
        }
    }
}

fn plan() -> FidelityPlan {
    FidelityPlan {
        unit: "epoch".into(),
        min: Fidelity(1),
        max: Fidelity(CurveDefinition::EPOCHS),
        reduction_factor: REDUCTION_FACTOR,
        resumable: true,
        base: None,
        full_first: FidelityPlan::FULL_FIRST,
    }
}

/// Trials of the largest population that is trained fully within some epochs.
fn population_within(epochs: u64) -> u64 {
    let population = (epochs / CurveDefinition::EPOCHS).max(1);
    population_trials(population, generations(&plan()).len() as u64)
}

struct Search<'a> {
    curves: &'a Curves,
    setup: Setup,
    scheduler: Box<dyn Scheduler>,
    log: Log,
    study: Study,
    /// When each running trial will end, in simulated time, and the epochs it adds.
    ends: BTreeMap<TrialId, (f64, u64)>,
    now: f64,
    epochs: u64,
    outcome: Outcome,
}

impl<'a> Search<'a> {
    fn new(curves: &'a Curves, algorithm: Algorithm, setup: Setup) -> Self {
        let mut settings = settings(algorithm);
        settings.space = curves.space().clone();
        settings.objective = Objective { metric: "loss".into(), direction: Direction::Minimize };
        settings.seed = setup.seed;
        // More trials than any rule can start within the epochs; those that train fully know their number.
        settings.trials = if algorithm == Algorithm::Pbt {
            population_within(setup.evaluations)
        } else if algorithm.pauses_trials() {
            setup.evaluations
        } else {
            (setup.evaluations / CurveDefinition::EPOCHS).max(1)
        };
        settings.fidelity = plan();
        let log = Log::new(settings);
        let study = log.study().expect("a log that was just begun");
        let outcome = Outcome { trace: vec![(0, UNTRAINED)], finished: 0, failed: 0, seconds: 0.0 };
        let scheduler = scheduler_for(algorithm);
        Search { curves, setup, scheduler, log, study, ends: BTreeMap::new(), now: 0.0, epochs: 0, outcome }
    }

    fn apply(&mut self, event: Event) -> Result<(), String> {
        self.log.push(event);
        let record = self.log.records.last().expect("pushed above");
        self.study.apply(record).map_err(|why| why.to_string())
    }

    /// Gives work to free workers; tells whether any got some, since a scheduler need not serve all at once.
    fn decide(&mut self) -> Result<bool, String> {
        let busy = self.ends.len();
        let before = thread_seconds();
        let decisions = self.scheduler.decide(&self.study, self.setup.workers - busy);
        self.outcome.seconds += thread_seconds() - before;
        for decision in decisions {
            self.perform(decision)?;
        }
        Ok(self.ends.len() > busy)
    }

    fn perform(&mut self, decision: Decision) -> Result<(), String> {
        let before = thread_seconds();
        let resolved = resolve(&self.study, decision);
        self.outcome.seconds += thread_seconds() - before;
        let (trial, until, why) = match resolved {
            Ok(Resolved::Start { suggestion, bracket, until, takeover }) => {
                let trial = self.study.next_trial();
                let copy = |_, source: &str| source.to_string();
                let events = beginning(&self.study, suggestion, bracket, takeover, copy);
                events.into_iter().try_for_each(|event| self.apply(event))?;
                (trial, until, None)
            }
            Ok(Resolved::Run { trial, until, why }) => (trial, until, why),
            Ok(Resolved::End(_)) | Err(SuggestError::Exhausted { .. }) => return Ok(()),
        };
        let known = &self.study.trials[&trial];
        let epochs = until.0 - known.trained().map_or(0, |fidelity| fidelity.0);
        let (attempt, resume_from) = (known.next_attempt(), known.checkpoint.clone());
        let slot = 0;
        self.apply(Event::AttemptStarted {
            trial,
            attempt,
            until,
            resume_from,
            slot,
            log_offsets: Vec::new(),
            worker: None,
            why,
            asked: None,
        })?;
        let duration = simulated_duration(self.setup, trial) * epochs as f64;
        self.ends.insert(trial, (self.now + duration, epochs));
        Ok(())
    }

    /// Ends the attempt whose time has come first; false when nothing runs or all epochs are spent.
    fn finish_one(&mut self) -> bool {
        let first = self.ends.iter().min_by(|a, b| a.1.0.total_cmp(&b.1.0).then(a.0.cmp(b.0)));
        let Some((trial, (end, epochs))) = first.map(|(trial, end)| (*trial, *end)) else { return false };
        self.ends.remove(&trial);
        (self.now, self.epochs) = (end, self.epochs + epochs);
        if self.epochs > self.setup.evaluations {
            return false;
        }
        let known = &self.study.trials[&trial];
        let attempt = known.running_attempt().expect("it was running");
        let (attempt, fidelity) = (attempt.number, attempt.until);
        let value = self.curves.observe(&known.params, fidelity.0, trial.0);
        let checkpoint = Some(format!("{trial}@{fidelity}"));
        let outcome = AttemptOutcome::Reached { fidelity, value, checkpoint, further: Further::default() };
        let end = AttemptEnd::unmeasured(outcome);
        self.apply(Event::AttemptEnded { trial, attempt, end }).expect("a running attempt may end");
        self.outcome.finished += 1;
        self.note_incumbent();
        true
    }

    fn note_incumbent(&mut self) {
        let incumbent = self.study.incumbent().expect("a trial has ended");
        let trained = incumbent.fidelity().expect("an incumbent was trained");
        let regret = self.curves.loss(&incumbent.params, trained.0);
        if self.outcome.trace.last().is_none_or(|(_, last)| *last != regret) {
            self.outcome.trace.push((self.epochs, regret));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::Durations;
    use automl_testkit::problems::curve_definitions;

    fn setup(epochs: u64, workers: usize) -> Setup {
        Setup { evaluations: epochs, workers, durations: Durations::Random, seed: 3 }
    }

    fn curves(name: &str) -> Curves {
        curve_definitions().into_iter().find(|definition| definition.name == name).unwrap().instance(3)
    }

    #[test]
    fn full_trainings_spend_whole_trainings() {
        let curves = curves("crossing-training-6");
        let outcome = train(&curves, Algorithm::Random, setup(270, 1)).unwrap();
        assert_eq!(outcome.finished, 10);
        assert!(outcome.trace[1..].iter().all(|(epochs, _)| epochs.is_multiple_of(27)));
    }

    #[test]
    fn hyperband_looks_at_more_configurations_for_the_same_epochs() {
        let curves = curves("aligned-training-6");
        for workers in [1, 4] {
            let outcome = train(&curves, Algorithm::Hyperband, setup(270, workers)).unwrap();
            assert!(outcome.finished > 30, "{workers} workers: {}", outcome.finished);
            assert!(outcome.trace.last().unwrap().0 <= 270);
        }
    }

    #[test]
    fn same_setup_gives_the_same_trace() {
        let curves = curves("noisy-network-8");
        let once = train(&curves, Algorithm::Hyperband, setup(200, 3)).unwrap();
        assert_eq!(once.trace, train(&curves, Algorithm::Hyperband, setup(200, 3)).unwrap().trace);
    }
}
