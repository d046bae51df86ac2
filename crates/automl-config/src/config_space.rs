//! Search spaces of ConfigSpace (`ConfigurationSpace.to_json`, versions 0.4 to 1.x of that project).
//!
//! Ranges, choices, sequences, constants, defaults, log scales and weights mean the same there and here.
//! Conditions are taken over where they name values of a parent that has few. What has no counterpart is
//! told: normal and beta distributions become ranges between their bounds, and forbidden clauses other
//! than relations between two numbers are left out, so that such configurations are tried.

use crate::fields::{Fields, join, wrong_type};
use crate::node::Node;
use crate::problem::{Code, Report};
use automl_core::{Condition, Distribution, ParamValue, Parameter, Relation, Scale};

/// Key of the list of parameters, by which such a file is recognised.
const PARAMETERS: &str = "hyperparameters";
/// Most values of a whole-number parent that a comparison is written out for.
const VALUES_MAX: i64 = 1000;

/// Tells whether a tree is such a space.
pub(crate) fn is_config_space(root: &Node) -> bool {
    root.get(PARAMETERS).is_some_and(|node| node.items().is_some())
}

/// Reads the parameters; problems go to the report, remarks to the notes.
pub(crate) fn read_config_space(root: &Node, notes: &mut Vec<String>, report: &mut Report) -> Vec<Parameter> {
    let items = root.get(PARAMETERS).and_then(Node::items).unwrap_or_default();
    let mut parameters = Vec::new();
    for (index, item) in items.iter().enumerate() {
        parameters.extend(read_parameter(item, &format!("{PARAMETERS}[{index}]"), notes, report));
    }
    for (index, item) in root.get("conditions").and_then(Node::items).unwrap_or_default().iter().enumerate() {
        let path = format!("conditions[{index}]");
        for (child, condition) in read_condition(item, &path, &parameters, report) {
            match parameters.iter_mut().find(|parameter| parameter.name == child) {
                Some(parameter) => parameter.conditions.push(condition),
                None => unknown(item, &path, &child, report),
            }
        }
    }
    let forbidden = root.get("forbiddens").and_then(Node::items).unwrap_or_default();
    let left_out = forbidden.iter().filter(|clause| !forbid(clause, &mut parameters)).count();
    if left_out > 0 {
        notes.push(format!(
            "{left_out} of the {} forbidden clauses of the space have no counterpart here: such configurations \
             may be tried",
            forbidden.len()
        ));
    }
    parameters
}

fn read_parameter(
    node: &Node,
    path: &str,
    notes: &mut Vec<String>,
    report: &mut Report,
) -> Option<Parameter> {
    let mut fields = Fields::open(node, path, report)?;
    let name = fields.required_string("name", report)?;
    let kind = fields.required_string("type", report)?;
    let default = fields.node("default_value").or(fields.node("default")).and_then(Node::to_param);
    let (family, whole) = match kind.rsplit_once('_') {
        Some((family, "float")) => (family, false),
        Some((family, "int")) => (family, true),
        _ => (kind.as_str(), false),
    };
    let distribution = match family {
        "uniform" | "normal" | "beta" => {
            if family != "uniform" {
                notes.push(format!("{name}: every value between its bounds is as likely as any other here"));
            }
            read_range(&mut fields, whole, report)?
        }
        "categorical" => Distribution::Categorical {
            choices: read_values(&mut fields, "choices", report)?,
            weights: fields.node("weights").and_then(|node| node.items()?.iter().map(Node::as_f64).collect()),
        },
        "ordinal" => {
            Distribution::Ordinal { choices: read_values(&mut fields, "sequence", report)?, weights: None }
        }
        "constant" | "unparametrized" => {
            let value = fields.required("value", report)?.to_param()?;
            Distribution::Categorical { choices: vec![value], weights: None }
        }
        other => {
            let message = format!("unknown type `{other}` of a hyperparameter");
            report.error(node.at, &join(path, "type"), Code::UnknownName, message);
            return None;
        }
    };
    if let Err(error) = distribution.validate() {
        report.error(node.at, path, Code::BadBounds, error.to_string());
        return None;
    }
    let default = default.map(|value| match (&distribution, value) {
        (Distribution::Float { .. }, ParamValue::Int(v)) => ParamValue::Float(v as f64),
        (_, value) => value,
    });
    Some(Parameter { default, ..Parameter::new(name, distribution) })
}

fn read_range(fields: &mut Fields<'_>, whole: bool, report: &mut Report) -> Option<Distribution> {
    let mut bound = |key: &'static str| {
        let path = fields.path_of(key);
        let node = fields.required(key, report)?;
        match node.as_f64() {
            Some(v) if v.is_finite() && (!whole || v.fract() == 0.0) => Some(v),
            _ => wrong_type(node, &path, if whole { "a whole number" } else { "a finite number" }, report),
        }
    };
    let (low, high) = (bound("lower"), bound("upper"));
    let log = fields.bool("log", report).unwrap_or(false);
    let scale = if log { Scale::Log } else { Scale::Linear };
    let (low, high) = (low?, high?);
    Some(if whole {
        Distribution::Int { low: low as i64, high: high as i64, step: 1, scale }
    } else {
        Distribution::Float { low, high, scale, step: None }
    })
}

