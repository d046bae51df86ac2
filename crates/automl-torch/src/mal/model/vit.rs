//! Vision transformer encoder, and the sizes it comes in.
//!
//! Notation: S side of the square image, P patch size, N = (S/P)² tokens, C width. A linear map of
//! each patch gives N tokens; a class token and position embeddings are added; each block is
//! x ← x + Attention(LN(x)), x ← x + MLP(LN(x)). Dosovitskiy et al., An Image Is Worth 16x16 Words,
//! ICLR 2021, eq. 1-4. Sizes and the sine-cosine start of the positions: He et al., Masked
//! Autoencoders Are Scalable Vision Learners, CVPR 2022; Touvron et al., DeiT, ICML 2021.
//!
//! Variable names are those of the published checkpoints (`blocks.0.attn.qkv.weight`, …), so weights
//! load by name.

use tch::nn::{self, Module};
use tch::{Kind, Tensor};

use crate::picture::CHANNELS;

/// ε of every layer norm of the encoder.
const NORM_EPS: f64 = 1e-6;
/// Width of the MLP's hidden layer over the token width.
const MLP_RATIO: i64 = 4;
/// Standard deviation at which tokens start.
const TOKEN_STD: f64 = 0.02;

/// Sizes of one encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VitArch {
    /// Side of a patch, px.
    pub(crate) patch: i64,
    /// Numbers in a token.
    pub(crate) width: i64,
    /// Blocks.
    pub(crate) depth: i64,
    /// Attention heads of a block.
    pub(crate) heads: i64,
}

/// Known encoders: name, patch, width, depth, heads. The `vit-test` family is for CPUs and tests.
const ARCHES: [(&str, i64, i64, i64, i64); 10] = [
    ("vit-mae-tiny/16", 16, 192, 12, 3),
    ("vit-mae-small/16", 16, 384, 12, 6),
    ("vit-mae-base/16", 16, 768, 12, 12),
    ("vit-mae-large/16", 16, 1024, 24, 16),
    ("vit-mae-huge/16", 16, 1280, 32, 16),
    ("vit-mae-huge/14", 14, 1280, 32, 16),
    ("vit-deit-tiny/16", 16, 192, 12, 3),
    ("vit-deit-small/16", 16, 384, 12, 6),
    ("vit-test/16", 16, 64, 3, 4),
    ("vit-test/8", 8, 64, 3, 4),
];

impl VitArch {
    /// The encoder of this name.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        let found = ARCHES.iter().find(|arch| arch.0 == name)?;
        let (_, patch, width, depth, heads) = *found;
        Some(Self { patch, width, depth, heads })
    }

    /// All names, for error messages.
    pub(crate) fn names() -> Vec<&'static str> {
        ARCHES.iter().map(|arch| arch.0).collect()
    }
}

/// The encoder.
#[derive(Debug)]
pub(crate) struct Vit {
    patch_embed: nn::Conv2D,
    class_token: Tensor,
    positions: Tensor,
    blocks: Vec<Block>,
    norm: nn::LayerNorm,
    width: i64,
}

impl Vit {
    /// An encoder for square images of `side` px, a multiple of the patch.
    ///
    /// `drop_path` is the probability with which the last block is skipped in training; earlier ones
    /// are skipped proportionally less.
    pub(crate) fn new(path: &nn::Path<'_>, arch: VitArch, side: i64, drop_path: f64) -> Self {
        let VitArch { patch, width, depth, heads } = arch;
        let fan_in = CHANNELS as i64 * patch * patch;
        let config = nn::ConvConfigND {
            stride: patch,
            ws_init: xavier(fan_in, width),
            bs_init: nn::Init::Const(0.0),
            ..Default::default()
        };
        let token = nn::Init::Randn { mean: 0.0, stdev: TOKEN_STD };
        let blocks_path = path / "blocks";
        let skip = |block: i64| drop_path * block as f64 / (depth - 1).max(1) as f64;
        Self {
            patch_embed: nn::conv2d(path / "patch_embed" / "proj", CHANNELS as i64, width, patch, config),
            class_token: path.var("cls_token", &[1, 1, width], token),
            positions: path.var_copy("pos_embed", &sine_positions(width, side / patch)),
            blocks: (0..depth).map(|at| Block::new(&(&blocks_path / at), width, heads, skip(at))).collect(),
            norm: layer_norm(path / "norm", width),
            width,
        }
    }

