//! `automl run`.

use super::dry_run::Shown;
use super::{action, search};
use crate::args::{Policy, RunArgs};
use crate::exit::{Exit, Failure};
use crate::output::{self, Output};
use crate::plan::{Foreign, Plan, foreign, plain_training};
use crate::project::{Project, shown};
use crate::render::header;
use crate::render::json;
use crate::render::table::{Align, Table};
use automl::{FirstTrial, OpenStudy, StudyDir, StudyError, create_with, first_trial};
use automl_core::Study;
use automl_exec::slots::Slot;
use automl_store::LockError;
use clap::ArgMatches;
use serde_json::{Map, json};
use std::env;

/// Subcommand of the runner; see `main`.
const RUNNER: &str = crate::RUNNER;
/// Other searches that may take a free name first before something else must be wrong.
const NAME_TRIES: u32 = 20;

/// Begins a new study and works on it.
pub(super) fn run(
    args: &RunArgs,
    matches: &ArgMatches,
    project: &Project,
    output: Output,
) -> Result<Exit, Failure> {
    let (project, foreign) = with_settings_file(args, project)?;
    let project = &project;
    let policy = args.network.automl_policy.unwrap_or(match foreign.enabled {
        Some(false) => Policy::Off,
        _ => Policy::On,
    });
    if policy == Policy::Off {
        foreign.notes.iter().for_each(|note| output.say(&format!("note: {note}")));
        return action::run(&plain_training(args, project)?, project, output);
    }
    let mut plan = Plan::resolve(args, matches, project, foreign, output)?;
    if args.print_config {
        return print_config(&plan, output);
    }
    if args.dry_run {
        return dry_run(&plan, project, output);
    }
    let opened = create_named(&mut plan, project)?;
    let dir = StudyDir::new(&project.root, &plan.options.name);
    header(Some(&plan), opened.engine.study(), &opened.slots, &dir, output);
    search::work(opened, &dir, output)
}

/// Lays the settings of another system's search over the project's, where a file of them is given.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn with_settings_file(args: &RunArgs, project: &Project) -> Result<(Project, Foreign), Failure> {
    let mut project = project.clone();
    let foreign = match &args.search.settings {
        Some(path) => foreign::overlay(path, args.network.network.as_deref(), &mut project)?,
        None => Foreign::default(),
    };
    Ok((project, foreign))
}

/// Returns the command that runs one attempt: this program by another name.
///
/// # Errors
/// If this program's file cannot be found.
pub(super) fn runner() -> Result<Vec<String>, Failure> {
    let exe = env::current_exe().map_err(|error| {
        Failure::new(Exit::Environment, format!("cannot find the automl program: {error}"))
    })?;
    let exe = exe.into_os_string().into_string().map_err(|exe| {
        let message =
            format!("the path of the automl program is not UTF-8: {}; move it", exe.to_string_lossy());
        Failure::new(Exit::Environment, message)
    })?;
    Ok(vec![exe, RUNNER.into()])
}

/// Says what is going to happen.
pub(super) fn header(plan: Option<&Plan>, study: &Study, slots: &[Slot], dir: &StudyDir, output: Output) {
    let title = plan.map(|plan| plan.title.as_str());
    let notes = plan.map_or(&[][..], |plan| &plan.recipe.notes);
    if !output.json {
        let lines = header::lines(title, study, slots, &shown(dir.path()), notes, output::stderr_paint());
        output.say(&lines.join("\n"));
    }
}

/// Creates the study; a name that nobody chose gives way where another search takes it first.
fn create_named(plan: &mut Plan, project: &Project) -> Result<OpenStudy, Failure> {
    let runner = runner()?;
    for _ in 0..NAME_TRIES {
        let settings = plan.settings()?;
        match create_with(&project.root, settings, plan.recipe.trial.clone(), runner.clone(), &plan.start) {
            Err(StudyError::Exists { .. } | StudyError::Lock(LockError::Held { .. }))
                if !plan.name_is_given =>
            {
                plan.take_next_name(project);
            }
            created => return Ok(created?),
        }
    }
    Ok(create_with(&project.root, plan.settings()?, plan.recipe.trial.clone(), runner, &plan.start)?)
}

fn print_config(plan: &Plan, output: Output) -> Result<Exit, Failure> {
    let mut table = Table::new([("setting", Align::Left), ("value", Align::Left), ("from", Align::Left)]);
    for choice in &plan.choices {
        if output.json {
            output.object(&json!({"name": choice.name, "value": choice.value, "source": choice.source}))?;
        }
        table.row([choice.name.clone(), choice.value.clone(), choice.source.clone()]);
    }
    if !output.json {
        output.table(&table)?;
    }
    Ok(Exit::Done)
}

fn dry_run(plan: &Plan, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = StudyDir::new(&project.root, &plan.options.name);
    let trial = first_trial(&dir, &plan.settings()?, &plan.recipe.trial)?;
    let FirstTrial { params, origin, files, explained } = &trial;
    let (recipe, notes) = (Some(&plan.recipe.trial), &plan.recipe.notes);
    let dry = Shown { files, recipe, explained: explained.as_ref(), notes };
    if output.json {
        let mut object = Map::new();
        object.insert("study".into(), plan.options.name.clone().into());
        object.insert("params".into(), json::params(params));
        object.insert("origin".into(), json!({"model": origin.model, "reason": origin.reason}));
        dry.add_to(&mut object);
        output.object(&object.into())?;
        return Ok(Exit::Done);
    }
    let title = format!("study {}, trial 1 ({}: {})", plan.options.name, origin.model, origin.reason);
    let params = params.iter().map(|(name, value)| format!("  {name} = {value}"));
    dry.print(&std::iter::once(title).chain(params).collect::<Vec<_>>(), output)?;
    Ok(Exit::Done)
}
