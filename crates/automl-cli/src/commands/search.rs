//! A search at work: the engine, the signals, and what is shown meanwhile. Shared by `run` and `resume`.

use crate::exit::{Exit, Failure};
use crate::facts::{self, StudyState};
use crate::output::{self, Output, stdout_paint};
use crate::project::{shown, study_word};
use crate::render::paint::Style;
use crate::render::summary::{self, Finish, Places};
use crate::render::time::now_ms;
use crate::render::{json, lines};
use crate::watcher::Watcher;
use automl::{Control, Engine, EngineError, OpenStudy, RunEnd, StudyDir, open_to_end};
use automl_core::{EndReason, Study, TrialId};
use serde_json::json;
use std::cell::RefCell;
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval};

/// Time between two redraws of the live view.
const REDRAW: Duration = Duration::from_millis(100);
/// Endings of spec files.
const SPEC_ENDINGS: [&str; 3] = ["yaml", "json", "toml"];

/// Works on an opened study until its search is over or stopped, and says what came of it.
///
/// # Errors
/// If the engine cannot go on.
pub(super) fn work(mut open: OpenStudy, dir: &StudyDir, output: Output) -> Result<Exit, Failure> {
    let (end, signalled) = run_engine(&mut open, dir, None, output)?;
    let study = open.engine.study();
    let exit = match end {
        RunEnd::Ended(_) if facts::succeeded(study) => Exit::Done,
        RunEnd::Ended(EndReason::Setup) => Exit::Environment,
        RunEnd::Ended(_) => Exit::NoSuccess,
        RunEnd::Stopped if signalled => Exit::Interrupted,
        RunEnd::Stopped => Exit::Stopped,
    };
    conclude(study, dir, exit, output)?;
    Ok(exit)
}

/// Ends trials that have survived their engine: one of them, or all. The engine that does it starts nothing and
/// records what becomes of them.
///
/// # Errors
/// If the study cannot be taken, or the engine cannot go on.
pub(super) fn end_trials(dir: &StudyDir, trial: Option<TrialId>, output: Output) -> Result<Exit, Failure> {
    let opened = open_to_end(dir.clone(), super::run::runner()?);
    let mut open = opened.map_err(|error| super::unusable(error, dir))?;
    open.engine.only_end(trial);
    // One trial is ended by the wish that names it.
    let first = trial.is_none().then_some(Control::Stop);
    let (_, signalled) = run_engine(&mut open, dir, first, output)?;
    Ok(if signalled { Exit::Interrupted } else { Exit::Done })
}

/// Lets an opened engine work. Tells how it ended and whether a signal asked it to.
fn run_engine(
    open: &mut OpenStudy,
    dir: &StudyDir,
    first: Option<Control>,
    output: Output,
) -> Result<(RunEnd, bool), Failure> {
    for note in &open.notes {
        output.say(&format!("{}{note}", lines::verb("Note", Style::Warn, output::stderr_paint())));
    }
    let slots = u32::try_from(open.slots.len()).unwrap_or(u32::MAX);
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::new(Exit::Environment, format!("cannot wait for programs and signals: {error}"))
    })?;
    let (end, signalled) = runtime.block_on(drive(&mut open.engine, slots, first, output))?;
    let end = end.map_err(|error| {
        let mut failure = Failure::from(error);
        failure.advise(&format!(
            "running trials go on; `automl resume {}` carries on from here",
            study_word(dir)
        ));
        failure
    })?;
    Ok((end, signalled))
}

/// Returns the incumbent's spec file, where there is one.
pub(super) fn spec_path(dir: &StudyDir, study: &Study) -> Option<PathBuf> {
    study.incumbent()?;
    SPEC_ENDINGS.iter().map(|ending| dir.best_spec(ending)).find(|path| path.exists())
}

/// Runs the engine, with a wish that it hears first, while signals are heard and the view is kept fresh. Tells how the engine ended and
/// whether a signal asked it to.
async fn drive(
    engine: &mut Engine,
    slots: u32,
    first: Option<Control>,
    output: Output,
) -> Result<(Result<RunEnd, EngineError>, bool), Failure> {
    let (control, mut wishes) = unbounded_channel();
    first.into_iter().for_each(|first| control.send(first).expect("the engine listens"));
    let mut signals = Signals::listen(control)?;
    let watcher = RefCell::new(Watcher::new(engine.study(), slots, output));
    let mut observer = |update: automl::Update<'_>| watcher.borrow_mut().observe(&update);
    let mut running = pin!(engine.run(&mut wishes, &mut observer));
    let mut redraw = interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let end = loop {
        tokio::select! {
            end = &mut running => break end,
            step = signals.next() => {
                let open = watcher.borrow().running();
                watcher.borrow_mut().announce(&step.describe(open));
            }
            _ = redraw.tick() => watcher.borrow_mut().redraw(),
        }
    };
    watcher.borrow_mut().finish();
    Ok((end, signals.interrupts.heard > 0))
}