fn read_values(fields: &mut Fields<'_>, key: &'static str, report: &mut Report) -> Option<Vec<ParamValue>> {
    let path = fields.path_of(key);
    let node = fields.required(key, report)?;
    match node.items().map(|items| items.iter().map(Node::to_param).collect::<Option<Vec<_>>>()) {
        Some(Some(values)) => Some(values),
        _ => wrong_type(node, &path, "a list of values", report),
    }
}

/// Returns the children and what they depend on.
fn read_condition(
    node: &Node,
    path: &str,
    parameters: &[Parameter],
    report: &mut Report,
) -> Vec<(String, Condition)> {
    let kind = node.get("type").and_then(Node::as_str).unwrap_or_default();
    let parts = node.get("conditions").and_then(Node::items).unwrap_or_default();
    match kind {
        "AND" => parts.iter().flat_map(|part| read_condition(part, path, parameters, report)).collect(),
        "OR" => {
            let parts: Vec<_> =
                parts.iter().flat_map(|part| read_condition(part, path, parameters, report)).collect();
            union(parts).unwrap_or_else(|| {
                let message = "an `OR` of conditions on several parents cannot be taken over";
                report.error(node.at, path, Code::Unsupported, message);
                Vec::new()
            })
        }
        _ => read_simple(node, kind, path, parameters, report).into_iter().collect(),
    }
}

/// Conditions of one child on one parent, of which any suffices, are one with all of their values.
fn union(parts: Vec<(String, Condition)>) -> Option<Vec<(String, Condition)>> {
    let mut parts = parts.into_iter();
    let Some((child, mut condition)) = parts.next() else { return Some(Vec::new()) };
    for (other_child, other) in parts {
        if (&other_child, &other.parent) != (&child, &condition.parent) {
            return None;
        }
        condition.values.extend(other.values);
    }
    Some(vec![(child, condition)])
}

fn read_simple(
    node: &Node,
    kind: &str,
    path: &str,
    parameters: &[Parameter],
    report: &mut Report,
) -> Option<(String, Condition)> {
    let text = |key: &str| node.get(key).and_then(Node::as_str);
    let (Some(child), Some(parent)) = (text("child"), text("parent")) else {
        report.error(node.at, path, Code::MissingKey, "a condition needs `child` and `parent`");
        return None;
    };
    let Some(known) = parameters.iter().find(|parameter| parameter.name == parent) else {
        unknown(node, path, parent, report);
        return None;
    };
    let value = || node.get("value").and_then(Node::to_param);
    let values = match kind {
        "EQ" => value().map(|value| vec![value]),
        "IN" => node.get("values").and_then(|node| node.items()?.iter().map(Node::to_param).collect()),
        "NEQ" => all_values(&known.distribution)
            .zip(value())
            .map(|(all, not)| all.into_iter().filter(|v| !v.same_as(&not)).collect()),
        "LT" => compared(&known.distribution, value(), |at, bound| at < bound),
        "GT" => compared(&known.distribution, value(), |at, bound| at > bound),
        _ => None,
    };
    let Some(values) = values else {
        let message = format!("the condition `{kind}` of `{child}` on `{parent}` cannot be taken over");
        report
            .error(node.at, path, Code::Unsupported, message)
            .hint("conditions name values, or compare with a parent that has few of them");
        return None;
    };
    Some((child.into(), Condition { parent: parent.into(), values }))
}

/// Returns the values of a parameter that has few, in their order.
fn all_values(distribution: &Distribution) -> Option<Vec<ParamValue>> {
    match distribution {
        Distribution::Categorical { choices, .. } | Distribution::Ordinal { choices, .. } => {
            Some(choices.clone())
        }
        Distribution::Int { low, high, step, .. } if high.checked_sub(*low)? / step <= VALUES_MAX => {
            let steps = 0..=(high - low) / step;
            Some(steps.map(|n| ParamValue::Int(low + n * step)).collect())
        }
        Distribution::Int { .. } | Distribution::Float { .. } => None,
    }
}

/// Returns the values on one side of a bound, by their place among all values.
fn compared(
    distribution: &Distribution,
    bound: Option<ParamValue>,
    keeps: impl Fn(usize, usize) -> bool,
) -> Option<Vec<ParamValue>> {
    let (all, bound) = (all_values(distribution)?, bound?);
    let place = all.iter().position(|value| value.same_as(&bound))?;
    Some(all.into_iter().enumerate().filter(|(at, _)| keeps(*at, place)).map(|(_, value)| value).collect())
}

