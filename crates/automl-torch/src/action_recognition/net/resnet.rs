//! Residual networks over pictures and over clips.
//!
//! He et al., Deep Residual Learning for Image Recognition, CVPR 2016, table 1, with the stride in the
//! 3×3 convolution of a bottleneck. The form for clips replaces each k×k window by k×k×k, keeps the
//! length of time within the blocks, and has a 5×7×7 stem. Variable names are those of torchvision,
//! with `fc_cls` for the classifier.

use tch::nn;

use super::build::{ConvShape, NormSettings, conv, linear, norm};
use super::layer::{Layer, Padding, Pool};
use super::{Dimensions, Head};

/// ε and momentum of every normalisation.
const NORM: NormSettings = NormSettings { eps: 1e-5, momentum: 0.1 };
/// Channels out of a bottleneck over its inner ones.
const EXPANSION: i64 = 4;

/// Sizes of one residual network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResNet {
    /// Channels of the stem and of the first stage; each further stage has twice as many.
    width: i64,
    /// Blocks of the four stages.
    blocks: [usize; 4],
    /// Whether blocks are bottlenecks of three convolutions.
    bottleneck: bool,
}

impl ResNet {
    /// An ordinary depth.
    pub(super) const fn new(blocks: [usize; 4], bottleneck: bool) -> Self {
        Self { width: 64, blocks, bottleneck }
    }

    /// A size for tests and for training on a CPU.
    pub(super) const TEST: Self = Self { width: 8, blocks: [1; 4], bottleneck: false };

    /// The layers from `channels` to the logits of `head.classes`.
    pub(super) fn layers(
        self,
        path: &nn::Path<'_>,
        dimensions: Dimensions,
        channels: i64,
        head: Head,
    ) -> Vec<Layer> {
        let mut layers = self.stem(path, dimensions, channels);
        let mut from = self.width;
        for (stage, blocks) in (0u32..).zip(self.blocks) {
            let inner = self.width << stage;
            let place = path / format!("layer{}", stage + 1);
            for block in 0..blocks {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                let shape = Block { from, inner, stride, dimensions };
                layers.push(self.block(&(&place / block.to_string()), shape));
                from = self.channels_out(inner);
            }
        }
        layers.extend([Layer::GlobalMean, Layer::Dropout(head.dropout), Layer::Flatten]);
        layers.push(linear(&(path / "fc_cls"), from, head.classes));
        layers
    }

    fn channels_out(self, inner: i64) -> i64 {
        if self.bottleneck { inner * EXPANSION } else { inner }
    }

    fn stem(self, path: &nn::Path<'_>, dimensions: Dimensions, channels: i64) -> Vec<Layer> {
        let (conv_shape, pool) = match dimensions {
            Dimensions::Two => (
                (vec![7, 7], vec![2, 2], vec![3, 3]),
                Pool { kernel: vec![3, 3], stride: vec![2, 2], padding: Padding::Fixed(vec![1, 1]) },
            ),
            Dimensions::Three => (
                (vec![5, 7, 7], vec![2, 2, 2], vec![2, 3, 3]),
                Pool { kernel: vec![1, 3, 3], stride: vec![2, 2, 2], padding: Padding::Fixed(vec![0, 1, 1]) },
            ),
        };
        let (kernel, stride, padding) = conv_shape;
        let shape =
            ConvShape { from: channels, to: self.width, kernel, stride, padding: Padding::Fixed(padding) };
        vec![
            conv(&(path / "conv1"), shape),
            norm(&(path / "bn1"), self.width, NORM),
            Layer::Relu,
            Layer::MaxPool(pool),
        ]
    }

    fn block(self, path: &nn::Path<'_>, block: Block) -> Layer {
        let Block { from, inner, stride, .. } = block;
        let to = self.channels_out(inner);
        // (channels in, channels out, window, stride) of each convolution.
        let convolutions = if self.bottleneck {
            vec![(from, inner, 1, 1), (inner, inner, 3, stride), (inner, to, 1, 1)]
        } else {
            vec![(from, inner, 3, stride), (inner, to, 3, 1)]
        };
        let mut main = Vec::new();
        for (at, (from, to, window, stride)) in (1..).zip(convolutions) {
            if at > 1 {
                main.push(Layer::Relu);
            }
            main.push(conv(&(path / format!("conv{at}")), block.window(from, to, window, stride)));
            main.push(norm(&(path / format!("bn{at}")), to, NORM));
        }
        let mut shortcut = Vec::new();
        if stride != 1 || from != to {
            let place = path / "downsample";
            shortcut.push(conv(&(&place / "0"), block.window(from, to, 1, stride)));
            shortcut.push(norm(&(&place / "1"), to, NORM));
        }
        Layer::Residual { main, shortcut }
    }
}

/// What a block is built from.
#[derive(Debug, Clone, Copy)]
struct Block {
    from: i64,
    inner: i64,
    stride: i64,
    dimensions: Dimensions,
}

impl Block {
    /// A convolution with windows of `window` along each dimension and strides over space only.
    fn window(&self, from: i64, to: i64, window: i64, stride: i64) -> ConvShape {
        let rank = self.dimensions.rank();
        let mut strides = vec![stride; rank];
        if self.dimensions == Dimensions::Three {
            strides[0] = 1;
        }
        ConvShape {
            from,
            to,
            kernel: vec![window; rank],
            stride: strides,
            padding: Padding::Fixed(vec![window / 2; rank]),
        }
    }
}
