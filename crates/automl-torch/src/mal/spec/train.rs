//! `train.*`: optimisation, intervals, checkpoints, losses.

use std::path::PathBuf;

use crate::spec::{Course, Devices, Range, SpecError, SpecReader, choice, count};

/// How to train.
#[derive(Debug, Clone)]
pub(crate) struct TrainSpec {
    /// Length, intervals and seed.
    pub(crate) course: Course,
    /// Where to compute; the devices' joint batch makes one optimizer step.
    pub(crate) devices: Devices,
    /// Encoder weights to start from.
    pub(crate) pretrained: Option<PathBuf>,
    /// Objects in a batch.
    pub(crate) batch_size: usize,
    /// Batches whose gradients are summed before a step.
    pub(crate) accumulation: usize,
    /// Half precision on CUDA.
    pub(crate) use_amp: bool,
    /// Learning rate per object; multiplied by devices × batch size.
    pub(crate) lr: f64,
    /// Lower limit of the learning rate after that multiplication.
    pub(crate) min_lr: f64,
    /// Lower limit as a fraction of the multiplied learning rate.
    pub(crate) min_lr_rate: f64,
    /// Half cosine waves after the warm-up.
    pub(crate) num_wave: f64,
    /// Decoupled weight decay.
    pub(crate) weight_decay: f64,
    /// ε of AdamW.
    pub(crate) eps: f64,
    /// β₁ and β₂ of AdamW.
    pub(crate) betas: [f64; 2],
    /// Epochs of linear warm-up.
    pub(crate) warmup_epochs: u64,
    /// Range of the box enlargement in training, as a fraction of the side.
    pub(crate) margin_rate: [f64; 2],
    /// Box enlargement at validation, horizontal and vertical.
    pub(crate) test_margin_rate: [f64; 2],
    /// Probability above which a pixel belongs to the mask.
    pub(crate) mask_threshold: f64,
    /// Weights and ramps of the two losses.
    pub(crate) loss: LossSpec,
}

/// Loss weights and the mean-field refinement.
#[derive(Debug, Clone)]
pub(crate) struct LossSpec {
    /// Weight of the multiple-instance loss.
    pub(crate) mil_weight: f64,
    /// Steps over which that weight grows in the first epoch.
    pub(crate) mil_ramp_steps: f64,
    /// Weight of the refinement loss.
    pub(crate) crf_weight: f64,
    /// Steps over which that weight grows in the first epoch.
    pub(crate) crf_ramp_steps: f64,
    /// ζ, the colour distance at which neighbours stop to agree.
    pub(crate) crf_zeta: f64,
    /// Side of the neighbourhood, odd, px of the map.
    pub(crate) crf_kernel_size: i64,
    /// Mean-field iterations.
    pub(crate) crf_iterations: i64,
    /// Map enlargement for the refinement.
    pub(crate) crf_size_ratio: i64,
    /// Bounds of the label probabilities.
    pub(crate) crf_clamp: [f64; 2],
}

impl TrainSpec {
    pub(super) fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        choice(spec, "train.optim_type", "adamw", &["adamw"])?;
        // AdamW has no momentum of its own; the key belongs to other optimizers.
        spec.float("train.optim_momentum", 0.9, Range::UNIT)?;
        let thresholds = spec.floats("train.mask_thres", &[0.1], Range::UNIT)?;
        Ok(Self {
            course: Course::read(spec)?,
            devices: Devices::read(spec, "train")?,
            pretrained: spec.path("train.pretrained_model_path")?,
            batch_size: count(spec, "train.batch_size", 1)? as usize,
            accumulation: count(spec, "train.accum_grad_batches", 1)? as usize,
            use_amp: spec.boolean("train.use_amp", true)?,
            lr: spec.float("train.lr", 1e-6, Range::NOT_NEGATIVE)?,
            min_lr: spec.float("train.min_lr", 0.0, Range::NOT_NEGATIVE)?,
            min_lr_rate: spec.float("train.min_lr_rate", 0.02, Range::UNIT)?,
            num_wave: spec.float("train.num_wave", 1.0, Range::NOT_NEGATIVE)?,
            weight_decay: spec.float("train.wd", 5e-4, Range::NOT_NEGATIVE)?,
            eps: spec.float("train.optim_eps", 1e-8, Range::NOT_NEGATIVE)?,
            betas: spec.pair("train.optim_betas", [0.9, 0.9], Range::between(0.0, 0.999_999_9))?,
            warmup_epochs: spec.integer("train.warmup_epochs", 1, Range::NOT_NEGATIVE)? as u64,
            margin_rate: margin_rate(spec)?,
            test_margin_rate: spec.pair("train.test_margin_rate", [0.6, 0.6], Range::NOT_NEGATIVE)?,
            mask_threshold: thresholds.first().copied().unwrap_or(0.1),
            loss: LossSpec::read(spec)?,
        })
    }
}

/// A range of box enlargements that numbers can be drawn from.
fn margin_rate(spec: &SpecReader) -> Result<[f64; 2], SpecError> {
    let key = "train.margin_rate";
    let [low, high] = spec.pair(key, [0.0, 1.2], Range::between(0.0, 100.0))?;
    if low > high {
        let (value, allowed) = (format!("[{low}, {high}]"), "[low, high], the lower number first".to_owned());
        return Err(SpecError::OutOfRange { key: key.to_owned(), value, allowed });
    }
    Ok([low, high])
}

impl LossSpec {
    fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        let kernel = spec.integer("train.crf_kernel_size", 3, Range::between(1.0, 63.0))?;
        if kernel % 2 == 0 {
            let (value, allowed) = (kernel.to_string(), "odd".to_owned());
            return Err(SpecError::OutOfRange { key: "train.crf_kernel_size".into(), value, allowed });
        }
        let low = spec.float("train.crf_value_low_thres", 0.1, Range::between(1e-6, 1.0))?;
        Ok(Self {
            mil_weight: spec.float("train.loss_mil_weight", 4.0, Range::NOT_NEGATIVE)?,
            mil_ramp_steps: spec.float("train.loss_mil_step", 1000.0, Range::NOT_NEGATIVE)?,
            crf_weight: spec.float("train.loss_crf_weight", 0.5, Range::NOT_NEGATIVE)?,
            crf_ramp_steps: spec.float("train.loss_crf_step", 4000.0, Range::NOT_NEGATIVE)?,
            crf_zeta: spec.float("train.crf_zeta", 0.1, Range::at_least(1e-6))?,
            crf_kernel_size: kernel,
            crf_iterations: spec.integer("train.crf_num_iter", 100, Range::NOT_NEGATIVE)?,
            crf_size_ratio: spec.integer("train.crf_size_ratio", 1, Range::between(1.0, 16.0))?,
            crf_clamp: [low, spec.float("train.crf_value_high_thres", 0.9, Range::between(low, 1.0))?],
        })
    }
}
