//! Data on its way: archives into folders, files from and to other places.
//!
//! [`Archives`] unpacks tar files once into a folder named by their content. [`fetch`] brings a file here,
//! [`Uploader`] takes a growing folder elsewhere. Places are folders or URLs of object stores.
//!
//! This crate knows nothing of studies, trials or networks. It is told what to move; what fails is
//! reported in words and never takes anything else down with it.

mod archive;
mod fetch;
mod place;
mod retry;
mod temporary;
mod upload;

pub use archive::{ArchiveError, Archives, Limits};
pub use fetch::{FetchError, fetch};
pub use place::{Place, PlaceError};
pub use upload::{Choose, Outcome, Source, Uploader};
