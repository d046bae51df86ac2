//! The default: which model proposes the next trial.
//!
//! The Gaussian process learns most from few results and takes every kind of parameter, so it is the rule.
//! Others take over where it has nothing to say, and where its time or its reach end:
//!
//! | condition, the first that holds | model |
//! |---|---|
//! | several objectives | Gaussian process |
//! | up to 1000 results and 100 varying parameters | Gaussian process |
//! | numbers, ordered options and truth values only, no conditions, up to 60 of them | CMA-ES, started from the best tenth of the first 1000 results |
//! | otherwise | TPE, and the Gaussian process for every other trial |
//!
//! Where the Gaussian process cannot be fitted although there are results, TPE takes that trial. All
//! inputs come from the history, and the reason of every suggestion names the row.

use automl_core::{SearchSpace, TrialId};

use crate::axes::Axes;
use crate::cma::unsuitable;
use crate::startup::startup_trials;
use crate::{Bayesian, Cma, History, Sampler, SuggestError, Suggestion, Tpe};

/// Results and varying parameters up to which the Gaussian process is the rule.
const RESULTS_MAX: usize = 1000;
const DIMENSION_MAX: usize = 100;
/// Coordinates up to which a covariance matrix is adapted.
const COVARIANCE_DIMENSION_MAX: usize = 60;

/// The portfolio.
#[derive(Clone, Copy, Debug, Default)]
pub struct Auto;

impl Sampler for Auto {
    fn suggest(
        &self,
        space: &SearchSpace,
        history: &History,
        trial: TrialId,
        seed: u64,
    ) -> Result<Suggestion, SuggestError> {
        let history = &*history.within(space);
        let axes = Axes::new(space);
        let (results, dimension) = (history.observations.len(), axes.axes().len());
        match choose(space, &axes, history, trial) {
            Choice::Usual => or_tpe(space, history, trial, seed, dimension),
            Choice::Numeric => {
                let sampler = Cma { after: Some(RESULTS_MAX) };
                let why = format!("{results} results of a numeric space");
                Ok(because(sampler.suggest(space, history, trial, seed)?, &why))
            }
            Choice::Large { turn_of_tpe } => {
                let why = format!("every other trial, {results} results and {dimension} parameters");
                let suggestion = if turn_of_tpe {
                    Tpe.suggest(space, history, trial, seed)?
                } else {
                    or_tpe(space, history, trial, seed, dimension)?
                };
                Ok(because(suggestion, &why))
            }
        }
    }
}

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Usual,
    Numeric,
    Large { turn_of_tpe: bool },
}

fn choose(space: &SearchSpace, axes: &Axes, history: &History, trial: TrialId) -> Choice {
    let dimension = axes.axes().len();
    let several_objectives = history.observations.iter().any(|o| !o.others.is_empty());
    if several_objectives || (history.observations.len() <= RESULTS_MAX && dimension <= DIMENSION_MAX) {
        Choice::Usual
    } else if history.observations.len() > RESULTS_MAX
        && dimension <= COVARIANCE_DIMENSION_MAX
        && unsuitable(space, axes).is_none()
    {
        Choice::Numeric
    } else {
        Choice::Large { turn_of_tpe: trial.0.is_multiple_of(2) }
    }
}

/// The Gaussian process's suggestion, or TPE's where it fell back to a design after startup.
fn or_tpe(
    space: &SearchSpace,
    history: &History,
    trial: TrialId,
    seed: u64,
    dimension: usize,
) -> Result<Suggestion, SuggestError> {
    let suggestion = Bayesian.suggest(space, history, trial, seed)?;
    let startup = startup_trials(dimension, history.budget) as usize;
    if !suggestion.origin.theta.is_empty() || history.trials_up_to(startup) < startup {
        return Ok(suggestion);
    }
    let other = Tpe.suggest(space, history, trial, seed)?;
    if other.origin.model != "tpe" {
        return Ok(suggestion);
    }
    Ok(because(other, &format!("the Gaussian process had none ({})", suggestion.origin.reason)))
}

fn because(mut suggestion: Suggestion, why: &str) -> Suggestion {
    suggestion.origin.reason = format!("{}; chosen because: {why}", suggestion.origin.reason);
    suggestion
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Observation;
    use automl_core::{Direction, Distribution, Fidelity, Objective, Parameter, Params, Scale};

    fn space(floats: usize, with_choice: bool) -> SearchSpace {
        let float = Distribution::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: None };
        let mut parameters: Vec<Parameter> =
            (0..floats).map(|i| Parameter::new(format!("x{i}"), float.clone())).collect();
        if with_choice {
            let choices = ["a", "b", "c"].map(|name| automl_core::ParamValue::Text(name.into())).to_vec();
            parameters.push(Parameter::new("c", Distribution::Categorical { choices, weights: None }));
        }
        SearchSpace::new(parameters).unwrap()
    }

    fn check(floats: usize, with_choice: bool, results: u64, trial: u64, expected: Choice) {
        let objective = Objective { metric: "m".into(), direction: Direction::Minimize };
        let loss = objective.loss(0.0).unwrap();
        let one = |t| Observation::single(TrialId(t), Params::default(), loss, Fidelity(1));
        let history = History { observations: (1..=results).map(one).collect(), ..History::default() };
        let space = space(floats, with_choice);
        let found = choose(&space, &Axes::new(&space), &history, TrialId(trial));
        assert_eq!(found, expected, "{floats} {with_choice} {results}");
    }

    #[test]
    fn rows_of_the_table_are_followed() {
        check(10, true, 1000, 1001, Choice::Usual);
        check(10, false, 1001, 1002, Choice::Numeric);
        check(10, true, 1001, 1002, Choice::Large { turn_of_tpe: true });
        check(10, true, 1002, 1003, Choice::Large { turn_of_tpe: false });
        check(61, false, 1001, 1002, Choice::Large { turn_of_tpe: true });
        check(101, false, 20, 21, Choice::Large { turn_of_tpe: false });
    }
}
