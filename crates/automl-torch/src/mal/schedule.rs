//! Learning rate of each optimizer step: linear warm-up, then a cosine to a floor.
//!
//! A pure function of the step, so that a resumed run continues the very curve it left, and a run
//! that pauses early still follows the curve of the full `train.num_epochs`.
//!
//! Notation: η the multiplied learning rate, η_min = max(`min_lr`, η·`min_lr_rate`), S steps in an
//! epoch, W warm-up steps, N all steps, w `num_wave`. For step s (from 0):
//! warm-up (s < W): η·(s + 1)/W; then η_min + (η − η_min)·(1 + cos(π·w·(s − W)/(N − W)))/2.
//! The cosine is that of Loshchilov & Hutter, SGDR, ICLR 2017, eq. 5, without restarts.

use crate::mal::spec::TrainSpec;

/// The curve of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LearningRate {
    peak: f64,
    floor: f64,
    waves: f64,
    warmup_steps: u64,
    total_steps: u64,
}

impl LearningRate {
    /// The curve for `steps_per_epoch` optimizer steps an epoch.
    pub(crate) fn new(train: &TrainSpec, steps_per_epoch: u64) -> Self {
        let peak = peak_rate(train);
        let total_steps = train.course.num_epochs * steps_per_epoch;
        Self {
            peak,
            floor: train.min_lr.max(peak * train.min_lr_rate).min(peak),
            waves: train.num_wave,
            warmup_steps: (train.warmup_epochs * steps_per_epoch).min(total_steps),
            total_steps,
        }
    }

    /// Learning rate of `step`, counted from 0 over the whole run.
    pub(crate) fn at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * (step + 1) as f64 / self.warmup_steps as f64;
        }
        let span = (self.total_steps - self.warmup_steps).max(1) as f64;
        let progress = (step - self.warmup_steps) as f64 / span;
        let cosine = (std::f64::consts::PI * self.waves * progress.min(1.0)).cos();
        self.floor + (self.peak - self.floor) * 0.5 * (1.0 + cosine)
    }
}

/// `train.lr` × devices × batch size, the rate the optimizer reaches after the warm-up.
pub(crate) fn peak_rate(train: &TrainSpec) -> f64 {
    train.lr * train.devices.num_gpus as f64 * train.batch_size as f64
}

/// Growth of a loss weight over the first epoch: min(1, step / ramp), and 1 afterwards.
pub(crate) fn loss_ramp(epoch: u64, step: u64, ramp_steps: f64) -> f64 {
    if epoch > 0 || ramp_steps <= 0.0 { 1.0 } else { (step as f64 / ramp_steps).min(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> LearningRate {
        LearningRate { peak: 1.0, floor: 0.2, waves: 1.0, warmup_steps: 4, total_steps: 12 }
    }

    #[test]
    fn warm_up_is_linear_and_ends_at_the_peak() {
        let rates: Vec<f64> = (0..5).map(|step| curve().at(step)).collect();
        assert_eq!(rates, [0.25, 0.5, 0.75, 1.0, 1.0]);
    }

    #[test]
    fn cosine_passes_the_middle_and_reaches_the_floor() {
        assert!((curve().at(8) - 0.6).abs() < 1e-12);
        assert!((curve().at(12) - 0.2).abs() < 1e-12);
        assert!((curve().at(6) - (0.2 + 0.8 * 0.5 * (1.0 + 0.5f64.sqrt()))).abs() < 1e-12);
    }

    #[test]
    fn loss_ramp_ends_with_the_first_epoch() {
        assert_eq!(loss_ramp(0, 250, 1000.0), 0.25);
        assert_eq!(loss_ramp(0, 2000, 1000.0), 1.0);
        assert_eq!(loss_ramp(1, 250, 1000.0), 1.0);
        assert_eq!(loss_ramp(0, 0, 0.0), 1.0);
    }
}
