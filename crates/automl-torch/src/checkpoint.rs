//! Checkpoints: everything a run needs to go on as if it had never stopped.
//!
//! One safetensors file holds the trainer's tensors under names of its own (`model.`, and what its
//! optimizer keeps), its further numbers, and the progress (`progress`, `loss_sum`). There is no
//! generator state: every random draw is a function of (seed, epoch, step). A file is written under a
//! temporary name, flushed to the disk and renamed, so a file under its final name is whole.
//!
//! Format 1. A reader refuses a higher number.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use tch::{Device, TchError, Tensor};

const FORMAT: i64 = 1;
/// Start of the names of a trained network's variables.
pub(crate) const MODEL: &str = "model.";
const PROGRESS: &str = "progress";
const LOSS_SUM: &str = "loss_sum";

/// A checkpoint that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckpointError {
    /// No such file.
    #[error("cannot read checkpoint: {}: {source}; check {key}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Spec key that names it.
        key: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The content is none of the formats this trainer reads.
    #[error("not a checkpoint: {}: {detail}; {key} must name {expected}", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// Spec key that names it.
        key: &'static str,
        /// What would be accepted.
        expected: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// The checkpoint belongs to another network.
    #[error("checkpoint does not fit the model: {}: {tensor} {found}, expected {wanted}; check {key} and the keys that shape the model (model.*, dataset.*)", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Spec key that names it.
        key: &'static str,
        /// Name of the tensor.
        tensor: String,
        /// What the file holds.
        found: String,
        /// What the network needs.
        wanted: String,
    },
    /// The file could not be written.
    #[error("cannot write checkpoint: {}: {detail}; check space and permissions", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        detail: String,
    },
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Progress {
    /// Completed epochs.
    pub(crate) epochs: u64,
    /// Optimizer steps done in the epoch after those.
    pub(crate) epoch_steps: u64,
    /// Optimizer steps of the whole run.
    pub(crate) steps: u64,
    /// Sum of the step losses of the epoch under way.
    pub(crate) loss_sum: f64,
    /// Seed of the run.
    pub(crate) seed: u64,
}

impl Progress {
    /// File name of a checkpoint written now; the epoch in it is counted from 0.
    pub(crate) fn file_name(&self) -> String {
        let epoch = if self.epoch_steps > 0 { self.epochs } else { self.epochs.saturating_sub(1) };
        format!("model_epoch_{epoch:03}_step_{:05}.safetensors", self.steps)
    }
}

/// A copy of a run's state, on the CPU.
#[derive(Debug)]
pub(crate) struct Snapshot {
    progress: Progress,
    tensors: Vec<(String, Tensor)>,
    link: &'static str,
}

impl Snapshot {
    /// Copies the state; later steps do not change the copy. `link` is the name under which the newest
    /// checkpoint of a folder is found.
    pub(crate) fn take(tensors: Vec<(String, Tensor)>, progress: Progress, link: &'static str) -> Self {
        let copy = |tensor: Tensor| tensor.detach().to_device(Device::Cpu).copy();
        let mut tensors: Vec<_> = tensors.into_iter().map(|(name, tensor)| (name, copy(tensor))).collect();
        let Progress { epochs, epoch_steps, steps, loss_sum, seed } = progress;
        let numbers = [FORMAT, epochs as i64, epoch_steps as i64, steps as i64, seed as i64];
        tensors.push((PROGRESS.to_owned(), Tensor::from_slice(&numbers)));
        tensors.push((LOSS_SUM.to_owned(), Tensor::from_slice(&[loss_sum])));
        tensors.sort_by(|a, b| a.0.cmp(&b.0));
        Self { progress, tensors, link }
    }

    /// Writes the snapshot into `dir` and points the link there at it.
    pub(crate) fn write(&self, dir: &Path) -> Result<PathBuf, CheckpointError> {
        let name = self.progress.file_name();
        let path = dir.join(&name);
        let unwritable = |detail: String| CheckpointError::Unwritable { path: path.clone(), detail };
        let temporary = dir.join(format!(".{name}.{}.tmp", std::process::id()));
        Tensor::write_safetensors(&self.tensors, &temporary)
            .map_err(|error| unwritable(error.to_string()))?;
        let published = File::open(&temporary)
            .and_then(|file| file.sync_all())
            .and_then(|()| std::fs::rename(&temporary, &path))
            .and_then(|()| point_link(dir, self.link, &name))
            .and_then(|()| File::open(dir)?.sync_all());
        published.map_err(|error| unwritable(error.to_string()))?;
        Ok(path)
    }
}

