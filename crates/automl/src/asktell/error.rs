//! Why a question cannot be answered, or an answer not taken.

use crate::engine::LogError;
use crate::study::StudyError;
use automl_core::{ParamProblem, TrialId};
use thiserror::Error;

/// Why a study cannot be asked or told. The study is unchanged.
#[derive(Debug, Error)]
pub enum AskError {
    /// A study that cannot be created as asked.
    #[error("{what}")]
    Request {
        /// What is wrong, and what to do.
        what: String,
    },
    /// A study of that name asks something else.
    #[error("study `{study}` exists with {difference}; give the new one another name")]
    Another {
        /// The name.
        study: String,
        /// What differs.
        difference: String,
    },
    /// A study whose trials an engine runs.
    #[error(
        "study `{study}` runs a program of its own; `automl resume {study}` carries it on, and `automl enqueue` adds configurations"
    )]
    HasProgram {
        /// The name.
        study: String,
    },
    /// A number of trials that makes no sense.
    #[error("`count` is {count}; ask for 1 to {max} trials at a time")]
    Count {
        /// What was asked for.
        count: usize,
        /// The most that can be.
        max: usize,
    },
    /// A trial that the study does not have.
    #[error("there is no trial {trial}; the study has {last}")]
    UnknownTrial {
        /// The trial.
        trial: TrialId,
        /// Number of the last one.
        last: u64,
    },
    /// A trial that nobody works on.
    #[error("trial {trial} is not open: {first}")]
    NotOpen {
        /// The trial.
        trial: TrialId,
        /// What it was told first.
        first: String,
    },
    /// A configuration that does not fit the space.
    #[error("the configuration does not fit the space: {}", list(.0))]
    Params(Vec<ParamProblem>),
    /// A result that lacks something, or has too much.
    #[error("{what}")]
    Result {
        /// What is wrong, and what to do.
        what: String,
    },
    /// The log cannot be written or makes no sense.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The study cannot be created or opened.
    #[error(transparent)]
    Study(#[from] StudyError),
}

fn list(problems: &[ParamProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
