//! Sections `spec_params` and `automl_spec_params`: spec keys filled by named functions.
//!
//! A value that names no function is a literal, as the format has it. What each function gives is
//! decided where specs are built; here is only the table of names, meant to grow.

use crate::fields::{join, string, wrong_type};
use crate::node::Node;
use crate::problem::{Code, Report};
use serde::{Deserialize, Serialize};

/// What fills a spec key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Expression {
    /// A function without arguments.
    Call(Function),
    /// An interval that must not be longer than the training: at most the value of `limit`, or equal to
    /// the value of `equal_to` where that is given.
    Interval {
        /// Spec key whose value is the upper limit.
        limit: String,
        /// Spec key whose value is copied.
        equal_to: Option<String>,
    },
    /// The text itself.
    Literal(String),
    /// A function of the format that this version cannot evaluate; it leaves the key alone.
    Unsupported(String),
}

/// The functions, by what they give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Function {
    /// Folder that the attempt's results go to.
    ResultsDir,
    /// Checkpoint to carry on from, where there is one.
    ResumeCheckpoint,
    /// Whether there is a checkpoint to carry on from.
    HasResumeCheckpoint,
    /// Pretrained model, unless the attempt carries on from a checkpoint.
    PretrainedUnlessResumed,
    /// Pretrained model.
    Pretrained,
    /// Encryption key.
    EncryptionKey,
}

const FUNCTIONS: [(&str, Function); 10] = [
    ("automl_output_dir", Function::ResultsDir),
    ("output_dir", Function::ResultsDir),
    ("automl_resume_model", Function::ResumeCheckpoint),
    ("resume_model", Function::ResumeCheckpoint),
    ("automl_resume_model_bool", Function::HasResumeCheckpoint),
    ("automl_assign_ptm", Function::PretrainedUnlessResumed),
    ("automl_ptm_if_no_resume_model", Function::PretrainedUnlessResumed),
    ("ptm_if_no_resume_model", Function::PretrainedUnlessResumed),
    ("ptm", Function::Pretrained),
    ("key", Function::EncryptionKey),
];

/// Functions that need a parent job or name result files of single jobs.
const LATER_FUNCTIONS: [&str; 13] = [
    "parent_model",
    "parent_model_folder",
    "parent_model_or_ptm",
    "parent_model_evaluate",
    "pruned_model",
    "resume_model_or_ptm",
    "resume_model_bool",
    "create_onnx_file",
    "create_engine_file",
    "create_cal_cache",
    "create_inference_result_file_mal",
    "create_inference_result_file_pose",
    "merged_json",
];

impl Expression {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        match parts.as_slice() {
            ["assign_const_value", limit] => {
                Ok(Expression::Interval { limit: (*limit).into(), equal_to: None })
            }
            ["assign_const_value", limit, equal_to] => {
                Ok(Expression::Interval { limit: (*limit).into(), equal_to: Some((*equal_to).into()) })
            }
            ["assign_const_value", ..] => Err("needs one or two spec keys after it"),
            _ => Ok(match FUNCTIONS.iter().find(|(name, _)| *name == text) {
                Some((_, function)) => Expression::Call(*function),
                None if LATER_FUNCTIONS.contains(&text) => Expression::Unsupported(text.into()),
                None => Expression::Literal(text.into()),
            }),
        }
    }
}

/// Reads `{spec key: expression}` in file order.
pub(super) fn read(section: Option<&Node>, path: &str, report: &mut Report) -> Vec<(String, Expression)> {
    let Some(section) = section else { return Vec::new() };
    let Some(entries) = section.entries() else {
        return wrong_type(section, path, "an object of texts", report).unwrap_or_default();
    };
    let mut read = Vec::new();
    for entry in entries {
        let path = join(path, &entry.key);
        let Some(text) = string(&entry.value, &path, report) else { continue };
        match Expression::parse(&text) {
            Ok(expression) => read.push((entry.key.clone(), expression)),
            Err(why) => report
                .error(entry.value.at, &path, Code::BadValue, format!("`{text}` {why}"))
                .hint("write assign_const_value,train.num_epochs"),
        }
    }
    read
}

/// Reads `{action: {spec key: expression}}` in file order.
pub(super) fn read_by_action(
    section: Option<&Node>,
    report: &mut Report,
) -> Vec<(String, Vec<(String, Expression)>)> {
    let entries = section.and_then(Node::entries).unwrap_or_default();
    entries
        .iter()
        .map(|e| (e.key.clone(), read(Some(&e.value), &join("spec_params", &e.key), report)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_functions_are_literals() {
        assert_eq!(Expression::parse("automl_output_dir"), Ok(Expression::Call(Function::ResultsDir)));
        assert_eq!(Expression::parse("classify"), Ok(Expression::Literal("classify".into())));
        assert_eq!(
            Expression::parse("assign_const_value,a.b,c"),
            Ok(Expression::Interval { limit: "a.b".into(), equal_to: Some("c".into()) })
        );
        assert!(Expression::parse("assign_const_value,a,b,c").is_err());
    }
}
