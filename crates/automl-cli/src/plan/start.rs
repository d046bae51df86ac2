//! What a search begins with: the user's own configurations, and trials finished elsewhere.

use crate::args::SearchArgs;
use crate::configurations::{read_configurations, read_results};
use crate::exit::{Exit, Failure};
use crate::project::Project;
use automl::{StudyDir, WarmStart, exists, view};
use automl_core::StudySettings;
use std::path::Path;

/// Reads what `--enqueue` and `--from` name. Returns it with what people should know.
///
/// # Errors
/// What cannot be read, or does not fit the space.
pub(super) fn warm_start(
    args: &SearchArgs,
    settings: &StudySettings,
    project: &Project,
) -> Result<(WarmStart, Vec<String>), Failure> {
    let (mut start, mut notes) = (WarmStart::default(), Vec::new());
    for text in &args.enqueue {
        let read = read_configurations(text, &settings.space, "--enqueue")?;
        read.into_iter().for_each(|params| start.enqueue(params));
    }
    for source in &args.from {
        notes.extend(take(source, &mut start, settings, project)?);
    }
    Ok((start, notes))
}

fn take(
    source: &str,
    start: &mut WarmStart,
    settings: &StudySettings,
    project: &Project,
) -> Result<Vec<String>, Failure> {
    let path = Path::new(source);
    if path.extension().is_some_and(|extension| extension == "csv") {
        let trials = read_results(path, settings)?;
        return Ok(start.from_table(source, trials, settings));
    }
    let in_root = StudyDir::new(&project.root, source);
    let dir = if exists(&in_root) { in_root } else { StudyDir::at(path.to_path_buf()) };
    if !exists(&dir) {
        let message = format!("--from {source}: there is no such study, and it is no .csv file");
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(start.from_study(&view(&dir)?.study, settings))
}
