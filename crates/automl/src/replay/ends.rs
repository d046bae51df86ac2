//! Whether a search may have ended when its log says so.
//!
//! An engine that has reached a limit starts nothing more, and says that the search has ended when nothing
//! runs any more. What it saw then may have passed: a trial that was running may have succeeded since. So
//! [`Limits`] follows a log and remembers which limits an engine may have seen to be reached.

use super::suggest;
use crate::engine::setup_is_wrong;
use automl_core::{EndReason, Event, Record, Study, Trial, TrialState};
use automl_scheduler::{Decision, scheduler_for};

/// Limits that an engine may have seen to be reached.
#[derive(Default)]
pub(super) struct Limits {
    /// Whether too many trials had failed in a row, and nothing was started after that.
    failures: bool,
    /// Failures in a row when the last event was followed: a limit is seen when they have become more.
    consecutive: u32,
    /// The most GPU time that an engine may have counted, trials that were running included, in milliseconds.
    gpu_ms: u64,
}

impl Limits {
    /// Takes note of an event and the state before it.
    pub(super) fn follow(&mut self, study: &Study, record: &Record) {
        let reached = study.consecutive_failures >= study.settings.max_consecutive_failures;
        self.failures |= reached && study.consecutive_failures > self.consecutive;
        self.consecutive = study.consecutive_failures;
        match &record.event {
            Event::EngineStarted { .. } => (self.failures, self.consecutive) = (false, 0),
            Event::BudgetChanged { .. } | Event::AttemptStarted { .. } => self.failures = false,
            Event::AttemptEnded { .. } => self.gpu_ms = self.gpu_ms.max(gpu_ms_at_most(study, record.at)),
            _ => {}
        }
    }

    /// Tells whether a search may end with an event, for its reason.
    pub(super) fn may_end(&self, study: &Study, at: u64, reason: EndReason) -> bool {
        match reason {
            EndReason::Budget => {
                scheduler_for(study.settings.algorithm).decide(study, 1) == [Decision::End(reason)]
            }
            EndReason::Setup => setup_is_wrong(study),
            EndReason::Exhausted => suggest(study).is_err(),
            EndReason::Failures => self.failures,
            EndReason::Timeout => study.settings.timeout_ms.is_some_and(|limit| study.worked_ms(at) >= limit),
            EndReason::GpuTime => {
                study.settings.gpu_time_ms.is_some_and(|limit| self.gpu_ms.max(study.gpu_ms) >= limit)
            }
        }
    }
}

/// Returns the most GPU time that an engine counts at an instant. Which GPUs a slot has is not in the log: a
/// trial that has a part of one may have had it for itself.
fn gpu_ms_at_most(study: &Study, at: u64) -> u64 {
    let share = study.settings.resources.gpus_per_trial.max(1.0);
    let running = study.in_state(TrialState::Running).filter_map(Trial::running_attempt);
    let ms = running.map(|attempt| (at.saturating_sub(attempt.started_at) as f64 * share) as u64);
    ms.fold(study.gpu_ms, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use crate::replay::{Replay, replay_records};
    use automl_core::{
        Algorithm, AttemptEnd, AttemptNumber, EndReason, Event, FailureKind, Fidelity, Further, GpuUse,
        Outcome, StudySettings, TrialId,
    };
    use automl_testkit::{Log, settings};

    /// Replays a log at whose end the search ends.
    fn replayed(log: Log, reason: EndReason) -> Replay {
        replay_records(&log.with(Event::StudyEnded { reason }).records).unwrap()
    }

    fn check(log: Log, reason: EndReason, explained: bool) {
        let found = replayed(log, reason);
        let end = found.unexplained.as_ref().filter(|other| other.what == "end");
        assert_eq!((end.is_none(), found.explains_all()), (explained, explained), "{found:?}");
    }

    /// A log whose trials are what a user enqueued, and run for the whole fidelity.
    fn log(settings: StudySettings, trials: u64) -> Log {
        let enqueue = |log: Log, _| log.with(Event::Enqueued { params: params(), wish: None });
        (0..trials).fold(Log::new(settings), enqueue)
    }

    fn params() -> automl_core::Params {
        [("lr".to_string(), automl_core::ParamValue::Float(0.5))].into_iter().collect()
    }

    fn start(log: Log, trial: u64) -> Log {
        let origin = automl_core::Origin::enqueued();
        let suggested =
            Event::TrialSuggested { trial: TrialId(trial), params: params(), bracket: None, origin };
        log.with(suggested).start(trial, 1, 9)
    }

    fn random() -> StudySettings {
        StudySettings { retries: 0, max_consecutive_failures: 2, ..settings(Algorithm::Random) }
    }

    #[test]
    fn failures_end_a_search_even_where_a_running_trial_succeeds_then() {
        let kind = FailureKind::Exit;
        let begun = start(start(log(random(), 4), 1), 2);
        let failed = begun.clone().fail(1, 1, kind).fail(2, 1, kind);
        check(failed.clone(), EndReason::Failures, true);
        check(begun.clone().fail(1, 1, kind).reach(2, 1, 9, 0.5), EndReason::Failures, false);
        let three = start(begun, 3).fail(1, 1, kind).fail(2, 1, kind);
        check(three.clone().reach(3, 1, 9, 0.5), EndReason::Failures, true);
        // Whoever starts another trial has not seen a limit.
        check(start(three, 4).reach(3, 1, 9, 0.5).reach(4, 1, 9, 0.5), EndReason::Failures, false);
        let more =
            Event::BudgetChanged { trials: Some(20), timeout_ms: None, gpu_time_ms: None, parallel: None };
        check(failed.with(more), EndReason::Failures, false);
    }

    #[test]
    fn time_limit_ends_a_search_only_when_it_is_reached() {
        // Four records come before the end, ten milliseconds each.
        let limited = |ms| StudySettings { timeout_ms: Some(ms), ..random() };
        for (ms, explained) in [(40, true), (50, true), (51, false)] {
            check(start(log(limited(ms), 1), 1).reach(1, 1, 9, 0.5), EndReason::Timeout, explained);
        }
        check(start(log(random(), 1), 1).reach(1, 1, 9, 0.5), EndReason::Timeout, false);
        // What lies between two engines is not worked.
        let again = start(log(limited(50), 1), 1).reach(1, 1, 9, 0.5).engine(2);
        check(again, EndReason::Timeout, true);
    }

    #[test]
    fn gpu_time_ends_a_search_that_may_have_counted_it() {
        let limited = |ms| StudySettings { gpu_time_ms: Some(ms), ..random() };
        let ended = |ms| {
            let outcome = Outcome::Reached {
                fidelity: Fidelity(9),
                value: 0.5,
                checkpoint: None,
                further: Further::default(),
            };
            let gpu = Some(GpuUse { ms, peak_mib: None });
            let end = AttemptEnd { gpu, ..AttemptEnd::unmeasured(outcome) };
            Event::AttemptEnded { trial: TrialId(1), attempt: AttemptNumber(1), end }
        };
        // The trial ran for ten milliseconds as the log has it, and for eight as its program has.
        for (limit, explained) in [(8, true), (10, true), (11, false)] {
            let log = start(log(limited(limit), 1), 1).with(ended(8));
            check(log, EndReason::GpuTime, explained);
        }
    }
}
