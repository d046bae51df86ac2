//! Reads lines of plain text.
//!
//! One line gives at most one measurement. A progress bar redraws old values under a new epoch
//! until they are computed again, so on a bar a value counts only when it differs from the last
//! one of its name.

use std::collections::BTreeMap;

use crate::candidate::EXECUTION_STATUS;
use crate::line_pattern::Item;
use crate::names::Rank;
use crate::notes::Notes;
use crate::pairs::{Pair, Pairs};
use crate::position::{self, Mention, Position};
use crate::resolve::{Found, LineValues, Resolver};
use crate::rules::Metrics;
use crate::scraper::Measurement;

/// Lines among which names that were not asked for are collected. A program that prints more without a
/// value of a monitored metric is read as fast as one that has shown it.
const NAMES_LINES_MAX: u64 = 20_000;

/// Reads one text log, line by line.
#[derive(Debug, Default)]
pub(crate) struct TextReader {
    position: Position,
    resolver: Resolver,
    /// The last value of each name, as bits, so that a NaN equals itself.
    last_values: BTreeMap<String, u64>,
    satisfied: bool,
    lines_read: u64,
}

impl TextReader {
    /// Whether other names than those asked for are of no interest: a monitored metric has been seen, or
    /// enough lines.
    pub(crate) fn is_satisfied(&self) -> bool {
        self.satisfied || self.lines_read >= NAMES_LINES_MAX
    }

    /// Collects the names in a line at the end of a log whose middle was passed over.
    pub(crate) fn see_names(&mut self, metrics: &Metrics, line: &[u8], number: u64, notes: &mut Notes) {
        if self.satisfied || self.lines_read < NAMES_LINES_MAX {
            return;
        }
        for pair in Pairs::new(line) {
            if self.resolver.before(metrics, &pair).is_none() {
                see(&pair, number, notes);
            }
        }
    }

    /// Reads one clean line.
    pub(crate) fn read(
        &mut self,
        metrics: &Metrics,
        line: &[u8],
        number: u64,
        notes: &mut Notes,
    ) -> Option<Measurement> {
        self.lines_read = number;
        let (mut mention, mut values) = (Mention::default(), LineValues::default());
        let found = self.find_patterns(metrics, line, number, &mut mention, notes);
        mention = mention.or(Mention::read(line));
        self.position.move_to(&mention);
        notes.epoch = mention.epoch.or(notes.epoch);
        notes.max_epoch = mention.max_epoch.or(notes.max_epoch);
        notes.execution_status = execution_status(line).or(notes.execution_status);

        for pair in Pairs::new(line) {
            match self.resolver.before(metrics, &pair) {
                Some(found) if metrics.line_patterns().gives(&found.name) => {}
                Some(found) => values.offer(found, pair.number.value),
                None if self.is_satisfied() => {}
                None => see(&pair, number, notes),
            }
        }
        for (found, value) in found {
            values.offer(found, value);
        }
        let mut values = self.resolver.settle(values);
        if values.is_empty() {
            return None;
        }
        let unchanged = self.remember(&values);
        if is_progress_bar(line) {
            values.retain(|name, _| !unchanged.contains(name));
        }
        if values.is_empty() {
            return None;
        }
        self.satisfied |= metrics.monitors_one_of(values.keys());
        Some(Measurement { step: self.position.step(&mention), values, line: number })
    }

    /// Reads a line by the line patterns, and notes whether it tells of a failure.
    fn find_patterns(
        &mut self,
        metrics: &Metrics,
        line: &[u8],
        number: u64,
        mention: &mut Mention,
        notes: &mut Notes,
    ) -> Vec<(Found, f64)> {
        let mut values = Vec::new();
        let found = metrics.line_patterns().find(line);
        found.failures.into_iter().for_each(|pattern| notes.see_sign(pattern, line, number));
        for item in found.items {
            match item {
                Item::Counter(name, value) => {
                    mention.take(&name, value);
                }
                Item::Value(name, value) => {
                    let name = self.resolver.whole(metrics, name.as_bytes()).map_or(name, |found| found.name);
                    values.push((Found { name, rank: Rank::EXACT }, value));
                }
            }
        }
        values
    }

    /// Keeps the values and returns the names whose value is the same as before.
    fn remember(&mut self, values: &BTreeMap<String, f64>) -> Vec<String> {
        let mut unchanged = Vec::new();
        for (name, value) in values {
            let previous = self.last_values.insert(name.clone(), value.to_bits());
            if previous == Some(value.to_bits()) {
                unchanged.push(name.clone());
            }
        }
        unchanged
    }
}

/// Notes a name that looks like a metric: it has a measured value, and is no counter.
fn see(pair: &Pair<'_>, line: u64, notes: &mut Notes) {
    let name = pair.word();
    if pair.number.fractional && !pair.bare && !position::is_counter(name) {
        notes.see(name, line);
    }
}

/// Whether the line is a bar in the style of tqdm, `45%|####    | ...`.
fn is_progress_bar(line: &[u8]) -> bool {
    memchr::memchr_iter(b'%', line).any(|at| line.get(at + 1) == Some(&b'|'))
}

