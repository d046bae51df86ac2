//! Checks of a whole space and of a configuration against it; all problems at once.

use super::{DistributionError, Parameter, SearchSpace};
use crate::value::Params;
use std::collections::BTreeMap;
use thiserror::Error;

/// What is wrong with a space.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum SpaceProblem {
    /// A parameter without a name.
    #[error("parameter number {position} has an empty name")]
    EmptyName {
        /// Position in the declaration, from 1.
        position: usize,
    },
    /// Two parameters of one name.
    #[error("parameter `{name}` is declared twice")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// Bounds, step, options or weights are unsound.
    #[error("parameter `{name}`: {source}")]
    Distribution {
        /// The parameter.
        name: String,
        /// What is wrong with its distribution.
        source: DistributionError,
    },
    /// The default is not among the allowed values.
    #[error("parameter `{name}`: default {default} is not an allowed value")]
    DefaultOutside {
        /// The parameter.
        name: String,
        /// Its default.
        default: String,
    },
    /// A condition on a parameter that does not exist.
    #[error("parameter `{name}`: condition on unknown parameter `{parent}`")]
    UnknownParent {
        /// The parameter.
        name: String,
        /// What its condition names.
        parent: String,
    },
    /// A condition that can never hold.
    #[error("parameter `{name}`: `{parent}` can never be {value}, so the condition never holds")]
    ImpossibleCondition {
        /// The parameter.
        name: String,
        /// The parent.
        parent: String,
        /// The impossible value.
        value: String,
    },
    /// Conditions that wait for each other.
    #[error("conditions form a cycle through {}", names.join(", "))]
    Cycle {
        /// The parameters in it.
        names: Vec<String>,
    },
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum ParamProblem {
    /// The space has no such parameter.
    #[error("`{name}` is not a parameter of the search space")]
    Unknown {
        /// The name.
        name: String,
    },
    /// An active parameter has no value.
    #[error("`{name}` has no value")]
    Missing {
        /// The name.
        name: String,
    },
    /// A value for a parameter that its conditions turn off.
    #[error("`{name}` has a value although its condition does not hold")]
    Inactive {
        /// The name.
        name: String,
    },
    /// A value that the parameter may not take.
    #[error("`{name}`: {value} is not an allowed value")]
    Outside {
        /// The name.
        name: String,
        /// The value.
        value: String,
    },
}

/// Checks all parameters and returns their indices with parents first.
pub(super) fn check(parameters: &[Parameter]) -> Result<Vec<usize>, Vec<SpaceProblem>> {
    let mut problems = Vec::new();
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, parameter) in parameters.iter().enumerate() {
        if parameter.name.trim().is_empty() {
            problems.push(SpaceProblem::EmptyName { position: i + 1 });
        }
        if by_name.insert(&parameter.name, i).is_some() {
            problems.push(SpaceProblem::Duplicate { name: parameter.name.clone() });
        }
    }
    for parameter in parameters {
        check_parameter(parameter, parameters, &by_name, &mut problems);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    order(parameters, &by_name).map_err(|problem| vec![problem])
}

fn check_parameter(
    parameter: &Parameter,
    all: &[Parameter],
    by_name: &BTreeMap<&str, usize>,
    problems: &mut Vec<SpaceProblem>,
) {
    let name = &parameter.name;
    if let Err(source) = parameter.distribution.validate() {
        problems.push(SpaceProblem::Distribution { name: name.clone(), source });
    } else if let Some(default) = parameter.default.as_ref().filter(|d| !parameter.distribution.contains(d)) {
        problems.push(SpaceProblem::DefaultOutside { name: name.clone(), default: default.to_string() });
    }
    for condition in &parameter.conditions {
        let parent = &condition.parent;
        let Some(&i) = by_name.get(parent.as_str()) else {
            problems.push(SpaceProblem::UnknownParent { name: name.clone(), parent: parent.clone() });
            continue;
        };
        for value in condition.values.iter().filter(|v| !all[i].distribution.contains(v)) {
            problems.push(SpaceProblem::ImpossibleCondition {
                name: name.clone(),
                parent: parent.clone(),
                value: value.to_string(),
            });
        }
    }
}

