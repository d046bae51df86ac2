//! Reading an object of known keys out of a tree, so that each section's reader is a list of keys.
//!
//! A [`Fields`] remembers which keys were asked for; what is left over at the end is unknown and
//! reported with the nearest known key.

use crate::nearest::did_you_mean;
use crate::node::{Data, Entry, Node};
use crate::problem::{Code, Position, Problem, Report};
#[cfg(test)]
use std::collections::{BTreeMap, BTreeSet};

/// An object being read.
pub(crate) struct Fields<'n> {
    path: String,
    at: Position,
    entries: &'n [Entry],
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// Opens an object; `None` (and a report) where the node is something else.
    pub(crate) fn open(node: &'n Node, path: &str, report: &mut Report) -> Option<Self> {
        let Some(entries) = node.entries() else {
            return wrong_type(node, path, "an object", report);
        };
        Some(Fields { path: path.into(), at: node.at, entries, asked: Vec::new() })
    }

    /// Returns the dotted path of one of the object's keys.
    pub(crate) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Returns where the object starts.
    pub(crate) fn at(&self) -> Position {
        self.at
    }

    /// Returns the value of a key; null counts as absent.
    pub(crate) fn node(&mut self, key: &'static str) -> Option<&'n Node> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.entries.iter().find(|e| e.key == key).map(|e| &e.value).filter(|v| !v.is_null())
    }

    /// Takes note of keys that are known and mean nothing to the reader.
    pub(crate) fn keep(&mut self, keys: &[&'static str]) {
        self.asked.extend(keys);
    }

    /// Returns a text, or `None` where the key is absent or of another type (reported).
    pub(crate) fn string(&mut self, key: &'static str, report: &mut Report) -> Option<String> {
        let path = self.path_of(key);
        self.node(key).and_then(|node| string(node, &path, report))
    }

    /// Returns a text that must be there.
    pub(crate) fn required_string(&mut self, key: &'static str, report: &mut Report) -> Option<String> {
        let node = self.required(key, report)?;
        string(node, &self.path_of(key), report)
    }

    /// Returns the value of a key that must be there.
    pub(crate) fn required(&mut self, key: &'static str, report: &mut Report) -> Option<&'n Node> {
        let found = self.node(key);
        if found.is_none() {
            report.error(self.at, &self.path, Code::MissingKey, format!("key `{key}` is missing"));
        }
        found
    }

    /// Returns a truth value, or `None` where the key is absent or of another type (reported).
    pub(crate) fn bool(&mut self, key: &'static str, report: &mut Report) -> Option<bool> {
        let path = self.path_of(key);
        let node = self.node(key)?;
        match node.data {
            Data::Bool(v) => Some(v),
            _ => wrong_type(node, &path, "true or false", report),
        }
    }

    /// Returns a whole number of at least `least`.
    pub(crate) fn count(&mut self, key: &'static str, least: u64, report: &mut Report) -> Option<u64> {
        let path = self.path_of(key);
        let node = self.node(key)?;
        match node.data {
            Data::Int(v) if v >= 0 && v as u64 >= least => Some(v as u64),
            _ => wrong_type(node, &path, &format!("a whole number of at least {least}"), report),
        }
    }

    /// Returns a list of texts; empty where the key is absent.
    pub(crate) fn strings(&mut self, key: &'static str, report: &mut Report) -> Vec<String> {
        let path = self.path_of(key);
        self.node(key).map(|node| strings(node, &path, report)).unwrap_or_default()
    }

    /// Reports every key that was not asked for as an error.
    pub(crate) fn close(self, report: &mut Report) {
        self.unknown(report, |entry, path, report| {
            report.error(entry.key_at, path, Code::UnknownKey, format!("unknown key `{}`", entry.key))
        });
    }

    /// Reports every key that was not asked for as a warning: foreign files may know more than we do.
    pub(crate) fn close_leniently(self, report: &mut Report) {
        self.unknown(report, |entry, path, report| {
            let message = format!("unknown key `{}` is ignored", entry.key);
            report.warning(entry.key_at, path, Code::UnknownKey, message)
        });
    }

    fn unknown(
        self,
        report: &mut Report,
        add: impl for<'r> Fn(&Entry, &str, &'r mut Report) -> &'r mut Problem,
    ) {
        for entry in self.entries.iter().filter(|e| !self.asked.contains(&e.key.as_str())) {
            let hint = did_you_mean(&entry.key, self.asked.iter().copied());
            add(entry, &self.path, report).hint(hint);
        }
    }
}

/// Returns the keys that were asked for while `read` ran, by the path of the object.
#[cfg(test)]
pub(crate) fn recorded(read: impl FnOnce()) -> BTreeMap<String, BTreeSet<String>> {
    RECORD.with_borrow_mut(BTreeMap::clear);
    read();
    RECORD.take()
}

#[cfg(test)]
thread_local! {
    static RECORD: std::cell::RefCell<BTreeMap<String, BTreeSet<String>>> = const { std::cell::RefCell::new(BTreeMap::new()) };
}

#[cfg(test)]
impl Drop for Fields<'_> {
    fn drop(&mut self) {
        let asked = self.asked.iter().map(ToString::to_string);
        RECORD.with_borrow_mut(|record| record.entry(self.path.clone()).or_default().extend(asked));
    }
}

/// Reports a value of the wrong type; always `None`, to end an expression with.
pub(crate) fn wrong_type<T>(node: &Node, path: &str, expected: &str, report: &mut Report) -> Option<T> {
    report.error(node.at, path, Code::WrongType, format!("expected {expected}, found {}", node.describe()));
    None
}

/// Returns `prefix.key`, or the key alone at the top.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.into() } else { format!("{prefix}.{key}") }
}

pub(crate) fn string(node: &Node, path: &str, report: &mut Report) -> Option<String> {
    match node.as_str() {
        Some(text) => Some(text.into()),
        // YAML 1.1 takes `n`, `off` and the like for truth values.
        None if matches!(node.data, Data::Bool(_)) => {
            let message = format!("expected a text, found {}", node.describe());
            report.error(node.at, path, Code::WrongType, message).hint("put it in quotes");
            None
        }
        None => wrong_type(node, path, "a text", report),
    }
}

pub(crate) fn strings(node: &Node, path: &str, report: &mut Report) -> Vec<String> {
    let Some(items) = node.items() else {
        return wrong_type(node, path, "a list of texts", report).unwrap_or_default();
    };
    let with_index = items.iter().enumerate();
    with_index.filter_map(|(i, item)| string(item, &format!("{path}[{i}]"), report)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read_json;

    #[test]
    fn unknown_keys_get_the_nearest_known_one() {
        let mut report = Report::new("f");
        let node = read_json(r#"{"imag": "x", "other": 1, "count": 0, "list": [1]}"#, &mut report).unwrap();
        let mut fields = Fields::open(&node, "api", &mut report).unwrap();
        assert_eq!(fields.string("image", &mut report), None);
        assert_eq!(fields.count("count", 1, &mut report), None);
        assert!(fields.strings("list", &mut report).is_empty());
        fields.required_string("name", &mut report);
        fields.close(&mut report);
        let text: Vec<_> = report.into_problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "f:1:1: error: api: key `name` is missing",
                "f:1:2: error: api: unknown key `imag` (did you mean `image`?)",
                "f:1:15: error: api: unknown key `other` (known: `image`, `count`, `list`, `name`)",
                "f:1:36: error: api.count: expected a whole number of at least 1, found the whole number 0",
                "f:1:48: error: api.list[0]: expected a text, found the whole number 1",
            ]
        );
    }
}
