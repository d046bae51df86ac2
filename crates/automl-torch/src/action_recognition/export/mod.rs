//! Writes the network of a checkpoint for other programs: ONNX, or TorchScript by tracing.
//!
//! libtorch's C++ interface has no ONNX exporter, so that format is written here from the network's
//! own description ([`onnx`]). The extension of `export.onnx_file` chooses.

mod onnx;
mod protobuf;

use std::path::{Path, PathBuf};

use tch::{CModule, Kind, Tensor};

use super::job::Job;
use super::net::Network;
use crate::error::TrainerError;
use crate::run::Ending;
use crate::spec::SpecError;
use crate::status::{Status, say};

const FILE_KEY: &str = "export.onnx_file";

/// Formats of an exported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Onnx,
    TorchScript,
}

/// Writes `export.checkpoint` to `export.onnx_file`, or to `action_recognition.onnx` in the results.
pub(crate) fn export(job: &mut Job<'_>) -> Result<Ending, TrainerError> {
    let settings = job.spec.export.clone();
    let target = settings.file.unwrap_or_else(|| job.run.dir.join("action_recognition.onnx"));
    let format = Format::of(&target)?;
    let (network, _) = job.load(&settings.checkpoint, "export.checkpoint")?;
    let unwritable = |source| TrainerError::Results { path: target.clone(), source };
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), std::fs::create_dir_all).map_err(unwritable)?;
    let temporary = beside(&target);
    match format {
        Format::Onnx => {
            let [height, width] = job.spec.model.input_size.map(|side| side as i64);
            let shape = &job.spec.model.shape;
            let bytes = onnx::model(&network, shape, [height, width], &job.spec.dataset.classes);
            std::fs::write(&temporary, bytes).map_err(unwritable)?;
        }
        Format::TorchScript => trace(job, &network, settings.batch_size)?.save(&temporary)?,
    }
    std::fs::rename(&temporary, &target).map_err(unwritable)?;
    say(&format!("network written to {}", target.display()));
    job.run.status.write(Status::Success, "Export finished successfully.")?;
    Ok(Ending::Finished)
}

impl Format {
    fn of(path: &Path) -> Result<Self, SpecError> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("onnx") => Ok(Self::Onnx),
            Some("pt" | "ts" | "torchscript") => Ok(Self::TorchScript),
            _ => Err(SpecError::OutOfRange {
                key: FILE_KEY.into(),
                value: path.display().to_string(),
                allowed: "a name ending in .onnx, or in .pt, .ts or .torchscript for TorchScript".into(),
            }),
        }
    }
}

/// A name in the same folder, so that the file appears under its own only when it is whole.
fn beside(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

/// Records what the network computes for an example; other batch sizes work too.
fn trace(job: &Job<'_>, network: &Network, batch_size: i64) -> Result<CModule, TrainerError> {
    let shape = &job.spec.model.shape;
    let picture = job.spec.model.input_size.map(|side| side as i64);
    let example = |(modality, frames): &(_, i64)| {
        let size = [vec![batch_size], shape.input_size(*modality, *frames, picture)].concat();
        Tensor::zeros(size, (Kind::Float, job.device))
    };
    let examples: Vec<Tensor> = shape.streams.iter().map(example).collect();
    let mut compute = |inputs: &[Tensor]| vec![network.forward(inputs, false)];
    Ok(CModule::create_by_tracing("ActionRecognition", "forward", &examples, &mut compute)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extension_chooses_the_format() {
        assert_eq!(Format::of(Path::new("a/net.onnx")).unwrap(), Format::Onnx);
        assert_eq!(Format::of(Path::new("net.torchscript")).unwrap(), Format::TorchScript);
        let refused = Format::of(Path::new("net.engine")).unwrap_err().to_string();
        assert!(refused.contains(FILE_KEY) && refused.contains(".onnx"), "{refused}");
    }
}
