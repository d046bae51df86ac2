//! `automl status`.

use super::search::spec_path;
use super::{locate, unusable};
use crate::args::StatusArgs;
use crate::exit::{Exit, Failure};
use crate::facts::StudyState;
use crate::output::{Output, stdout_paint, stdout_width};
use crate::project::Project;
use crate::render::json;
use crate::render::status::{Page, lines};
use crate::render::time::now_ms;
use automl::{StudyDir, View, Watch};
use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

/// Time between two looks at a running study.
const WATCH: Duration = Duration::from_millis(1000);

/// Shows where a study stands, once or until its engine ends.
pub(super) fn run(args: &StatusArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = locate(project, args.study.study.as_deref(), output)?;
    let mut watch = Watch::new(&dir);
    let mut drawn = 0;
    loop {
        let view = watch.look().map_err(|error| unusable(error, &dir))?;
        let running = show(&dir, view, &mut drawn, output)?;
        if !(args.watch && running) {
            return Ok(Exit::Done);
        }
        thread::sleep(WATCH);
    }
}

/// Shows the study over what was drawn before; tells whether an engine works on it.
fn show(dir: &StudyDir, view: &View, drawn: &mut usize, output: Output) -> Result<bool, Failure> {
    let (study, state) = (&view.study, StudyState::of(&view.study, view.engine.as_ref()));
    if view.torn {
        output.warn("the log breaks off within a record, as after a crash; `automl resume` mends what the other copy has");
    }
    let running = matches!(state, StudyState::Running { .. });
    if output.json {
        output.object(&json::status(study, &state, spec_path(dir, study).as_deref(), now_ms()))?;
        return Ok(running);
    }
    let page = Page { width: stdout_width(), paint: stdout_paint(), now: now_ms() };
    let lines = lines(study, &state, page);
    let erase =
        if io::stdout().is_terminal() && *drawn > 0 { format!("\x1b[{drawn}A\x1b[J") } else { String::new() };
    output.raw(format!("{erase}{}\n", lines.join("\n")).as_bytes())?;
    *drawn = lines.len();
    Ok(running)
}
