//! A program's spec: a tree of plain values, addressed by dotted paths, written as a text.
//!
//! This module knows paths and formats. Which keys exist and what they mean is the schema's business.

mod annotate;
mod path;
mod read;
mod secret;
mod write;

pub use annotate::annotated_yaml;
pub(crate) use path::SpecPath;
pub use read::read_spec;
pub(crate) use secret::{Secrets, hide, holds_login, logins, variable};
pub use secret::{hide_logins, is_secret};
pub(crate) use write::SpecFormat;
