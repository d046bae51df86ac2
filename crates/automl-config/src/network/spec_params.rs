//! Sections `spec_params` and `automl_spec_params`: spec keys filled by named functions.
//!
//! A text that names no function is a literal, as the format has it, and so is any other value. What
//! each function gives is decided where specs are built; here is only the table of names.

use crate::fields::{join, wrong_type};
use crate::nearest::nearest;
use crate::node::Node;
use crate::problem::{Code, Report};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What fills a spec key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Expression {
    /// A function without arguments.
    Call(Function),
    /// A file or folder within the results folder, by its relative path.
    Result(String),
    /// An interval that must not be longer than the training: at most the value of `limit`, or equal to
    /// the value of `equal_to` where that is given.
    Interval {
        /// Spec key whose value is the upper limit.
        limit: String,
        /// Spec key whose value is copied.
        equal_to: Option<String>,
    },
    /// The value itself.
    Literal(Value),
    /// A function that a recipe of an earlier version could not evaluate; it leaves the key alone.
    Unsupported(String),
}

/// The functions, by what they give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Function {
    /// Folder that the attempt's results go to.
    ResultsDir,
    /// A name that no other attempt of the trial has.
    AttemptName,
    /// Length of a full training, whatever the length of this attempt.
    FullLength,
    /// Checkpoint to carry on from, where there is one.
    ResumeCheckpoint,
    /// Whether there is a checkpoint to carry on from.
    HasResumeCheckpoint,
    /// Checkpoint to carry on from, else the pretrained model.
    ResumeOrPretrained,
    /// Pretrained model, unless the attempt carries on from a checkpoint.
    PretrainedUnlessResumed,
    /// Pretrained model.
    Pretrained,
    /// Encryption key.
    EncryptionKey,
    /// Checkpoint chosen among the parent's.
    ParentModel,
    /// Folder of the checkpoint chosen among the parent's.
    ParentModelFolder,
    /// Checkpoint chosen among the parent's, else the pretrained model.
    ParentOrPretrained,
    /// The parent's engine if it exported one, else its checkpoint.
    ParentForEvaluation,
    /// The parent's pruned model, if the parent retrained one.
    PrunedModel,
    /// `tensorrt` if the parent exported a model, else `tlt`.
    Framework,
    /// Whether the parent exported a model.
    IsExported,
    /// True.
    Verbose,
    /// Nothing: the key keeps its value.
    Keep,
}

impl Function {
    /// Tells whether there is nothing to give without a parent.
    pub(crate) fn needs_parent(self) -> bool {
        matches!(self, Function::ParentModel | Function::ParentModelFolder | Function::ParentForEvaluation)
    }
}

const FUNCTIONS: [(&str, Function); 25] = [
    ("automl_output_dir", Function::ResultsDir),
    ("output_dir", Function::ResultsDir),
    ("automl_attempt_name", Function::AttemptName),
    ("attempt_name", Function::AttemptName),
    ("automl_full_length", Function::FullLength),
    ("full_length", Function::FullLength),
    ("automl_resume_model", Function::ResumeCheckpoint),
    ("resume_model", Function::ResumeCheckpoint),
    ("automl_resume_model_bool", Function::HasResumeCheckpoint),
    ("resume_model_bool", Function::HasResumeCheckpoint),
    ("resume_model_or_ptm", Function::ResumeOrPretrained),
    ("automl_assign_ptm", Function::PretrainedUnlessResumed),
    ("automl_ptm_if_no_resume_model", Function::PretrainedUnlessResumed),
    ("ptm_if_no_resume_model", Function::PretrainedUnlessResumed),
    ("ptm", Function::Pretrained),
    ("key", Function::EncryptionKey),
    ("parent_model", Function::ParentModel),
    ("parent_model_folder", Function::ParentModelFolder),
    ("parent_model_or_ptm", Function::ParentOrPretrained),
    ("parent_model_evaluate", Function::ParentForEvaluation),
    ("pruned_model", Function::PrunedModel),
    ("framework", Function::Framework),
    ("framework_storetrue", Function::IsExported),
    ("verbose", Function::Verbose),
    ("from_csv", Function::Keep),
];

