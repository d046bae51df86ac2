//! The study as a sampler sees it, and the next configuration to try.
//!
//! Results count where they lie within the space, those from elsewhere and those from before bounds were changed
//! alike. Trials from elsewhere whose values were not
//! measured like the study's own are no values here: only their rank within their source is used, placed
//! on the scale of the study's own results (see [`rescaled`]), and only until there are some of these: ranks
//! blur where the optimum is, and a source that is unlike the study would mislead it to the end.

use automl_core::{Loss, Objective, Origin, Study, Trial, TrialState};
use automl_sampler::{History, Observation, Sampler, SuggestError, Suggestion};
use std::collections::BTreeMap;

/// Spread of rescaled results, as a share of the own results' mean, while these say nothing about it.
const BLIND_SPREAD: f64 = 0.1;
/// Own trials with results from which on those measured otherwise are left out: as many as a search begins with
/// where nothing is known.
const OWN_ENOUGH: usize = 10;

/// Returns the configuration of the study's next trial: what the user enqueued, then the sampler's.
pub(crate) fn suggest(study: &Study, sampler: &dyn Sampler) -> Result<Suggestion, SuggestError> {
    if let Some(params) = study.queue.front() {
        return Ok(Suggestion { params: params.clone(), origin: Origin::enqueued() });
    }
    let settings = &study.settings;
    sampler.suggest(&settings.space, &history(study), study.next_trial(), settings.seed)
}

/// Returns every result, every trial still open and every trial that failed, oldest first. A trial that
/// was stopped without a result says nothing about its configuration, but it is not worth another one:
/// it counts as open.
pub(crate) fn history(study: &Study) -> History {
    let theta = study.trials.values().rev().map(|t| &t.origin.theta).find(|theta| !theta.is_empty()).cloned();
    let mut history = History {
        observations: observations(study),
        theta: theta.unwrap_or_default(),
        budget: study.settings.budget(),
        ..History::default()
    };
    for trial in trials(study) {
        let list = match trial.state {
            TrialState::Queued | TrialState::Running => &mut history.pending,
            TrialState::Stopped if trial.reached.is_empty() => &mut history.pending,
            TrialState::Failed | TrialState::Infeasible => &mut history.failed,
            TrialState::Paused | TrialState::Complete | TrialState::Stopped => continue,
        };
        list.push((trial.id, trial.params.clone()));
    }
    history
}

/// Returns every result that says something about the study's space, oldest first.
pub(crate) fn observations(study: &Study) -> Vec<Observation> {
    let scores = rescaled(study);
    let mut observations = Vec::with_capacity(study.trials.len());
    for trial in trials(study) {
        for fidelity in trial.reached.keys() {
            let loss = match trial.is_comparable() {
                true => study.loss_at(trial, *fidelity),
                false => scores.get(&trial.id).copied(),
            };
            observations.extend(loss.map(|loss| Observation {
                trial: trial.id,
                params: trial.params.clone(),
                loss,
                fidelity: *fidelity,
                others: study.further_losses_at(trial, *fidelity),
                violations: study.violations_at(trial, *fidelity),
            }));
        }
    }
    observations
}

/// The trials that lie within the space that holds.
fn trials(study: &Study) -> impl Iterator<Item = &Trial> {
    study.trials.values().filter(|trial| !study.outside.contains(&trial.id))
}

/// Places results that were measured otherwise on the scale of the study's own: each becomes the score
/// of its rank within its source, times the deviation of the own results at full fidelity, plus their
/// mean. So a good configuration of another task is expected to be good here, by no more than the
/// results here differ. Empty once there are enough own results.
fn rescaled(study: &Study) -> BTreeMap<automl_core::TrialId, Loss> {
    if study.started() == study.trials.len() as u64 {
        return BTreeMap::new();
    }
    let mut by_source: BTreeMap<&str, Vec<(Loss, &Trial)>> = BTreeMap::new();
    for trial in trials(study).filter(|t| !t.is_comparable()) {
        let loss = trial.fidelity().and_then(|fidelity| study.loss_at(trial, fidelity));
        let source = trial.foreign.as_ref().map(|foreign| foreign.source.as_str());
        if let (Some(loss), Some(source)) = (loss, source) {
            by_source.entry(source).or_default().push((loss, trial));
        }
    }
    let own = study.trials.values().filter(|t| t.foreign.is_none() && !t.reached.is_empty());
    if by_source.is_empty() || own.take(OWN_ENOUGH).count() == OWN_ENOUGH {
        return BTreeMap::new();
    }
    let (mean, deviation) = own_scale(study);
    let mut scores = BTreeMap::new();
    for results in by_source.values_mut() {
        results.sort_by_key(|(loss, trial)| (*loss, trial.id));
        let count = results.len() as f64;
        for (rank, (_, trial)) in (0_u32..).zip(results.iter()) {
            let score = mean + deviation * score_of((f64::from(rank) + 0.5) / count);
            scores.extend(minimised().loss(score).map(|loss| (trial.id, loss)));
        }
    }
    scores
}

