//! `automl replay`: every decision in the log, derived again from what came before it.

use super::{locate, unusable};
use crate::args::StudyArg;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::Project;
use crate::render::json;
use crate::render::value::count;
use automl::{ALGORITHMS, Difference, OtherAlgorithms, Replay, Unexplained, replay};
use serde_json::json;

/// Derives every suggestion of a study again and compares.
pub(super) fn run(args: &StudyArg, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = locate(project, args.study.as_deref(), output)?;
    let found = replay(&dir).map_err(|error| unusable(error, &dir))?;
    let exit = if found.explains_all() { Exit::Done } else { Exit::Damaged };
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
            "starts": found.starts,
            "stops": found.stops,
            "disposals": found.disposals,
            "difference": difference,
            "unexplained": found.unexplained.as_ref().map(|other| {
                json!({
                    "event": other.event,
                    "what": other.what,
                    "trial": other.trial,
                    "recorded": other.recorded,
                    "derived": other.derived,
                })
            }),
            "algorithms": ALGORITHMS,
            "not_compared": found.other_algorithms.as_ref().map(|other| {
                json!({"algorithms": other.version, "event": other.event, "decisions": other.decisions})
            }),
        }))?;
        return Ok(exit);
    }
    describe(&found).iter().try_for_each(|line| output.data(line))?;
    Ok(exit)
}

fn describe(found: &Replay) -> Vec<String> {
    let mut lines = match (&found.difference, &found.unexplained) {
        (Some(difference), _) => suggestion(difference),
        (None, Some(other)) => decision(other),
        (None, None) => vec![same(found)],
    };
    lines.extend(found.other_algorithms.as_ref().map(not_compared));
    if found.algorithms_unknown {
        let why =
            "nobody noted which version of the algorithms decided this; another one may decide differently";
        lines.push(format!("  {why}"));
    }
    lines
}

fn suggestion(difference: &Difference) -> Vec<String> {
    let Difference { event, trial, recorded, derived } = difference;
    let derived = derived.as_ref().map_or("nothing: the space is exhausted".into(), ToString::to_string);
    vec![
        format!("event {event}, trial {trial}: the log does not explain this suggestion"),
        format!("  recorded  {recorded}"),
        format!("  derived   {derived}"),
    ]
}

fn decision(other: &Unexplained) -> Vec<String> {
    let Unexplained { event, what, trial, recorded, derived } = other;
    let trial = trial.map_or_else(String::new, |trial| format!(", trial {trial}"));
    let (what, nothing) = match *what {
        "stop" => ("stop", "it goes on"),
        "disposal" => ("deletion of checkpoints", "they stay"),
        other => (other, "nothing happens yet"),
    };
    vec![
        format!("event {event}{trial}: the log does not explain this {what}"),
        format!("  recorded  {recorded}"),
        format!("  derived   {}", derived.as_deref().unwrap_or(nothing)),
    ]
}

fn same(found: &Replay) -> String {
    let further = [(found.starts, "start"), (found.stops, "stop"), (found.disposals, "deletion")];
    let further = further.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| count(n, word));
    let all: Vec<String> = std::iter::once(count(found.suggestions, "suggestion")).chain(further).collect();
    let (last, others) = all.split_last().expect("there are suggestions, if only none");
    let all = if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    format!("{}: {all} derived again, all the same", count(found.events, "event"))
}

/// What could not be compared, and why.
fn not_compared(other: &OtherAlgorithms) -> String {
    format!(
        "{} from event {} on cannot be compared: version {} of the algorithms made them, this program has version \
         {ALGORITHMS}",
        count(other.decisions, "decision"),
        other.event,
        other.version,
    )
}
