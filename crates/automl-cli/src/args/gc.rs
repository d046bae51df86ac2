//! Arguments of `gc`.

use super::StudyArg;
use automl_core::KeepCheckpoints;
use clap::Args;

/// Arguments of `gc`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  automl gc\n  automl gc mal-1 --keep top:3 --yes")]
pub(crate) struct GcArgs {
    #[command(flatten)]
    pub(crate) study: StudyArg,
    /// Whose checkpoints stay: best, none or top:N, beside what the search may still need
    #[arg(long, value_name = "WHOSE", default_value = "best", value_parser = keep)]
    pub(crate) keep: KeepCheckpoints,
    /// Delete them
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Only show what would be deleted; so does leaving out `--yes`
    #[arg(long)]
    pub(crate) dry_run: bool,
}

fn keep(text: &str) -> Result<KeepCheckpoints, String> {
    match text.parse()? {
        KeepCheckpoints::All => Err("there is nothing to delete where all are kept".into()),
        keep => Ok(keep),
    }
}
