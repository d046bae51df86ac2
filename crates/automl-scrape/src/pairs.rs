//! Finds values in a text line, and the text in front of each.
//!
//! Recognised are `name: value`, `name=value`, `name = value`, `"name": value`, `[name] value` and,
//! for numbers with a fraction only, `name value`. Which names count is not known here.

use crate::names::{NameMatch, Names};
use crate::number::{self, Number};

/// A value and what stands in front of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair<'a> {
    /// The line up to the separator, without blanks at its end.
    before: &'a [u8],
    /// Whether only blanks part name and value.
    pub(crate) bare: bool,
    /// The value.
    pub(crate) number: Number,
}

impl<'a> Pair<'a> {
    /// Finds the wanted name right in front of the separator.
    pub(crate) fn wanted(&self, names: &Names) -> Option<NameMatch> {
        let before = self.before;
        let (&last, inner) = before.split_last()?;
        if matches!(last, b'"' | b'\'') {
            return names.whole(quoted(before)?);
        }
        names.at_end(before).or_else(|| match last {
            b']' => {
                let found = names.at_end(inner)?;
                let opened = found.start > 0 && inner[found.start - 1] == b'[';
                opened.then_some(found)
            }
            b')' => names.at_end(without_unit(inner)?),
            _ => None,
        })
    }

    /// Returns the last word in front of the separator, or all of a quoted name.
    pub(crate) fn word(&self) -> &'a [u8] {
        if let Some(name) = quoted(self.before) {
            return name;
        }
        let end = self.before.strip_suffix(b"]").unwrap_or(self.before);
        let is_part = |byte: u8| is_word_byte(byte) || (byte == b':' && ends_with_range(end));
        let length = end.iter().rev().take_while(|&&byte| is_part(byte)).count();
        let word = &end[end.len() - length..];
        let lead = word.iter().position(|byte| byte.is_ascii_alphabetic()).unwrap_or(word.len());
        &word[lead..]
    }

    /// Returns the words in front of the separator, back to the punctuation before them.
    pub(crate) fn phrase(&self) -> &'a [u8] {
        if let Some(name) = quoted(self.before) {
            return name;
        }
        let is_punctuation =
            |byte: &u8| matches!(byte, b',' | b';' | b'|' | b'\t' | b'{' | b'(' | b':' | b'=' | b'"' | b'\'');
        let start = self.before.iter().rposition(is_punctuation).map_or(0, |at| at + 1);
        self.before[start..].trim_ascii()
    }
}

/// Whether the last word has no letter and no blank in front, as before the colons of a time.
fn ends_with_plain_number(before: &[u8]) -> bool {
    let length = before.iter().rev().take_while(|&&byte| is_word_byte(byte)).count();
    let (in_front, word) = before.split_at(before.len() - length);
    !word.is_empty() && in_front.last() != Some(&b' ') && !word.iter().any(u8::is_ascii_alphabetic)
}

/// Whether a range of fractions ends this, as it does names such as `mAP_0.5:0.95`, quoted or not.
fn ends_with_range(before: &[u8]) -> bool {
    let before = before.strip_suffix(b"'").unwrap_or(before);
    let to = before.iter().rev().take_while(|&&byte| is_number_byte(byte)).count();
    let from = before[..before.len() - to].strip_suffix(b":");
    to > 0 && from.is_some_and(ends_with_fraction)
}

/// Whether digits with a point end this.
fn ends_with_fraction(text: &[u8]) -> bool {
    let length = text.iter().rev().take_while(|&&byte| is_number_byte(byte)).count();
    let number = &text[text.len() - length..];
    number.contains(&b'.') && number.last().is_some_and(u8::is_ascii_digit)
}

