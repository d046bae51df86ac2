//! The stream: chunks of bytes to lines, and the lines worth reading to their reader.
//!
//! Chunks are cut into whole lines plus a half line that is kept. In a text log, once a monitored
//! metric has been seen, a vectorised search jumps over lines that cannot matter; they are only
//! counted. Every decision depends on whole lines alone, so that chunking cannot change a result.

use std::sync::Arc;

use memchr::{memchr, memrchr2};
use regex_automata::Span;
use regex_automata::util::prefilter::Prefilter;

use crate::csv::CsvReader;
use crate::encoding::Decoder;
use crate::json_lines::JsonLinesReader;
use crate::lines::{self, HalfLine};
use crate::notes::{self, Notes, TAIL_LINES};
use crate::rules::Metrics;
use crate::scraper::Measurement;
use crate::status::StatusReader;
use crate::text::TextReader;

/// Reads the metrics out of one source made of lines.
#[derive(Debug)]
pub(crate) struct LineScraper {
    metrics: Arc<Metrics>,
    decoder: Decoder,
    half_line: HalfLine,
    /// The last byte was a CR: a LF that comes next ends the same line.
    after_cr: bool,
    lines_read: u64,
    reader: Reader,
    notes: Notes,
    /// Buffer for a line without its terminal escapes.
    clean_line: Vec<u8>,
    /// Buffer for a chunk in lower case, for the search of candidate lines.
    lower_case: Vec<u8>,
}

/// Makes sense of one line after the other.
#[derive(Debug)]
pub(crate) enum Reader {
    Text(TextReader),
    Status(StatusReader),
    JsonLines(JsonLinesReader),
    Csv(CsvReader),
}

impl LineScraper {
    /// Starts reading a source from its first byte.
    pub(crate) fn new(metrics: &Arc<Metrics>, reader: Reader) -> Self {
        Self {
            metrics: Arc::clone(metrics),
            decoder: Decoder::default(),
            half_line: HalfLine::default(),
            after_cr: false,
            lines_read: 0,
            reader,
            notes: Notes::default(),
            clean_line: Vec::new(),
            lower_case: Vec::new(),
        }
    }

