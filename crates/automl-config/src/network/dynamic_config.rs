//! Section `dynamic_config`: rules that change a spec by model type, parent job and action.
//!
//! Only the shape is read here; applying the rules to a spec is `resolve::dynamic`'s business.

use crate::fields::{Fields, join, string, strings, wrong_type};
use crate::nearest::did_you_mean;
use crate::node::{Data, Entry, Node};
use crate::problem::{Code, Report};
use crate::spec::SpecPath;
use serde_json::Value;

/// The rules of a network, each list in file order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DynamicConfig {
    /// Spec key that holds the model type.
    pub(crate) model_type_key: Option<String>,
    /// Rules by model type.
    pub(crate) model_types: Vec<(String, ModelTypeRule)>,
    /// Rules by the action of the parent job.
    pub(crate) parent_actions: Vec<(String, ParentRule)>,
    /// Rules by the action that is run.
    pub(crate) actions: Vec<(String, ActionRule)>,
    /// Values of keys that are still empty in the end.
    pub(crate) defaults: Vec<(String, Value)>,
}

/// What a model type asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ModelTypeRule {
    pub(crate) remove: Vec<String>,
    /// Further keys to remove, by action.
    pub(crate) remove_if_action: Vec<(String, Vec<String>)>,
    pub(crate) transform: Option<SpecTransform>,
}

/// A transform of a whole spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpecTransform {
    /// One text with two pretrained paths becomes two keys.
    SplitPretrainedPaths,
}

/// What a parent job of a certain action asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ParentRule {
    pub(crate) set_value: Vec<(String, Value)>,
    /// Gates `set_value`.
    pub(crate) condition: Option<Condition>,
    pub(crate) restriction: Restriction,
    pub(crate) check: Option<ParentCheck>,
}

/// Values that are set if the parent's spec says something.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ParentCheck {
    /// Spec keys of the parent and their expected values; any match is enough.
    pub(crate) expected: Vec<(String, Value)>,
    pub(crate) set_value: Vec<(String, Value)>,
}

/// A comparison with the metadata of the job's dataset, or with the spec.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) subject: Subject,
    /// Value compared with.
    pub(crate) value: Value,
    /// Whether the two must be equal or must differ.
    pub(crate) equal: bool,
}

/// What a condition looks at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Subject {
    /// A key of the dataset's metadata.
    Metadata(String),
    /// A key of the spec.
    Spec(String),
}

/// Actions that a parent rule is limited to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Restriction {
    #[default]
    None,
    /// All keys, for these actions only.
    Actions(Vec<String>),
    /// The named keys for their actions only; other keys for all.
    ByKey(Vec<(String, Vec<String>)>),
}

/// What an action asks for: values first, then removals.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ActionRule {
    pub(crate) set_value: Vec<(String, Value)>,
    pub(crate) remove: Vec<String>,
}

impl Restriction {
    /// Tells whether a key may be set in an action.
    pub(crate) fn allows(&self, key: &str, action: &str) -> bool {
        let holds = |actions: &[String]| actions.iter().any(|a| a == action);
        match self {
            Restriction::None => true,
            Restriction::Actions(actions) => holds(actions),
            Restriction::ByKey(keys) => keys.iter().all(|(named, actions)| named != key || holds(actions)),
        }
    }
}

impl DynamicConfig {
    pub(super) fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, "dynamic_config", report)?;
        let config = DynamicConfig {
            model_type_key: fields.string("model_type_key", report),
            model_types: read_named(&mut fields, "rules", report, ModelTypeRule::read),
            parent_actions: read_named(&mut fields, "parent_action_rules", report, ParentRule::read),
            actions: read_named(&mut fields, "action_rules", report, ActionRule::read),
            defaults: read_values(&mut fields, "defaults", report),
        };
        if let (None, Some(rules)) = (&config.model_type_key, fields.node("rules")) {
            let message = "`rules` depend on `model_type_key`, which is missing";
            report.error(rules.at, "dynamic_config", Code::MissingKey, message);
        }
        fields.close_leniently(report);
        Some(config)
    }
}

