//! `automl gc`: shows which checkpoints nothing needs, and deletes them on request.

use super::{locate, unusable};
use crate::args::GcArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::{Project, study_word};
use crate::render::size::size;
use crate::render::table::{Align, Table};
use crate::render::value::count;
use automl::{Garbage, StudyDir, collect_garbage, garbage};
use serde_json::json;

/// Shows or deletes what can go.
pub(super) fn run(args: &GcArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = locate(project, args.study.study.as_deref(), output)?;
    let found = if args.yes { collect_garbage(&dir, args.keep) } else { garbage(&dir, args.keep) };
    let found = found.map_err(|error| unusable(error, &dir))?;
    let bytes: u64 = found.iter().map(|garbage| garbage.bytes).sum();
    if output.json {
        let trials: Vec<_> = found.iter().map(as_json).collect();
        output
            .object(&json!({"study": dir.name(), "deleted": args.yes, "bytes": bytes, "trials": trials}))?;
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        output.say(&format!("study {} has no checkpoint that can go", dir.name()));
        return Ok(Exit::Done);
    }
    output.table(&table(&found))?;
    output.say(&conclusion(args, &dir, &found, bytes));
    Ok(Exit::Done)
}

fn table(found: &[Garbage]) -> Table {
    let columns =
        [("trial", Align::Right), ("files", Align::Right), ("size", Align::Right), ("why", Align::Left)];
    let mut table = Table::new(columns);
    for garbage in found {
        table.row([
            garbage.trial.to_string(),
            garbage.files.len().to_string(),
            size(garbage.bytes),
            garbage.reason.clone(),
        ]);
    }
    table
}

fn conclusion(args: &GcArgs, dir: &StudyDir, found: &[Garbage], bytes: u64) -> String {
    let files = found.iter().map(|garbage| garbage.files.len() as u64).sum();
    let what = format!("{}, {}", count(files, "checkpoint"), size(bytes));
    if args.yes {
        return format!("deleted {what}");
    }
    let keep = args.keep.to_string();
    let keep = if keep == "best" { String::new() } else { format!(" --keep {keep}") };
    format!("{what} can go; `automl gc {}{keep} --yes` deletes them", study_word(dir))
}

fn as_json(garbage: &Garbage) -> serde_json::Value {
    json!({
        "trial": garbage.trial,
        "files": garbage.files,
        "bytes": garbage.bytes,
        "keep": garbage.keep,
        "reason": garbage.reason,
    })
}