/// Losses are minimised already.
fn minimised() -> Objective {
    Objective { metric: String::new(), direction: automl_core::Direction::Minimize }
}

/// Mean and deviation of the study's own losses at full fidelity; 0 and 1 before there is any.
fn own_scale(study: &Study) -> (f64, f64) {
    let full = study.settings.fidelity.max;
    let own = study.trials.values().filter(|t| t.foreign.is_none());
    let losses: Vec<f64> = own.filter_map(|t| study.loss_at(t, full)).map(Loss::get).collect();
    if losses.is_empty() {
        return (0.0, 1.0);
    }
    let count = losses.len() as f64;
    let mean = losses.iter().map(|loss| loss / count).sum::<f64>();
    let variance = losses.iter().map(|loss| (loss - mean).powi(2) / count).sum::<f64>();
    let blind = (mean.abs() * BLIND_SPREAD).max(f64::MIN_POSITIVE);
    let deviation = if variance > 0.0 && variance.is_finite() { variance.sqrt() } else { blind };
    (mean, deviation)
}

/// Value at a share of the even distribution with mean 0 and deviation 1.
fn score_of(share: f64) -> f64 {
    3.0_f64.sqrt() * (2.0 * share - 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, Event, Fidelity, Further, Outcome, ParamValue, Params, TrialId};
    use automl_testkit::{Log, settings};

    fn added(trial: u64, lr: f64, value: f64, comparable: bool) -> Event {
        let params: Params = [("lr".to_string(), ParamValue::Float(lr))].into_iter().collect();
        let further = Further::default();
        let outcome = Outcome::Reached { fidelity: Fidelity(9), value, checkpoint: None, further };
        Event::TrialAdded { trial: TrialId(trial), params, source: "old".into(), comparable, outcome }
    }

    #[test]
    fn results_of_another_kind_keep_their_order_only() {
        let mut log = Log::new(settings(Algorithm::Random));
        for (trial, value) in [(1, 1e6), (2, 3e9), (3, -7.0)] {
            log = log.with(added(trial, 0.1 * trial as f64, value, false));
        }
        for (trial, value) in [(4, 0.5), (5, 0.7)] {
            log = log.suggest(trial).start(trial, 1, 9).reach(trial, 1, 9, value);
        }
        let observations = observations(&log.study().unwrap());
        let losses: Vec<f64> = observations.iter().map(|o| o.loss.get()).collect();
        assert!(losses[1] < losses[0] && losses[0] < losses[2], "larger was better: {losses:?}");
        assert!(losses.iter().all(|loss| (-0.9..=-0.3).contains(loss)), "on the own scale: {losses:?}");
        assert_eq!(losses[3..], [-0.5, -0.7]);
    }

    #[test]
    fn results_of_another_kind_are_forgotten_once_there_are_enough_own_ones() {
        let mut log = Log::new(settings(Algorithm::Random));
        log = log.with(added(1, 0.1, 1e6, false)).with(added(2, 0.2, 0.5, true));
        for trial in 3..3 + OWN_ENOUGH as u64 {
            let seen = observations(&log.study().unwrap());
            assert_eq!(seen.len() as u64, trial - 1, "both from elsewhere and all own ones");
            log = log.suggest(trial).start(trial, 1, 9).reach(trial, 1, 9, 0.5);
        }
        let seen: Vec<TrialId> = observations(&log.study().unwrap()).iter().map(|o| o.trial).collect();
        assert_eq!(seen[0], TrialId(2), "what was measured alike stays");
        assert_eq!(seen.len(), 1 + OWN_ENOUGH);
    }

    #[test]
    fn trials_outside_the_space_are_left_out() {
        let log = Log::new(settings(Algorithm::Random));
        let study = log.with(added(1, 5.0, 0.5, true)).with(added(2, 0.5, 0.5, true)).study().unwrap();
        let seen: Vec<TrialId> = observations(&study).iter().map(|o| o.trial).collect();
        assert_eq!(seen, [TrialId(2)]);
    }

    #[test]
    fn stopped_trials_are_not_proposed_again() {
        let stop = Event::TrialStopped { trial: TrialId(1), reason: "enough".into() };
        let study = Log::new(settings(Algorithm::Random)).suggest(1).with(stop).study().unwrap();
        assert_eq!(history(&study).pending.len(), 1);
    }
}
