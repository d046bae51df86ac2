//! `automl plan`: what a run with these options would do.

use super::{locate, look, run};
use crate::args::{CostArgs, PlanArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::plan::Plan;
use crate::project::Project;
use crate::render::forecast::{Forecast, Known};
use automl::{Rehearsal, StudyDir, costs, list as list_studies, rehearse, same_program, slots};
use automl_core::StudySettings;
use clap::ArgMatches;

/// Studies that are looked through for one of the same program, the newest first.
const LOOKED_THROUGH: usize = 20;

/// Prints what the scheduler would do, in how much time and with how much disk. Runs nothing.
pub(super) fn run(
    args: PlanArgs,
    matches: &ArgMatches,
    project: &Project,
    output: Output,
) -> Result<Exit, Failure> {
    let (args, given) = args.into_parts();
    let (project, foreign) = run::with_settings_file(&args, project)?;
    let plan = Plan::resolve(&args, matches, &project, foreign, output)?;
    let settings = plan.settings()?;
    let (slots, slot_note) = match slots(&settings.resources) {
        Ok((slots, _)) => (slots.len().max(1), None),
        Err(error) => {
            let asked = settings.resources.parallel.unwrap_or(1).max(1);
            (asked as usize, Some(format!("slots: {error}; planned for {asked}")))
        }
    };
    let rehearsal = rehearsed(&settings, slots)?;
    let notes = slot_note.into_iter().chain(plan.recipe.notes).collect();
    let known = known(&given, &settings, &project, output)?;
    let forecast = Forecast { settings: &settings, rehearsal: &rehearsal, slots, known, notes };
    if output.json {
        output.object(&forecast.to_json())?;
    } else {
        forecast.notes.iter().for_each(|note| output.say(&format!("note: {note}")));
        forecast.lines().iter().try_for_each(|line| output.data(line))?;
    }
    Ok(Exit::Done)
}

fn rehearsed(settings: &StudySettings, slots: usize) -> Result<Rehearsal, Failure> {
    rehearse(settings, slots).map_err(|trials| {
        let most = automl::REHEARSED_TRIALS_MAX;
        Failure::new(
            Exit::Usage,
            format!("{trials} trials are too many to plan; `--trials {most}` is the most"),
        )
    })
}

/// Returns what trials cost: as said, else as measured in an earlier study.
fn known(
    given: &CostArgs,
    settings: &StudySettings,
    project: &Project,
    output: Output,
) -> Result<Known, Failure> {
    let earlier = match &given.like {
        Some(name) => Some(locate(project, Some(name), output)?),
        None => newest_alike(settings, project),
    };
    let measured = match &earlier {
        Some(dir) => costs(dir, &look(dir)?.study),
        None => automl::Costs::default(),
    };
    Ok(Known {
        unit_ms: given.epoch_time.or(measured.unit_ms),
        trial_bytes: given.checkpoint_size.or(measured.trial_bytes),
        unit_from: given.epoch_time.map_or(earlier.as_ref().map(StudyDir::name), |_| None),
    })
}

/// Returns the newest study of the same program.
fn newest_alike(settings: &StudySettings, project: &Project) -> Option<StudyDir> {
    let mut dirs: Vec<StudyDir> =
        list_studies(&project.root).iter().map(|name| StudyDir::new(&project.root, name)).collect();
    dirs.sort_by_key(|dir| std::cmp::Reverse(super::touched(dir.path())));
    let alike = |dir: &StudyDir| look(dir).is_ok_and(|view| same_program(&view.study.settings, settings));
    dirs.into_iter().take(LOOKED_THROUGH).find(alike)
}
