//! `automl explain`: where a trial comes from, and what happened to it and why.

use super::{find_trial, locate, look};
use crate::args::TrialArg;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::Project;
use crate::render::{json, time, value};
use automl::present::utc;
use automl_core::{Algorithm, Attempt, Outcome, Study, Trial, TrialState, number_as_json};
use serde_json::{Value, json};

/// Explains one trial.
pub(super) fn run(args: &TrialArg, project: &Project, output: Output) -> Result<Exit, Failure> {
    let (study, number) = args.parts().map_err(|message| Failure::new(Exit::Usage, message))?;
    let study = look(&locate(project, study, output)?)?.study;
    let trial = find_trial(&study, number)?;
    if output.json {
        output.object(&as_json(&study, trial))?;
    } else {
        lines(&study, trial).iter().try_for_each(|line| output.data(line))?;
    }
    Ok(Exit::Done)
}

fn as_json(study: &Study, trial: &Trial) -> Value {
    let mut object = json::trial(study, trial);
    let origin = &trial.origin;
    object["origin"] = json!({
        "model": origin.model,
        "reason": origin.reason,
        "observations": origin.observations,
        "acquisition": origin.acquisition.map(number_as_json),
    });
    object["history"] = trial.attempts.iter().map(|attempt| attempt_json(study, attempt)).collect();
    object
}

fn attempt_json(study: &Study, attempt: &Attempt) -> Value {
    json!({
        "attempt": attempt.number,
        "why": why(study, attempt),
        "until": attempt.until,
        "resume_from": attempt.resume_from,
        "slot": attempt.slot,
        "started": utc(attempt.started_at),
        "ended": attempt.ended_at.map(utc),
        "end": attempt.end.as_ref().map(|end| &end.outcome),
    })
}

fn lines(study: &Study, trial: &Trial) -> Vec<String> {
    let origin = &trial.origin;
    let mut lines = vec![
        format!("trial {} of study {}: {}", trial.id, study.settings.study, trial.state),
        format!("values      {}", value::params(&trial.params)),
        format!("proposed by {}: {}", origin.model, origin.reason),
    ];
    if origin.observations > 0 {
        lines.push(format!("            it had seen {}", value::count(origin.observations, "result")));
    }
    if let Some(acquisition) = origin.acquisition {
        lines.push(format!("            value of its acquisition function: {}", value::number(acquisition)));
    }
    if let (Some(bracket), true) = (trial.bracket, study.settings.algorithm != Algorithm::Race) {
        lines.push(format!("bracket     {bracket}"));
    }
    lines.extend(trial.attempts.iter().map(|attempt| attempt_line(study, attempt)));
    lines.push(format!("now         {}", standing(study, trial)));
    lines
}

fn attempt_line(study: &Study, attempt: &Attempt) -> String {
    let unit = &study.settings.fidelity.unit;
    let until = value::count(attempt.until.0, unit);
    let run = attempt.ended_at.map(|end| time::duration(end.saturating_sub(attempt.started_at)));
    let run = run.map_or_else(String::new, |run| format!(" after {run}"));
    let end = match attempt.end.as_ref().map(|end| &end.outcome) {
        None => "still running".to_string(),
        Some(Outcome::Reached { value, .. }) => {
            format!("reached it{run}: {} {}", study.settings.objective.metric, value::number(*value))
        }
        Some(Outcome::Failed { reason, .. }) => format!("failed{run}: {}", first_line(reason)),
        Some(Outcome::Infeasible { reason }) => format!("infeasible{run}: {}", first_line(reason)),
        Some(Outcome::Interrupted { reason, .. }) => format!("interrupted{run}: {}", first_line(reason)),
    };
    format!("attempt {:<4}{}, to {until}; {end}", attempt.number.0, why(study, attempt))
}

/// Why an attempt was started: as its model said, or by what became of the one before it.
fn why(study: &Study, attempt: &Attempt) -> String {
    if let Some(why) = &attempt.why {
        return format!("promoted: {why}");
    }
    by_past(study, attempt).into()
}

fn by_past(study: &Study, attempt: &Attempt) -> &'static str {
    let trial = study.trials.values().find(|t| t.attempts.iter().any(|a| std::ptr::eq(a, attempt)));
    let goes_all_the_way =
        study.settings.algorithm == Algorithm::Race && trial.is_some_and(|t| t.bracket.is_some());
    let before = attempt.number.0.checked_sub(2);
    let before = before.and_then(|i| trial?.attempts.get(i as usize)?.end.as_ref());
    match before.map(|end| &end.outcome) {
        None => "first run",
        Some(Outcome::Reached { .. }) if goes_all_the_way => "carried on: one of those that go all the way",
        Some(Outcome::Reached { .. }) => "promoted: among the best of its rung",
        Some(Outcome::Failed { .. }) => "tried again after a failure that may be transient",
        Some(Outcome::Infeasible { .. } | Outcome::Interrupted { .. }) => "run again after an interruption",
    }
}

fn standing(study: &Study, trial: &Trial) -> String {
    let reason = trial.reason.as_deref().map(first_line);
    match trial.state {
        TrialState::Queued => "waits for a slot".into(),
        TrialState::Running => "running".into(),
        TrialState::Paused => "paused on its rung: others of the rung are better, or not there yet".into(),
        TrialState::Complete if study.incumbent().is_some_and(|best| best.id == trial.id) => {
            "complete; the best trial of the study".into()
        }
        state => reason.map_or_else(|| state.to_string(), |reason| format!("{state}: {reason}")),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use automl_core::TrialId;

    #[test]
    fn origin_and_fate_are_told() {
        let study = fixture::study();
        let told = |trial| lines(&study, &study.trials[&TrialId(trial)]).join("\n");
        insta::assert_snapshot!(told(2), @r"
        trial 2 of study demo-1: complete
        values      act=gelu lr=0.0123457
        proposed by sobol: the start
        attempt 1   first run, to 3 epochs; reached it after 4.0s: loss 0.25
        now         complete; the best trial of the study
        ");
        assert!(told(3).contains("attempt 1   first run, to 3 epochs; failed after 2.0s: exit code 17"));
        assert!(told(4).ends_with("now         running"));
    }
}
