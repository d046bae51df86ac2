//! Errors as JSON-RPC has them: a number for programs, a sentence for people, details as data.

use automl::{AskError, StudyError};
use automl_core::ParamProblem;
use serde_json::{Value, json};

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RpcError {
    /// JSON-RPC's code.
    pub(crate) code: i64,
    /// What is wrong, and what to do.
    pub(crate) message: String,
    /// `kind`, and what else programs may want to tell apart.
    pub(crate) data: Value,
}

/// No JSON.
pub(crate) const PARSE: i64 = -32_700;
/// JSON, but no call.
pub(crate) const INVALID_REQUEST: i64 = -32_600;
/// No such method.
pub(crate) const NO_METHOD: i64 = -32_601;
/// Parameters that the method does not take.
pub(crate) const INVALID_PARAMS: i64 = -32_602;
/// The service's own fault.
const INTERNAL: i64 = -32_603;
/// The call is sound, and the study refuses it.
const REFUSED: i64 = -32_000;
/// There is no such study.
const NO_STUDY: i64 = -32_001;
/// There is no such trial.
const NO_TRIAL: i64 = -32_002;
/// The trial is not open: it was told before, or never handed out.
const NOT_OPEN: i64 = -32_003;
/// A study of that name asks something else.
const ANOTHER: i64 = -32_004;
/// Another process holds the study.
const BUSY: i64 = -32_005;

impl RpcError {
    pub(crate) fn new(code: i64, kind: &str, message: impl Into<String>) -> Self {
        RpcError { code, message: message.into(), data: json!({ "kind": kind }) }
    }

    /// A field that is missing, unknown or wrong.
    pub(crate) fn field(path: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        RpcError { code: INVALID_PARAMS, message, data: json!({"kind": "invalid_params", "field": path}) }
    }

    pub(crate) fn no_study(message: impl Into<String>) -> Self {
        RpcError::new(NO_STUDY, "unknown_study", message)
    }

    /// Returns the JSON-RPC error object.
    pub(crate) fn to_json(&self) -> Value {
        json!({"code": self.code, "message": self.message, "data": self.data})
    }

    /// Returns the HTTP status that says the same.
    pub(crate) fn http_status(&self) -> u16 {
        match self.code {
            NO_METHOD | NO_STUDY | NO_TRIAL => 404,
            REFUSED | NOT_OPEN | ANOTHER | BUSY => 409,
            INTERNAL => 500,
            _ => 400,
        }
    }
}

impl From<AskError> for RpcError {
    fn from(error: AskError) -> Self {
        let message = error.to_string();
        match error {
            AskError::Request { .. } | AskError::Count { .. } | AskError::Result { .. } => {
                RpcError::new(INVALID_PARAMS, "invalid_params", message)
            }
            AskError::Params(problems) => {
                let names: Vec<Value> = problems.iter().map(|p| name_of(p).into()).collect();
                let data = json!({"kind": "invalid_params", "field": "params", "parameters": names});
                RpcError { code: INVALID_PARAMS, message, data }
            }
            AskError::Another { .. } => RpcError::new(ANOTHER, "another_study", message),
            AskError::HasProgram { .. } => RpcError::new(REFUSED, "has_program", message),
            AskError::UnknownTrial { .. } => RpcError::new(NO_TRIAL, "unknown_trial", message),
            AskError::NotOpen { trial, first } => {
                let data = json!({"kind": "not_open", "trial": trial, "first": first});
                RpcError { code: NOT_OPEN, message, data }
            }
            AskError::Study(StudyError::BadName { .. }) => RpcError::field("name", message),
            AskError::Study(StudyError::Missing { .. }) => RpcError::no_study(message),
            AskError::Study(StudyError::Lock(_)) => RpcError::new(BUSY, "busy", message),
            AskError::Study(_) | AskError::Log(_) => RpcError::new(INTERNAL, "store", message),
        }
    }
}

fn name_of(problem: &ParamProblem) -> &str {
    match problem {
        ParamProblem::Unknown { name }
        | ParamProblem::Missing { name }
        | ParamProblem::Inactive { name }
        | ParamProblem::Unrelated { name, .. }
        | ParamProblem::Outside { name, .. } => name,
    }
}
