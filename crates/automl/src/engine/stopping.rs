//! Ends running trials that are not going to win.
//!
//! The rule is the scheduler's. The decision is an event, durable before the program hears of it, so an
//! engine that takes over finishes what the one before it began. A program that has a way of its own to
//! end (a file that it looks for) is asked that way first, and gets the signal after its grace.

use super::{Engine, EngineError};
use crate::files;
use automl_core::{EarlyStop, Event, TrialId};
use automl_exec::CancelMode;
use automl_scheduler::should_stop;

impl Engine {
    /// Decides about the trials that have reported since the last look.
    pub(super) fn decide_stops(&mut self) -> Result<(), EngineError> {
        let reported = std::mem::take(&mut self.reported);
        if self.study().settings.conduct.early_stop == EarlyStop::None {
            return Ok(());
        }
        for trial in reported {
            let Some(reason) = should_stop(self.study(), trial) else { continue };
            let running = self.study().trials[&trial].running_attempt();
            let attempt = running.expect("only running trials are stopped").number;
            self.record(Event::StopDecided { trial, attempt, reason })?;
            self.to_stop.push(trial);
        }
        Ok(())
    }

    /// Acts on stops that are durable.
    pub(super) fn perform_stops(&mut self) -> Result<(), EngineError> {
        while let Some(trial) = self.to_stop.last().copied() {
            self.ask_to_end(trial)?;
            self.to_stop.pop();
        }
        Ok(())
    }

    /// Asks a program to end, its own way first. Safe to repeat.
    pub(super) fn ask_to_end(&mut self, trial: TrialId) -> Result<(), EngineError> {
        let Some(file) = self.recipe.stop_file() else {
            self.signal(trial);
            return Ok(());
        };
        let path = self.dir.results(trial).join(file);
        let known = &self.log.study().trials[&trial];
        let step = self.log.study().latest(known).map_or(0, |latest| latest.step);
        files::write(&path, format!("early_stop_epoch_{step}\n").as_bytes())
            .map_err(|source| EngineError::File { path, source })?;
        let at = (self.clock)() + self.study().settings.limits.grace_ms;
        if let Some(live) = self.live.get_mut(&trial) {
            live.signal_at = Some(at);
        }
        Ok(())
    }

    /// Signals programs that did not end by themselves in time.
    pub(super) fn press_stops(&mut self) {
        let now = (self.clock)();
        let due = self.live.iter().filter(|(_, live)| live.signal_at.is_some_and(|at| at <= now));
        let due: Vec<TrialId> = due.map(|(trial, _)| *trial).collect();
        due.into_iter().for_each(|trial| self.signal(trial));
    }

    fn signal(&mut self, trial: TrialId) {
        let running = self.study().trials[&trial].running_attempt().map(|attempt| attempt.number);
        if let (Some(live), Some(attempt)) = (self.live.get_mut(&trial), running) {
            live.signal_at = None;
            live.asked = Some("stopped early");
            self.executor.cancel(&self.key(trial, attempt), CancelMode::Graceful);
        }
    }
}
