//! `automl best`.

use super::search::spec_path;
use super::{locate, look};
use crate::args::BestArgs;
use crate::exit::{Exit, Failure};
use crate::facts;
use crate::output::Output;
use crate::project::Project;
use crate::render::table::{Align, Table};
use crate::render::{json, value};
use automl::{Recommended, StudyDir, recommended, spec_of};
use automl_config::TrialRecipe;
use automl_core::{Study, Trial};

/// Shows the incumbent, or prints its spec.
pub(super) fn run(args: &BestArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = locate(project, args.study.study.as_deref(), output)?;
    let study = look(&dir)?.study;
    let Some(trial) = study.incumbent() else {
        let name = &study.settings.study;
        let message = format!("study {name} has no result yet; `automl status {name}` shows how it goes");
        return Err(Failure::new(Exit::NoSuccess, message));
    };
    let spec = spec_path(&dir, &study);
    if args.spec {
        print_spec(&dir, &study, trial, output)?;
    } else if output.json {
        output.object(&json::best_and_recommended(&study, trial, spec.as_deref()))?;
    } else {
        let objective = &study.settings.objective;
        let number = trial.value().map_or_else(String::new, value::number);
        output
            .data(&format!("trial {}: {} {number} ({})", trial.id, objective.metric, objective.direction))?;
        for (name, v) in trial.params.iter() {
            output.data(&format!("  {name} = {v}"))?;
        }
        if let Some(broken) = facts::broken(&study, trial) {
            output.data(&format!("infeasible: {broken}; no trial keeps to every constraint"))?;
        }
        if study.outside.contains(&trial.id) {
            output.data("outside the bounds that hold now")?;
        }
        if let Some(foreign) = &trial.foreign {
            output.data(&format!("from: {}", foreign.source))?;
        }
        if let Some(found) = recommended(&study) {
            output.say(&advice(&found));
        }
        if !study.settings.further_objectives.is_empty() {
            output.data("nothing beats these in every objective:")?;
            output.table(&front(&study))?;
        }
        if let Some(spec) = spec {
            output.data(&format!("spec: {}", spec.display()))?;
        }
    }
    Ok(Exit::Done)
}

/// Why another trial may be the better one to hand over.
fn advice(found: &Recommended<'_>) -> String {
    let (mean, noise) = (value::number(found.mean), value::number(found.noise_sd));
    format!(
        "recommended: trial {}, {mean} expected; results scatter by about {noise}, and the best one is partly luck",
        found.trial.id
    )
}

/// The Pareto front: one row a trial, one column an objective.
fn front(study: &Study) -> Table {
    let metrics: Vec<&str> = study.settings.objectives().map(|o| o.metric.as_str()).collect();
    let mut table = Table::new([("trial", Align::Right), ("values", Align::Left), ("params", Align::Left)]);
    for trial in study.pareto_front() {
        let further = trial.fidelity().and_then(|fidelity| trial.further.get(&fidelity));
        let further = further.map_or(&[][..], |further| &further.objectives);
        let values = trial.value().into_iter().chain(further.iter().copied());
        let pairs: Vec<String> =
            metrics.iter().zip(values).map(|(name, v)| format!("{name}={}", value::number(v))).collect();
        table.row([trial.id.to_string(), pairs.join(" "), value::params(&trial.params)]);
    }
    table
}

/// Prints the spec; for programs without one, the parameters as the JSON object that they can read.
fn print_spec(dir: &StudyDir, study: &Study, trial: &Trial, output: Output) -> Result<(), Failure> {
    let recipe: Option<TrialRecipe> = serde_json::from_value(study.settings.recipe.clone()).ok();
    match recipe.and_then(|recipe| spec_of(dir, &recipe, study, trial)) {
        Some((_, text)) => output.raw(text.as_bytes()),
        None => {
            output.say("this program takes no spec; these are the parameters");
            output.object(&json::params(&trial.params))
        }
    }
}
