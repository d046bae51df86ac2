//! What can end a run early, and the exit code each cause has.
//!
//! Every message reads `<what>: <path or key>: <what to do>`, because the reader is often a search
//! that shows the last line of a failed trial. This module knows no tensor: text from libtorch
//! arrives here as a string and is only sorted into "out of memory" and everything else.

use std::path::PathBuf;

use crate::action_recognition::ClipError;
use crate::checkpoint::CheckpointError;
use crate::device::DeviceError;
use crate::mal::DataError;
use crate::picture::PictureError;
use crate::spec::SpecError;

/// Exit code of a run that did what it was asked to do.
pub(crate) const EXIT_PASS: u8 = 0;
/// Exit code of a run that failed: bad input, NaN loss, libtorch error.
pub(crate) const EXIT_FAIL: u8 = 1;
/// Exit code of a command line that could not be understood.
pub(crate) const EXIT_USAGE: u8 = 2;
/// Exit code of a run that did not fit into device memory; a search may retry it elsewhere.
pub(crate) const EXIT_OUT_OF_MEMORY: u8 = 17;
/// Exit code after SIGTERM, as a shell reports it (128 + 15).
pub(crate) const EXIT_TERMINATED: u8 = 143;

/// Any reason for which an action ends without success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrainerError {
    /// The spec file or an override is wrong.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// Annotations or images are wrong.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Clips are wrong.
    #[error(transparent)]
    Clips(#[from] ClipError),
    /// A picture is absent or damaged.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// A checkpoint or a pretrained encoder is wrong, or could not be written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The asked-for device is not there.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A file or folder of the results could not be written.
    #[error("cannot write results: {}: {source}; check that the folder exists and may be written", path.display())]
    Results {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// An environment variable holds something else than expected.
    #[error("bad environment variable: {name}={value}: set it to {expected} or unset it")]
    Environment {
        /// Name of the variable.
        name: &'static str,
        /// The value found.
        value: String,
        /// What would be accepted.
        expected: &'static str,
    },
    /// The loss is no number any more; going on would waste the rest of the budget.
    #[error(
        "loss became NaN at epoch {epoch} step {step}: lower the learning rate (train.lr, train.optim.lr) or raise train.warmup_epochs"
    )]
    LossNotFinite {
        /// Epoch, counted from 0.
        epoch: u64,
        /// Optimizer steps done before, over the whole run.
        step: u64,
    },
    /// The device (or the machine) has no memory left.
    #[error("out of device memory: lower the batch size or the size of the input: {0}")]
    OutOfMemory(String),
    /// The system refuses to report SIGTERM.
    #[error("cannot listen for SIGTERM: {0}; run on a system with POSIX signals")]
    Signal(std::io::Error),
    /// libtorch refused an operation.
    #[error("libtorch failed: {0}")]
    Torch(String),
}

impl TrainerError {
    /// Sorts the text of a libtorch failure into the variant it belongs to.
    pub(crate) fn from_torch_text(text: &str) -> Self {
        const OUT_OF_MEMORY: [&str; 4] =
            ["out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "not enough memory"];
        let first_line = first_line(text);
        if OUT_OF_MEMORY.iter().any(|needle| text.contains(needle)) {
            Self::OutOfMemory(first_line)
        } else {
            Self::Torch(first_line)
        }
    }

    /// Exit code that tells a parent process the kind of failure.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::OutOfMemory(_) => EXIT_OUT_OF_MEMORY,
            Self::Spec(_)
            | Self::Data(_)
            | Self::Clips(_)
            | Self::Picture(_)
            | Self::Checkpoint(_)
            | Self::Device(_)
            | Self::Results { .. }
            | Self::Environment { .. }
            | Self::LossNotFinite { .. }
            | Self::Signal(_)
            | Self::Torch(_) => EXIT_FAIL,
        }
    }
}

/// The first line of libtorch's text, without the stack of C++ frames and the wrapping of a panic.
fn first_line(text: &str) -> String {
    let inner = text.split_once("Err` value: Torch(\"").map_or(text, |(_, inner)| inner);
    let end = inner.find(['\n', '\\']).unwrap_or(inner.len());
    inner[..end].to_owned()
}

impl From<tch::TchError> for TrainerError {
    fn from(error: tch::TchError) -> Self {
        Self::from_torch_text(&error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_errors_have_their_own_exit_code() {
        let cuda =
            "Internal torch error: CUDA out of memory. Tried to allocate 2.00 GiB\nException raised from";
        let cpu = "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried";
        assert_eq!(TrainerError::from_torch_text(cuda).exit_code(), EXIT_OUT_OF_MEMORY);
        assert_eq!(TrainerError::from_torch_text(cpu).exit_code(), EXIT_OUT_OF_MEMORY);
        assert_eq!(TrainerError::from_torch_text("shape mismatch").exit_code(), EXIT_FAIL);
        assert!(!TrainerError::from_torch_text(cuda).to_string().contains("Exception raised"));
    }

    #[test]
    fn panic_texts_are_cut_to_their_first_line() {
        let panic = "called `Result::unwrap()` on an `Err` value: Torch(\"shape '[3]' is invalid\\nException raised\")";
        assert_eq!(first_line(panic), "shape '[3]' is invalid");
    }
}
