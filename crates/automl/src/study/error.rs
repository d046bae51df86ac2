//! Why a study cannot be created, opened or looked at.

use super::options::NAME_MAX;
use crate::engine::{EngineError, LogError};
use crate::files::ProgramError;
use automl_config::RecipeError;
use automl_exec::slots::SlotError;
use automl_scrape::RuleError;
use automl_store::{LockError, StoreError};
use automl_transfer::{FetchError, PlaceError};
use std::path::PathBuf;
use thiserror::Error;

/// Why a study cannot be created, opened or looked at.
#[derive(Debug, Error)]
pub enum StudyError {
    /// A name that cannot be a folder.
    #[error(
        "`{name}` cannot be a study's name: use at most {NAME_MAX} letters, digits, `-`, `_` and `.`, not beginning with \
         `.` or `-`"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// A study of that name is there already.
    #[error("study `{name}` exists in {}; `automl resume {name}` carries it on, `--name` gives the new one another name", path.display())]
    Exists {
        /// The name.
        name: String,
        /// Its folder.
        path: PathBuf,
    },
    /// No such study.
    #[error("there is no study in {}", path.display())]
    Missing {
        /// The folder looked into.
        path: PathBuf,
    },
    /// A folder of a study of which nothing is recorded yet.
    #[error(
        "nothing is recorded of study `{name}`: it is just being created, or its program ended before that, and \
         `automl run --name {name}` begins it"
    )]
    NotBegun {
        /// The name.
        name: String,
    },
    /// A study whose trials are run by whoever asks for them.
    #[error(
        "study `{name}` has no program of its own: its trials are asked for and told through `automl serve`"
    )]
    NoProgram {
        /// The name.
        name: String,
    },
    /// A budget smaller than what has been started.
    #[error(
        "the study has {started} trials already; `--trials` is their number in all and must be above that, found {asked}"
    )]
    TooFewTrials {
        /// The new budget.
        asked: u64,
        /// Trials started so far.
        started: u64,
    },
    /// The readable copy of the log is damaged.
    #[error("events.jsonl of {} is damaged: {what}; `automl fsck --repair` mends it from the other copy, and so does `automl resume`", path.display())]
    Damaged {
        /// The study's folder.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The readable copy of the log is that of another study than the folder's.
    #[error("events.jsonl and study.json in {} belong to different studies ({log} and {settings}); the files of two may have been mixed up", path.display())]
    OtherStudy {
        /// The study's folder.
        path: PathBuf,
        /// Tag of the study in the log.
        log: String,
        /// Tag of the study in the settings.
        settings: String,
    },
    /// A log from an archive is damaged or makes no sense.
    #[error("{}:{line}: {what}", path.display())]
    BadArchive {
        /// The file.
        path: PathBuf,
        /// Number of the line, from 1.
        line: u64,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// Two copies of a log that are each sound and not the same.
    #[error(
        "the two copies of the log in {} contradict each other; look at both, then \
         `automl fsck --repair --from store` or `--from journal` keeps the right one",
        path.display()
    )]
    Contradictory {
        /// The study's folder.
        path: PathBuf,
    },
    /// A log without a single event that can be kept.
    #[error("nothing of the log in {} can be kept; restore the folder from a backup", path.display())]
    NothingLeft {
        /// The study's folder.
        path: PathBuf,
    },
    /// A folder or file cannot be written.
    #[error("cannot write {}: {source}; choose another folder with `--root`", path.display())]
    NotWritable {
        /// The path.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Fidelities that make no sense together.
    #[error("{what}")]
    Fidelity {
        /// What is wrong, and what to do.
        what: String,
    },
    /// Another engine works on the study.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What users wished of the study cannot be recorded.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The recipe kept in the log cannot be read.
    #[error("the study's recipe cannot be read: {0}")]
    Recipe(serde_json::Error),
    /// A metric pattern of the network config is no regular expression.
    #[error(transparent)]
    Patterns(#[from] RuleError),
    /// The trials' program is missing.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The command of a trial cannot be built.
    #[error(transparent)]
    Realise(#[from] RecipeError),
    /// A file that the action needs cannot be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Results cannot go where they should.
    #[error("cannot upload: {0}")]
    UploadTo(#[from] PlaceError),
    /// GPUs or slots that do not exist.
    #[error(transparent)]
    Slots(#[from] SlotError),
    /// A GPU list that is none.
    #[error("`{text}` is no GPU list: use `all`, `none` or indices such as `0,2`")]
    GpuList {
        /// What was given.
        text: String,
    },
}
