//! Reads TAO status files, one JSON object a line.
//!
//! The writer's logger keeps its `kpi` and `graphical` values and repeats them on later lines,
//! also on the first lines of the next epoch. So a repeated value is not a new one:
//! - a value that differs from the last one of its name counts;
//! - a value that is the same counts on a line that reports results: one without an `epoch`, that
//!   does not end the job, and, unless the name is a training metric, that does not announce
//!   training metrics;
//! - values count for the last epoch named so far. The file counts epochs from 0, so the step of a
//!   measurement is that number plus one: the epochs that are complete.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::json;
use crate::notes::Notes;
use crate::position::whole_count;
use crate::resolve::{LineValues, Resolver};
use crate::rules::Metrics;
use crate::scraper::Measurement;

/// The statuses that a line can carry.
const STATUSES: [&str; 5] = ["STARTED", "RUNNING", "SUCCESS", "FAILURE", "SKIPPED"];

/// Objects that hold values; of one name in both, the later one counts.
const VALUE_OBJECTS: [&str; 2] = ["graphical", "kpi"];

/// Reads one status file, line by line.
#[derive(Debug, Default)]
pub(crate) struct StatusReader {
    epoch: Option<u64>,
    resolver: Resolver,
    /// The last value of each name, as bits, so that a NaN equals itself.
    last_values: BTreeMap<String, u64>,
}

impl StatusReader {
    /// Reads one clean line; torn and foreign lines give nothing.
    pub(crate) fn read(
        &mut self,
        metrics: &Metrics,
        line: &[u8],
        number: u64,
        notes: &mut Notes,
    ) -> Option<Measurement> {
        let object = json::parse_object(line)?;
        let line = StatusLine::new(&object);
        line.note(notes);
        if line.status == Some("STARTED") {
            // A new process has nothing to repeat yet.
            self.epoch = None;
            self.last_values.clear();
        }
        self.epoch = line.epoch.or(self.epoch);
        if line.is_training_mode {
            return None;
        }
        let values = self.resolve(metrics, &object, number, notes);
        let values = self.only_news(&line, values);
        let step = self.epoch.map(|epoch| epoch + 1);
        (!values.is_empty()).then_some(Measurement { step, values, line: number })
    }

    fn resolve(
        &mut self,
        metrics: &Metrics,
        object: &Map<String, Value>,
        line: u64,
        notes: &mut Notes,
    ) -> BTreeMap<String, f64> {
        let mut values = LineValues::default();
        for key in VALUE_OBJECTS {
            let entries = object.get(key).and_then(Value::as_object).into_iter().flatten();
            for (name, value) in entries {
                let Some(value) = json::number(value) else {
                    continue;
                };
                match self.resolver.whole(metrics, name.as_bytes()) {
                    Some(found) => values.offer(found, value),
                    None => notes.see(name.as_bytes(), line),
                }
            }
        }
        self.resolver.settle(values)
    }

    fn only_news(&mut self, line: &StatusLine<'_>, values: BTreeMap<String, f64>) -> BTreeMap<String, f64> {
        let mut news = BTreeMap::new();
        for (name, value) in values {
            let previous = self.last_values.insert(name.clone(), value.to_bits());
            if previous != Some(value.to_bits()) || line.confirms(&name) {
                news.insert(name, value);
            }
        }
        news
    }
}

/// The parts of a line that say what its values mean.
#[derive(Debug)]
struct StatusLine<'a> {
    status: Option<&'a str>,
    message: &'a str,
    epoch: Option<u64>,
    max_epoch: Option<u64>,
    is_training_mode: bool,
}

impl<'a> StatusLine<'a> {
    fn new(object: &'a Map<String, Value>) -> Self {
        let text = |key: &str| object.get(key).and_then(Value::as_str);
        let count = |key: &str| object.get(key).and_then(json::number).and_then(whole_count);
        Self {
            status: text("status").and_then(|status| STATUSES.into_iter().find(|known| *known == status)),
            message: text("message").unwrap_or_default(),
            epoch: count("epoch"),
            max_epoch: count("max_epoch"),
            is_training_mode: text("mode") == Some("train"),
        }
    }

    fn note(&self, notes: &mut Notes) {
        if let Some(status) = self.status {
            notes.last_status = Some(status.to_owned());
        }
        if self.status == Some("FAILURE") {
            notes.fail(self.message);
        }
        notes.epoch = self.epoch.or(notes.epoch);
        notes.max_epoch = self.max_epoch.or(notes.max_epoch);
    }