    /// Takes the next bytes and appends the measurements of the lines they complete to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<Measurement>) {
        let text = self.decoder.decode(bytes);
        self.push_text(&text, out);
    }

    /// Reads the last line, if nothing ended it; call once, when the source will not grow again.
    pub(crate) fn finish(&mut self, out: &mut Vec<Measurement>) {
        let text = self.decoder.finish();
        self.push_text(&text, out);
        if !self.half_line.is_empty() {
            self.end_half_line(false, out);
        }
        if let Reader::Text(reader) = &mut self.reader {
            // Where a monitored metric was never seen, the last lines tell best what there was instead.
            for line in self.notes.tail.clone() {
                reader.see_names(&self.metrics, line.as_bytes(), self.lines_read, &mut self.notes);
            }
        }
    }

    /// Forgets a half line: the source was written anew.
    pub(crate) fn begin_again(&mut self) {
        self.decoder = Decoder::default();
        self.half_line = HalfLine::default();
        self.after_cr = false;
        if let Reader::Csv(reader) = &mut self.reader {
            reader.begin_again();
        }
    }

    /// Counts lines whose text is gone. A line that began before the gap ends in it: it is not read, as
    /// half of it may say something else.
    pub(crate) fn skip_lines(&mut self, lines: u64) {
        let half = self.half_line.take();
        self.half_line.recycle(half);
        self.after_cr = false;
        self.lines_read += lines;
    }

    /// Returns what the source said beside its measurements.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    fn push_text(&mut self, mut text: &[u8], out: &mut Vec<Measurement>) {
        if text.is_empty() {
            return;
        }
        if std::mem::take(&mut self.after_cr) && text[0] == b'\n' {
            self.notes.close_tail();
            text = &text[1..];
        }
        if !self.half_line.is_empty() {
            let Some(end) = lines::find_terminator(text, 0) else {
                self.half_line.extend(text);
                return;
            };
            self.half_line.extend(&text[..end.at]);
            self.end_half_line(end.carriage_return, out);
            self.after_cr = end.carriage_return && end.next == text.len();
            text = &text[end.next..];
        }
        let whole = memrchr2(b'\n', b'\r', text).map_or(0, |last| last + 1);
        let (whole, half) = text.split_at(whole);
        if !whole.is_empty() {
            self.after_cr = half.is_empty() && whole.ends_with(b"\r");
            self.read_lines(whole, out);
            self.note_tail(whole);
        }
        self.half_line.extend(half);
    }

    fn end_half_line(&mut self, open: bool, out: &mut Vec<Measurement>) {
        let line = self.half_line.take();
        self.lines_read += 1;
        self.read_line(&line, out);
        self.notes.push_tail(&line, open);
        self.half_line.recycle(line);
    }

    /// Reads text that ends with a terminator.
    fn read_lines(&mut self, text: &[u8], out: &mut Vec<Measurement>) {
        let mut at = 0;
        while at < text.len() {
            if self.may_jump() {
                self.jump_through(text, at, out);
                return;
            }
            at = self.read_line_at(text, at, out);
        }
    }

    /// Whether lines that cannot matter may be left out.
    fn may_jump(&self) -> bool {
        match &self.reader {
            Reader::Text(reader) => reader.is_satisfied() && self.metrics.candidates().is_some(),
            Reader::Status(_) | Reader::JsonLines(_) | Reader::Csv(_) => false,
        }
    }

    /// Reads the candidate lines of text that ends with a terminator, from the line start `at`.
    fn jump_through(&mut self, text: &[u8], mut at: usize, out: &mut Vec<Measurement>) {
        let mut lower_case = std::mem::take(&mut self.lower_case);
        lower_case.clear();
        lower_case.extend(text.iter().map(u8::to_ascii_lowercase));
        let metrics = Arc::clone(&self.metrics);
        let prefilter = metrics.candidates().expect("`may_jump` has seen it");
        let mut search = CandidateSearch { prefilter, lower_case: &lower_case, escape_at: 0 };
        while let Some(start) = search.next_line(at) {
            self.lines_read += lines::count_terminators(&text[at..start]);
            at = self.read_line_at(text, start, out);
        }
        self.lines_read += lines::count_terminators(&text[at..]);
        self.lower_case = lower_case;
    }

    /// Reads the line that starts at `at` and returns where the next one starts.
    fn read_line_at(&mut self, text: &[u8], at: usize, out: &mut Vec<Measurement>) -> usize {
        let end = lines::find_terminator(text, at).expect("the text ends with a terminator");
        self.lines_read += 1;
        self.read_line(lines::readable(&text[at..end.at]), out);
        end.next
    }

    fn read_line(&mut self, line: &[u8], out: &mut Vec<Measurement>) {
        let (metrics, number, notes) = (&self.metrics, self.lines_read, &mut self.notes);
        let line = lines::clean(line, &mut self.clean_line);
        let measurement = match &mut self.reader {
            Reader::Text(reader) => reader.read(metrics, line, number, notes),
            Reader::Status(reader) => reader.read(metrics, line, number, notes),
            Reader::JsonLines(reader) => reader.read(metrics, line, number, notes),
            Reader::Csv(reader) => reader.read(metrics, line, number, notes),
        };
        out.extend(measurement);
    }

    /// Adds the last lines of whole lines to the tail, without looking at the others.
    fn note_tail(&mut self, text: &[u8]) {
        let mut last_lines: Vec<TailLine<'_>> = Vec::with_capacity(2 * TAIL_LINES);
        let mut kept = 0;
        let mut rest = text;
        while kept < TAIL_LINES && !rest.is_empty() {
            let (content, open) = split_terminator(rest);
            let start = memrchr2(b'\n', b'\r', content).map_or(0, |terminator| terminator + 1);
            let text = lines::readable(&content[start..]);
            let line = TailLine { text, blank: notes::is_blank_in_tail(text), open };
            if line.matters_before(last_lines.last()) {
                kept += usize::from(!line.blank);
                last_lines.push(line);
            }
            rest = &rest[..start];
        }
        for line in last_lines.into_iter().rev() {
            self.notes.push_tail(line.text, line.open);
        }
    }
}

