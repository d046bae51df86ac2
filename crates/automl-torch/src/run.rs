//! What every action of every network has: results folder, status file, and the wish to stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tch::Device;

use crate::device::{self, DeviceError};
use crate::error::TrainerError;
use crate::spec::{Devices, SpecReader, masked_yaml};
use crate::status::{StatusLog, complain};

/// Surroundings of one action.
#[derive(Debug)]
pub(crate) struct Run {
    /// Folder of the action's results.
    pub(crate) dir: PathBuf,
    /// The status file.
    pub(crate) status: StatusLog,
    stop: Arc<AtomicBool>,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All was done.
    Finished,
    /// Stopped as asked after this many completed epochs.
    Paused(u64),
    /// Stopped by SIGTERM after this many completed epochs.
    Terminated(u64),
}

impl Run {
    /// Creates the folder and opens its status file; `stop` is set by SIGTERM.
    pub(crate) fn open(dir: PathBuf, stop: Arc<AtomicBool>) -> Result<Self, TrainerError> {
        let status = StatusLog::open(&dir)?;
        Ok(Self { dir, status, stop })
    }

    /// Whether SIGTERM has arrived.
    pub(crate) fn should_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Warns of keys that no one has read, and keeps a copy of the spec, overrides included, beside
    /// the results.
    pub(crate) fn keep_spec(&self, reader: &SpecReader) -> Result<(), TrainerError> {
        let ignored = reader.unread_keys();
        if !ignored.is_empty() {
            complain(&format!("warning: keys of the spec without effect here: {}", ignored.join(", ")));
        }
        let path = self.dir.join("experiment.yaml");
        std::fs::write(&path, masked_yaml(reader)).map_err(|source| TrainerError::Results { path, source })
    }
}

/// Picks the device, with a warning line where it is not what the spec suggests.
pub(crate) fn pick_device(devices: &Devices) -> Result<Device, DeviceError> {
    let selection = device::select(devices.num_gpus, devices.gpu_id)?;
    for warning in &selection.warnings {
        complain(&format!("warning: {warning}"));
    }
    tch::Cuda::cudnn_set_benchmark(devices.cudnn_benchmark);
    Ok(selection.device)
}

/// Threads that prepare batches: none on the CPU, where they would take cores from libtorch.
pub(crate) fn workers(asked: usize, device: Device) -> usize {
    if device.is_cuda() { asked } else { 0 }
}
