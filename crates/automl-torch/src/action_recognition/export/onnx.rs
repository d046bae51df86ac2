//! The network as an ONNX model.
//!
//! Each layer becomes the operators that compute it outside training; dropout becomes nothing. The
//! batch dimension stays open. Field numbers are those of `onnx.proto`, IR version 8, operator set 17.

use tch::{Device, Kind, Tensor};

use super::protobuf::Message;
use crate::action_recognition::net::layer::{Conv, Layer, Linear, Norm, Padding, Pool};
use crate::action_recognition::net::{Network, NetworkShape};

const IR_VERSION: u64 = 8;
const OPERATOR_SET: u64 = 17;
/// `TensorProto.DataType.FLOAT`.
const FLOAT: u64 = 1;
/// Name of the open dimension.
const BATCH: &str = "batch_size";
/// Name of the logits.
pub(crate) const OUTPUT: &str = "fc_pred";

/// The file's bytes; `size` is height and width of the pictures.
pub(crate) fn model(network: &Network, shape: &NetworkShape, size: [i64; 2], classes: &[String]) -> Vec<u8> {
    let mut graph = Graph::default();
    let (streams, joint) = network.layers();
    let mut results = Vec::new();
    for ((modality, layers), (_, frames)) in streams.iter().zip(&shape.streams) {
        let input = format!("input_{}", modality.name());
        graph.inputs.push(value_info(&input, &shape.input_size(*modality, *frames, size)));
        results.push(graph.layers(layers, input));
    }
    let joined = match <[String; 1]>::try_from(results) {
        Ok([single]) => single,
        Err(several) => graph.node("Concat", &several, &[integer("axis", 1)]),
    };
    let logits = graph.layers(joint, joined);
    graph.finish(&logits);
    let operators = Message::default().text(1, "").number(2, OPERATOR_SET);
    let labels = Message::default().text(1, "classes").text(2, &classes.join(","));
    Message::default()
        .number(1, IR_VERSION)
        .text(2, env!("CARGO_PKG_NAME"))
        .text(3, env!("CARGO_PKG_VERSION"))
        .message(7, &graph.message(value_info(OUTPUT, &[shape.head.classes])))
        .message(8, &operators)
        .message(14, &labels)
        .into_bytes()
}

/// Operators, constants and inputs so far.
#[derive(Debug, Default)]
struct Graph {
    nodes: Vec<Message>,
    constants: Vec<Message>,
    inputs: Vec<Message>,
}

impl Graph {
    /// Adds the layers after `input` and returns the name of their result.
    fn layers(&mut self, layers: &[Layer], input: String) -> String {
        layers.iter().fold(input, |value, layer| self.layer(layer, value))
    }

    fn layer(&mut self, layer: &Layer, input: String) -> String {
        match layer {
            Layer::Conv(conv) => self.conv(conv, input),
            Layer::Norm(norm) => self.norm(norm, input),
            Layer::Relu => self.node("Relu", &[input], &[]),
            Layer::MaxPool(pool) => self.pool(pool, input),
            Layer::GlobalMean => self.node("GlobalAveragePool", &[input], &[]),
            Layer::Dropout(_) => input,
            Layer::Flatten => self.node("Flatten", &[input], &[integer("axis", 1)]),
            Layer::Linear(linear) => self.linear(linear, input),
            Layer::Residual { main, shortcut } => {
                let sides = [self.layers(main, input.clone()), self.layers(shortcut, input)];
                let sum = self.node("Add", &sides, &[]);
                self.node("Relu", &[sum], &[])
            }
            Layer::Branches(branches) => {
                let results: Vec<String> =
                    branches.iter().map(|layers| self.layers(layers, input.clone())).collect();
                self.node("Concat", &results, &[integer("axis", 1)])
            }
        }
    }

    fn conv(&mut self, conv: &Conv, input: String) -> String {
        let mut inputs = vec![input, self.constant(&conv.name, "weight", &conv.weight)];
        if let Some(bias) = &conv.bias {
            inputs.push(self.constant(&conv.name, "bias", bias));
        }
        self.node("Conv", &inputs, &window(&conv.weight.size()[2..], &conv.stride, &conv.padding))
    }

