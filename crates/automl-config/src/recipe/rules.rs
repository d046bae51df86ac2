//! Rules that change the spec of an attempt once its parameters are known: what `dynamic_config` asks
//! for by action and model type.
//!
//! They run when a spec is built and not when a study is resolved, because the model type itself may be
//! a parameter of the search.

use super::origin::Origins;
use crate::spec::SpecPath;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Key that may hold two pretrained paths in one text, and the key that the second one belongs to.
const SPLIT: (&str, &str) = ("model.rgb_pretrained_model_path", "model.of_pretrained_model_path");

/// The rules of one action, applied in the order of the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SpecRules {
    /// Values that the action needs.
    pub(crate) set: Vec<(String, Value)>,
    /// Keys that the action does not know.
    pub(crate) remove: Vec<String>,
    /// Spec key with the model type.
    pub(crate) model_type_key: Option<String>,
    /// What to do for each model type.
    pub(crate) model_types: Vec<(String, ModelTypeRules)>,
    /// Values of keys that are empty in the end.
    pub(crate) defaults: Vec<(String, Value)>,
}

/// What one model type asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ModelTypeRules {
    pub(crate) remove: Vec<String>,
    pub(crate) split_pretrained_paths: bool,
}

impl SpecRules {
    /// Tells whether there is nothing to do for any spec.
    pub(crate) fn is_idle(&self) -> bool {
        *self == SpecRules::default()
    }

    /// Applies the rules and notes where values came from.
    pub(crate) fn apply(&self, spec: &mut Value, origins: &mut Origins) {
        for (key, value) in &self.set {
            set(spec, key, value.clone(), "dynamic_config.action_rules", origins);
        }
        self.remove.iter().for_each(|key| remove(spec, key));
        if let Some(rules) = self.of_model_type(spec) {
            rules.remove.iter().for_each(|key| remove(spec, key));
            if rules.split_pretrained_paths {
                split_pretrained_paths(spec, origins);
            }
        }
        for (key, value) in &self.defaults {
            if get(spec, key).is_none_or(is_empty) {
                set(spec, key, value.clone(), "dynamic_config.defaults", origins);
            }
        }
    }

    /// Returns the rules for the model type that a spec has.
    fn of_model_type(&self, spec: &Value) -> Option<&ModelTypeRules> {
        let found = get(spec, self.model_type_key.as_ref()?)?;
        let name = found.as_str().map_or_else(|| found.to_string(), String::from);
        self.model_types.iter().find(|(known, _)| *known == name).map(|(_, rules)| rules)
    }

    /// Returns the keys that the rules take out of a spec.
    pub(crate) fn removed(&self, spec: &Value) -> Vec<&str> {
        let by_type = self.of_model_type(spec).map(|rules| rules.remove.as_slice()).unwrap_or_default();
        self.remove.iter().chain(by_type).map(String::as_str).collect()
    }
}

/// Tells whether a value counts as not given: null, false, zero, an empty text, list or object.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// `a_rgb_b,c_of_d`: the part that says `_rgb_` (else the first) stays, the one that says `_of_` (else
/// the second) goes to the other key.
fn split_pretrained_paths(spec: &mut Value, origins: &mut Origins) {
    let Some(text) = get(spec, SPLIT.0).and_then(Value::as_str) else { return };
    let parts: Vec<String> = text.split(',').map(|part| part.trim().to_string()).collect();
    if parts.len() < 2 {
        return;
    }
    let part = |mark: &str, place: usize| {
        parts.iter().find(|part| part.contains(mark)).unwrap_or(&parts[place]).clone()
    };
    for (key, value) in [(SPLIT.0, part("_rgb_", 0)), (SPLIT.1, part("_of_", 1))] {
        set(spec, key, value.into(), "dynamic_config: split_pretrained_paths", origins);
    }
}

/// Sets a key; keys are checked when a config is read.
pub(super) fn set(spec: &mut Value, key: &str, value: Value, origin: &str, origins: &mut Origins) {
    if let Ok(path) = key.parse::<SpecPath>() {
        origins.mark(&path.to_string(), &value, origin);
        path.set(spec, value);
    }
}

/// Returns the value of a key.
pub(super) fn get<'v>(spec: &'v Value, key: &str) -> Option<&'v Value> {
    key.parse::<SpecPath>().ok()?.get(spec)
}

/// Takes a key out of a spec.
pub(super) fn remove(spec: &mut Value, key: &str) {
    if let Ok(path) = key.parse::<SpecPath>() {
        path.remove(spec);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn applied(rules: &SpecRules, mut spec: Value) -> Value {
        rules.apply(&mut spec, &mut Origins::default());
        spec
    }

    #[test]
    fn defaults_fill_what_is_empty_only() {
        let rules = SpecRules {
            defaults: vec![("d.map".into(), json!({"catch": 0, "smile": 1})), ("n".into(), json!(3))],
            ..SpecRules::default()
        };
        assert_eq!(
            applied(&rules, json!({"d": {"map": {}}, "n": 0})),
            json!({"d": {"map": {"catch": 0, "smile": 1}}, "n": 3})
        );
        let own = json!({"d": {"map": {"walk": 0}}, "n": 7});
        assert_eq!(applied(&rules, own.clone()), own);
    }

    #[test]
    fn split_paths_follow_their_marks() {
        let rules = ModelTypeRules { split_pretrained_paths: true, ..ModelTypeRules::default() };
        let rules = SpecRules {
            model_type_key: Some("model.model_type".into()),
            model_types: vec![("joint".into(), rules)],
            ..SpecRules::default()
        };
        let model = |rgb: &str| json!({"model": {"model_type": "joint", "rgb_pretrained_model_path": rgb}});
        for (text, rgb, of) in [
            ("/m/x_of_1.pth,/m/x_rgb_1.pth", "/m/x_rgb_1.pth", "/m/x_of_1.pth"),
            ("/a.pth, /b.pth", "/a.pth", "/b.pth"),
        ] {
            let spec = applied(&rules, model(text));
            assert_eq!(spec["model"]["rgb_pretrained_model_path"], rgb);
            assert_eq!(spec["model"]["of_pretrained_model_path"], of);
        }
        assert_eq!(applied(&rules, model("/one.pth")), model("/one.pth"));
    }
}
