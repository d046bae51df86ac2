//! What trials cost in time and disk: measured in a study that was run, expected of one that was not.

use crate::files::{StudyDir, checkpoint_files};
use automl_config::TrialRecipe;
use automl_core::{Attempt, Outcome, Study, StudySettings, Trial};

/// Trials whose files are looked at: enough for a median, few enough for a slow disk.
const TRIALS_LOOKED_AT: usize = 20;

/// What trials cost; absent where nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Milliseconds of one fidelity unit, the program's start included.
    pub unit_ms: Option<u64>,
    /// Bytes of a trial's checkpoints.
    pub trial_bytes: Option<u64>,
}

/// Measures what the trials of a study have cost: medians over its successful attempts, and over the
/// checkpoints that lie in its folder.
#[must_use]
pub fn costs(dir: &StudyDir, study: &Study) -> Costs {
    let own = || study.trials.values().filter(|trial| trial.foreign.is_none());
    let units = own().flat_map(|trial| unit_times(trial, study.settings.fidelity.resumable)).collect();
    let recipe: Option<TrialRecipe> = serde_json::from_value(study.settings.recipe.clone()).ok();
    let bytes = own().filter_map(|trial| checkpoint_bytes(dir, recipe.as_ref()?, trial));
    Costs { unit_ms: median(units), trial_bytes: median(bytes.take(TRIALS_LOOKED_AT).collect()) }
}

/// Tells whether the trials of two studies are runs of the same program, so that those of one say what
/// those of the other cost.
#[must_use]
pub fn same_program(one: &StudySettings, other: &StudySettings) -> bool {
    let part = |settings: &StudySettings, name: &str| settings.recipe.get(name).cloned();
    let same = |name: &str| part(one, name).is_some() && part(one, name) == part(other, name);
    one.fidelity.unit == other.fidelity.unit && (same("job") || same("argv"))
}

/// Milliseconds a unit of each attempt that reached its target.
fn unit_times(trial: &Trial, resumable: bool) -> impl Iterator<Item = u64> {
    let mut done = 0;
    trial.attempts.iter().filter_map(move |attempt| {
        let Outcome::Reached { fidelity, .. } = attempt.end.as_ref()?.outcome else { return None };
        let units = fidelity.0.checked_sub(if resumable { done } else { 0 }).filter(|units| *units > 0)?;
        done = fidelity.0;
        Some(run_ms(attempt)? / units)
    })
}

fn run_ms(attempt: &Attempt) -> Option<u64> {
    attempt.ended_at.map(|end| end.saturating_sub(attempt.started_at))
}

fn checkpoint_bytes(dir: &StudyDir, recipe: &TrialRecipe, trial: &Trial) -> Option<u64> {
    let files = checkpoint_files(&dir.results(trial.id), recipe.checkpoints()?);
    Some(files.iter().map(|file| file.bytes).sum()).filter(|bytes| *bytes > 0)
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::Algorithm;
    use automl_testkit::{Log, settings};
    use serde_json::json;

    #[test]
    fn time_is_that_of_the_units_an_attempt_added() {
        // Ten milliseconds an event: attempts of 10 ms for 1 epoch, then for 2 more, then for 6 more.
        let log = Log::new(settings(Algorithm::Hyperband));
        let log = log.suggest(1).start(1, 1, 1).reach(1, 1, 1, 0.1).start(1, 2, 3).reach(1, 2, 3, 0.2);
        let study = log.start(1, 3, 9).reach(1, 3, 9, 0.3).study().unwrap();
        let times: Vec<u64> = unit_times(&study.trials[&automl_core::TrialId(1)], true).collect();
        assert_eq!(times, [10, 5, 1]);
        let anew: Vec<u64> = unit_times(&study.trials[&automl_core::TrialId(1)], false).collect();
        assert_eq!(anew, [10, 3, 1]);
        let dir = StudyDir::new(std::path::Path::new("/nowhere"), "s");
        assert_eq!(costs(&dir, &study), Costs { unit_ms: Some(5), trial_bytes: None });
    }

    #[test]
    fn programs_are_the_same_by_job_or_command() {
        let with = |recipe| {
            let mut settings = settings(Algorithm::Random);
            settings.recipe = recipe;
            settings
        };
        let mal = with(json!({"job": {"network": "mal", "action": "train"}, "argv": ["a"]}));
        let again = with(json!({"job": {"network": "mal", "action": "train"}, "argv": ["b"]}));
        let other = with(json!({"argv": ["c"]}));
        assert!(same_program(&mal, &again) && !same_program(&mal, &other));
        assert!(!same_program(&with(json!(null)), &with(json!(null))));
    }
}
