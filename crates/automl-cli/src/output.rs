//! The one place that writes: data to standard output, everything else to standard error.

use crate::exit::{Exit, Failure};
use crate::render::paint::{Paint, Style};
use crate::render::table::Table;
use serde_json::Value;
use std::io::{self, ErrorKind, IsTerminal, Write};

/// How much is said beside the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Errors and warnings.
    Quiet,
    /// Progress and remarks as well.
    Normal,
    /// Reasons, too.
    Verbose,
}

/// Where and how this invocation writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Data as JSON.
    pub(crate) json: bool,
    /// How much is said.
    pub(crate) level: Level,
}

impl Output {
    /// Writes one line of data.
    ///
    /// # Errors
    /// If it cannot be written; without words where its reader has gone.
    pub(crate) fn data(self, line: &str) -> Result<(), Failure> {
        self.raw(format!("{line}\n").as_bytes())
    }

    /// Writes bytes of data as they are.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub(crate) fn raw(self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Failure::unheard(),
            _ => Failure::new(Exit::Environment, format!("cannot write to standard output: {error}")),
        })
    }

    /// Writes one JSON object on a line of its own.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub(crate) fn object(self, object: &Value) -> Result<(), Failure> {
        self.data(&object.to_string())
    }

    /// Writes a table, its headings dimmed, cut to the terminal.
    ///
    /// # Errors
    /// As [`Output::data`].
    pub(crate) fn table(self, table: &Table) -> Result<(), Failure> {
        for (i, line) in table.lines(stdout_width()).iter().enumerate() {
            self.data(&if i == 0 { stdout_paint().paint(Style::Dim, line) } else { line.clone() })?;
        }
        Ok(())
    }

    /// Says something to the person at the terminal.
    pub(crate) fn say(self, text: &str) {
        if self.level >= Level::Normal {
            to_stderr(&format!("{text}\n"));
        }
    }

    /// Warns.
    pub(crate) fn warn(self, text: &str) {
        to_stderr(&format!("{}: {text}\n", stderr_paint().paint(Style::Warn, "warning")));
    }
}

/// Reports why the command failed. Places of files may hold logins, which are not shown.
pub(crate) fn report(failure: &Failure) {
    for message in failure.messages.iter().map(|message| automl_config::hide_logins(message)) {
        to_stderr(&format!("{}: {message}\n", stderr_paint().paint(Style::Bad, "error")));
    }
}

/// Writes to standard error as it is. Nothing can be done where nobody listens.
pub(crate) fn to_stderr(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Tells whether a live view makes sense: standard error is a terminal that can move its cursor.
pub(crate) fn is_live() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// Returns the painter for standard output.
pub(crate) fn stdout_paint() -> Paint {
    Paint::new(io::stdout().is_terminal() && colours_wanted())
}

/// Returns the painter for standard error.
pub(crate) fn stderr_paint() -> Paint {
    Paint::new(io::stderr().is_terminal() && colours_wanted())
}

/// Returns the columns of the terminal that standard output is, if it is one.
pub(crate) fn stdout_width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Returns columns and lines of the terminal that standard error is, if it is one.
pub(crate) fn stderr_size() -> Option<(usize, usize)> {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map(|(width, height)| (usize::from(width.0), usize::from(height.0)))
}

fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && !is_dumb()
}

fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
