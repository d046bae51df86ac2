//! One source of any kind: the door that hides whether it is made of lines or of records.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::csv::CsvReader;
use crate::event_file::EventFileScraper;
use crate::json_lines::JsonLinesReader;
use crate::line_scraper::{LineScraper, Reader};
use crate::notes::Notes;
use crate::rules::Metrics;
use crate::status::StatusReader;
use crate::text::TextReader;

/// What the bytes of a source mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// Free text: standard output, log files.
    Text,
    /// A TAO status file: one JSON object a line with `status`, `kpi` and `epoch`.
    StatusJson,
    /// One JSON object of names and numbers a line.
    JsonLines,
    /// A table with a header line, whose columns may become more (Lightning's `CSVLogger` writes it
    /// anew then).
    Csv,
    /// A TensorBoard event file.
    TensorBoard,
}

impl SourceKind {
    /// Whether a part of the source means nothing without its beginning, such as a header.
    #[must_use]
    pub fn needs_beginning(self) -> bool {
        matches!(self, SourceKind::Csv | SourceKind::TensorBoard)
    }
}

/// The values that one line or record reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The epoch or step the values belong to, if the source has told one so far.
    ///
    /// Of a status file, the number of complete epochs, from 1. Of other sources, the number as
    /// printed: the epoch where the source names epochs, else the step.
    pub step: Option<u64>,
    /// Value by metric name: as the rules spell it, or as printed where a pattern matched.
    ///
    /// Values may be NaN or infinite; the caller decides what that means.
    pub values: BTreeMap<String, f64>,
    /// The line or record that reported them, from 1; LF, CR and CR LF each end a line.
    pub line: u64,
}

/// Reads the metrics out of one source while it grows.
///
/// Give it all bytes of the source in order. It never fails, and holds at most one line or record.
#[derive(Debug)]
pub struct Scraper {
    stream: Stream,
}

#[derive(Debug)]
enum Stream {
    Lines(Box<LineScraper>),
    Records(Box<EventFileScraper>),
}

impl Scraper {
    /// Starts reading a source from its first byte.
    pub fn new(metrics: &Arc<Metrics>, kind: SourceKind) -> Self {
        let lines = |reader| Stream::Lines(Box::new(LineScraper::new(metrics, reader)));
        let stream = match kind {
            SourceKind::Text => lines(Reader::Text(TextReader::default())),
            SourceKind::StatusJson => lines(Reader::Status(StatusReader::default())),
            SourceKind::JsonLines => lines(Reader::JsonLines(JsonLinesReader::default())),
            SourceKind::Csv => lines(Reader::Csv(CsvReader::default())),
            SourceKind::TensorBoard => Stream::Records(Box::new(EventFileScraper::new(metrics))),
        };
        Self { stream }
    }

    /// Takes the next bytes and appends the measurements of the lines or records they complete to
    /// `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Measurement>) {
        match &mut self.stream {
            Stream::Lines(lines) => lines.push(bytes, out),
            Stream::Records(records) => records.push(bytes, out),
        }
    }

    /// Reads the last line, if nothing ended it; call once, when the source will not grow again.
    pub fn finish(&mut self, out: &mut Vec<Measurement>) {
        match &mut self.stream {
            Stream::Lines(lines) => lines.finish(out),
            // A record without its end was never complete.
            Stream::Records(_) => {}
        }
    }

    /// Tells that the source was written anew: the bytes that come next are its first.
    ///
    /// What was told before stays told: of a table, as many rows as had been read are skipped.
    pub fn begin_again(&mut self) {
        match &mut self.stream {
            Stream::Lines(lines) => lines.begin_again(),
            Stream::Records(records) => records.begin_again(),
        }
    }

    /// Tells that the next bytes are gone: so many lines end in them, and what comes next begins one.
    ///
    /// Records, unlike lines, cannot be found again behind a gap.
    pub fn skip_lines(&mut self, lines: u64) {
        match &mut self.stream {
            Stream::Lines(reader) => reader.skip_lines(lines),
            Stream::Records(_) => {}
        }
    }

    /// Returns what the source said beside its measurements.
    pub fn notes(&self) -> &Notes {
        match &self.stream {
            Stream::Lines(lines) => lines.notes(),
            Stream::Records(records) => records.notes(),
        }
    }
}
