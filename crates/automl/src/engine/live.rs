//! A running attempt as the engine follows it: its logs, each with its own reader.

use crate::files::Tail;
use automl_core::{Attempt, AttemptNumber, Event, TrialId};
use automl_scrape::{Measurement, Metrics, Notes, Scraper, SourceKind};
use std::path::PathBuf;
use std::sync::Arc;

/// One log of an attempt, in order of precedence.
#[derive(Clone, Debug)]
pub(crate) struct LogFile {
    pub(crate) path: PathBuf,
    pub(crate) kind: SourceKind,
}

/// Follows the logs of one running attempt.
pub(crate) struct LiveAttempt {
    trial: TrialId,
    number: AttemptNumber,
    logs: Vec<LiveLog>,
    /// Why the engine asked the attempt to end, if it did.
    pub(crate) asked: Option<&'static str>,
    /// Whether the user gave the trial up.
    pub(crate) cancelled: bool,
}

struct LiveLog {
    path: PathBuf,
    tail: Tail,
    scraper: Scraper,
    /// Readings up to this line are in the study's log already.
    known_lines: u64,
}

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct LogFileError {
    path: PathBuf,
    source: std::io::Error,
}

impl LiveAttempt {
    /// Begins to follow an attempt's logs: where the attempt's own output begins, skipping the
    /// readings that are recorded already.
    pub(crate) fn open(trial: TrialId, attempt: &Attempt, files: &[LogFile], metrics: &Arc<Metrics>) -> Self {
        let open = |(source, file): (u16, &LogFile)| LiveLog {
            path: file.path.clone(),
            tail: Tail::new(&file.path, attempt.log_offsets.get(usize::from(source)).copied().unwrap_or(0)),
            scraper: Scraper::new(metrics, file.kind),
            known_lines: attempt.series.last_line(source),
        };
        let logs = (0..).zip(files).map(open).collect();
        LiveAttempt { trial, number: attempt.number, logs, asked: None, cancelled: false }
    }

    /// Reads what is new and returns it as events.
    pub(crate) fn poll(&mut self) -> Result<Vec<Event>, LogFileError> {
        self.read(|_, _| {})
    }

    /// Reads the rest after the program has ended, half lines included.
    pub(crate) fn finish(&mut self) -> Result<Vec<Event>, LogFileError> {
        self.read(Scraper::finish)
    }

    /// Returns what each log said beside metrics.
    pub(crate) fn notes(&self) -> Vec<&Notes> {
        self.logs.iter().map(|log| log.scraper.notes()).collect()
    }

    fn read(
        &mut self,
        close: impl Fn(&mut Scraper, &mut Vec<Measurement>),
    ) -> Result<Vec<Event>, LogFileError> {
        let mut events = Vec::new();
        for (source, log) in (0..).zip(&mut self.logs) {
            let mut measurements = Vec::new();
            let LiveLog { path, tail, scraper, known_lines } = log;
            tail.read_new(|bytes| scraper.push(bytes, &mut measurements))
                .map_err(|source| LogFileError { path: path.clone(), source })?;
            close(scraper, &mut measurements);
            measurements.retain(|m| m.line > *known_lines);
            let measured = |m: Measurement| Event::Measured {
                trial: self.trial,
                attempt: self.number,
                source,
                line: m.line,
                step: m.step,
                values: m.values,
            };
            events.extend(merge_by_step(measurements).into_iter().map(measured));
        }
        Ok(events)
    }
}

/// Merges neighbouring measurements of the same step, the later value winning, so that a progress bar
/// redrawn a hundred times a second does not become a hundred events.
fn merge_by_step(measurements: Vec<Measurement>) -> Vec<Measurement> {
    let mut merged: Vec<Measurement> = Vec::new();
    for measurement in measurements {
        match merged.last_mut() {
            Some(last) if last.step == measurement.step => {
                last.line = measurement.line;
                last.values.extend(measurement.values);
            }
            _ => merged.push(measurement),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(line: u64, step: Option<u64>, name: &str, value: f64) -> Measurement {
        Measurement { step, values: [(name.to_string(), value)].into(), line }
    }

    #[test]
    fn readings_of_one_step_become_one_event() {
        let merged = merge_by_step(vec![
            measurement(1, Some(1), "loss", 0.9),
            measurement(2, Some(1), "loss", 0.8),
            measurement(3, Some(1), "acc", 0.5),
            measurement(4, Some(2), "loss", 0.7),
        ]);
        assert_eq!(merged.len(), 2);
        assert_eq!((merged[0].line, merged[0].values["loss"], merged[0].values["acc"]), (3, 0.8, 0.5));
    }
}
