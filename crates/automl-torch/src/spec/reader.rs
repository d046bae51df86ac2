//! Typed access to a YAML tree by dotted key, with errors that name the key.
//!
//! A spec comes from a template, a search and a command line, so each value is checked where it is
//! read. Keys nobody reads are kept and reported at the end: they belong to other actions or other
//! trainers, and are no error. This module does not know what any key means.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// A spec that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecError {
    /// The file cannot be read.
    #[error("cannot read experiment spec: {}: {source}; check the path given with -e", path.display())]
    Unreadable {
        /// The spec file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The text is not YAML, or not a mapping.
    #[error("experiment spec is no YAML mapping: {place}: {detail}")]
    Syntax {
        /// File or override.
        place: String,
        /// What the parser said.
        detail: String,
    },
    /// A value has the wrong type.
    #[error("wrong type in spec: {key}: expected {expected}, found {found}")]
    WrongType {
        /// Dotted key.
        key: String,
        /// What would be accepted.
        expected: &'static str,
        /// The value found, as JSON.
        found: String,
    },
    /// A value lies outside its range.
    #[error("value out of range in spec: {key}: {value} must be {allowed}")]
    OutOfRange {
        /// Dotted key.
        key: String,
        /// The value found.
        value: String,
        /// The allowed range or choices, in words.
        allowed: String,
    },
    /// A needed key is absent or empty.
    #[error("missing in spec: {key}: set it in the spec or add {key}=... to the command line")]
    Missing {
        /// Dotted key.
        key: String,
    },
}

/// A spec as a tree, remembering which keys were read.
#[derive(Debug)]
pub(crate) struct SpecReader {
    root: Value,
    read: RefCell<BTreeSet<String>>,
}

impl SpecReader {
    /// Reads the YAML file and lays the overrides over it, later ones winning.
    pub(crate) fn open(path: &Path, overrides: &[(String, String)]) -> Result<Self, SpecError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SpecError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, &path.display().to_string(), overrides)
    }

    /// Parses YAML text; `place` names it in errors.
    pub(crate) fn parse(text: &str, place: &str, overrides: &[(String, String)]) -> Result<Self, SpecError> {
        let mut root = parse_yaml(text, place)?;
        if root.is_null() {
            root = Value::Object(Map::new());
        }
        if !root.is_object() {
            let detail = "the top level must map section names to sections".to_owned();
            return Err(SpecError::Syntax { place: place.to_owned(), detail });
        }
        for (key, value) in overrides {
            set(&mut root, key, parse_yaml(value, key)?)?;
        }
        Ok(Self { root, read: RefCell::default() })
    }

    /// Keys that hold a value and were not asked for.
    pub(crate) fn unread_keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        collect_leaves(&self.root, String::new(), &mut keys);
        let read = self.read.borrow();
        keys.retain(|key| !read.contains(key));
        keys
    }

    /// The whole spec after the overrides.
    pub(crate) fn tree(&self) -> &Value {
        &self.root
    }

    /// A number within `range`; quoted numbers such as `"1e-6"` count as numbers.
    pub(crate) fn float(&self, key: &str, default: f64, range: Range) -> Result<f64, SpecError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let number = as_float(value).ok_or_else(|| wrong_type(key, "a number", value))?;
        range.check(key, number)
    }

    /// A whole number within `range`.
    pub(crate) fn integer(&self, key: &str, default: i64, range: Range) -> Result<i64, SpecError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let number = as_integer(value).ok_or_else(|| wrong_type(key, "a whole number", value))?;
        range.check(key, number as f64)?;
        Ok(number)
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, key: &str, default: bool) -> Result<bool, SpecError> {
        let Some(value) = self.get(key) else { return Ok(default) };
        value.as_bool().ok_or_else(|| wrong_type(key, "true or false", value))
    }

    /// Text, or `None` where it is absent or empty.
    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, SpecError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value {
            Value::String(text) if text.is_empty() => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            other => Err(wrong_type(key, "text", other)),
        }
    }

    /// A path, or `None` where it is absent or empty.
    pub(crate) fn path(&self, key: &str) -> Result<Option<PathBuf>, SpecError> {
        Ok(self.text(key)?.map(PathBuf::from))
    }

    /// A list of numbers; a single number counts as a list of one.
    pub(crate) fn floats(&self, key: &str, default: &[f64], range: Range) -> Result<Vec<f64>, SpecError> {
        let Some(value) = self.get(key) else { return Ok(default.to_vec()) };
        let expected = "a list of numbers";
        let items = match value {
            Value::Array(items) => items.clone(),
            single => vec![single.clone()],
        };
        items
            .iter()
            .map(|item| {
                let number = as_float(item).ok_or_else(|| wrong_type(key, expected, value))?;
                range.check(key, number)
            })
            .collect()
    }

    /// A pair of numbers.
    pub(crate) fn pair(&self, key: &str, default: [f64; 2], range: Range) -> Result<[f64; 2], SpecError> {
        let numbers = self.floats(key, &default, range)?;
        <[f64; 2]>::try_from(numbers.as_slice()).map_err(|_| SpecError::WrongType {
            key: key.to_owned(),
            expected: "a list of two numbers",
            found: format!("{numbers:?}"),
        })
    }

    fn get(&self, key: &str) -> Option<&Value> {
        self.read.borrow_mut().insert(key.to_owned());
        let mut node = &self.root;
        for segment in key.split('.') {
            node = node.get(segment)?;
        }
        (!node.is_null()).then_some(node)
    }
}