    fn norm(&mut self, norm: &Norm, input: String) -> String {
        let tensors = [
            ("weight", &norm.weight),
            ("bias", &norm.bias),
            ("running_mean", &norm.mean),
            ("running_var", &norm.variance),
        ];
        let mut inputs = vec![input];
        inputs.extend(tensors.map(|(part, tensor)| self.constant(&norm.name, part, tensor)));
        self.node("BatchNormalization", &inputs, &[float("epsilon", norm.eps)])
    }

    fn pool(&mut self, pool: &Pool, input: String) -> String {
        self.node("MaxPool", &[input], &window(&pool.kernel, &pool.stride, &pool.padding))
    }

    fn linear(&mut self, linear: &Linear, input: String) -> String {
        let weight = self.constant(&linear.name, "weight", &linear.weight);
        let bias = self.constant(&linear.name, "bias", &linear.bias);
        self.node("Gemm", &[input, weight, bias], &[integer("transB", 1)])
    }

    /// Adds an operator and returns the name of its result.
    fn node(&mut self, operator: &str, inputs: &[String], attributes: &[Message]) -> String {
        let name = format!("{operator}_{}", self.nodes.len());
        let output = format!("{name}_output");
        let node = Message::default()
            .each(inputs, |node, input| node.text(1, input))
            .text(2, &output)
            .text(3, &name)
            .text(4, operator)
            .each(attributes, |node, attribute| node.message(5, attribute));
        self.nodes.push(node);
        output
    }

    /// Adds a tensor under its variable's name, which it returns.
    fn constant(&mut self, layer: &str, part: &str, tensor: &Tensor) -> String {
        let name = format!("{layer}.{part}");
        let values = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
        let numbers = Vec::<f32>::try_from(values.view([-1])).expect("floats on the CPU");
        let raw: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
        let constant = Message::default()
            .each(tensor.size(), |tensor, extent| tensor.number(1, extent as u64))
            .number(2, FLOAT)
            .text(8, &name)
            .bytes(9, &raw);
        self.constants.push(constant);
        name
    }

    /// Gives the last result its public name.
    fn finish(&mut self, result: &str) {
        let node = Message::default().text(1, result).text(2, OUTPUT).text(3, OUTPUT).text(4, "Identity");
        self.nodes.push(node);
    }

    fn message(self, output: Message) -> Message {
        Message::default()
            .each(&self.nodes, |graph, node| graph.message(1, node))
            .text(2, "action_recognition")
            .each(&self.constants, |graph, constant| graph.message(5, constant))
            .each(&self.inputs, |graph, input| graph.message(11, input))
            .message(12, &output)
    }
}

/// Attributes of an operator that moves a window.
fn window(kernel: &[i64], stride: &[i64], padding: &Padding) -> Vec<Message> {
    let padding = match padding {
        Padding::Fixed(sides) => integers("pads", &[sides.as_slice(), sides].concat()),
        Padding::Same => {
            // `AttributeProto.AttributeType.STRING` is 3.
            Message::default().text(1, "auto_pad").text(4, "SAME_UPPER").number(20, 3)
        }
    };
    vec![integers("kernel_shape", kernel), integers("strides", stride), padding]
}

/// An attribute of type FLOAT (1).
fn float(name: &str, value: f64) -> Message {
    Message::default().text(1, name).float(2, value as f32).number(20, 1)
}

/// An attribute of type INT (2).
fn integer(name: &str, value: u64) -> Message {
    Message::default().text(1, name).number(3, value).number(20, 2)
}

/// An attribute of type INTS (7).
fn integers(name: &str, values: &[i64]) -> Message {
    Message::default()
        .text(1, name)
        .each(values, |attribute, value| attribute.number(8, *value as u64))
        .number(20, 7)
}

/// Name and shape of an input or output; the batch comes first.
fn value_info(name: &str, size: &[i64]) -> Message {
    let batch = Message::default().text(2, BATCH);
    let shape = Message::default()
        .message(1, &batch)
        .each(size, |shape, extent| shape.message(1, &Message::default().number(1, *extent as u64)));
    let tensor = Message::default().number(1, FLOAT).message(2, &shape);
    Message::default().text(1, name).message(2, &Message::default().message(1, &tensor))
}