/// Orders parents before children, keeping the declared order otherwise.
fn order(parameters: &[Parameter], by_name: &BTreeMap<&str, usize>) -> Result<Vec<usize>, SpaceProblem> {
    let mut placed = vec![false; parameters.len()];
    let mut sorted = Vec::with_capacity(parameters.len());
    while sorted.len() < parameters.len() {
        let ready = |i: &usize| {
            !placed[*i] && parameters[*i].conditions.iter().all(|c| placed[by_name[c.parent.as_str()]])
        };
        let next: Vec<usize> = (0..parameters.len()).filter(ready).collect();
        if next.is_empty() {
            let waiting = parameters.iter().zip(&placed).filter(|(_, placed)| !**placed);
            return Err(SpaceProblem::Cycle { names: waiting.map(|(p, _)| p.name.clone()).collect() });
        }
        for i in next {
            placed[i] = true;
            sorted.push(i);
        }
    }
    Ok(sorted)
}

pub(super) fn check_params(space: &SearchSpace, params: &Params) -> Result<(), Vec<ParamProblem>> {
    let unknown = params.iter().filter(|(name, _)| space.get(name).is_none());
    let mut problems: Vec<_> = unknown.map(|(name, _)| ParamProblem::Unknown { name: name.into() }).collect();
    for parameter in space.parameters() {
        let name = parameter.name.clone();
        match (params.get(&parameter.name), parameter.is_active(params)) {
            (None, true) => problems.push(ParamProblem::Missing { name }),
            (Some(_), false) => problems.push(ParamProblem::Inactive { name }),
            (Some(value), true) if !parameter.distribution.contains(value) => {
                problems.push(ParamProblem::Outside { name, value: value.to_string() });
            }
            _ => {}
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::super::{Condition, Distribution, Scale};
    use super::*;
    use crate::value::ParamValue;

    fn int(name: &str) -> Parameter {
        Parameter::new(name, Distribution::Int { low: 1, high: 4, step: 1, scale: Scale::Linear })
    }

    fn child(name: &str, parent: &str, value: i64) -> Parameter {
        let conditions = vec![Condition { parent: parent.into(), values: vec![ParamValue::Int(value)] }];
        Parameter { conditions, ..int(name) }
    }

    #[test]
    fn all_problems_are_reported() {
        let outside = Parameter { default: Some(ParamValue::Int(9)), ..int("b") };
        let problems =
            check(&[int("a"), int("a"), outside, child("c", "z", 1), child("d", "a", 7)]).unwrap_err();
        let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "parameter `a` is declared twice",
                "parameter `b`: default 9 is not an allowed value",
                "parameter `c`: condition on unknown parameter `z`",
                "parameter `d`: `a` can never be 7, so the condition never holds",
            ]
        );
    }

    #[test]
    fn condition_cycles_are_named() {
        let problems = check(&[int("free"), child("a", "b", 1), child("b", "a", 1)]).unwrap_err();
        assert_eq!(problems, [SpaceProblem::Cycle { names: vec!["a".into(), "b".into()] }]);
    }

    #[test]
    fn configurations_are_checked_whole() {
        let space = SearchSpace::new(vec![int("a"), child("b", "a", 1), int("c")]).unwrap();
        let params: Params = [("a", 2), ("b", 1), ("x", 1)]
            .map(|(n, v)| (n.to_string(), ParamValue::Int(v)))
            .into_iter()
            .collect();
        let text: Vec<String> = space.check(&params).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "`x` is not a parameter of the search space",
                "`b` has a value although its condition does not hold",
                "`c` has no value",
            ]
        );
    }
}
