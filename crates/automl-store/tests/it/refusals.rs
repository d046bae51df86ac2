//! States in which a log is not opened, and what the user is told.

use std::fs;
use std::path::Path;

use automl_store::{SledStore, Store, StoreError, StudyLock, read_journal};

use crate::support::{
    assert_opens_with, copy_of, database, journal, open_sled, overwrite, payload, study_with,
};

fn refusal(dir: &Path) -> StoreError {
    SledStore::open(dir).map(|(_, recovery)| recovery).expect_err("this may not open")
}

/// Writes a journal header of another format, with its right checksum.
fn set_journal_format(dir: &Path, format: u32) {
    let text = fs::read_to_string(journal(dir)).unwrap();
    let (header, records) = text.split_once('\n').unwrap();
    let id = header.split('"').nth(5).unwrap();
    let body = format!(r#"{{"automl_events":{format},"store":"{id}""#);
    let crc = crc32fast::hash(body.as_bytes());
    fs::write(journal(dir), format!("{body},\"crc\":\"{crc:08x}\"}}\n{records}")).unwrap();
}

#[test]
fn newer_format_asks_for_a_newer_program() {
    let dir = study_with(10);
    set_journal_format(dir.path(), 2);
    assert_eq!(read_journal(dir.path()).unwrap().damage, None, "the helper writes a right header");
    set_journal_format(dir.path(), 7);
    for error in [refusal(dir.path()), read_journal(dir.path()).unwrap_err()] {
        assert!(matches!(error, StoreError::NewerFormat { found: 7, supported: 2, .. }), "{error}");
        assert!(error.to_string().contains("use a newer automl"));
    }
    set_journal_format(dir.path(), 2);
    let db = open_sled(dir.path());
    db.insert("format", &3u32.to_be_bytes()).unwrap();
    drop(db);
    assert!(matches!(refusal(dir.path()), StoreError::NewerFormat { found: 3, .. }));
}

#[test]
fn missing_copies_are_an_error() {
    let dir = study_with(10);
    fs::remove_dir_all(database(dir.path())).unwrap();
    fs::remove_file(journal(dir.path())).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, StoreError::Unreadable { .. }));
    assert!(error.to_string().contains("store/ is missing"), "{error}");
    assert!(matches!(read_journal(dir.path()), Err(StoreError::Io { .. })));

    let never = tempfile::tempdir().unwrap();
    assert!(matches!(refusal(never.path()), StoreError::Unreadable { .. }));
    assert_eq!(fs::read_dir(never.path()).unwrap().count(), 0, "a wrong folder is left as it is");
}

#[test]
fn two_useless_copies_are_left_as_they_are() {
    let dir = study_with(10);
    fs::write(journal(dir.path()), b"no journal").unwrap();
    fs::write(database(dir.path()).join("db"), b"").unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, StoreError::Unreadable { .. }), "{error}");
    assert_eq!(fs::read(journal(dir.path())).unwrap(), b"no journal");
}

#[test]
fn lost_records_are_not_passed_over() {
    let dir = study_with(50);
    fs::remove_dir_all(database(dir.path())).unwrap();
    let text = fs::read(journal(dir.path())).unwrap();
    let middle = text.windows(8).position(|w| w == br#""n":25,""#).unwrap();
    overwrite(&journal(dir.path()), middle as u64, b"?");
    let before = fs::read(journal(dir.path())).unwrap();
    let error = refusal(dir.path());
    let StoreError::Lost { readable, expected: 50, .. } = error else { panic!("{error}") };
    assert!((20..25).contains(&readable), "{readable}: whole batches before record 25");
    assert_eq!(fs::read(journal(dir.path())).unwrap(), before, "refused means untouched");

    let (mut store, recovery) = SledStore::salvage(dir.path()).unwrap();
    assert_eq!((store.last_seq(), recovery.records), (readable, readable));
    store.append(&[payload(readable + 1)]).unwrap();
    drop(store);
    assert_opens_with(dir.path(), readable + 1);
}

#[test]
fn same_number_with_other_content_is_named() {
    let dir = study_with(20);
    fs::remove_dir_all(database(dir.path())).unwrap();
    // A second history of the same log: records 11 and 12 are told differently.
    let other = copy_of(dir.path());
    let text = fs::read_to_string(journal(dir.path())).unwrap();
    let first_ten: String = text.split_inclusive('\n').take(12).collect();
    for (study, note) in [(&dir, "one"), (&other, "two")] {
        fs::write(journal(study.path()), &first_ten).unwrap();
        let (mut store, _) = SledStore::open(study.path()).unwrap();
        let payloads: Vec<_> =
            (11..13).map(|n| format!(r#"{{"n":{n},"note":"{note}"}}"#).into_bytes()).collect();
        store.append(&payloads).unwrap();
    }
    fs::copy(journal(other.path()), journal(dir.path())).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, StoreError::Conflict { seq: 11, .. }), "{error}");
}

#[test]
fn copies_of_two_studies_are_not_mixed() {
    let (dir, other) = (study_with(3), study_with(3));
    fs::copy(journal(other.path()), journal(dir.path())).unwrap();
    assert!(matches!(refusal(dir.path()), StoreError::Mixed { .. }));
}

#[test]
fn existing_log_is_not_created_again() {
    let dir = study_with(3);
    assert!(matches!(SledStore::create(dir.path()), Err(StoreError::Exists { .. })));
    assert_opens_with(dir.path(), 3);
}

#[test]
fn folder_that_cannot_be_written_is_named() {
    // A file in the place of the folder refuses everybody, even root.
    let dir = tempfile::tempdir().unwrap();
    let study = dir.path().join("study");
    fs::write(&study, "a file").unwrap();
    let errors = [
        SledStore::create(&study).unwrap_err().to_string(),
        refusal(&study).to_string(),
        StudyLock::acquire(&study).unwrap_err().to_string(),
        read_journal(&study).unwrap_err().to_string(),
    ];
    for error in errors {
        assert!(error.contains(study.to_str().unwrap()), "{error}");
    }
}
