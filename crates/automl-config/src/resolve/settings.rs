//! `key=value` settings laid over the default spec.

use crate::fields::join;
use crate::problem::{Code, Position, Problem, Report};
use crate::read::Format;
use crate::schema::{At, Kind, NO_BRANCH, Schema, check_value};
use crate::spec::{Secrets, SpecPath, hide_logins, holds_login, is_secret};
use serde_json::Value;
use std::collections::BTreeMap;

/// The settings of a request, applied.
#[derive(Default)]
pub(super) struct Applied {
    /// Keys that were set, in the order given.
    pub(super) keys: Vec<String>,
    /// Keys whose values are not kept.
    pub(super) secret_keys: Vec<String>,
    pub(super) secrets: Secrets,
    /// Branches taken, by the name of the group.
    pub(super) branches: BTreeMap<String, String>,
}

impl Applied {
    /// Returns settings that are nothing but secrets.
    fn of_secrets(secrets: Vec<(String, Value)>) -> Self {
        let mut applied = Applied::default();
        for (key, value) in secrets {
            applied.secrets.insert(&key, value);
            applied.secret_keys.push(key);
        }
        applied
    }

    /// Remembers a value that is not kept.
    pub(super) fn keep_secret(&mut self, key: String, value: Value) {
        self.secrets.insert(&key, value);
        if !self.secret_keys.contains(&key) {
            self.secret_keys.push(key);
        }
    }

    /// Tells whether the user set a key or an object around it.
    pub(super) fn covers(&self, key: &str) -> bool {
        self.keys
            .iter()
            .any(|set| key == set || key.strip_prefix(set.as_str()).is_some_and(|rest| rest.starts_with('.')))
    }
}

/// Applies settings to a spec; secrets are kept out of it. Problems are those of where the settings come from.
pub(super) fn apply(
    settings: &[String],
    origin: &str,
    schema: &Schema,
    spec: &mut Value,
    problems: &mut Vec<Problem>,
) -> Applied {
    let mut applied = Applied::default();
    for setting in settings {
        let mut report = Report::new(format!("{origin} '{}'", shown(setting)));
        let mut leaves = Vec::new();
        if let Some((key, column, value)) = read(setting, &mut report) {
            let position = Position::in_flag(column);
            flatten(key, value, schema, &mut leaves);
            leaves.retain(|(key, value)| is_sound(key, value, position, schema, &mut report));
        }
        if !report.has_errors() {
            leaves.into_iter().for_each(|(key, value)| applied.take(key, value, schema, spec));
        }
        problems.extend(report.into_problems());
    }
    applied
}

/// Lays the user's own spec over a spec, but for the keys that datasets fill; secrets are kept out of it.
pub(super) fn lay_over(own: &Value, filled: &[String], schema: &Schema, spec: &mut Value) -> Applied {
    let paths: Vec<SpecPath> = filled.iter().filter_map(|key| key.parse().ok()).collect();
    let before: Vec<Option<Value>> = paths.iter().map(|path| path.get(spec).cloned()).collect();
    let secrets = schema.lay_over(spec, own);
    paths.iter().zip(before).for_each(|(path, value)| path.set(spec, value.unwrap_or_default()));
    Applied::of_secrets(secrets)
}

impl Applied {
    /// Returns these settings and later ones together.
    pub(super) fn and(mut self, later: Applied) -> Applied {
        self.keys.extend(later.keys);
        self.branches.extend(later.branches);
        for key in later.secret_keys {
            let value = later.secrets.get(&key).unwrap_or_default();
            self.keep_secret(key, value);
        }
        self
    }

    fn take(&mut self, key: String, value: Value, schema: &Schema, spec: &mut Value) {
        if schema.leaf(&key).is_some_and(|leaf| leaf.kind == Kind::Branch) {
            let taken = value.as_str().unwrap_or(NO_BRANCH).to_string();
            self.branches.insert(key, taken);
            return;
        }
        if is_secret(&key) || holds_login(&value) {
            self.keep_secret(key.clone(), value);
        } else {
            let path: SpecPath = key.parse().expect("only sound keys are taken");
            path.set(spec, value);
        }
        self.keys.push(key);
    }
}

/// A setting as problems show it: values that may be or hold a secret stay out of messages.
fn shown(setting: &str) -> String {
    match setting.split_once('=') {
        Some((key, value)) if is_secret(key) || value.trim_start().starts_with('{') => format!("{key}=…"),
        _ => hide_logins(setting),
    }
}

/// Splits a setting into key, column of the value, and value.
fn read(setting: &str, report: &mut Report) -> Option<(String, usize, Value)> {
    let Some((key, text)) = setting.split_once('=') else {
        let problem = report.error(Position::in_flag(1), "", Code::Syntax, "there is no `=`");
        problem.hint("write --set key=value");
        return None;
    };
    let column = key.chars().count() + 2;
    let mut inner = Report::new("");
    let node = Format::Yaml.read(text, &mut inner).filter(|_| !inner.has_errors());
    match node.and_then(|node| node.to_json()) {
        Some(value) => Some((key.trim().into(), column, value)),
        None => {
            let message = "the value is not YAML of finite numbers";
            report.error(Position::in_flag(column), key, Code::Syntax, message).hint("quote it");
            None
        }
    }
}