/// Turns a forbidden relation between two parameters into the opposite one, which must hold; tells whether
/// there is one.
fn forbid(clause: &Node, parameters: &mut [Parameter]) -> bool {
    let text = |key: &str| clause.get(key).and_then(Node::as_str);
    let kind = text("type").unwrap_or_default();
    let compared = kind.strip_prefix("RELATION_").or_else(|| text("lambda")).unwrap_or_default();
    let required = match compared {
        "LT" => ">=",
        "GT" => "<=",
        _ => return false,
    };
    let (Some(left), Some(right)) = (text("left"), text("right")) else { return false };
    let Ok(relation) = format!("{required} {right}").parse::<Relation>() else { return false };
    let is_number = |name: &str| {
        let parameter = parameters.iter().find(|parameter| parameter.name == name);
        parameter.is_some_and(|parameter| {
            matches!(parameter.distribution, Distribution::Int { .. } | Distribution::Float { .. })
        })
    };
    if !(is_number(left) && is_number(right)) {
        return false;
    }
    let child = parameters.iter_mut().find(|parameter| parameter.name == left);
    child.map(|child| child.relations.push(relation)).is_some()
}

fn unknown(node: &Node, path: &str, name: &str, report: &mut Report) {
    let message = format!("there is no hyperparameter `{name}`");
    report.error(node.at, path, Code::UnknownName, message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read_json;
    use automl_core::SearchSpace;

    fn read(text: &str) -> (Vec<Parameter>, Vec<String>, Vec<String>) {
        let (mut report, mut notes) = (Report::new("space.json"), Vec::new());
        let node = read_json(text, &mut report).unwrap();
        assert!(is_config_space(&node));
        let parameters = read_config_space(&node, &mut notes, &mut report);
        (parameters, notes, report.into_problems().iter().map(ToString::to_string).collect())
    }

    const SPACE: &str = r#"{"name": "s", "hyperparameters": [
        {"type": "uniform_float", "name": "lr", "lower": 1e-5, "upper": 0.1, "default_value": 0.001, "log": true, "meta": null},
        {"type": "uniform_int", "name": "layers", "lower": 1, "upper": 4, "default_value": 2, "log": false, "meta": null},
        {"type": "normal_float", "name": "wd", "mu": 0.5, "sigma": 1.0, "lower": 0.0, "upper": 1.0, "default_value": 0.5, "log": false},
        {"type": "categorical", "name": "opt", "choices": ["sgd", "adam", "lion"], "weights": [1, 2, 1], "default_value": "adam"},
        {"type": "ordinal", "name": "size", "sequence": ["s", "m", "l"], "default_value": "m"},
        {"type": "uniform_float", "name": "momentum", "lower": 0, "upper": 1, "default_value": 0, "log": false},
        {"type": "uniform_int", "name": "warm", "lower": 0, "upper": 9, "default_value": 0, "log": false},
        {"type": "constant", "name": "epochs", "value": 7, "meta": null}],
      "conditions": [{"type": "EQ", "child": "momentum", "parent": "opt", "value": "sgd"},
        {"type": "AND", "child": "warm", "conditions": [
          {"type": "NEQ", "child": "warm", "parent": "opt", "value": "lion"},
          {"type": "GT", "child": "warm", "parent": "layers", "value": 2}]}],
      "forbiddens": [{"type": "RELATION_GT", "left": "warm", "right": "layers"},
        {"type": "EQUALS", "name": "opt", "value": "adam"}],
      "python_module_version": "1.2.1", "format_version": 0.4}"#;

    #[test]
    fn every_kind_of_parameter_has_its_counterpart() {
        let (parameters, notes, problems) = read(SPACE);
        assert_eq!(problems, [""; 0]);
        let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["lr", "layers", "wd", "opt", "size", "momentum", "warm", "epochs"]);
        assert_eq!(
            parameters[0].distribution,
            Distribution::Float { low: 1e-5, high: 0.1, scale: Scale::Log, step: None }
        );
        assert_eq!(parameters[5].default, Some(ParamValue::Float(0.0)));
        assert_eq!(parameters[5].conditions.len(), 1);
        let values: Vec<usize> = parameters[6].conditions.iter().map(|c| c.values.len()).collect();
        assert_eq!(values, [2, 2], "not lion; 3 and 4");
        assert_eq!(parameters[6].relations[0].to_string(), "<= layers");
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[1].contains("1 of the 2 forbidden clauses"), "{notes:?}");
        assert!(SearchSpace::new(parameters).is_ok());
    }

    #[test]
    fn what_cannot_be_taken_over_is_named() {
        let (_, _, problems) = read(
            r#"{"hyperparameters": [{"type": "zipf", "name": "a"}, {"type": "uniform_int", "name": "b", "lower": 1},
              {"type": "uniform_float", "name": "c", "lower": 0, "upper": 1}, {"type": "constant", "name": "d", "value": 1}],
              "conditions": [{"type": "EQ", "child": "c", "parent": "x", "value": 1},
                {"type": "LT", "child": "d", "parent": "c", "value": 0.5}]}"#,
        );
        for (problem, words) in problems.iter().zip([
            "hyperparameters[0].type: unknown type `zipf`",
            "hyperparameters[1]: key `upper` is missing",
            "conditions[0]: there is no hyperparameter `x`",
            "conditions[1]: the condition `LT` of `d` on `c` cannot be taken over",
        ]) {
            assert!(problem.contains(words), "{problem}");
        }
        assert_eq!(problems.len(), 4, "{problems:?}");
    }
}
