//! One search over learning curves by another project's tuner, with the accounting of `training.rs`.
//!
//! A tuner either says how far a configuration is trained, or hears of every epoch and may stop it. Nothing of either kind
//! can pause: what is trained again is paid again, except where programs are thought to find their own checkpoint
//! (`resumes`). As in `training.rs` the incumbent is the best at the highest epoch that was reported.

use crate::race::{Outcome, Setup, simulated_duration};
use crate::training::UNTRAINED;
use automl_core::{Params, TrialId};
use automl_testkit::problems::{CurveDefinition, Curves};
use std::collections::BTreeMap;

/// Someone who proposes configurations and how far to train them.
pub(crate) trait Tuner {
    /// Returns what a new trial shall be; `None` where the tuner has nothing more to try.
    fn ask(&mut self, trial: TrialId) -> Result<Option<Wanted>, String>;
    /// Takes the value after an epoch of a trial whose end was left open, and tells whether the trial stops there.
    fn report(&mut self, trial: TrialId, epoch: u64, value: f64) -> Result<bool, String>;
    /// Takes the value of a trial that was trained as far as it was to be.
    fn tell(&mut self, trial: TrialId, value: f64) -> Result<(), String>;
    /// Seconds of processor time spent so far.
    fn seconds(&self) -> f64;
}

/// A trial that a tuner asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) params: Params,
    /// Epoch at which its value is wanted; `None` where every epoch's is, up to the last or until it is stopped.
    pub(crate) until: Option<u64>,
}

struct Running {
    wanted: Wanted,
    /// Number of the first trial with the same values: readings of one training are the same, noise included.
    first: TrialId,
    epoch: u64,
    ends: f64,
}

/// Searches until `setup.evaluations` epochs have been trained.
pub(crate) fn train_with(
    curves: &Curves,
    tuner: &mut dyn Tuner,
    resumes: bool,
    setup: Setup,
) -> Result<Outcome, String> {
    let mut outcome = Outcome { trace: vec![(0, UNTRAINED)], finished: 0, failed: 0, seconds: 0.0 };
    let mut running: BTreeMap<TrialId, Running> = BTreeMap::new();
    // First trial of a configuration, and the epochs that it has been trained.
    let mut trained: BTreeMap<String, (TrialId, u64)> = BTreeMap::new();
    let mut best = (0, f64::INFINITY);
    let (mut asked, mut now, mut exhausted) = (0, 0.0, false);
    for spent in 1..=setup.evaluations {
        while running.len() < setup.workers && !exhausted {
            let trial = TrialId(asked + 1);
            let Some(wanted) = tuner.ask(trial)? else {
                exhausted = true;
                break;
            };
            asked += 1;
            curves.space().check(&wanted.params).map_err(|why| format!("trial {trial}: {why:?}"))?;
            let (first, reached) = *trained.entry(wanted.params.key()).or_insert((trial, 0));
            let epoch = match wanted.until {
                Some(until) if resumes => reached.min(until - 1),
                _ => 0,
            };
            let ends = now + simulated_duration(setup, trial);
            running.insert(trial, Running { wanted, first, epoch, ends });
        }
        let next = running.iter().min_by(|a, b| a.1.ends.total_cmp(&b.1.ends).then(a.0.cmp(b.0)));
        let Some(trial) = next.map(|(trial, _)| *trial) else { break };
        let mut attempt = running.remove(&trial).expect("found above");
        attempt.epoch += 1;
        now = attempt.ends;
        let (params, epoch) = (&attempt.wanted.params, attempt.epoch);
        let open = attempt.wanted.until.is_none();
        let ended = epoch == attempt.wanted.until.unwrap_or(CurveDefinition::EPOCHS);
        if open || ended {
            let value = curves.observe(params, epoch, attempt.first.0);
            if epoch > best.0 || (epoch == best.0 && value < best.1) {
                best = (epoch, value);
                outcome.trace.push((spent, curves.loss(params, epoch)));
            }
            let stopped = open && tuner.report(trial, epoch, value)?;
            if stopped || ended {
                let reached = &mut trained.get_mut(&params.key()).expect("noted when it was asked for").1;
                *reached = epoch.max(*reached);
                outcome.finished += 1;
                if !stopped {
                    tuner.tell(trial, value)?;
                }
                continue;
            }
        }
        attempt.ends = now + simulated_duration(setup, trial);
        running.insert(trial, attempt);
    }
    outcome.seconds = tuner.seconds();
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::Durations;
    use automl_testkit::problems::{curve_definitions, random_row};

    /// Wants the same configurations again and again, at the epochs of a list, and stops open ones at epoch 3.
    struct Script {
        params: Vec<Params>,
        until: Option<Vec<u64>>,
        told: Vec<(u64, u64)>,
    }

    impl Tuner for Script {
        fn ask(&mut self, trial: TrialId) -> Result<Option<Wanted>, String> {
            let index = trial.0 as usize - 1;
            let params = self.params[index % self.params.len()].clone();
            Ok(Some(Wanted { params, until: self.until.as_ref().map(|until| until[index % until.len()]) }))
        }

        fn report(&mut self, trial: TrialId, epoch: u64, _: f64) -> Result<bool, String> {
            self.told.push((trial.0, epoch));
            Ok(epoch == 3 && trial.0 > 1)
        }

        fn tell(&mut self, trial: TrialId, _: f64) -> Result<(), String> {
            self.told.push((trial.0, 0));
            Ok(())
        }

        fn seconds(&self) -> f64 {
            0.5
        }
    }

    fn curves() -> Curves {
        let all = curve_definitions();
        all.into_iter().find(|definition| definition.name == "noisy-network-8").unwrap().instance(3)
    }

    fn script(curves: &Curves, until: Option<Vec<u64>>) -> Script {
        let params = |x| curves.space().decode(&random_row(curves.space(), || x));
        Script { params: vec![params(0.2), params(0.7)], until, told: Vec::new() }
    }

    fn setup(evaluations: u64, workers: usize) -> Setup {
        Setup { evaluations, workers, durations: Durations::Constant, seed: 3 }
    }

    #[test]
    fn open_trials_are_trained_to_their_end_or_until_they_are_stopped() {
        let curves = curves();
        let mut script = script(&curves, None);
        let outcome = train_with(&curves, &mut script, false, setup(27 + 3 + 2, 1)).unwrap();
        let mut expected: Vec<(u64, u64)> = (1..=27).map(|epoch| (1, epoch)).collect();
        expected.extend([(1, 0), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2)]);
        assert_eq!(script.told, expected);
        assert_eq!((outcome.finished, outcome.seconds), (2, 0.5));
        assert_eq!(outcome.trace.last().unwrap().0, 27, "nothing that was stopped is the incumbent");
    }

    #[test]
    fn what_is_trained_again_is_paid_again_unless_programs_resume() {
        let curves = curves();
        let ends = |resumes| {
            let mut script = script(&curves, Some(vec![1, 1, 3]));
            train_with(&curves, &mut script, resumes, setup(9, 1)).unwrap();
            script.told.len()
        };
        // 1 + 1 + 3 + 1 + 1 + 2 of 3 epochs; resumed 1 + 1 + 2, then each is trained for one epoch at least.
        assert_eq!((ends(false), ends(true)), (5, 7));
    }

    #[test]
    fn workers_train_side_by_side() {
        let curves = curves();
        let mut script = script(&curves, None);
        let outcome = train_with(&curves, &mut script, false, setup(60, 4)).unwrap();
        assert_eq!(&script.told[..5], [(1, 1), (2, 1), (3, 1), (4, 1), (1, 2)]);
        assert!(outcome.finished > 4);
    }
}
