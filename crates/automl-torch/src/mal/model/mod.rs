//! The mask network: encoder, two heads, and their inner product.
//!
//! Student and teacher are two [`Network`]s of the same shape; the teacher follows the student as a
//! moving average and never has a gradient. This module knows neither losses nor files except for
//! [`pretrained`], which fills an encoder.

mod heads;
pub(crate) mod pretrained;
mod vit;

use tch::{Device, Tensor, nn};

use crate::mal::size_class::SizeClass;
use crate::mal::spec::ModelSpec;
use heads::{PixelHead, RoiHead};
use vit::Vit;
pub(crate) use vit::VitArch;

/// Start of the names of the teacher's variables in a checkpoint.
pub(crate) const TEACHER: &str = "teacher.";
/// Cells of the logit map for one cell of the feature map.
pub(crate) const MAP_SCALE: i64 = 4;

/// One mask network with its variables.
#[derive(Debug)]
pub(crate) struct Network {
    variables: nn::VarStore,
    encoder: Vit,
    roi_head: RoiHead,
    pixel_head: PixelHead,
    adjust_scale: bool,
    scale_before_head: f64,
}

impl Network {
    /// A freshly started network for crops of `side` px; draws from libtorch's generator.
    pub(crate) fn new(arch: VitArch, spec: &ModelSpec, side: i64, device: Device) -> Self {
        let variables = nn::VarStore::new(device);
        let root = variables.root();
        let encoder = Vit::new(&(&root / "encoder"), arch, side, spec.drop_path);
        let roi_head = RoiHead::new(&(&root / "roi_head"), arch.width, spec.mask_head_out);
        let pixel_head = PixelHead::new(&(&root / "mask_head"), arch.width, spec);
        let network = Self {
            encoder,
            roi_head,
            pixel_head,
            adjust_scale: !spec.not_adjust_scale,
            scale_before_head: spec.mask_scale_ratio_pre,
            variables,
        };
        network.freeze_stages(&spec.frozen_stages);
        network
    }

    /// Logits [B, 4h, 4w] of crops [B, 3, S, S] whose objects have these sizes.
    pub(crate) fn forward(&self, images: &Tensor, sizes: &[SizeClass], train: bool) -> Tensor {
        let features = self.encoder.forward(images, train);
        let (height, width) = (features.size()[2] * MAP_SCALE, features.size()[3] * MAP_SCALE);
        let queries = self.roi_head.forward(&features);
        if !self.adjust_scale {
            return self.logits(&features, &queries, self.scale_before_head, (height, width));
        }
        let mut parts = Vec::new();
        let mut order = Vec::new();
        for class in SizeClass::ALL {
            let members: Vec<i64> =
                (0..).zip(sizes).filter(|(_, size)| **size == class).map(|(at, _)| at).collect();
            if members.is_empty() {
                continue;
            }
            let index = Tensor::from_slice(&members).to_device(features.device());
            let scale = self.scale_before_head * class.feature_scale();
            let (features, queries) = (features.index_select(0, &index), queries.index_select(0, &index));
            parts.push(self.logits(&features, &queries, scale, (height, width)));
            order.extend(members);
        }
        let mut place = vec![0i64; order.len()];
        (0..).zip(&order).for_each(|(at, member)| place[*member as usize] = at);
        Tensor::cat(&parts, 0).index_select(0, &Tensor::from_slice(&place).to_device(images.device()))
    }

    fn logits(&self, features: &Tensor, queries: &Tensor, scale: f64, size: (i64, i64)) -> Tensor {
        let places = self.pixel_head.forward(&heads::rescale(features, scale));
        let (batch, channels, height, width) = places.size4().expect("place vectors are [B, C, h, w]");
        let product = queries.unsqueeze(1).bmm(&places.view([batch, channels, height * width]));
        heads::resize(&product.view([batch, 1, height, width]), size.0, size.1).squeeze_dim(1)
    }

    /// Variables by name, sorted, sharing memory with the network.
    pub(crate) fn variables(&self) -> Vec<(String, Tensor)> {
        let mut variables: Vec<_> = self.variables.variables().into_iter().collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        variables
    }

    /// Takes over the values of a network of the same shape and gives up all gradients.
    pub(crate) fn follow(&mut self, leader: &Self) {
        self.variables.freeze();
        self.average_towards(leader, 0.0);
    }

    /// θ ← momentum·θ + (1 − momentum)·θ_leader.
    ///
    /// # Panics
    ///
    /// If the networks differ in shape.
    pub(crate) fn average_towards(&self, leader: &Self, momentum: f64) {
        tch::no_grad(|| {
            for ((name, mut own), (other_name, other)) in self.variables().into_iter().zip(leader.variables())
            {
                assert_eq!(name, other_name, "networks of the same shape");
                if momentum == 0.0 {
                    own.copy_(&other);
                } else {
                    let _ = own.lerp_(&other, 1.0 - momentum);
                }
            }
        });
    }

