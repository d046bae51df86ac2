//! `automl check`.

use crate::args::CheckArgs;
use crate::exit::{self, Exit, Failure};
use crate::output::{Output, stdout_paint};
use crate::project::Project;
use crate::render::paint::Style;
use crate::render::value::count;
use automl_config::{Problem, Severity, SpecSchema, check_paths, json_schema};
use serde_json::{Value, json};

/// Action whose schema specs are checked against where none is named.
const USUAL_ACTION: &str = "train";

/// Checks files and shows every problem; a file without errors is good enough.
///
/// The project is opened only where a network is asked for: a broken `automl.toml` is a file to check, not an
/// obstacle.
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
    let schema = schema(args, project)?;
    let checked = check_paths(&args.paths, schema.as_ref());
    let (mut errors, mut warnings) = (0, 0);
    for problem in &checked.problems {
        match problem.severity {
            Severity::Error => errors += 1,
            Severity::Warning => warnings += 1,
        }
        if output.json { output.object(&object(problem))? } else { output.data(&line(problem))? }
    }
    let files = count(checked.files as u64, "file");
    output.say(&format!("{files} checked: {}, {}", count(errors, "error"), count(warnings, "warning")));
    Ok(if errors == 0 { Exit::Done } else { Exit::Usage })
}

/// Returns the schema that specs are checked against, where one is asked for.
fn schema(
    args: &CheckArgs,
    project: impl FnOnce() -> Result<Project, Failure>,
) -> Result<Option<SpecSchema>, Failure> {
    if let Some(path) = &args.schema {
        return Ok(Some(SpecSchema::read(path)?));
    }
    if args.network.is_none() && args.skill.skill_dir.is_none() {
        return Ok(None);
    }
    let catalog = project()?.catalog_with(&args.skill)?;
    let Some(network) = args.network.clone().or_else(|| catalog.skill_network()) else {
        return Err(Failure::new(
            Exit::Usage,
            "the skill does not say of which network it is; add `--network`",
        ));
    };
    let action = args.action.as_deref().unwrap_or(USUAL_ACTION);
    Ok(Some(SpecSchema::of_network(&catalog, &network, action)?))
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
