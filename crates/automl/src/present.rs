//! The JSON of trials that other programs build on, the same from every door. Field names are a
//! contract: more may follow, these stay.

use automl_core::{Fidelity, Params, Study, Trial, TrialState, number_as_json};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::path::Path;

/// One trial: `automl trials --json`, and `trials` of the service.
#[must_use]
pub fn trial(study: &Study, trial: &Trial) -> Value {
    let metrics: Map<String, Value> =
        trial.metrics().into_iter().map(|(name, value)| (name, number_as_json(value))).collect();
    let ended = trial.ended_at.filter(|_| trial.state != TrialState::Running);
    let mut object = json!({
        "trial": trial.id,
        "state": trial.state,
        "params": params(&trial.params),
        "value": trial.value(),
        "fidelity": trial.fidelity(),
        "metrics": metrics,
        "attempts": trial.attempts.len(),
        "reason": trial.reason,
        "started": trial.attempts.first().map(|attempt| utc(attempt.started_at)),
        "ended": ended.map(utc),
        "bracket": trial.bracket,
        "origin": {"model": trial.origin.model, "reason": trial.origin.reason},
    });
    let values = trial.fidelity().map(|fidelity| values(study, trial, fidelity)).unwrap_or_default();
    if values.len() > 1 {
        object["values"] = values.into();
    }
    say_feasible(study, trial, &mut object);
    if study.outside.contains(&trial.id) {
        object["outside_bounds"] = true.into();
    }
    if let Some(foreign) = &trial.foreign {
        object["source"] = foreign.source.as_str().into();
    }
    if let Some(worker) = trial.running_attempt().and_then(|attempt| attempt.worker.as_deref()) {
        object["worker"] = worker.into();
    }
    object
}

/// The incumbent, as in the status of a study. A study of several objectives has its
/// Pareto front beside it.
#[must_use]
pub fn best(study: &Study, trial: &Trial, spec_path: Option<&Path>) -> Value {
    let mut object = json!({
        "study": study.settings.study,
        "trial": trial.id,
        "value": trial.value(),
        "metric": study.settings.objective.metric,
        "direction": study.settings.objective.direction,
        "params": params(&trial.params),
        "spec_path": spec_path.map(Path::to_string_lossy),
        "fidelity": trial.fidelity(),
    });
    let values = trial.fidelity().map(|fidelity| values(study, trial, fidelity)).unwrap_or_default();
    if values.len() > 1 {
        object["values"] = values.into();
    }
    say_feasible(study, trial, &mut object);
    if study.outside.contains(&trial.id) {
        object["outside_bounds"] = true.into();
    }
    if !study.settings.further_objectives.is_empty() {
        object["pareto"] = study.pareto_front().into_iter().map(|t| on_front(study, t)).collect();
    }
    object
}

/// Whether a result keeps to the constraints, where there are some.
fn say_feasible(study: &Study, trial: &Trial, object: &mut Value) {
    if !study.settings.constraints.is_empty() && trial.value().is_some() {
        object["feasible"] = study.is_feasible(trial).into();
    }
}

/// [`best`], and `recommended` beside it where results are noisy and another trial is to be preferred:
/// `automl best --json`, and `best` of the service.
#[must_use]
pub fn best_and_recommended(study: &Study, trial: &Trial, spec_path: Option<&Path>) -> Value {
    let mut object = best(study, trial, spec_path);
    if let Some(crate::Recommended { trial, mean, noise_sd }) = crate::recommended(study) {
        object["recommended"] =
            json!({"trial": trial.id, "mean": mean, "noise_sd": noise_sd, "params": params(&trial.params)});
    }
    object
}

/// How much each parameter matters: `automl importance --json`, and `importance` of the service. With several
/// objectives `importance` is that of the first, and `objectives` holds that of each.
#[must_use]
pub fn importance(study: &Study) -> Value {
    let one = |i: &crate::Importance| json!({"parameter": i.parameter, "share": i.share, "observations": i.observations});
    let lists = crate::importance(study).into_iter().map(|(objective, list)| {
        let list: Vec<Value> = list.iter().map(one).collect();
        json!({"metric": objective.metric, "importance": list})
    });
    let lists: Vec<Value> = lists.collect();
    let mut object = json!({"study": study.settings.study, "importance": lists[0]["importance"]});
    if lists.len() > 1 {
        object["objectives"] = lists.into();
    }
    object
}

/// Values by parameter name.
#[must_use]
pub fn params(params: &Params) -> Value {
    params.iter().map(|(name, value)| (name.to_string(), value.to_json())).collect::<Map<_, _>>().into()
}

/// Writes milliseconds since 1970 as an RFC 3339 time in UTC, for programs. A time beyond the calendar (a
/// damaged clock's) becomes 1970.
#[must_use]
pub fn utc(ms: u64) -> String {
    let timestamp = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    timestamp.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

fn on_front(study: &Study, trial: &Trial) -> Value {
    let values = trial.fidelity().map(|fidelity| values(study, trial, fidelity));
    json!({"trial": trial.id, "values": values, "params": params(&trial.params)})
}

/// Every value of a result by metric: objectives and constraints.
fn values(study: &Study, trial: &Trial, fidelity: Fidelity) -> Map<String, Value> {
    let first = trial.reached.get(&fidelity).copied();
    let further = trial.further.get(&fidelity).map(|further| further.values());
    let all = first.into_iter().chain(further.into_iter().flatten());
    study.settings.metrics().zip(all).map(|(name, value)| (name.into(), number_as_json(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, Direction, Event, Further, Objective, Outcome, TrialId};
    use automl_testkit::{Log, settings};

    #[test]
    fn programs_get_utc_with_milliseconds() {
        assert_eq!(utc(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(utc(u64::MAX), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn several_objectives_come_with_their_front() {
        let mut settings = settings(Algorithm::Random);
        let size = Objective { metric: "size".into(), direction: Direction::Minimize };
        settings.further_objectives = vec![size];
        let further = Further { objectives: vec![7.0], constraints: Vec::new() };
        let outcome = Outcome::Reached { fidelity: Fidelity(9), value: 0.5, checkpoint: None, further };
        let params = Params::default();
        let source = "old".to_string();
        let added = Event::TrialAdded { trial: TrialId(1), params, source, comparable: true, outcome };
        let study = Log::new(settings).with(added).study().unwrap();
        let best = best(&study, &study.trials[&TrialId(1)], None);
        assert_eq!(best["values"], json!({"acc": 0.5, "size": 7.0}));
        assert_eq!(best["pareto"][0]["trial"], 1);
        assert_eq!(trial(&study, &study.trials[&TrialId(1)])["source"], "old");
    }
}
