//! One run: a sampler, an instance, and workers in simulated time.

use crate::asker::Asker;
use automl_core::{Params, SearchSpace, TrialId, rng};
use automl_testkit::problems::Problem;

/// How long evaluations take in simulated time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durations {
    /// All the same.
    Constant,
    /// Between a half and two, by the trial's number.
    Random,
}

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// Trials, or epochs where learning curves are searched.
    pub(crate) evaluations: u64,
    pub(crate) workers: usize,
    pub(crate) durations: Durations,
    pub(crate) seed: u64,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Number of finished evaluations and noise-free regret of the incumbent, at each change of the latter.
    pub(crate) trace: Vec<(u64, f64)>,
    /// Trials that ended with a value or failed.
    pub(crate) finished: u64,
    /// Those that failed.
    pub(crate) failed: u64,
    /// Processor seconds of all suggestions.
    pub(crate) seconds: f64,
}

impl Outcome {
    /// Returns the regret of the incumbent after so many evaluations.
    pub(crate) fn regret_at(&self, evaluations: u64) -> f64 {
        let before = self.trace.iter().take_while(|(count, _)| *count <= evaluations);
        before.last().expect("the trace begins at 0").1
    }
}

struct Running {
    trial: TrialId,
    params: Params,
    ends: f64,
}

/// What is searched, and by whom.
pub(crate) trait Search {
    /// Returns the configuration of a new trial, `None` when the space is exhausted.
    fn begin(&mut self, trial: TrialId) -> Result<Option<Params>, String>;
    /// Takes the end of a trial.
    fn end(&mut self, trial: TrialId, params: Params) -> Result<(), String>;
}

/// Runs until all evaluations have finished or the space is exhausted. Workers that fall free at the same
/// time are served one after the other, so that each suggestion knows the results before it.
pub(crate) fn simulate(search: &mut dyn Search, setup: Setup) -> Result<(), String> {
    let mut running: Vec<Running> = Vec::new();
    let mut asked = 0;
    let mut now = 0.0;
    let mut exhausted = false;
    loop {
        while running.len() < setup.workers && asked < setup.evaluations && !exhausted {
            asked += 1;
            let trial = TrialId(asked);
            match search.begin(trial)? {
                Some(params) => {
                    running.push(Running { trial, params, ends: now + simulated_duration(setup, trial) });
                }
                None => exhausted = true,
            }
        }
        let first = (0..running.len()).min_by(|a, b| {
            let (a, b) = (&running[*a], &running[*b]);
            a.ends.total_cmp(&b.ends).then(a.trial.cmp(&b.trial))
        });
        let Some(first) = first else { return Ok(()) };
        let Running { trial, params, ends } = running.remove(first);
        now = ends;
        search.end(trial, params)?;
    }
}

/// Searches a problem with one objective.
pub(crate) fn race(problem: &Problem, asker: &mut dyn Asker, setup: Setup) -> Result<Outcome, String> {
    let outcome = Outcome { trace: vec![(0, problem.worst_regret())], finished: 0, failed: 0, seconds: 0.0 };
    let mut race = Race { problem, asker, best_value: f64::INFINITY, outcome };
    simulate(&mut race, setup)?;
    race.outcome.seconds = race.asker.seconds();
    Ok(race.outcome)
}

struct Race<'a> {
    problem: &'a Problem,
    asker: &'a mut dyn Asker,
    best_value: f64,
    outcome: Outcome,
}

impl Search for Race<'_> {
    fn begin(&mut self, trial: TrialId) -> Result<Option<Params>, String> {
        let params = self.asker.ask(trial)?;
        params.iter().try_for_each(|params| check(self.problem.name, &self.problem.space, trial, params))?;
        Ok(params)
    }

    fn end(&mut self, trial: TrialId, params: Params) -> Result<(), String> {
        let value = self.problem.observe(&params, trial.0);
        self.asker.tell(trial, value)?;
        self.outcome.finished += 1;
        match value {
            None => self.outcome.failed += 1,
            Some(value) if value < self.best_value => {
                self.best_value = value;
                let regret = self.problem.regret(&params).expect("a trial with a value has a regret");
                self.outcome.trace.push((self.outcome.finished, regret));
            }
            Some(_) => {}
        }
        Ok(())
    }
}

/// Refuses a configuration that is not of its space.
pub(crate) fn check(name: &str, space: &SearchSpace, trial: TrialId, params: &Params) -> Result<(), String> {
    space.check(params).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("trial {trial} on {name} is not of its space: {} ({params})", problems.join("; "))
    })
}

