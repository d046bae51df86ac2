//! One test of one value: equal to one of several, or compared with arithmetic over the spec.
//!
//! As files state it: a list of values (null included), one value, `{"not": [values]}`, or a text that begins
//! with a comparison: `> 0`, `` <= `a.b` ``, `/ 8` (a multiple).

use super::reach;
use automl_core::{Comparison, Expression, ParamValue, Relation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A test of a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub(crate) enum Test {
    /// One of these.
    In(Vec<Value>),
    /// None of these.
    NotIn(Vec<Value>),
    /// A number compared with a number.
    Compare(Relation),
    /// A multiple of a number.
    MultipleOf(Expression),
}

/// Slack when telling whether a number is a multiple.
const SLACK: f64 = 1e-9;

impl Test {
    /// Reads a test from its form in a file.
    ///
    /// # Errors
    /// What is not understood.
    pub(crate) fn read(value: Value) -> Result<Self, String> {
        match value {
            Value::Array(values) if values.is_empty() => Err("a test needs a value to compare with".into()),
            Value::Array(values) => Ok(Test::In(values)),
            Value::Object(map) => match (map.len(), map.get("not")) {
                (1, Some(Value::Array(values))) => Ok(Test::NotIn(values.clone())),
                _ => Err("a test is a value, a list, a comparison or {\"not\": [values]}".into()),
            },
            Value::String(text) => match text.strip_prefix('/') {
                Some(factor) => Expression::parse(factor).map(Test::MultipleOf),
                None if Comparison::strip(&text).is_some() => text.parse().map(Test::Compare),
                None => Ok(Test::In(vec![Value::String(text)])),
            },
            value => Ok(Test::In(vec![value])),
        }
    }

    /// Tells whether a value passes; `None` where the test says nothing about it: it is no number, or there is
    /// nothing to compare it with.
    pub(crate) fn holds(&self, value: &Value, spec: &Value) -> Option<bool> {
        let numbers = |expression: &Expression| expression.interval(&|name| reach::bounds(spec, name));
        match self {
            Test::In(values) => Some(values.iter().any(|v| same(v, value))),
            Test::NotIn(values) => Some(!values.iter().any(|v| same(v, value))),
            Test::Compare(Relation { comparison, bound }) => {
                let (value, (low, high)) = (value.as_f64()?, numbers(bound)?);
                Some(comparison.holds(value, low) && comparison.holds(value, high))
            }
            Test::MultipleOf(factor) => {
                let (value, (low, high)) = (value.as_f64()?, numbers(factor)?);
                let multiple =
                    |factor: f64| factor != 0.0 && ((value / factor).round() - value / factor).abs() < SLACK;
                Some(multiple(low) && multiple(high))
            }
        }
    }

    /// Returns the keys that the test compares with.
    pub(crate) fn names(&self) -> Vec<&str> {
        match self {
            Test::In(_) | Test::NotIn(_) => Vec::new(),
            Test::Compare(relation) => relation.bound.names(),
            Test::MultipleOf(factor) => factor.names(),
        }
    }

    /// Returns the test in words, with the numbers of the keys that it compares with.
    pub(crate) fn explained(&self, spec: &Value) -> String {
        let numbers: Vec<String> = self.names().iter().filter_map(|name| number_of(spec, name)).collect();
        if numbers.is_empty() { self.words() } else { format!("{} ({})", self.words(), numbers.join(", ")) }
    }

    /// Returns the test in words: what a value must be.
    pub(crate) fn words(&self) -> String {
        let list = |values: &[Value]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
        match self {
            Test::In(values) => list(values),
            Test::NotIn(values) => format!("other than {}", list(values)),
            Test::Compare(relation) => relation.to_string(),
            Test::MultipleOf(factor) => format!("a multiple of {factor}"),
        }
    }
}

fn number_of(spec: &Value, name: &str) -> Option<String> {
    let (low, high) = reach::bounds(spec, name)?;
    Some(if low == high { format!("{name} is {low}") } else { format!("{name} is {low} to {high}") })
}

/// Numbers are compared as numbers: `1` is `1.0`.
fn same(a: &Value, b: &Value) -> bool {
    match (ParamValue::from_json(a), ParamValue::from_json(b)) {
        (Some(a), Some(b)) => a.same_as(&b),
        _ => a == b,
    }
}

impl TryFrom<Value> for Test {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        Test::read(value)
    }
}

impl From<Test> for Value {
    fn from(test: Test) -> Self {
        match test {
            Test::In(values) => Value::Array(values),
            Test::NotIn(values) => json!({ "not": values }),
            Test::Compare(relation) => relation.to_string().into(),
            Test::MultipleOf(factor) => format!("/ {factor}").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_written_in_the_files_words() {
        let spec = json!({"d": 12, "none": null});
        for (test, value, expected) in [
            (json!(["a", null]), json!(null), Some(true)),
            (json!(1), json!(1.0), Some(true)),
            (json!({"not": ["glu"]}), json!("glu"), Some(false)),
            (json!("> 0"), json!(0.0), Some(false)),
            (json!("> 0"), json!("x"), None),
            (json!("<= d"), json!(12), Some(true)),
            (json!("<= none"), json!(99), None),
            (json!("/ 4"), json!(12), Some(true)),
            (json!("/ d"), json!(18), Some(false)),
        ] {
            let read = Test::read(test.clone()).unwrap();
            assert_eq!(read.holds(&value, &spec), expected, "{test} of {value}");
            assert_eq!(Test::read(read.clone().into()).unwrap(), read, "{test}");
        }
        for bad in [json!([]), json!({"nto": [1]}), json!("<= "), json!("/ /")] {
            assert!(Test::read(bad.clone()).is_err(), "{bad}");
        }
        assert_eq!(Test::read(json!("<= d")).unwrap().explained(&spec), "<= d (d is 12)");
    }
}
