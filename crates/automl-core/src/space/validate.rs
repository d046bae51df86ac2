//! Checks of a whole space and of a configuration against it; all problems at once.

use super::{Comparison, Distribution, DistributionError, Parameter, SearchSpace};
use crate::value::{ParamValue, Params};
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
    /// A relation to a parameter that does not exist, or has no numbers.
    #[error("parameter `{name}`: relation `{relation}` needs the numbers of `{parent}`, which is {what}")]
    NoNumber {
        /// The parameter.
        name: String,
        /// Its relation.
        relation: String,
        /// What the relation names.
        parent: String,
        /// Why there is no number.
        what: &'static str,
    },
    /// A relation on a parameter whose values are no ordered numbers, or no exact numbers for an equality.
    #[error("parameter `{name}` cannot have the relation `{relation}`: {why}")]
    Unrelatable {
        /// The parameter.
        name: String,
        /// Its relation.
        relation: String,
        /// What its values lack.
        why: &'static str,
    },
    /// A relation whose bound may be infinite.
    #[error("parameter `{name}`: the bound of `{relation}` may be infinite or a division by 0")]
    NoBound {
        /// The parameter.
        name: String,
        /// Its relation.
        relation: String,
    },
    /// Relations that leave no value for some values of the parents.
    #[error(
        "parameter `{name}`: `{}` can leave no value within {low}..{high}; widen it, or narrow {}",
        relations.join("` and `"), parents.join(", ")
    )]
    MayBeEmpty {
        /// The parameter.
        name: String,
        /// Its relations.
        relations: Vec<String>,
        /// The parameters that the relations read.
        parents: Vec<String>,
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// Conditions or relations that wait for each other.
    #[error("conditions and relations form a cycle through {}", names.join(", "))]
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
    /// A value that other parameters do not allow.
    #[error("`{name}`: {value} is not {relation}")]
    Unrelated {
        /// The name.
        name: String,
        /// The value.
        value: String,
        /// The relation that does not hold.
        relation: String,
    },
    /// A value that the parameter may not take.
    #[error("`{name}`: {value} is not {allowed}")]
    Outside {
        /// The name.
        name: String,
        /// The value.
        value: String,
        /// What is allowed, in words.
        allowed: String,
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
    check_relations(parameter, all, by_name, problems);
}

fn check_relations(
    parameter: &Parameter,
    all: &[Parameter],
    by_name: &BTreeMap<&str, usize>,
    problems: &mut Vec<SpaceProblem>,
) {
    let name = &parameter.name;
    let known = problems.len();
    let parent = |name: &str| by_name.get(name).map(|i| &all[*i].distribution);
    for relation in &parameter.relations {
        for read in relation.bound.names() {
            let what = match parent(read) {
                None => "no parameter",
                Some(distribution) if distribution.bounds().is_none() => "not numeric",
                Some(_) => continue,
            };
            let (name, relation) = (name.clone(), relation.to_string());
            problems.push(SpaceProblem::NoNumber { name, relation, parent: read.into(), what });
        }
        let whole = |name: &str| parent(name).is_some_and(Distribution::is_whole);
        let why = match &parameter.distribution {
            Distribution::Categorical { .. } => "its values have no order",
            distribution if distribution.bounds().is_none() => "its values are not numbers",
            _ if relation.comparison != Comparison::Equal => continue,
            Distribution::Float { step: None, .. } => continue,
            Distribution::Int { step: 1, .. } if relation.bound.is_whole(&whole) => continue,
            _ => "an equality needs a real number without steps, or a whole number and whole values",
        };
        problems.push(SpaceProblem::Unrelatable { name: name.clone(), relation: relation.to_string(), why });
    }
    if problems.len() == known && !parameter.relations.is_empty() {
        let bounds = |name: &str| parent(name).and_then(Distribution::bounds);
        problems.extend(check_never_empty(parameter, &bounds));
    }
}

/// Takes the parents' whole ranges, so a space that passes leaves a value for all of their values.
fn check_never_empty(
    parameter: &Parameter,
    bounds: &dyn Fn(&str) -> Option<(f64, f64)>,
) -> Option<SpaceProblem> {
    let name = parameter.name.clone();
    let (low, high) = parameter.distribution.bounds()?;
    let (from, to) = match parameter.allowed_always(bounds) {
        Ok(allowed) => allowed,
        Err(relation) => return Some(SpaceProblem::NoBound { name, relation: relation.to_string() }),
    };
    let fits = match parameter.is_dictated() {
        true => parameter.relations.len() == 1 && from >= low && to <= high,
        false => parameter.distribution.narrowed(from, to).is_some(),
    };
    let mut parents: Vec<String> = parameter
        .relations
        .iter()
        .flat_map(|relation| relation.bound.names())
        .map(|name| format!("`{name}`"))
        .collect();
    parents.dedup();
    let relations = parameter.relations.iter().map(ToString::to_string).collect();
    (!fits).then_some(SpaceProblem::MayBeEmpty { name, relations, parents, low, high })
}

/// Orders parents before children, keeping the declared order otherwise.
fn order(parameters: &[Parameter], by_name: &BTreeMap<&str, usize>) -> Result<Vec<usize>, SpaceProblem> {
    let mut placed = vec![false; parameters.len()];
    let mut sorted = Vec::with_capacity(parameters.len());
    while sorted.len() < parameters.len() {
        let ready = |i: &usize| !placed[*i] && parameters[*i].parents().all(|parent| placed[by_name[parent]]);
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
                let allowed = parameter.distribution.values_in_words();
                let value = match value {
                    // `2` is not `"2"`, which nobody would see.
                    ParamValue::Text(text) => format!("the text `{text}`"),
                    other => other.to_string(),
                };
                problems.push(ParamProblem::Outside { name, value, allowed });
            }
            (Some(value), true) => {
                let broken = parameter.relations.iter().filter(|relation| !relation.holds(value, params));
                problems.extend(broken.map(|relation| ParamProblem::Unrelated {
                    name: name.clone(),
                    value: value.to_string(),
                    relation: relation.to_string(),
                }));
            }
            (None, false) => {}
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::super::{Condition, Scale};
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

    fn related(name: &str, relation: &str) -> Parameter {
        Parameter { relations: vec![relation.parse().unwrap()], ..int(name) }
    }

    #[test]
    fn relations_must_leave_a_value() {
        let flag = Parameter::new("flag", Distribution::bool());
        let sized = |name: &str, low, high| {
            Parameter::new(name, Distribution::Int { low, high, step: 1, scale: Scale::Linear })
        };
        for (relation, expected) in [
            ("> a", "parameter `b`: `> a` can leave no value within 1..4; widen it, or narrow `a`"),
            (">= a", ""),
            ("<= a / 2 + 1", ""),
            ("< a", "parameter `b`: `< a` can leave no value within 1..4; widen it, or narrow `a`"),
            ("> z", "parameter `b`: relation `> z` needs the numbers of `z`, which is no parameter"),
            ("> flag", "parameter `b`: relation `> flag` needs the numbers of `flag`, which is not numeric"),
            ("> 1 / wide", "parameter `b`: the bound of `> 1.0 / wide` may be infinite or a division by 0"),
            ("== a", ""),
            (
                "== a + 1",
                "parameter `b`: `== a + 1.0` can leave no value within 1..4; widen it, or narrow `a`",
            ),
            (
                "== a / 2",
                "parameter `b` cannot have the relation `== a / 2.0`: an equality needs a real number without steps, or a whole number and whole values",
            ),
            (">= b", "conditions and relations form a cycle through b"),
        ] {
            let found = check(&[int("a"), related("b", relation), flag.clone(), sized("wide", -1, 1)]);
            let text = found.err().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(text.join("; "), expected, "{relation}");
        }
        let flag = Parameter { relations: vec!["> a".parse().unwrap()], ..flag };
        let text = check(&[int("a"), flag]).unwrap_err()[0].to_string();
        assert_eq!(text, "parameter `flag` cannot have the relation `> a`: its values have no order");
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
