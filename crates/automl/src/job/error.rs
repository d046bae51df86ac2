//! Why a plain job cannot be started.

use crate::engine::EngineError;
use crate::files::ProgramError;
use crate::study::StudyError;
use automl_config::RecipeError;
use std::path::PathBuf;
use thiserror::Error;

/// Why a job cannot be started.
#[derive(Debug, Error)]
pub enum JobError {
    /// The folder belongs to something else.
    #[error("{} holds {what}; choose another folder with `--results`", path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// What is in it.
        what: String,
    },
    /// A job is running there.
    #[error("{what} is running in {} already", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
        /// The job.
        what: String,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}; choose another folder with `--results`", path.display())]
    NotWritable {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The program cannot be started.
    #[error("the program could not be started: {0}")]
    Refused(String),
    /// The program is missing.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Its spec or command cannot be built.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// Anything that stops a study as well: patterns, devices.
    #[error(transparent)]
    Study(#[from] StudyError),
    /// Its files cannot be written, or its logs not be read.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
