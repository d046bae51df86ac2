//! What ends a whole search early: time, GPU time, and failures that more trials would only repeat.

use super::{Engine, Mode};
use automl_core::{EndReason, Study, TrialState};
use automl_exec::CancelMode;

/// The search ends when so many trials failed because of something that all others need as well, before
/// any trial succeeded. One might be an exception: a parameter's value can need a module of its own.
const SETUP_FAILURES_MAX: u32 = 2;

/// Tells whether trials can only fail before what they all need is in place.
pub(crate) fn setup_is_wrong(study: &Study) -> bool {
    let succeeded = [TrialState::Complete, TrialState::Paused].map(|state| study.index().count(state));
    study.setup_failures >= SETUP_FAILURES_MAX && succeeded == [0, 0]
}

impl Engine {
    /// Ends the search where a limit of the whole study is reached.
    pub(super) fn respect_limits(&mut self) {
        let study = self.study();
        let setup_is_wrong = setup_is_wrong(study);
        if self.mode == Mode::Drain(Some(EndReason::Setup)) && !setup_is_wrong {
            // A trial that was running has shown that it can be done.
            self.mode = Mode::Search;
        }
        if self.mode != Mode::Search {
            return;
        }
        let study = self.study();
        let over_time =
            study.settings.timeout_ms.is_some_and(|limit| study.worked_ms((self.clock)()) >= limit);
        if over_time {
            self.mode = Mode::Drain(Some(EndReason::Timeout));
            self.cancel_all(CancelMode::Graceful, "ended because the search's time limit was reached");
        } else if study.settings.gpu_time_ms.is_some_and(|limit| self.gpu_ms_of_all() >= limit) {
            self.mode = Mode::Drain(Some(EndReason::GpuTime));
            self.cancel_all(CancelMode::Graceful, "ended because the limit of GPU time was reached");
        } else if setup_is_wrong {
            self.mode = Mode::Drain(Some(EndReason::Setup));
        } else if study.consecutive_failures >= study.settings.max_consecutive_failures {
            self.mode = Mode::Drain(Some(EndReason::Failures));
        }
    }
}