    /// Stage 0 is the embedding of patches and positions, stage k the k-th block.
    fn freeze_stages(&self, stages: &[i64]) {
        for stage in stages {
            let prefixes = match stage {
                0 => vec![
                    "encoder.patch_embed.".to_owned(),
                    "encoder.cls_token".into(),
                    "encoder.pos_embed".into(),
                ],
                block => vec![format!("encoder.blocks.{}.", block - 1)],
            };
            for (name, variable) in self.variables() {
                if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                    let _ = variable.set_requires_grad(false);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    fn spec() -> ModelSpec {
        ModelSpec {
            arch: "vit-test/8".into(),
            frozen_stages: Vec::new(),
            mask_head_convs: 4,
            mask_head_hidden: 16,
            mask_head_out: 16,
            teacher_momentum: 0.996,
            not_adjust_scale: false,
            mask_scale_ratio_pre: 1.0,
            mask_scale_ratio: 2.0,
            drop_path: 0.0,
        }
    }

    fn network(name: &str, side: i64, spec: &ModelSpec) -> Network {
        Network::new(VitArch::by_name(name).unwrap(), spec, side, Device::Cpu)
    }

    fn images(batch: i64, side: i64) -> Tensor {
        Tensor::randn([batch, 3, side, side], (Kind::Float, Device::Cpu))
    }

    #[test]
    fn mixed_sizes_give_the_logits_of_each_alone() {
        tch::manual_seed(3);
        let network = network("vit-test/8", 32, &spec());
        let images = images(4, 32);
        let sizes = [SizeClass::Large, SizeClass::Small, SizeClass::Medium, SizeClass::Small];
        let together = network.forward(&images, &sizes, false);
        assert_eq!(together.size(), [4, 16, 16]);
        for (at, size) in (0..).zip(sizes) {
            let alone = network.forward(&images.narrow(0, at, 1), &[size], false);
            let difference = (together.narrow(0, at, 1) - alone).abs().max().double_value(&[]);
            assert!(difference < 1e-4, "{size:?}: {difference}");
        }
        let other = network.forward(&images.narrow(0, 0, 1), &[SizeClass::Small], false);
        assert!((together.narrow(0, 0, 1) - other).abs().max().double_value(&[]) > 1e-4);
    }

    #[test]
    fn tiny_encoder_makes_a_step_forward_and_back() {
        let network = network("vit-mae-tiny/16", 64, &spec());
        let logits = network.forward(&images(1, 64), &[SizeClass::Medium], true);
        assert_eq!(logits.size(), [1, 16, 16]);
        logits.sum(Kind::Float).backward();
        let touched = network.variables().iter().filter(|(_, v)| v.grad().defined()).count();
        assert_eq!(touched, network.variables().len());
    }

    #[test]
    fn larger_encoders_make_a_step_forward_and_back() {
        for name in ["vit-mae-small/16", "vit-mae-base/16"] {
            let network = network(name, 32, &spec());
            let logits = network.forward(&images(1, 32), &[SizeClass::Small], true);
            assert_eq!(logits.size(), [1, 8, 8], "{name}");
            logits.sum(Kind::Float).backward();
            assert_eq!(logits.isfinite().all().int64_value(&[]), 1, "{name}");
            for (variable, value) in network.variables() {
                assert!(value.grad().defined(), "{name}: {variable}");
            }
        }
    }

    #[test]
    fn teacher_moves_by_its_momentum() {
        tch::manual_seed(1);
        let student = network("vit-test/8", 32, &spec());
        let mut teacher = network("vit-test/8", 32, &spec());
        teacher.follow(&student);
        let value = |network: &Network| network.variables()[0].1.mean(Kind::Double).double_value(&[]);
        assert_eq!(value(&student), value(&teacher));
        let before = value(&teacher);
        tch::no_grad(|| {
            let _ = student.variables()[0].1.shallow_clone().g_add_scalar_(1.0);
        });
        teacher.average_towards(&student, 0.75);
        assert!((value(&teacher) - (before + 0.25)).abs() < 1e-6);
        assert!(teacher.variables().iter().all(|(_, variable)| !variable.requires_grad()));
    }

    #[test]
    fn frozen_stages_have_no_gradient() {
        let frozen = network("vit-test/8", 32, &ModelSpec { frozen_stages: vec![0, 2], ..spec() });
        for (name, variable) in frozen.variables() {
            let expected = !(name.starts_with("encoder.patch_embed.")
                || name == "encoder.cls_token"
                || name == "encoder.pos_embed"
                || name.starts_with("encoder.blocks.1."));
            assert_eq!(variable.requires_grad(), expected, "{name}");
        }
    }
}
