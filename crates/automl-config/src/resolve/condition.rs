//! Which parameters of a search mean anything under which values of others.
//!
//! A schema tests other keys: branches taken, switches, probabilities above 0. Tests of keys that are
//! searched become conditions of the space. Those of the others are decided here: a parameter that could never
//! have an effect is refused, because its search would be a waste of trials.

use crate::problem::{Code, Problem};
use crate::rule::{Test, reach};
use crate::schema::{Branches, Leaf, Schema};
use automl_core::{Condition, Distribution, ParamValue, Parameter};
use serde_json::Value;

/// Most values of a parent that a condition lists.
const MAX_VALUES: u64 = 4096;

/// Where tests are decided.
pub(super) struct Context<'a> {
    pub(super) schema: &'a Schema,
    pub(super) branches: &'a Branches,
    /// The spec in which the parameters' values will be set.
    pub(super) spec: &'a Value,
}

/// Gives each parameter its conditions.
///
/// # Errors
/// The parameters that can never have an effect, each with what would give it one.
pub(super) fn give_conditions(parameters: &mut [Parameter], context: &Context<'_>) -> Vec<(String, Problem)> {
    let parents = parameters.to_vec();
    let mut problems = Vec::new();
    for parameter in parameters {
        let Some(leaf) = leaf_of(&parameter.name, context.schema) else { continue };
        for (key, test) in context.schema.conditions(leaf) {
            match decide(&key, &test, &parents, context) {
                Decided::Always => {}
                Decided::On(condition) => parameter.conditions.push(condition),
                Decided::Never(why) => {
                    problems.push((parameter.name.clone(), never(leaf, &key, &test, &why)))
                }
            }
        }
    }
    problems
}

/// What becomes of a test.
enum Decided {
    Always,
    On(Condition),
    /// It fails, because of this.
    Never(String),
}

/// The items of a list are parameters of one leaf.
fn leaf_of<'s>(name: &str, schema: &'s Schema) -> Option<&'s Leaf> {
    schema.leaf(name).or_else(|| schema.leaf(name.split('[').next()?))
}

fn decide(key: &str, test: &Test, parents: &[Parameter], context: &Context<'_>) -> Decided {
    if let Some(parent) = parents.iter().find(|parent| parent.name == key) {
        return on_parent(parent, test, context.spec);
    }
    let fixed = match context.branches.taken(key) {
        Some(taken) => Value::from(taken),
        None => reach(context.spec, key).first().map_or(Value::Null, |(_, value)| (*value).clone()),
    };
    match test.holds(&fixed, context.spec) {
        Some(true) => Decided::Always,
        _ => Decided::Never(format!("{key} is {fixed}")),
    }
}

fn on_parent(parent: &Parameter, test: &Test, spec: &Value) -> Decided {
    let holds = |value: &ParamValue| test.holds(&value.to_json(), spec) == Some(true);
    let never = || Decided::Never(format!("{} is never so in this search", parent.name));
    let Some(values) = values(&parent.distribution) else {
        // A single value of an interval, such as the 0 of a probability, is never drawn.
        let inside = [0.001, 0.5, 1.0].map(|unit| holds(&parent.distribution.from_unit(unit)));
        return match inside {
            [true, true, true] => Decided::Always,
            [false, false, false] => never(),
            _ => Decided::Never(format!("{} has no list of values; bound it with a step", parent.name)),
        };
    };
    let held: Vec<ParamValue> = values.iter().filter(|value| holds(value)).cloned().collect();
    match held.len() {
        0 => never(),
        n if n == values.len() => Decided::On(Condition { parent: parent.name.clone(), values }),
        _ => Decided::On(Condition { parent: parent.name.clone(), values: held }),
    }
}

/// Returns all values of a distribution that has few enough.
fn values(distribution: &Distribution) -> Option<Vec<ParamValue>> {
    match distribution {
        Distribution::Categorical { choices, .. } | Distribution::Ordinal { choices, .. } => {
            Some(choices.clone())
        }
        Distribution::Int { low, high, step, .. } => {
            let count = distribution.cardinality().filter(|n| *n <= MAX_VALUES)?;
            let value = |i: u64| low.saturating_add_unsigned(i * step.unsigned_abs()).min(*high);
            Some((0..count).map(|i| ParamValue::Int(value(i))).collect())
        }
        Distribution::Float { .. } => {
            let count = distribution.cardinality().filter(|n| *n <= MAX_VALUES)?;
            let centre = |i: u64| distribution.from_unit((i as f64 + 0.5) / count as f64);
            Some((0..count).map(centre).collect())
        }
    }
}

