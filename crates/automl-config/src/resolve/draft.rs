//! A spec on its way from the template to the base of a recipe, with the origin of each value.

use crate::recipe::Origins;
use crate::spec::SpecPath;
use serde_json::Value;

/// A spec and where its values came from.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) spec: Value,
    pub(super) origins: Origins,
}

impl Draft {
    /// Begins with a default spec.
    pub(super) fn new(spec: Value, origin: &str) -> Self {
        let mut origins = Origins::default();
        origins.mark_changes(&Value::Null, &spec, origin);
        Draft { spec, origins }
    }

    /// Returns the value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        key.parse::<SpecPath>().ok()?.get(&self.spec)
    }

    /// Sets a key; one that is none was reported when it was read.
    pub(super) fn set(&mut self, key: &str, value: Value, origin: &str) {
        if let Ok(path) = key.parse::<SpecPath>() {
            self.origins.mark(&path.to_string(), &value, origin);
            path.set(&mut self.spec, value);
        }
    }

    /// Lets a stage change the spec; what differs afterwards came from it.
    pub(super) fn change<T>(&mut self, origin: &str, stage: impl FnOnce(&mut Value) -> T) -> T {
        let before = self.spec.clone();
        let result = stage(&mut self.spec);
        self.origins.mark_changes(&before, &self.spec, origin);
        result
    }

    /// Says of keys that they were set, even to what they were before.
    pub(super) fn claim(&mut self, keys: &[String], origin: &str) {
        for key in keys {
            let value = self.get(key).cloned();
            if let (Ok(path), Some(value)) = (key.parse::<SpecPath>(), value) {
                self.origins.mark(&path.to_string(), &value, origin);
            }
        }
    }
}
