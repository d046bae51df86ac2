//! Where in its training a program is, as its lines tell.
//!
//! A line may name an epoch (`epoch: 3`, `Epoch 3/10`, `Epoch [3/10]`, `Epoch(val) [3][5/5]`) or a
//! step (`global_step=120`, `step 120`, `iter 7`, or a boosting round `[7]` in front). Numbers are
//! taken as printed; whether the first epoch is 0 or 1 is the program's habit. A fractional epoch
//! counts the epochs that are complete.
//!
//! Which one places a measurement: the epoch of the line, else the last epoch of an earlier line;
//! only if the source has named no epoch so far, the step of the line, else the round in front of
//! it, else the last step of an earlier line. `global_step` beats `step` beats `iter` in a line.

use crate::names::is_name_byte;

/// Substrings of which every line that moves the position holds one, in lower case.
pub(crate) const WORDS: [&str; 3] = ["epoch", "step", "iter"];

/// Longest number read as an epoch or step, in digits.
const DIGITS_MAX: usize = 15;

/// Where the lines read so far place the next measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Position {
    epoch: Option<u64>,
    step: Option<u64>,
}

impl Position {
    /// Moves to what a line says.
    pub(crate) fn move_to(&mut self, mention: &Mention) {
        self.epoch = mention.epoch.or(self.epoch);
        self.step = mention.step.map(|(_, step)| step).or(self.step);
    }

    /// Returns the step of a measurement on the line that said `mention`.
    pub(crate) fn step(&self, mention: &Mention) -> Option<u64> {
        let line_step = mention.step.map(|(_, step)| step);
        self.epoch.or(line_step).or(mention.round).or(self.step)
    }
}

/// What one line says about the position.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) epoch: Option<u64>,
    pub(crate) max_epoch: Option<u64>,
    step: Option<(StepKind, u64)>,
    round: Option<u64>,
}

/// Words for a step, the one that never starts again first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum StepKind {
    Global,
    Step,
    Iteration,
}

enum Counter {
    Epoch,
    Step(StepKind),
}

impl Mention {
    /// Reads a text line; of several mentions of one kind the first counts.
    pub(crate) fn read(line: &[u8]) -> Self {
        let mut mention = Self { round: leading_round(line), ..Self::default() };
        let mut from = 0;
        while let Some((start, end)) = next_word(line, from) {
            from = end;
            let Some(counter) = counter_named(&line[start..end]) else {
                continue;
            };
            if let Some(count) = count_after(&line[end..]).filter(|_| !is_best(&line[..start])) {
                mention.set(&counter, count);
            }
        }
        mention
    }

    /// Returns what this says, and what `other` says where this says nothing.
    pub(crate) fn or(self, other: Self) -> Self {
        let epochs = if self.epoch.is_some() { self } else { other };
        Self {
            epoch: epochs.epoch,
            max_epoch: epochs.max_epoch,
            step: self.step.or(other.step),
            round: self.round.or(other.round),
        }
    }

    /// Takes a named number, as from a JSON object; false if the name is no counter.
    pub(crate) fn take(&mut self, name: &str, value: f64) -> bool {
        let Some(counter) = counter_named(name.as_bytes()) else {
            return false;
        };
        if let Some(value) = whole_count(value) {
            self.set(&counter, Count { value, max: None });
        }
        true
    }

    fn set(&mut self, counter: &Counter, count: Count) {
        match counter {
            Counter::Epoch if self.epoch.is_none() => {
                self.epoch = Some(count.value);
                self.max_epoch = count.max;
            }
            Counter::Epoch => {}
            Counter::Step(kind) => {
                if self.step.is_none_or(|(known, _)| *kind < known) {
                    self.step = Some((*kind, count.value));
                }
            }
        }
    }
}

/// Returns the whole number of epochs or steps that are complete.
pub(crate) fn whole_count(value: f64) -> Option<u64> {
    const MAX: f64 = 1e15;
    (0.0..MAX).contains(&value).then_some(value as u64)
}

/// Whether `word` names an epoch or a step.
pub(crate) fn is_counter(word: &[u8]) -> bool {
    counter_named(word).is_some()
}

fn counter_named(word: &[u8]) -> Option<Counter> {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if ["epoch", "current_epoch", "cur_epoch", "epoch_num"].into_iter().any(is) {
        Some(Counter::Epoch)
    } else if ["global_step", "globalstep"].into_iter().any(is) {
        Some(Counter::Step(StepKind::Global))
    } else if ["step", "_step"].into_iter().any(is) {
        Some(Counter::Step(StepKind::Step))
    } else if ["iter", "iteration", "cur_iter"].into_iter().any(is) {
        Some(Counter::Step(StepKind::Iteration))
    } else {
        None
    }
}

/// Finds the next whole word that holds one of [`WORDS`], as a range.
fn next_word(line: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut at = from;
    loop {
        at += memchr::memchr2(b'e', b'E', line.get(at..)?)?;
        // In each of the counters the first `e` is followed by `p` or `r`; most words end here.
        if !matches!(line.get(at + 1), Some(b'p' | b'P' | b'r' | b'R')) {
            at += 1;
            continue;
        }
        let start = line[..at].iter().rposition(|&byte| !is_name_byte(byte)).map_or(0, |found| found + 1);
        let length = line[at..].iter().take_while(|&&byte| is_name_byte(byte)).count();
        let end = at + length;
        if holds_counter(&line[start..end]) {
            return Some((start, end));
        }
        at = end;
    }
}

