//! The experiment spec of MAL as checked values, with the defaults of its published schema.
//!
//! Key names, types and defaults follow the packaged `mal` schema, so that a spec written for the
//! container works here. Keys of other actions and of logging services are left unread and reported.
//! Nothing here opens a data file or touches a device.

mod train;

use std::path::PathBuf;

pub(crate) use train::{LossSpec, TrainSpec};

use crate::spec::{Range, SpecError, SpecReader, choice, count};

/// Everything one MAL run needs to know.
#[derive(Debug, Clone)]
pub(crate) struct MalSpec {
    /// `dataset.*`.
    pub(crate) dataset: DatasetSpec,
    /// `train.*`.
    pub(crate) train: TrainSpec,
    /// `model.*`.
    pub(crate) model: ModelSpec,
    /// `evaluate.*`.
    pub(crate) evaluate: EvaluateSpec,
    /// `inference.*`.
    pub(crate) inference: InferenceSpec,
}

/// Where the data lies and which objects count.
#[derive(Debug, Clone)]
pub(crate) struct DatasetSpec {
    /// COCO annotations with the training boxes.
    pub(crate) train_ann_path: Option<PathBuf>,
    /// Folder of the training images.
    pub(crate) train_img_dir: Option<PathBuf>,
    /// COCO annotations with boxes and true masks.
    pub(crate) val_ann_path: Option<PathBuf>,
    /// Folder of the validation images.
    pub(crate) val_img_dir: Option<PathBuf>,
    /// Smallest box area used in training, px².
    pub(crate) min_obj_size: f64,
    /// Largest box area used in training, px².
    pub(crate) max_obj_size: f64,
    /// Side of the square crops, px.
    pub(crate) crop_size: i64,
    /// Threads that prepare batches while a GPU computes; without one, batches are made in line.
    pub(crate) workers: usize,
}

/// Shape of the network.
#[derive(Debug, Clone)]
pub(crate) struct ModelSpec {
    /// Encoder name such as `vit-mae-base/16`.
    pub(crate) arch: String,
    /// Encoder stages that stay as loaded: 0 the embedding, k the k-th block; none where empty.
    pub(crate) frozen_stages: Vec<i64>,
    /// Convolutions of the pixel head.
    pub(crate) mask_head_convs: i64,
    /// Channels inside the pixel head.
    pub(crate) mask_head_hidden: i64,
    /// Channels out of both heads.
    pub(crate) mask_head_out: i64,
    /// Weight of the old teacher in the moving average.
    pub(crate) teacher_momentum: f64,
    /// Leave the feature map at one size for all objects.
    pub(crate) not_adjust_scale: bool,
    /// Enlargement of the feature map before the pixel head.
    pub(crate) mask_scale_ratio_pre: f64,
    /// Enlargement inside the pixel head.
    pub(crate) mask_scale_ratio: f64,
    /// Largest drop-path probability.
    pub(crate) drop_path: f64,
}

/// Evaluation of a checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct EvaluateSpec {
    /// Checkpoint to evaluate.
    pub(crate) checkpoint: Option<PathBuf>,
    /// Objects in a batch.
    pub(crate) batch_size: usize,
    /// Which network segments.
    pub(crate) predictor: Predictor,
}

/// Masks for annotated boxes.
#[derive(Debug, Clone)]
pub(crate) struct InferenceSpec {
    /// Checkpoint to use.
    pub(crate) checkpoint: Option<PathBuf>,
    /// COCO annotations with boxes.
    pub(crate) ann_path: Option<PathBuf>,
    /// Folder of the images.
    pub(crate) img_dir: Option<PathBuf>,
    /// COCO result file to write.
    pub(crate) label_dump_path: Option<PathBuf>,
    /// Objects in a batch.
    pub(crate) batch_size: usize,
}

/// Which of the two networks segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Predictor {
    /// The trained network.
    Student,
    /// Its moving average.
    Teacher,
    /// The mean of both probabilities.
    Mixed,
}

impl MalSpec {
    /// Checks every key of MAL.
    pub(crate) fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        Ok(Self {
            dataset: DatasetSpec::read(spec)?,
            train: TrainSpec::read(spec)?,
            model: ModelSpec::read(spec)?,
            evaluate: EvaluateSpec::read(spec)?,
            inference: InferenceSpec::read(spec)?,
        })
    }
}