fn is_number_byte(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

fn quoted(before: &[u8]) -> Option<&[u8]> {
    let (&quote, inner) = before.split_last()?;
    if !matches!(quote, b'"' | b'\'') {
        return None;
    }
    let start = memchr::memrchr(quote, inner)? + 1;
    Some(&inner[start..])
}

/// Returns what stands in front of a unit in parentheses, as in `latency (ms)`.
fn without_unit(inner: &[u8]) -> Option<&[u8]> {
    const UNIT_BYTES_MAX: usize = 4;
    let unit = inner.iter().rev().take(UNIT_BYTES_MAX + 1).position(|&byte| byte == b'(')?;
    Some(inner[..inner.len() - unit - 1].trim_ascii_end())
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/' | b'-' | b'.' | b'@' | b'#' | b'+' | b'\'')
}

/// Iterates over the pairs of a line, from left to right.
#[derive(Debug)]
pub(crate) struct Pairs<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Pairs<'a> {
    pub(crate) fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }

    /// Reads the value behind the separator at `self.at`, if it is one.
    fn pair_at_separator(&self) -> Option<(Pair<'a>, usize)> {
        let (before, after) = (&self.line[..self.at], &self.line[self.at + 1..]);
        if ends_with_plain_number(before) && !ends_with_range(before) {
            return None;
        }
        let value = after.trim_ascii_start();
        let number = number::number_after_separator(value)?;
        let end = self.line.len() - value.len() + number.length;
        if ends_with_fraction(before) && self.is_name_up_to(end) {
            return None;
        }
        Some((Pair { before: before.trim_ascii_end(), bare: false, number }, end))
    }

    /// Whether a separator follows, so that what ends here is no value yet: `mAP_0.5:0.95: 0.7`.
    fn is_name_up_to(&self, end: usize) -> bool {
        let rest = &self.line[end..];
        let rest = rest.strip_prefix(b"'").or_else(|| rest.strip_prefix(b"\"")).unwrap_or(rest);
        matches!(rest.first(), Some(b':' | b'='))
    }

    /// Reads the value behind the blank at `self.at`, if it ends a name.
    fn pair_at_blank(&self) -> Option<(Pair<'a>, usize)> {
        let before = &self.line[..self.at];
        if !before
            .last()
            .is_some_and(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b']' | b')' | b'@'))
        {
            return None;
        }
        let value = self.line[self.at..].trim_ascii_start();
        let number = number::number_at_start(value).filter(|number| number.fractional)?;
        let end = self.line.len() - value.len() + number.length;
        Some((Pair { before, bare: true, number }, end))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        let is_separator = |byte: &u8| matches!(byte, b':' | b'=' | b' ' | b'\t');
        while let Some(skipped) = self.line[self.at..].iter().position(is_separator) {
            self.at += skipped;
            let found = match self.line[self.at] {
                b' ' | b'\t' => self.pair_at_blank(),
                _ => self.pair_at_separator(),
            };
            if let Some((pair, end)) = found {
                self.at = end;
                return Some(pair);
            }
            self.at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(line: &str) -> Vec<(String, f64)> {
        Pairs::new(line.as_bytes())
            .map(|pair| (String::from_utf8_lossy(pair.word()).into_owned(), pair.number.value))
            .collect()
    }

    #[track_caller]
    fn check(line: &str, expected: &[(&str, f64)]) {
        let expected: Vec<(String, f64)> =
            expected.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        assert_eq!(pairs(line), expected, "{line}");
    }

    #[test]
    fn every_shape_of_pair_is_found() {
        check("loss: 0.5, acc=2", &[("loss", 0.5), ("acc", 2.0)]);
        check("a = 1 b =2 c= 3", &[("a", 1.0), ("b", 2.0), ("c", 3.0)]);
        check("{\"a\": 1, 'b': '2.5'}", &[("a", 1.0), ("b", 2.5)]);
        check("[loss] 0.5", &[("loss", 0.5)]);
        check("Loss 7.1 (7.0)\tAcc@1   0.50", &[("Loss", 7.1), ("Acc@1", 0.5)]);
        check("[3]\tvalid-rmse:0.12", &[("valid-rmse", 0.12)]);
    }

    #[test]
    fn blanks_need_a_fraction() {
        check("loss 3", &[]);
        check("loss 3.0", &[("loss", 3.0)]);
    }

    #[test]
    fn ranges_of_fractions_are_parts_of_names() {
        check("mAP_0.5:0.95: 0.7", &[("mAP_0.5:0.95", 0.7)]);
        check("{'metrics/mAP_0.5:0.95': 0.7, 'x': 1}", &[("metrics/mAP_0.5:0.95", 0.7), ("x", 1.0)]);
        check("mAP@.5:.95=0.7 loss: 0.5", &[("mAP@.5:.95", 0.7), ("loss", 0.5)]);
        check("mAP@0.5:0.7", &[("mAP@0.5", 0.7)]);
        let names = Names::new(vec!["mAP@0.5".into(), "mAP@0.5:0.95".into()]);
        for (line, name) in [("mAP@0.5: 0.9", 0), ("mAP@0.5:0.95: 0.7", 1), ("{'mAP@0.5:0.95': 0.7}", 1)] {
            let pair = Pairs::new(line.as_bytes()).next().unwrap();
            assert_eq!(pair.wanted(&names).map(|found| found.wanted), Some(name), "{line}");
        }
    }

    #[test]
    fn times_and_dates_are_no_values() {
        check("12:30:45 2026-03-07 eta=0:12:30 date: 2026-03-07", &[]);
    }

    #[test]
    fn wanted_names_are_found_in_brackets_and_before_units() {
        let names = Names::new(vec!["latency".into(), "[x] y".into()]);
        let wanted = |line: &str| {
            let pair = Pairs::new(line.as_bytes()).next().expect("the line holds a value");
            pair.wanted(&names).map(|found| names.wanted()[found.wanted].clone())
        };
        assert_eq!(wanted("[latency] 0.5").as_deref(), Some("latency"));
        assert_eq!(wanted("latency (ms): 12").as_deref(), Some("latency"));
        assert_eq!(wanted("[x] y: 12").as_deref(), Some("[x] y"));
        assert_eq!(wanted("'latency': 12").as_deref(), Some("latency"));
        assert_eq!(wanted("'my latency': 12"), None);
        assert_eq!(wanted("x latency] 0.5"), None);
    }

    #[test]
    fn phrases_reach_back_to_punctuation() {
        let phrase = |line: &'static str| Pairs::new(line.as_bytes()).next().unwrap().phrase();
        assert_eq!(phrase("x, Rank 1 val: 3"), b"Rank 1 val");
        assert_eq!(phrase("{'Rank 1': 3}"), b"Rank 1");
    }
}
