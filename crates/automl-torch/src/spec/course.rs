//! Keys of every trainer: how long, how often, and on which device.

use std::path::PathBuf;

use super::reader::{Range, SpecError, SpecReader};
use super::{choice, count};

/// Length of a training run, and what happens along it.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    /// Fixes every random draw; `None` (-1 in the spec) draws a new one.
    pub(crate) seed: Option<u64>,
    /// Epochs of the whole run; the learning rate schedule ends there.
    pub(crate) num_epochs: u64,
    /// When to write checkpoints.
    pub(crate) checkpoint_interval: CheckpointInterval,
    /// Epochs between validations.
    pub(crate) validation_interval: u64,
    /// Checkpoint to carry on from.
    pub(crate) resume: Option<PathBuf>,
}

/// When checkpoints are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckpointInterval {
    /// After every n-th epoch.
    Epochs(u64),
    /// After every n-th optimizer step.
    Steps(u64),
}

/// Where to compute.
#[derive(Debug, Clone)]
pub(crate) struct Devices {
    /// Number of devices.
    pub(crate) num_gpus: i64,
    /// Index of the device to use among the visible ones.
    pub(crate) gpu_id: i64,
    /// Lets cuDNN try algorithms out.
    pub(crate) cudnn_benchmark: bool,
}

impl Course {
    /// Reads `train.*`.
    pub(crate) fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        let seed = spec.integer("train.seed", 1234, Range::at_least(-1.0))?;
        Ok(Self {
            seed: u64::try_from(seed).ok(),
            num_epochs: count(spec, "train.num_epochs", 10)?,
            checkpoint_interval: CheckpointInterval::read(spec)?,
            validation_interval: count(spec, "train.validation_interval", 1)?,
            resume: spec.path("train.resume_training_checkpoint_path")?,
        })
    }
}

impl CheckpointInterval {
    fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        let interval = count(spec, "train.checkpoint_interval", 1)?;
        let unit = choice(spec, "train.checkpoint_interval_unit", "epoch", &["epoch", "step"])?;
        Ok(if unit == "step" { Self::Steps(interval) } else { Self::Epochs(interval) })
    }
}

impl Devices {
    /// Reads `num_gpus` and `gpu_ids` of a section such as `train`.
    pub(crate) fn read(spec: &SpecReader, section: &str) -> Result<Self, SpecError> {
        let key = |name: &str| format!("{section}.{name}");
        // One process on one machine; other node counts change nothing here.
        spec.integer(&key("num_nodes"), 1, Range::POSITIVE_COUNT)?;
        let gpu_ids = spec.floats(&key("gpu_ids"), &[0.0], Range::NOT_NEGATIVE)?;
        Ok(Self {
            num_gpus: spec.integer(&key("num_gpus"), 1, Range::POSITIVE_COUNT)?,
            gpu_id: gpu_ids.first().map_or(0, |id| *id as i64),
            cudnn_benchmark: spec.boolean("train.cudnn.benchmark", false)?,
        })
    }
}
