//! A running attempt as the engine follows it: its logs, each with its own reader.

use crate::files::{LogFile, News, Tail};
use automl_core::{Attempt, AttemptNumber, Event, TrialId};
use automl_scrape::{Measurement, Metrics, Notes, Scraper};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Lines that are numbered within one file; the number of the file stands above them.
const LINE_BITS: u32 = 40;

/// Follows the logs of one running attempt.
pub(crate) struct LiveAttempt {
    trial: TrialId,
    number: AttemptNumber,
    metrics: Arc<Metrics>,
    logs: Vec<LiveLog>,
    /// Whether any reading was found.
    is_heard: bool,
    /// Why the engine asked the attempt to end, if it did.
    pub(crate) asked: Option<&'static str>,
    /// When its program gets the signal, having been asked in its own way to end (milliseconds since 1970).
    pub(crate) signal_at: Option<u64>,
    /// Whether the user gave the trial up.
    pub(crate) cancelled: bool,
}

struct LiveLog {
    log: LogFile,
    files: Vec<LiveFile>,
    /// Readings up to this line are in the study's log already.
    known_lines: u64,
    /// Notes of a log without a file yet.
    no_notes: Notes,
}

struct LiveFile {
    path: PathBuf,
    tail: Tail,
    scraper: Scraper,
    /// Bytes still to come that earlier attempts wrote: read for the header in them, not for values.
    earlier_bytes: u64,
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
        let open = |(source, log): (u16, &LogFile)| {
            let offset = attempt.log_offsets.get(usize::from(source)).copied().unwrap_or(0);
            let file = |(path, own): (PathBuf, u64)| LiveFile::open(&path, log, own, metrics);
            LiveLog {
                log: log.clone(),
                files: log.split(offset).into_iter().map(file).collect(),
                known_lines: attempt.series.last_line(source),
                no_notes: Notes::default(),
            }
        };
        let logs = (0..).zip(files).map(open).collect();
        let metrics = Arc::clone(metrics);
        LiveAttempt {
            trial,
            number: attempt.number,
            metrics,
            logs,
            is_heard: false,
            asked: None,
            signal_at: None,
            cancelled: false,
        }
    }

    /// Returns the attempt's number.
    pub(crate) fn number(&self) -> AttemptNumber {
        self.number
    }

    /// Whether any reading was found since it is followed.
    pub(crate) fn is_heard(&self) -> bool {
        self.is_heard
    }

    /// Reads what is new and returns it as events.
    pub(crate) fn poll(&mut self) -> Result<Vec<Event>, LogFileError> {
        self.read(|_, _| {})
    }

    /// Reads the rest after the program has ended, half lines included.
    pub(crate) fn finish(&mut self) -> Result<Vec<Event>, LogFileError> {
        self.read(Scraper::finish)
    }

    /// Returns what each log said beside metrics; of a log in several files what the last one said.
    pub(crate) fn notes(&self) -> Vec<&Notes> {
        self.logs.iter().map(LiveLog::notes).collect()
    }

    fn read(
        &mut self,
        close: impl Fn(&mut Scraper, &mut Vec<Measurement>),
    ) -> Result<Vec<Event>, LogFileError> {
        let mut events = Vec::new();
        for (source, log) in (0..).zip(&mut self.logs) {
            log.notice_files(&self.metrics);
            for (index, file) in (0_u64..).zip(&mut log.files) {
                let mut measurements = file.read()?;
                close(&mut file.scraper, &mut measurements);
                measurements.iter_mut().for_each(|m| m.line |= index << LINE_BITS);
                measurements.retain(|m| m.line > log.known_lines);
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
        }
        self.is_heard |= !events.is_empty();
        Ok(events)
    }
}

impl LiveLog {
    fn notes(&self) -> &Notes {
        self.files.last().map_or(&self.no_notes, |file| file.scraper.notes())
    }

    /// Begins to follow files that came to be since the last look.
    fn notice_files(&mut self, metrics: &Arc<Metrics>) {
        for path in self.log.files() {
            if !self.files.iter().any(|known| known.path == path) {
                self.files.push(LiveFile::open(&path, &self.log, 0, metrics));
            }
        }
    }
}

impl LiveFile {
    /// Opens a file whose first `earlier` bytes are of earlier attempts.
    fn open(path: &Path, log: &LogFile, earlier: u64, metrics: &Arc<Metrics>) -> Self {
        let (offset, earlier_bytes) = if log.kind.needs_beginning() { (0, earlier) } else { (earlier, 0) };
        LiveFile {
            path: path.to_path_buf(),
            tail: Tail::new(path, offset),
            scraper: Scraper::new(metrics, log.kind),
            earlier_bytes,
        }
    }

    /// Returns the measurements in what is new.
    fn read(&mut self) -> Result<Vec<Measurement>, LogFileError> {
        let LiveFile { path, tail, scraper, earlier_bytes } = self;
        let mut measurements = Vec::new();
        let read = tail.read_new(|news| match news {
            News::Anew => {
                *earlier_bytes = 0;
                scraper.begin_again();
            }
            News::Gone { lines } => scraper.skip_lines(lines),
            News::Bytes(bytes) => {
                let earlier = usize::try_from(*earlier_bytes).map_or(bytes.len(), |e| e.min(bytes.len()));
                if earlier > 0 {
                    scraper.push(&bytes[..earlier], &mut Vec::new());
                    *earlier_bytes -= earlier as u64;
                }
                scraper.push(&bytes[earlier..], &mut measurements);
            }
        });
        match read {
            Ok(()) => Ok(measurements),
            Err(source) => Err(LogFileError { path: path.clone(), source }),
        }
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
    use automl_scrape::SourceKind;

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

    #[test]
    fn table_of_earlier_attempts_gives_its_header_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("version_0/metrics.csv");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let old = "epoch,val_loss\n0,0.5\n1,0.4\n";
        std::fs::write(&path, old).unwrap();
        let rules = automl_scrape::MetricRules { monitoring: vec!["val_loss".into()], ..Default::default() };
        let metrics = Arc::new(Metrics::compile(&rules).unwrap());
        let log = LogFile { folder: dir.path().into(), name: "*/metrics.csv".into(), kind: SourceKind::Csv };
        let attempt = Attempt {
            log_offsets: vec![old.len() as u64],
            ..Attempt::new(AttemptNumber(2), automl_core::Fidelity(4))
        };
        let mut live = LiveAttempt::open(TrialId(1), &attempt, &[log], &metrics);
        assert_eq!(live.poll().unwrap(), []);
        std::fs::write(&path, format!("{old}2,0.3\n")).unwrap();
        let next = dir.path().join("version_1/metrics.csv");
        std::fs::create_dir_all(next.parent().unwrap()).unwrap();
        std::fs::write(next, "epoch,val_loss\n3,0.2\n").unwrap();
        let steps = |events: Vec<Event>| -> Vec<(Option<u64>, u64)> {
            let step = |event| match event {
                Event::Measured { step, line, .. } => (step, line),
                other => panic!("{other:?}"),
            };
            events.into_iter().map(step).collect()
        };
        let found = steps(live.poll().unwrap());
        assert_eq!(found, [(Some(2), 4), (Some(3), (1 << LINE_BITS) + 2)]);
    }
}
