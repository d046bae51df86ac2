//! Logs that nobody works on: small, with or without a journal, whatever interrupts their being put to rest.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use automl_store::{
    JournalFollower, LogCopy, SledStore, Store, StoreError, inspect, open_journal, read_journal,
};
use tempfile::TempDir;

use crate::child::Helper;
use crate::support::{
    append, assert_opens_with, assert_records, copy_of, cut, database, database_bytes, journal, names_with,
    payload, payloads, remove_block_of, store_with, study_with,
};

/// A log at rest that has no journal.
fn lone_study_with(n: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(n, dir.path());
    store.keep_journal(false);
    drop(store);
    assert!(!journal(dir.path()).exists());
    dir
}

fn seen(follower: &mut JournalFollower) -> (u64, Vec<u64>) {
    let mut seen = Vec::new();
    let found = follower.follow(|seq, content| {
        assert_eq!(content, payload(seq));
        seen.push(seq);
    });
    (found.unwrap().records, seen)
}

#[test]
fn database_at_rest_takes_no_more_than_twice_its_records() {
    // What an empty database takes: less than the first event of a study.
    const EMPTY: u64 = 512;
    for records in [1, 5, 20, 60, 150, 400] {
        let dir = tempfile::tempdir().unwrap();
        let json = append(&mut SledStore::create(dir.path()).unwrap(), records, 1);
        let taken = database_bytes(dir.path());
        assert!(taken < EMPTY + json, "{records} records: {taken} bytes for {json}");
        assert_eq!(names_with(dir.path(), "store."), ["store.lock"], "nothing else is left");
        SledStore::open(dir.path()).unwrap().0.keep_journal(false);
        let taken = database_bytes(dir.path());
        assert!(taken < EMPTY + 2 * json, "{records} records without a journal: {taken} bytes for {json}");
        assert_opens_with(dir.path(), records);
    }
}

#[test]
fn log_without_a_journal_is_read_from_its_database() {
    let dir = lone_study_with(300);
    assert_records(&read_journal(dir.path()).unwrap().records, 300);
    let mut follower = JournalFollower::new(dir.path());
    assert_eq!(seen(&mut follower), (300, (1..=300).collect()));
    assert_eq!(seen(&mut follower), (300, vec![]), "the same text serves again");

    let (mut store, recovery) = SledStore::open(dir.path()).unwrap();
    assert_eq!(recovery.notes, Vec::<String>::new(), "nothing was amiss");
    assert!(journal(dir.path()).exists(), "there is one for the time of the work");
    store.append(&payloads(301, 302)).unwrap();
    assert_eq!(seen(&mut follower), (302, (1..=302).collect()), "another file");
    store.keep_journal(false);
    drop(store);
    assert!(!journal(dir.path()).exists());
    assert_eq!(seen(&mut follower).0, 302);
    assert_opens_with(dir.path(), 302);
    assert!(journal(dir.path()).exists(), "it stays unless it is asked to go");
}

#[test]
fn text_without_a_journal_is_a_journal() {
    let dir = lone_study_with(50);
    let mut text = Vec::new();
    open_journal(dir.path()).unwrap().read_to_end(&mut text).unwrap();
    let other = tempfile::tempdir().unwrap();
    File::create(journal(other.path())).unwrap().write_all(&text).unwrap();
    let recovery = assert_opens_with(other.path(), 50);
    assert_eq!(recovery.from_journal, 50);
}

#[test]
fn journal_removed_on_purpose_is_no_defect_and_any_other_is() {
    let dir = lone_study_with(50);
    let found = inspect(dir.path()).unwrap();
    assert_eq!((found.defects, found.records.len(), found.journal.present), (vec![], 50, false));

    let dir = study_with(50);
    fs::remove_file(journal(dir.path())).unwrap();
    assert_eq!(inspect(dir.path()).unwrap().defects[0].copy, Some(LogCopy::Journal));
    let error = read_journal(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error}");
}

