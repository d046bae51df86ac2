//! The classifier: one network for frames, one for optical flow, or both with a joint head.
//!
//! Joint: logits of both networks → `fc1` → ReLU → `fc2`, after Simonyan & Zisserman, Two-Stream
//! Convolutional Networks for Action Recognition in Videos, NIPS 2014, with a learned fusion.
//! Knows neither files nor how frames were chosen, except for [`pretrained`], which fills a network.

mod build;
mod i3d;
pub(crate) mod layer;
pub(crate) mod pretrained;
mod resnet;

use tch::{Device, Kind, Tensor, nn};

use layer::{Layer, forward};
use resnet::ResNet;

/// What a network sees of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Modality {
    /// Frames.
    Rgb,
    /// Optical flow.
    Flow,
}

/// Whether time is folded into the channels or a dimension of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dimensions {
    /// Inputs are [B, C·T, H, W].
    Two,
    /// Inputs are [B, C, T, H, W].
    Three,
}

/// Feature extractors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backbone {
    /// A residual network.
    ResNet(ResNet),
    /// Inflated Inception, for clips only.
    I3d,
}

/// Known backbones by name; `resnet_test` is for CPUs and tests.
const BACKBONES: [(&str, Backbone); 7] = [
    ("resnet_18", Backbone::ResNet(ResNet::new([2, 2, 2, 2], false))),
    ("resnet_34", Backbone::ResNet(ResNet::new([3, 4, 6, 3], false))),
    ("resnet_50", Backbone::ResNet(ResNet::new([3, 4, 6, 3], true))),
    ("resnet_101", Backbone::ResNet(ResNet::new([3, 4, 23, 3], true))),
    ("resnet_152", Backbone::ResNet(ResNet::new([3, 8, 36, 3], true))),
    ("resnet_test", Backbone::ResNet(ResNet::TEST)),
    ("i3d", Backbone::I3d),
];

/// What follows the features.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// Classes.
    pub(crate) classes: i64,
    /// Probability of a dropped feature in training.
    pub(crate) dropout: f64,
}

/// Shape of a whole classifier.
#[derive(Debug, Clone)]
pub(crate) struct NetworkShape {
    /// Backbone of each stream.
    pub(crate) backbone: Backbone,
    /// Where time is.
    pub(crate) dimensions: Dimensions,
    /// The streams with the frames each sees: one, or RGB and flow.
    pub(crate) streams: Vec<(Modality, i64)>,
    /// Classes and dropout.
    pub(crate) head: Head,
    /// Units between the two layers of the joint head.
    pub(crate) joint_units: i64,
}

/// One classifier with its variables.
#[derive(Debug)]
pub(crate) struct Network {
    variables: nn::VarStore,
    streams: Vec<(Modality, Vec<Layer>)>,
    joint: Vec<Layer>,
}

impl Modality {
    /// Channels of one frame.
    pub(crate) fn channels(self) -> i64 {
        match self {
            Self::Rgb => 3,
            Self::Flow => 2,
        }
    }

    /// Short name, as in spec keys.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rgb => "rgb",
            Self::Flow => "of",
        }
    }
}

impl Dimensions {
    /// Dimensions that windows extend over.
    pub(crate) fn rank(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Three => 3,
        }
    }
}

impl Backbone {
    /// The backbone of this name.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        BACKBONES.iter().find(|(known, _)| *known == name).map(|(_, backbone)| *backbone)
    }

    /// All names, for error messages.
    pub(crate) fn names() -> Vec<&'static str> {
        BACKBONES.iter().map(|(name, _)| *name).collect()
    }
}

impl NetworkShape {
    /// Channels of a stream's input that sees `frames`.
    fn input_channels(&self, modality: Modality, frames: i64) -> i64 {
        match self.dimensions {
            Dimensions::Two => modality.channels() * frames,
            Dimensions::Three => modality.channels(),
        }
    }

    /// Extents of a stream's input without the batch, for pictures of `height` × `width`.
    pub(crate) fn input_size(&self, modality: Modality, frames: i64, [height, width]: [i64; 2]) -> Vec<i64> {
        let channels = self.input_channels(modality, frames);
        match self.dimensions {
            Dimensions::Two => vec![channels, height, width],
            Dimensions::Three => vec![channels, frames, height, width],
        }
    }
}

impl Network {
    /// A freshly started network; draws from libtorch's generator.
    pub(crate) fn new(shape: &NetworkShape, device: Device) -> Self {
        let variables = nn::VarStore::new(device);
        let root = variables.root();
        let joined = shape.streams.len() > 1;
        let stream = |(modality, frames): (Modality, i64)| {
            let place = if joined { &root / format!("model_{}", modality.name()) } else { root.clone() };
            let channels = shape.input_channels(modality, frames);
            let layers = match shape.backbone {
                Backbone::ResNet(resnet) => resnet.layers(&place, shape.dimensions, channels, shape.head),
                Backbone::I3d => i3d::layers(&place, channels, shape.head),
            };
            (modality, layers)
        };
        let streams: Vec<_> = shape.streams.iter().copied().map(stream).collect();
        let mut joint = Vec::new();
        if joined {
            let (classes, units) = (shape.head.classes, shape.joint_units);
            joint.push(build::linear(&(&root / "fc1"), classes * streams.len() as i64, units));
            joint.push(Layer::Relu);
            joint.push(build::linear(&(&root / "fc2"), units, classes));
        }
        Self { variables, streams, joint }
    }

