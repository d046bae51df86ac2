//! Dotted paths into a spec: `a.b.c`, with list items as `a.b[0].c` or `a.b.0.c`.

use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;

/// The longest list that setting an item may create; a typo such as `a[1000000]` shall not fill memory.
const MAX_LIST: usize = 4096;

/// A parsed path, at least one segment long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpecPath(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
}

impl FromStr for SpecPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut segments = Vec::new();
        for part in text.split('.') {
            let (name, brackets) = part.split_at(part.find('[').unwrap_or(part.len()));
            match name.parse::<usize>() {
                Ok(index) => segments.push(Segment::Index(index)),
                Err(_) if !name.is_empty() => segments.push(Segment::Key(name.into())),
                Err(_) => return Err(format!("`{text}` has an empty segment")),
            }
            for index in brackets.split_terminator(']') {
                let digits = index.strip_prefix('[').and_then(|d| d.parse().ok());
                segments.push(Segment::Index(
                    digits.ok_or_else(|| format!("`{text}`: `[…]` must hold a whole number"))?,
                ));
            }
            if !brackets.is_empty() && !brackets.ends_with(']') {
                return Err(format!("`{text}`: `[` is not closed"));
            }
        }
        if segments.iter().any(|s| matches!(s, Segment::Index(i) if *i >= MAX_LIST)) {
            return Err(format!("`{text}`: list positions end at {}", MAX_LIST - 1));
        }
        Ok(SpecPath(segments))
    }
}

impl fmt::Display for SpecPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if i > 0 => write!(f, ".{key}")?,
                Segment::Key(key) => f.write_str(key)?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl SpecPath {
    /// Returns the value at the path; `None` where anything on the way is missing.
    pub(crate) fn get<'v>(&self, root: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(root, |value, segment| match segment {
            Segment::Key(key) => value.get(key),
            Segment::Index(index) => value.get(index).or_else(|| value.get(index.to_string())),
        })
    }

    /// Sets the value at the path and creates what is missing on the way. An object laid over an
    /// object is merged key by key; everything else is replaced.
    pub(crate) fn set(&self, root: &mut Value, value: Value) {
        let target = self.0.iter().fold(root, |at, segment| match segment {
            Segment::Key(key) => object(at).entry(key.clone()).or_insert(Value::Null),
            Segment::Index(index) if at.is_object() => {
                object(at).entry(index.to_string()).or_insert(Value::Null)
            }
            Segment::Index(index) => {
                let items = list(at);
                if items.len() <= *index {
                    items.resize(index + 1, Value::Null);
                }
                &mut items[*index]
            }
        });
        merge(target, value);
    }

    /// Removes the value at the path; what is not there is removed already.
    pub(crate) fn remove(&self, root: &mut Value) {
        let Some((last, before)) = self.0.split_last() else { return };
        let parent = before.iter().try_fold(root, |value, segment| match segment {
            Segment::Key(key) => value.get_mut(key),
            Segment::Index(index) if value.is_object() => value.get_mut(index.to_string()),
            Segment::Index(index) => value.get_mut(index),
        });
        match (parent, last) {
            (Some(Value::Object(map)), Segment::Key(key)) => drop(map.shift_remove(key)),
            (Some(Value::Object(map)), Segment::Index(index)) => drop(map.shift_remove(&index.to_string())),
            (Some(Value::Array(items)), Segment::Index(index)) if *index < items.len() => {
                items.remove(*index);
            }
            _ => {}
        }
    }
}

fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    value.as_object_mut().expect("made an object just above")
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    if !value.is_array() {
        *value = Value::Array(Vec::new());
    }
    value.as_array_mut().expect("made a list just above")
}

fn merge(target: &mut Value, value: Value) {
    match (target, value) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                merge(old.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, value) => *target = value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn path(text: &str) -> SpecPath {
        text.parse().unwrap()
    }

    #[test]
    fn both_list_notations_mean_the_same() {
        assert_eq!(path("a.b[0].c"), path("a.b.0.c"));
        assert_eq!(path("a.0.c").to_string(), "a[0].c");
        for bad in ["", "a..b", "a[", "a[x]", "a[1", "a[99999]"] {
            assert!(bad.parse::<SpecPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn set_creates_what_is_missing() {
        let mut spec = json!({});
        path("train.steps[1]").set(&mut spec, json!(7));
        path("train.lr").set(&mut spec, json!(0.1));
        assert_eq!(spec, json!({"train": {"steps": [null, 7], "lr": 0.1}}));
        assert_eq!(path("train.steps.1").get(&spec), Some(&json!(7)));
        assert_eq!(path("train.lr.x").get(&spec), None);
    }

    #[test]
    fn removing_takes_items_and_leaves_the_rest() {
        let mut spec = json!({"a": {"b": 1, "c": [1, 2, {"d": 3}], "e": 2}});
        for gone in ["a.b", "a.c[2].d", "a.c.0", "a.x.y", "a.b.c"] {
            path(gone).remove(&mut spec);
        }
        assert_eq!(spec, json!({"a": {"c": [2, {}], "e": 2}}));
    }

    #[test]
    fn objects_are_merged_and_values_replaced() {
        let mut spec = json!({"a": {"b": 1, "c": {"d": 2}}});
        path("a").set(&mut spec, json!({"c": {"e": 3}, "b": [1]}));
        assert_eq!(spec, json!({"a": {"b": [1], "c": {"d": 2, "e": 3}}}));
    }
}
