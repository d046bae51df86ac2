//! Reads tensors from files of other programs: safetensors, and PyTorch's `.pth`.
//!
//! The content is taken as it is; what the names mean and which tensors are wanted is the caller's
//! business.

mod pickle;
mod pth;

use std::collections::BTreeMap;
use std::path::Path;

use tch::{TchError, Tensor};

use crate::checkpoint::CheckpointError;

/// Reads every tensor of the file that the spec key `key` names.
///
/// # Errors
///
/// If there is no such file, or it is in none of the formats.
pub(crate) fn read(path: &Path, key: &'static str) -> Result<BTreeMap<String, Tensor>, CheckpointError> {
    std::fs::metadata(path).map_err(|source| CheckpointError::Unreadable {
        path: path.to_owned(),
        key,
        source,
    })?;
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension {
        "safetensors" => {
            let first_line =
                |error: TchError| error.to_string().lines().next().unwrap_or_default().to_owned();
            let tensors =
                Tensor::read_safetensors(path).map_err(|error| refuse(path, key, first_line(error)))?;
            Ok(tensors.into_iter().collect())
        }
        "pth" | "pt" | "bin" | "ckpt" => pth::read(path).map_err(|detail| refuse(path, key, detail)),
        other => Err(refuse(path, key, format!("the extension {other:?} is unknown"))),
    }
}

/// The error for a file whose content does not serve.
pub(crate) fn refuse(path: &Path, key: &'static str, detail: String) -> CheckpointError {
    CheckpointError::NotACheckpoint {
        path: path.to_owned(),
        key,
        expected: "a .safetensors file, or a .pth written by torch.save",
        detail,
    }
}