impl ModelTypeRule {
    fn read(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, path, report)?;
        let rule = ModelTypeRule {
            remove: read_keys(&mut fields, "remove", report),
            remove_if_action: read_named(&mut fields, "remove_if_action", report, |node, path, report| {
                Some(sound_keys(node, strings(node, path, report), path, report))
            }),
            transform: read_transform(&mut fields, report),
        };
        fields.close_leniently(report);
        Some(rule)
    }
}

impl ParentRule {
    fn read(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, path, report)?;
        let rule = ParentRule {
            set_value: read_values(&mut fields, "set_value", report),
            condition: read_condition(&mut fields, report),
            restriction: read_restriction(&mut fields, report),
            check: read_check(&mut fields, report),
        };
        fields.close_leniently(report);
        Some(rule)
    }
}

impl ActionRule {
    fn read(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, path, report)?;
        let rule = ActionRule {
            set_value: read_values(&mut fields, "set_value", report),
            remove: read_keys(&mut fields, "remove", report),
        };
        fields.close_leniently(report);
        Some(rule)
    }
}

/// Reads an object of named rules in file order.
fn read_named<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    report: &mut Report,
    read: impl Fn(&Node, &str, &mut Report) -> Option<T>,
) -> Vec<(String, T)> {
    let path = fields.path_of(key);
    let Some(node) = fields.node(key) else { return Vec::new() };
    let Some(entries) = node.entries() else {
        return wrong_type(node, &path, "an object", report).unwrap_or_default();
    };
    let one = |entry: &Entry| {
        read(&entry.value, &join(&path, &entry.key), report).map(|value| (entry.key.clone(), value))
    };
    entries.iter().filter_map(one).collect()
}

/// Reads an object of spec keys and values.
fn read_values(fields: &mut Fields<'_>, key: &'static str, report: &mut Report) -> Vec<(String, Value)> {
    let values = read_named(fields, key, report, |node, path, report| match node.to_json() {
        Some(value) => Some((node.at, value)),
        None => wrong_type(node, path, "a finite value", report),
    });
    let path = fields.path_of(key);
    let sound = values.into_iter().filter(|(key, (at, _))| is_key(key, *at, &path, report));
    sound.map(|(key, (_, value))| (key, value)).collect()
}

fn read_keys(fields: &mut Fields<'_>, key: &'static str, report: &mut Report) -> Vec<String> {
    let path = fields.path_of(key);
    let keys = fields.strings(key, report);
    fields.node(key).map(|node| sound_keys(node, keys, &path, report)).unwrap_or_default()
}

fn sound_keys(node: &Node, keys: Vec<String>, path: &str, report: &mut Report) -> Vec<String> {
    keys.into_iter().filter(|key| is_key(key, node.at, path, report)).collect()
}

fn is_key(key: &str, at: crate::problem::Position, path: &str, report: &mut Report) -> bool {
    match key.parse::<SpecPath>() {
        Ok(_) => true,
        Err(why) => {
            report.error(at, path, Code::BadValue, why);
            false
        }
    }
}

fn read_transform(fields: &mut Fields<'_>, report: &mut Report) -> Option<SpecTransform> {
    let path = fields.path_of("transform");
    let node = fields.node("transform")?;
    let name = string(node, &path, report)?;
    if name == "split_pretrained_paths" {
        return Some(SpecTransform::SplitPretrainedPaths);
    }
    let hint = did_you_mean(&name, ["split_pretrained_paths"]);
    report
        .warning(node.at, &path, Code::Unsupported, format!("transform `{name}` is unknown and skipped"))
        .hint(hint);
    None
}

