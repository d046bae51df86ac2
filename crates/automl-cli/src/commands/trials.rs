//! `automl trials`.

use super::{locate, look};
use crate::args::StudyArg;
use crate::exit::{Exit, Failure};
use crate::facts;
use crate::output::Output;
use crate::project::Project;
use crate::render::table::{Align, Table};
use crate::render::time::{self, now_ms};
use crate::render::{json, value};
use crate::standing::{Standings, further_values, metrics};
use automl_core::Study;

/// Shows the trials of a study, oldest first.
pub(super) fn run(args: &StudyArg, project: &Project, output: Output) -> Result<Exit, Failure> {
    let study = look(&locate(project, args.study.as_deref(), output)?)?.study;
    if output.json {
        for trial in study.trials.values() {
            output.object(&json::trial(&study, trial))?;
        }
    } else if study.trials.is_empty() {
        output.say("no trial yet");
    } else {
        output.table(&table(&study, now_ms()))?;
    }
    Ok(Exit::Done)
}

fn table(study: &Study, now: u64) -> Table {
    let further = metrics(study).split_off(1);
    let columns = [
        ("trial", Align::Right),
        ("state", Align::Left),
        (study.settings.objective.metric.as_str(), Align::Right),
    ];
    let last = [
        (study.settings.fidelity.unit.as_str(), Align::Right),
        ("time", Align::Right),
        ("", Align::Left),
        ("params", Align::Left),
    ];
    let between = further.iter().map(|name| (*name, Align::Right));
    let mut table = Table::new(columns.into_iter().chain(between).chain(last));
    let standings = Standings::of(study);
    for trial in study.trials.values() {
        let reason = trial.reason.as_deref().and_then(|reason| reason.lines().next());
        let reason = reason.map_or_else(String::new, |reason| format!("  ({reason})"));
        let mut others = further_values(study, trial).map(|(_, v)| value::number(v));
        let others = further.iter().map(|_| others.next().unwrap_or_else(|| "-".into()));
        let first = [
            trial.id.to_string(),
            trial.state.to_string(),
            trial.value().map_or_else(|| "-".into(), value::number),
        ];
        let outside = study.outside.contains(&trial.id).then_some("outside bounds");
        let words: Vec<&str> = standings.word(study, trial).into_iter().chain(outside).collect();
        let last = [
            trial.fidelity().map_or_else(|| "-".into(), |fidelity| fidelity.to_string()),
            time::duration(facts::run_time_ms(trial, now)),
            words.join(", "),
            value::params(&trial.params) + &reason,
        ];
        table.row(first.into_iter().chain(others).chain(last));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn trials_are_one_row_each() {
        let study = fixture::study();
        insta::assert_snapshot!(table(&study, study.updated_at).lines(None).join("\n"), @r"
        trial  state     loss  epoch  time        params
            1  complete   0.5      3  6.0s        act=relu lr=0.001
            2  complete  0.25      3  4.0s  best  act=gelu lr=0.0123457
            3  failed       -      -  2.0s        act=gelu lr=0.09  (exit code 17)
            4  running      -      -  4.0s        act=relu lr=1e-5
        ");
    }
}
