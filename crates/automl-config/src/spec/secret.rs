//! Values that must not be stored or shown: which keys hold them, and where they come from later.
//!
//! A recipe is kept in the study's log, so a secret is taken out of it. Within the process that was
//! given the secret it is remembered here; a resumed study reads it from the environment.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Ends of key names (last path segment, lower case) that hold secrets.
const SECRET_ENDINGS: [&str; 7] =
    ["encryption_key", "api_key", "access_key", "secret_key", "password", "token", "secret"];

/// Tells whether a spec key or variable holds a secret, by its last words: `encryption_key`,
/// `api_key`, `token`, `password` and the like.
#[must_use]
pub fn is_secret(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path).to_lowercase();
    SECRET_ENDINGS.iter().any(|ending| last == *ending || last.ends_with(&format!("_{ending}")))
}

/// Secret values by spec path. Never serialised, never printed.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Secrets(BTreeMap<String, Value>);

impl Secrets {
    pub(crate) fn insert(&mut self, path: &str, value: Value) {
        self.0.insert(path.into(), value);
    }

    /// Returns the value given to this process, else the environment's.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        let from_environment = || std::env::var(variable(path)).ok().map(Value::String);
        self.0.get(path).cloned().or_else(from_environment)
    }
}

impl Secrets {
    /// Returns a secret as it stands in texts.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.get(path).map(|value| value.as_str().map_or_else(|| value.to_string(), String::from))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.len())
    }
}

/// Returns the environment variable that supplies a secret: `AUTOML_SECRET_<PATH>`.
pub(crate) fn variable(path: &str) -> String {
    format!("AUTOML_SECRET_{}", crate::recipe::env_name(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_keys_are_recognised() {
        for path in ["encryption_key", "train.encryption_key", "wandb.api_key", "hf_token", "PASSWORD"] {
            assert!(is_secret(path), "{path}");
        }
        for path in ["train.lr", "model.num_tokens", "tokenizer", "key_metric", "token_size"] {
            assert!(!is_secret(path), "{path}");
        }
    }

    #[test]
    fn debug_output_hides_values() {
        let mut secrets = Secrets::default();
        secrets.insert("encryption_key", "swordfish".into());
        assert_eq!(format!("{secrets:?}"), "Secrets(1 hidden)");
        assert_eq!(secrets.get("encryption_key"), Some("swordfish".into()));
        assert_eq!(variable("wandb.api_key"), "AUTOML_SECRET_WANDB_API_KEY");
    }
}
