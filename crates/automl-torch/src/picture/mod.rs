//! Pictures: decoded from files, kept in memory, cut and resized to planes of numbers.
//!
//! Knows neither annotations nor tensors.

mod resize;
mod store;

use std::path::PathBuf;

pub(crate) use resize::{CHANNELS, Window, flip, resize};
pub(crate) use store::ImageStore;

/// A picture that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    /// The file is absent or cannot be read.
    #[error("missing image: {}: {source}; check {key} and the names of the data set's files", path.display())]
    Missing {
        /// The image file.
        path: PathBuf,
        /// Spec key of the data set's folder.
        key: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no PNG or JPEG, or is damaged.
    #[error("not an image: {}: {detail}; replace it or remove it from the data set", path.display())]
    NotAPicture {
        /// The image file.
        path: PathBuf,
        /// What the decoder said.
        detail: String,
    },
}
