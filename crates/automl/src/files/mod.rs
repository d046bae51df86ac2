//! The study's folder: names, logs that grow, checkpoints, programs.

mod checkpoints;
mod layout;
mod log;
mod packages;
mod programs;
mod replace;
mod step;
mod tail;

pub(crate) use checkpoints::{CheckpointFile, checkpoint_files, delete_checkpoints, list_files};
pub use layout::StudyDir;
pub(crate) use layout::{COMMAND_FILE, FENCE, JOURNAL, STORE};
pub(crate) use log::LogFile;
pub use packages::InstalledPackage;
pub use programs::{ProgramError, find_program};
pub(crate) use replace::{copy, delete, link, make_folder, write, write_private};
#[cfg(test)]
pub(crate) use step::{Step, Watch};
pub(crate) use tail::{News, Tail};
