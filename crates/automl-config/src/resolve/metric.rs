//! Which metric counts and whether it is to fall or to rise.

use crate::nearest::did_you_mean;
use crate::network::Metrics;
use crate::problem::{Code, Position, Report};
use automl_core::{Direction, Objective, direction_by_name};

/// Resolves `NAME[:min|:max]` against a network's metrics; the report's file is the flag.
pub(super) fn for_network(
    asked: Option<&str>,
    metrics: &Metrics,
    notes: &mut Vec<String>,
    report: &mut Report,
) -> Option<Objective> {
    let (metric, direction) = match (asked, &metrics.monitoring) {
        (Some(text), _) => split(text),
        (None, Some(name)) => (name.clone(), None),
        (None, None) => {
            let problem =
                report.error(Position::default(), "", Code::MissingKey, "the network monitors no metric");
            problem.hint("give one: --metric NAME:min or NAME:max");
            return None;
        }
    };
    if !metrics.knows(&metric) {
        let hint = did_you_mean(&metric, metrics.available.iter().map(String::as_str));
        let message = format!("the network reports no metric `{metric}`");
        report.error(Position::in_flag(1), "", Code::UnknownName, message).hint(hint);
        return None;
    }
    let stated = metrics.direction_of(&metric);
    if let (None, Some(stated)) = (direction, stated) {
        notes.push(format!("metric {metric}: {stated}, as the network config says"));
    }
    let direction = direction.or(stated).unwrap_or_else(|| by_name(&metric, notes));
    Some(Objective { metric, direction })
}

/// Resolves `NAME[:min|:max]` of a program of which nothing is known.
pub(super) fn for_command(asked: &str, notes: &mut Vec<String>, report: &mut Report) -> Option<Objective> {
    let (metric, direction) = split(asked);
    if let Some((_, word)) = metric.rsplit_once(':').filter(|(_, word)| is_almost_direction(word)) {
        let message = format!("unknown direction `{word}`");
        let hint = "write `:min` for a metric that shall fall, `:max` for one that shall rise";
        report.error(Position::in_flag(1), "", Code::BadValue, message).hint(hint);
        return None;
    }
    if metric.trim().is_empty() {
        let problem = report.error(Position::in_flag(1), "", Code::MissingKey, "the metric has no name");
        problem.hint("write --metric NAME:min or NAME:max");
        return None;
    }
    let direction = direction.unwrap_or_else(|| by_name(&metric, notes));
    Some(Objective { metric, direction })
}

/// Resolves a further `NAME[:min|:max]` beside the first objective. `available` lists the metrics that the
/// program reports, where that is known. Returns what was decided for the user as well.
///
/// # Errors
/// If the name is none, or the program reports no such metric.
pub fn further_objective(
    asked: &str,
    available: &[String],
) -> Result<(Objective, Vec<String>), crate::problem::Problems> {
    let mut report = Report::new(format!("--metric '{asked}'"));
    let mut notes = Vec::new();
    let objective = for_command(asked, &mut notes, &mut report);
    if let Some(Objective { metric, .. }) = &objective
        && !(available.is_empty() || available.contains(metric))
    {
        let hint = did_you_mean(metric, available.iter().map(String::as_str));
        let message = format!("the network reports no metric `{metric}`");
        report.error(Position::in_flag(1), "", Code::UnknownName, message).hint(hint);
    }
    let problems = report.into_problems();
    match objective.filter(|_| problems.is_empty()) {
        Some(objective) => Ok((objective, notes)),
        None => Err(crate::problem::Problems(problems)),
    }
}

/// Tells whether a word was probably meant as a direction: `minn`, `MAX`, `maximum`, `up`.
fn is_almost_direction(word: &str) -> bool {
    let word = word.to_lowercase();
    let other = ["up", "down", "lower", "higher", "low", "high", "asc", "desc", "ascending", "descending"];
    word.len() <= 10 && (word.starts_with("min") || word.starts_with("max") || other.contains(&word.as_str()))
}

/// Splits off a direction; a colon followed by anything else belongs to the name.
fn split(text: &str) -> (String, Option<Direction>) {
    let direction = |word: &str| match word {
        "min" | "minimize" | "minimise" => Some(Direction::Minimize),
        "max" | "maximize" | "maximise" => Some(Direction::Maximize),
        _ => None,
    };
    match text.rsplit_once(':').map(|(name, word)| (name, direction(word))) {
        Some((name, Some(direction))) => (name.into(), Some(direction)),
        _ => (text.into(), None),
    }
}

fn by_name(metric: &str, notes: &mut Vec<String>) -> Direction {
    let (direction, reason) = direction_by_name(metric);
    let other = match direction {
        Direction::Minimize => "max",
        Direction::Maximize => "min",
    };
    notes.push(format!("metric {metric}: {direction}, because {reason}; {metric}:{other} for the other"));
    direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_direction_and_notes_say_so() {
        let mut notes = Vec::new();
        assert_eq!(by_name("neg_log_likelihood", &mut notes), Direction::Minimize);
        assert_eq!(by_name("acc", &mut notes), Direction::Maximize);
        assert!(
            notes[1].starts_with("metric acc: maximize, because ")
                && notes[1].ends_with("; acc:min for the other")
        );
    }

    #[test]
    fn suffix_is_a_direction_only_if_it_is_one() {
        assert_eq!(split("acc:max"), ("acc".into(), Some(Direction::Maximize)));
        assert_eq!(split("a:b:min"), ("a:b".into(), Some(Direction::Minimize)));
        assert_eq!(split("[bbox] val:mAP"), ("[bbox] val:mAP".into(), None));
    }
}
