//! One run over several objectives: how much of the volume below the reference is not beaten.
//!
//! The figure is the volume that the best front beats and that of the search does not, as a share of the former: 1 is
//! nothing, 0 as good as the front itself. The front of a search is that of the values told, noise included, and is
//! judged by its noise-free values; trials that break a constraint do not count. Less than [`EXACT`] is not told apart: fronts that
//! were searched for are not more exact than that.

use crate::asker::Asker;
use crate::race::{Outcome, Search, Setup, check, simulate};
use automl_core::{Params, TrialId};
use automl_sampler::{dominates, hypervolume};
use automl_testkit::problems::{Reading, TradeOff};

/// The least missing volume.
const EXACT: f64 = 2e-3;

/// Who proposes where there are several objectives.
pub(crate) trait Trader: Asker {
    /// Takes what a trial reported.
    fn tell_all(&mut self, trial: TrialId, reading: &Reading) -> Result<(), String>;
}

/// Searches a problem with several objectives.
pub(crate) fn trade(problem: &TradeOff, trader: &mut dyn Trader, setup: Setup) -> Result<Outcome, String> {
    let outcome = Outcome { trace: vec![(0, 1.0)], finished: 0, failed: 0, seconds: 0.0 };
    let whole = hypervolume(problem.front(), problem.reference());
    let mut trade = Trade { problem, trader, whole, front: Vec::new(), outcome };
    simulate(&mut trade, setup)?;
    trade.outcome.seconds = trade.trader.seconds();
    Ok(trade.outcome)
}

struct Trade<'a> {
    problem: &'a TradeOff,
    trader: &'a mut dyn Trader,
    /// Volume of the best front.
    whole: f64,
    /// What was told and the noise-free values of the search's front.
    front: Vec<(Vec<f64>, Vec<f64>)>,
    outcome: Outcome,
}

impl Search for Trade<'_> {
    fn begin(&mut self, trial: TrialId) -> Result<Option<Params>, String> {
        let params = self.trader.ask(trial)?;
        params.iter().try_for_each(|params| check(self.problem.name, &self.problem.space, trial, params))?;
        Ok(params)
    }

    fn end(&mut self, trial: TrialId, params: Params) -> Result<(), String> {
        let reading = self.problem.observe(&params, trial.0);
        self.trader.tell_all(trial, &reading)?;
        self.outcome.finished += 1;
        let is_beaten = self.front.iter().any(|(told, _)| dominates(told, &reading.values));
        if is_beaten || !reading.is_feasible() {
            return Ok(());
        }
        self.front.retain(|(told, _)| !dominates(&reading.values, told));
        self.front.push((reading.values, self.problem.values(&params)));
        let points: Vec<Vec<f64>> = self.front.iter().map(|(_, values)| values.clone()).collect();
        let missing = 1.0 - hypervolume(&points, self.problem.reference()) / self.whole;
        self.outcome.trace.push((self.outcome.finished, missing.max(EXACT)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::race::Durations;
    use automl_core::rng;
    use automl_testkit::problems::{random_row, trade_off_definitions};

    /// Proposes random configurations and writes down what it is told.
    struct Script<'a> {
        problem: &'a TradeOff,
        told: Vec<(Params, Reading)>,
        asked: Vec<(TrialId, Params)>,
    }

    impl Asker for Script<'_> {
        fn ask(&mut self, trial: TrialId) -> Result<Option<Params>, String> {
            let mut column = 0;
            let row = random_row(&self.problem.space, || {
                column += 1;
                rng::uniform(&[trial.0, column])
            });
            let params = self.problem.space.decode(&row);
            self.asked.push((trial, params.clone()));
            Ok(Some(params))
        }

        fn tell(&mut self, _: TrialId, _: Option<f64>) -> Result<(), String> {
            Err("there is more than one objective".into())
        }

        fn seconds(&self) -> f64 {
            0.5
        }
    }

    impl Trader for Script<'_> {
        fn tell_all(&mut self, trial: TrialId, reading: &Reading) -> Result<(), String> {
            let index = self.asked.iter().position(|(asked, _)| *asked == trial).expect("asked before");
            self.told.push((self.asked.swap_remove(index).1, reading.clone()));
            Ok(())
        }
    }

    fn problem(name: &str) -> TradeOff {
        let definition = trade_off_definitions().into_iter().find(|definition| definition.name == name);
        definition.expect("a problem").instance(5)
    }

    #[test]
    fn missing_volume_is_that_of_the_allowed_points_told() {
        for name in ["broken-3", "octant-5", "cut-bowls-2"] {
            let problem = problem(name);
            let mut script = Script { problem: &problem, told: Vec::new(), asked: Vec::new() };
            let setup = Setup { evaluations: 40, workers: 3, durations: Durations::Random, seed: 3 };
            let outcome = trade(&problem, &mut script, setup).unwrap();
            assert_eq!((outcome.finished, outcome.seconds), (40, 0.5));
            let whole = hypervolume(problem.front(), problem.reference());
            for count in [1, 10, 40] {
                let allowed = script.told[..count].iter().filter(|(_, reading)| reading.is_feasible());
                let points: Vec<Vec<f64>> = allowed.map(|(params, _)| problem.values(params)).collect();
                let expected = (1.0 - hypervolume(&points, problem.reference()) / whole).max(EXACT);
                let found = outcome.regret_at(count as u64);
                assert!((found - expected).abs() < 1e-12, "{name} after {count}: {found}, not {expected}");
            }
            assert!(outcome.regret_at(40) < 1.0 && outcome.regret_at(0) == 1.0, "{name}");
        }
    }
}
