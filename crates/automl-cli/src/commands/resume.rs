//! `automl resume`.

use super::{locate, look, run, search, unusable};
use crate::args::{Parallel, ResumeArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::project::Project;
use automl::{Changes, StudyDir, open};
use automl_core::Resources;

/// Opens an existing study, with more budget or other resources where asked for, and works on it.
pub(super) fn run(args: &ResumeArgs, project: &Project, output: Output) -> Result<Exit, Failure> {
    let dir = locate(project, args.study.study.as_deref(), output)?;
    let changes = Changes {
        trials: args.trials,
        timeout_ms: args.timeout,
        max_fidelity: args.max_fidelity,
        gpu_time_ms: args.gpu_time,
        resources: resources(args, &dir)?,
    };
    let opened = open(dir.clone(), &changes, run::runner()?).map_err(|error| unusable(error, &dir))?;
    match opened.engine.study().ended {
        Some(reason) => output.say(&format!(
            "nothing to do: {reason}; `--trials`, `--timeout`, `--gpu-time` and `--max-fidelity` give it more"
        )),
        None => run::header(None, opened.engine.study(), &opened.slots, &dir, output),
    }
    search::work(opened, &dir, output)
}

/// Returns the resources for this engine, if any of them is given; the study is only read then, so that
/// opening it can mend what a reader stumbles over.
fn resources(args: &ResumeArgs, dir: &StudyDir) -> Result<Option<Resources>, Failure> {
    if args.parallel.is_none() && args.gpus.is_none() && args.gpus_per_trial.is_none() {
        return Ok(None);
    }
    let old = look(dir)?.study.settings.resources;
    Ok(Some(Resources {
        gpus: args.gpus.clone().unwrap_or(old.gpus),
        gpus_per_trial: args.gpus_per_trial.unwrap_or(old.gpus_per_trial),
        parallel: args.parallel.map_or(old.parallel, Parallel::number),
    }))
}