fn holds_counter(word: &[u8]) -> bool {
    WORDS.iter().any(|counter| {
        word.windows(counter.len()).any(|window| window.eq_ignore_ascii_case(counter.as_bytes()))
    })
}

fn is_best(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    let start = before.len().saturating_sub(4);
    before[start..].eq_ignore_ascii_case(b"best")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    value: u64,
    max: Option<u64>,
}

/// Reads the number behind a counter's name, and the total behind that.
fn count_after(rest: &[u8]) -> Option<Count> {
    let rest = skip_group(skip(rest, b"\"'"));
    let rest = skip(rest.trim_ascii_start(), b":=#");
    let rest = skip(rest.trim_ascii_start(), b"[(\"'").trim_ascii_start();
    let (value, rest) = leading_integer(rest)?;
    let rest = skip_fraction(rest);
    let next_is_digit = rest.get(1).is_some_and(u8::is_ascii_digit);
    match rest.first() {
        Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'%') => return None,
        Some(b':' | b'.' | b'-') if next_is_digit => return None,
        _ => {}
    }
    Some(Count { value, max: total_after(rest) })
}

fn skip<'a>(text: &'a [u8], any_of: &[u8]) -> &'a [u8] {
    match text.split_first() {
        Some((byte, rest)) if any_of.contains(byte) => rest,
        _ => text,
    }
}

/// Skips a word in parentheses, as in `Epoch(val)`.
fn skip_group(text: &[u8]) -> &[u8] {
    let Some(inner) = text.strip_prefix(b"(") else {
        return text;
    };
    let letters = inner.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    match inner.get(letters) {
        Some(b')') if letters > 0 => &inner[letters + 1..],
        _ => text,
    }
}

fn leading_integer(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || length > DIGITS_MAX {
        return None;
    }
    let (digits, rest) = text.split_at(length);
    let value = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((value, rest))
}

fn skip_fraction(text: &[u8]) -> &[u8] {
    let Some(fraction) = text.strip_prefix(b".") else {
        return text;
    };
    let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 { text } else { &fraction[length..] }
}

/// Reads `/10` or `of 10`.
fn total_after(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii_start();
    let total = text.strip_prefix(b"/").or_else(|| text.strip_prefix(b"of "))?;
    leading_integer(total.trim_ascii_start()).map(|(total, _)| total)
}

/// Reads `[7]` and a blank at the start of a line, as gradient boosting prints its rounds.
fn leading_round(line: &[u8]) -> Option<u64> {
    let (round, rest) = leading_integer(line.strip_prefix(b"[")?)?;
    matches!(rest, [b']', b' ' | b'\t', ..]).then_some(round)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn epoch(line: &str, expected: Option<u64>, max: Option<u64>) {
        let mention = Mention::read(line.as_bytes());
        assert_eq!((mention.epoch, mention.max_epoch), (expected, max), "{line}");
    }

    #[track_caller]
    fn step(line: &str, expected: Option<u64>) {
        let mention = Mention::read(line.as_bytes());
        assert_eq!(Position::default().step(&mention), expected, "{line}");
    }

    #[test]
    fn epochs_are_read_in_many_shapes() {
        epoch("epoch: 3", Some(3), None);
        epoch("epoch=3,", Some(3), None);
        epoch("Epoch 3/10", Some(3), Some(10));
        epoch("Epoch [ 3/10]", Some(3), Some(10));
        epoch("EPOCH 00003: val_loss improved", Some(3), None);
        epoch("Epoch 3 of 10", Some(3), Some(10));
        epoch("Epoch: [3][  10/5005]", Some(3), None);
        epoch("Epoch(val) [3][5/5]", Some(3), None);
        epoch("{'loss': 0.5, 'epoch': 1.93}", Some(1), None);
        epoch("\"current_epoch\": 4", Some(4), None);
    }

    #[test]
    fn other_words_are_no_epoch() {
        for line in [
            "epochs: 10",
            "num_epochs=10",
            "best epoch: 3",
            "ckpt/epoch=3-step=9.ckpt",
            "epoch time: 12",
            "epoch: 0:12:30",
            "epoch 50%",
            "epoch 3rd",
        ] {
            epoch(line, None, None);
        }
    }

    #[test]
    fn steps_are_read_by_rank() {
        step("step 120", Some(120));
        step("global_step=120", Some(120));
        step("iter 7, step 8, global_step 9", Some(9));
        step("Iteration 7:", Some(7));
        step("[7]\tvalid-rmse:0.1", Some(7));
        step("[7]valid", None);
        step("steps: 7", None);
    }

    #[test]
    fn epoch_beats_step_once_seen() {
        let mut position = Position::default();
        let mut step = |line: &str| {
            let mention = Mention::read(line.as_bytes());
            position.move_to(&mention);
            position.step(&mention)
        };
        assert_eq!(step("loss=1"), None);
        assert_eq!(step("step 120"), Some(120));
        assert_eq!(step("loss=1"), Some(120));
        assert_eq!(step("Epoch 2, step 150"), Some(2));
        assert_eq!(step("step 160"), Some(2));
        assert_eq!(step("loss=1"), Some(2));
    }
}
