//! The study's state together with its durable log.
//!
//! Events are applied at once and collected; [`EventLog::commit`] makes all of them durable in one
//! step. Nothing may be done about an event before the commit that holds it has returned.

use automl_config::hide_logins;
use automl_core::{EVENT_FORMAT, Event, FoldError, Journal, Record, StoredError, Study};
use automl_store::{Store, StoreError, StoredRecord};
use thiserror::Error;

/// Why a log cannot be used.
///
/// A record that came out of the store intact and still cannot be used was written that way: by another
/// version of the program, or by hand.
#[derive(Debug, Error)]
pub enum LogError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record cannot be understood.
    #[error("event {seq} cannot be read: {source}")]
    Record {
        /// Its number.
        seq: u64,
        /// What the parser found.
        source: serde_json::Error,
    },
    /// An event is impossible in the state before it.
    #[error("event {seq}: {source}")]
    Fold {
        /// Its number.
        seq: u64,
        /// What is wrong.
        source: FoldError,
    },
}

/// Events after which a snapshot is due. A log that long is folded in some milliseconds.
const SNAPSHOT_EVENTS: u64 = 5_000;
/// Part of a log by which it must have grown, too: so snapshots cost a fixed share of the work.
const SNAPSHOT_GROWTH: u64 = 4;

/// A study and its log.
pub(crate) struct EventLog {
    store: Box<dyn Store>,
    study: Study,
    pending: Vec<Record>,
    /// Number of the event with which the next snapshot is due.
    snapshot_at: u64,
}

impl EventLog {
    /// Begins the log of a new study: its first event, and what it begins with, in one step.
    pub(crate) fn create(
        store: Box<dyn Store>,
        first: Record,
        more: impl IntoIterator<Item = Event>,
    ) -> Result<Self, LogError> {
        let study = Study::create(&first).map_err(|source| LogError::Fold { seq: 1, source })?;
        let at = first.at;
        let mut log = EventLog { store, study, pending: vec![first], snapshot_at: SNAPSHOT_EVENTS };
        log.choose_copies();
        more.into_iter().try_for_each(|event| log.record(at, event))?;
        log.commit()?;
        Ok(log)
    }

    /// Opens the log of an existing study.
    pub(crate) fn open(store: Box<dyn Store>) -> Result<Self, LogError> {
        let (study, known) = fold_store(store.as_ref())?;
        let mut log = EventLog { store, study, pending: Vec::new(), snapshot_at: next_snapshot(known) };
        log.choose_copies();
        Ok(log)
    }

    /// Tells the store what shall be there of the log when the work on it is over.
    fn choose_copies(&mut self) {
        self.store.keep_journal(self.study.settings.conduct.journal == Journal::On);
    }

    /// Applies a record to a study that may not have begun yet.
    pub(crate) fn fold_one(study: &mut Option<Study>, record: &Record) -> Result<(), FoldError> {
        match study {
            None => Study::create(record).map(|created| *study = Some(created)),
            Some(study) => study.apply(record),
        }
    }

    /// Returns the state after every event so far, committed or not.
    pub(crate) fn study(&self) -> &Study {
        &self.study
    }

    /// Returns the number of the last event so far, committed or not.
    pub(crate) fn last_seq(&self) -> u64 {
        self.store.last_seq() + self.pending.len() as u64
    }

    /// Applies an event and keeps it for the next commit. Logins of URLs in what it tells people stay out of the log.
    pub(crate) fn record(&mut self, at: u64, mut event: Event) -> Result<(), LogError> {
        told(&mut event).into_iter().for_each(|text| *text = hide_logins(text));
        let record = Record { at, event };
        let seq = self.last_seq() + 1;
        self.study.apply(&record).map_err(|source| LogError::Fold { seq, source })?;
        self.pending.push(record);
        Ok(())
    }

    /// Whether anything was recorded that is not committed.
    pub(crate) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Forgets what was recorded and not committed, and takes the state from the store.
    pub(crate) fn roll_back(&mut self) -> Result<(), LogError> {
        self.pending.clear();
        (self.study, _) = fold_store(self.store.as_ref())?;
        Ok(())
    }