fn read_condition(fields: &mut Fields<'_>, report: &mut Report) -> Option<Condition> {
    let path = fields.path_of("conditional");
    let node = fields.node("conditional")?;
    let mut inner = Fields::open(node, &path, report)?;
    let subject = match (inner.string("metadata_key", report), inner.string("config_path", report)) {
        (Some(key), None) => Some(Subject::Metadata(key)),
        (None, Some(key)) => is_key(&key, node.at, &path, report).then_some(Subject::Spec(key)),
        _ => {
            let message = "a condition needs either `metadata_key` or `config_path`";
            report.error(node.at, &path, Code::MissingKey, message);
            None
        }
    };
    let equals = inner.node("equals").and_then(Node::to_json).map(|value| (value, true));
    let differs = inner.node("not_equals").and_then(Node::to_json).map(|value| (value, false));
    inner.close_leniently(report);
    let Some((value, equal)) = equals.or(differs) else {
        let message = "a condition needs `equals` or `not_equals` with a finite value";
        report.error(node.at, &path, Code::MissingKey, message);
        return None;
    };
    subject.map(|subject| Condition { subject, value, equal })
}

/// A list of actions, or an object of spec keys with lists of actions.
fn read_restriction(fields: &mut Fields<'_>, report: &mut Report) -> Restriction {
    let path = fields.path_of("action_restriction");
    match fields.node("action_restriction") {
        None => Restriction::None,
        Some(node) if matches!(node.data, Data::Map(_)) => {
            let keys = read_named(fields, "action_restriction", report, |node, path, report| {
                Some(strings(node, path, report))
            });
            Restriction::ByKey(keys)
        }
        Some(node) => Restriction::Actions(strings(node, &path, report)),
    }
}

/// Everything beside `if_match` is a key of the parent's spec.
fn read_check(fields: &mut Fields<'_>, report: &mut Report) -> Option<ParentCheck> {
    let path = fields.path_of("check_parent_specs");
    let node = fields.node("check_parent_specs")?;
    let mut check = ParentCheck::default();
    let mut inner = Fields::open(node, &path, report)?;
    if let Some(node) = inner.node("if_match") {
        let mut matched = Fields::open(node, &join(&path, "if_match"), report)?;
        check.set_value = read_values(&mut matched, "set_value", report);
        matched.close_leniently(report);
    }
    for entry in node.entries().unwrap_or_default().iter().filter(|e| e.key != "if_match") {
        let sound = is_key(&entry.key, entry.key_at, &path, report);
        check
            .expected
            .extend(entry.value.to_json().filter(|_| sound).map(|value| (entry.key.clone(), value)));
    }
    Some(check)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read_json;

    fn read(text: &str) -> (DynamicConfig, Vec<String>) {
        let mut report = Report::new("f");
        let node = read_json(text, &mut report).unwrap();
        let config = DynamicConfig::read(&node, &mut report).unwrap();
        (config, report.into_problems().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn restrictions_name_actions_or_keys() {
        let (config, problems) = read(
            r#"{"parent_action_rules": {"a": {"action_restriction": ["x"]},
                "b": {"action_restriction": {"k": ["x"]}}, "c": {}}}"#,
        );
        assert_eq!(problems, [""; 0]);
        let allows = |rule: usize, key: &str, action: &str| {
            config.parent_actions[rule].1.restriction.allows(key, action)
        };
        assert!(allows(0, "k", "x") && !allows(0, "k", "y"));
        assert!(allows(1, "k", "x") && !allows(1, "k", "y") && allows(1, "other", "y"));
        assert!(allows(2, "k", "y"));
    }

    #[test]
    fn mistakes_in_rules_are_located() {
        let (_, problems) = read(
            r#"{"rules": {"rgb": {"remove": ["a..b"], "transform": "split"}},
                "parent_action_rules": {"x": {"conditional": {"equals": 1}}},
                "action_rules": {"y": {"drop": ["z"]}}}"#,
        );
        assert_eq!(
            problems,
            [
                "f:1:11: error: dynamic_config: `rules` depend on `model_type_key`, which is missing",
                "f:1:30: error: dynamic_config.rules.rgb.remove: `a..b` has an empty segment",
                "f:1:53: warning: dynamic_config.rules.rgb.transform: transform `split` is unknown and skipped (known: `split_pretrained_paths`)",
                "f:2:62: error: dynamic_config.parent_action_rules.x.conditional: a condition needs either `metadata_key` or `config_path`",
                "f:3:40: warning: dynamic_config.action_rules.y: unknown key `drop` is ignored (known: `set_value`, `remove`)",
            ]
        );
    }
}
