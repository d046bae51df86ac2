//! `automl replay`: suggestions and stops, derived again from the log.

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
    let explained = found.difference.is_none() && found.unexplained_stop.is_none();
    let exit = if explained { Exit::Done } else { Exit::Damaged };
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
            "stops": found.stops,
            "difference": difference,
            "unexplained_stop": found.unexplained_stop.as_ref().map(|stop| {
                json!({
                    "event": stop.event,
                    "trial": stop.trial.0,
                    "recorded": stop.recorded,
                    "derived": stop.derived,
                })
            }),
            "other_version": found.other_version,
        }))?;
        return Ok(exit);
    }
    describe(&found).iter().try_for_each(|line| output.data(line))?;
    Ok(exit)
}

fn describe(found: &Replay) -> Vec<String> {
    let events = count(found.events, "event");
    if let Some(stop) = &found.unexplained_stop {
        return vec![
            format!("event {}, trial {}: the log does not explain this stop", stop.event, stop.trial),
            format!("  recorded  {}", stop.recorded),
            format!("  derived   {}", stop.derived.as_deref().unwrap_or("it goes on")),
        ];
    }
    let Some(Difference { event, trial, recorded, derived }) = &found.difference else {
        let stops = match found.stops {
            0 => String::new(),
            stops => format!(" and {}", count(stops, "stop")),
        };
        let suggestions = count(found.suggestions, "suggestion");
        return vec![format!("{events}: {suggestions}{stops} derived again, all the same")];
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
