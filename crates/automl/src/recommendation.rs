//! Which trial to hand over when results are noisy: the one place that asks the samplers' analysis.

use crate::engine::history;
use automl_core::{Direction, Study, Trial};
use automl_sampler::{History, recommend};

/// A trial that is expected to be better than the incumbent, whose result was lucky.
#[derive(Clone, Copy, Debug)]
pub struct Recommended<'a> {
    /// The trial.
    pub trial: &'a Trial,
    /// Its expected value of the study's metric.
    pub mean: f64,
    /// Standard deviation of a single result about its mean, in the unit of the metric.
    pub noise_sd: f64,
}

/// Returns the trial whose expected value is the best, where that is not the incumbent: results are noisy,
/// and the incumbent's is the luckiest of them. `None` where the incumbent is recommended, and where too few
/// results say anything. Results that were measured otherwise than the study's own do not count.
#[must_use]
pub fn recommended(study: &Study) -> Option<Recommended<'_>> {
    let mut observations = history::observations(study);
    observations.retain(|o| study.trials.get(&o.trial).is_some_and(Trial::is_comparable));
    let history = History { observations, ..History::default() };
    let found = recommend(&study.settings.space, &history)?;
    let trial =
        study.trials.get(&found.trial).filter(|trial| Some(trial.id) != study.incumbent().map(|t| t.id))?;
    let sign = match study.settings.objective.direction {
        Direction::Minimize => 1.0,
        Direction::Maximize => -1.0,
    };
    Some(Recommended { trial, mean: sign * found.mean, noise_sd: found.noise_sd })
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, Event, Fidelity, Further, Outcome, ParamValue, Params, TrialId};
    use automl_testkit::{Log, settings};

    /// Accuracies that fall off from `lr = 0.3`, each up or down by `scatter`, and one trial far from there
    /// with `extra` on top.
    fn study(scatter: f64, extra: f64) -> Study {
        let mut log = Log::new(settings(Algorithm::Random));
        for trial in 1..=30_u64 {
            let lr = (trial as f64 * 0.618_034).fract();
            let params: Params = [("lr".to_string(), ParamValue::Float(lr))].into_iter().collect();
            let luck = if trial % 3 == 0 { scatter } else { -0.5 * scatter };
            let lucky = if trial == 8 { 0.5 + extra } else { luck };
            let value = 0.8 - (lr - 0.3).powi(2) + lucky;
            let outcome = Outcome::Reached {
                fidelity: Fidelity(9),
                value,
                checkpoint: None,
                further: Further::default(),
            };
            let (trial, source) = (TrialId(trial), "old".into());
            log = log.with(Event::TrialAdded { trial, params, source, comparable: true, outcome });
        }
        log.study().unwrap()
    }

    #[test]
    fn lucky_incumbent_is_not_recommended() {
        let study = study(0.2, 0.3);
        assert_eq!(study.incumbent().unwrap().id, TrialId(8));
        let found = recommended(&study).unwrap();
        assert_ne!(found.trial.id, TrialId(8));
        assert!((0.6..0.95).contains(&found.mean), "in the metric's own direction: {found:?}");
        assert!((0.1..0.3).contains(&found.noise_sd), "{found:?}");
    }

    #[test]
    fn incumbent_of_an_exact_study_needs_no_recommendation() {
        assert!(recommended(&study(0.0, -0.5)).is_none());
    }
}
