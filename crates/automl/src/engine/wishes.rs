//! Grants what users wish of a study while it is worked on.

use super::{Control, Engine, EngineError, Mode};
use crate::files;
use crate::study::{NewBounds, new_bounds, raise, slots};
use crate::wishes::{Left, Wish, left};
use automl_core::{Event, TrialId, TrialState};
use automl_exec::CancelMode;

/// What became of a wish.
enum Granted {
    /// Its events are recorded; the file can go when they are durable. Perhaps something to tell.
    Recorded(Option<String>),
    /// The engine has to end.
    Control(Control),
    /// It takes more time; the file stays.
    Pending,
}

impl Engine {
    /// Turns the wishes that were left into events and makes these durable. Returns what people should
    /// know, and what is wished of the engine itself.
    pub(crate) fn grant_wishes(&mut self) -> Result<(Vec<String>, Vec<Control>), EngineError> {
        let (mut notes, mut controls, mut done) = (Vec::new(), Vec::new(), Vec::new());
        for Left { name, path, wish } in left(&self.dir) {
            let granted = match wish {
                Ok(wish) => self.grant(wish, &name)?,
                Err(why) => Granted::Recorded(Some(format!("cannot understand {}: {why}", path.display()))),
            };
            match granted {
                Granted::Pending => continue,
                Granted::Recorded(note) => notes.extend(note),
                Granted::Control(control) => controls.push(control),
            }
            done.push(path);
        }
        self.granted.extend(done);
        Ok((notes, controls))
    }

    /// Removes the files of wishes whose events are durable.
    pub(crate) fn forget_granted(&mut self) -> Result<(), EngineError> {
        for path in std::mem::take(&mut self.granted) {
            files::delete(&path).map_err(|source| EngineError::File { path, source })?;
        }
        Ok(())
    }

    fn grant(&mut self, wish: Wish, name: &str) -> Result<Granted, EngineError> {
        match wish {
            Wish::Stop => Ok(Granted::Control(Control::Stop)),
            Wish::Pause => Ok(Granted::Control(Control::Drain)),
            Wish::Enqueue { params } => {
                if let Err(problems) = self.study().settings.space.check(&params) {
                    let why: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    let note = format!("an enqueued configuration does not fit: {}", why.join("; "));
                    return Ok(Granted::Recorded(Some(note)));
                }
                self.record(Event::Enqueued { params, wish: Some(name.into()) })?;
                Ok(Granted::Recorded(None))
            }
            Wish::Cancel { trial } => self.cancel_trial(trial),
            Wish::Set { trials, timeout_ms, parallel, max_fidelity, bounds } => {
                let mut notes = match self.bound(&bounds)? {
                    Ok(notes) => notes,
                    Err(why) => return Ok(Granted::Recorded(Some(why))),
                };
                if let Some(max) = max_fidelity {
                    match raise(self.study(), max, trials) {
                        Ok(events) => events.into_iter().try_for_each(|event| self.record(event))?,
                        Err(why) => return Ok(Granted::Recorded(Some(why))),
                    }
                }
                notes.extend(self.change(trials, timeout_ms, parallel)?);
                Ok(Granted::Recorded((!notes.is_empty()).then(|| notes.join("; "))))
            }
        }
    }

    fn cancel_trial(&mut self, trial: TrialId) -> Result<Granted, EngineError> {
        let known = self.study().trials.get(&trial);
        let Some((state, attempt)) = known.map(|t| (t.state, t.running_attempt().map(|a| a.number))) else {
            return Ok(Granted::Recorded(Some(format!("there is no trial {trial} to cancel"))));
        };
        match (state, attempt) {
            (TrialState::Queued | TrialState::Paused, _) => {
                self.record(Event::TrialStopped { trial, reason: "cancelled on request".into() })?;
                Ok(Granted::Recorded(None))
            }
            (TrialState::Running, Some(attempt)) => {
                if let Some(live) = self.live.get_mut(&trial).filter(|live| !live.cancelled) {
                    live.cancelled = true;
                    live.asked = Some("cancelled on request");
                    self.executor.cancel(&self.key(trial, attempt), CancelMode::Graceful);
                }
                Ok(Granted::Pending)
            }
            (state, _) => Ok(Granted::Recorded(
                (state != TrialState::Stopped).then(|| format!("trial {trial} cannot be cancelled: {state}")),
            )),
        }
    }

    /// Changes bounds. Returns what people should know, or why they cannot be changed like that.
    fn bound(&mut self, asked: &[String]) -> Result<Result<Vec<String>, String>, EngineError> {
        if asked.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        match new_bounds(self.study(), asked) {
            Ok(NewBounds { event, notes }) => {
                event.into_iter().try_for_each(|event| self.record(event))?;
                Ok(Ok(notes))
            }
            Err(why) => Ok(Err(format!("the bounds stay as they are: {why}"))),
        }
    }

    /// Changes budget and slots. Returns why not, where that makes no sense.
    fn change(
        &mut self,
        trials: Option<u64>,
        timeout_ms: Option<u64>,
        parallel: Option<u32>,
    ) -> Result<Option<String>, EngineError> {
        let started = self.study().started();
        if let Some(asked) = trials.filter(|asked| *asked < started) {
            let note = format!("{started} trials have been started already; their number cannot be {asked}");
            return Ok(Some(note));
        }
        if parallel.is_some() {
            let mut resources = self.study().settings.resources.clone();
            resources.parallel = parallel;
            match slots(&resources) {
                Ok((slots, _)) => self.slots = slots,
                Err(error) => return Ok(Some(error.to_string())),
            }
        }
        if trials.is_some() || timeout_ms.is_some() || parallel.is_some() {
            self.record(Event::BudgetChanged { trials, timeout_ms, gpu_time_ms: None, parallel })?;
            // The limit that the search was about to end for may be another one now. If not, it is reached again.
            if matches!(self.mode, Mode::Drain(Some(_))) {
                self.mode = Mode::Search;
            }
        }
        Ok(None)
    }
}
