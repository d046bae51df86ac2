//! Spec files back into values.

use crate::files;
use crate::problem::{Code, Problem, Problems};
use serde_json::Value;
use std::path::Path;

/// Reads a spec file: YAML, JSON or TOML by its name.
///
/// # Errors
/// What is wrong with the file.
pub fn read_spec(path: &Path) -> Result<Value, Problems> {
    let node = files::require_tree(path)?;
    let not_plain = || {
        let message = "a spec is an object of finite values";
        Problems(vec![Problem::plain(path.display().to_string(), "", Code::WrongType, message)])
    };
    node.to_json().filter(Value::is_object).ok_or_else(not_plain)
}
