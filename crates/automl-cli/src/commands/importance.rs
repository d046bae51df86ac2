//! `automl importance`: how much each parameter decides about good results.

use super::{locate, look};
use crate::args::StudyArg;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::Project;
use crate::render::table::{Align, Table};
use automl::{Importance, importance, present};

/// Results for every parameter below which the shares say little.
const RESULTS_EACH: usize = 5;
/// Characters of the longest bar.
const BAR: f64 = 30.0;

/// Shows the shares of all parameters, the largest first.
pub(super) fn run(args: &StudyArg, project: &Project, output: Output) -> Result<Exit, Failure> {
    let study = look(&locate(project, args.study.as_deref(), output)?)?.study;
    if output.json {
        output.object(&present::importance(&study))?;
        return Ok(Exit::Done);
    }
    let lists = importance(&study);
    for (objective, list) in &lists {
        if lists.len() > 1 {
            output.data(&format!("{}:", objective.metric))?;
        }
        show(list, output)?;
    }
    Ok(Exit::Done)
}

fn show(list: &[Importance], output: Output) -> Result<(), Failure> {
    if list.is_empty() {
        output.say("too few different results to tell which parameters matter");
        return Ok(());
    }
    let mut table = Table::new([("parameter", Align::Left), ("share", Align::Right), ("", Align::Left)]);
    for one in list {
        let bar = "#".repeat((one.share * BAR).round() as usize);
        table.row([one.parameter.clone(), format!("{:.1}%", 100.0 * one.share), bar]);
    }
    output.table(&table)?;
    let results = list.iter().map(|one| one.observations).max().unwrap_or(0);
    if results < RESULTS_EACH * list.len() {
        output.say(&format!("from {results} results only; with more of them the shares may change"));
    }
    Ok(())
}