    /// Logits [B, classes] of one input for each stream.
    pub(crate) fn forward(&self, inputs: &[Tensor], train: bool) -> Tensor {
        let results: Vec<Tensor> = self
            .streams
            .iter()
            .zip(inputs)
            .map(|((_, layers), input)| forward(layers, input, train))
            .collect();
        forward(&self.joint, &Tensor::cat(&results, 1), train).to_kind(Kind::Float)
    }

    /// The streams' layers, and those that join their results (none where there is one stream).
    pub(crate) fn layers(&self) -> (&[(Modality, Vec<Layer>)], &[Layer]) {
        (&self.streams, &self.joint)
    }

    /// Variables and running statistics by name, sorted, sharing memory with the network.
    pub(crate) fn variables(&self) -> Vec<(String, Tensor)> {
        let mut variables: Vec<_> = self.variables.variables().into_iter().collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        variables
    }

    /// Gives up all gradients, for use without training.
    pub(crate) fn freeze(&mut self) {
        self.variables.freeze();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A shape of the test size for two classes.
    pub(crate) fn shape(
        backbone: &str,
        dimensions: Dimensions,
        streams: Vec<(Modality, i64)>,
    ) -> NetworkShape {
        let head = Head { classes: 2, dropout: 0.5 };
        let backbone = Backbone::by_name(backbone).unwrap();
        NetworkShape { backbone, dimensions, streams, head, joint_units: 8 }
    }

    /// Random inputs of a batch of two.
    pub(crate) fn inputs(shape: &NetworkShape, side: i64) -> Vec<Tensor> {
        let size = |(modality, frames): &(Modality, i64)| {
            [vec![2], shape.input_size(*modality, *frames, [side, side])].concat()
        };
        let random = |stream| Tensor::randn(size(stream), (Kind::Float, Device::Cpu));
        shape.streams.iter().map(random).collect()
    }

    const RGB: (Modality, i64) = (Modality::Rgb, 3);
    const FLOW: (Modality, i64) = (Modality::Flow, 4);

    fn check(shape: &NetworkShape, side: i64) {
        tch::manual_seed(1);
        let network = Network::new(shape, Device::Cpu);
        let logits = network.forward(&inputs(shape, side), true);
        assert_eq!(logits.size(), [2, 2]);
        logits.square().sum(Kind::Float).backward();
        for (name, variable) in network.variables() {
            assert_eq!(variable.requires_grad(), !name.contains("running_"), "{name}");
            assert!(!variable.requires_grad() || variable.grad().defined(), "{name}");
        }
    }

    #[test]
    fn every_kind_of_network_makes_a_step_forward_and_back() {
        for dimensions in [Dimensions::Two, Dimensions::Three] {
            for streams in [vec![RGB], vec![FLOW], vec![RGB, FLOW]] {
                check(&shape("resnet_test", dimensions, streams), 32);
            }
        }
        check(&shape("resnet_18", Dimensions::Two, vec![RGB]), 32);
        check(&shape("resnet_50", Dimensions::Three, vec![FLOW]), 16);
        check(&shape("i3d", Dimensions::Three, vec![RGB]), 32);
    }

    #[test]
    fn sizes_are_those_of_the_papers() {
        let trained = |backbone: &str, dimensions, streams| {
            let mut shape = shape(backbone, dimensions, streams);
            shape.head.classes = 1000;
            let network = Network::new(&shape, Device::Cpu);
            let variables = network.variables().into_iter().filter(|(_, v)| v.requires_grad());
            variables.map(|(_, variable)| variable.numel()).sum::<usize>()
        };
        let picture = vec![(Modality::Rgb, 1)];
        // As torchvision counts them for ImageNet.
        assert_eq!(trained("resnet_18", Dimensions::Two, picture.clone()), 11_689_512);
        assert_eq!(trained("resnet_50", Dimensions::Two, picture.clone()), 25_557_032);
        // 12.29 M without the classifier of 1024 × 1000 + 1000.
        assert_eq!(trained("i3d", Dimensions::Three, picture), 12_287_264 + 1_025_000);
    }

    #[test]
    fn variables_have_their_published_names() {
        let names = |shape: &NetworkShape| {
            let network = Network::new(shape, Device::Cpu);
            network.variables().into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let joint = names(&shape("resnet_test", Dimensions::Two, vec![RGB, FLOW]));
        for name in ["model_rgb.conv1.weight", "model_of.layer4.0.downsample.1.running_var", "fc2.bias"] {
            assert!(joint.iter().any(|known| known == name), "{name}");
        }
        let i3d = names(&shape("i3d", Dimensions::Three, vec![RGB]));
        for name in ["Mixed_5c.b2b.bn.running_mean", "logits.conv3d.bias"] {
            assert!(i3d.iter().any(|known| known == name), "{name}");
        }
    }
}
