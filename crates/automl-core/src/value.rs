//! One parameter value, and the values of one trial.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// A value that a parameter can take. Its JSON form is the plain value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamValue {
    /// A truth value.
    Bool(bool),
    /// A whole number; stays one on its way to the program.
    Int(i64),
    /// A finite real number.
    Float(f64),
    /// A text, for example an option's name.
    Text(String),
    /// A list of values, for example one option of a categorical parameter such as `[0.9, 0.999]`.
    List(Vec<ParamValue>),
}

impl ParamValue {
    /// Returns the value as a real number where it is one.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            ParamValue::Int(v) => Some(*v as f64),
            ParamValue::Float(v) => Some(*v),
            ParamValue::Bool(_) | ParamValue::Text(_) | ParamValue::List(_) => None,
        }
    }

    /// Returns the plain JSON form.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            ParamValue::Bool(v) => (*v).into(),
            ParamValue::Int(v) => (*v).into(),
            ParamValue::Float(v) => (*v).into(),
            ParamValue::Text(v) => v.as_str().into(),
            ParamValue::List(v) => v.iter().map(ParamValue::to_json).collect(),
        }
    }

    /// Reads a value from its plain JSON form; `None` for null, objects and numbers out of range.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Option<Self> {
        match json {
            serde_json::Value::Bool(v) => Some(ParamValue::Bool(*v)),
            serde_json::Value::Number(n) => match n.as_i64() {
                Some(v) => Some(ParamValue::Int(v)),
                None => n.as_f64().filter(|v| v.is_finite()).map(ParamValue::Float),
            },
            serde_json::Value::String(v) => Some(ParamValue::Text(v.clone())),
            serde_json::Value::Array(v) => {
                v.iter().map(ParamValue::from_json).collect::<Option<_>>().map(ParamValue::List)
            }
            serde_json::Value::Null | serde_json::Value::Object(_) => None,
        }
    }

    /// Tells whether two values mean the same, counting `1` and `1.0` as equal.
    #[must_use]
    pub fn same_as(&self, other: &ParamValue) -> bool {
        match (self.as_f64(), other.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => self == other,
        }
    }
}

/// Prints the value as a program's command line takes it: no quotes, floats in shortest exact form.
impl fmt::Display for ParamValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParamValue::Bool(v) => v.fmt(f),
            ParamValue::Int(v) => v.fmt(f),
            ParamValue::Float(v) => f.write_str(&shortest(*v)),
            ParamValue::Text(v) => f.write_str(v),
            ParamValue::List(v) => {
                f.write_str("[")?;
                for (i, item) in v.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    item.fmt(f)?;
                }
                f.write_str("]")
            }
        }
    }
}

/// Shortest decimal that reads back as the same double, with an exponent for very small and large
/// values (`1e-7`, not `0.0000001`).
fn shortest(value: f64) -> String {
    let magnitude = value.abs();
    if value != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        format!("{value:e}")
    } else {
        format!("{value:?}")
    }
}

/// The values of one trial, by parameter name. Inactive conditional parameters are absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Params(pub BTreeMap<String, ParamValue>);

impl Params {
    /// Returns the value of a parameter where the trial has one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ParamValue> {
        self.0.get(name)
    }

    /// Returns names and values in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ParamValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Returns a text that is equal exactly for equal configurations; used to find duplicates.
    #[must_use]
    pub fn key(&self) -> String {
        serde_json::to_string(self).expect("plain values always serialise")
    }
}

impl FromIterator<(String, ParamValue)> for Params {
    fn from_iter<T: IntoIterator<Item = (String, ParamValue)>>(iter: T) -> Self {
        Params(iter.into_iter().collect())
    }
}

/// Prints `name=value` pairs separated by blanks.
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{name}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_json() {
        for value in [
            ParamValue::Bool(true),
            ParamValue::Int(-3),
            ParamValue::Float(1.0),
            ParamValue::Float(1e-7),
            ParamValue::Float(0.1 + 0.2),
            ParamValue::Text("yes".into()),
            ParamValue::List(vec![ParamValue::Float(0.9), ParamValue::Int(1)]),
        ] {
            let text = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<ParamValue>(&text).unwrap(), value, "{text}");
            assert_eq!(ParamValue::from_json(&value.to_json()).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn floats_print_short_and_exact() {
        for (value, text) in [(1e-7, "1e-7"), (0.5, "0.5"), (1.0, "1.0"), (3e-4, "0.0003"), (1e20, "1e20")] {
            assert_eq!(ParamValue::Float(value).to_string(), text);
            assert_eq!(text.parse::<f64>().unwrap(), value);
        }
    }

    #[test]
    fn whole_floats_equal_integers() {
        assert!(ParamValue::Int(2).same_as(&ParamValue::Float(2.0)));
        assert!(!ParamValue::Int(2).same_as(&ParamValue::Text("2".into())));
    }
}
