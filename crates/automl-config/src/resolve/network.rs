//! A network request into the recipe of a study, or of a plain job.

use super::inputs::{Inputs, load_config};
use super::stage::{Kind, Stage};
use super::{JobRecipe, StudyRecipe, comparable, data, metric, probe, settings, space};
use crate::catalog::Catalog;
use crate::problem::{Problem, Problems, Report};
use crate::request::NetworkRequest;
use automl_core::{Objective, SearchSpace};
use std::path::PathBuf;

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
        branches: &stage.branches,
    };
    let built = space::build(&wanted, &inputs.schema, &mut stage.notes, &mut stage.problems);
    let (space, leaves) = built.map_or((None, Vec::new()), |built| (Some(built.space), built.leaves));
    let searched = searched(space.as_ref(), &mut stage);
    stage.check_mandatory(&searched);
    let objective = objective(request, &inputs, &mut stage);
    let further_objectives = further_objectives(request, &inputs, &mut stage);
    for Objective { metric, .. } in objective.iter().chain(&further_objectives) {
        stage.problems.extend(comparable::check(metric, &searched, inputs.metrics()));
        stage.need(metric);
    }
    let full_fidelity = stage.full_fidelity();
    if inputs.model.automl_enabled == Some(false) {
        stage.notes.push(format!("{}: its authors do not mean it to be searched", request.network));
    }
    let fidelity_unit = stage.launch.fidelity.as_ref().map_or("run".into(), |f| f.unit.clone());
    let resumable = stage.launch.checkpoints.is_some();
    let silence_limit_ms = stage.launch.silence_limit_s.map(|seconds| seconds * 1000);
    let metric = objective.as_ref().map(|objective| objective.metric.clone()).unwrap_or_default();
    let (trial, notes) = stage.finish(Kind { searched: &searched, leaves, automl: true, metric })?;
    let space = space.expect("a space that cannot be built is a problem");
    let objective = objective.expect("a missing objective is a problem");
    probe::check_search(&trial, &space, full_fidelity)?;
    Ok(StudyRecipe {
        space,
        objective,
        further_objectives,
        trial,
        full_fidelity,
        fidelity_unit,
        resumable,
        silence_limit_ms,
        notes,
    })
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
    let (trial, notes) = stage.finish(Kind { searched: &[], leaves: Vec::new(), automl: false, metric })?;
    probe::check_job(&trial, full_fidelity)?;
    Ok(JobRecipe { trial, objective, full_fidelity, notes })
}

/// Returns the archives among a request's datasets, and within them, that no caller has unpacked yet.
/// Unpacking one may bring others to light, so ask again with their folders in
/// [`Datasets::unpacked`](crate::Datasets) until there is none.
///
/// # Errors
/// A network, config or schema that is missing or broken. What is wrong with the datasets is told when
/// the request is resolved.
pub fn archives(catalog: &Catalog, request: &NetworkRequest) -> Result<Vec<PathBuf>, Problems> {
    let inputs = Inputs::load(catalog, request)?;
    let mut base = inputs.template.clone();
    if let Some(own) = &inputs.own_spec {
        let filled = data::filled_keys(inputs.data(request, &[]));
        settings::lay_over(own, &filled, &inputs.schema, &mut base);
    }
    settings::apply(&request.set, "--set", &inputs.schema, &mut base, &mut Vec::new());
    let known = |archive: &PathBuf| request.datasets.unpacked.contains_key(archive);
    let archives = data::fill(inputs.data(request, &[]), &mut base).archives;
    Ok(archives.into_iter().filter(|archive| !known(archive)).collect())
}

/// Checks a request's datasets against the network's rules; nothing else of the request counts.
/// An empty result means that every dataset has what the network needs.
///
/// # Errors
/// A network or config that is missing or broken.
pub fn check_dataset(catalog: &Catalog, request: &NetworkRequest) -> Result<DatasetCheck, Problems> {
    let (config, _) = load_config(catalog, request)?;
    let filled = data::check(data::Context {
        config: &config,
        action: &request.action,
        datasets: &request.datasets,
        parent_spec: None,
        configured: &[],
    });
    let mut notes = filled.notes;
    if config.dataset_validation.formats().next().is_none() {
        notes.push(format!(
            "network `{}` has no dataset_validation, so no file was looked for",
            request.network
        ));
    }
    Ok(DatasetCheck { problems: filled.problems, archives: filled.archives, notes })
}

/// What came of checking datasets.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetCheck {
    /// What the datasets lack.
    pub problems: Vec<Problem>,
    /// Archives that have to be unpacked before they can be checked.
    pub archives: Vec<PathBuf>,
    /// What was not checked, and why.
    pub notes: Vec<String>,
}

/// Returns the names of the parameters searched, with a remark where a setting is in vain.
fn searched(space: Option<&SearchSpace>, stage: &mut Stage<'_>) -> Vec<String> {
    let parameters = space.map(SearchSpace::parameters).unwrap_or_default();
    let names: Vec<String> = parameters.iter().map(|p| p.name.clone()).collect();
    let set = |name: &&String| stage.applied.covers(name) || stage.applied.branches.contains_key(*name);
    for key in names.iter().filter(set) {
        stage.notes.push(format!("{key}: is searched, so its setting has no effect"));
    }
    names
}

fn objective(request: &NetworkRequest, inputs: &Inputs, stage: &mut Stage<'_>) -> Option<Objective> {
    objective_of(request.metric.as_deref(), inputs, stage)
}

fn further_objectives(request: &NetworkRequest, inputs: &Inputs, stage: &mut Stage<'_>) -> Vec<Objective> {
    request.further_metrics.iter().filter_map(|text| objective_of(Some(text), inputs, stage)).collect()
}

fn objective_of(asked: Option<&str>, inputs: &Inputs, stage: &mut Stage<'_>) -> Option<Objective> {
    let flag = asked.map_or("--metric".into(), |text| format!("--metric '{text}'"));
    let mut report = Report::new(flag);
    let objective = metric::for_network(asked, inputs.metrics(), &mut stage.notes, &mut report);
    stage.problems.extend(report.into_problems());
    objective
}
