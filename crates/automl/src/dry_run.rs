//! The first trial of a study without running it: what `--dry-run` shows, and what is checked before
//! anything is created.

use crate::engine::{history, launch, realise, sampler_for};
use crate::files::StudyDir;
use crate::study::StudyError;
use automl_config::{AttemptFiles, Origins, TrialRecipe};
use automl_core::{
    Attempt, AttemptNumber, EVENT_FORMAT, Event, Origin, Params, Record, Study, StudySettings, TrialId,
};
use automl_scheduler::{Choice, Decision, scheduler_for};

/// What the first trial would be.
#[derive(Debug)]
pub struct FirstTrial {
    /// Its values.
    pub params: Params,
    /// Who proposes it and why.
    pub origin: Origin,
    /// Its spec, command and environment.
    pub files: AttemptFiles,
    /// Its spec as values, and where each came from; `None` for programs without a spec.
    pub explained: Option<(serde_json::Value, Origins)>,
}

/// Works out the first trial of a study that does not exist yet. Writes nothing.
///
/// # Errors
/// If its spec or command cannot be built.
pub fn first_trial(
    dir: &StudyDir,
    settings: &StudySettings,
    recipe: &TrialRecipe,
) -> Result<FirstTrial, StudyError> {
    let mut study = empty_study(settings);
    let decisions = scheduler_for(settings.algorithm).decide(&study, 1);
    let (bracket, until) = match decisions.first() {
        Some(Decision::Start { bracket, until }) => (*bracket, *until),
        Some(Decision::Choose(Choice { start: Some(new), .. })) => (new.bracket, new.until),
        _ => (None, settings.fidelity.max),
    };
    let trial = TrialId(1);
    let sampler = sampler_for(settings.algorithm);
    let suggested = history::suggest(&study, &*sampler);
    let (params, origin) = suggested.map_or_else(|_| Default::default(), |s| (s.params, s.origin));
    let event = Event::TrialSuggested { trial, params, bracket, origin };
    study.apply(&Record { at: 0, event }).expect("a first trial fits an empty study");
    let trial = &study.trials[&trial];
    let attempt = Attempt::new(AttemptNumber(1), until);
    let files = realise(recipe, dir, &study, trial, &attempt, &[])?;
    let folders = launch::Folders::of(dir, trial.id);
    let explained = recipe.explain(&launch::context(&folders, &study, trial, &attempt, &[]))?;
    Ok(FirstTrial { explained, params: trial.params.clone(), origin: trial.origin.clone(), files })
}

fn empty_study(settings: &StudySettings) -> Study {
    let event = Event::StudyCreated {
        format: EVENT_FORMAT,
        version: String::new(),
        settings: Box::new(settings.clone()),
    };
    Study::create(&Record { at: 0, event }).expect("a creation begins a study")
}
