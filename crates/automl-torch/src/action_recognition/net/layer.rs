//! Layers as data, so that one description of a network serves to compute it and to export it.
//!
//! Inputs are [B, C, H, W] or [B, C, T, H, W]; the rank of a layer's numbers (kernel, stride, padding)
//! is that of the space it works in. Variables share memory with the store they were made in.

use tch::{Kind, Tensor};

/// One step of a network; a network is a list of them.
#[derive(Debug)]
pub(crate) enum Layer {
    /// Convolution.
    Conv(Conv),
    /// Batch normalisation.
    Norm(Norm),
    /// max(0, x).
    Relu,
    /// Largest value of each window.
    MaxPool(Pool),
    /// Mean over space and time, whose extents become 1.
    GlobalMean,
    /// Zeroes values with this probability, in training only.
    Dropout(f64),
    /// [B, C, 1, …] to [B, C].
    Flatten,
    /// Fully connected.
    Linear(Linear),
    /// relu(main(x) + shortcut(x)); an empty shortcut is x itself.
    Residual {
        /// The path with the convolutions.
        main: Vec<Layer>,
        /// The path around it.
        shortcut: Vec<Layer>,
    },
    /// Results of each branch, joined along the channels.
    Branches(Vec<Vec<Layer>>),
}

/// Convolution without groups or dilation.
#[derive(Debug)]
pub(crate) struct Conv {
    /// Name of the layer, that of its variables without `.weight`.
    pub(crate) name: String,
    /// [out, in, kernel…].
    pub(crate) weight: Tensor,
    /// [out].
    pub(crate) bias: Option<Tensor>,
    /// Step along each dimension.
    pub(crate) stride: Vec<i64>,
    /// What lies around the input.
    pub(crate) padding: Padding,
}

/// Batch normalisation over every dimension but the channels.
#[derive(Debug)]
pub(crate) struct Norm {
    /// Name of the layer.
    pub(crate) name: String,
    /// γ.
    pub(crate) weight: Tensor,
    /// β.
    pub(crate) bias: Tensor,
    /// Running mean.
    pub(crate) mean: Tensor,
    /// Running variance.
    pub(crate) variance: Tensor,
    /// ε.
    pub(crate) eps: f64,
    /// Weight of the newest batch in the running values.
    pub(crate) momentum: f64,
}

/// Windows of a pooling layer.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Extent of a window.
    pub(crate) kernel: Vec<i64>,
    /// Step along each dimension.
    pub(crate) stride: Vec<i64>,
    /// What lies around the input.
    pub(crate) padding: Padding,
}

/// Fully connected layer.
#[derive(Debug)]
pub(crate) struct Linear {
    /// Name of the layer.
    pub(crate) name: String,
    /// [out, in].
    pub(crate) weight: Tensor,
    /// [out].
    pub(crate) bias: Tensor,
}

/// Values around the input of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Padding {
    /// So many zeros on both sides of each dimension.
    Fixed(Vec<i64>),
    /// As many zeros as give ⌈extent / stride⌉ windows, the odd one at the end.
    Same,
}

/// Applies the layers in order.
pub(crate) fn forward(layers: &[Layer], input: &Tensor, train: bool) -> Tensor {
    layers.iter().fold(input.shallow_clone(), |value, layer| layer.apply(&value, train))
}

impl Layer {
    fn apply(&self, input: &Tensor, train: bool) -> Tensor {
        match self {
            Self::Conv(conv) => conv.apply(input),
            Self::Norm(norm) => norm.apply(input, train),
            Self::Relu => input.relu(),
            Self::MaxPool(pool) => pool.apply(input),
            Self::GlobalMean => {
                let space: Vec<i64> = (2..input.dim() as i64).collect();
                input.mean_dim(space, true, Kind::Float)
            }
            Self::Dropout(probability) => input.dropout(*probability, train),
            Self::Flatten => input.flatten(1, -1),
            Self::Linear(linear) => input.linear(&linear.weight, Some(&linear.bias)),
            Self::Residual { main, shortcut } => {
                (forward(main, input, train) + forward(shortcut, input, train)).relu()
            }
            Self::Branches(branches) => {
                let results: Vec<Tensor> =
                    branches.iter().map(|layers| forward(layers, input, train)).collect();
                Tensor::cat(&results, 1)
            }
        }
    }
}

