//! Groups of which one inner group is taken: one backbone, one head, one scheduler or none.
//!
//! A schema and the base of a spec have every branch with its defaults. A spec in the program's own shape has
//! null for the branches not taken. Which one is taken is a setting, or a parameter of a search, by the name
//! of the group.

use super::{Kind, NO_BRANCH, Schema};
use crate::spec::SpecPath;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The branching groups of a spec, outer ones first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Branches(Vec<Group>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Group {
    key: String,
    options: Vec<String>,
    /// The branch taken unless a parameter says otherwise.
    taken: String,
}

impl Branches {
    /// Decides which branches are taken: as the user says, else the only one that the spec has, else the
    /// schema's default.
    pub(crate) fn decide(schema: &Schema, asked: &BTreeMap<String, String>, spec: &Value) -> Self {
        let groups = schema.leaves.iter().filter(|leaf| leaf.kind == Kind::Branch);
        let decided = groups.map(|leaf| {
            let options: Vec<String> = leaf.options.iter().map(ToString::to_string).collect();
            let default = leaf.default.as_ref().and_then(Value::as_str).map(String::from);
            let first = options.first().cloned().unwrap_or_default();
            let taken = asked.get(&leaf.name).cloned().or_else(|| {
                // The schema's own defaults have every branch.
                let group = path(&leaf.name)?;
                if group.get(spec) == group.get(&schema.default) {
                    return None;
                }
                let there = present(&leaf.name, &options, spec);
                match there.as_slice() {
                    [] if options.iter().any(|option| option == NO_BRANCH) => Some(NO_BRANCH.into()),
                    [one] if options.len() > 1 => Some((*one).to_string()),
                    _ => None,
                }
            });
            Group { key: leaf.name.clone(), taken: taken.or(default).unwrap_or(first), options }
        });
        Branches(decided.collect())
    }

    /// Tells whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether a key is that of a branching group.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|group| group.key == key)
    }

    /// Returns the branch of a group that is taken unless a parameter says otherwise.
    pub(crate) fn taken(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|group| group.key == key).map(|group| group.taken.as_str())
    }

    /// Makes every branch that is not taken null. `chosen` gives the branch of a group that is a parameter.
    /// Returns the keys that became null.
    pub(crate) fn prune(&self, spec: &mut Value, chosen: impl Fn(&str) -> Option<String>) -> Vec<String> {
        let mut pruned = Vec::new();
        for group in &self.0 {
            let taken = chosen(&group.key).unwrap_or_else(|| group.taken.clone());
            let group_is_there = path(&group.key).is_some_and(|p| p.get(spec).is_some_and(Value::is_object));
            let others = group.options.iter().filter(|option| **option != taken && *option != NO_BRANCH);
            for option in others.filter(|_| group_is_there) {
                let key = format!("{}.{option}", group.key);
                if let Some(path) = path(&key) {
                    path.set(spec, Value::Null);
                    pruned.push(key);
                }
            }
        }
        pruned
    }
}

/// Returns the inner groups that a spec has; none where it lacks the group.
pub(crate) fn present<'o>(key: &str, options: &'o [String], spec: &Value) -> Vec<&'o str> {
    let group = path(key).and_then(|path| path.get(spec));
    let there = |option: &&String| group.and_then(|g| g.get(option.as_str())).is_some_and(|v| !v.is_null());
    options.iter().filter(there).map(String::as_str).collect()
}

fn path(key: &str) -> Option<SpecPath> {
    key.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::schema_of;
    use super::*;
    use serde_json::json;

    fn schema() -> Schema {
        schema_of(
            r#"{"properties": {
              "net": {"one_of": ["a", "b"], "default": "a", "properties": {
                "a": {"properties": {"x": {"type": "int", "default": 1}}},
                "b": {"properties": {"y": {"type": "int", "default": 2}}}}},
              "rate": {"one_of": ["none", "step"], "default": "step", "properties": {
                "step": {"properties": {"n": {"type": "int", "default": 3}}}}}}}"#,
        )
    }

    #[test]
    fn branches_not_taken_become_null() {
        let schema = schema();
        let branches = Branches::decide(&schema, &BTreeMap::new(), &schema.default);
        let mut spec = schema.default.clone();
        assert_eq!(spec, json!({"net": {"a": {"x": 1}, "b": {"y": 2}}, "rate": {"step": {"n": 3}}}));
        branches.prune(&mut spec, |_| None);
        assert_eq!(spec, json!({"net": {"a": {"x": 1}, "b": null}, "rate": {"step": {"n": 3}}}));
        let mut spec = schema.default.clone();
        let chosen = |key: &str| Some(if key == "net" { "b" } else { NO_BRANCH }.to_string());
        assert_eq!(branches.prune(&mut spec, chosen), ["net.a", "rate.step"]);
        assert_eq!(spec, json!({"net": {"a": null, "b": {"y": 2}}, "rate": {"step": null}}));
    }

    #[test]
    fn a_spec_in_the_programs_shape_says_which_is_taken() {
        let schema = schema();
        let spec = json!({"net": {"a": null, "b": {"y": 2}}, "rate": {"step": null}});
        let branches = Branches::decide(&schema, &BTreeMap::new(), &spec);
        assert_eq!((branches.taken("net"), branches.taken("rate")), (Some("b"), Some("none")));
        let asked = BTreeMap::from([("net".to_string(), "a".to_string())]);
        assert_eq!(Branches::decide(&schema, &asked, &spec).taken("net"), Some("a"));
    }

    #[test]
    fn keys_within_a_branch_depend_on_it() {
        let schema = schema();
        let conditions = schema.conditions(schema.leaf("net.b.y").unwrap());
        assert_eq!(conditions.len(), 1);
        assert_eq!((conditions[0].0.as_str(), conditions[0].1.words().as_str()), ("net", "\"b\""));
        assert_eq!(schema.conditions(schema.leaf("net").unwrap()), []);
    }
}
