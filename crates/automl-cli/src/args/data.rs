//! Arguments that name data and images, shared by `run` and `action`.

use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;

/// Datasets: folders, archives, or URIs to pass on.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct DatasetArgs {
    /// Training data: a folder, an archive, or a URI to pass on (repeatable)
    #[arg(long, value_name = "DIR", env = "AUTOML_TRAIN_DATASET", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) train_dataset: Vec<PathBuf>,
    /// Folder of validation data
    #[arg(long, value_name = "DIR", env = "AUTOML_EVAL_DATASET", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) eval_dataset: Option<PathBuf>,
    /// Folder of data to run inference on
    #[arg(long, value_name = "DIR", env = "AUTOML_INFERENCE_DATASET", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) inference_dataset: Option<PathBuf>,
    /// Folder of data to calibrate a quantised model with
    #[arg(long, value_name = "DIR", env = "AUTOML_CALIBRATION_DATASET", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) calibration_dataset: Option<PathBuf>,
    /// Dataset that the action itself works on, for example to convert it
    #[arg(long, value_name = "DIR", env = "AUTOML_DATASET", hide_env_values = true, value_hint = ValueHint::DirPath)]
    pub(crate) dataset: Option<PathBuf>,
}

/// Whether programs run in containers. The values are explained in the help of their flag: explained
/// here, they would stretch the whole help text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ContainerMode {
    // The command where there is one, else docker.
    #[default]
    Auto,
    // The image that the network config names.
    Docker,
    // The command.
    None,
}