/// An object for a group of keys is a setting for each of them. In a group of branches, null is for those that
/// are not taken, and the only one that is there is taken.
fn flatten(key: String, value: Value, schema: &Schema, leaves: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) if is_group(&key, schema) && !map.is_empty() => {
            let branches = schema.leaf(&key).filter(|leaf| leaf.kind == Kind::Branch);
            let there: Vec<&String> =
                map.iter().filter(|(_, v)| !v.is_null()).map(|(name, _)| name).collect();
            match (branches, there.as_slice()) {
                (Some(_), [taken]) => leaves.push((key.clone(), Value::from(taken.as_str()))),
                (Some(_), []) => leaves.push((key.clone(), Value::Null)),
                _ => {}
            }
            for (inner, value) in map.into_iter().filter(|(_, v)| branches.is_none() || !v.is_null()) {
                flatten(join(&key, &inner), value, schema, leaves);
            }
        }
        value => {
            let value = schema.leaf(&key).map_or(value.clone(), |leaf| leaf.typed(value));
            leaves.push((key, value));
        }
    }
}

fn is_group(key: &str, schema: &Schema) -> bool {
    schema.leaf(key).is_none_or(|leaf| leaf.kind == Kind::Branch)
}

fn is_sound(key: &str, value: &Value, position: Position, schema: &Schema, report: &mut Report) -> bool {
    let path: SpecPath = match key.parse() {
        Ok(path) => path,
        Err(why) => {
            report.error(Position::in_flag(1), "", Code::BadValue, why);
            return false;
        }
    };
    if !schema.knows(&path.to_string()) {
        let hint = schema.advice_for(key);
        let message = format!("no key `{key}` in the spec");
        report.error(Position::in_flag(1), "", Code::UnknownName, message).hint(hint);
        return false;
    }
    if let Some(leaf) = schema.leaf(key) {
        if leaf.kind == Kind::Branch
            && value.is_null()
            && !leaf.options.iter().any(|o| o.to_string() == NO_BRANCH)
        {
            let message = format!("one of `{key}` has to be taken");
            report.error(position, key, Code::BadValue, message).hint(format!("--set {key}=NAME"));
            return false;
        }
        check_value(leaf, value, At { position, path: key }, report);
    } else if !value.is_null() && schema.names().any(|name| name.starts_with(&format!("{key}."))) {
        let message = format!("`{key}` is a group of keys and needs an object");
        report
            .error(position, key, Code::WrongType, message)
            .hint(format!("set one of its keys: {key}.NAME=VALUE"));
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::schema_of;
    use serde_json::json;

    fn check(settings: &[&str]) -> (Value, Applied, Vec<String>) {
        let schema = schema_of(
            r#"{"properties": {"train": {"properties": {
                "lr": {"type": "float", "default": 0.1, "maximum": 1},
                "steps": {"type": "list", "default": [1]},
                "tags": {"type": "dict", "default": {}},
                "api_key": {"type": "string", "default": ""}}}}}"#,
        );
        let settings: Vec<String> = settings.iter().map(|s| (*s).to_string()).collect();
        let mut spec = schema.default.clone();
        let mut problems = Vec::new();
        let applied = apply(&settings, "--set", &schema, &mut spec, &mut problems);
        (spec, applied, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn values_are_yaml() {
        let (spec, applied, problems) =
            check(&["train.lr=1e-3", "train.steps=[2, 3]", "train.steps[1]=5", "train.tags={a: b}"]);
        assert_eq!(spec, json!({"train": {"lr": 1e-3, "steps": [2, 5], "tags": {"a": "b"}, "api_key": ""}}));
        assert_eq!(problems, [""; 0]);
        assert!(applied.covers("train.lr") && !applied.covers("train"));
    }

    #[test]
    fn groups_are_set_key_by_key() {
        let (spec, applied, problems) = check(&["train={lr: 0.5, api_key: swordfish}"]);
        assert_eq!(spec["train"]["lr"], 0.5);
        assert_eq!(spec["train"]["api_key"], "");
        assert_eq!(applied.secret_keys, ["train.api_key"]);
        assert_eq!(problems, [""; 0]);
        let (_, _, problems) = check(&["train={rl: 0.5, api_key: swordfish}", "train=1"]);
        assert_eq!(
            problems,
            [
                "--set 'train=…':1: error: no key `train.rl` in the spec (did you mean `train.lr`?)",
                "--set 'train=1':7: error: train: `train` is a group of keys and needs an object (set one of its keys: train.NAME=VALUE)",
            ]
        );
    }

    #[test]
    fn the_branch_that_is_there_is_taken() {
        let schema = schema_of(
            r#"{"properties": {"net": {"one_of": ["a", "b", "none"], "default": "a", "properties": {
                "a": {"properties": {"x": {"type": "int", "default": 1}}},
                "b": {"properties": {"y": {"type": "int", "default": 2}}}}}}}"#,
        );
        for (setting, taken, y) in [
            ("net={a: null, b: {y: 5}}", Some("b"), 5),
            ("net={a: null, b: null}", Some("none"), 2),
            ("net={a: {x: 3}, b: {y: 5}}", None, 5),
        ] {
            let (mut spec, mut problems) = (schema.default.clone(), Vec::new());
            let applied = apply(&[setting.into()], "--set", &schema, &mut spec, &mut problems);
            assert_eq!(problems.len(), 0, "{problems:?}");
            assert_eq!(applied.branches.get("net").map(String::as_str), taken, "{setting}");
            assert_eq!(spec["net"]["b"]["y"], y, "{setting}");
            assert!(spec["net"]["a"].is_object(), "branches stay until one is chosen: {setting}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let (_, _, problems) = check(&["train.api_key=[swordfish]"]);
        assert_eq!(
            problems,
            ["--set 'train.api_key=…':15: error: train.api_key: expected a text, found a list"]
        );
    }

    #[test]
    fn bounds_are_recommendations() {
        let (spec, _, problems) = check(&["train.lr=2"]);
        assert_eq!(spec["train"]["lr"], json!(2.0));
        assert_eq!(
            problems,
            ["--set 'train.lr=2':10: warning: train.lr: 2.0 is outside the schema's range ..1.0"]
        );
    }
}
