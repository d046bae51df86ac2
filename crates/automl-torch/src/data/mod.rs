//! From COCO annotations and image files to batches of crops.
//!
//! One sample is one annotated object. [`coco`] reads annotations, [`image_store`] decodes images,
//! [`crop`] cuts and resizes, [`augment`] changes colours, [`batch`] puts samples together, and
//! [`mask`] with [`rle`] hold binary masks. Only [`batch`] makes tensors; nothing here knows the
//! network or the loss. All random draws are functions of (seed, epoch, object).

pub(crate) mod augment;
pub(crate) mod batch;
pub(crate) mod coco;
pub(crate) mod crop;
pub(crate) mod image_store;
pub(crate) mod mask;
pub(crate) mod random;
pub(crate) mod rle;

use std::path::PathBuf;

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
    /// An image named in the annotations is absent.
    #[error("missing image: {}: {source}; check {key} and the annotations' file_name", path.display())]
    ImageMissing {
        /// The image file.
        path: PathBuf,
        /// Spec key of the image folder.
        key: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// An image file is no PNG or JPEG, or is damaged.
    #[error("not an image: {}: {detail}; replace it or remove it from the annotations", path.display())]
    NotAnImage {
        /// The image file.
        path: PathBuf,
        /// What the decoder said.
        detail: String,
    },
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