impl DatasetSpec {
    fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        choice(spec, "dataset.type", "coco", &["coco"])?;
        // Masks are read where they are needed, whatever this says.
        spec.boolean("dataset.load_mask", true)?;
        Ok(Self {
            train_ann_path: spec.path("dataset.train_ann_path")?,
            train_img_dir: spec.path("dataset.train_img_dir")?,
            val_ann_path: spec.path("dataset.val_ann_path")?,
            val_img_dir: spec.path("dataset.val_img_dir")?,
            min_obj_size: spec.float("dataset.min_obj_size", 2048.0, Range::NOT_NEGATIVE)?,
            max_obj_size: spec.float("dataset.max_obj_size", 1e10, Range::NOT_NEGATIVE)?,
            crop_size: spec.integer("dataset.crop_size", 512, Range::between(16.0, 4096.0))?,
            workers: spec.integer("dataset.num_workers_per_gpu", 2, Range::between(0.0, 64.0))? as usize,
        })
    }
}

impl ModelSpec {
    fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        let frozen = spec.floats("model.frozen_stages", &[-1.0], Range::at_least(-1.0))?;
        Ok(Self {
            arch: spec.text("model.arch")?.unwrap_or_else(|| "vit-mae-base/16".to_owned()),
            frozen_stages: frozen
                .into_iter()
                .filter(|stage| *stage >= 0.0)
                .map(|stage| stage as i64)
                .collect(),
            mask_head_convs: spec.integer("model.mask_head_num_convs", 4, Range::between(1.0, 64.0))?,
            mask_head_hidden: spec.integer("model.mask_head_hidden_channel", 256, Range::POSITIVE_COUNT)?,
            mask_head_out: spec.integer("model.mask_head_out_channel", 256, Range::POSITIVE_COUNT)?,
            teacher_momentum: spec.float("model.teacher_momentum", 0.996, Range::UNIT)?,
            not_adjust_scale: spec.boolean("model.not_adjust_scale", false)?,
            mask_scale_ratio_pre: spec.float("model.mask_scale_ratio_pre", 1.0, Range::between(0.1, 8.0))?,
            mask_scale_ratio: spec.float("model.mask_scale_ratio", 2.0, Range::between(0.1, 8.0))?,
            drop_path: spec.float("model.vit_dpr", 0.0, Range::between(0.0, 0.99))?,
        })
    }
}

impl EvaluateSpec {
    fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        let mixed = spec.boolean("evaluate.use_mixed_model_test", false)?;
        let teacher = spec.boolean("evaluate.use_teacher_test", false)?;
        Ok(Self {
            checkpoint: spec.path("evaluate.checkpoint")?,
            batch_size: count(spec, "evaluate.batch_size", 3)? as usize,
            predictor: match (mixed, teacher) {
                (true, _) => Predictor::Mixed,
                (false, true) => Predictor::Teacher,
                (false, false) => Predictor::Student,
            },
        })
    }
}

impl InferenceSpec {
    fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        Ok(Self {
            checkpoint: spec.path("inference.checkpoint")?,
            ann_path: spec.path("inference.ann_path")?,
            img_dir: spec.path("inference.img_dir")?,
            label_dump_path: spec.path("inference.label_dump_path")?,
            batch_size: count(spec, "inference.batch_size", 3)? as usize,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MalSpec, SpecError> {
        MalSpec::read(&SpecReader::parse(text, "spec.yaml", &[])?)
    }

    #[test]
    fn empty_spec_has_schema_defaults() {
        let spec = read("").unwrap();
        assert_eq!((spec.train.lr, spec.train.weight_decay, spec.train.course.num_epochs), (1e-6, 5e-4, 10));
        assert_eq!((spec.train.course.seed, spec.train.betas), (Some(1234), [0.9, 0.9]));
        assert_eq!((spec.dataset.crop_size, spec.dataset.min_obj_size), (512, 2048.0));
        assert_eq!(spec.model.arch, "vit-mae-base/16");
        assert!(spec.model.frozen_stages.is_empty());
    }

    #[test]
    fn wrong_choices_are_refused() {
        for text in [
            "train: {optim_type: sgd}",
            "train: {crf_kernel_size: 4}",
            "dataset: {crop_size: 8}",
            "train: {checkpoint_interval_unit: hour}",
            "train: {crf_value_low_thres: 0.8, crf_value_high_thres: 0.2}",
            "train: {margin_rate: [1.2, 0.0]}",
        ] {
            assert!(matches!(read(text), Err(SpecError::OutOfRange { .. })), "{text}");
        }
    }
}
