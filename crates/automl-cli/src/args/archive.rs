//! Arguments of the commands about a study's log: check it, repair it, make a study of one.

use automl_store::LogCopy;
use clap::{Args, ValueEnum, ValueHint};
use std::path::PathBuf;

/// Arguments of `fsck`.
#[derive(Debug, Args)]
pub(crate) struct FsckArgs {
    /// Name of the study, or its folder [default: the one worked on last]
    #[arg(value_name = "STUDY")]
    pub(crate) study: Option<String>,
    /// Rebuild what is damaged; replaced files are kept beside it
    #[arg(long)]
    pub(crate) repair: bool,
    /// Copy that is right where the two contradict each other
    #[arg(long, value_name = "COPY", requires = "repair")]
    pub(crate) from: Option<CopyName>,
}

/// The two copies of a log, by the names that users type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CopyName {
    /// The database, store/
    Store,
    /// The plain text, events.jsonl
    Journal,
}

impl From<CopyName> for LogCopy {
    fn from(name: CopyName) -> Self {
        match name {
            CopyName::Store => LogCopy::Database,
            CopyName::Journal => LogCopy::Journal,
        }
    }
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Event log of a study, as `automl export STUDY --to jsonl` writes it
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Name of the new study [default: the one it had]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}
