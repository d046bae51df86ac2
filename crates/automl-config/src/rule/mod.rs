//! Rules between the keys of a spec: what a program demands of its configuration as a whole, and what it
//! derives from other keys by itself.
//!
//! A rule is `{rule, when, must_be, make, remove}`: the text that people are shown, the tests that decide
//! whether it applies, the tests that must then hold, the values that keys are then given, and the keys that are
//! then left out. Keys are patterns of
//! paths ([`reach`]), so that one rule speaks of every branch of a spec. Rules look at whole specs and know
//! nothing of searches; that a search proposes nothing unlawful is made sure of where its space is built.

mod reach;
mod test;

pub(crate) use reach::reach;
pub(crate) use test::Test;

use crate::fields::{Fields, join, wrong_type};
use crate::node::Node;
use crate::problem::{Code, Report};
use crate::spec::SpecPath;
use automl_core::Expression;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// The rule in words, quoted where it is broken.
    pub(crate) rule: String,
    /// Tests that must all hold for the rule to apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) when: Vec<(String, Test)>,
    /// Tests that must hold of every value that their keys reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) must_be: Vec<(String, Test)>,
    /// Keys and what they are given: a plain value, or arithmetic over other keys as a text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) make: Vec<(String, Value)>,
    /// Keys that are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) remove: Vec<String>,
}

/// A rule that a spec breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Breach {
    /// Full path of the key that is at fault.
    pub(crate) key: String,
    /// What the key is, what it must be, and the rule: a sentence that begins after the key.
    pub(crate) message: String,
}

impl Rule {
    /// Reads a rule; `None` where it says nothing (reported).
    pub(crate) fn read(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, path, report)?;
        let rule = fields.required_string("rule", report);
        let when = read_tests(&mut fields, "when", report);
        let must_be = read_tests(&mut fields, "must_be", report);
        let make = read_values(&mut fields, report);
        let remove = fields.strings("remove", report);
        fields.close(report);
        if must_be.is_empty() && make.is_empty() && remove.is_empty() && !report.has_errors() {
            report.error(node.at, path, Code::MissingKey, "a rule needs `must_be`, `make` or `remove`");
        }
        Some(Rule { rule: rule?, when, must_be, make, remove })
    }

    /// Returns every pattern of keys that the rule names.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let tests = self.when.iter().chain(&self.must_be);
        let tested = tests.flat_map(|(key, test)| std::iter::once(key.as_str()).chain(test.names()));
        tested.chain(self.changed())
    }

    /// Returns the patterns of the keys that the rule gives values or leaves out.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &str> {
        self.make.iter().map(|(key, _)| key).chain(&self.remove).map(String::as_str)
    }

    /// Returns the keys that the rule leaves out of a spec.
    pub(crate) fn removes(&self, spec: &Value) -> Vec<String> {
        let removed = self.remove.iter().filter(|_| self.applies(spec));
        removed.flat_map(|key| reach(spec, key)).map(|(path, _)| path).collect()
    }

    /// Tells whether the rule applies to a spec. A key that is absent counts as null.
    fn applies(&self, spec: &Value) -> bool {
        self.when.iter().all(|(key, test)| {
            let reached = reach::values(spec, key);
            match reached.is_empty() {
                true => !key.contains('*') && test.holds(&Value::Null, spec) == Some(true),
                false => reached.iter().all(|(_, value)| test.holds(value, spec) == Some(true)),
            }
        })
    }

    /// Returns what the rule gives to which key of a spec; keys that the spec lacks stay away.
    pub(crate) fn makes(&self, spec: &Value) -> Vec<(String, Value)> {
        if !self.applies(spec) {
            return Vec::new();
        }
        let made = self.make.iter().filter_map(|(key, value)| Some((key, made(value, spec)?)));
        let each = |(key, value): (&String, Value)| {
            reach(spec, key).into_iter().map(move |(path, _)| (path, value.clone())).collect::<Vec<_>>()
        };
        made.flat_map(each).collect()
    }

    /// Returns where a spec breaks the rule.
    pub(crate) fn breaches(&self, spec: &Value) -> Vec<Breach> {
        if !self.applies(spec) {
            return Vec::new();
        }
        let broken = |(key, test): &(String, Test)| -> Vec<Breach> {
            let reached = reach::values(spec, key).into_iter();
            let broken = reached.filter(|(_, value)| test.holds(value, spec) == Some(false));
            let breach = |(key, value): (String, Value)| Breach {
                message: format!("is {value}, but must be {}: {}", test.explained(spec), self.rule),
                key,
            };
            broken.map(breach).collect()
        };
        self.must_be.iter().flat_map(broken).collect()
    }
}

/// A text is arithmetic over the spec, everything else the value itself; `None` where a key that it reads has
/// no number.
fn made(value: &Value, spec: &Value) -> Option<Value> {
    let Value::String(text) = value else { return Some(value.clone()) };
    let Ok(expression) = Expression::parse(text) else { return Some(value.clone()) };
    let (number, _) = expression.interval(&|name| reach::bounds(spec, name))?;
    let whole = number.fract() == 0.0 && number.abs() < 1e15;
    Some(if whole { Value::from(number as i64) } else { Value::from(number) })
}