    /// Makes everything recorded durable and returns it. After an error the records are still
    /// pending, and the call may be repeated.
    pub(crate) fn commit(&mut self) -> Result<Vec<Record>, LogError> {
        if !self.pending.is_empty() {
            let payloads: Vec<Vec<u8>> = self.pending.iter().map(encode).collect();
            let last = self.store.append(&payloads)?;
            if last >= self.snapshot_at {
                self.snapshot_at = next_snapshot(last);
                // Without it the log is read again, and nothing else.
                let _ = self.store.keep_snapshot(&snapshot_format(), &self.study.to_snapshot());
            }
        }
        Ok(std::mem::take(&mut self.pending))
    }
}

/// Returns the texts of an event that come from programs and people.
fn told(event: &mut Event) -> Vec<&mut String> {
    match event {
        Event::AttemptEnded { end, .. } => end.outcome.reason_mut().into_iter().collect(),
        Event::TrialAdded { source, outcome, .. } => {
            std::iter::once(source).chain(outcome.reason_mut()).collect()
        }
        Event::TrialStopped { reason, .. } | Event::CheckpointLost { reason, .. } => vec![reason],
        Event::BoundsChanged { asked, .. } => asked.iter_mut().collect(),
        Event::StudyCreated { .. }
        | Event::EngineStarted { .. }
        | Event::BudgetChanged { .. }
        | Event::Enqueued { .. }
        | Event::TrialSuggested { .. }
        | Event::AttemptStarted { .. }
        | Event::Measured { .. }
        | Event::StopDecided { .. }
        | Event::CheckpointsCounted { .. }
        | Event::CheckpointsDropped { .. }
        | Event::CheckpointInherited { .. }
        | Event::FidelityRaised { .. }
        | Event::StudyEnded { .. } => Vec::new(),
    }
}

/// Returns the number of the event with which a snapshot is due after one of so many events.
fn next_snapshot(events: u64) -> u64 {
    events + SNAPSHOT_EVENTS.max(events / SNAPSHOT_GROWTH)
}

impl LogError {
    /// Returns the number of the event that cannot be used, where it is the event's fault and not this
    /// program's age.
    pub(crate) fn impossible_event(&self) -> Option<u64> {
        match self {
            LogError::Store(_) | LogError::Fold { source: FoldError::NewerFormat { .. }, .. } => None,
            LogError::Record { seq, .. } | LogError::Fold { seq, .. } => Some(*seq),
        }
    }
}

/// A study that is folded from stored records as they come.
#[derive(Debug, Default)]
pub(crate) struct Folding {
    study: Option<Study>,
    /// The first record that could not be applied; nothing after it is.
    failed: Option<LogError>,
}

impl From<Option<Study>> for Folding {
    /// Goes on from a state.
    fn from(study: Option<Study>) -> Self {
        Folding { study, failed: None }
    }
}

impl Folding {
    /// Applies the next record; with record 1 it begins anew.
    pub(crate) fn apply(&mut self, seq: u64, payload: &[u8]) {
        if seq == 1 {
            *self = Folding::default();
        }
        if self.failed.is_none() {
            let applied = Study::apply_stored(&mut self.study, payload);
            self.failed = applied.err().map(|error| match error {
                StoredError::Unreadable(source) => LogError::Record { seq, source },
                StoredError::Impossible(source) => LogError::Fold { seq, source },
            });
        }
    }

    /// Returns the state after all records.
    pub(crate) fn finish(self) -> Result<Study, LogError> {
        match (self.failed, self.study) {
            (Some(error), _) => Err(error),
            (None, Some(study)) => Ok(study),
            (None, None) => Err(LogError::Fold { seq: 0, source: FoldError::Empty }),
        }
    }
}

/// Folds stored records into a study.
pub(crate) fn fold(stored: &[StoredRecord]) -> Result<Study, LogError> {
    let mut folding = Folding::default();
    stored.iter().for_each(|stored| folding.apply(stored.seq, &stored.payload));
    folding.finish()
}