    /// Feature map [B, C, S/P, S/P] of images [B, 3, S, S].
    pub(crate) fn forward(&self, images: &Tensor, train: bool) -> Tensor {
        let patches = self.patch_embed.forward(images);
        let (batch, rows, columns) = (patches.size()[0], patches.size()[2], patches.size()[3]);
        let class = self.class_token.expand([batch, 1, self.width], false);
        let tokens = Tensor::cat(&[class, patches.flatten(2, 3).transpose(1, 2)], 1) + &self.positions;
        let tokens = self.blocks.iter().fold(tokens, |tokens, block| block.forward(&tokens, train));
        let tokens = self.norm.forward(&tokens).narrow(1, 1, rows * columns);
        tokens.transpose(1, 2).reshape([batch, self.width, rows, columns])
    }
}

#[derive(Debug)]
struct Block {
    norm1: nn::LayerNorm,
    qkv: nn::Linear,
    projection: nn::Linear,
    norm2: nn::LayerNorm,
    fc1: nn::Linear,
    fc2: nn::Linear,
    heads: i64,
    skip: f64,
}

impl Block {
    fn new(path: &nn::Path<'_>, width: i64, heads: i64, skip: f64) -> Self {
        let hidden = MLP_RATIO * width;
        Self {
            norm1: layer_norm(path / "norm1", width),
            qkv: linear(path / "attn" / "qkv", width, 3 * width),
            projection: linear(path / "attn" / "proj", width, width),
            norm2: layer_norm(path / "norm2", width),
            fc1: linear(path / "mlp" / "fc1", width, hidden),
            fc2: linear(path / "mlp" / "fc2", hidden, width),
            heads,
            skip,
        }
    }

    fn forward(&self, tokens: &Tensor, train: bool) -> Tensor {
        let attended = self.attention(&self.norm1.forward(tokens));
        let tokens = tokens + self.drop_path(attended, train);
        let mixed = self.fc2.forward(&self.fc1.forward(&self.norm2.forward(&tokens)).gelu("none"));
        &tokens + self.drop_path(mixed, train)
    }

    fn attention(&self, tokens: &Tensor) -> Tensor {
        let (batch, length, width) = tokens.size3().expect("tokens are [B, N, C]");
        let qkv = self.qkv.forward(tokens).reshape([batch, length, 3, self.heads, width / self.heads]);
        let qkv = qkv.permute([2, 0, 3, 1, 4]);
        let mixed = Tensor::scaled_dot_product_attention(
            &qkv.select(0, 0),
            &qkv.select(0, 1),
            &qkv.select(0, 2),
            None::<Tensor>,
            0.0,
            false,
            None,
            false,
        );
        self.projection.forward(&mixed.transpose(1, 2).reshape([batch, length, width]))
    }

    /// Leaves the branch out for a random part of the batch, and scales the rest to the same mean.
    /// Huang et al., Deep Networks with Stochastic Depth, ECCV 2016.
    fn drop_path(&self, branch: Tensor, train: bool) -> Tensor {
        if !train || self.skip == 0.0 {
            return branch;
        }
        let keep = 1.0 - self.skip;
        let kept = Tensor::rand([branch.size()[0], 1, 1], (branch.kind(), branch.device())).lt(keep);
        branch * kept.to_kind(Kind::Float) / keep
    }
}

