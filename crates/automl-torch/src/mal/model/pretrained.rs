//! Fills an encoder with published weights.
//!
//! Any prefix before `patch_embed.proj.weight` is taken off, so weights of whole models work
//! too, checkpoints of this trainer among them. Position embeddings of another image size are
//! resampled. Heads and other tensors are left out.

use std::path::Path;

use tch::Tensor;

use super::{Network, VitArch};
use crate::checkpoint::{CheckpointError, copy_into};
use crate::weights;

const KEY: &str = "train.pretrained_model_path";
const ENCODER: &str = "encoder.";
const ANCHOR: &str = "patch_embed.proj.weight";
const POSITIONS: &str = "pos_embed";
/// The final norm is absent from checkpoints that pool before it.
const OPTIONAL: [&str; 2] = ["norm.weight", "norm.bias"];

/// Copies the file's encoder weights into the network.
pub(crate) fn load_encoder(network: &Network, arch: VitArch, path: &Path) -> Result<(), CheckpointError> {
    let tensors = weights::read(path, KEY)?;
    let prefix = tensors
        .keys()
        .find_map(|name| name.strip_suffix(ANCHOR))
        .ok_or_else(|| weights::refuse(path, KEY, format!("it holds no {ANCHOR}")))?;
    for (variable_name, variable) in network.variables() {
        let Some(name) = variable_name.strip_prefix(ENCODER) else { continue };
        let found = tensors.get(&format!("{prefix}{name}"));
        if found.is_none() && OPTIONAL.contains(&name) {
            continue;
        }
        let fitted = match found {
            Some(tensor) if name == POSITIONS => Some(fit_positions(tensor, variable.size()[1], arch.width)),
            other => other.map(Tensor::shallow_clone),
        };
        copy_into(fitted.as_ref(), variable).map_err(|(found, wanted)| CheckpointError::Mismatch {
            path: path.to_owned(),
            key: KEY,
            tensor: format!("{prefix}{name}"),
            found,
            wanted,
        })?;
    }
    Ok(())
}

/// Resamples [1, 1 + g², C] embeddings to `length` tokens; others are returned as they are and then
/// refused for their shape.
fn fit_positions(positions: &Tensor, length: i64, width: i64) -> Tensor {
    let side = |tokens: i64| ((tokens - 1) as f64).sqrt().round() as i64;
    let size = positions.size();
    let (from, to) = (size.get(1).copied().map_or(0, side), side(length));
    if size != [1, 1 + from * from, width] || from == to {
        return positions.shallow_clone();
    }
    let class = positions.narrow(1, 0, 1);
    let grid = positions.narrow(1, 1, from * from).reshape([1, from, from, width]).permute([0, 3, 1, 2]);
    let grid = grid.to_kind(tch::Kind::Float).upsample_bicubic2d([to, to], false, None, None);
    let grid = grid.permute([0, 2, 3, 1]).reshape([1, to * to, width]);
    Tensor::cat(&[class.to_kind(tch::Kind::Float), grid], 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mal::spec::MalSpec;
    use crate::spec::SpecReader;
    use tch::Device;

    const ARCH: &str = "vit-test/8";

    fn network(side: i64) -> Network {
        let reader =
            SpecReader::parse("model: {mask_head_hidden_channel: 8, mask_head_out_channel: 8}", "s", &[]);
        let spec = MalSpec::read(&reader.unwrap()).unwrap().model;
        Network::new(VitArch::by_name(ARCH).unwrap(), &spec, side, Device::Cpu)
    }

    fn load(network: &Network, path: &Path) -> Result<(), CheckpointError> {
        load_encoder(network, VitArch::by_name(ARCH).unwrap(), path)
    }

    fn encoder_of(network: &Network, prefix: &str) -> Vec<(String, Tensor)> {
        let variables = network.variables().into_iter();
        variables
            .filter_map(|(name, t)| Some((format!("{prefix}{}", name.strip_prefix(ENCODER)?), t.detach())))
            .collect()
    }

    #[test]
    fn weights_load_under_any_prefix_and_positions_are_resampled() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("enc.safetensors");
        tch::manual_seed(1);
        let (small, large) = (network(32), network(64));
        Tensor::write_safetensors(&encoder_of(&small, "module.vit."), &path).unwrap();
        load(&large, &path).unwrap();
        for ((name, a), (_, b)) in encoder_of(&small, "").iter().zip(encoder_of(&large, "")) {
            if name == POSITIONS {
                assert_eq!(a.narrow(1, 0, 1), b.narrow(1, 0, 1));
            } else {
                assert_eq!(*a, b, "{name}");
            }
        }
    }

    #[test]
    fn unfit_files_are_refused_with_the_tensor() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("enc.safetensors");
        let target = network(32);
        let message = |path: &Path| load(&target, path).unwrap_err().to_string();
        assert!(message(&path).contains(KEY));
        let mut tensors = encoder_of(&target, "");
        tensors.retain(|(name, _)| name != "blocks.1.mlp.fc1.weight");
        Tensor::write_safetensors(&tensors, &path).unwrap();
        assert!(message(&path).contains("blocks.1.mlp.fc1.weight is missing"));
        let archive = dir.path().join("enc.pth");
        std::fs::write(&archive, "not an archive").unwrap();
        assert!(message(&archive).starts_with("not a checkpoint"));
    }
}
