//! Bytes to lines: terminators, half lines, the length limit, and terminal escapes.
//!
//! A line ends at LF, at CR (a progress bar drawing over itself) or at CR LF, which counts once.
//! Nothing here knows what a line means.

use memchr::{memchr, memchr2};

/// Longest part of a line that is read, in bytes; the rest of a longer line is skipped.
///
/// Metric lines are a few hundred bytes long. What is longer is a dumped tensor or a log without
/// line ends, and must not grow the memory of the engine.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// A terminator found in a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terminator {
    /// Where the line ends.
    pub(crate) at: usize,
    /// Where the next line starts.
    pub(crate) next: usize,
    /// Whether it is a lone CR as far as the chunk tells.
    pub(crate) carriage_return: bool,
}

/// Finds the first line terminator at or after `from`.
pub(crate) fn find_terminator(text: &[u8], from: usize) -> Option<Terminator> {
    let at = from + memchr2(b'\n', b'\r', &text[from..])?;
    let is_cr = text[at] == b'\r';
    let crlf = is_cr && text.get(at + 1) == Some(&b'\n');
    Some(Terminator { at, next: at + 1 + usize::from(crlf), carriage_return: is_cr && !crlf })
}

/// Counts the line terminators of `text`, CR LF once.
pub(crate) fn count_terminators(text: &[u8]) -> u64 {
    let line_feeds = memchr::memchr_iter(b'\n', text).count();
    let lone_returns =
        memchr::memchr_iter(b'\r', text).filter(|&at| text.get(at + 1) != Some(&b'\n')).count();
    (line_feeds + lone_returns) as u64
}

/// Returns the part of a whole line that is read: no leading NULs, no more than the limit.
///
/// A file truncated under its writer is filled with NULs up to the writer's offset, so a good
/// line may follow a long run of them.
pub(crate) fn readable(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|&byte| byte != 0).unwrap_or(line.len());
    let line = &line[start..];
    &line[..line.len().min(MAX_LINE_BYTES)]
}

/// The start of a line whose end has not come yet.
#[derive(Debug, Default)]
pub(crate) struct HalfLine {
    bytes: Vec<u8>,
}

impl HalfLine {
    /// Appends what fits; equals [`readable`] of everything that was given.
    pub(crate) fn extend(&mut self, more: &[u8]) {
        let more = if self.bytes.is_empty() { readable(more) } else { more };
        let room = MAX_LINE_BYTES - self.bytes.len();
        self.bytes.extend_from_slice(&more[..more.len().min(room)]);
    }

    /// Whether nothing readable is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes the held bytes; give the buffer back with [`HalfLine::recycle`].
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Reuses a buffer for the next half line.
    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.bytes = buffer;
    }
}

/// Returns `line` without terminal escapes and control bytes, in `scratch` if it had any.
///
/// A backspace becomes a blank: bars that rewind with it print the next text right behind.
pub(crate) fn clean<'a>(line: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    let is_control = |byte: &u8| *byte < 0x20 && *byte != b'\t';
    // Counting all of them is vectorised, unlike looking for the first.
    if line.iter().filter(|byte| is_control(byte)).count() == 0 {
        return line;
    }
    scratch.clear();
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            ESCAPE => {
                at = end_of_escape(line, at);
                continue;
            }
            0 => {}
            byte if is_control(&byte) => scratch.push(b' '),
            byte => scratch.push(byte),
        }
        at += 1;
    }
    scratch
}

/// The byte that opens a terminal escape.
pub(crate) const ESCAPE: u8 = 0x1b;

/// Returns where the escape that starts at `at` ends (ECMA-48, sections 5.3 to 5.6).
fn end_of_escape(line: &[u8], at: usize) -> usize {
    let end_after = |from: usize, is_middle: fn(u8) -> bool| {
        let middle = line[from.min(line.len())..].iter().take_while(|&&byte| is_middle(byte)).count();
        (from + middle + 1).min(line.len())
    };
    match line.get(at + 1) {
        Some(b'[') => end_after(at + 2, |byte| (0x20..0x40).contains(&byte)),
        Some(b']' | b'P' | b'^' | b'_') => end_of_string(line, at + 2),
        _ => end_after(at + 1, |byte| (0x20..0x30).contains(&byte)),
    }
}

/// Returns where an operating-system string ends: after BEL, or after `ESC \`.
fn end_of_string(line: &[u8], from: usize) -> usize {
    let bell = memchr(0x07, &line[from..]).map(|found| from + found + 1);
    let terminator = memchr::memmem::find(&line[from..], b"\x1b\\").map(|found| from + found + 2);
    match (bell, terminator) {
        (Some(bell), Some(terminator)) => bell.min(terminator),
        (found, None) | (None, found) => found.unwrap_or(line.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(line: &[u8]) -> String {
        String::from_utf8_lossy(clean(line, &mut Vec::new())).into_owned()
    }

    #[test]
    fn crlf_is_one_terminator() {
        let text = b"a\r\nb\rc\n";
        assert_eq!(count_terminators(text), 3);
        assert_eq!(find_terminator(text, 0), Some(Terminator { at: 1, next: 3, carriage_return: false }));
        assert_eq!(find_terminator(text, 3), Some(Terminator { at: 4, next: 5, carriage_return: true }));
        assert_eq!(find_terminator(text, 7), None);
    }

    #[test]
    fn escapes_are_removed() {
        assert_eq!(cleaned(b"\x1b[1;32mloss\x1b[0m: \x1b[38;5;9m0.5\x1b[K"), "loss: 0.5");
        assert_eq!(cleaned(b"\x1b]0;title\x07loss=1"), "loss=1");
        assert_eq!(cleaned(b"\x1b]8;;http://x\x1b\\loss=1"), "loss=1");
        assert_eq!(cleaned(b"\x1b(Bloss=1\x1b[A"), "loss=1");
    }

    #[test]
    fn unfinished_escape_ends_with_the_line() {
        assert_eq!(cleaned(b"loss=1\x1b"), "loss=1");
        assert_eq!(cleaned(b"loss=1\x1b["), "loss=1");
        assert_eq!(cleaned(b"loss=1\x1b[12"), "loss=1");
        assert_eq!(cleaned(b"loss=1\x1b]0;half"), "loss=1");
    }

    #[test]
    fn control_bytes_part_or_vanish() {
        assert_eq!(cleaned(b"l\0oss=1\x08\x08acc=2"), "loss=1  acc=2");
        assert_eq!(cleaned(b"tab\tstays"), "tab\tstays");
    }

    #[test]
    fn half_line_equals_the_readable_whole() {
        let whole = [vec![0; 10], vec![b'x'; MAX_LINE_BYTES], b"tail".to_vec()].concat();
        for size in [3, 1000, whole.len()] {
            let mut half = HalfLine::default();
            whole.chunks(size).for_each(|chunk| half.extend(chunk));
            assert_eq!(half.take(), readable(&whole));
        }
    }
}
