//! Layers with fresh variables, named as published checkpoints name them.

use tch::nn::{self, Init, init};

use super::layer::{Conv, Layer, Linear, Norm, Padding};

/// Shape of a convolution.
#[derive(Debug, Clone)]
pub(super) struct ConvShape {
    /// Channels in.
    pub(super) from: i64,
    /// Channels out.
    pub(super) to: i64,
    /// Extent of the window.
    pub(super) kernel: Vec<i64>,
    /// Step along each dimension.
    pub(super) stride: Vec<i64>,
    /// What lies around the input.
    pub(super) padding: Padding,
}

/// ε and momentum of a batch normalisation.
#[derive(Debug, Clone, Copy)]
pub(super) struct NormSettings {
    /// ε.
    pub(super) eps: f64,
    /// Weight of the newest batch.
    pub(super) momentum: f64,
}

/// A convolution without bias, started as He et al., Delving Deep into Rectifiers, ICCV 2015.
pub(super) fn conv(path: &nn::Path<'_>, shape: ConvShape) -> Layer {
    let start = Init::Kaiming {
        dist: init::NormalOrUniform::Normal,
        fan: init::FanInOut::FanOut,
        non_linearity: init::NonLinearity::ReLU,
    };
    Layer::Conv(convolution(path, shape, start, false))
}

/// A convolution with bias in place of a fully connected layer.
pub(super) fn conv_head(path: &nn::Path<'_>, shape: ConvShape) -> Layer {
    let start = uniform(shape.from);
    Layer::Conv(convolution(path, shape, start, true))
}

fn convolution(path: &nn::Path<'_>, shape: ConvShape, start: Init, with_bias: bool) -> Conv {
    let ConvShape { from, to, kernel, stride, padding } = shape;
    let size = [vec![to, from], kernel].concat();
    let weight = path.var("weight", &size, start);
    let bias = with_bias.then(|| path.var("bias", &[to], start));
    Conv { name: name_of(path), weight, bias, stride, padding }
}

/// A batch normalisation that changes nothing yet.
pub(super) fn norm(path: &nn::Path<'_>, channels: i64, settings: NormSettings) -> Layer {
    Layer::Norm(Norm {
        name: name_of(path),
        weight: path.ones("weight", &[channels]),
        bias: path.zeros("bias", &[channels]),
        mean: path.zeros_no_train("running_mean", &[channels]),
        variance: path.ones_no_train("running_var", &[channels]),
        eps: settings.eps,
        momentum: settings.momentum,
    })
}

/// A fully connected layer, started uniformly within ±1/√from.
pub(super) fn linear(path: &nn::Path<'_>, from: i64, to: i64) -> Layer {
    let weight = path.var("weight", &[to, from], uniform(from));
    let bias = path.var("bias", &[to], uniform(from));
    Layer::Linear(Linear { name: name_of(path), weight, bias })
}

fn uniform(from: i64) -> Init {
    let bound = 1.0 / (from as f64).sqrt();
    Init::Uniform { lo: -bound, up: bound }
}

fn name_of(path: &nn::Path<'_>) -> String {
    path.components().collect::<Vec<_>>().join(".")
}
