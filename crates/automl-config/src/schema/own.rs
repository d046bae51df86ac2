//! A spec of the user's own, in the program's shape: what it says stands for the schema's defaults.

use super::{Kind, NO_BRANCH, Schema, present};
use crate::fields::join;
use crate::spec::{SpecPath, holds_login, is_secret};
use serde_json::Value;

impl Schema {
    /// Takes a spec's values and branches for the defaults of the keys that it has.
    pub(crate) fn adopt(&mut self, spec: &Value) {
        for leaf in &mut self.leaves {
            let value = leaf.name.parse::<SpecPath>().ok().and_then(|path| path.get(spec)).cloned();
            let default = match (&leaf.kind, value) {
                (Kind::Branch, Some(_)) => {
                    let options: Vec<String> = leaf.options.iter().map(ToString::to_string).collect();
                    let none = || options.iter().find(|option| *option == NO_BRANCH).map(String::as_str);
                    let there = present(&leaf.name, &options, spec).first().copied().or_else(none);
                    there.map(Value::from)
                }
                (_, value) => value.filter(|v| !v.is_null() && !is_secret(&leaf.name)).map(|v| leaf.typed(v)),
            };
            leaf.default = default.or_else(|| leaf.default.take());
        }
    }

    /// Lays a spec over a base. Branches that it does not take stay in the base, as all do until one is chosen;
    /// secrets are left out and returned.
    pub(crate) fn lay_over(&self, base: &mut Value, spec: &Value) -> Vec<(String, Value)> {
        let mut secrets = Vec::new();
        self.lay_group(base, spec, "", &mut secrets);
        secrets
    }

    fn lay_group(&self, base: &mut Value, spec: &Value, path: &str, secrets: &mut Vec<(String, Value)>) {
        let group = self.leaf(path).filter(|leaf| leaf.kind == Kind::Branch);
        for (name, value) in spec.as_object().into_iter().flatten() {
            let key = join(path, name);
            let leaf = self.leaf(&key).filter(|leaf| leaf.kind != Kind::Branch);
            if group.is_some() && value.is_null() {
                continue;
            }
            let whole = leaf.is_some() || !value.is_object();
            if (is_secret(&key) && !value.is_null()) || (whole && holds_login(value)) {
                secrets.push((key, value.clone()));
                continue;
            }
            let Some(map) = base.as_object_mut() else { return };
            let place = map.entry(name.as_str()).or_insert(Value::Null);
            if whole {
                let is_branches = self.leaf(&key).is_some_and(|leaf| leaf.kind == Kind::Branch);
                // A group of branches that is null takes none of them.
                if !is_branches {
                    *place = leaf.map_or(value.clone(), |leaf| leaf.typed(value.clone()));
                }
                continue;
            }
            if !place.is_object() {
                *place = Value::Object(serde_json::Map::new());
            }
            self.lay_group(place, value, &key, secrets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema_of;
    use super::*;
    use serde_json::json;

    fn schema() -> Schema {
        schema_of(
            r#"{"properties": {
              "lr": {"type": "float", "default": 0.1},
              "size": {"type": "int", "default": 3},
              "api_key": {"type": "string", "default": null},
              "net": {"one_of": ["a", "b"], "default": "a", "properties": {
                "a": {"properties": {"x": {"type": "int", "default": 1}}},
                "b": {"properties": {"y": {"type": "int", "default": 2}, "z": {"type": "list", "default": [1, 2]}}}}},
              "rate": {"one_of": ["none", "step"], "default": "step", "properties": {
                "step": {"properties": {"n": {"type": "int", "default": 3}}}}}}}"#,
        )
    }

    #[test]
    fn a_spec_brings_its_own_defaults() {
        let mut schema = schema();
        schema.adopt(&json!({"lr": 1, "size": null, "net": {"a": null, "b": {"y": 7}}, "rate": null}));
        let default = |name: &str| schema.leaf(name).unwrap().default.clone().unwrap();
        assert_eq!((default("lr"), default("size")), (json!(1.0), json!(3)));
        assert_eq!(
            (default("net"), default("net.b.y"), default("net.a.x")),
            (json!("b"), json!(7), json!(1))
        );
        assert_eq!(default("rate"), "none");
    }

    #[test]
    fn branches_not_taken_and_secrets_are_not_laid_over() {
        let schema = schema();
        let mut base = schema.default.clone();
        let spec = json!({"size": null, "api_key": "swordfish",
            "net": {"a": null, "b": {"y": 7.0, "z": [3]}}, "rate": null});
        let secrets = schema.lay_over(&mut base, &spec);
        assert_eq!(secrets, [("api_key".to_string(), json!("swordfish"))]);
        assert_eq!(
            base,
            json!({"lr": 0.1, "size": null, "api_key": null, "net": {"a": {"x": 1}, "b": {"y": 7, "z": [3]}},
                "rate": {"step": {"n": 3}}})
        );
    }
}