/// Prints the summary, or its JSON form as the last object of the stream.
fn conclude(study: &Study, dir: &StudyDir, exit: Exit, output: Output) -> Result<(), Failure> {
    let spec = spec_path(dir, study);
    let state = StudyState::of(study, None);
    if output.json {
        let status = json::status(study, &state, spec.as_deref(), now_ms());
        let gain = facts::gain(study).map(
            |gain| json!({"default": gain.default, "difference": gain.difference, "fidelity": gain.fidelity}),
        );
        return output.object(&json!({"event": "done", "exit": exit as i32, "gain": gain, "status": status}));
    }
    let finish = match study.ended {
        Some(reason) => Finish::Over(reason.to_string()),
        None => Finish::Stopped,
    };
    let places =
        Places { study: study_word(dir), best: shown(&dir.best_link()), spec: spec.as_deref().map(shown) };
    summary::lines(study, &finish, &places, stdout_paint()).iter().try_for_each(|line| output.data(line))
}

/// A step towards the end that a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Step(Control);

impl Step {
    /// Says what happens now, and what the next Ctrl-C would do.
    fn describe(self, running: usize) -> String {
        let trials = crate::render::value::count(running as u64, "running trial");
        match self.0 {
            Control::Drain => format!("finishing {trials}; press Ctrl-C again to end them"),
            Control::Stop => format!("ending {trials}; press Ctrl-C again to kill them"),
            Control::Kill => format!("killing {trials}"),
        }
    }
}

/// Signals that ask the search to end, each more firmly than the one before.
struct Signals {
    interrupts: Interrupts,
    control: UnboundedSender<Control>,
}

impl Signals {
    fn listen(control: UnboundedSender<Control>) -> Result<Self, Failure> {
        Ok(Signals { interrupts: Interrupts::listen()?, control })
    }

    /// Waits for a signal and passes on what it asks for.
    async fn next(&mut self) -> Step {
        self.interrupts.next().await;
        let wish = wish(self.interrupts.firmness);
        // The engine may have ended at this very moment; there is nothing left to ask for then.
        let _ = self.control.send(wish);
        Step(wish)
    }
}

/// The signals that ask this process to come to an end.
pub(super) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    /// The terminal is gone; not listened for under `nohup`.
    hangup: Option<Signal>,
    /// How many there were.
    pub(super) heard: u32,
    /// How firm they were together.
    firmness: u32,
}

impl Interrupts {
    /// Begins to listen.
    ///
    /// # Errors
    /// If the system does not let it.
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(Exit::Environment, format!("cannot listen for signals: {error}"))
            })
        };
        let (interrupt, terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let hangup = (!hangup_is_ignored()).then(|| listen(SignalKind::hangup())).transpose()?;
        Ok(Interrupts { interrupt, terminate, hangup, heard: 0, firmness: 0 })
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => self.firmness += 1,
            // Whoever sends SIGTERM does not wait for trials to finish, and nobody is left to be asked twice
            // where the terminal is gone.
            _ = self.terminate.recv() => self.firmness = self.firmness.max(1) + 1,
            () = received(self.hangup.as_mut()) => self.firmness = self.firmness.max(1) + 1,
        }
        self.heard += 1;
    }
}

/// Waits for a signal that may not be listened for.
async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Tells whether whoever started this process wants it to outlive its terminal.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The first bit is that of the first signal, SIGHUP.
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}

fn wish(heard: u32) -> Control {
    match heard {
        0 | 1 => Control::Drain,
        2 => Control::Stop,
        _ => Control::Kill,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_is_firmer() {
        assert_eq!([1, 2, 3, 4].map(wish), [Control::Drain, Control::Stop, Control::Kill, Control::Kill]);
        assert_eq!(
            Step(Control::Drain).describe(1),
            "finishing 1 running trial; press Ctrl-C again to end them"
        );
        assert_eq!(Step(Control::Kill).describe(2), "killing 2 running trials");
    }
}
