//! Fills a network with published weights.
//!
//! Any prefix before the anchor variable is taken off, so weights of whole programs work too,
//! checkpoints of this trainer among them. The first convolution adapts to another number of
//! channels by the mean over the file's channels (Wang et al., Temporal Segment Networks, ECCV 2016,
//! section 3.2), and weights over pictures are spread evenly over time for clips (Carreira &
//! Zisserman, CVPR 2017, section 2.4).

use std::collections::BTreeMap;
use std::path::Path;

use tch::Tensor;

use super::Network;
use crate::checkpoint::{CheckpointError, copy_into};
use crate::weights;

/// Names that every file has one of: the first convolution of the backbones, the last layer of a joint
/// network.
const FIRST_CONVOLUTIONS: [&str; 2] = ["conv1.weight", "Conv3d_1a_7x7.conv3d.weight"];
const JOINT_ANCHOR: &str = "fc1.weight";
/// Starts of the classifiers' variables.
const CLASSIFIERS: [&str; 2] = ["fc_cls.", "logits."];

/// Which weights to load from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// Spec key that names it.
    pub(crate) key: &'static str,
    /// Start of the names of the variables to fill; empty for the whole network.
    pub(crate) stream: &'a str,
    /// Leave the classifier as it was started.
    pub(crate) fresh_classifier: bool,
}

/// Copies a stream's, or the whole network's, weights from the file.
pub(crate) fn load(network: &Network, source: &Source<'_>) -> Result<(), CheckpointError> {
    let Source { path, key, stream, fresh_classifier } = *source;
    let tensors = weights::read(path, key)?;
    let whole_joint = stream.is_empty() && !network.layers().1.is_empty();
    let anchors: &[&str] = if whole_joint { &[JOINT_ANCHOR] } else { &FIRST_CONVOLUTIONS };
    let prefix = prefix_of(&tensors, anchors)
        .ok_or_else(|| weights::refuse(path, key, format!("it holds no {}", anchors.join(" and no "))))?;
    for (variable_name, variable) in network.variables() {
        let Some(name) = variable_name.strip_prefix(stream) else { continue };
        if fresh_classifier && CLASSIFIERS.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        let tensor = format!("{prefix}{name}");
        let fitted = tensors.get(&tensor).map(|found| fit(found, &variable.size()));
        copy_into(fitted.as_ref(), variable).map_err(|(found, wanted)| CheckpointError::Mismatch {
            path: path.to_owned(),
            key,
            tensor,
            found,
            wanted,
        })?;
    }
    Ok(())
}

/// What stands before the shortest name that ends with an anchor: other layers end alike.
fn prefix_of<'a>(tensors: &'a BTreeMap<String, Tensor>, anchors: &[&str]) -> Option<&'a str> {
    let names = tensors.keys().filter_map(|name| anchors.iter().find_map(|end| name.strip_suffix(end)));
    names.min_by_key(|prefix| prefix.len())
}

/// Spreads a convolution over time and adapts its channels where that gives the wanted size; other
/// tensors are returned as they are and then refused for their shape.
fn fit(found: &Tensor, wanted: &[i64]) -> Tensor {
    let mut fitted = found.shallow_clone();
    if fitted.dim() == 4 && wanted.len() == 5 {
        let length = wanted[2];
        fitted = fitted.unsqueeze(2).repeat([1, 1, length, 1, 1]) / length as f64;
    }
    let size = fitted.size();
    if size.len() >= 4 && size.len() == wanted.len() && size[1] != wanted[1] {
        let mut repeats = vec![1; size.len()];
        repeats[1] = wanted[1];
        fitted = fitted.mean_dim(1, true, tch::Kind::Float).repeat(repeats);
    }
    fitted
}

#[cfg(test)]
mod tests {
    use super::super::tests::shape;
    use super::super::{Dimensions, Modality};
    use super::*;
    use tch::Device;

    const KEY: &str = "model.rgb_pretrained_model_path";

    fn network(dimensions: Dimensions, streams: Vec<(Modality, i64)>, classes: i64) -> Network {
        let mut shape = shape("resnet_test", dimensions, streams);
        shape.head.classes = classes;
        Network::new(&shape, Device::Cpu)
    }

    fn write(network: &Network, path: &Path, prefix: &str) {
        let named = network.variables().into_iter().map(|(name, t)| (format!("{prefix}{name}"), t.detach()));
        Tensor::write_safetensors(&named.collect::<Vec<_>>(), path).unwrap();
    }

    fn variable(network: &Network, name: &str) -> Tensor {
        network.variables().into_iter().find(|(known, _)| known == name).unwrap().1.detach()
    }

    #[test]
    fn stream_of_a_joint_network_loads_with_another_classifier() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rgb.safetensors");
        let published = network(Dimensions::Two, vec![(Modality::Rgb, 1)], 7);
        write(&published, &path, "state_dict.model.");
        let joint = network(Dimensions::Two, vec![(Modality::Rgb, 3), (Modality::Flow, 2)], 2);
        let classifier = variable(&joint, "model_rgb.fc_cls.weight");
        let flow = variable(&joint, "model_of.layer1.0.conv1.weight").copy();
        let mut source = Source { path: &path, key: KEY, stream: "model_rgb.", fresh_classifier: true };
        load(&joint, &source).unwrap();
        let same = "layer1.0.conv1.weight";
        assert_eq!(variable(&joint, &format!("model_rgb.{same}")), variable(&published, same));
        assert_eq!(variable(&joint, "model_rgb.fc_cls.weight"), classifier);
        assert_eq!(variable(&joint, "model_of.layer1.0.conv1.weight"), flow);
        let adapted = variable(&joint, "model_rgb.conv1.weight");
        let mean = variable(&published, "conv1.weight").mean_dim(1, false, tch::Kind::Float);
        assert_eq!(adapted.size()[1], 9);
        assert_eq!(adapted.select(1, 8), mean);
        source.fresh_classifier = false;
        let refused = load(&joint, &source).unwrap_err().to_string();
        assert!(refused.contains("fc_cls") && refused.contains(KEY), "{refused}");
    }

    #[test]
    fn weights_over_pictures_are_spread_over_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("flat.safetensors");
        let flat = network(Dimensions::Two, vec![(Modality::Rgb, 1)], 2);
        write(&flat, &path, "");
        let deep = network(Dimensions::Three, vec![(Modality::Rgb, 4)], 2);
        load(&deep, &Source { path: &path, key: KEY, stream: "", fresh_classifier: false }).unwrap();
        let spread = variable(&deep, "conv1.weight").sum_dim_intlist(2, false, tch::Kind::Float);
        let difference = (spread - variable(&flat, "conv1.weight")).abs().max().double_value(&[]);
        assert!(difference < 1e-6, "{difference}");
    }

    #[test]
    fn files_without_the_network_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other.safetensors");
        Tensor::write_safetensors(&[("x", Tensor::from_slice(&[1f32]))], &path).unwrap();
        let target = network(Dimensions::Two, vec![(Modality::Rgb, 1)], 2);
        let source = Source { path: &path, key: KEY, stream: "", fresh_classifier: false };
        let refused = load(&target, &source).unwrap_err().to_string();
        assert!(refused.starts_with("not a checkpoint") && refused.contains("conv1.weight"), "{refused}");
    }
}