fn never(leaf: &Leaf, key: &str, test: &Test, why: &str) -> Problem {
    let message = format!(
        "`{}` would have no effect: it counts only where {key} is {}, and {why}",
        leaf.name,
        test.words()
    );
    let example = match test {
        Test::In(values) => {
            values.first().map(|value| value.as_str().map_or(value.to_string(), String::from))
        }
        _ => None,
    };
    let hint = match example {
        Some(value) => format!("--set {key}={value}, or search {key} as well"),
        None => format!("--set {key}=VALUE, or search {key} as well"),
    };
    Problem::plain("--params", "", Code::NotSearchable, message).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::schema_of;
    use automl_core::SearchSpace;
    use std::collections::BTreeMap;

    fn schema() -> Schema {
        schema_of(
            r#"{"properties": {
              "net": {"one_of": ["a", "b"], "default": "a", "properties": {
                "a": {"properties": {"x": {"type": "int", "default": 1, "minimum": 1, "maximum": 4}}},
                "b": {"properties": {"y": {"type": "int", "default": 2, "minimum": 1, "maximum": 4}}}}},
              "augment": {"type": "bool", "default": false},
              "noise": {"active_if": {"augment": true}, "properties": {
                "p": {"type": "float", "default": 0, "minimum": 0, "maximum": 0.5, "math_cond": "/ 0.25"},
                "q": {"type": "float", "default": 0, "minimum": 0, "maximum": 1},
                "sd": {"type": "float", "default": 0.1, "minimum": 0.1, "maximum": 1, "active_if": {"noise.p": "> 0"}},
                "mean": {"type": "float", "default": 0.1, "minimum": 0.1, "maximum": 1, "active_if": {"noise.q": "> 0"}}}}}}"#,
        )
    }

    fn searched(names: &[&str]) -> (Vec<Parameter>, Vec<String>) {
        let schema = schema();
        let branches = Branches::decide(&schema, &BTreeMap::new(), &schema.default);
        let parameter = |name: &&str| {
            let (distribution, _) = crate::schema::search_range(schema.leaf(name).unwrap()).unwrap();
            Parameter::new(*name, distribution)
        };
        let mut parameters: Vec<Parameter> = names.iter().map(parameter).collect();
        let context = Context { schema: &schema, branches: &branches, spec: &schema.default };
        let problems = give_conditions(&mut parameters, &context);
        (parameters, problems.into_iter().map(|(_, problem)| problem.to_string()).collect())
    }

    #[test]
    fn tests_of_searched_keys_are_conditions() {
        let (parameters, problems) =
            searched(&["net", "net.a.x", "net.b.y", "augment", "noise.p", "noise.sd"]);
        assert_eq!(problems, [""; 0]);
        let shown = |i: usize| -> Vec<String> {
            parameters[i].conditions.iter().map(|c| format!("{} in {:?}", c.parent, c.values)).collect()
        };
        assert_eq!(shown(1), [r#"net in [Text("a")]"#]);
        assert_eq!(shown(2), [r#"net in [Text("b")]"#]);
        assert_eq!(shown(4), ["augment in [Bool(true)]"]);
        assert_eq!(shown(5), ["noise.p in [Float(0.25), Float(0.5)]", "augment in [Bool(true)]"]);
        let space = SearchSpace::new(parameters).unwrap();
        let row = [0.0, 0.5, 0.5, 1.0, 0.0, 0.5];
        assert_eq!(space.decode(&row).to_string(), "augment=true net=a net.a.x=3 noise.p=0.0");
    }

    #[test]
    fn parameters_without_effect_are_refused() {
        let (_, problems) = searched(&["net.b.y"]);
        assert_eq!(
            problems,
            [
                "--params: error: `net.b.y` would have no effect: it counts only where net is \"b\", and net is \"a\" (--set net=b, or search net as well)"
            ]
        );
        let (_, problems) = searched(&["augment", "noise.sd"]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("counts only where noise.p is > 0"), "{problems:?}");
    }

    #[test]
    fn the_edge_of_an_interval_is_never_drawn() {
        let (parameters, problems) = searched(&["augment", "noise.q", "noise.mean"]);
        assert_eq!(problems, [""; 0]);
        assert_eq!(parameters[2].conditions.len(), 1, "only that of the group");
    }
}