/// Folds the records of a store into a study, from a snapshot on where there is one; returns how many records
/// that was made from, too.
pub(crate) fn fold_store(store: &dyn Store) -> Result<(Study, u64), LogError> {
    let known = store.snapshot(&snapshot_format());
    let known = known.and_then(|(records, bytes)| Some((records, Study::from_snapshot(&bytes)?)));
    let (records, study) = known.unzip();
    let (mut folding, known) = (Folding::from(study), records.unwrap_or(0));
    store.visit(known + 1, &mut |seq, payload| folding.apply(seq, payload))?;
    Ok((folding.finish()?, known))
}

/// Names what snapshots of studies hold.
pub(crate) fn snapshot_format() -> String {
    format!("study of event format {EVENT_FORMAT}")
}

/// Reads stored records.
pub(crate) fn records(stored: &[StoredRecord]) -> Result<Vec<Record>, LogError> {
    stored.iter().map(read).collect()
}

fn read(stored: &StoredRecord) -> Result<Record, LogError> {
    let seq = stored.seq;
    Record::from_json(&stored.payload).map_err(|source| LogError::Record { seq, source })
}

fn encode(record: &Record) -> Vec<u8> {
    serde_json::to_vec(record).expect("an event has only plain values, which always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Algorithm, Params};
    use automl_store::{MemoryStore, SledStore};

    /// Takes one append and no more.
    struct OneAppend(Option<MemoryStore>);

    impl Store for OneAppend {
        fn append(&mut self, payloads: &[Vec<u8>]) -> Result<u64, StoreError> {
            let mut store = self.0.take().expect("there is only one append");
            store.append(payloads)
        }

        fn visit(&self, _: u64, _: &mut dyn FnMut(u64, &[u8])) -> Result<(), StoreError> {
            Ok(())
        }

        fn last_seq(&self) -> u64 {
            0
        }
    }

    #[test]
    fn a_study_and_what_it_begins_with_are_one_step() {
        let first = crate::study::created(automl_testkit::settings(Algorithm::Random));
        let store = Box::new(OneAppend(Some(MemoryStore::new())));
        let enqueued = [Event::Enqueued { params: Params::default(), wish: None }];
        let log = EventLog::create(store, first, enqueued).unwrap();
        assert_eq!((log.study().queue.len(), log.pending.len()), (1, 0));
    }

    #[test]
    fn snapshots_change_nothing_but_the_time_it_takes() {
        let root = tempfile::tempdir().unwrap();
        let dir = crate::StudyDir::new(root.path(), "s");
        let first = crate::study::created(automl_testkit::settings(Algorithm::Random));
        let store = Box::new(SledStore::create(dir.path()).unwrap());
        let mut log = EventLog::create(store, first, []).unwrap();
        let begun = automl_testkit::Log::new(automl_testkit::settings(Algorithm::Random));
        let begun = begun.suggest(1).start(1, 1, 9);
        begun.records.into_iter().skip(1).for_each(|record| log.record(record.at, record.event).unwrap());
        for line in 1..=SNAPSHOT_EVENTS + 50 {
            let values = [("acc".to_string(), 1.0 / line as f64)].into();
            let (trial, attempt) = (automl_core::TrialId(1), automl_core::AttemptNumber(1));
            log.record(9, Event::Measured { trial, attempt, source: 0, line, step: Some(line), values })
                .unwrap();
            if line % 500 == 0 {
                log.commit().unwrap();
            }
        }
        log.commit().unwrap();
        let expected = log.study().clone();
        drop(log);

        let snapshot = dir.path().join("snapshot");
        let whole = std::fs::read(&snapshot).unwrap();
        let (store, _) = SledStore::open(dir.path()).unwrap();
        let (folded, known) = fold_store(&store).unwrap();
        assert!(folded == expected && known >= SNAPSHOT_EVENTS && known < store.last_seq(), "{known}");
        drop(store);
        let damaged = [whole.as_slice(), &whole[..whole.len() / 2], b"", b"{}\n"];
        for content in damaged.into_iter().map(Some).chain([None]) {
            match content {
                Some(content) => std::fs::write(&snapshot, content).unwrap(),
                None => std::fs::remove_file(&snapshot).unwrap(),
            }
            assert!(crate::view(&dir).unwrap().study == expected);
            let (store, _) = SledStore::open(dir.path()).unwrap();
            assert!(EventLog::open(Box::new(store)).unwrap().study == expected);
        }
    }
}