/// A line on its way to the tail.
struct TailLine<'a> {
    text: &'a [u8],
    blank: bool,
    /// Ended by a lone CR.
    open: bool,
}

impl TailLine<'_> {
    /// Whether the tail differs without this line, given the one after it.
    fn matters_before(&self, next: Option<&Self>) -> bool {
        let next_is_blank = next.map(|next| next.blank);
        match (self.blank, self.open) {
            (true, open) => !open && next_is_blank != Some(true),
            (false, true) => next_is_blank != Some(false),
            (false, false) => true,
        }
    }
}

/// Finds the lines of a chunk that must be read.
struct CandidateSearch<'a> {
    prefilter: &'a Prefilter,
    lower_case: &'a [u8],
    /// The next terminal escape at or after the last line found; one may hide within a name.
    escape_at: usize,
}

impl CandidateSearch<'_> {
    /// Returns where the next candidate line starts, at or after the line start `at`.
    fn next_line(&mut self, at: usize) -> Option<usize> {
        let text = self.lower_case;
        if self.escape_at <= at {
            self.escape_at = memchr(lines::ESCAPE, &text[at..]).map_or(text.len(), |found| at + found);
        }
        let span = Span { start: at, end: self.escape_at };
        let window = self.prefilter.find(text, span).map(|found| found.start);
        let hit = window.unwrap_or(self.escape_at);
        if hit == text.len() {
            return None;
        }
        Some(memrchr2(b'\n', b'\r', &text[at..hit]).map_or(at, |terminator| at + terminator + 1))
    }
}

