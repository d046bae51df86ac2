//! The engine and public library: searches that survive anything, embedded in any program.
//!
//! A study is created from a [`StudyRecipe`](automl_config::StudyRecipe) (a network config, or any
//! command) and [`StudyOptions`], worked on by an [`Engine`], and looked at through [`view`] by anybody,
//! while the engine runs or not. Programs, files, the clock and the log meet here; everything that is
//! decided is decided in the pure crates below.

mod clock;
mod dry_run;
mod engine;
mod files;
mod incumbent;
mod study;

pub use dry_run::{first_trial, FirstTrial};
pub use engine::{Control, Engine, EngineError, LogError, LogFileError, RunEnd, Update};
pub use files::{find_program, ProgramError, StudyDir};
pub use incumbent::spec_of;
pub use study::{
    create, exists, list, open, settings, view, Changes, OpenStudy, StudyError, StudyOptions, View,
    DEFAULT_TRIALS,
};
