//! Tells the person at the terminal, or a program at the other end of a pipe, how a search goes.

use crate::output::{self, Level, Output};
use crate::render::happening::Happening;
use crate::render::lines;
use crate::render::live::frame;
use crate::render::paint::Style;
use crate::render::status::Page;
use crate::render::time::now_ms;
use automl::Update;
use automl_core::{Study, TrialState};
use serde_json::json;

/// Lines of a terminal that does not say how many it has.
const HEIGHT: usize = 24;

/// Watches one search.
///
/// On a terminal, lines are collected and written together with the next frame, so that a burst of
/// events costs one redraw; elsewhere each line is written at once.
pub(crate) struct Watcher {
    output: Output,
    slots: u32,
    running: usize,
    view: Option<LiveView>,
}

/// What is on the screen, and what shall be.
struct LiveView {
    study: Study,
    pending: String,
    /// Lines of the frame on the screen.
    drawn: usize,
}

impl Watcher {
    /// Begins to watch a study on a number of slots.
    pub(crate) fn new(study: &Study, slots: u32, output: Output) -> Self {
        let live = output::is_live() && !output.json && output.level >= Level::Normal;
        let view = live.then(|| LiveView { study: study.clone(), pending: String::new(), drawn: 0 });
        Watcher { output, slots, running: study.in_state(TrialState::Running).count(), view }
    }

    /// Takes in what the engine tells.
    pub(crate) fn observe(&mut self, update: &Update<'_>) {
        match update {
            Update::Note(text) => self.announce(text),
            Update::Committed { records, study } => {
                self.running = study.in_state(TrialState::Running).count();
                if let Some(view) = &mut self.view {
                    view.study = (*study).clone();
                }
                for happening in records.iter().filter_map(|record| Happening::of(record, study)) {
                    self.tell(&happening, study);
                }
            }
        }
    }

    /// Says something that is no event of the search.
    pub(crate) fn announce(&mut self, text: &str) {
        if self.output.json {
            self.object(&json!({"event": "note", "message": text}));
        }
        self.line(&format!("{}{text}", lines::verb("Note", Style::Warn, output::stderr_paint())));
    }

    /// Returns the number of running trials.
    pub(crate) fn running(&self) -> usize {
        self.running
    }

    /// Draws the live view anew, where there is one.
    pub(crate) fn redraw(&mut self) {
        let slots = self.slots;
        if let Some(view) = &mut self.view {
            let (width, height) = output::stderr_size().unzip();
            let page = Page { width, paint: output::stderr_paint(), now: now_ms() };
            let lines = frame(&view.study, slots, page, height.unwrap_or(HEIGHT));
            view.draw(&lines);
        }
    }

    /// Removes the live view and leaves the lines.
    pub(crate) fn finish(&mut self) {
        if let Some(view) = &mut self.view {
            view.draw(&[]);
        }
    }

    fn tell(&mut self, happening: &Happening, study: &Study) {
        if self.output.json {
            self.object(&happening.to_json());
            return;
        }
        self.line(&lines::line(happening, &study.settings, output::stderr_paint()));
        if let (Happening::Started { origin, .. }, Level::Verbose) = (happening, self.output.level) {
            self.line(&format!("{}{origin}", lines::verb("because", Style::Dim, output::stderr_paint())));
        }
    }

    /// A reader that has gone does not end a search.
    fn object(&self, object: &serde_json::Value) {
        let _ = self.output.object(object);
    }

    fn line(&mut self, line: &str) {
        match &mut self.view {
            Some(view) => view.pending.push_str(&format!("{line}\n")),
            None => self.output.say(line),
        }
    }
}

impl LiveView {
    /// Replaces the frame on the screen; pending lines go above it. One write, so nothing flickers.
    fn draw(&mut self, lines: &[String]) {
        let erase = if self.drawn > 0 { format!("\x1b[{}A\x1b[J", self.drawn) } else { String::new() };
        let frame: String = lines.iter().map(|line| format!("{line}\n")).collect();
        output::to_stderr(&format!("{erase}{}{frame}", std::mem::take(&mut self.pending)));
        self.drawn = lines.len();
    }
}
