//! `automl explain`: where a trial comes from, and what happened to it and why.

use super::{find_trial, locate, look};
use crate::args::TrialArg;
use crate::exit::{Exit, Failure};
use crate::facts;
use crate::output::Output;
use crate::project::Project;
use crate::render::size::size;
use crate::render::{json, time, value};
use crate::standing::{Standings, further_values};
use automl::may_go_on;
use automl::present::utc;
use automl_core::{Algorithm, Attempt, AttemptEnd, Outcome, Study, Trial, TrialState, number_as_json};
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
        "parent": origin.parent,
    });
    object["checkpoint"] = json!({
        "path": trial.checkpoint,
        "bytes": trial.checkpoint_bytes,
        "dropped": trial.dropped.as_ref().map(|dropped| &dropped.reason),
        "lost": trial.checkpoint_lost,
        "inherited_from": trial.inherited.as_ref().map(|inherited| inherited.from),
        "inherited_fidelity": trial.inherited.as_ref().map(|inherited| inherited.fidelity),
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
        "cpu_ms": attempt.end.as_ref().and_then(|end| end.cpu_ms),
        "max_rss_kib": attempt.end.as_ref().and_then(|end| end.max_rss_kib),
        "memory_peak_kib": attempt.end.as_ref().and_then(|end| end.memory_peak_kib),
        "gpu_ms": attempt.end.as_ref().and_then(|end| end.gpu).map(|gpu| gpu.ms),
        "gpu_peak_mib": attempt.end.as_ref().and_then(|end| end.gpu?.peak_mib),
    })
}

fn lines(study: &Study, trial: &Trial) -> Vec<String> {
    let origin = &trial.origin;
    let mut lines = vec![
        format!("trial {} of study {}: {}", trial.id, study.settings.study, trial.state),
        format!("values      {}", value::params(&trial.params)),
        format!("proposed by {}: {}", origin.model, origin.reason),
    ];
    if let Err(problems) = study.settings.space.check(&trial.params) {
        let why: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.push(format!("bounds      outside of those that hold now: {}", why.join("; ")));
    }
    if origin.observations > 0 {
        lines.push(format!("            it had seen {}", value::count(origin.observations, "result")));
    }
    if let Some(acquisition) = origin.acquisition {
        lines.push(format!("            value of its acquisition function: {}", value::number(acquisition)));
    }
    match (trial.bracket, study.settings.algorithm) {
        (None, _) | (_, Algorithm::Race) => {}
        (Some(generation), Algorithm::Pbt) => lines.push(format!("generation  {generation}")),
        (Some(bracket), _) => lines.push(format!("bracket     {bracket}")),
    }
    for attempt in &trial.attempts {
        lines.push(attempt_line(study, attempt));
        lines.extend(attempt.end.as_ref().and_then(cost_line));
    }
    let further: Vec<String> =
        further_values(study, trial).map(|(name, v)| format!("{name} {}", value::number(v))).collect();
    if let (Some(first), false) = (trial.value(), further.is_empty()) {
        let metric = &study.settings.objective.metric;
        lines.push(format!("result      {metric} {}, {}", value::number(first), further.join(", ")));
    }
    lines.extend(checkpoint_lines(study, trial).into_iter().map(|line| format!("checkpoint  {line}")));
    lines.push(format!("now         {}", standing(study, trial)));
    lines
}

