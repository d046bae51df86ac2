//! From COCO annotations and image files to batches of crops.
//!
//! One sample is one annotated object. [`coco`] reads annotations, [`crop`] says what part of a picture
//! an object needs, [`augment`] changes colours, [`batch`] puts samples together, and [`mask`] with
//! [`rle`] hold binary masks. Only [`batch`] makes tensors; nothing here knows the
//! network or the loss. All random draws are functions of (seed, epoch, object).

pub(crate) mod augment;
pub(crate) mod batch;
pub(crate) mod coco;
pub(crate) mod crop;
pub(crate) mod mask;
pub(crate) mod rle;

use std::path::PathBuf;

use crate::picture::PictureError;

/// Annotations or images that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    /// The annotation file cannot be opened.
    #[error("cannot read annotations: {}: {source}; check {key}", path.display())]
    AnnotationsUnreadable {
        /// The file.
        path: PathBuf,
        /// Spec key that names it.
        key: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The annotation file is not in COCO format.
    #[error("annotations are not COCO: {}: {detail}; {key} must name a COCO detection file", path.display())]
    NotCoco {
        /// The file.
        path: PathBuf,
        /// Spec key that names it.
        key: &'static str,
        /// What is wrong, with the entry.
        detail: String,
    },
    /// A file names no object that can be used.
    #[error("no usable object: {}: {why}", path.display())]
    NoObjects {
        /// The annotation file.
        path: PathBuf,
        /// What was looked for.
        why: String,
    },
    /// An image is absent or damaged.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// A segmentation cannot be turned into a mask.
    #[error("bad segmentation: {} annotation {annotation}: {detail}", path.display())]
    BadSegmentation {
        /// The annotation file.
        path: PathBuf,
        /// Id of the annotation.
        annotation: i64,
        /// What is wrong.
        detail: String,
    },
}
