//! `automl enqueue`, `stop`, `pause`, `cancel` and `set`: wishes left for the engine of a study.

use super::{locate, look, search};
use crate::args::{EnqueueArgs, Parallel, SetArgs, StudyArg, TrialArg};
use crate::configurations::read_configurations;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::{Project, study_word};
use crate::render::time::{duration, parse_duration};
use crate::render::value::{self, count};
use automl::{StudyDir, View, Wish, can_raise, leave_wish, new_bounds};
use automl_config::nearest;
use automl_core::{Record, TrialId, TrialState};
use std::collections::BTreeSet;

/// Looks at a study that an engine works on. One that hands its trials out does not read wishes.
fn steerable(dir: &StudyDir) -> Result<View, Failure> {
    let view = look(dir)?;
    if view.study.settings.recipe.is_null() {
        let message = format!(
            "study {} is run by whoever asks for its trials; ask `automl serve` for `enqueue`, `release`, `tell` or `close`",
            dir.name()
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(view)
}

/// Puts configurations first in line.
pub(super) fn enqueue(args: &EnqueueArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = locate(project, Some(&args.study), output)?;
    let view = steerable(&dir)?;
    let space = &view.study.settings.space;
    let read = args.params.iter().map(|text| read_configurations(text, space, "enqueue"));
    let all = read.collect::<Result<Vec<_>, _>>()?.concat();
    for params in &all {
        leave(&dir, &Wish::Enqueue { params: params.clone() })?;
        output.say(&format!("enqueued {}", value::params(params)));
    }
    let study = &view.study;
    let left = study.settings.budget().map(|budget| budget.saturating_sub(study.started()));
    if left.is_some_and(|left| left < (study.queue.len() + all.len()) as u64) {
        let word = study_word(&dir);
        output.say(&format!(
            "the budget has room for {}; `automl set {word} trials=N` gives it more",
            count(left.unwrap_or(0), "more trial")
        ));
    }
    say_when(&view, &dir, output);
    Ok(Exit::Done)
}

/// Asks the engine to end: gracefully with its trials, or when they have ended. Without an engine, trials may
/// have survived the last one: stopping ends these.
pub(super) fn end(args: &StudyArg, wish: &Wish, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = locate(project, args.study.as_deref(), output)?;
    let view = steerable(&dir)?;
    let Some(engine) = view.engine else {
        let left = view.study.in_state(TrialState::Running).count() as u64;
        return match (left, wish) {
            (1.., Wish::Stop) => {
                output.say(&format!(
                    "no engine works on study {}; ending {} that it left running",
                    dir.name(),
                    count(left, "trial")
                ));
                search::end_trials(&dir, None, output)
            }
            (1.., _) => {
                let word = study_word(&dir);
                output.say(&format!(
                    "no engine works on study {}, so nothing new starts; {} may still be running: `automl stop {word}` \
                     ends them, `automl resume {word}` carries on with them",
                    dir.name(),
                    count(left, "trial")
                ));
                Ok(Exit::Done)
            }
            (0, _) => {
                output.say(&format!("nothing works on study {}", dir.name()));
                Ok(Exit::Done)
            }
        };
    };
    leave(&dir, wish)?;
    let what = match wish {
        Wish::Pause => "start nothing new and end with the running trials",
        _ => "end its running trials and itself",
    };
    output.say(&format!("asked the engine (process {}) of study {} to {what}", engine.pid, dir.name()));
    Ok(Exit::Done)
}

/// Gives a trial up.
pub(super) fn cancel(args: &TrialArg, project: &Project, output: Output) -> Result<Exit, Failure> {
    let (study, number) = args.parts().map_err(|message| Failure::new(Exit::Usage, message))?;
    let dir = locate(project, study, output)?;
    let view = steerable(&dir)?;
    let trial = super::find_trial(&view.study, number)?;
    if trial.state.is_final() {
        output.say(&format!("trial {number} has ended already: {}", trial.state));
        return Ok(Exit::Done);
    }
    leave(&dir, &Wish::Cancel { trial: TrialId(number) })?;
    output.say(&format!("trial {number} of study {} is to be cancelled", dir.name()));
    if view.engine.is_none() && trial.state == TrialState::Running {
        // Nobody else would end it before the next engine does.
        return search::end_trials(&dir, Some(TrialId(number)), output);
    }
    say_when(&view, &dir, output);
    Ok(Exit::Done)
}

/// What can be set, for whoever writes something else.
const SETTABLE: &str = "write trials=N, timeout=DURATION, parallel=N, max-fidelity=N or bound:PARAMETER=VALUES (low..high[:log], a|b)";

/// Changes limits and bounds of a study.
pub(super) fn set(args: &SetArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = locate(project, Some(&args.study), output)?;
    let view = steerable(&dir)?;
    let (mut trials, mut timeout_ms, mut parallel, mut max_fidelity) = (None, None, None, None);
    let mut bounds = Vec::new();
    let mut named = BTreeSet::new();
    for change in &args.changes {
        let wrong = |why: String| Failure::new(Exit::Usage, format!("`{change}`: {why}"));
        let name = change.split_once('=').map_or(change.as_str(), |(name, _)| name);
        if !named.insert(if name == "jobs" { "parallel" } else { name }) {
            return Err(wrong(format!("`{name}` is set twice")));
        }
        if let Some(bound) = change.strip_prefix("bound:") {
            bounds.push(bound.to_string());
            continue;
        }
        let (key, value) = change.split_once('=').ok_or_else(|| wrong(SETTABLE.into()))?;
        match key {
            "trials" => trials = Some(number_of_trials(value, &view).map_err(wrong)?),
            "timeout" => timeout_ms = Some(parse_duration(value).map_err(wrong)?),
            "parallel" | "jobs" => match value.parse::<Parallel>().map_err(wrong)?.number() {
                Some(number) => parallel = Some(number),
                None => {
                    return Err(wrong("give a number; `automl resume --parallel auto` works it out".into()));
                }
            },
            "max-fidelity" => max_fidelity = Some(larger_fidelity(value, &view).map_err(wrong)?),
            name if view.study.settings.space.get(name).is_some() => {
                return Err(wrong(format!("bounds of a parameter are set with bound:{change}")));
            }
            other => {
                let hint = nearest(other, ["trials", "timeout", "parallel", "max-fidelity"]).first().copied();
                let hint = hint.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
                return Err(wrong(format!("`{other}` cannot be set; {hint}{SETTABLE}")));
            }
        }
    }
    let bounded = bounded(&view, &bounds)?;
    leave(&dir, &Wish::Set { trials, timeout_ms, parallel, max_fidelity, bounds })?;
    let changed = [
        trials.map(|n| format!("trials {n}")),
        timeout_ms.map(|ms| format!("timeout {}", duration(ms))),
        parallel.map(|n| format!("parallel {n}")),
        max_fidelity.map(|n| format!("max-fidelity {n}")),
    ];
    let changed: Vec<String> = changed.into_iter().flatten().chain(bounded.changes).collect();
    output.say(&format!("study {}: {}", dir.name(), changed.join(", ")));
    bounded.notes.iter().for_each(|note| output.say(note));
    say_when(&view, &dir, output);
    Ok(Exit::Done)
}

/// What new bounds come to, for people.
#[derive(Default)]
struct Bounded {
    changes: Vec<String>,
    notes: Vec<String>,
}

/// Tries new bounds on the study as it is now, so that what is wrong with them is told at once.
fn bounded(view: &View, bounds: &[String]) -> Result<Bounded, Failure> {
    if bounds.is_empty() {
        return Ok(Bounded::default());
    }
    let found = new_bounds(&view.study, bounds).map_err(|why| Failure::new(Exit::Usage, why))?;
    let Some(event) = found.event else {
        return Ok(Bounded { changes: vec!["bounds as they are".into()], notes: found.notes });
    };
    let mut after = view.study.clone();
    let record = Record { at: after.updated_at, event };
    after.apply(&record).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let pairs = view.study.settings.space.parameters().iter().zip(after.settings.space.parameters());
    let changes = pairs.filter(|(old, new)| old.distribution != new.distribution);
    let changes =
        changes.map(|(old, new)| format!("{} {} (was {})", new.name, value::domain(new), value::domain(old)));
    let mut notes = found.notes;
    let newly = after.outside.len().saturating_sub(view.study.outside.len());
    if newly > 0 {
        let trials = count(newly as u64, "trial");
        notes.push(format!(
            "{trials} outside of that from now on: kept in the study, but no model learns from it"
        ));
    }
    Ok(Bounded { changes: changes.collect(), notes })
}

fn larger_fidelity(text: &str, view: &View) -> Result<u64, String> {
    let max = text.parse::<u64>().map_err(|_| format!("`{text}` is no fidelity"))?;
    can_raise(&view.study, max).map(|()| max)
}

fn number_of_trials(text: &str, view: &View) -> Result<u64, String> {
    let started = view.study.started();
    match text.parse::<u64>() {
        Ok(0) | Err(_) => Err(format!("`{text}` is no number of trials")),
        Ok(n) if n < started => Err(format!("{started} trials have been started already")),
        Ok(n) => Ok(n),
    }
}

/// Says when a wish will be heard.
fn say_when(view: &View, dir: &StudyDir, output: Output) {
    if view.engine.is_none() {
        let word = study_word(dir);
        output.say(&format!("nothing works on the study now; `automl resume {word}` takes it in"));
    }
}

fn leave(dir: &StudyDir, wish: &Wish) -> Result<(), Failure> {
    leave_wish(dir, wish).map_err(|error| {
        let message = format!("cannot write {}: {error}", dir.wishes().display());
        Failure::new(Exit::Environment, message)
    })
}