/// What became of a trial's checkpoints, where that is out of the ordinary.
fn checkpoint_lines(study: &Study, trial: &Trial) -> Vec<String> {
    let unit = &study.settings.fidelity.unit;
    let inherited = trial.inherited.as_ref().map(|inherited| {
        let trained = value::count(inherited.fidelity.0, unit);
        format!("began from a copy of that of trial {}, trained for {trained}", inherited.from)
    });
    let lost = trial.checkpoint_lost.as_ref();
    let lost = lost.map(|reason| {
        format!("was lost when it was needed, and the trial began anew: {}", first_line(reason))
    });
    let dropped = trial.dropped.as_ref().map(|dropped| match &dropped.keep {
        None => format!("deleted: {}", dropped.reason),
        Some(kept) => format!("all but {kept} deleted: {}", dropped.reason),
    });
    [inherited, lost, dropped].into_iter().flatten().collect()
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

/// What an attempt cost, as far as it was measured.
fn cost_line(end: &AttemptEnd) -> Option<String> {
    let cpu = end.cpu_ms.map(|ms| format!("{} of processor time", time::duration(ms)));
    let memory = match (end.memory_peak_kib, end.max_rss_kib) {
        (Some(kib), _) => Some(format!("{} of memory", size(kib * 1024))),
        (None, largest) => {
            largest.map(|kib| format!("{} of memory in its largest process", size(kib * 1024)))
        }
    };
    let gpu = end.gpu.map(|gpu| format!("{} of GPU time", time::duration(gpu.ms)));
    let gpu_memory = end.gpu.and_then(|gpu| gpu.peak_mib);
    let gpu_memory = gpu_memory.map(|mib| format!("{} of GPU memory", size(mib << 20)));
    let parts: Vec<String> = [cpu, memory, gpu, gpu_memory].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("            it took {}", parts.join(", ")))
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
        None if trial.is_some_and(|t| t.inherited.is_some()) => "goes on with what another trial has trained",
        None => "first run",
        Some(Outcome::Reached { .. }) if study.settings.algorithm == Algorithm::Pbt => {
            "went on with its generation"
        }
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
        TrialState::Running => match &trial.stopping {
            Some(reason) => format!("is being stopped: {}", first_line(reason)),
            None => "running".into(),
        },
        TrialState::Paused if study.settings.algorithm == Algorithm::Pbt => {
            "paused: its generation is not complete".into()
        }
        TrialState::Paused if !may_go_on(study, trial) => {
            "paused on its rung, where it ends: others are made from it".into()
        }
        TrialState::Paused => "paused on its rung: others of the rung are better, or not there yet".into(),
        TrialState::Complete if trial.value().is_some() => {
            let word = match (Standings::of(study).word(study, trial), facts::broken(study, trial)) {
                (Some("best"), _) => Some("the best trial of the study".into()),
                (Some(word), Some(broken)) => Some(format!("{word}: {broken}")),
                (word, _) => word.map(String::from),
            };
            word.map_or_else(|| "complete".into(), |word| format!("complete; {word}"))
        }
        state => reason.map_or_else(|| state.to_string(), |reason| format!("{state}: {reason}")),
    }
}

fn first_line(text: &str) -> String {
    value::visible(text.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use automl_core::{Constraint, Dropped, Fidelity, Further, GpuUse, Inherited, TrialId};

    #[test]
    fn checkpoints_that_were_dropped_or_lost_are_told() {
        let mut study = fixture::study();
        let trial = study.trials.get_mut(&TrialId(2)).unwrap();
        trial.dropped =
            Some(Dropped { keep: None, reason: "only the best trial keeps its checkpoints".into() });
        trial.checkpoint_lost = Some("it is empty".into());
        trial.inherited = Some(Inherited { from: TrialId(1), fidelity: Fidelity(2), source: None });
        let told = lines(&study, &study.trials[&TrialId(2)]);
        let checkpoint: Vec<&String> = told.iter().filter(|line| line.starts_with("checkpoint")).collect();
        assert_eq!(
            checkpoint,
            [
                "checkpoint  began from a copy of that of trial 1, trained for 2 epochs",
                "checkpoint  was lost when it was needed, and the trial began anew: it is empty",
                "checkpoint  deleted: only the best trial keeps its checkpoints",
            ]
        );
        let json = as_json(&study, &study.trials[&TrialId(2)]);
        assert_eq!(
            (&json["checkpoint"]["lost"], &json["checkpoint"]["inherited_from"]),
            (&json!("it is empty"), &json!(1))
        );
        assert!(
            told.iter().any(|line| line.contains("goes on with what another trial has trained")),
            "{told:?}"
        );
    }

    #[test]
    fn all_that_counts_is_told_of_a_result() {
        let mut study = fixture::study();
        study.settings.constraints = vec![Constraint::parse("latency<=50").unwrap()];
        let further = Further { objectives: vec![], constraints: vec![60.0] };
        study.trials.get_mut(&TrialId(1)).unwrap().further.insert(Fidelity(3), further);
        let told = lines(&study, &study.trials[&TrialId(1)]).join("\n");
        assert!(told.contains("\nresult      loss 0.5, latency 60\n"), "{told}");
        assert!(told.ends_with("complete; infeasible: latency <= 50 is broken: 60"), "{told}");
    }

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
        let outcome = Outcome::Infeasible { reason: "x".into() };
        let gpu = Some(GpuUse { ms: 90_000, peak_mib: Some(3000) });
        let end =
            AttemptEnd { outcome, cpu_ms: Some(2500), max_rss_kib: Some(1024), memory_peak_kib: None, gpu };
        assert_eq!(
            cost_line(&end).unwrap().trim_start(),
            "it took 2.5s of processor time, 1.0 MiB of memory in its largest process, 1m 30s of GPU time, 2.9 GiB of \
             GPU memory"
        );
    }
}
