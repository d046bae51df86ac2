//! A spec, held against the schema of the action that it is for.
//!
//! Errors are what the program would refuse: unknown keys, wrong types, options that do not exist. Legal
//! oddities are warnings: bounds, conditions and relations that do not hold, values still to be set.

use crate::fields::join;
use crate::node::{Entry, Node};
use crate::problem::{Code, Report};
use crate::schema::{At, Kind, NO_BRANCH, Schema, check_value, present};
use crate::spec::SpecPath;

/// Marks a value that has to be set.
const MANDATORY: &str = "???";
/// Begins a reference to another key, as configuration libraries resolve it.
const REFERENCE: &str = "${";

/// Reports everything in a spec that the schema does not allow or recommend.
pub(crate) fn check_spec_values(root: &Node, schema: &Schema, report: &mut Report) {
    check_group(root, "", schema, report);
    check_relations(root, schema, report);
    check_rules(root, schema, report);
}

fn check_group(group: &Node, path: &str, schema: &Schema, report: &mut Report) {
    for entry in group.entries().unwrap_or_default() {
        let path = join(path, &entry.key);
        if schema.passes_on(&path) {
            continue;
        }
        if schema.leaf(&path).is_some_and(|leaf| leaf.kind != Kind::Branch) {
            check_leaf(entry, &path, schema, report);
        } else if !schema.knows(&path) {
            let hint = schema.advice_for(&path);
            let message = format!("no key `{path}` in the schema");
            report.error(entry.key_at, &path, Code::UnknownKey, message).hint(hint);
        } else if entry.value.entries().is_some() {
            check_group(&entry.value, &path, schema, report);
        } else if !entry.value.is_null() {
            let message = format!("expected an object, found {}", entry.value.describe());
            report.error(entry.value.at, &path, Code::WrongType, message);
        }
    }
}

fn check_leaf(entry: &Entry, path: &str, schema: &Schema, report: &mut Report) {
    let at = At { position: entry.value.at, path };
    match entry.value.as_str() {
        Some(MANDATORY) => {
            report.warning(at.position, path, Code::MissingKey, "the value is still to be set");
        }
        Some(text) if text.contains(REFERENCE) => {}
        _ => match (schema.leaf(path), entry.value.to_json()) {
            (Some(leaf), Some(value)) => check_value(leaf, &value, at, report),
            (Some(_), None) => {
                report.error(at.position, path, Code::BadValue, "expected finite numbers");
            }
            (None, _) => {}
        },
    }
}

/// Relations between the values that are there; what is absent has the program's own default.
fn check_relations(root: &Node, schema: &Schema, report: &mut Report) {
    let Some(spec) = root.to_json() else { return };
    let number = |name: &str| name.parse::<SpecPath>().ok()?.get(&spec)?.as_f64();
    for leaf in &schema.leaves {
        let Some(value) = number(&leaf.name) else { continue };
        for relation in &leaf.restrictions.relations {
            let holds = relation.bound.evaluate(&number).is_none_or(|b| relation.comparison.holds(value, b));
            if !holds {
                let at = node_at(root, &leaf.name).map_or(root.at, |node| node.at);
                let message = format!("{value} is not {relation}");
                report.warning(at, &leaf.name, Code::BadBounds, message);
            }
        }
    }
}

/// What the program demands of keys together.
fn check_rules(root: &Node, schema: &Schema, report: &mut Report) {
    let Some(spec) = root.to_json() else { return };
    for leaf in schema.leaves.iter().filter(|leaf| leaf.kind == Kind::Branch) {
        let options: Vec<String> = leaf.options.iter().map(ToString::to_string).collect();
        let Some(group) = node_at(root, &leaf.name).filter(|group| group.entries().is_some()) else {
            continue;
        };
        let there = present(&leaf.name, &options, &spec);
        let may_be_none = options.iter().any(|option| option == NO_BRANCH);
        if there.len() > 1 || (there.is_empty() && !may_be_none) {
            let names = if there.is_empty() { "none".into() } else { there.join(" and ") };
            let wanted = if may_be_none { "at most one" } else { "exactly one" };
            let message = format!("{names} set; {wanted} of its branches must be, the others null");
            report.error(group.at, &leaf.name, Code::BadValue, message);
        }
    }
    for breach in schema.rules.iter().flat_map(|rule| rule.breaches(&spec)) {
        let at = node_at(root, &breach.key).map_or(root.at, |node| node.at);
        report.error(at, &breach.key, Code::BadValue, breach.message);
    }
}

/// Returns the value at a path of keys; of an item the list.
fn node_at<'n>(root: &'n Node, path: &str) -> Option<&'n Node> {
    let path = path.split('[').next().unwrap_or(path);
    path.split('.').try_fold(root, |node, key| node.get(key))
}

#[cfg(test)]
mod tests {
    use super::super::schema::schema_of;
    use super::*;
    use crate::read::read_yaml;

    #[test]
    fn every_difference_is_reported() {
        let schema = schema_of(
            r#"{"properties": {"train": {"properties": {
                "lr": {"type": "float", "default": 0.1, "minimum": 0, "maximum": 1},
                "name": {"type": "string"},
                "low": {"type": "int"}, "high": {"type": "int", "math_cond": "> train.low"},
                "optim": {"type": "categorical", "enum": ["adam", "sgd"]}}}}}"#,
        );
        let text = "train:\n  lr: 2\n  rl: 1\n  name: 3\n  optim: adma\n  low: 5\n  high: 4\nmodel: {}\n";
        let mut report = Report::new("s.yaml");
        let node = read_yaml(text, &mut report).unwrap();
        check_spec_values(&node, &schema, &mut report);
        let found: Vec<String> = report.into_problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "s.yaml:2:7: warning: train.lr: 2 is outside the schema's range 0.0..1.0",
                "s.yaml:3:3: error: train.rl: no key `train.rl` in the schema (did you mean `train.lr`?)",
                "s.yaml:4:9: error: train.name: expected a text, found the number 3",
                "s.yaml:5:10: error: train.optim: `adma` is not an option (did you mean `adam`?)",
                "s.yaml:7:9: warning: train.high: 4 is not > train.low",
                "s.yaml:8:1: error: model: no key `model` in the schema (known: `train.lr`, `train.name`, `train.low`, `train.high`, `train.optim`)",
            ]
        );
    }

    #[test]
    fn open_values_and_references_are_no_mistakes() {
        let schema = schema_of(r#"{"properties": {"a": {"type": "int"}, "b": {"type": "float"}}}"#);
        let mut report = Report::new("s.yaml");
        let node = read_yaml("a: '???'\nb: ${a}\n", &mut report).unwrap();
        check_spec_values(&node, &schema, &mut report);
        let found: Vec<String> = report.into_problems().iter().map(ToString::to_string).collect();
        assert_eq!(found, ["s.yaml:1:4: warning: a: the value is still to be set"]);
    }
}
