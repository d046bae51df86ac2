//! A larger largest fidelity for a study that has begun.

use automl_core::{Algorithm, Event, Fidelity, Study};
use automl_scheduler::default_trials;

/// Unit of the fidelity of a program that is run whole and told nothing.
const WHOLE_RUN: &str = "run";

/// Tells whether a study's largest fidelity can become this one.
///
/// # Errors
/// Why it cannot, in words.
pub fn can_raise(study: &Study, max: u64) -> Result<(), String> {
    let (plan, max) = (&study.settings.fidelity, Fidelity(max));
    if max < plan.max {
        return Err(format!("the largest fidelity is {} and can only be raised, not set to {max}", plan.max));
    }
    if max > plan.max && plan.max.0 == 1 && plan.unit == WHOLE_RUN {
        return Err(
            "each trial of this study is one whole run of its program, which has no larger fidelity: begin \
                    another study with `--max-fidelity`, and `--from` this one"
                .into(),
        );
    }
    if max > plan.max && study.settings.algorithm == Algorithm::Dehb {
        return Err("dehb's populations belong to its rungs, which another largest fidelity would move: begin another study, \
                    with `--from` this one"
            .into());
    }
    Ok(())
}

/// Returns the events that raise a study's largest fidelity. Algorithms that work in brackets get the
/// trials of the larger brackets with it, unless the user says how many there are to be.
///
/// # Errors
/// Why it cannot be raised to that, in words.
pub(crate) fn raise(study: &Study, max: u64, trials: Option<u64>) -> Result<Vec<Event>, String> {
    can_raise(study, max)?;
    let settings = &study.settings;
    let (plan, max) = (&settings.fidelity, Fidelity(max));
    if max == plan.max {
        return Ok(Vec::new());
    }
    let mut events = vec![Event::FidelityRaised { max }];
    let mut raised = plan.clone();
    raised.base.get_or_insert(plan.max);
    raised.max = max;
    let wanted = default_trials(settings.algorithm, &raised, 0);
    if trials.is_none() && wanted > settings.trials {
        events.push(Event::BudgetChanged {
            trials: Some(wanted),
            timeout_ms: None,
            gpu_time_ms: None,
            parallel: None,
        });
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{TrialId, TrialState};
    use automl_scheduler::{Decision, scheduler_for};
    use automl_testkit::{Log, settings};

    #[test]
    fn finished_trials_go_on_to_the_new_end() {
        let log = Log::new(settings(Algorithm::Asha)).suggest(1).start(1, 1, 9).reach(1, 1, 9, 0.5);
        let study = log.study().unwrap();
        assert_eq!(raise(&study, 9, None), Ok(Vec::new()));
        assert!(raise(&study, 3, None).unwrap_err().contains("only be raised"));
        let mut whole = study.clone();
        whole.settings.fidelity.unit = "run".into();
        whole.settings.fidelity.max = Fidelity(1);
        assert!(raise(&whole, 3, None).unwrap_err().contains("one whole run"));
        assert_eq!(raise(&whole, 1, None), Ok(Vec::new()));
        let log = raise(&study, 27, Some(1)).unwrap().into_iter().fold(log, Log::with);
        let mut study = log.study().unwrap();
        assert_eq!(study.trials[&TrialId(1)].state, TrialState::Paused);
        study.settings.trials = 1;
        let decisions = scheduler_for(Algorithm::Asha).decide(&study, 1);
        assert_eq!(decisions, [Decision::Run { trial: TrialId(1), until: Fidelity(27) }]);
    }

    #[test]
    fn populations_of_rungs_cannot_be_moved() {
        let study = Log::new(settings(Algorithm::Dehb)).study().unwrap();
        assert!(raise(&study, 27, None).unwrap_err().contains("--from"));
    }

    #[test]
    fn hyperband_gets_the_trials_of_its_larger_brackets() {
        let mut begun = settings(Algorithm::Hyperband);
        begun.trials = 17;
        let study = Log::new(begun).study().unwrap();
        let events = raise(&study, 27, None).unwrap();
        let more =
            Event::BudgetChanged { trials: Some(49), timeout_ms: None, gpu_time_ms: None, parallel: None };
        assert_eq!(events[1], more);
        assert_eq!(raise(&study, 27, Some(30)).unwrap().len(), 1);
    }
}
