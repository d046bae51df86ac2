//! Experiment specs: reading them, and the keys that mean the same to every trainer.
//!
//! A trainer's own keys live with the trainer. Nothing here opens a data file or touches a device.

mod course;
mod reader;

use std::path::PathBuf;

pub(crate) use course::{CheckpointInterval, Course, Devices};
pub(crate) use reader::{Range, SpecError, SpecReader};

use crate::cli::Action;

/// The whole spec after overrides, as YAML, with the encryption key masked.
pub(crate) fn masked_yaml(spec: &SpecReader) -> String {
    let mut tree = spec.tree().clone();
    if let Some(key) = tree.get_mut("encryption_key") {
        *key = "***".into();
    }
    serde_saphyr::to_string(&tree).expect("a tree of plain values is YAML")
}

/// Folder of the action's status file and checkpoints: `<action>.results_dir`, else
/// `results_dir/<action>`.
pub(crate) fn action_dir(spec: &SpecReader, action: Action) -> Result<PathBuf, SpecError> {
    let own = spec.path(&format!("{}.results_dir", action.name()))?;
    let below_shared = spec.path("results_dir")?.map(|dir| dir.join(action.name()));
    own.or(below_shared).ok_or_else(|| SpecError::Missing { key: "results_dir".into() })
}

/// The value of a key that the action cannot do without.
pub(crate) fn required<'a>(value: &'a Option<PathBuf>, key: &str) -> Result<&'a PathBuf, SpecError> {
    value.as_ref().ok_or_else(|| SpecError::Missing { key: key.to_owned() })
}

/// A whole number of 1 or more.
pub(crate) fn count(spec: &SpecReader, key: &str, default: i64) -> Result<u64, SpecError> {
    Ok(spec.integer(key, default, Range::POSITIVE_COUNT)? as u64)
}

/// A text that must be one of `choices`.
pub(crate) fn choice(
    spec: &SpecReader,
    key: &str,
    default: &str,
    choices: &[&str],
) -> Result<String, SpecError> {
    let value = spec.text(key)?.unwrap_or_else(|| default.to_owned());
    if choices.contains(&value.as_str()) {
        return Ok(value);
    }
    let allowed = format!("one of {}", choices.join(", "));
    Err(SpecError::OutOfRange { key: key.to_owned(), value, allowed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_follow_the_action() {
        let text = "results_dir: /r\nevaluate: {results_dir: /e}\nencryption_key: abc\n";
        let reader = SpecReader::parse(text, "spec.yaml", &[]).unwrap();
        assert_eq!(action_dir(&reader, Action::Train).unwrap(), PathBuf::from("/r/train"));
        assert_eq!(action_dir(&reader, Action::Evaluate).unwrap(), PathBuf::from("/e"));
        assert!(!masked_yaml(&reader).contains("abc"));
        let nowhere = SpecReader::parse("", "spec.yaml", &[]).unwrap();
        assert!(matches!(action_dir(&nowhere, Action::Train), Err(SpecError::Missing { .. })));
    }
}
