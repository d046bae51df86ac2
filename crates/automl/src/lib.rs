//! The engine and public library: searches that survive anything, embedded in any program.
//!
//! A study is created from a [`StudyRecipe`](automl_config::StudyRecipe) (a network config, or any
//! command) and [`StudyOptions`], worked on by an [`Engine`], and looked at through [`view`] by anybody,
//! while the engine runs or not. Programs, files, the clock and the log meet here; everything that is
//! decided is decided in the pure crates below.

mod algorithms;
mod archive;
mod asktell;
mod clock;
mod costs;
mod dry_run;
mod engine;
mod files;
mod fsck;
mod gc;
mod importance;
mod incumbent;
mod job;
mod log_reader;
mod parent;
pub mod present;
mod recommendation;
mod replay;
mod study;
mod warm;
mod wishes;

pub use algorithms::ALGORITHMS;
pub use archive::{Imported, export_log, import_log};
pub use asktell::{
    Answer, AskError, AskTell, Decided, Elsewhere, Handed, NotAdded, Place, StudyRequest, Told,
};
pub use automl_scheduler::{
    Agreement, Bracket, REHEARSED_TRIALS_MAX, Rehearsal, Rung, Verdict, agreements, generations, may_go_on,
    population_trials, rehearse, resolve_auto,
};
pub use costs::{Costs, costs, same_program};
pub use dry_run::{FirstTrial, first_trial};
pub use engine::{
    Control, Engine, EngineError, LogError, LogFileError, Resolved, RunEnd, Takeover, Update, beginning,
};
pub use files::{InstalledPackage, ProgramError, StudyDir, find_program};
pub use fsck::{Health, Repaired, check, repair};
pub use gc::{Garbage, collect_garbage, garbage};
pub use importance::{Importance, importance};
pub use incumbent::spec_of;
pub use job::{Job, JobEnd, JobError, JobOptions, JobRecord, JobState, JobUpdate};
pub use log_reader::{LineMeaning, LogReader, Symptom};
pub use parent::{ParentError, parent_of_job, parent_of_trial};
pub use recommendation::{Recommended, recommended};
pub use replay::{Difference, OtherAlgorithms, Replay, Unexplained, replay, resolve, suggest};
pub use study::{
    Changes, DEFAULT_TRIALS, NewBounds, OpenStudy, StudyError, StudyOptions, View, Watch, can_raise, create,
    create_with, exists, list, new_bounds, open, open_to_end, settings, slots, view,
};
pub use warm::{ForeignTrial, WarmStart};
pub use wishes::{Wish, leave_wish};

pub use automl_scrape::Measurement;
