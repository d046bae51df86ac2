//! The tree that every text format is read into: plain data, each key and value with its place.
//!
//! Readers of files work on this tree by hand instead of deriving serde types, so that every problem
//! carries a line and a column, and so that one file can report all of its problems.

use crate::problem::Position;
use automl_core::ParamValue;
use serde_json::Value;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Position,
    pub(crate) data: Data,
}

/// Plain data as JSON, YAML and TOML share it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    Int(i64),
    /// Any other number; may be infinite or NaN.
    Float(f64),
    Str(String),
    Seq(Vec<Node>),
    /// Entries in file order; keys are unique (readers report and drop repeated ones).
    Map(Vec<Entry>),
}

/// One key of an object with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_at: Position,
    pub(crate) value: Node,
}

impl Node {
    /// Returns the value of a key of an object.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|e| e.key == key).map(|e| &e.value)
    }

    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.data {
            Data::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.data {
            Data::Seq(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::Str(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_f64(&self) -> Option<f64> {
        match self.data {
            Data::Int(v) => Some(v as f64),
            Data::Float(v) => Some(v),
            _ => None,
        }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.data == Data::Null
    }

    /// Returns the value in words for messages, for example ``text `abc` ``.
    pub(crate) fn describe(&self) -> String {
        match &self.data {
            Data::Null => "null".into(),
            Data::Bool(v) => format!("the truth value {v}"),
            Data::Int(v) => format!("the whole number {v}"),
            Data::Float(v) => format!("the number {v:?}"),
            Data::Str(v) => format!("the text `{v}`"),
            Data::Seq(_) => "a list".into(),
            Data::Map(_) => "an object".into(),
        }
    }

    /// Returns the plain JSON value; `None` where a number is infinite or NaN, which JSON cannot hold.
    pub(crate) fn to_json(&self) -> Option<Value> {
        Some(match &self.data {
            Data::Null => Value::Null,
            Data::Bool(v) => Value::Bool(*v),
            Data::Int(v) => (*v).into(),
            Data::Float(v) => Value::Number(serde_json::Number::from_f64(*v)?),
            Data::Str(v) => Value::String(v.clone()),
            Data::Seq(items) => Value::Array(items.iter().map(Node::to_json).collect::<Option<_>>()?),
            Data::Map(entries) => {
                let pairs = entries.iter().map(|e| e.value.to_json().map(|v| (e.key.clone(), v)));
                Value::Object(pairs.collect::<Option<_>>()?)
            }
        })
    }

    /// Returns the value as a parameter's value; `None` for null, objects and infinite numbers.
    pub(crate) fn to_param(&self) -> Option<ParamValue> {
        match &self.data {
            Data::Bool(v) => Some(ParamValue::Bool(*v)),
            Data::Int(v) => Some(ParamValue::Int(*v)),
            Data::Float(v) => v.is_finite().then_some(ParamValue::Float(*v)),
            Data::Str(v) => Some(ParamValue::Text(v.clone())),
            Data::Seq(items) => items.iter().map(Node::to_param).collect::<Option<_>>().map(ParamValue::List),
            Data::Null | Data::Map(_) => None,
        }
    }
}