impl Conv {
    fn apply(&self, input: &Tensor) -> Tensor {
        let kernel = &self.weight.size()[2..];
        let (input, padding) = self.padding.around(input, kernel, &self.stride);
        let (ones, zeros) = (vec![1; kernel.len()], vec![0; kernel.len()]);
        input.convolution(&self.weight, self.bias.as_ref(), &self.stride, padding, ones, false, zeros, 1)
    }
}

impl Norm {
    fn apply(&self, input: &Tensor, train: bool) -> Tensor {
        // One value has no variance; such a batch (a lone clip whose map has shrunk to a point) is
        // normalised by the running values and leaves them as they are.
        let values = input.numel() as i64 / self.weight.numel() as i64;
        input.batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.mean),
            Some(&self.variance),
            train && values > 1,
            self.momentum,
            self.eps,
            true,
        )
    }
}

impl Pool {
    fn apply(&self, input: &Tensor) -> Tensor {
        let (input, padding) = self.padding.around(input, &self.kernel, &self.stride);
        let dilation = vec![1; self.kernel.len()];
        if self.kernel.len() == 3 {
            input.max_pool3d(&self.kernel, &self.stride, padding, dilation, false)
        } else {
            input.max_pool2d(&self.kernel, &self.stride, padding, dilation, false)
        }
    }
}

impl Padding {
    /// The input with what cannot be left to the window operation, and what can.
    fn around(&self, input: &Tensor, kernel: &[i64], stride: &[i64]) -> (Tensor, Vec<i64>) {
        match self {
            Self::Fixed(sides) => (input.shallow_clone(), sides.clone()),
            Self::Same => {
                let extents = &input.size()[2..];
                // libtorch wants the last dimension first.
                let pads = (0..kernel.len()).rev().flat_map(|at| {
                    let windows = (extents[at] + stride[at] - 1) / stride[at];
                    let total = ((windows - 1) * stride[at] + kernel[at] - extents[at]).max(0);
                    [total / 2, total - total / 2]
                });
                (input.constant_pad_nd(pads.collect::<Vec<_>>()), vec![0; kernel.len()])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn same_padding_keeps_the_ceiling_of_the_extent() {
        for (extent, stride) in [(7, 2), (8, 2), (5, 1), (9, 3)] {
            let pool = Pool { kernel: vec![3, 3], stride: vec![stride; 2], padding: Padding::Same };
            let input = Tensor::ones([1, 1, extent, extent], (Kind::Float, Device::Cpu));
            let windows = (extent + stride - 1) / stride;
            assert_eq!(pool.apply(&input).size(), [1, 1, windows, windows], "{extent} {stride}");
        }
    }

    #[test]
    fn single_value_is_normalised_by_the_running_statistics() {
        let numbers = |value: f64| Tensor::from_slice(&[value as f32]);
        let norm = Norm {
            name: "bn".into(),
            weight: numbers(1.0),
            bias: numbers(0.0),
            mean: numbers(2.0),
            variance: numbers(4.0),
            eps: 0.0,
            momentum: 0.1,
        };
        let lone = Tensor::from_slice(&[6f32]).view([1, 1, 1, 1]);
        assert_eq!(norm.apply(&lone, true).double_value(&[0, 0, 0, 0]), 2.0);
        assert_eq!(norm.variance.double_value(&[0]), 4.0);
        let pair = Tensor::from_slice(&[6f32, 8.0]).view([2, 1, 1, 1]);
        assert_eq!(norm.apply(&pair, true).double_value(&[0, 0, 0, 0]), -1.0);
        assert!((norm.mean.double_value(&[0]) - 2.5).abs() < 1e-6);
    }

    #[test]
    fn residuals_add_and_branches_join() {
        let input = Tensor::from_slice(&[-1f32, 2.0]).view([1, 2, 1, 1]);
        let residual = Layer::Residual { main: vec![Layer::Relu], shortcut: vec![] };
        let sum = Vec::<f32>::try_from(residual.apply(&input, false).view([-1])).unwrap();
        assert_eq!(sum, [0.0, 4.0]);
        let branches = Layer::Branches(vec![vec![], vec![Layer::Relu]]);
        let joined = Vec::<f32>::try_from(branches.apply(&input, false).view([-1])).unwrap();
        assert_eq!(joined, [-1.0, 2.0, 0.0, 2.0]);
    }
}
