//! What a source says beside its measurements.

use std::collections::{BTreeMap, VecDeque};

use crate::lines;

/// Most names kept in [`Notes::seen_names`].
const SEEN_NAMES_MAX: usize = 64;

/// Longest name kept in [`Notes::seen_names`], in bytes.
const SEEN_NAME_BYTES_MAX: usize = 64;

/// Most lines kept in [`Notes::tail`].
pub(crate) const TAIL_LINES: usize = 20;

/// Longest part of a line kept in [`Notes::tail`], in bytes.
const TAIL_LINE_BYTES: usize = 512;

/// Longest [`Notes::failure_message`], in bytes.
const MESSAGE_BYTES: usize = 4096;

/// What is known of a source beside its measurements; bounded in every part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// The last `status` of a status file: `STARTED`, `RUNNING`, `SUCCESS`, `FAILURE` or `SKIPPED`.
    pub last_status: Option<String>,
    /// The message of the last `FAILURE` of a status file, at most 4 KiB.
    pub failure_message: Option<String>,
    /// The last verdict printed as `Execution status: PASS` (true) or `FAIL` (false).
    pub execution_status: Option<bool>,
    /// The last epoch, counted as the source counts (a status file from 0).
    pub epoch: Option<u64>,
    /// The last epoch there will be, counted as the source counts.
    pub max_epoch: Option<u64>,
    /// Names that had a value but were not asked for, with the line that showed each last.
    ///
    /// Meant for "did you mean" messages. At most 64: the name not seen for longest gives way.
    /// Of a text log, names are only collected until a monitored metric has been seen.
    pub seen_names: BTreeMap<String, u64>,
    /// Lines that tell of a failure, by the number of the failure pattern that they match. They may be
    /// warnings of a program that went on.
    pub signs: BTreeMap<usize, Sign>,
    /// The last 20 lines that are not empty, cut at 512 bytes, without terminal escapes.
    ///
    /// Of a progress bar that draws over itself only the last state is kept.
    pub tail: VecDeque<String>,
    /// Whether the last line of the tail may be drawn over.
    tail_is_open: bool,
}

/// The lines of a source that match one failure pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sign {
    /// The first.
    pub first: SignLine,
    /// The last; the same where there is only one.
    pub last: SignLine,
}

/// A line that tells of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignLine {
    /// Its number, from 1.
    pub line: u64,
    /// Its text, cut at 512 bytes.
    pub text: String,
}

impl Notes {
    /// Remembers a line that tells of a failure.
    pub(crate) fn see_sign(&mut self, pattern: usize, line: &[u8], number: u64) {
        let text = String::from_utf8_lossy(&line[..line.len().min(TAIL_LINE_BYTES)]);
        let seen = SignLine { line: number, text: text.trim().to_owned() };
        match self.signs.get_mut(&pattern) {
            Some(sign) => sign.last = seen,
            None => {
                self.signs.insert(pattern, Sign { first: seen.clone(), last: seen });
            }
        }
    }

    /// Remembers a name that was not asked for.
    pub(crate) fn see(&mut self, name: &[u8], line: u64) {
        if name.is_empty() || name.len() > SEEN_NAME_BYTES_MAX {
            return;
        }
        let name = String::from_utf8_lossy(name);
        if let Some(last_seen) = self.seen_names.get_mut(name.as_ref()) {
            *last_seen = line;
            return;
        }
        if self.seen_names.len() == SEEN_NAMES_MAX {
            self.forget_oldest_name();
        }
        self.seen_names.insert(name.into_owned(), line);
    }

    fn forget_oldest_name(&mut self) {
        let oldest = self.seen_names.iter().min_by_key(|(_, line)| **line).map(|(name, _)| name.clone());
        if let Some(oldest) = oldest {
            self.seen_names.remove(&oldest);
        }
    }

    /// Remembers why the program failed.
    pub(crate) fn fail(&mut self, message: &str) {
        let end = message.floor_char_boundary(MESSAGE_BYTES);
        self.failure_message = Some(message[..end].to_owned());
    }

    /// Appends a line to the tail; a line that ended with a lone CR is `open` to be drawn over.
    ///
    /// An empty line is not kept, but one that is not open moves on from the line before it.
    pub(crate) fn push_tail(&mut self, line: &[u8], open: bool) {
        let mut scratch = Vec::new();
        let line = tail_text(line, &mut scratch);
        if line.is_empty() {
            self.tail_is_open &= open;
            return;
        }
        if self.tail_is_open || self.tail.len() == TAIL_LINES {
            let dropped = if self.tail_is_open { self.tail.pop_back() } else { self.tail.pop_front() };
            debug_assert!(dropped.is_some(), "an open or full tail holds a line");
        }
        self.tail.push_back(String::from_utf8_lossy(line).into_owned());
        self.tail_is_open = open;
    }

    /// Says that the CR that ended the last line was half of a CR LF.
    pub(crate) fn close_tail(&mut self) {
        self.tail_is_open = false;
    }
}

/// Whether the tail shows nothing of a line.
pub(crate) fn is_blank_in_tail(line: &[u8]) -> bool {
    tail_text(line, &mut Vec::new()).is_empty()
}

fn tail_text<'a>(line: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    lines::clean(&line[..line.len().min(TAIL_LINE_BYTES)], scratch).trim_ascii_end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_name_gives_way() {
        let mut notes = Notes::default();
        for line in 0..70 {
            notes.see(format!("name{line}").as_bytes(), line);
            notes.see(b"loss", line);
        }
        assert_eq!(notes.seen_names.len(), SEEN_NAMES_MAX);
        assert!(notes.seen_names.contains_key("loss"));
        assert!(!notes.seen_names.contains_key("name0"));
        assert!(notes.seen_names.contains_key("name69"));
    }

    #[test]
    fn tail_keeps_the_last_lines() {
        let mut notes = Notes::default();
        (0..30).for_each(|line| notes.push_tail(format!("line {line}").as_bytes(), false));
        assert_eq!(notes.tail.len(), TAIL_LINES);
        assert_eq!(notes.tail[0], "line 10");
    }

    #[test]
    fn bar_in_the_tail_is_drawn_over() {
        let mut notes = Notes::default();
        notes.push_tail(b"start", false);
        notes.push_tail(b"10%", true);
        notes.push_tail(b"20%", true);
        assert_eq!(notes.tail, ["start", "20%"]);
        notes.close_tail();
        notes.push_tail(b"end", false);
        assert_eq!(notes.tail, ["start", "20%", "end"]);
    }

    #[test]
    fn tail_lines_are_cut() {
        let mut notes = Notes::default();
        notes.push_tail(&[b'x'; 5000], false);
        assert_eq!(notes.tail[0].len(), TAIL_LINE_BYTES);
    }

    #[test]
    fn long_message_is_cut_at_a_character() {
        let mut notes = Notes::default();
        notes.fail(&"é".repeat(MESSAGE_BYTES));
        assert_eq!(notes.failure_message.unwrap().len(), MESSAGE_BYTES);
    }
}
