//! `evaluate.*`, `inference.*` and `export.*`: the use of a checkpoint.

use std::path::PathBuf;

use crate::action_recognition::data::sampling::Windows;
use crate::spec::{Devices, Range, SpecError, SpecReader, choice, count};

/// Classification of whole clips by a checkpoint.
#[derive(Debug, Clone)]
pub(crate) struct VideoSpec {
    /// Checkpoint to use.
    pub(crate) checkpoint: Option<PathBuf>,
    /// Folder of the clips.
    pub(crate) dir: Option<PathBuf>,
    /// Samples in a batch.
    pub(crate) batch_size: usize,
    /// Which parts of a clip are looked at; their probabilities are averaged.
    pub(crate) windows: Windows,
    /// Where to compute.
    pub(crate) devices: Devices,
}

/// Writing the network for other programs.
#[derive(Debug, Clone)]
pub(crate) struct ExportSpec {
    /// Checkpoint to export.
    pub(crate) checkpoint: Option<PathBuf>,
    /// File to write; its extension chooses the format.
    pub(crate) file: Option<PathBuf>,
    /// Batch size of the traced example.
    pub(crate) batch_size: i64,
    /// Where to compute.
    pub(crate) devices: Devices,
}

/// Where the keys of one action that looks at whole clips differ from those of the other.
pub(super) struct VideoKeys {
    section: &'static str,
    dir: &'static str,
    mode: &'static str,
    segments: i64,
}

impl VideoKeys {
    /// Keys of `evaluate`.
    pub(super) const EVALUATE: Self =
        Self { section: "evaluate", dir: "test_dataset_dir", mode: "video_eval_mode", segments: 10 };
    /// Keys of `inference`.
    pub(super) const INFERENCE: Self =
        Self { section: "inference", dir: "inference_dataset_dir", mode: "video_inf_mode", segments: 1 };
}

impl VideoSpec {
    pub(super) fn read(spec: &SpecReader, keys: &VideoKeys) -> Result<Self, SpecError> {
        let key = |name: &str| format!("{}.{name}", keys.section);
        let segments =
            spec.integer(&key("video_num_segments"), keys.segments, Range::between(1.0, 1000.0))?;
        let modes = ["center", "conv", "all"];
        Ok(Self {
            checkpoint: spec.path(&key("checkpoint"))?,
            dir: spec.path(&key(keys.dir))?,
            batch_size: count(spec, &key("batch_size"), 1)? as usize,
            windows: match choice(spec, &key(keys.mode), modes[0], &modes)?.as_str() {
                "center" => Windows::Centre,
                "conv" => Windows::Even(segments as usize),
                _ => Windows::All,
            },
            devices: Devices::read(spec, keys.section)?,
        })
    }
}

impl ExportSpec {
    pub(super) fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        Ok(Self {
            checkpoint: spec.path("export.checkpoint")?,
            file: spec.path("export.onnx_file")?,
            batch_size: count(spec, "export.batch_size", 1)? as i64,
            devices: Devices {
                num_gpus: 1,
                gpu_id: spec.integer("export.gpu_id", 0, Range::NOT_NEGATIVE)?,
                cudnn_benchmark: false,
            },
        })
    }
}
