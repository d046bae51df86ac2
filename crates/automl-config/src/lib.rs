//! Network configs, parameter schemas and overrides, turned into a checked study recipe.
//!
//! A caller states a [`NetworkRequest`] or a [`CommandRequest`] (the raw form of flags and settings)
//! and gets a [`StudyRecipe`]: the search space, the objective, and a [`TrialRecipe`] that can be kept
//! in the study's log and turned into the files and arguments of each attempt. Everything that is
//! wrong with the inputs comes back at once, each [`Problem`] with its place and advice.
//!
//! This crate reads files and asks whether paths are there. It does not sample, start processes,
//! write files, or know how long a trial runs.

mod nearest;
mod node;
mod pattern;
mod problem;

mod fields;
mod files;
mod glob;
mod grammar;
mod read;
mod schema;
mod space_file;
mod spec;

mod catalog;
mod check;
mod network;
mod recipe;
mod request;
mod resolve;
mod settings;

pub use catalog::{Catalog, NetworkSummary, ParameterRow, ParameterTable};
pub use check::check_file;
pub use pattern::Pattern;
pub use problem::{Code, Position, Problem, Problems, Severity};
pub use recipe::{
    AttemptContext, AttemptFiles, CheckpointRule, Download, ErrorPattern, LogFormat, LogOrigin, LogSource,
    MetricRules, PARAMS_FILE, RecipeError, Selection, TrialRecipe, UploadRules, UploadStrategy,
};
pub use request::{CommandRequest, Datasets, NetworkRequest};
pub use resolve::{DatasetCheck, StudyRecipe, archives, check_dataset, resolve_command, resolve_network};
pub use settings::{NetworkSettings, RunSettings, Settings};
pub use spec::is_secret;
