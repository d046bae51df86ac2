//! Typed access to a YAML tree by dotted key, with errors that name the key.
//!
//! A spec comes from a template, a search and a command line, so each value is checked where it is
//! read. Keys nobody reads are kept and reported at the end: they belong to other actions or other
//! trainers, and are no error. This module does not know what any key means.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
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
    /// The file's text is not YAML.
    #[error("experiment spec is not YAML: {place}: {detail}; correct the text there")]
    Syntax {
        /// File, line and column.
        place: String,
        /// What the parser said.
        detail: String,
    },
    /// The file's text is YAML, yet no mapping.
    #[error("experiment spec is no mapping: {place}: write sections such as `train:` with their keys below")]
    NoMapping {
        /// The file.
        place: String,
    },
    /// The value of an override is not YAML.
    #[error("value is not YAML: {key}={value}: {detail}; write text with special signs as {key}='\"...\"'")]
    OverrideSyntax {
        /// Dotted key.
        key: String,
        /// The value as given.
        value: String,
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

    /// Parses YAML text; `place` is the file's name in errors.
    pub(crate) fn parse(text: &str, place: &str, overrides: &[(String, String)]) -> Result<Self, SpecError> {
        let mut root = parse_yaml(text).map_err(|error| {
            let position = error.location().map(|at| format!(":{}:{}", at.line(), at.column()));
            SpecError::Syntax {
                place: format!("{place}{}", position.unwrap_or_default()),
                detail: yaml_complaint(&error),
            }
        })?;
        if root.is_null() {
            root = Value::Object(Map::new());
        }
        if !root.is_object() {
            return Err(SpecError::NoMapping { place: place.to_owned() });
        }
        for (key, text) in overrides {
            let value = parse_yaml(text).map_err(|error| SpecError::OverrideSyntax {
                key: key.clone(),
                value: text.clone(),
                detail: yaml_complaint(&error),
            })?;
            set(&mut root, key, value)?;
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
        let Some(value) = self.get(key)? else { return Ok(default) };
        let number = as_float(value).ok_or_else(|| wrong_type(key, "a number", value))?;
        range.check(key, number)
    }

    /// A whole number within `range`.
    pub(crate) fn integer(&self, key: &str, default: i64, range: Range) -> Result<i64, SpecError> {
        let Some(value) = self.get(key)? else { return Ok(default) };
        let number = as_integer(value).ok_or_else(|| wrong_type(key, "a whole number", value))?;
        range.check(key, number as f64)?;
        Ok(number)
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self, key: &str, default: bool) -> Result<bool, SpecError> {
        let Some(value) = self.get(key)? else { return Ok(default) };
        value.as_bool().ok_or_else(|| wrong_type(key, "true or false", value))
    }

    /// Text, or `None` where it is absent or empty.
    pub(crate) fn text(&self, key: &str) -> Result<Option<String>, SpecError> {
        let Some(value) = self.get(key)? else { return Ok(None) };
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
        let Some(value) = self.get(key)? else { return Ok(default.to_vec()) };
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

    /// A mapping of names to whole numbers, or `None` where it is absent.
    pub(crate) fn integers_by_name(&self, key: &str) -> Result<Option<BTreeMap<String, i64>>, SpecError> {
        let Some(value) = self.get(key)? else { return Ok(None) };
        let section = value.as_object().ok_or_else(|| wrong_type(key, "names with whole numbers", value))?;
        let mut numbers = BTreeMap::new();
        for (name, value) in section {
            let path = format!("{key}.{name}");
            let number = as_integer(value).ok_or_else(|| wrong_type(&path, "a whole number", value))?;
            self.read.borrow_mut().insert(path);
            numbers.insert(name.clone(), number);
        }
        Ok(Some(numbers))
    }

    /// The value at `key`, or `None` where it or a section above it is absent or null.
    fn get(&self, key: &str) -> Result<Option<&Value>, SpecError> {
        self.read.borrow_mut().insert(key.to_owned());
        let mut node = &self.root;
        for (above, name) in steps(key) {
            let section = node.as_object().ok_or_else(|| not_a_section(above, node))?;
            match section.get(name) {
                None | Some(Value::Null) => return Ok(None),
                Some(child) => node = child,
            }
        }
        Ok(Some(node))
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

fn parse_yaml(text: &str) -> Result<Value, serde_saphyr::Error> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_saphyr::from_str(text)
}

/// The parser's complaint in one line, without the place.
fn yaml_complaint(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let line = text.lines().next().unwrap_or_default();
    line.split(" at line ").next().unwrap_or_default().to_owned()
}

fn set(root: &mut Value, key: &str, value: Value) -> Result<(), SpecError> {
    let mut node = root;
    for (above, name) in steps(key) {
        if !node.is_object() && !node.is_null() {
            return Err(not_a_section(above, node));
        }
        // Absent sections and keys come into being here.
        node = &mut node[name];
    }
    *node = value;
    Ok(())
}

/// The way down a dotted key as (section so far, next name): `a.b.c` gives ("", a), (a, b), (a.b, c).
fn steps(key: &str) -> impl Iterator<Item = (&str, &str)> {
    let ends = key.match_indices('.').map(|(dot, _)| dot).chain([key.len()]);
    ends.map(|end| key[..end].rsplit_once('.').unwrap_or(("", &key[..end])))
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

fn not_a_section(key: &str, found: &Value) -> SpecError {
    wrong_type(key, "a section with keys below it", found)
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
    fn names_with_numbers_count_as_read() {
        let spec = read(&[("dataset.label_map.catch", "0"), ("dataset.label_map.smile", "1")]);
        let map = spec.integers_by_name("dataset.label_map").unwrap().unwrap();
        assert_eq!(map.into_iter().collect::<Vec<_>>(), [("catch".to_owned(), 0), ("smile".to_owned(), 1)]);
        assert!(!spec.unread_keys().iter().any(|key| key.starts_with("dataset.")));
        assert_eq!(spec.integers_by_name("model.none").unwrap(), None);
        let wrong = read(&[("dataset.label_map", "{catch: first}")]);
        let refused = wrong.integers_by_name("dataset.label_map").unwrap_err().to_string();
        assert!(refused.contains("dataset.label_map.catch") && refused.contains("first"), "{refused}");
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
        let refusal = |text: &str| SpecReader::parse(text, "spec.yaml", &[]).expect_err(text).to_string();
        assert!(refusal("- a\n- b\n").starts_with("experiment spec is no mapping: spec.yaml: write"));
        let twice = refusal("a: 1\na: 2\n");
        assert!(twice.starts_with("experiment spec is not YAML: spec.yaml:2:1: duplicate"), "{twice}");
        assert!(!twice.contains("Policy"), "{twice}");
        let tab = refusal("train:\n\tlr: 1\n");
        assert!(tab.contains(": spec.yaml:2:2: tabs") && tab.ends_with("; correct the text there"), "{tab}");
    }

    #[test]
    fn overrides_that_cannot_be_set_are_named() {
        let refusal = |key: &str, value: &str| {
            let overrides = [(key.to_owned(), value.to_owned())];
            SpecReader::parse(TEXT, "spec.yaml", &overrides).expect_err(key).to_string()
        };
        let bracket = refusal("train.lr", "[1");
        assert!(bracket.starts_with("value is not YAML: train.lr=[1: "), "{bracket}");
        assert_eq!(
            refusal("train.lr.x", "1"),
            "wrong type in spec: train.lr: expected a section with keys below it, found 1e-6"
        );
    }

    #[test]
    fn number_in_place_of_a_section_is_refused() {
        let spec = SpecReader::parse("train: 3\nmodel:\n", "spec.yaml", &[]).unwrap();
        let refused = spec.float("train.lr", 0.5, Range::NOT_NEGATIVE).unwrap_err().to_string();
        assert!(refused.starts_with("wrong type in spec: train: expected a section"), "{refused}");
        assert_eq!(spec.text("model.arch").unwrap(), None, "an empty section is none");
    }
}
