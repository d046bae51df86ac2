//! `automl action`: one plain job, its output live on standard error, its result on standard output.

use super::dry_run::Shown;
use super::{named, run::runner, search::Interrupts};
use crate::args::ActionArgs;
use crate::exit::{Exit, Failure};
use crate::output::{self, Level, Output};
use crate::plan::JobPlan;
use crate::project::{Project, shown};
use crate::render::time;
use automl::{Control, Job, JobEnd, JobRecord, JobState, JobUpdate, parent_of_job, parent_of_trial};
use automl_config::{CheckpointChoice, ParentJob};
use automl_core::TrialId;
use serde_json::{Map, Value, json};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::pin::pin;
use tokio::runtime;
use tokio::sync::mpsc::unbounded_channel;

/// Runs an action.
pub(super) fn run(args: &ActionArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let mut remarks = Vec::new();
    let parent = match &args.parent {
        Some(text) => {
            let choice = args.checkpoint.clone().unwrap_or_default();
            let (parent, notes) = find_parent(text, &choice, project)?;
            remarks.extend(notes);
            Some(parent)
        }
        None => None,
    };
    let JobPlan { recipe, options } = JobPlan::resolve(args, parent, project, output)?;
    remarks.extend(recipe.notes.clone());
    let results = options.results.clone();
    let image = recipe.trial.image().map(String::from);
    let job = Job::new(recipe, options)?;
    remarks.extend(job.notes.clone());
    let title = format!("{} {}", args.network, args.action);
    if args.dry_run {
        return dry_run(&title, &job, &results, &remarks, output);
    }
    remarks.iter().for_each(|note| output.say(&format!("note: {note}")));
    let place = image.map_or_else(String::new, |image| format!(" in image {image}"));
    output.say(&format!("{title}{place}; results in {}", shown(&results)));
    let (end, interrupted) = work(job, output)?;
    conclude(&title, &end, &results, interrupted, output)
}

/// Finds a parent: a results folder, a study, or a trial of one.
fn find_parent(
    text: &str,
    choice: &CheckpointChoice,
    project: &Project,
) -> Result<(ParentJob, Vec<String>), Failure> {
    let folder = Path::new(text);
    if JobRecord::read(folder).is_ok_and(|record| record.is_some()) {
        return Ok(parent_of_job(folder, choice)?);
    }
    let no_study = match named(&project.root, text) {
        Ok(dir) => return Ok(parent_of_trial(&dir, None, choice)?),
        Err(failure) => failure,
    };
    let trial = text.rsplit_once('/').and_then(|(study, number)| Some((study, number.parse().ok()?)));
    if let Some((study, number)) = trial {
        return Ok(parent_of_trial(&named(&project.root, study)?, Some(TrialId(number)), choice)?);
    }
    // A folder that is there and no study is meant as a job.
    if folder.is_dir() { Ok(parent_of_job(folder, choice)?) } else { Err(no_study) }
}

fn dry_run(
    title: &str,
    job: &Job,
    results: &Path,
    notes: &[String],
    output: Output,
) -> Result<Exit, Failure> {
    let (files, explained) = (job.files()?, job.explain()?);
    let dry = Shown { files: &files, recipe: None, explained: explained.as_ref(), notes };
    if output.json {
        let mut object = Map::new();
        object.insert("results_dir".into(), results.display().to_string().into());
        dry.add_to(&mut object);
        output.object(&object.into())?;
    } else {
        dry.print(&[format!("{title}, results in {}", shown(results))], output)?;
    }
    Ok(Exit::Done)
}

/// Runs the job while signals are heard; tells whether one was.
fn work(job: Job, output: Output) -> Result<(JobEnd, bool), Failure> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(Exit::Environment, format!("cannot wait for programs and signals: {error}"))
    })?;
    let runner = runner()?;
    runtime.block_on(async {
        let (control, mut wishes) = unbounded_channel();
        let mut interrupts = Interrupts::listen()?;
        let mut observer = |update: JobUpdate<'_>| observe(&update, output);
        let mut running = pin!(job.run(runner, &mut wishes, &mut observer));
        loop {
            tokio::select! {
                end = &mut running => return Ok((end?, interrupts.heard > 0)),
                () = interrupts.next() => {
                    let (wish, words) = match interrupts.heard {
                        1 => (Control::Stop, "ending the program; press Ctrl-C again to kill it"),
                        _ => (Control::Kill, "killing the program"),
                    };
                    output.say(words);
                    // The job may have ended at this very moment.
                    let _ = control.send(wish);
                }
            }
        }
    })
}

fn observe(update: &JobUpdate<'_>, output: Output) {
    match update {
        JobUpdate::Output(bytes) if output.level >= Level::Normal => {
            output::to_stderr(&String::from_utf8_lossy(bytes));
        }
        JobUpdate::Measured { step, values } if output.level >= Level::Verbose => {
            let values: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let step = step.map_or_else(String::new, |step| format!(" at {step}"));
            output.say(&format!("read{step}: {}", values.join(" ")));
        }
        JobUpdate::Note(note) => output.say(&format!("note: {note}")),
        JobUpdate::Output(_) | JobUpdate::Measured { .. } => {}
    }
}

fn conclude(
    title: &str,
    end: &JobEnd,
    results: &Path,
    interrupted: bool,
    output: Output,
) -> Result<Exit, Failure> {
    let record = &end.record;
    let exit = match record.state {
        JobState::Complete => Exit::Done,
        JobState::Stopped if interrupted => Exit::Interrupted,
        JobState::Failed if end.never_started => Exit::Environment,
        JobState::Failed | JobState::Stopped | JobState::Running => Exit::NoSuccess,
    };
    let seconds = record.ended.unwrap_or(record.started).saturating_sub(record.started);
    let spec = record.spec.as_ref().map(|name| results.join(name));
    if output.json {
        output.object(&result(record, results, spec, seconds, exit))?;
    } else {
        let state = record.state.name();
        let reason = record.reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        output.data(&format!("{title} {state} after {}{reason}", time::duration(seconds)))?;
        for (name, value) in &record.metrics {
            output.data(&format!("  {name} = {value}"))?;
        }
        output.data(&format!("results: {}", shown(results)))?;
    }
    if exit != Exit::Done && !std::io::stdout().is_terminal() && !output.json {
        output.say(&format!(
            "{title} {}; the program's output is in {}",
            record.state.name(),
            shown(results)
        ));
    }
    Ok(exit)
}

fn result(record: &JobRecord, results: &Path, spec: Option<PathBuf>, milliseconds: u64, exit: Exit) -> Value {
    json!({
        "network": record.network,
        "action": record.action,
        "state": record.state.name(),
        "exit": exit as i32,
        "reason": record.reason,
        "metrics": record.metrics,
        "results_dir": results,
        "spec_path": spec,
        "parent_checkpoint": record.parent_checkpoint,
        "attempt": record.attempt,
        "duration_s": milliseconds as f64 / 1000.0,
    })
}