/// Time that one unit of a trial's work takes.
pub(crate) fn simulated_duration(setup: Setup, trial: TrialId) -> f64 {
    match setup.durations {
        Durations::Constant => 1.0,
        Durations::Random => 4_f64.powf(rng::uniform(&[setup.seed, 9, trial.0]) - 0.5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_testkit::problems::{definitions, random_row};

    /// Proposes fixed configurations and writes down what it is told.
    struct Script {
        proposals: Vec<Params>,
        running: usize,
        running_max: usize,
        told: Vec<(u64, Option<f64>)>,
    }

    impl Asker for Script {
        fn ask(&mut self, trial: TrialId) -> Result<Option<Params>, String> {
            self.running += 1;
            self.running_max = self.running_max.max(self.running);
            Ok(self.proposals.get(trial.0 as usize - 1).cloned())
        }

        fn tell(&mut self, trial: TrialId, value: Option<f64>) -> Result<(), String> {
            self.running -= 1;
            self.told.push((trial.0, value));
            Ok(())
        }

        fn seconds(&self) -> f64 {
            0.25
        }
    }

    fn problem(name: &str) -> Problem {
        definitions().into_iter().find(|definition| definition.name == name).unwrap().instance(1)
    }

    fn script(problem: &Problem, count: u64) -> Script {
        let proposal = |trial| {
            let mut column = 0;
            let uniform = || {
                column += 1;
                rng::uniform(&[trial, column])
            };
            problem.space.decode(&random_row(&problem.space, uniform))
        };
        Script { proposals: (0..count).map(proposal).collect(), running: 0, running_max: 0, told: Vec::new() }
    }

    fn setup(workers: usize, durations: Durations) -> Setup {
        Setup { evaluations: 20, workers, durations, seed: 3 }
    }

    #[test]
    fn every_evaluation_is_told_once_by_at_most_so_many_workers() {
        let problem = problem("network-8");
        for (workers, durations) in
            [(1, Durations::Constant), (4, Durations::Random), (16, Durations::Random)]
        {
            let mut script = script(&problem, 20);
            let outcome = race(&problem, &mut script, setup(workers, durations)).unwrap();
            let mut trials: Vec<u64> = script.told.iter().map(|(trial, _)| *trial).collect();
            let in_order = trials.is_sorted();
            trials.sort_unstable();
            assert_eq!(trials, (1..=20).collect::<Vec<_>>());
            assert_eq!(script.running_max, workers);
            assert_eq!(in_order, durations == Durations::Constant);
            assert_eq!((outcome.finished, outcome.seconds), (20, 0.25));
        }
    }

    #[test]
    fn trace_holds_the_regret_of_the_best_value_told() {
        let problem = problem("noisy-bowl-5");
        let mut script = script(&problem, 20);
        let outcome = race(&problem, &mut script, setup(3, Durations::Random)).unwrap();
        for count in 1..=20 {
            let told = script.told[..count].iter();
            let best = told.min_by(|a, b| a.1.unwrap().total_cmp(&b.1.unwrap())).unwrap().0;
            let expected = problem.regret(&script.proposals[best as usize - 1]).unwrap();
            assert_eq!(outcome.regret_at(count as u64), expected, "after {count}");
        }
        assert_eq!(outcome.regret_at(0), problem.worst_regret());
    }

    #[test]
    fn failures_count_as_evaluations_and_are_no_incumbents() {
        let problem = problem("balls-5");
        let mut script = script(&problem, 20);
        let outcome = race(&problem, &mut script, setup(1, Durations::Constant)).unwrap();
        let failed = script.told.iter().filter(|(_, value)| value.is_none()).count() as u64;
        assert!(failed > 0);
        assert_eq!((outcome.failed, outcome.finished), (failed, 20));
        assert!(outcome.trace.iter().all(|(_, regret)| regret.is_finite()));
    }

    #[test]
    fn exhausted_space_ends_the_run_early() {
        let problem = problem("bowl-5");
        let outcome = race(&problem, &mut script(&problem, 5), setup(2, Durations::Constant)).unwrap();
        assert_eq!(outcome.finished, 5);
    }

    #[test]
    fn proposals_outside_the_space_are_an_error() {
        let problem = problem("bowl-5");
        let mut script = script(&problem, 3);
        script.proposals[1].remove("x00");
        let message = race(&problem, &mut script, setup(1, Durations::Constant)).unwrap_err();
        assert!(message.contains("trial 2 on bowl-5") && message.contains("x00"), "{message}");
    }
}
