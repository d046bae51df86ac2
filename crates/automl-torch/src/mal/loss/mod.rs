//! The two losses of box-supervised mask learning, weighted and summed.
//!
//! Notation: p = sigmoid(student logits), t = sigmoid(teacher logits), m the box mask, r the refined
//! mask; all [B, H, W]. total = w_mil·L_mil(p, m) + w_crf·dice(p, r), each a mean over objects.
//! Lan et al., Vision Transformers Are Good Mask Auto-Labelers, CVPR 2023, section 3.

mod crf;
mod dice;
mod mil;

use tch::{Kind, Tensor};

use crate::mal::schedule::loss_ramp;
use crate::mal::spec::LossSpec;
use crf::MeanField;

/// Everything the losses look at, for one batch.
#[derive(Debug)]
pub(crate) struct LossInput<'a> {
    /// Student logits, [B, H, W].
    pub(crate) student_logits: &'a Tensor,
    /// Teacher logits, [B, H, W], without gradient.
    pub(crate) teacher_logits: &'a Tensor,
    /// Box masks at the logits' size, [B, H, W].
    pub(crate) box_masks: &'a Tensor,
    /// Normalised clean crops, [B, 3, S, S].
    pub(crate) images: &'a Tensor,
    /// Epoch, counted from 0.
    pub(crate) epoch: u64,
    /// Optimizer steps done before.
    pub(crate) step: u64,
}

/// The training loss of one run.
#[derive(Debug)]
pub(crate) struct MalLoss {
    spec: LossSpec,
    mean_field: MeanField,
}

impl MalLoss {
    /// A loss with these weights.
    pub(crate) fn new(spec: &LossSpec) -> Self {
        Self { spec: spec.clone(), mean_field: MeanField::new(spec) }
    }

    /// Mean loss of the batch, a scalar with gradient to the student's logits.
    pub(crate) fn forward(&self, input: &LossInput<'_>) -> Tensor {
        let student = input.student_logits.to_kind(Kind::Float).sigmoid();
        let mil_weight = self.spec.mil_weight * loss_ramp(input.epoch, input.step, self.spec.mil_ramp_steps);
        let total = mil::loss(&student, input.box_masks).mean(Kind::Float) * mil_weight;
        let crf_weight = self.spec.crf_weight * loss_ramp(input.epoch, input.step, self.spec.crf_ramp_steps);
        if crf_weight == 0.0 {
            return total;
        }
        total + self.refinement_loss(&student, input) * crf_weight
    }

    fn refinement_loss(&self, student: &Tensor, input: &LossInput<'_>) -> Tensor {
        let ratio = self.spec.crf_size_ratio;
        let (height, width) = (student.size()[1] * ratio, student.size()[2] * ratio);
        let resized = |map: &Tensor| {
            if ratio == 1 {
                map.shallow_clone()
            } else {
                map.unsqueeze(1).upsample_bilinear2d([height, width], false, None, None).squeeze_dim(1)
            }
        };
        let student = resized(student);
        let refined = tch::no_grad(|| {
            let teacher = resized(&input.teacher_logits.to_kind(Kind::Float).sigmoid());
            let images = input.images.adaptive_avg_pool2d([height, width]);
            let mean = (&student + teacher) * 0.5;
            // A threshold keeps the box mask binary after resizing.
            let box_masks = resized(input.box_masks).gt(0.5).to_kind(Kind::Float);
            self.mean_field.refine(&images, &mean, &box_masks)
        });
        dice::loss(&student.flatten(1, -1), &refined.flatten(1, -1)).mean(Kind::Float)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn ramps_scale_the_losses_in_the_first_epoch() {
        let spec = LossSpec {
            mil_weight: 4.0,
            mil_ramp_steps: 10.0,
            crf_weight: 0.5,
            crf_ramp_steps: 20.0,
            crf_zeta: 0.1,
            crf_kernel_size: 3,
            crf_iterations: 2,
            crf_size_ratio: 2,
            crf_clamp: [0.1, 0.9],
        };
        let loss = MalLoss::new(&spec);
        tch::manual_seed(1);
        let logits = Tensor::randn([2, 4, 4], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let box_masks = Tensor::ones([2, 4, 4], (Kind::Float, Device::Cpu));
        let images = Tensor::randn([2, 3, 16, 16], (Kind::Float, Device::Cpu));
        let value = |epoch, step| {
            let input = LossInput {
                student_logits: &logits,
                teacher_logits: &logits.detach(),
                box_masks: &box_masks,
                images: &images,
                epoch,
                step,
            };
            loss.forward(&input)
        };
        assert_eq!(value(0, 0).double_value(&[]), 0.0);
        let (early, full) = (value(0, 5).double_value(&[]), value(1, 5).double_value(&[]));
        let mil = mil::loss(&logits.sigmoid(), &box_masks).mean(Kind::Float).double_value(&[]) * 4.0;
        let crf = full - mil;
        assert!(crf > 0.0 && (early - (0.5 * mil + 0.25 * crf)).abs() < 1e-5);
        value(1, 5).backward();
        assert!(logits.grad().abs().sum(Kind::Float).double_value(&[]) > 0.0);
    }
}