    /// Whether a value on this line that is the same as before was computed again.
    fn confirms(&self, name: &str) -> bool {
        let ends_job = matches!(self.status, Some("SUCCESS" | "FAILURE" | "SKIPPED"));
        let of_training = self.message.to_ascii_lowercase().starts_with("train metrics");
        self.epoch.is_none() && !ends_job && (!of_training || name.to_ascii_lowercase().contains("train"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::MetricRules;

    /// Reads lines and gives `(line, step, values)` of each measurement.
    fn read(lines: &[&str]) -> (Vec<Measurement>, Notes) {
        let metrics = Metrics::compile(&MetricRules {
            monitoring: vec!["mIoU".into()],
            available: vec!["train_loss".into()],
            ..MetricRules::default()
        })
        .unwrap();
        let (mut reader, mut notes) = (StatusReader::default(), Notes::default());
        let numbered = lines.iter().zip(1..);
        let found = numbered
            .filter_map(|(line, number)| reader.read(&metrics, line.as_bytes(), number, &mut notes))
            .collect();
        (found, notes)
    }

    fn series(lines: &[&str], name: &str) -> Vec<(Option<u64>, f64)> {
        let (found, _) = read(lines);
        found.iter().filter_map(|found| Some((found.step, *found.values.get(name)?))).collect()
    }

    const FIRST_EPOCH: [&str; 2] = [r#"{"epoch": 0, "max_epoch": 1}"#, r#"{"kpi": {"mIoU": 0.5}}"#];

    #[test]
    fn repeat_on_an_epoch_line_is_not_new() {
        let lines = [FIRST_EPOCH[0], FIRST_EPOCH[1], r#"{"epoch": 1, "kpi": {"mIoU": 0.5}}"#];
        assert_eq!(series(&lines, "mIoU"), [(Some(1), 0.5)]);
    }

    #[test]
    fn equal_value_is_confirmed_off_epoch_lines() {
        let lines = [
            FIRST_EPOCH[0],
            FIRST_EPOCH[1],
            r#"{"epoch": 1, "kpi": {"mIoU": 0.5}}"#,
            r#"{"message": "Eval metrics generated.", "kpi": {"mIoU": 0.5}}"#,
        ];
        assert_eq!(series(&lines, "mIoU"), [(Some(1), 0.5), (Some(2), 0.5)]);
    }

    #[test]
    fn changed_value_on_an_epoch_line_counts() {
        let lines = [FIRST_EPOCH[0], FIRST_EPOCH[1], r#"{"epoch": 1, "kpi": {"mIoU": 0.6}}"#];
        assert_eq!(series(&lines, "mIoU"), [(Some(1), 0.5), (Some(2), 0.6)]);
    }

    #[test]
    fn training_report_does_not_confirm_other_values() {
        let lines = [
            FIRST_EPOCH[0],
            FIRST_EPOCH[1],
            r#"{"epoch": 1, "kpi": {"mIoU": 0.5}}"#,
            r#"{"message": "Train metrics generated.", "kpi": {"mIoU": 0.5, "train_loss": 2}}"#,
            r#"{"status": "SUCCESS", "kpi": {"mIoU": 0.5, "train_loss": 2}}"#,
        ];
        assert_eq!(series(&lines, "mIoU"), [(Some(1), 0.5)]);
        assert_eq!(series(&lines, "train_loss"), [(Some(2), 2.0)]);
    }

    #[test]
    fn new_process_repeats_nothing() {
        let lines = [
            FIRST_EPOCH[0],
            FIRST_EPOCH[1],
            r#"{"status": "STARTED"}"#,
            r#"{"epoch": 0, "kpi": {"mIoU": 0.5}}"#,
        ];
        assert_eq!(series(&lines, "mIoU"), [(Some(1), 0.5), (Some(1), 0.5)]);
    }

    #[test]
    fn training_mode_gives_nothing() {
        assert!(series(&[r#"{"mode": "train", "kpi": {"mIoU": 0.5}}"#], "mIoU").is_empty());
    }

    #[test]
    fn kpi_beats_graphical() {
        let line = r#"{"kpi": {"mIoU": 0.5}, "graphical": {"mIoU": {"value": 0.4}, "train_loss": "1.5"}}"#;
        assert_eq!(series(&[line], "mIoU"), [(None, 0.5)]);
        assert_eq!(series(&[line], "train_loss"), [(None, 1.5)]);
    }

    #[test]
    fn odd_values_are_reported_once_per_change() {
        let lines = [
            r#"{"epoch": 0, "kpi": {"mIoU": NaN}}"#,
            r#"{"epoch": 1, "kpi": {"mIoU": NaN}}"#,
            r#"{"epoch": 2, "kpi": {"mIoU": "-Infinity"}}"#,
        ];
        let found = series(&lines, "mIoU");
        assert!(found[0].1.is_nan());
        assert_eq!(found[1..], [(Some(3), f64::NEG_INFINITY)]);
    }

    #[test]
    fn failure_is_noted() {
        let (_, notes) = read(&[
            r#"{"epoch": 3, "max_epoch": 9, "status": "RUNNING"}"#,
            r#"{"status": "FAILURE", "message": "CUDA out of memory", "kpi": {"mAP": 0.1}}"#,
            r#"{"status": "odd"}"#,
        ]);
        assert_eq!(notes.last_status.as_deref(), Some("FAILURE"));
        assert_eq!(notes.failure_message.as_deref(), Some("CUDA out of memory"));
        assert_eq!((notes.epoch, notes.max_epoch), (Some(3), Some(9)));
        assert!(notes.seen_names.contains_key("mAP"));
    }
}
