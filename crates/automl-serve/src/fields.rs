//! Reads an object's fields strictly: a wrong type, a missing field and an unknown one are errors that
//! name the field by its path, for example `space[2].low`.

use crate::error::RpcError;
use serde_json::{Map, Value};

/// An object being read. Every field must be taken or refused.
pub(crate) struct Fields<'a> {
    path: String,
    map: &'a Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Begins to read an object; `path` is empty for the parameters of a call.
    pub(crate) fn of(value: &'a Value, path: &str) -> Result<Self, RpcError> {
        let map = value.as_object().ok_or_else(|| {
            let place = if path.is_empty() { "params" } else { path };
            RpcError::field(place, format!("`{place}` must be an object, found {}", kind(value)))
        })?;
        Ok(Fields { path: path.into(), map, known: Vec::new() })
    }

    /// Returns the path of a field.
    pub(crate) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.into() } else { format!("{}.{name}", self.path) }
    }

    /// Returns a field; JSON's null counts as absent.
    pub(crate) fn optional(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn required(&mut self, name: &'static str) -> Result<&'a Value, RpcError> {
        let path = self.path(name);
        self.optional(name).ok_or_else(|| RpcError::field(&path, format!("`{path}` is missing")))
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<&'a str>, RpcError> {
        let path = self.path(name);
        self.optional(name).map(|value| text(value, &path)).transpose()
    }

    pub(crate) fn required_text(&mut self, name: &'static str) -> Result<&'a str, RpcError> {
        let path = self.path(name);
        text(self.required(name)?, &path)
    }

    /// A whole number from 0; `1.0` is one.
    pub(crate) fn count(&mut self, name: &'static str) -> Result<Option<u64>, RpcError> {
        let path = self.path(name);
        self.optional(name).map(|value| count(value, &path)).transpose()
    }

    pub(crate) fn required_count(&mut self, name: &'static str) -> Result<u64, RpcError> {
        let path = self.path(name);
        count(self.required(name)?, &path)
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, RpcError> {
        let path = self.path(name);
        let read = |value: &Value| value.as_bool().ok_or_else(|| wrong(&path, "true or false", value));
        self.optional(name).map(read).transpose()
    }

    /// A list with the path of each item.
    pub(crate) fn list(&mut self, name: &'static str) -> Result<Option<Vec<(String, &'a Value)>>, RpcError> {
        let path = self.path(name);
        self.optional(name).map(|value| list(value, &path)).transpose()
    }

    /// Refuses what is left over.
    pub(crate) fn finish(self) -> Result<(), RpcError> {
        let unknown = self.map.keys().find(|name| !self.known.contains(&name.as_str()));
        let Some(name) = unknown else { return Ok(()) };
        let path = self.path(name);
        let known = self.known.join(", ");
        let known = if known.is_empty() { "none is taken".into() } else { format!("known are {known}") };
        Err(RpcError::field(&path, format!("unknown field `{path}`; {known}")))
    }
}

/// Reads a text.
pub(crate) fn text<'a>(value: &'a Value, path: &str) -> Result<&'a str, RpcError> {
    value.as_str().ok_or_else(|| wrong(path, "a text", value))
}

/// Reads a finite number.
pub(crate) fn finite(value: &Value, path: &str) -> Result<f64, RpcError> {
    value.as_f64().filter(|v| v.is_finite()).ok_or_else(|| wrong(path, "a finite number", value))
}

/// Reads a number, or one of `"NaN"`, `"Infinity"`, `"-Infinity"`.
pub(crate) fn number(value: &Value, path: &str) -> Result<f64, RpcError> {
    let named = |text: &str| automl_core::number_from_text(text).filter(|v| !v.is_finite());
    let found = value.as_f64().or_else(|| value.as_str().and_then(named));
    found.ok_or_else(|| wrong(path, "a number, \"NaN\", \"Infinity\" or \"-Infinity\"", value))
}

/// Reads a whole number that may be negative; `1.0` is one.
pub(crate) fn whole(value: &Value, path: &str) -> Result<i64, RpcError> {
    let exact = |v: f64| (v.fract() == 0.0 && v.abs() <= (1_u64 << 53) as f64).then_some(v as i64);
    let found = value.as_i64().or_else(|| value.as_f64().and_then(exact));
    found.ok_or_else(|| wrong(path, "a whole number of at most 64 bits", value))
}

/// Reads a list with the path of each item.
pub(crate) fn list<'a>(value: &'a Value, path: &str) -> Result<Vec<(String, &'a Value)>, RpcError> {
    let items = value.as_array().ok_or_else(|| wrong(path, "a list", value))?;
    Ok(items.iter().enumerate().map(|(i, item)| (format!("{path}[{i}]"), item)).collect())
}

fn count(value: &Value, path: &str) -> Result<u64, RpcError> {
    let read = value.as_u64().or_else(|| whole(value, path).ok().and_then(|v| u64::try_from(v).ok()));
    read.ok_or_else(|| wrong(path, "a whole number from 0", value))
}

/// A value that is not what the field takes.
pub(crate) fn wrong(path: &str, expected: &str, found: &Value) -> RpcError {
    RpcError::field(path, format!("`{path}` must be {expected}, found {}", kind(found)))
}

/// Names a value, short ones in full.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if text.chars().count() <= 40 => format!("{text:?}"),
        Value::String(_) => "a text".into(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".into(),
    }
}
