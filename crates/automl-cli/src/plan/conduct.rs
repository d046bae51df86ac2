//! How trials are treated: flags over variables over the settings file.

use super::choices::Choices;
use crate::args::{ConductArgs, YesNo};
use crate::exit::Failure;
use crate::render::size::{parse_size, size};
use automl::StudyOptions;
use automl_config::RunSettings;
use automl_core::{Conduct, EarlyStop, Journal, KeepCheckpoints, Reading};
use std::str::FromStr;

/// Chooses everything about the treatment of trials.
///
/// # Errors
/// What is wrong with a value in the settings file.
pub(super) fn conduct(
    args: &ConductArgs,
    file: &RunSettings,
    options: &mut StudyOptions,
    choices: &mut Choices<'_>,
) -> Result<(), Failure> {
    let early_stop = choices.parse_file("early_stop", file.early_stop.as_deref(), EarlyStop::from_str)?;
    let keep = choices.parse_file(
        "keep_checkpoints",
        file.keep_checkpoints.as_deref(),
        KeepCheckpoints::from_str,
    )?;
    let disk = choices.parse_file("disk", file.disk.as_deref(), parse_size)?;
    let journal = choices.parse_file("journal", file.journal.as_deref(), Journal::from_str)?;
    options.conduct = Conduct {
        reading: choices.or_default("reading", args.reading, None, Reading::default()),
        early_stop: choices.or_default("early-stop", args.early_stop, early_stop, EarlyStop::default()),
        keep_checkpoints: choices.or_default(
            "keep-checkpoints",
            args.keep_checkpoints,
            keep,
            KeepCheckpoints::default(),
        ),
        disk_bytes: choices.optional("disk", args.disk, disk, |bytes| size(*bytes)),
        journal: choices.or_default("journal", args.journal, journal, Journal::default()),
    };
    let resume = choices.optional("resume", args.resume, None, YesNo::to_string);
    options.resume = resume.map(|answer| answer == YesNo::Yes);
    Ok(())
}
