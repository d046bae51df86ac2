//! `automl check`.

use super::{check_dataset, check_log};
use crate::args::CheckArgs;
use crate::exit::{self, Exit, Failure};
use crate::output::{Output, stdout_paint};
use crate::project::Project;
use crate::render::paint::Style;
use crate::render::value::count;
use automl_config::{NetworkRequest, Problem, Severity, SpecSchema, check_paths, is_dataset, json_schema};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Action whose schema specs are checked against, and whose data is asked for, where none is named.
pub(super) const USUAL_ACTION: &str = "train";

/// Checks files and shows every problem; a file without errors is good enough.
///
/// With a network, folders and archives are datasets for it and files are specs; `--intent` makes everything
/// a dataset. The project is opened only where a network is asked for: a broken `automl.toml` is a file to
/// check, not an obstacle.
pub(super) fn run(
    args: &CheckArgs,
    project: impl FnOnce() -> Result<Project, Failure>,
    output: Output,
) -> Result<Exit, Failure> {
    if let Some(format) = args.print_schema {
        let schema = json_schema(format);
        let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
        output.data(&text)?;
        return Ok(Exit::Done);
    }
    if let Some(log) = &args.log {
        return check_log::run(log, args, project, output);
    }
    let Some(network) = &args.network else {
        let schema = schema(args, project)?;
        return check(&args.paths, schema.as_ref(), output);
    };
    let (datasets, files): (Vec<PathBuf>, Vec<PathBuf>) =
        args.paths.iter().cloned().partition(|path| args.intent.is_some() || is_dataset(path));
    let project = project()?;
    let catalog = project.catalog_with(&args.skill)?;
    let action = args.action.as_deref().unwrap_or(USUAL_ACTION);
    let request = NetworkRequest {
        network_config: args.network_config.clone(),
        action: action.into(),
        ..NetworkRequest::new(network)
    };
    let show = |problem: &Problem| show(problem, output);
    let of_datasets = check_dataset::run(&datasets, args.intent, &request, &catalog, show, output)?;
    if files.is_empty() {
        return Ok(of_datasets);
    }
    let schema = SpecSchema::of_network(&catalog, network, action)?;
    let of_files = check(&files, Some(&schema), output)?;
    Ok(if of_files == Exit::Done { of_datasets } else { of_files })
}

/// Checks files and folders of files.
fn check(paths: &[PathBuf], schema: Option<&SpecSchema>, output: Output) -> Result<Exit, Failure> {
    let checked = check_paths(paths, schema);
    let (mut errors, mut warnings) = (0, 0);
    for problem in &checked.problems {
        match problem.severity {
            Severity::Error => errors += 1,
            Severity::Warning => warnings += 1,
        }
        show(problem, output)?;
    }
    let files = count(checked.files as u64, "file");
    output.say(&format!("{files} checked: {}, {}", count(errors, "error"), count(warnings, "warning")));
    Ok(if errors == 0 { Exit::Done } else { Exit::Usage })
}

/// Returns the schema that specs are checked against where no network is named.
fn schema(
    args: &CheckArgs,
    project: impl FnOnce() -> Result<Project, Failure>,
) -> Result<Option<SpecSchema>, Failure> {
    if let Some(path) = &args.schema {
        return Ok(Some(SpecSchema::read(path)?));
    }
    if args.skill.skill_dir.is_none() {
        return Ok(None);
    }
    let catalog = project()?.catalog_with(&args.skill)?;
    let Some(network) = catalog.skill_network() else {
        return Err(Failure::new(
            Exit::Usage,
            "the skill does not say of which network it is; add `--network`",
        ));
    };
    Ok(Some(SpecSchema::of_network(&catalog, &network, USUAL_ACTION)?))
}

fn show(problem: &Problem, output: Output) -> Result<(), Failure> {
    if output.json { output.object(&object(problem)) } else { output.data(&line(problem)) }
}

fn line(problem: &Problem) -> String {
    let style = match problem.severity {
        Severity::Error => Style::Bad,
        Severity::Warning => Style::Warn,
    };
    format!("{}: {}", stdout_paint().paint(style, &problem.severity.to_string()), exit::problem(problem))
}

/// Every field, so that readers need not ask which are there.
fn object(problem: &Problem) -> Value {
    json!({
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "severity": problem.severity,
        "code": problem.code,
        "message": problem.message,
        "hint": problem.hint,
    })
}
