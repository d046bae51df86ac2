//! `key=value` settings laid over the default spec.

use crate::nearest::did_you_mean;
use crate::problem::{Code, Position, Problem, Report};
use crate::read::Format;
use crate::schema::{At, Schema, check_value};
use crate::spec::{Secrets, SpecPath, is_secret};
use serde_json::Value;

/// The settings of a request, applied.
pub(super) struct Applied {
    /// Keys that were set, in the order given.
    pub(super) keys: Vec<String>,
    /// Keys whose values are not kept.
    pub(super) secret_keys: Vec<String>,
    pub(super) secrets: Secrets,
}

impl Applied {
    /// Tells whether the user set a key or an object around it.
    pub(super) fn covers(&self, key: &str) -> bool {
        self.keys
            .iter()
            .any(|set| key == set || key.strip_prefix(set.as_str()).is_some_and(|rest| rest.starts_with('.')))
    }
}

/// Applies settings to a spec; secrets are kept out of it.
pub(super) fn apply(
    settings: &[String],
    schema: &Schema,
    spec: &mut Value,
    problems: &mut Vec<Problem>,
) -> Applied {
    let mut applied = Applied { keys: Vec::new(), secret_keys: Vec::new(), secrets: Secrets::default() };
    for setting in settings {
        let mut report = Report::new(format!("--set '{}'", shown(setting)));
        if let Some((key, path, value)) = read(setting, schema, &mut report) {
            applied.keys.push(key.clone());
            if is_secret(&key) {
                applied.secrets.insert(&key, value);
                if !applied.secret_keys.contains(&key) {
                    applied.secret_keys.push(key);
                }
            } else {
                path.set(spec, value);
            }
        }
        problems.extend(report.into_problems());
    }
    applied
}

/// A setting as problems show it: a secret's value stays out of messages.
fn shown(setting: &str) -> String {
    match setting.split_once('=') {
        Some((key, _)) if is_secret(key) => format!("{key}=…"),
        _ => setting.into(),
    }
}

fn read(setting: &str, schema: &Schema, report: &mut Report) -> Option<(String, SpecPath, Value)> {
    let Some((key, text)) = setting.split_once('=') else {
        let problem = report.error(Position::in_flag(1), "", Code::Syntax, "there is no `=`");
        problem.hint("write --set key=value");
        return None;
    };
    let path: SpecPath = match key.parse() {
        Ok(path) => path,
        Err(why) => {
            report.error(Position::in_flag(1), "", Code::BadValue, why);
            return None;
        }
    };
    if !schema.knows(&path.to_string()) {
        let hint = did_you_mean(key, schema.names());
        report
            .error(Position::in_flag(1), "", Code::UnknownName, format!("no key `{key}` in the spec"))
            .hint(hint);
        return None;
    }
    let position = Position::in_flag(key.chars().count() + 2);
    let mut inner = Report::new("");
    let value =
        Format::Yaml.read(text, &mut inner).filter(|_| !inner.has_errors()).and_then(|node| node.to_json());
    let Some(value) = value else {
        report.error(position, key, Code::Syntax, "the value is not YAML of finite numbers").hint("quote it");
        return None;
    };
    if let Some(leaf) = schema.leaf(key) {
        check_value(leaf, &value, At { position, path: key }, report);
    }
    if report.has_errors() {
        return None;
    }
    Some((path.to_string(), path, value))
}
