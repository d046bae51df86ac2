//! `automl check`.

use super::check_dataset;
use crate::args::CheckArgs;
use crate::exit::{self, Exit, Failure};
use crate::output::{Output, stdout_paint};
use crate::project::Project;
use crate::render::paint::Style;
use crate::render::value::count;
use automl_config::{Problem, Severity, check_file};
use serde_json::{Value, json};

/// Checks files and shows every problem; a file without errors is good enough. The project counts only
/// where the files are datasets: a broken settings file must not keep anybody from checking it.
pub(super) fn run(
    args: &CheckArgs,
    project: impl Fn() -> Result<Project, Failure>,
    output: Output,
) -> Result<Exit, Failure> {
    if let Some(network) = &args.network {
        return check_dataset::run(network, args, &project()?, |problem| show(problem, output), output);
    }
    let (mut errors, mut warnings) = (0, 0);
    for problem in args.files.iter().flat_map(|file| check_file(file)) {
        match problem.severity {
            Severity::Error => errors += 1,
            Severity::Warning => warnings += 1,
        }
        show(&problem, output)?;
    }
    let files = count(args.files.len() as u64, "file");
    output.say(&format!("{files} checked: {}, {}", count(errors, "error"), count(warnings, "warning")));
    Ok(if errors == 0 { Exit::Done } else { Exit::Usage })
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
