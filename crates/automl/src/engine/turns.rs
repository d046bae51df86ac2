//! The turns of the loop, each of which ends without waiting.
//!
//! What wakes the engine is an [`Input`]. Whoever drives it does the waiting and says what it heard:
//! [`Engine::work`] on real time, the simulation on a time of its own. Between two inputs the engine takes
//! one [`Engine::turn`].
//!
//! A full disk ends no search. What could not be written stays pending, running trials run on, and every
//! turn tries again; nothing new is decided meanwhile, and logs are not read, so that what is pending does
//! not grow.

use super::{Control, Engine, EngineError, Mode, RunEnd, Update};
use automl_core::{AttemptEnd, Event, Outcome};
use automl_exec::AttemptEnded;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

/// How often running attempts' logs are looked at while there is news in them: each look that finds some
/// is a write that the disk must confirm.
pub(super) const POLL: Duration = Duration::from_millis(150);
/// How often quiet logs are looked at, and those of attempts that have reported nothing yet, so that the first
/// line of news is heard at once.
pub(super) const POLL_QUIET: Duration = Duration::from_millis(20);
/// More running attempts than this that have reported are looked at less often: each look costs the same.
pub(super) const QUICKLY_LOOKED_AT: usize = 16;
/// How often a full disk is tried again.
const SPACE_AGAIN: Duration = Duration::from_secs(1);

/// What an engine wakes up for.
#[derive(Debug)]
pub(super) enum Input {
    /// An attempt is over.
    Ended(AttemptEnded),
    /// The user asks something of the engine.
    Control(Control),
    /// It is time to look at the logs.
    Look,
}

impl Engine {
    pub(super) async fn work(
        &mut self,
        control: &mut UnboundedReceiver<Control>,
        observer: &mut dyn FnMut(Update<'_>),
    ) -> Result<RunEnd, EngineError> {
        if let Some(end) = self.begin(observer)? {
            return Ok(end);
        }
        loop {
            if let Some(end) = self.turn(observer)? {
                return Ok(end);
            }
            self.uploads.report(&mut |note| observer(Update::Note(note)));
            self.wait(control).await?;
        }
    }

    /// Waits until there may be something to decide: something was heard, or nothing for a while.
    async fn wait(&mut self, control: &mut UnboundedReceiver<Control>) -> Result<(), EngineError> {
        let until = Instant::now() + POLL;
        loop {
            let pause = self.pause();
            let input = tokio::select! {
                Some(ended) = self.ended.recv() => Input::Ended(ended),
                Some(wish) = control.recv() => Input::Control(wish),
                () = tokio::time::sleep(pause) => Input::Look,
            };
            let only_looked = matches!(input, Input::Look);
            self.take(input)?;
            while let Ok(ended) = self.ended.try_recv() {
                self.take(Input::Ended(ended))?;
            }
            if !only_looked || self.log.has_pending() || self.awaits_gpus() || Instant::now() >= until {
                return Ok(());
            }
        }
    }

    /// Returns for how long nothing is done unless something happens.
    fn pause(&self) -> Duration {
        if self.stalled {
            return SPACE_AGAIN;
        }
        let is_unheard = self.live.values().any(|live| !live.is_heard());
        if is_unheard || self.awaits_gpus() {
            return POLL_QUIET;
        }
        let next = self.look_at_all.saturating_sub((self.clock)());
        if self.live.is_empty() {
            POLL
        } else {
            Duration::from_millis(next).clamp(Duration::from_millis(1), POLL)
        }
    }

    /// Takes the study over, unless it is over itself.
    pub(super) fn begin(
        &mut self,
        observer: &mut dyn FnMut(Update<'_>),
    ) -> Result<Option<RunEnd>, EngineError> {
        if let Some(reason) = self.study().ended {
            self.complete_the_end(observer)?;
            return Ok(Some(RunEnd::Ended(reason)));
        }
        self.reconcile(observer)?;
        Ok(None)
    }

    /// Does what an engine left undone that ended the search and died of it.
    fn complete_the_end(&mut self, observer: &mut dyn FnMut(Update<'_>)) -> Result<(), EngineError> {
        self.resume_deleting();
        self.decide_disposals()?;
        self.commit(observer)?;
        self.delete_dropped().iter().for_each(|note| observer(Update::Note(note)));
        Ok(())
    }

    /// Takes in what happened. What it means is recorded; nothing is done about it before the next turn.
    pub(super) fn take(&mut self, input: Input) -> Result<(), EngineError> {
        match input {
            Input::Ended(ended) => self.on_ended(&ended),
            Input::Control(wish) => {
                self.on_control(wish);
                Ok(())
            }
            Input::Look => {
                self.press_stops();
                if self.stalled { Ok(()) } else { self.poll_logs() }
            }
        }
    }

    /// Does everything there is to do but wait: makes what is recorded durable, hears wishes, decides,
    /// starts. Tells how the work ended, if it did.
    pub(super) fn turn(
        &mut self,
        observer: &mut dyn FnMut(Update<'_>),
    ) -> Result<Option<RunEnd>, EngineError> {
        match self.attempt_turn(observer) {
            Err(error) if error.is_full_disk() && !self.has_only_to_end() => {
                if !self.stalled {
                    let said = "running trials go on, and the search does when there is space again";
                    observer(Update::Note(&format!("the disk is full ({error}): {said}")));
                }
                self.stalled = true;
                Ok(None)
            }
            Ok(end) => {
                if std::mem::take(&mut self.stalled) {
                    observer(Update::Note("there is space on the disk again: the search goes on"));
                }
                Ok(end)
            }
            failed => failed,
        }
    }

    fn attempt_turn(&mut self, observer: &mut dyn FnMut(Update<'_>)) -> Result<Option<RunEnd>, EngineError> {
        // What a full disk has kept from being written comes before anything new. Else what was heard becomes
        // durable together with what is decided about it: the disk is waited for once between two trials.
        if self.stalled {
            self.commit(observer)?;
            self.forget_granted()?;
        }
        if self.mode == Mode::Drain(None) {
            self.give_up_unlaunched()?;
        }
        self.launch_started()?;
        self.hear_wishes(observer)?;
        self.look_at_gpus(observer);
        self.advance(observer)
    }

    /// Tells whether the user wants the engine to end, and nothing that it started runs any more.
    fn has_only_to_end(&self) -> bool {
        self.mode == Mode::Drain(None) && self.live.is_empty()
    }

    /// Takes recorded starts back that a full disk kept from being launched until the user wanted the engine
    /// to end.
    fn give_up_unlaunched(&mut self) -> Result<(), EngineError> {
        for trial in std::mem::take(&mut self.unlaunched) {
            let attempt = self.study().trials[&trial].running_attempt().expect("its start is recorded");
            let attempt = attempt.number;
            let reason = "the engine was asked to end before it could be launched".into();
            let outcome = Outcome::Interrupted { reason, by_request: true };
            let end = AttemptEnd::unmeasured(outcome);
            self.record(Event::AttemptEnded { trial, attempt, end })?;
        }
        Ok(())
    }
}
