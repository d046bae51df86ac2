//! `automl export`: the table of trials for other programs, or the log itself. `run --from` reads the CSV
//! form, `import` the log.

use super::{locate, look, unusable};
use crate::args::{ExportArgs, ExportForm};
use crate::configurations::BOOKKEEPING;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::Project;
use crate::standing::metrics;
use automl::{export_log, present};
use automl_core::{Study, Trial};
use serde_json::{Value, json};
use std::io::Read;

/// Bytes of a log that are copied in one step.
const PIECE_BYTES: usize = 1 << 18;

/// Prints the trials of a study.
pub(super) fn run(args: &ExportArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = locate(project, args.study.as_deref(), output)?;
    match args.to {
        ExportForm::Jsonl => copy(export_log(&dir).map_err(|error| unusable(error, &dir))?, output)?,
        ExportForm::Json => {
            let study = look(&dir)?.study;
            let trials: Vec<Value> = study.trials.values().map(|t| present::trial(&study, t)).collect();
            let settings = &study.settings;
            output.object(&json!({
                "study": settings.study,
                "metric": settings.objective.metric,
                "direction": settings.objective.direction,
                "trials": trials,
            }))?;
        }
        ExportForm::Csv => output.raw(&csv_of(&look(&dir)?.study)?)?,
    }
    Ok(Exit::Done)
}

fn copy(mut log: impl Read, output: Output) -> Result<(), Failure> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match log.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(bytes) => output.raw(&piece[..bytes])?,
            Err(error) => {
                return Err(Failure::new(Exit::Environment, format!("cannot read the log: {error}")));
            }
        }
    }
}

fn csv_of(study: &Study) -> Result<Vec<u8>, Failure> {
    let broken = |error: &dyn std::error::Error| {
        Failure::new(Exit::Environment, format!("cannot write the table: {error}"))
    };
    let params: Vec<&str> = study.settings.space.parameters().iter().map(|p| p.name.as_str()).collect();
    let mut metrics = metrics(study);
    metrics.retain(|name| !params.contains(name));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let headings = BOOKKEEPING[..2].iter().chain(&params).chain(&metrics).chain(&BOOKKEEPING[2..]);
    writer.write_record(headings).map_err(|error| broken(&error))?;
    for trial in study.trials.values() {
        writer.write_record(row(study, trial, &params, &metrics)).map_err(|error| broken(&error))?;
    }
    writer.into_inner().map_err(|error| broken(&error))
}

/// One cell for each heading, those without a value empty.
fn row(study: &Study, trial: &Trial, params: &[&str], metrics: &[&str]) -> Vec<String> {
    let values = present::trial(study, trial);
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let result = |name: &&str| match values.get("values") {
        Some(all) => cell(&all[*name]),
        None if *name == study.settings.objective.metric => cell(&values["value"]),
        None => String::new(),
    };
    let param = |name: &&str| trial.params.get(name).map_or_else(String::new, ToString::to_string);
    let kept = |name: &&str| match *name {
        "model" => trial.origin.model.clone(),
        "reason" => trial.reason.clone().unwrap_or_default(),
        name => cell(&values[name]),
    };
    let head = BOOKKEEPING[..2].iter().map(kept);
    let tail = BOOKKEEPING[2..].iter().map(kept);
    head.chain(params.iter().map(param)).chain(metrics.iter().map(result)).chain(tail).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn tables_hold_parameters_and_results() {
        let text = String::from_utf8(csv_of(&fixture::study()).unwrap()).unwrap();
        let mut lines = text.lines();
        assert_eq!(
            lines.next().unwrap(),
            "trial,state,lr,act,loss,fidelity,attempts,started,ended,model,source,reason"
        );
        assert!(lines.next().unwrap().starts_with("1,complete,0.001,relu,0.5,3,1,2023-"), "{text}");
        assert!(text.contains("\"exit code 17\n| CUDA out of memory\""), "{text}");
    }
}
