//! What can be said about a study beyond what its log says word for word. Pure.

use automl_core::{EndReason, Fidelity, Study, Trial, TrialState};
use automl_store::EngineInfo;

/// Where a study stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StudyState {
    /// An engine works on it.
    Running {
        /// Process number of the engine.
        pid: u32,
    },
    /// It was stopped on request, or never begun; nothing is open. Or its trials are with workers, which go on
    /// without anybody to ask.
    Paused,
    /// Its engine is gone and left trials behind.
    Interrupted,
    /// The search is over.
    Ended(EndReason),
}

impl StudyState {
    /// Works out the state of a study from its log and the engine that works on it, if any.
    pub(crate) fn of(study: &Study, engine: Option<&EngineInfo>) -> Self {
        let own = !study.settings.recipe.is_null();
        let open = own && study.in_state(TrialState::Running).next().is_some();
        match (engine, study.ended, open) {
            (Some(engine), _, _) => StudyState::Running { pid: engine.pid },
            (None, Some(reason), _) => StudyState::Ended(reason),
            (None, None, true) => StudyState::Interrupted,
            (None, None, false) => StudyState::Paused,
        }
    }

    /// Returns the state's name in tables and JSON.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            StudyState::Running { .. } => "running",
            StudyState::Paused => "paused",
            StudyState::Interrupted => "interrupted",
            StudyState::Ended(_) => "ended",
        }
    }
}

/// Returns the number of trials in each state, zeros included, in the order of [`TrialState::ALL`].
pub(crate) fn counts(study: &Study) -> [(TrialState, u64); TrialState::ALL.len()] {
    TrialState::ALL.map(|state| (state, study.in_state(state).count() as u64))
}

/// Returns the number of trials that have ended or wait on a rung. Those from elsewhere cost no budget.
pub(crate) fn settled(study: &Study) -> u64 {
    let own = study.trials.values().filter(|trial| trial.foreign.is_none());
    own.filter(|t| t.state.is_final() || t.state == TrialState::Paused).count() as u64
}

/// Returns how many trials have settled, and of how many, where there is a number.
pub(crate) fn settled_of_budget(study: &Study) -> String {
    match study.settings.budget() {
        Some(budget) => format!("{}/{budget}", settled(study)),
        None => settled(study).to_string(),
    }
}

/// Returns the working time of a study in milliseconds. Without an engine, time stands still.
pub(crate) fn worked_ms(study: &Study, engine_runs: bool, now: u64) -> u64 {
    study.worked_ms(if engine_runs { now } else { study.worked_until })
}

/// Returns how long a trial has run over all of its attempts, in milliseconds.
pub(crate) fn run_time_ms(trial: &Trial, now: u64) -> u64 {
    trial.attempts.iter().map(|a| a.ended_at.unwrap_or(now).saturating_sub(a.started_at)).sum()
}

/// Estimates the remaining time in milliseconds: every trial that is still to come, and the rest of
/// those that run, takes as long as the median of those that have settled, and the slots share the
/// work. Never longer than the study's time limit; `None` before anything has settled, and where neither
/// trials nor time have a limit.
pub(crate) fn eta_ms(study: &Study, slots: u32, now: u64) -> Option<u64> {
    let own = study.trials.values().filter(|trial| trial.foreign.is_none());
    let (settled, open): (Vec<&Trial>, Vec<&Trial>) =
        own.partition(|t| t.state.is_final() || t.state == TrialState::Paused);
    let mut times: Vec<u64> = settled.iter().map(|trial| run_time_ms(trial, now)).collect();
    times.sort_unstable();
    let median = *times.get(times.len() / 2)?;
    let limit = study.settings.timeout_ms.map(|limit| limit.saturating_sub(study.worked_ms(now)));
    let Some(budget) = study.settings.budget() else { return limit };
    let unborn = budget.saturating_sub(study.started());
    let rest: u64 = open.iter().map(|trial| median.saturating_sub(run_time_ms(trial, now))).sum();
    let work = rest.saturating_add(unborn.saturating_mul(median));
    let workers = u64::from(slots.max(1)).min(unborn + open.len() as u64).max(1);
    Some((work / workers).min(limit.unwrap_or(u64::MAX)))
}

/// Returns how far the running attempt of a trial is and where it shall end, in the fidelity's unit.
pub(crate) fn progress(trial: &Trial) -> Option<(u64, u64)> {
    let attempt = trial.running_attempt()?;
    let steps = attempt.series.names().filter_map(|name| attempt.series.readings(name).last()?.0);
    Some((steps.max().unwrap_or(0), attempt.until.0))
}

/// The default configuration against the incumbent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gain {
    /// The highest fidelity that both reached.
    pub(crate) fidelity: Fidelity,
    /// Value of the default configuration there.
    pub(crate) default: f64,
    /// The incumbent's value there minus that.
    pub(crate) difference: f64,
    /// The difference as a share of the default's value; `None` where that is 0.
    pub(crate) share: Option<f64>,
}

