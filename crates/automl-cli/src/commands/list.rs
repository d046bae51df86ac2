//! `automl list`.

use crate::exit::{Exit, Failure};
use crate::facts::{self, StudyState};
use crate::output::Output;
use crate::project::{Project, shown};
use crate::render::table::{Align, Table};
use crate::render::{json, time, value};
use automl::{StudyDir, View, list, view};
use automl_core::Trial;
use std::cmp::Reverse;

/// Lists the studies under the root; those that cannot be read are warned about.
pub(super) fn run(project: &Project, output: Output) -> Result<Exit, Failure> {
    let mut views = Vec::new();
    for name in list(&project.root) {
        match view(&StudyDir::new(&project.root, &name)) {
            Ok(view) => views.push(view),
            Err(error) => output.warn(&format!("study {name}: {}", Failure::from(error).messages.join("; "))),
        }
    }
    views.sort_by_key(|view| Reverse(view.study.updated_at));
    if output.json {
        for View { study, engine, .. } in &views {
            output.object(&json::listed(study, &StudyState::of(study, engine.as_ref())))?;
        }
    } else if views.is_empty() {
        output.say(&format!("no study in {} yet; `automl run` begins one", shown(&project.root)));
    } else {
        output.table(&table(&views))?;
    }
    Ok(Exit::Done)
}

fn table(views: &[View]) -> Table {
    let mut table = Table::new([
        ("study", Align::Left),
        ("state", Align::Left),
        ("trials", Align::Right),
        ("best", Align::Right),
        ("metric", Align::Left),
        ("algorithm", Align::Left),
        ("updated", Align::Left),
    ]);
    for View { study, engine, .. } in views {
        table.row([
            study.settings.study.clone(),
            StudyState::of(study, engine.as_ref()).name().into(),
            facts::settled_of_budget(study),
            study.incumbent().and_then(Trial::value).map_or_else(|| "-".into(), value::number),
            study.settings.objective.metric.clone(),
            study.settings.algorithm.to_string(),
            time::local(study.updated_at),
        ]);
    }
    table
}