/// Fixed sine-cosine positions [1, 1 + grid², width]; the class token's are zero.
///
/// The first half of the numbers encodes the column, the second the row, each as sines and cosines
/// at width/4 frequencies from 1 to 1/10000 (Vaswani et al. 2017, section 3.5, in two dimensions).
fn sine_positions(width: i64, grid: i64) -> Tensor {
    let quarter = width / 4;
    let encode = |place: i64| -> Vec<f32> {
        let angles = (0..quarter)
            .map(|at| place as f64 / 10_000f64.powf(at as f64 / quarter as f64))
            .collect::<Vec<_>>();
        let sines = angles.iter().map(|angle| angle.sin() as f32);
        sines.chain(angles.iter().map(|angle| angle.cos() as f32)).collect()
    };
    let mut values = vec![0.0f32; width as usize];
    for row in 0..grid {
        for column in 0..grid {
            values.extend(encode(column));
            values.extend(encode(row));
        }
    }
    Tensor::from_slice(&values).view([1, 1 + grid * grid, width])
}

/// A linear layer started as by Glorot & Bengio, AISTATS 2010, eq. 16, with zero bias.
pub(super) fn linear(path: nn::Path<'_>, inputs: i64, outputs: i64) -> nn::Linear {
    let config = nn::LinearConfig {
        ws_init: xavier(inputs, outputs),
        bs_init: Some(nn::Init::Const(0.0)),
        bias: true,
    };
    nn::linear(path, inputs, outputs, config)
}

fn xavier(inputs: i64, outputs: i64) -> nn::Init {
    let bound = (6.0 / (inputs + outputs) as f64).sqrt();
    nn::Init::Uniform { lo: -bound, up: bound }
}

fn layer_norm(path: nn::Path<'_>, width: i64) -> nn::LayerNorm {
    nn::layer_norm(path, vec![width], nn::LayerNormConfig { eps: NORM_EPS, ..Default::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn parameters(name: &str, side: i64) -> i64 {
        let store = nn::VarStore::new(Device::Cpu);
        let arch = VitArch::by_name(name).unwrap();
        let _vit = Vit::new(&store.root(), arch, side, 0.0);
        store.variables().values().map(|tensor| tensor.numel() as i64).sum()
    }

    #[test]
    fn parameter_counts_match_the_published_models() {
        // 12·C²·depth + 13·C·depth + embeddings, at 224 px.
        assert_eq!(parameters("vit-mae-tiny/16", 224), 5_524_416);
        assert_eq!(parameters("vit-deit-small/16", 224), 21_665_664);
        assert_eq!(parameters("vit-mae-small/16", 224), 21_665_664);
        assert_eq!(parameters("vit-mae-base/16", 224), 85_798_656);
        assert_eq!(parameters("vit-mae-large/16", 224), 303_301_632);
    }

    #[test]
    fn huge_encoder_has_the_published_parameter_count() {
        // Apart from the others, because it takes 2.5 GB and some seconds.
        assert_eq!(parameters("vit-mae-huge/14", 224), 630_764_800);
    }

    #[test]
    fn feature_map_has_one_cell_a_patch() {
        let store = nn::VarStore::new(Device::Cpu);
        let vit = Vit::new(&store.root(), VitArch::by_name("vit-test/8").unwrap(), 32, 0.5);
        let images = Tensor::randn([2, 3, 32, 32], (Kind::Float, Device::Cpu));
        assert_eq!(vit.forward(&images, true).size(), [2, 64, 4, 4]);
        let (first, second) = (vit.forward(&images, false), vit.forward(&images, false));
        assert_eq!(first, second, "nothing is dropped outside training");
    }

    #[test]
    fn positions_differ_and_depend_on_row_and_column() {
        let positions = sine_positions(8, 3).squeeze_dim(0);
        let row = |at: i64| Vec::<f32>::try_from(positions.select(0, at)).unwrap();
        assert_eq!(row(0), [0.0; 8]);
        let (first, right, below) = (row(1), row(2), row(4));
        assert_eq!(first[4..], right[4..], "same row");
        assert_eq!(first[..4], below[..4], "same column");
        assert!(first != right && first != below && right != below);
    }

    #[test]
    fn unknown_names_are_unknown() {
        assert_eq!(VitArch::by_name("vit-mae-tiny"), None);
        assert_eq!(VitArch::names().len(), 10);
    }
}