/// Functions that name something within the results folder; a closing `/` marks a folder.
const RESULTS: [(&str, &str); 22] = [
    ("create_onnx_file", "model.onnx"),
    ("create_engine_file", "model.engine"),
    ("create_pth_file", "model.pth"),
    ("create_hdf5_file", "model.hdf5"),
    ("create_weights_tlt_file", "weights/model.tlt"),
    ("create_cal_cache", "cal.bin"),
    ("create_cal_data_file", "calibration.tensorfile"),
    ("merged_json", "merged.json"),
    ("create_inference_result_file_mal", "inference.json"),
    ("create_inference_result_file_reid", "inference.json"),
    ("create_inference_result_file_pose", "results.txt"),
    ("create_evaluate_matches_plot_reid", "sampled_matches.png"),
    ("create_evaluate_cmc_plot_reid", "cmc_curve.png"),
    ("stylegan_dsconvert_output", "ds_convert.zip"),
    ("auto_label_output", "label.json"),
    ("output_dir_images_annotated", "images_annotated/"),
    ("output_dir_labels", "labels/"),
    ("output_dir_inference_json", "annotations_mal.json"),
    ("od_images", "images/"),
    ("od_labels", "labels/"),
    ("od_annotations", "annotations.json"),
    ("create_od_tfrecords", "tfrecords/"),
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
            _ => Ok(Expression::named(text).unwrap_or_else(|| Expression::Literal(text.into()))),
        }
    }

    fn named(text: &str) -> Option<Self> {
        let function = FUNCTIONS.iter().find(|(name, _)| *name == text);
        let result = RESULTS.iter().find(|(name, _)| *name == text);
        function
            .map(|(_, function)| Expression::Call(*function))
            .or_else(|| result.map(|(_, file)| Expression::Result((*file).into())))
    }

    /// Returns the expression in the words of a config; of a function's several names, one that begins
    /// with `automl_` if that is wanted.
    pub(crate) fn words(&self, automl: bool) -> String {
        let name_of = |function: &Function| {
            let mut names: Vec<&str> =
                FUNCTIONS.iter().filter(|(_, f)| f == function).map(|(name, _)| *name).collect();
            names.sort_by_key(|name| name.starts_with("automl_") != automl);
            names.first().copied().unwrap_or_default()
        };
        match self {
            Expression::Call(function) => name_of(function).into(),
            Expression::Result(file) => format!("{file} in the results"),
            Expression::Interval { limit, equal_to: None } => format!("assign_const_value,{limit}"),
            Expression::Interval { limit, equal_to: Some(key) } => {
                format!("assign_const_value,{limit},{key}")
            }
            Expression::Literal(_) => "the value itself".into(),
            Expression::Unsupported(name) => name.clone(),
        }
    }
}

/// Reads `{spec key: expression}` in file order.
pub(super) fn read(section: Option<&Node>, path: &str, report: &mut Report) -> Vec<(String, Expression)> {
    let Some(section) = section else { return Vec::new() };
    let Some(entries) = section.entries() else {
        return wrong_type(section, path, "an object of spec keys", report).unwrap_or_default();
    };
    let mut read = Vec::new();
    for entry in entries {
        let path = join(path, &entry.key);
        let expression = read_expression(&entry.value, &path, report);
        read.extend(expression.map(|expression| (entry.key.clone(), expression)));
    }
    read
}

fn read_expression(node: &Node, path: &str, report: &mut Report) -> Option<Expression> {
    let Some(text) = node.as_str() else {
        return match node.to_json() {
            Some(value) => Some(Expression::Literal(value)),
            None => wrong_type(node, path, "the name of a function, or a finite value", report),
        };
    };
    match Expression::parse(text) {
        Ok(expression) => {
            if expression == Expression::Literal(text.into()) {
                warn_of_literal(node, text, path, report);
            }
            Some(expression)
        }
        Err(why) => {
            report
                .error(node.at, path, Code::BadValue, format!("`{text}` {why}"))
                .hint("write assign_const_value,train.num_epochs");
            None
        }
    }
}

/// A misspelt function is a literal like any other, so both are remarked upon.
fn warn_of_literal(node: &Node, text: &str, path: &str, report: &mut Report) {
    let names = FUNCTIONS.iter().map(|(name, _)| *name).chain(RESULTS.iter().map(|(name, _)| *name));
    let message = format!("`{text}` names no function and is taken as the value itself");
    let near = nearest(text, names);
    let problem = report.warning(node.at, path, Code::UnknownName, message);
    if let Some(name) = near.first() {
        problem.hint(format!("did you mean `{name}`?"));
    }
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
    use crate::read::read_json;

    #[test]
    fn names_are_functions_files_or_literals() {
        assert_eq!(Expression::parse("automl_output_dir"), Ok(Expression::Call(Function::ResultsDir)));
        assert_eq!(Expression::parse("create_onnx_file"), Ok(Expression::Result("model.onnx".into())));
        assert_eq!(Expression::parse("classify"), Ok(Expression::Literal("classify".into())));
        assert_eq!(
            Expression::parse("assign_const_value,a.b,c"),
            Ok(Expression::Interval { limit: "a.b".into(), equal_to: Some("c".into()) })
        );
        assert!(Expression::parse("assign_const_value,a,b,c").is_err());
    }

    #[test]
    fn literals_are_remarked_upon() {
        let mut report = Report::new("f");
        let node = read_json(r#"{"a": "classify", "b": "parent_modle", "c": [1], "d": "ptm"}"#, &mut report);
        let read = read(node.as_ref(), "s", &mut report);
        assert_eq!(read[2].1, Expression::Literal(serde_json::json!([1])));
        let problems: Vec<_> = report.into_problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            problems,
            [
                "f:1:7: warning: s.a: `classify` names no function and is taken as the value itself",
                "f:1:24: warning: s.b: `parent_modle` names no function and is taken as the value itself (did you mean `parent_model`?)",
            ]
        );
    }

    #[test]
    fn recipes_of_earlier_versions_still_read() {
        let stored = r#"[{"literal": "x"}, {"unsupported": "parent_model"}, {"call": "results_dir"}]"#;
        let read: Vec<Expression> = serde_json::from_str(stored).unwrap();
        assert_eq!(read[0], Expression::Literal("x".into()));
        assert_eq!(read[1], Expression::Unsupported("parent_model".into()));
    }
}
