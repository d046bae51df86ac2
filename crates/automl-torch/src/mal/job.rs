//! What every action of MAL shares: spec, encoder, device, and the data sets.

use std::path::PathBuf;

use tch::Device;

use crate::error::TrainerError;
use crate::mal::data::DataError;
use crate::mal::data::batch::{Dataset, DatasetKeys};
use crate::mal::model::VitArch;
use crate::mal::spec::MalSpec;
use crate::mal::validate;
use crate::run::{self, Run};
use crate::spec::{SpecError, SpecReader, required};
use crate::status::complain;

/// One action of MAL.
#[derive(Debug)]
pub(crate) struct Job<'a> {
    /// Results folder and status file.
    pub(crate) run: &'a mut Run,
    /// The checked spec.
    pub(crate) spec: MalSpec,
    /// The encoder that `model.arch` names.
    pub(crate) arch: VitArch,
    /// Where tensors live.
    pub(crate) device: Device,
    /// Side of the crops: `dataset.crop_size`, cut to a multiple of the patch.
    pub(crate) crop_side: usize,
}

impl<'a> Job<'a> {
    /// Checks the spec, resolves the architecture and picks the device.
    pub(crate) fn new(reader: &SpecReader, run: &'a mut Run) -> Result<Self, TrainerError> {
        let spec = MalSpec::read(reader)?;
        run.keep_spec(reader)?;
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
        let device = run::pick_device(&spec.train.devices)?;
        if device.is_cuda() && spec.train.use_amp {
            complain("warning: train.use_amp: this trainer computes in 32 bit");
        }
        Ok(Self { run, spec, arch, device, crop_side: crop_side as usize })
    }

    /// Threads that prepare batches.
    pub(crate) fn workers(&self) -> usize {
        run::workers(self.spec.dataset.workers, self.device)
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
        validate::require_masks(&data)?;
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