/// Reads the verdict `Execution status: PASS` or `FAIL`.
fn execution_status(line: &[u8]) -> Option<bool> {
    let holds_label = |at: &usize| {
        line.get(*at..at + EXECUTION_STATUS.len())
            .is_some_and(|text| text.eq_ignore_ascii_case(EXECUTION_STATUS))
    };
    // The second letter of the label is rarer than the first.
    let at = memchr::memchr2_iter(b'x', b'X', line).filter_map(|at| at.checked_sub(1)).find(holds_label)?;
    let verdict = line[at + EXECUTION_STATUS.len()..].trim_ascii_start();
    let verdict = &verdict[..verdict.len().min(4)];
    match verdict {
        b"PASS" => Some(true),
        b"FAIL" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::MetricRules;

    /// Reads lines and gives `line/step: name=value ...` of each measurement.
    fn read(lines: &[&str]) -> (Vec<String>, Notes) {
        let metrics = Metrics::compile(&MetricRules {
            monitoring: vec!["val_loss".into()],
            available: vec!["loss".into(), "val_acc".into(), "top1".into()],
            dynamic_patterns: vec!["^AP(50)?_bbox$".into(), r"^Rank \d+$".into()],
            line_patterns: vec![r"\bE(?<epoch>\d+) .*<(?<top1>[\d.]+)>".into()],
            failure_patterns: vec!["(?i)out of memory".into(), r"^\w+Error: ".into()],
        })
        .unwrap();
        let (mut reader, mut notes) = (TextReader::default(), Notes::default());
        let mut found = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            if let Some(measurement) = reader.read(&metrics, line.as_bytes(), index as u64 + 1, &mut notes) {
                let values: Vec<String> =
                    measurement.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
                let step = measurement.step.map_or("-".into(), |step| step.to_string());
                found.push(format!("{}/{step}: {}", measurement.line, values.join(" ")));
            }
        }
        (found, notes)
    }

    #[test]
    fn several_values_share_a_measurement() {
        let (found, notes) = read(&["Epoch 3/10 loss=0.5 val_loss: 0.25 val_acc = 98.5%"]);
        assert_eq!(found, ["1/3: loss=0.5 val_acc=98.5 val_loss=0.25"]);
        assert_eq!((notes.epoch, notes.max_epoch), (Some(3), Some(10)));
    }

    #[test]
    fn line_patterns_alone_give_their_metrics() {
        let (found, _) = read(&["E7 done <0.5> val_loss: 0.25", "top1: 0.9 loss=1"]);
        assert_eq!(found, ["1/7: top1=0.5 val_loss=0.25", "2/7: loss=1"]);
    }

    #[test]
    fn last_of_equal_mentions_wins() {
        assert_eq!(read(&["val_loss: 0.5 val_loss: 0.4"]).0, ["1/-: val_loss=0.4"]);
    }

    #[test]
    fn qualified_name_yields_to_the_name() {
        assert_eq!(read(&["loss: 0.5 - best loss: 0.3"]).0, ["1/-: loss=0.5"]);
        assert_eq!(read(&["step 250: train loss 2.4, val loss 2.5"]).0, ["1/250: loss=2.4 val_loss=2.5"]);
    }

    #[test]
    fn dynamic_patterns_match_names_only() {
        let (found, _) =
            read(&["AP_bbox: 0.3 AP50_bbox=0.5 AP75_bbox=0.4 x AP_bbox", "val Rank 1: 0.5", "Rank 1: 0.5"]);
        assert_eq!(found, ["1/-: AP50_bbox=0.5 AP_bbox=0.3", "3/-: Rank 1=0.5"]);
    }

    #[test]
    fn stale_value_on_a_bar_is_no_new_epoch() {
        let (found, _) = read(&[
            "Epoch 0: 100%|####| 9/9 [loss=0.5, val_loss=0.4]",
            "Epoch 1:  10%|#   | 1/9 [loss=0.3, val_loss=0.4]",
            "Epoch 1: 100%|####| 9/9 [loss=0.2, val_loss=0.35]",
        ]);
        assert_eq!(found, ["1/0: loss=0.5 val_loss=0.4", "2/1: loss=0.3", "3/1: loss=0.2 val_loss=0.35"]);
    }

    #[test]
    fn unchanged_value_off_a_bar_counts() {
        assert_eq!(read(&["val_loss: 0.4", "val_loss: 0.4"]).0.len(), 2);
    }

    #[test]
    fn odd_values_are_reported_truthfully() {
        assert_eq!(read(&["loss: nan val_loss: -inf"]).0, ["1/-: loss=NaN val_loss=-inf"]);
    }

    #[test]
    fn other_names_are_seen_until_satisfied() {
        let (_, notes) = read(&["valid_los: 0.5 batch: 32 epoch: 1.0", "val_loss: 0.5", "other: 0.1"]);
        assert_eq!(notes.seen_names.keys().collect::<Vec<_>>(), ["valid_los"]);
    }

    #[test]
    fn signs_of_failure_are_noted_with_their_first_and_last_line() {
        let (_, notes) = read(&[
            "RuntimeError: CUDA out of memory",
            "val_loss: 0.5",
            "ValueError: no",
            "KeyError: 'x'",
            "all is well",
        ]);
        let signs: Vec<_> =
            notes.signs.iter().map(|(i, sign)| (*i, sign.first.line, sign.last.text.as_str())).collect();
        assert_eq!(signs, [(0, 1, "RuntimeError: CUDA out of memory"), (1, 1, "KeyError: 'x'")]);
    }

    #[test]
    fn last_verdict_counts() {
        assert_eq!(read(&["Execution status: PASS"]).1.execution_status, Some(true));
        assert_eq!(
            read(&["Execution status: PASS", "execution status: FAIL"]).1.execution_status,
            Some(false)
        );
        assert_eq!(read(&["Execution status: unknown"]).1.execution_status, None);
    }
}