/// Closed interval of allowed numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    low: f64,
    high: f64,
}

impl Range {
    /// Zero and above.
    pub(crate) const NOT_NEGATIVE: Self = Self::at_least(0.0);
    /// One and above.
    pub(crate) const POSITIVE_COUNT: Self = Self::at_least(1.0);
    /// From zero to one.
    pub(crate) const UNIT: Self = Self { low: 0.0, high: 1.0 };

    /// From `low` upwards.
    pub(crate) const fn at_least(low: f64) -> Self {
        Self { low, high: f64::MAX }
    }

    /// From `low` to `high`, both allowed.
    pub(crate) const fn between(low: f64, high: f64) -> Self {
        Self { low, high }
    }

    fn check(self, key: &str, value: f64) -> Result<f64, SpecError> {
        if value >= self.low && value <= self.high {
            return Ok(value);
        }
        let allowed = if self.high == f64::MAX {
            format!("{} or more", self.low)
        } else {
            format!("from {} to {}", self.low, self.high)
        };
        Err(SpecError::OutOfRange { key: key.to_owned(), value: value.to_string(), allowed })
    }
}

fn parse_yaml(text: &str, place: &str) -> Result<Value, SpecError> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let detail = error.to_string().lines().next().unwrap_or_default().to_owned();
        SpecError::Syntax { place: place.to_owned(), detail }
    })
}

fn set(root: &mut Value, key: &str, value: Value) -> Result<(), SpecError> {
    let mut node = root;
    for segment in key.split('.') {
        if node.is_null() {
            *node = Value::Object(Map::new());
        }
        let found = node.to_string();
        let section = node.as_object_mut().ok_or_else(|| SpecError::WrongType {
            key: key.to_owned(),
            expected: "a section above it",
            found,
        })?;
        node = section.entry(segment).or_insert(Value::Null);
    }
    *node = value;
    Ok(())
}

fn collect_leaves(node: &Value, path: String, keys: &mut Vec<String>) {
    match node {
        Value::Object(section) => {
            for (name, child) in section {
                let child_path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                collect_leaves(child, child_path, keys);
            }
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => keys.push(path),
    }
}

fn as_float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn as_integer(value: &Value) -> Option<i64> {
    let number = as_float(value)?;
    (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64)
}

fn wrong_type(key: &str, expected: &'static str, found: &Value) -> SpecError {
    SpecError::WrongType { key: key.to_owned(), expected, found: found.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "train:\n  lr: 1e-6\n  wd: \"5e-4\"\n  num_epochs: 3\n  use_amp: true\n  optim_betas: [0.9, 0.95]\nother:\n  key: 1\n";

    fn read(overrides: &[(&str, &str)]) -> SpecReader {
        let overrides: Vec<_> = overrides.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        SpecReader::parse(TEXT, "spec.yaml", &overrides).unwrap()
    }

    #[test]
    fn values_are_read_by_dotted_key() {
        let spec = read(&[]);
        assert_eq!(spec.float("train.lr", 0.0, Range::NOT_NEGATIVE).unwrap(), 1e-6);
        assert_eq!(spec.float("train.wd", 0.0, Range::NOT_NEGATIVE).unwrap(), 5e-4);
        assert_eq!(spec.integer("train.num_epochs", 0, Range::NOT_NEGATIVE).unwrap(), 3);
        assert!(spec.boolean("train.use_amp", false).unwrap());
        assert_eq!(spec.pair("train.optim_betas", [0.0, 0.0], Range::UNIT).unwrap(), [0.9, 0.95]);
        assert_eq!(spec.float("train.min_lr", 0.25, Range::NOT_NEGATIVE).unwrap(), 0.25);
        assert_eq!(spec.unread_keys(), ["other.key"]);
    }

    #[test]
    fn overrides_win_and_create_sections() {
        let spec = read(&[("train.lr", "0.5"), ("model.arch", "vit-test/8"), ("train.lr", "2")]);
        assert_eq!(spec.float("train.lr", 0.0, Range::NOT_NEGATIVE).unwrap(), 2.0);
        assert_eq!(spec.text("model.arch").unwrap().as_deref(), Some("vit-test/8"));
    }

    #[test]
    fn errors_name_key_and_value() {
        let spec = read(&[("train.lr", "fast"), ("train.num_epochs", "1.5"), ("train.wd", "-1")]);
        let lr = spec.float("train.lr", 0.0, Range::NOT_NEGATIVE).unwrap_err().to_string();
        assert!(lr.contains("train.lr") && lr.contains("fast"), "{lr}");
        assert!(spec.integer("train.num_epochs", 1, Range::NOT_NEGATIVE).is_err());
        let wd = spec.float("train.wd", 0.0, Range::NOT_NEGATIVE).unwrap_err().to_string();
        assert_eq!(wd, "value out of range in spec: train.wd: -1 must be 0 or more");
    }

    #[test]
    fn text_that_is_no_mapping_is_refused() {
        assert!(SpecReader::parse("- a\n- b\n", "spec.yaml", &[]).is_err());
        assert!(SpecReader::parse("a: [1", "spec.yaml", &[]).is_err());
        let nested = [("train.lr.x".to_owned(), "1".to_owned())];
        assert!(SpecReader::parse(TEXT, "spec.yaml", &nested).is_err());
    }
}
