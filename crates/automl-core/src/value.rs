//! One parameter value, and the values of one trial.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

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
///
/// Clones share the values, so a list of all configurations so far costs no copy of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Params(pub(crate) Arc<BTreeMap<String, ParamValue>>);

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

    /// Sets the value of a parameter; returns the one it had.
    pub fn insert(&mut self, name: String, value: ParamValue) -> Option<ParamValue> {
        Arc::make_mut(&mut self.0).insert(name, value)
    }

    /// Takes a parameter's value away and returns it.
    pub fn remove(&mut self, name: &str) -> Option<ParamValue> {
        Arc::make_mut(&mut self.0).remove(name)
    }

    /// Returns a text that is equal exactly for equal configurations; used to find duplicates.
    #[must_use]
    pub fn key(&self) -> String {
        serde_json::to_string(self).expect("plain values always serialise")
    }
}

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(|values| Params(Arc::new(values)))
    }
}

impl FromIterator<(String, ParamValue)> for Params {
    fn from_iter<T: IntoIterator<Item = (String, ParamValue)>>(iter: T) -> Self {
        Params(Arc::new(iter.into_iter().collect()))
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
    fn clones_share_values_until_one_changes() {
        let one: Params = [("a".to_string(), ParamValue::Int(1))].into_iter().collect();
        let mut other = one.clone();
        assert!(Arc::ptr_eq(&one.0, &other.0));
        assert_eq!(other.insert("a".into(), ParamValue::Int(2)), Some(ParamValue::Int(1)));
        assert_eq!((one.to_string(), other.to_string()), ("a=1".into(), "a=2".into()));
        assert_eq!(serde_json::from_str::<Params>(&one.key()).unwrap(), one);
    }

    #[test]
    fn whole_floats_equal_integers() {
        assert!(ParamValue::Int(2).same_as(&ParamValue::Float(2.0)));
        assert!(!ParamValue::Int(2).same_as(&ParamValue::Text("2".into())));
    }
}