/// Replaces the link in one step, so that a reader always finds one.
fn point_link(dir: &Path, link: &str, target: &str) -> std::io::Result<()> {
    let temporary = dir.join(format!(".{link}.{}.tmp", std::process::id()));
    if std::fs::symlink_metadata(&temporary).is_ok() {
        std::fs::remove_file(&temporary)?;
    }
    std::os::unix::fs::symlink(target, &temporary)?;
    std::fs::rename(temporary, dir.join(link))
}

/// A checkpoint read from a file.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    path: PathBuf,
    key: &'static str,
    /// How far the run had come.
    pub(crate) progress: Progress,
    tensors: BTreeMap<String, Tensor>,
}

impl Checkpoint {
    /// Reads a checkpoint of this trainer; `key` is the spec key that names it.
    pub(crate) fn read(path: &Path, key: &'static str) -> Result<Self, CheckpointError> {
        let not_ours = |detail: String| CheckpointError::NotACheckpoint {
            path: path.to_owned(),
            key,
            expected: "a .safetensors checkpoint of this trainer",
            detail,
        };
        std::fs::metadata(path).map_err(|source| CheckpointError::Unreadable {
            path: path.to_owned(),
            key,
            source,
        })?;
        let tensors: BTreeMap<String, Tensor> = Tensor::read_safetensors(path)
            .map_err(|error: TchError| not_ours(error.to_string()))?
            .into_iter()
            .collect();
        let numbers = tensors.get(PROGRESS).and_then(|tensor| Vec::<i64>::try_from(tensor).ok());
        let loss_sum = tensors.get(LOSS_SUM).map(|tensor| tensor.double_value(&[0]));
        match (numbers.as_deref(), loss_sum) {
            (Some(&[FORMAT, epochs, epoch_steps, steps, seed]), Some(loss_sum)) => {
                let progress = Progress {
                    epochs: epochs as u64,
                    epoch_steps: epoch_steps as u64,
                    steps: steps as u64,
                    loss_sum,
                    seed: seed as u64,
                };
                Ok(Self { path: path.to_owned(), key, progress, tensors })
            }
            (Some([format, ..]), _) if *format > FORMAT => {
                Err(not_ours(format!("format {format} is newer than {FORMAT}")))
            }
            _ => Err(not_ours("it holds no training progress".to_owned())),
        }
    }

    /// Fills the tensors from those of the same names.
    ///
    /// # Errors
    ///
    /// If one is missing or has another shape.
    pub(crate) fn restore(&self, targets: Vec<(String, Tensor)>) -> Result<(), CheckpointError> {
        for (tensor, target) in targets {
            let source = self.tensors.get(&tensor);
            copy_into(source, target).map_err(|(found, wanted)| CheckpointError::Mismatch {
                path: self.path.clone(),
                key: self.key,
                tensor,
                found,
                wanted,
            })?;
        }
        Ok(())
    }

    /// Fills a network that was stored with [`MODEL`] before its variables' names.
    pub(crate) fn restore_model(&self, variables: Vec<(String, Tensor)>) -> Result<(), CheckpointError> {
        self.restore(prefixed(MODEL, variables))
    }
}

/// The tensors with `prefix` before their names.
pub(crate) fn prefixed(prefix: &str, tensors: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect()
}

/// Copies values; the error holds what was found and what was wanted, in words.
pub(crate) fn copy_into(source: Option<&Tensor>, mut target: Tensor) -> Result<(), (String, String)> {
    let wanted = format!("shape {:?}", target.size());
    match source {
        Some(source) if source.size() == target.size() => {
            tch::no_grad(|| target.copy_(&source.to_kind(target.kind())));
            Ok(())
        }
        Some(source) => Err((format!("has shape {:?}", source.size()), wanted)),
        None => Err(("is missing".to_owned(), wanted)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_epochs_from_zero() {
        let at = |epochs, epoch_steps, steps| {
            Progress { epochs, epoch_steps, steps, loss_sum: 0.0, seed: 1 }.file_name()
        };
        assert_eq!(at(1, 0, 17), "model_epoch_000_step_00017.safetensors");
        assert_eq!(at(3, 0, 51), "model_epoch_002_step_00051.safetensors");
        assert_eq!(at(3, 2, 53), "model_epoch_003_step_00053.safetensors");
    }

    #[test]
    fn foreign_files_are_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        let error = |path: &Path| Checkpoint::read(path, "evaluate.checkpoint").unwrap_err().to_string();
        assert!(error(&path).starts_with("cannot read checkpoint"));
        std::fs::write(&path, "no tensors").unwrap();
        assert!(error(&path).starts_with("not a checkpoint") && error(&path).contains("evaluate.checkpoint"));
        let tensors = [("progress", Tensor::from_slice(&[9i64, 0, 0, 0, 0]))];
        Tensor::write_safetensors(&tensors, &path).unwrap();
        assert!(error(&path).contains("format 9 is newer"));
    }
}
