//! Where each value of a spec came from, for people who wonder.

use crate::fields::join;
use serde_json::Value;
use std::collections::BTreeMap;

/// Origins by dotted path of the spec key, each in a few words such as `--set` or `schema default`.
/// Lists and scalars have one; objects have those of their members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, String>);

impl Origins {
    /// Says where a value came from, all its members included.
    pub(crate) fn mark(&mut self, path: &str, value: &Value, origin: &str) {
        self.forget(path, matches!(value, Value::Object(_)));
        for_each_leaf(path, value, &mut |leaf, _| {
            self.0.insert(leaf, origin.into());
        });
    }

    /// Says where everything came from that differs between two specs.
    pub(crate) fn mark_changes(&mut self, before: &Value, after: &Value, origin: &str) {
        let mut old = BTreeMap::new();
        for_each_leaf("", before, &mut |leaf, value| {
            old.insert(leaf, value);
        });
        for_each_leaf("", after, &mut |leaf, value| {
            if old.get(&leaf) != Some(&value) {
                self.0.insert(leaf, origin.into());
            }
        });
    }

    /// Forgets a key that is gone; one that stays an object keeps the members that it has.
    fn forget(&mut self, path: &str, stays_object: bool) {
        self.0.remove(path);
        if !stays_object {
            let below = format!("{path}.");
            self.0.retain(|known, _| !known.starts_with(&below));
        }
    }

    /// Returns the origin of a key, or of the list that it lies in.
    #[must_use]
    pub fn of(&self, path: &str) -> Option<&str> {
        let whole = path.split('[').next().unwrap_or(path);
        self.0.get(path).or_else(|| self.0.get(whole)).map(String::as_str)
    }

    /// Returns paths and origins of all values that a spec has, in the spec's order.
    #[must_use]
    pub fn of_spec<'s>(&'s self, spec: &Value) -> Vec<(String, &'s str)> {
        let mut found = Vec::new();
        for_each_leaf("", spec, &mut |leaf, _| {
            let origin = self.of(&leaf).unwrap_or_default();
            found.push((leaf, origin));
        });
        found
    }
}

/// Visits everything that is no object with members.
fn for_each_leaf<'v>(path: &str, value: &'v Value, visit: &mut impl FnMut(String, &'v Value)) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter().for_each(|(key, value)| for_each_leaf(&join(path, key), value, visit));
        }
        value => visit(path.into(), value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn later_marks_win_and_groups_keep_their_members() {
        let mut origins = Origins::default();
        origins.mark("", &json!({"a": {"b": 1, "c": [2]}, "d": 3}), "template");
        origins.mark("a.b", &json!(5), "--set");
        origins.mark("a", &json!({"c": [1]}), "rule");
        let spec = json!({"a": {"b": 5, "c": [1]}, "d": 3});
        let found = origins.of_spec(&spec);
        assert_eq!(found, [("a.b".into(), "--set"), ("a.c".into(), "rule"), ("d".into(), "template")]);
        assert_eq!(origins.of("a.c[0]"), Some("rule"));
        origins.mark_changes(&spec, &json!({"a": {"b": 5, "c": [1]}, "d": 4}), "data");
        assert_eq!((origins.of("a.b"), origins.of("d")), (Some("--set"), Some("data")));
        origins.mark("a", &json!(null), "rule");
        assert_eq!(origins.of("a.b"), None);
    }
}
