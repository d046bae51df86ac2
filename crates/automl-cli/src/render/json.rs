//! The JSON that other programs build on. Field names are a contract: more may follow, these stay.

use super::rungs;
use crate::facts::{self, StudyState};
use automl::present::utc;
pub(crate) use automl::present::{best, best_and_recommended, params, trial};
use automl_core::{Study, Trial, TrialState};
use serde_json::{Map, Value, json};
use std::path::Path;

/// A study's state, as `status --json` has it.
pub(crate) fn status(study: &Study, state: &StudyState, spec_path: Option<&Path>, now: u64) -> Value {
    let running = matches!(state, StudyState::Running { .. });
    let (pid, ended) = match state {
        StudyState::Running { pid } => (Some(*pid), None),
        StudyState::Ended(reason) => (None, Some(*reason)),
        StudyState::Paused | StudyState::Interrupted => (None, None),
    };
    let eta = running.then(|| facts::eta_ms(study, study.slots, now)).flatten();
    json!({
        "study": study.settings.study,
        "state": state.name(),
        "algorithm": study.settings.algorithm,
        "trials": counts(study),
        "best": study.incumbent().map(|trial| best(study, trial, spec_path)),
        "rungs": rungs::json(study),
        "slots": study.slots,
        "eta_s": eta.map(seconds),
        "budget": study.settings.budget(),
        "outside_bounds": study.outside.len(),
        "metric": study.settings.objective.metric,
        "direction": study.settings.objective.direction,
        "worked_s": seconds(facts::worked_ms(study, running, now)),
        "created": utc(study.created_at),
        "updated": utc(study.updated_at),
        "pid": pid,
        "ended": ended,
        "running": study.in_state(TrialState::Running).map(|trial| running_trial(trial, now)).collect::<Vec<_>>(),
    })
}

/// A study in a list, as `list --json` has it.
pub(crate) fn listed(study: &Study, state: &StudyState) -> Value {
    json!({
        "study": study.settings.study,
        "state": state.name(),
        "algorithm": study.settings.algorithm,
        "trials": counts(study),
        "budget": study.settings.budget(),
        "metric": study.settings.objective.metric,
        "direction": study.settings.objective.direction,
        "value": study.incumbent().and_then(Trial::value),
        "best_trial": study.incumbent().map(|trial| trial.id),
        "created": utc(study.created_at),
        "updated": utc(study.updated_at),
    })
}

fn counts(study: &Study) -> Value {
    facts::counts(study)
        .into_iter()
        .map(|(state, n)| (state.to_string(), n.into()))
        .collect::<Map<_, _>>()
        .into()
}

fn running_trial(trial: &Trial, now: u64) -> Value {
    let (done, until) = facts::progress(trial).unzip();
    json!({
        "trial": trial.id,
        "done": done,
        "until": until,
        "run_s": seconds(facts::run_time_ms(trial, now)),
    })
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use automl_core::TrialId;

    #[test]
    fn running_trials_have_no_end() {
        let study = fixture::study();
        let json = trial(&study, &study.trials[&TrialId(4)]);
        assert_eq!(
            (&json["ended"], &json["value"], &json["metrics"]["loss"]),
            (&Value::Null, &Value::Null, &json!(0.4))
        );
        assert_eq!(json["started"], "2023-11-14T22:13:50.000Z");
    }

    #[test]
    fn objects_keep_their_fields() {
        let study = fixture::study();
        let now = study.updated_at;
        let status =
            status(&study, &StudyState::Running { pid: 7 }, Some(Path::new("/r/best_spec.yaml")), now);
        let listed = listed(&study, &StudyState::Paused);
        let all = json!([trial(&study, &study.trials[&TrialId(3)]), status, listed]);
        insta::assert_json_snapshot!(all);
    }
}
