//! `automl import`: a study from the event log of another one.

use crate::args::ImportArgs;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::{Project, shown, study_word};
use crate::render::value::count;
use automl::{StudyError, import_log};
use automl_store::StoreError;
use serde_json::json;

/// Makes a study from a log.
pub(super) fn run(args: &ImportArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let made = import_log(&project.root, &args.file, args.name.as_deref()).map_err(|error| match error {
        StudyError::Store(StoreError::Io { path, source, .. }) if path == args.file => {
            Failure::new(Exit::Usage, format!("cannot read {}: {source}", path.display()))
        }
        error => error.into(),
    })?;
    if output.json {
        let path = made.dir.path().display().to_string();
        let object = json!({"study": made.name, "path": path, "events": made.events, "trials": made.trials});
        output.object(&object)?;
        return Ok(Exit::Done);
    }
    output.data(&format!("study         {}", made.name))?;
    output.data(&format!("folder        {}", shown(made.dir.path())))?;
    output.data(&format!("events        {}, {}", made.events, count(made.trials, "trial")))?;
    output.say(&format!(
        "logs and checkpoints of its trials are not in it; next: automl status {}",
        study_word(&made.dir)
    ));
    Ok(Exit::Done)
}