/// Reads `{key: test}`.
pub(crate) fn read_tests(
    fields: &mut Fields<'_>,
    key: &'static str,
    report: &mut Report,
) -> Vec<(String, Test)> {
    let path = fields.path_of(key);
    let Some(node) = fields.node(key) else { return Vec::new() };
    let Some(entries) = node.entries() else {
        return wrong_type(node, &path, "an object of keys and tests", report).unwrap_or_default();
    };
    let mut tests = Vec::new();
    for entry in entries {
        let path = join(&path, &entry.key);
        match entry.value.to_json().ok_or_else(|| "a test holds finite numbers".into()).and_then(Test::read) {
            Ok(test) => tests.push((entry.key.clone(), test)),
            Err(why) => drop(report.error(entry.value.at, &path, Code::BadValue, why)),
        }
    }
    tests
}

fn read_values(fields: &mut Fields<'_>, report: &mut Report) -> Vec<(String, Value)> {
    let path = fields.path_of("make");
    let Some(node) = fields.node("make") else { return Vec::new() };
    let Some(entries) = node.entries() else {
        return wrong_type(node, &path, "an object of keys and values", report).unwrap_or_default();
    };
    let mut values = Vec::new();
    for entry in entries {
        let path = join(&path, &entry.key);
        if let Err(why) = entry.key.replace('*', "_").parse::<SpecPath>() {
            report.error(entry.key_at, &path, Code::BadValue, why);
        }
        match entry.value.to_json() {
            Some(value) => values.push((entry.key.clone(), value)),
            None => drop(report.error(entry.value.at, &path, Code::BadValue, "expected a finite value")),
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read_json;
    use serde_json::json;

    fn rule(text: &str) -> Rule {
        let mut report = Report::new("f");
        let node = read_json(text, &mut report).unwrap();
        let rule = Rule::read(&node, "", &mut report);
        assert_eq!(report.into_problems(), []);
        let rule = rule.unwrap();
        assert_eq!(serde_json::from_value::<Rule>(serde_json::to_value(&rule).unwrap()).unwrap(), rule);
        rule
    }

    fn breaches(rule: &Rule, spec: Value) -> Vec<String> {
        rule.breaches(&spec).into_iter().map(|breach| breach.message).collect()
    }

    #[test]
    fn broken_rules_are_quoted_with_their_keys() {
        let rule = rule(
            r#"{"rule": "no head is coarser than the backbone",
                "must_be": {"heads.*.*.stride": "<= `backbone.*.max_stride`"}}"#,
        );
        let spec = |stride: u64| {
            json!({"heads": {"a": null, "b": {"maps": {"stride": stride}}},
            "backbone": {"unet": {"max_stride": 8}, "swint": null}})
        };
        assert_eq!(
            breaches(&rule, spec(16)),
            [
                "heads.b.maps.stride is 16, but must be <= `backbone.*.max_stride` (backbone.*.max_stride is 8): no head is coarser than the backbone"
            ]
        );
        assert_eq!(breaches(&rule, spec(8)), [""; 0]);
        assert_eq!(breaches(&rule, json!({"heads": {"b": {"maps": {"stride": 16}}}})), [""; 0]);
    }

    #[test]
    fn conditions_decide_whether_a_rule_applies() {
        let rule = rule(
            r#"{"rule": "r", "when": {"fw": "plain", "off": [null, false]}, "must_be": {"n.workers": 0}}"#,
        );
        let broken = |spec| !breaches(&rule, spec).is_empty();
        assert!(broken(json!({"fw": "plain", "n": {"workers": 2}})));
        assert!(broken(json!({"fw": "plain", "off": false, "n": {"workers": 2}})));
        assert!(!broken(json!({"fw": "cached", "n": {"workers": 2}})));
        assert!(!broken(json!({"fw": "plain", "off": true, "n": {"workers": 2}})));
        assert!(!broken(json!({"fw": "plain", "n": {"workers": 0}})));
    }

    #[test]
    fn derived_keys_take_the_least_of_several_values() {
        let rule =
            rule(r#"{"rule": "r", "make": {"backbone.*.out": "`heads.*.*.stride`", "k": [1], "gone.x": 1}}"#);
        let spec = json!({"heads": {"a": {"x": {"stride": 4}, "y": {"stride": 2}}, "b": null},
            "backbone": {"unet": {"out": 1}, "swint": null}, "k": 0, "gone": null});
        assert_eq!(rule.makes(&spec), [("backbone.unet.out".into(), json!(2)), ("k".into(), json!([1]))]);
    }

    #[test]
    fn keys_of_other_choices_are_left_out() {
        let rule =
            rule(r#"{"rule": "r", "when": {"o.name": "SGD"}, "remove": ["o.betas", "o.eps", "o.gone"]}"#);
        assert_eq!(
            rule.removes(&json!({"o": {"name": "SGD", "betas": [1], "eps": 0}})),
            ["o.betas", "o.eps"]
        );
        assert_eq!(rule.removes(&json!({"o": {"name": "Adam", "betas": [1]}})), [""; 0]);
    }

    #[test]
    fn mistakes_in_rules_are_located() {
        let mut report = Report::new("f");
        let text = r#"{"rule": "r", "must_be": {"a": "<= +"}, "make": {"a..b": 1}, "whne": {}}"#;
        let node = read_json(text, &mut report).unwrap();
        Rule::read(&node, "rules[0]", &mut report);
        let problems: Vec<String> = report.into_problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "f:1:32: error: rules[0].must_be.a: `<= +`: expected a number or a parameter, found `+`",
                "f:1:50: error: rules[0].make.a..b: `a..b` has an empty segment",
                "f:1:62: error: rules[0]: unknown key `whne` (did you mean `when`?)",
            ]
        );
    }
}
