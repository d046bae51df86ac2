//! `train.*`: optimisation and the learning rate.

use crate::optim::SgdSettings;
use crate::spec::{Course, Devices, Range, SpecError, SpecReader, choice};

/// How to train.
#[derive(Debug, Clone)]
pub(crate) struct TrainSpec {
    /// Length, intervals and seed.
    pub(crate) course: Course,
    /// Where to compute; the devices' joint batch makes one optimizer step.
    pub(crate) devices: Devices,
    /// Constants of the optimizer.
    pub(crate) optimizer: SgdSettings,
    /// Learning rate at the start.
    pub(crate) lr: f64,
    /// How the learning rate falls.
    pub(crate) scheduler: SchedulerSpec,
}

/// How the learning rate falls.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SchedulerSpec {
    /// By a factor after so many epochs.
    MultiStep {
        /// Completed epochs at which the rate falls.
        steps: Vec<u64>,
        /// The factor.
        decay: f64,
    },
    /// By a factor when a loss no longer falls.
    AutoReduce {
        /// Which loss.
        monitor: Monitor,
        /// Epochs without progress that are tolerated.
        patience: u64,
        /// Lower limit of the rate.
        min_lr: f64,
        /// The factor.
        decay: f64,
    },
}

/// Loss that the learning rate follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Monitor {
    /// Mean training loss of the epoch.
    TrainLoss,
    /// Validation loss, where an epoch is validated.
    ValLoss,
}

impl TrainSpec {
    pub(super) fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        let optimizer = SgdSettings {
            momentum: spec.float("train.optim.momentum", 0.9, Range::UNIT)?,
            weight_decay: spec.float("train.optim.weight_decay", 5e-4, Range::NOT_NEGATIVE)?,
            clip_norm: spec.float("train.clip_grad_norm", 0.0, Range::NOT_NEGATIVE)?,
        };
        Ok(Self {
            course: Course::read(spec)?,
            devices: Devices::read(spec, "train")?,
            optimizer,
            lr: spec.float("train.optim.lr", 5e-4, Range::NOT_NEGATIVE)?,
            scheduler: SchedulerSpec::read(spec)?,
        })
    }
}

impl SchedulerSpec {
    fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        let decay = spec.float("train.optim.lr_decay", 0.1, Range::UNIT)?;
        let steps = spec.floats("train.optim.lr_steps", &[15.0, 25.0], Range::NOT_NEGATIVE)?;
        let monitors = ["val_loss", "train_loss"];
        let monitor = match choice(spec, "train.optim.lr_monitor", monitors[0], &monitors)?.as_str() {
            "val_loss" => Monitor::ValLoss,
            _ => Monitor::TrainLoss,
        };
        let patience = spec.integer("train.optim.patience", 1, Range::NOT_NEGATIVE)? as u64;
        let min_lr = spec.float("train.optim.min_lr", 1e-4, Range::NOT_NEGATIVE)?;
        let kinds = ["MultiStep", "AutoReduce"];
        Ok(match choice(spec, "train.optim.lr_scheduler", kinds[0], &kinds)?.as_str() {
            "MultiStep" => {
                Self::MultiStep { steps: steps.into_iter().map(|step| step as u64).collect(), decay }
            }
            _ => Self::AutoReduce { monitor, patience, min_lr, decay },
        })
    }
}
