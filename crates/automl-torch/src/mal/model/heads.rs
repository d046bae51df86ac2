//! The two heads whose inner product is the mask.
//!
//! The ROI head looks at the whole crop and gives a query K; the pixel head gives a vector V for
//! each place. Lan et al. 2023, section 3.1, after Yolact-style dynamic masks.

use tch::Tensor;
use tch::nn::{self, Module};

use super::vit::linear;
use crate::mal::spec::ModelSpec;

/// Convolution of the pixel head before which the map is enlarged, counted from 0.
const ENLARGE_BEFORE: i64 = 3;

/// Global average → linear → ReLU → linear.
#[derive(Debug)]
pub(super) struct RoiHead {
    first: nn::Linear,
    second: nn::Linear,
}

impl RoiHead {
    pub(super) fn new(path: &nn::Path<'_>, width: i64, out: i64) -> Self {
        Self { first: linear(path / "fc1", width, out), second: linear(path / "fc2", out, out) }
    }

    /// Queries [B, out] of a feature map [B, C, h, w].
    pub(super) fn forward(&self, features: &Tensor) -> Tensor {
        let mean = features.mean_dim([2i64, 3].as_slice(), false, features.kind());
        self.second.forward(&self.first.forward(&mean).relu())
    }
}

/// 3 × 3 convolutions with ReLU, with one enlargement on the way.
#[derive(Debug)]
pub(super) struct PixelHead {
    convolutions: Vec<nn::Conv2D>,
    enlarge_before: usize,
    scale: f64,
}

impl PixelHead {
    pub(super) fn new(path: &nn::Path<'_>, width: i64, spec: &ModelSpec) -> Self {
        let count = spec.mask_head_convs;
        let config = nn::ConvConfig { padding: 1, ..Default::default() };
        let convolutions = (0..count)
            .map(|at| {
                let inputs = if at == 0 { width } else { spec.mask_head_hidden };
                let outputs = if at == count - 1 { spec.mask_head_out } else { spec.mask_head_hidden };
                nn::conv2d(path / "convs" / at, inputs, outputs, 3, config)
            })
            .collect();
        let enlarge_before = ENLARGE_BEFORE.min(count - 1) as usize;
        Self { convolutions, enlarge_before, scale: spec.mask_scale_ratio }
    }

    /// Place vectors [B, out, h·scale, w·scale] of a feature map [B, C, h, w].
    pub(super) fn forward(&self, features: &Tensor) -> Tensor {
        let mut map = features.shallow_clone();
        for (at, convolution) in self.convolutions.iter().enumerate() {
            if at == self.enlarge_before {
                map = rescale(&map, self.scale);
            }
            map = convolution.forward(&map).relu();
        }
        map
    }
}

/// The map with both sides multiplied by `factor`, at least one cell a side.
pub(super) fn rescale(map: &Tensor, factor: f64) -> Tensor {
    let side = |length: i64| ((length as f64 * factor) as i64).max(1);
    let (height, width) = (map.size()[2], map.size()[3]);
    resize(map, side(height), side(width))
}

/// The map [B, C, h, w] resized bilinearly.
pub(super) fn resize(map: &Tensor, height: i64, width: i64) -> Tensor {
    if (map.size()[2], map.size()[3]) == (height, width) {
        return map.shallow_clone();
    }
    map.upsample_bilinear2d([height, width], false, None, None)
}
