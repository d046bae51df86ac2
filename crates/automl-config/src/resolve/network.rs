//! A network request into the recipe of a study, or of a plain job.

use super::inputs::Inputs;
use super::stage::{Kind, Stage};
use super::{JobRecipe, StudyRecipe, metric, space};
use crate::catalog::Catalog;
use crate::problem::{Problems, Report};
use crate::request::NetworkRequest;
use automl_core::{Objective, SearchSpace};

/// Checks a request for a search against the network's config and schema.
///
/// # Errors
/// Every problem found. A missing network, config or schema hides the rest.
pub fn resolve_network(catalog: &Catalog, request: &NetworkRequest) -> Result<StudyRecipe, Problems> {
    let inputs = Inputs::load(catalog, request)?;
    let mut stage = Stage::begin(&inputs, request);
    let fidelity_key = stage.fidelity_key().map(String::from);
    let wanted = space::Wanted {
        params: request.params.as_deref(),
        bounds: &request.bounds,
        fidelity_key: fidelity_key.as_deref(),
        spec: &stage.draft.spec,
    };
    let space = space::build(&wanted, &inputs.schema, &mut stage.notes, &mut stage.problems);
    let searched = searched(space.as_ref(), &mut stage);
    stage.check_mandatory(&searched);
    let objective = objective(request, &inputs, &mut stage);
    let full_fidelity = stage.full_fidelity();
    if inputs.model.automl_enabled == Some(false) {
        stage.notes.push(format!("{}: its authors do not mean it to be searched", request.network));
    }
    let fidelity_unit = stage.launch.fidelity.as_ref().map_or("run".into(), |f| f.unit.clone());
    let resumable = stage.launch.checkpoints.is_some();
    let metric = objective.as_ref().map(|objective| objective.metric.clone()).unwrap_or_default();
    let (trial, notes) = stage.finish(Kind { searched: &searched, automl: true, metric })?;
    let space = space.expect("a space that cannot be built is a problem");
    let objective = objective.expect("a missing objective is a problem");
    Ok(StudyRecipe { space, objective, trial, full_fidelity, fidelity_unit, resumable, notes })
}

/// Checks a request for a plain job: one action, no search. Parameters and bounds are not looked at.
///
/// # Errors
/// Every problem found. A missing network, config or schema hides the rest.
pub fn resolve_job(catalog: &Catalog, request: &NetworkRequest) -> Result<JobRecipe, Problems> {
    let inputs = Inputs::load(catalog, request)?;
    let mut stage = Stage::begin(&inputs, request);
    stage.check_mandatory(&[]);
    let monitored = request.metric.is_some() || inputs.metrics().monitoring.is_some();
    let objective = monitored.then(|| objective(request, &inputs, &mut stage)).flatten();
    let full_fidelity = stage.full_fidelity();
    let metric = objective.as_ref().map(|objective| objective.metric.clone()).unwrap_or_default();
    let (trial, notes) = stage.finish(Kind { searched: &[], automl: false, metric })?;
    Ok(JobRecipe { trial, objective, full_fidelity, notes })
}

/// Returns the names of the parameters searched, with a remark where a setting is in vain.
fn searched(space: Option<&SearchSpace>, stage: &mut Stage<'_>) -> Vec<String> {
    let parameters = space.map(SearchSpace::parameters).unwrap_or_default();
    let names: Vec<String> = parameters.iter().map(|p| p.name.clone()).collect();
    for key in names.iter().filter(|name| stage.applied.covers(name)) {
        stage.notes.push(format!("{key}: is searched, so its setting has no effect"));
    }
    names
}

fn objective(request: &NetworkRequest, inputs: &Inputs, stage: &mut Stage<'_>) -> Option<Objective> {
    let flag = request.metric.as_ref().map_or("--metric".into(), |text| format!("--metric '{text}'"));
    let mut report = Report::new(flag);
    let asked = request.metric.as_deref();
    let objective = metric::for_network(asked, inputs.metrics(), &mut stage.notes, &mut report);
    stage.problems.extend(report.into_problems());
    objective
}
