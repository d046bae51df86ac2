//! What the tests share: payloads, comparisons, and file damage.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use automl_store::{Recovery, SledStore, Store, StoredRecord, read_journal};
use tempfile::TempDir;

/// The payload that every test uses for record `seq`, so that content proves position.
pub(crate) fn payload(seq: u64) -> Vec<u8> {
    let filler = "x".repeat((seq % 97) as usize);
    format!(r#"{{"event":"told","n":{seq},"note":"{filler}"}}"#).into_bytes()
}

pub(crate) fn payloads(from: u64, to: u64) -> Vec<Vec<u8>> {
    (from..=to).map(payload).collect()
}

pub(crate) fn journal(dir: &Path) -> PathBuf {
    dir.join("events.jsonl")
}

pub(crate) fn database(dir: &Path) -> PathBuf {
    dir.join("store")
}

/// A log with `n` records, appended in batches of 1, 2, 3, ... 7, 1, ..., as a killed process leaves it.
pub(crate) fn study_with(n: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let _store = store_with(n, dir.path());
    copy_of(dir.path())
}

/// An open store of such a log.
pub(crate) fn store_with(n: u64, dir: &Path) -> SledStore {
    let mut store = SledStore::create(dir).unwrap();
    let mut size = 0;
    while store.last_seq() < n {
        size = size % 7 + 1;
        let first = store.last_seq() + 1;
        store.append(&payloads(first, n.min(first + size - 1))).unwrap();
    }
    store
}

/// Size of the files of a log's database.
pub(crate) fn database_bytes(dir: &Path) -> u64 {
    let files = fs::read_dir(database(dir)).unwrap().map(Result::unwrap);
    files.filter_map(|file| file.metadata().ok().filter(|data| data.is_file())).map(|data| data.len()).sum()
}

/// Appends records in batches of one size; returns the size of their JSON.
pub(crate) fn append(store: &mut SledStore, records: u64, batch: u64) -> u64 {
    let mut json = 0;
    while store.last_seq() < records {
        let first = store.last_seq() + 1;
        let batch = payloads(first, first + batch - 1);
        json += batch.iter().map(|payload| payload.len() as u64).sum::<u64>();
        store.append(&batch).unwrap();
    }
    json
}

/// Checks that records are dense, from 1 to `n`, and each the one that belongs there.
pub(crate) fn assert_records(records: &[StoredRecord], n: u64) {
    assert_eq!(records.len() as u64, n);
    for (record, seq) in records.iter().zip(1..) {
        assert_eq!(record.seq, seq);
        assert_eq!(record.payload, payload(seq), "content of record {seq}");
    }
}

/// Opens a store, checks that both copies hold exactly `n` records, and that a further append works
/// and is there after another opening without repair.
pub(crate) fn assert_opens_with(dir: &Path, n: u64) -> Recovery {
    let (mut store, recovery) = SledStore::open(dir).unwrap();
    assert_eq!((recovery.records, store.last_seq()), (n, n), "{recovery:?}");
    assert_records(&store.read_all().unwrap(), n);
    let view = read_journal(dir).unwrap();
    assert_eq!((view.torn_tail_bytes, &view.damage), (0, &None));
    assert_records(&view.records, n);
    assert_eq!(store.append(&[payload(n + 1)]).unwrap(), n + 1);
    drop(store);
    let (store, again) = SledStore::open(dir).unwrap();
    assert_eq!(again, Recovery { records: n + 1, ..Recovery::default() }, "nothing left to repair");
    assert_records(&store.read_all().unwrap(), n + 1);
    recovery
}

pub(crate) fn cut(path: &Path, len: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

pub(crate) fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

/// Copies a closed study, so that one preparation serves many kinds of damage.
pub(crate) fn copy_of(study: &Path) -> TempDir {
    fn copy(from: &Path, to: &Path) {
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            let target = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                fs::create_dir(&target).unwrap();
                copy(&entry.path(), &target);
            } else {
                fs::copy(entry.path(), &target).unwrap();
            }
        }
    }
    let dir = tempfile::tempdir().unwrap();
    copy(study, dir.path());
    dir
}

/// Removes the block of the database that holds a record; returns the first record in it.
pub(crate) fn remove_block_of(dir: &Path, seq: u64) -> u64 {
    let db = open_sled(dir);
    let (key, _) = db.range(..=seq.to_be_bytes().as_slice()).next_back().unwrap().unwrap();
    // The key may be that of a later part.
    let first = &key[..8];
    db.remove(first).unwrap().unwrap();
    u64::from_be_bytes(first.try_into().unwrap())
}

/// Opens the database of a study with the settings that the store makes databases with.
pub(crate) fn open_sled(dir: &Path) -> sled::Db {
    sled::Config::new().path(database(dir)).segment_size(32 << 10).open().unwrap()
}

/// Names in a folder that contain `part`.
pub(crate) fn names_with(dir: &Path, part: &str) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(part)).collect()
}
