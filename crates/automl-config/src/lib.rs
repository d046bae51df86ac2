//! Network configs, parameter schemas and overrides, turned into a checked study recipe.
//!
//! A caller states a [`NetworkRequest`] or a [`CommandRequest`] (the raw form of flags and settings)
//! and gets a [`StudyRecipe`]: the search space, the objective, and a [`TrialRecipe`] that can be kept
//! in the study's log and turned into the files and arguments of each attempt. Everything that is
//! wrong with the inputs comes back at once, each [`Problem`] with its place and advice.
//!
//! This crate reads files and asks whether paths are there. It does not sample, start processes,
//! write files, or know how long a trial runs.

mod assignment;
mod nearest;
mod node;
mod pattern;
mod problem;

mod facts;
mod fields;
mod files;
mod glob;
mod grammar;
mod read;
mod rule;
mod schema;
mod shape;
mod space_file;
mod spec;

mod automl_settings;
mod catalog;
mod check;
mod check_paths;
mod check_spec;
mod config_space;
mod network;
mod parent;
mod recipe;
mod request;
mod resolve;
mod settings;

pub use assignment::{read_assignments, read_value};
pub use automl_settings::AutomlSettings;
pub use catalog::{Catalog, NetworkSummary, ParameterRow, ParameterTable};
pub use check::{check_file, check_text};
pub use check_paths::{Checked, SpecSchema, check_paths};
pub use nearest::nearest;
pub use parent::{CheckpointChoice, CheckpointError, Checkpoints, ParentJob, usual_results};
pub use pattern::Pattern;
pub use problem::{Code, Position, Problem, Problems, Severity};
pub use recipe::{
    AttemptContext, AttemptFiles, CheckpointRule, Container, Download, ErrorPattern, FailurePolicy, JobName,
    LogFormat, LogOrigin, LogSource, MetricRules, Moved, Origins, PARAMS_FILE, PackageRule, RecipeError,
    Selection, SuccessRule, TrialRecipe, UploadRules, UploadStrategy, parse_log,
};
pub use request::{CommandRequest, ContainerRequest, Datasets, FidelityName, NetworkRequest};
pub use resolve::{
    DatasetCheck, JobRecipe, LogRules, Rebound, StudyRecipe, archives, check_dataset, further_objective,
    is_dataset, rebound, resolve_command, resolve_job, resolve_network, space_of_schema,
};
pub use settings::{NetworkSettings, RunSettings, Settings};
pub use shape::{FileFormat, json_schema};
pub use spec::{annotated_yaml, hide_logins, is_secret, read_spec};
