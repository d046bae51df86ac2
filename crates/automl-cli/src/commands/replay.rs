//! `automl replay`.

use super::{locate, unusable};
use crate::args::StudyArg;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::Project;
use crate::render::json;
use crate::render::value::count;
use automl::{Difference, Replay, replay};
use serde_json::json;

/// Derives every suggestion of a study again and compares.
pub(super) fn run(args: &StudyArg, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = locate(project, args.study.as_deref(), output)?;
    let found = replay(&dir).map_err(|error| unusable(error, &dir))?;
    let exit = if found.difference.is_some() { Exit::Damaged } else { Exit::Done };
    if output.json {
        let difference = found.difference.as_ref().map(|d| {
            json!({
                "event": d.event,
                "trial": d.trial.0,
                "recorded": json::params(&d.recorded),
                "derived": d.derived.as_ref().map(json::params),
            })
        });
        output.object(&json!({
            "study": dir.name(),
            "events": found.events,
            "suggestions": found.suggestions,
            "difference": difference,
            "other_version": found.other_version,
        }))?;
        return Ok(exit);
    }
    describe(&found).iter().try_for_each(|line| output.data(line))?;
    Ok(exit)
}

fn describe(found: &Replay) -> Vec<String> {
    let events = count(found.events, "event");
    let Some(Difference { event, trial, recorded, derived }) = &found.difference else {
        return vec![format!(
            "{events}: {} derived again, all the same",
            count(found.suggestions, "suggestion")
        )];
    };
    let derived = derived.as_ref().map_or("nothing: the space is exhausted".into(), ToString::to_string);
    let mut lines = vec![
        format!("event {event}, trial {trial}: the log does not explain this suggestion"),
        format!("  recorded  {recorded}"),
        format!("  derived   {derived}"),
    ];
    lines.extend(found.other_version.as_ref().map(|version| {
        format!("  the study was begun by version {version}; another version may suggest differently")
    }));
    lines
}