/// Splits off the last terminator, and tells whether it is a lone CR.
fn split_terminator(text: &[u8]) -> (&[u8], bool) {
    if let Some(content) = text.strip_suffix(b"\r\n").or_else(|| text.strip_suffix(b"\n")) {
        return (content, false);
    }
    (text.strip_suffix(b"\r").unwrap_or(text), true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::MetricRules;
    use crate::scraper::{Scraper, SourceKind};

    fn scraper(kind: SourceKind) -> Scraper {
        let rules = MetricRules { monitoring: vec!["val_loss".into()], ..MetricRules::default() };
        Scraper::new(&Arc::new(Metrics::compile(&rules).unwrap()), kind)
    }

    fn scrape_in_chunks(kind: SourceKind, bytes: &[u8], size: usize) -> (Vec<Measurement>, Notes) {
        let (mut scraper, mut out) = (scraper(kind), Vec::new());
        for chunk in bytes.chunks(size) {
            scraper.push(chunk, &mut out);
        }
        scraper.finish(&mut out);
        (out, scraper.notes().clone())
    }

    fn values(bytes: &[u8]) -> Vec<(u64, f64)> {
        let (found, _) = scrape_in_chunks(SourceKind::Text, bytes, bytes.len().max(1));
        found.iter().map(|found| (found.line, found.values["val_loss"])).collect()
    }

    #[test]
    fn lines_are_counted_over_skipped_ones() {
        let text = b"val_loss=1\nnothing\r\n\r\nnothing\rval_loss=2\n\nval_loss=3";
        assert_eq!(values(text), [(1, 1.0), (5, 2.0), (7, 3.0)]);
    }

    #[test]
    fn every_size_of_chunk_gives_the_same() {
        let text = b"a\r\nval_loss=1\r\nb\rc\r\n\r\n\nval_loss: 2\rEpoch 2\rval_loss=3\nrest val_loss=4";
        let whole = scrape_in_chunks(SourceKind::Text, text, text.len());
        for size in 1..text.len() {
            assert_eq!(scrape_in_chunks(SourceKind::Text, text, size), whole, "chunks of {size}");
        }
        assert_eq!(whole.1.tail, ["a", "val_loss=1", "c", "val_loss=3", "rest val_loss=4"]);
    }

    #[test]
    fn half_line_waits_for_its_end() {
        let (mut scraper, mut out) = (scraper(SourceKind::Text), Vec::new());
        scraper.push(b"val_loss=0.1", &mut out);
        assert!(out.is_empty());
        scraper.push(b"25\n", &mut out);
        assert_eq!(out[0].values["val_loss"], 0.125);
    }

    #[test]
    fn escape_within_a_name_does_not_hide_it() {
        let text = b"val_loss=1\nquiet\nval_lo\x1b[1mss: \x1b[32m2\x1b[0m\nquiet\nval_loss=3\n";
        assert_eq!(values(text), [(1, 1.0), (3, 2.0), (5, 3.0)]);
    }

    #[test]
    fn endless_line_is_cut_and_skipped() {
        let mut text = b"val_loss=1 ".to_vec();
        text.resize(3 * lines::MAX_LINE_BYTES, b'x');
        text.extend_from_slice(b" val_loss=2\nval_loss=3\n");
        for size in [1000, text.len()] {
            let (found, _) = scrape_in_chunks(SourceKind::Text, &text, size);
            let values: Vec<f64> = found.iter().map(|found| found.values["val_loss"]).collect();
            assert_eq!(values, [1.0, 3.0], "chunks of {size}");
        }
    }

    #[test]
    fn lines_behind_a_gap_keep_their_numbers() {
        let (mut scraper, mut out) = (scraper(SourceKind::Text), Vec::new());
        scraper.push(b"val_loss=1\nval_loss=2", &mut out);
        scraper.skip_lines(7);
        scraper.push(b"val_loss=3\n", &mut out);
        let found: Vec<_> = out.iter().map(|m| (m.line, m.values["val_loss"])).collect();
        assert_eq!(found, [(1, 1.0), (9, 3.0)]);
    }

    #[test]
    fn names_are_collected_at_the_beginning_and_the_end() {
        let middle = "quiet line\n".repeat(30_000);
        let text = format!("valid_los: 0.5\n{middle}middle_loss: 0.5\n{middle}Test accuracy: 0.75\n");
        let whole = scrape_in_chunks(SourceKind::Text, text.as_bytes(), text.len());
        let names: Vec<&str> = whole.1.seen_names.keys().map(String::as_str).collect();
        assert_eq!(names, ["accuracy", "valid_los"]);
        assert_eq!(scrape_in_chunks(SourceKind::Text, text.as_bytes(), 4096), whole);
        let late = format!("{middle}val_loss: 0.5\n");
        assert_eq!(values(late.as_bytes()), [(30_001, 0.5)]);
    }

    #[test]
    fn hole_of_zero_bytes_is_skipped() {
        let mut text = vec![0; 2 * lines::MAX_LINE_BYTES];
        text.extend_from_slice(b"val_loss=1\n");
        for size in [1000, text.len()] {
            assert_eq!(scrape_in_chunks(SourceKind::Text, &text, size).0.len(), 1, "chunks of {size}");
        }
    }

    #[test]
    fn utf16_and_foreign_bytes_are_read() {
        let utf16: Vec<u8> = "epoch 1\r\nval_loss=1\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(values(&utf16), [(2, 1.0)]);
        assert_eq!(values(b"\xff\xfe\xfd"), []);
        assert_eq!(values(b"caf\xe9 val_loss=1 \xff\n"), [(1, 1.0)]);
    }

    #[test]
    fn short_streams_are_read_at_the_end() {
        let rules = MetricRules { monitoring: vec!["l2".into()], ..MetricRules::default() };
        let metrics = Arc::new(Metrics::compile(&rules).unwrap());
        let (mut scraper, mut out) = (Scraper::new(&metrics, SourceKind::Text), Vec::new());
        scraper.push(b"l2", &mut out);
        scraper.finish(&mut out);
        assert!(out.is_empty());
        assert_eq!(scraper.notes().tail, ["l2"]);
    }

    #[test]
    fn torn_status_lines_stay_in_the_tail() {
        let text = b"{\"kpi\": {\"val_loss\"\nTraceback\n{\"kpi\": {\"val_loss\": 2}}\n";
        let (found, notes) = scrape_in_chunks(SourceKind::StatusJson, text, 7);
        assert_eq!(found.len(), 1);
        assert_eq!(notes.tail.len(), 3);
        assert_eq!(notes.tail[1], "Traceback");
    }
}
