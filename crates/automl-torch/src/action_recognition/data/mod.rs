//! From folders of clips to batches of tensors.
//!
//! [`clips`] lists what is there, [`sampling`] chooses frames, [`augment`] says what part of them is
//! seen, and [`batch`] puts numbers together. Only [`batch`] makes tensors. All random draws are
//! functions of (seed, epoch, place in the epoch).

pub(crate) mod augment;
pub(crate) mod batch;
pub(crate) mod clips;
pub(crate) mod sampling;

use std::path::PathBuf;

use crate::picture::PictureError;

/// Clips that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClipError {
    /// A folder cannot be listed.
    #[error("cannot read clips: {}: {source}; check {key}", path.display())]
    Unreadable {
        /// The folder.
        path: PathBuf,
        /// Spec key that names the set.
        key: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file stands where a folder is needed.
    #[error("clips are not in a folder: {}: {key} must name a folder; extract an archive first", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
        /// Spec key that names it.
        key: &'static str,
    },
    /// The set is empty.
    #[error("no clips: {}: {key} must name a folder of <class>/<clip>/rgb|u|v/<frame>.png", path.display())]
    NoClips {
        /// The folder.
        path: PathBuf,
        /// Spec key that names it.
        key: &'static str,
    },
    /// A class has no index.
    #[error("class without an index: {}: add {class} to dataset.label_map (now {known}) or remove the folder", path.display())]
    UnknownClass {
        /// The class's folder.
        path: PathBuf,
        /// Its name.
        class: String,
        /// The classes that have an index.
        known: String,
    },
    /// A clip lacks what a stream needs.
    #[error("clip without pictures: {}: {source}; add them, remove the clip, or change model.model_type", path.display())]
    NoPictures {
        /// The folder that should hold them.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A clip has too few frames.
    #[error("clip too short: {}: {frames} frames, {needed} needed; lower {key} (or model.sample_rate), or remove the clip", path.display())]
    TooShort {
        /// The clip.
        path: PathBuf,
        /// Frames it has.
        frames: usize,
        /// Frames it needs.
        needed: usize,
        /// Spec key of the sequence length.
        key: &'static str,
    },
    /// A picture is absent or damaged.
    #[error(transparent)]
    Picture(#[from] PictureError),
}