/// Compares the incumbent with the trial of the default configuration, at the highest fidelity that both
/// reached. `None` where the defaults were not tried, or have no result.
pub(crate) fn gain(study: &Study) -> Option<Gain> {
    let best = study.incumbent()?;
    let default = study.trials.values().find(|trial| trial.origin.model == "default")?;
    let mut shared = best.reached.iter().rev();
    let (fidelity, value, default) =
        shared.find_map(|(fidelity, value)| Some((*fidelity, *value, *default.reached.get(fidelity)?)))?;
    let difference = value - default;
    let share = (default != 0.0).then(|| difference / default.abs());
    Some(Gain { fidelity, default, difference, share })
}

/// Tells whether a trial of the study's own has a result; one from elsewhere is no success of this search.
pub(crate) fn succeeded(study: &Study) -> bool {
    study.trials.values().any(|trial| trial.foreign.is_none() && trial.value().is_some())
}

/// Says which constraints a trial breaks; `None` if it keeps to all.
pub(crate) fn broken(study: &Study, trial: &Trial) -> Option<String> {
    let values = &trial.further.get(&trial.fidelity()?)?.constraints;
    let found = study.settings.constraints.iter().zip(values);
    let broken = found.filter(|(constraint, value)| constraint.violation(**value) > 0.0);
    let said: Vec<String> =
        broken.map(|(c, value)| format!("{c} is broken: {}", crate::render::value::number(*value))).collect();
    (!said.is_empty()).then(|| said.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use automl_core::TrialId;

    #[test]
    fn studies_without_engine_are_paused_interrupted_or_ended() {
        let mut study = fixture::study();
        assert_eq!(StudyState::of(&study, None), StudyState::Interrupted);
        let mut served = study.clone();
        served.settings.recipe = serde_json::Value::Null;
        assert_eq!(StudyState::of(&served, None), StudyState::Paused, "workers go on without it");
        study.trials.remove(&TrialId(4));
        assert_eq!(StudyState::of(&study, None), StudyState::Paused);
        study.ended = Some(EndReason::Budget);
        assert_eq!(StudyState::of(&study, None), StudyState::Ended(EndReason::Budget));
    }

    #[test]
    fn rest_is_shared_by_the_slots() {
        let study = fixture::study();
        let now = study.updated_at - 2000;
        let alone = eta_ms(&study, 1, now).unwrap();
        assert_eq!(eta_ms(&study, 2, now).unwrap(), alone / 2);
        let late = eta_ms(&study, 1, now + 1000).unwrap();
        assert_eq!(late, alone - 1000);
    }

    #[test]
    fn trials_from_elsewhere_are_no_progress() {
        let mut study = fixture::study();
        let (settled_before, eta) = (settled(&study), eta_ms(&study, 1, study.updated_at));
        let mut foreign = study.trials[&TrialId(1)].clone();
        foreign.id = TrialId(9);
        foreign.attempts.clear();
        foreign.foreign = Some(automl_core::Foreign { source: "study t".into(), comparable: true });
        for id in 9..20 {
            study.trials.insert(TrialId(id), foreign.clone());
        }
        assert_eq!((settled(&study), eta_ms(&study, 1, study.updated_at)), (settled_before, eta));
    }

    #[test]
    fn nobody_knows_when_a_study_without_a_budget_ends() {
        let mut study = fixture::study();
        study.settings.trials = automl_core::StudySettings::UNLIMITED;
        assert_eq!(eta_ms(&study, 1, study.updated_at), None);
        study.settings.timeout_ms = Some(study.worked_ms(study.updated_at) + 5000);
        assert_eq!(eta_ms(&study, 1, study.updated_at), Some(5000));
    }

    #[test]
    fn gain_compares_with_the_defaults() {
        let gain = gain(&fixture::study()).unwrap();
        assert_eq!((gain.default, gain.difference, gain.share), (0.5, -0.25, Some(-0.5)));
        assert_eq!(gain.fidelity, Fidelity(3));
    }

    #[test]
    fn gain_is_taken_where_the_defaults_stopped() {
        let mut study = fixture::study();
        let default = study.trials.get_mut(&TrialId(1)).unwrap();
        default.reached = [(Fidelity(1), 0.75)].into();
        assert_eq!(gain(&study), None, "the best has no value there");
        study.trials.get_mut(&TrialId(2)).unwrap().reached.insert(Fidelity(1), 0.5);
        let gain = gain(&study).unwrap();
        assert_eq!((gain.fidelity, gain.default, gain.difference), (Fidelity(1), 0.75, -0.25));
    }

    #[test]
    fn progress_is_the_furthest_step() {
        assert_eq!(progress(&fixture::study().trials[&TrialId(4)]), Some((2, 3)));
    }
}
