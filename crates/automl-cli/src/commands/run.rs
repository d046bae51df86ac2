//! `automl run`.

use super::search;
use crate::args::RunArgs;
use crate::exit::{Exit, Failure};
use crate::output::{self, Output};
use crate::plan::Plan;
use crate::project::{Project, shown};
use crate::render::header;
use crate::render::json;
use crate::render::secret::{is_secret, masked};
use crate::render::table::{Align, Table};
use automl::{FirstTrial, OpenStudy, StudyDir, StudyError, create, first_trial};
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
    let mut plan = Plan::resolve(args, matches, project, output)?;
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
        match create(&project.root, plan.settings()?, plan.recipe.trial.clone(), runner.clone()) {
            Err(StudyError::Exists { .. } | StudyError::Lock(LockError::Held { .. }))
                if !plan.name_is_given =>
            {
                plan.take_next_name(project);
            }
            created => return Ok(created?),
        }
    }
    Ok(create(&project.root, plan.settings()?, plan.recipe.trial.clone(), runner)?)
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
    let FirstTrial { params, origin, files } = &trial;
    let spec = files.spec.as_ref().map(|(name, text)| (name, shown_spec(text)));
    let shown = |name: &str, value: &str| if is_secret(name) { "…".to_string() } else { value.to_string() };
    let env: Vec<(&String, String)> =
        files.env.iter().map(|(name, value)| (name, shown(name, value))).collect();
    if output.json {
        output.object(&json!({
            "study": plan.options.name,
            "params": json::params(params),
            "origin": {"model": origin.model, "reason": origin.reason},
            "spec": spec.map(|(name, text)| json!({"file": name, "text": text})),
            "command": files.argv,
            "env": env.into_iter().map(|(name, value)| (name.clone(), value.into())).collect::<Map<_, _>>(),
            "notes": plan.recipe.notes,
        }))?;
        return Ok(Exit::Done);
    }
    plan.recipe.notes.iter().for_each(|note| output.say(&format!("note: {note}")));
    output.data(&format!("study {}, trial 1 ({}: {})", plan.options.name, origin.model, origin.reason))?;
    for (name, value) in params.iter() {
        output.data(&format!("  {name} = {value}"))?;
    }
    output.data(&format!(
        "command\n  {}",
        files.argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    ))?;
    output.data("environment")?;
    env.iter().try_for_each(|(name, value)| output.data(&format!("  {name}={}", quoted(value))))?;
    if let Some((name, text)) = spec {
        output.data(name)?;
        text.lines().try_for_each(|line| output.data(&format!("  {line}")))?;
    }
    Ok(Exit::Done)
}

fn shown_spec(text: &str) -> String {
    text.lines().map(|line| masked(line, ':') + "\n").collect()
}

/// Writes a word as a shell would need it, for reading and pasting only: no shell is ever used.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_string();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_needed() {
        assert_eq!(quoted("--lr=1e-5"), "--lr=1e-5");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
