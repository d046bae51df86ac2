//! Inflated Inception over clips.
//!
//! Carreira & Zisserman, Quo Vadis, Action Recognition?, CVPR 2017, figure 3. Windows are padded to
//! keep ⌈extent / stride⌉ places. The last features are averaged over all of time and space before
//! the classifier; the paper averages 2×7×7 windows first, which is the same for clips of 16 frames
//! of 224². Variable names are those of the published PyTorch port.

use tch::nn;

use super::Head;
use super::build::{ConvShape, NormSettings, conv, conv_head, norm};
use super::layer::{Layer, Padding, Pool};

/// ε and momentum of every normalisation.
const NORM: NormSettings = NormSettings { eps: 1e-3, momentum: 0.01 };

/// Channels of a module: 1×1×1; 1×1×1 and 3×3×3; 1×1×1 and 3×3×3; 1×1×1 after a pool.
type Widths = [i64; 6];

/// A stage opens with a pool (window, stride) and goes on with modules.
type Stage = ([i64; 3], [i64; 3], &'static [(&'static str, Widths)]);

/// The three stages after the stem.
const STAGES: [Stage; 3] = [
    (
        [1, 3, 3],
        [1, 2, 2],
        &[("Mixed_3b", [64, 96, 128, 16, 32, 32]), ("Mixed_3c", [128, 128, 192, 32, 96, 64])],
    ),
    (
        [3, 3, 3],
        [2, 2, 2],
        &[
            ("Mixed_4b", [192, 96, 208, 16, 48, 64]),
            ("Mixed_4c", [160, 112, 224, 24, 64, 64]),
            ("Mixed_4d", [128, 128, 256, 24, 64, 64]),
            ("Mixed_4e", [112, 144, 288, 32, 64, 64]),
            ("Mixed_4f", [256, 160, 320, 32, 128, 128]),
        ],
    ),
    (
        [2, 2, 2],
        [2, 2, 2],
        &[("Mixed_5b", [256, 160, 320, 32, 128, 128]), ("Mixed_5c", [384, 192, 384, 48, 128, 128])],
    ),
];

/// The layers from `channels` to the logits of `head.classes`.
pub(super) fn layers(path: &nn::Path<'_>, channels: i64, head: Head) -> Vec<Layer> {
    let mut layers = unit(&(path / "Conv3d_1a_7x7"), channels, 64, 7, 2);
    layers.push(pool([1, 3, 3], [1, 2, 2]));
    layers.extend(unit(&(path / "Conv3d_2b_1x1"), 64, 64, 1, 1));
    layers.extend(unit(&(path / "Conv3d_2c_3x3"), 64, 192, 3, 1));
    let mut from = 192;
    for (window, stride, modules) in STAGES {
        layers.push(pool(window, stride));
        for (name, widths) in modules {
            layers.push(module(&(path / *name), from, *widths));
            from = widths[0] + widths[2] + widths[4] + widths[5];
        }
    }
    layers.extend([Layer::GlobalMean, Layer::Dropout(head.dropout)]);
    let logits = shape(from, head.classes, 1, 1);
    layers.extend([conv_head(&(path / "logits" / "conv3d"), logits), Layer::Flatten]);
    layers
}

fn module(path: &nn::Path<'_>, from: i64, widths: Widths) -> Layer {
    let unit = |name: &str, from, to, window| unit(&(path / name), from, to, window, 1);
    let two = |names: [&str; 2], inner, to| {
        let mut layers = unit(names[0], from, inner, 1);
        layers.extend(unit(names[1], inner, to, 3));
        layers
    };
    let mut pooled = vec![pool([3, 3, 3], [1, 1, 1])];
    pooled.extend(unit("b3b", from, widths[5], 1));
    Layer::Branches(vec![
        unit("b0", from, widths[0], 1),
        two(["b1a", "b1b"], widths[1], widths[2]),
        two(["b2a", "b2b"], widths[3], widths[4]),
        pooled,
    ])
}

/// Convolution, normalisation and ReLU.
fn unit(path: &nn::Path<'_>, from: i64, to: i64, window: i64, stride: i64) -> Vec<Layer> {
    let convolution = conv(&(path / "conv3d"), shape(from, to, window, stride));
    vec![convolution, norm(&(path / "bn"), to, NORM), Layer::Relu]
}

fn shape(from: i64, to: i64, window: i64, stride: i64) -> ConvShape {
    ConvShape { from, to, kernel: vec![window; 3], stride: vec![stride; 3], padding: Padding::Same }
}

/// Values before a pool are at least 0, so that padding with zeros never wins over a true value.
fn pool(window: [i64; 3], stride: [i64; 3]) -> Layer {
    Layer::MaxPool(Pool { kernel: window.to_vec(), stride: stride.to_vec(), padding: Padding::Same })
}
