//! The incumbent made visible: the `best` link and the ready-to-use spec.

use crate::engine::{EngineError, realise};
use crate::files::{self, StudyDir};
use automl_config::TrialRecipe;
use automl_core::{Attempt, AttemptNumber, Study, Trial};
use std::path::Path;

/// Points `best` at the incumbent's folder and writes `best_spec`. A study without a result has
/// neither.
pub(crate) fn publish(dir: &StudyDir, recipe: &TrialRecipe, study: &Study) -> Result<(), EngineError> {
    let Some(trial) = study.incumbent() else { return Ok(()) };
    let target = format!("trials/{:05}", trial.id.0);
    let link = dir.best_link();
    // A trial from elsewhere has no folder here.
    if trial.foreign.is_none() {
        files::link(Path::new(&target), &link).map_err(|source| EngineError::File { path: link, source })?;
    }
    let Some((name, text)) = spec_of(dir, recipe, study, trial) else { return Ok(()) };
    let extension = Path::new(&name).extension().map_or_else(|| "txt".into(), |e| e.to_string_lossy());
    let path = dir.best_spec(&extension);
    files::write_private(&path, text.as_bytes()).map_err(|source| EngineError::File { path, source })
}

/// Returns the spec (file name and text) that trains a trial's configuration from scratch at its full
/// fidelity; `None` for programs without a spec.
#[must_use]
pub fn spec_of(
    dir: &StudyDir,
    recipe: &TrialRecipe,
    study: &Study,
    trial: &Trial,
) -> Option<(String, String)> {
    let attempt = Attempt::new(AttemptNumber(1), study.settings.fidelity.max);
    realise(recipe, dir, study, trial, &attempt, &[]).ok()?.spec
}
