//! What every action shares: spec, device, status file, and the wish to stop.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tch::Device;

use crate::data::DataError;
use crate::data::batch::{Dataset, DatasetKeys};
use crate::error::TrainerError;
use crate::model::VitArch;
use crate::spec::{MalSpec, SpecError, required};
use crate::status::{StatusLog, complain};

/// Surroundings of one action.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    /// The checked spec.
    pub(crate) spec: MalSpec,
    /// The encoder that `model.arch` names.
    pub(crate) arch: VitArch,
    /// Where tensors live.
    pub(crate) device: Device,
    /// Side of the crops: `dataset.crop_size`, cut to a multiple of the patch.
    pub(crate) crop_side: usize,
    /// Folder of the action's results.
    pub(crate) dir: PathBuf,
    /// The status file.
    pub(crate) status: &'a mut StatusLog,
    /// Set by SIGTERM.
    pub(crate) stop: Arc<AtomicBool>,
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

impl<'a> Run<'a> {
    /// Resolves the architecture and picks the device, with a warning line where it is the CPU.
    pub(crate) fn new(
        spec: MalSpec,
        dir: PathBuf,
        status: &'a mut StatusLog,
        stop: Arc<AtomicBool>,
    ) -> Result<Self, TrainerError> {
        let (arch, crop_side, device) = Self::resolve(&spec)?;
        Ok(Self { spec, arch, device, crop_side, dir, status, stop })
    }

    fn resolve(spec: &MalSpec) -> Result<(VitArch, usize, Device), TrainerError> {
        let arch = VitArch::by_name(&spec.model.arch).ok_or_else(|| SpecError::OutOfRange {
            key: "model.arch".into(),
            value: spec.model.arch.clone(),
            allowed: format!("one of {}", VitArch::names().join(", ")),
        })?;
        let crop_side = spec.dataset.crop_size / arch.patch * arch.patch;
        if crop_side != spec.dataset.crop_size {
            complain(&format!(
                "warning: dataset.crop_size={}: {crop_side} is used, a multiple of the patch {}",
                spec.dataset.crop_size, arch.patch
            ));
        }
        let selection = crate::device::select(spec.train.num_gpus, spec.train.gpu_id)?;
        for warning in &selection.warnings {
            complain(&format!("warning: {warning}"));
        }
        tch::Cuda::cudnn_set_benchmark(spec.train.cudnn_benchmark);
        if selection.device.is_cuda() && spec.train.use_amp {
            complain("warning: train.use_amp: this trainer computes in 32 bit");
        }
        Ok((arch, crop_side as usize, selection.device))
    }

    /// Whether SIGTERM has arrived.
    pub(crate) fn should_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Threads that prepare batches: none on the CPU, where they would take cores from libtorch.
    pub(crate) fn workers(&self) -> usize {
        if self.device.is_cuda() { self.spec.dataset.workers } else { 0 }
    }

    /// The objects that training learns from.
    pub(crate) fn training_data(&self) -> Result<Dataset, TrainerError> {
        let dataset = &self.spec.dataset;
        let keys = DatasetKeys { annotations: "dataset.train_ann_path", images: "dataset.train_img_dir" };
        let mut data = self.open(&dataset.train_ann_path, &dataset.train_img_dir, keys)?;
        data.coco.keep_sizes(dataset.min_obj_size, dataset.max_obj_size);
        if data.coco.objects.is_empty() {
            let why = format!(
                "no box area lies in dataset.min_obj_size={} to dataset.max_obj_size={} px²",
                dataset.min_obj_size, dataset.max_obj_size
            );
            return Err(DataError::NoObjects { path: data.coco.path, why }.into());
        }
        Ok(data)
    }

    /// The objects that mIoU is measured on.
    pub(crate) fn validation_data(&self) -> Result<Dataset, TrainerError> {
        let dataset = &self.spec.dataset;
        let keys = DatasetKeys { annotations: "dataset.val_ann_path", images: "dataset.val_img_dir" };
        let data = self.open(&dataset.val_ann_path, &dataset.val_img_dir, keys)?;
        crate::validate::require_masks(&data)?;
        Ok(data)
    }

    /// Opens a data set whose two paths must be set.
    pub(crate) fn open(
        &self,
        annotations: &Option<PathBuf>,
        images: &Option<PathBuf>,
        keys: DatasetKeys,
    ) -> Result<Dataset, TrainerError> {
        let annotations = required(annotations, keys.annotations)?;
        let images = required(images, keys.images)?;
        Ok(Dataset::open(annotations, images, keys, self.crop_side)?)
    }
}