#[test]
fn records_lost_without_a_journal_are_named() {
    let dir = lone_study_with(400);
    let left = remove_block_of(dir.path(), 390) - 1;
    assert!(left > 0);
    let lost = |error: StoreError| match error {
        StoreError::Lost { readable, expected, .. } => (readable, expected),
        other => panic!("{other}"),
    };
    assert_eq!(lost(read_journal(dir.path()).unwrap_err()), (left, 400));
    let found = inspect(dir.path()).unwrap();
    assert_eq!((found.records.len() as u64, found.lost, found.defects.len()), (left, 400 - left, 1));
    assert_eq!(lost(SledStore::open(dir.path()).unwrap_err()), (left, 400));
    let (store, _) = SledStore::salvage(dir.path()).unwrap();
    assert_records(&store.read_all().unwrap(), left);
    drop(store);
    assert_opens_with(dir.path(), left);
}

#[test]
fn study_that_went_to_another_process_is_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(20, dir.path());
    store.keep_journal(false);
    fs::OpenOptions::new().append(true).open(journal(dir.path())).unwrap().write_all(b"{}\n").unwrap();
    let (text, files) = (fs::read(journal(dir.path())).unwrap(), database_bytes(dir.path()));
    drop(store);
    assert_eq!(fs::read(journal(dir.path())).unwrap(), text);
    assert!(database_bytes(dir.path()) >= files, "nor is the database packed");
}

#[test]
fn interrupted_exchange_of_databases_is_settled() {
    let moved = |dir: &Path, from: &str, to: &str| fs::rename(dir.join(from), dir.join(to)).unwrap();
    let half = |dir: &Path, name: &str| {
        fs::create_dir(dir.join(name)).unwrap();
        fs::write(dir.join(name).join("db"), "half").unwrap();
    };
    let states: [&dyn Fn(&Path); 4] = [
        &|dir| half(dir, "store.new"),
        &|dir| {
            half(dir, "store.new");
            moved(dir, "store", "store.old");
        },
        &|dir| moved(dir, "store", "store.old"),
        &|dir| half(dir, "store.old"),
    ];
    let whole = study_with(30);
    for state in states {
        let dir = copy_of(whole.path());
        state(dir.path());
        let recovery = assert_opens_with(dir.path(), 30);
        assert_eq!(recovery.notes, Vec::<String>::new());
        assert_eq!(names_with(dir.path(), "store."), ["store.lock"]);
    }
}

#[test]
fn snapshot_goes_with_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with(10, dir.path());
    store.keep_snapshot("test", b"state").unwrap();
    store.keep_journal(false);
    drop(store);
    assert_eq!(JournalFollower::new(dir.path()).begin_with_snapshot("test"), None);
    assert_eq!(names_with(dir.path(), "snapshot"), Vec::<String>::new());
}

#[test]
fn process_killed_while_it_puts_a_log_to_rest_loses_nothing() {
    const ROUNDS: u64 = 25;
    let dir = tempfile::tempdir().unwrap();
    drop(SledStore::create(dir.path()).unwrap());
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut helper = Helper::start("rest", dir.path());
        for _ in 0..=(round % 3) {
            acknowledged = helper.hear().expect("the child goes on for ever").parse().unwrap();
        }
        if let Some(last) = helper.kill().last() {
            acknowledged = last.parse().unwrap();
        }
        let read = read_journal(dir.path()).unwrap().records;
        assert!(read.len() as u64 >= acknowledged, "round {round}");
        let (store, _) = SledStore::open(dir.path()).unwrap();
        let records = store.read_all().unwrap();
        assert!((acknowledged..=acknowledged + 3).contains(&(records.len() as u64)), "round {round}");
        assert_records(&records, store.last_seq());
        drop(store);
    }
}

#[test]
fn cut_database_is_mended_from_the_journal_also_when_it_is_packed() {
    let dir = tempfile::tempdir().unwrap();
    drop(store_with(200, dir.path()));
    let db = database(dir.path()).join("db");
    let len = fs::metadata(&db).unwrap().len();
    for at in (0..len).step_by(len as usize / 9) {
        let dir = copy_of(dir.path());
        cut(&database(dir.path()).join("db"), at);
        assert_opens_with(dir.path(), 200);
    }
}
