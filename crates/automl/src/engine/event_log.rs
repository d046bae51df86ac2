//! The study's state together with its durable log.
//!
//! Events are applied at once and collected; [`EventLog::commit`] makes all of them durable in one
//! step. Nothing may be done about an event before the commit that holds it has returned.

use automl_core::{Event, FoldError, Record, Study};
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

/// A study and its log.
pub(crate) struct EventLog {
    store: Box<dyn Store>,
    study: Study,
    pending: Vec<Record>,
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
        let mut log = EventLog { store, study, pending: vec![first] };
        more.into_iter().try_for_each(|event| log.record(at, event))?;
        log.commit()?;
        Ok(log)
    }

    /// Opens the log of an existing study.
    pub(crate) fn open(store: Box<dyn Store>) -> Result<Self, LogError> {
        let study = fold(&store.read_all()?)?;
        Ok(EventLog { store, study, pending: Vec::new() })
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

    /// Applies an event and keeps it for the next commit.
    pub(crate) fn record(&mut self, at: u64, event: Event) -> Result<(), LogError> {
        let record = Record { at, event };
        let seq = self.store.last_seq() + self.pending.len() as u64 + 1;
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
        self.study = fold(&self.store.read_all()?)?;
        Ok(())
    }

    /// Makes everything recorded durable and returns it. After an error the records are still
    /// pending, and the call may be repeated.
    pub(crate) fn commit(&mut self) -> Result<Vec<Record>, LogError> {
        if !self.pending.is_empty() {
            let payloads: Vec<Vec<u8>> = self.pending.iter().map(encode).collect();
            self.store.append(&payloads)?;
        }
        Ok(std::mem::take(&mut self.pending))
    }
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

/// Folds stored records into a study.
pub(crate) fn fold(stored: &[StoredRecord]) -> Result<Study, LogError> {
    let mut study = None;
    for stored in stored {
        let seq = stored.seq;
        let record = read(stored)?;
        EventLog::fold_one(&mut study, &record).map_err(|source| LogError::Fold { seq, source })?;
    }
    study.ok_or(LogError::Fold { seq: 0, source: FoldError::Empty })
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
    use automl_store::MemoryStore;

    /// Takes one append and no more.
    struct OneAppend(Option<MemoryStore>);

    impl Store for OneAppend {
        fn append(&mut self, payloads: &[Vec<u8>]) -> Result<u64, StoreError> {
            let mut store = self.0.take().expect("there is only one append");
            store.append(payloads)
        }

        fn read_all(&self) -> Result<Vec<StoredRecord>, StoreError> {
            Ok(Vec::new())
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
}
