//! `automl check`.

use crate::args::CheckArgs;
use crate::exit::{self, Exit, Failure};
use crate::output::{Output, stdout_paint};
use crate::render::paint::Style;
use crate::render::value::count;
use automl_config::{Problem, Severity, check_file};
use serde_json::{Value, json};

/// Checks files and shows every problem; a file without errors is good enough.
pub(super) fn run(args: &CheckArgs, output: Output) -> Result<Exit, Failure> {
    let (mut errors, mut warnings) = (0, 0);
    for problem in args.files.iter().flat_map(|file| check_file(file)) {
        match problem.severity {
            Severity::Error => errors += 1,
            Severity::Warning => warnings += 1,
        }
        if output.json { output.object(&object(&problem))? } else { output.data(&line(&problem))? }
    }
    let files = count(args.files.len() as u64, "file");
    output.say(&format!("{files} checked: {}, {}", count(errors, "error"), count(warnings, "warning")));
    Ok(if errors == 0 { Exit::Done } else { Exit::Usage })
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
