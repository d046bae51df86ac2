//! Damage to one copy, which the other repairs.

use std::fs;
use std::path::Path;

use automl_store::{SledStore, Store, read_journal};

use crate::support::{
    assert_opens_with, assert_records, copy_of, cut, database, journal, names_with, open_sled, overwrite,
    payload, payloads, remove_block_of, study_with,
};

const RECORDS: u64 = 300;

fn len(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn journal_cut_anywhere_is_completed() {
    let dir = study_with(60);
    let shrinking = copy_of(dir.path());
    let text = fs::read(journal(dir.path())).unwrap();
    // Opening a database takes milliseconds, so every cut is checked by reading, some by opening too.
    for at in (text.len() - 4096..text.len()).rev() {
        cut(&journal(shrinking.path()), at as u64);
        let view = read_journal(shrinking.path()).unwrap();
        let whole_lines = text[..at].iter().filter(|&&b| b == b'\n').count() - 2;
        assert!(view.records.len() <= whole_lines && view.records.len() + 7 > whole_lines);
        assert_records(&view.records, view.records.len() as u64);
        assert_eq!(view.damage, None, "cut at {at}");
        if at % 256 == 0 || at > text.len() - 8 {
            cut(&journal(dir.path()), at as u64);
            let (store, recovery) = SledStore::open(dir.path()).unwrap();
            assert_eq!((store.last_seq(), recovery.torn_tail_bytes), (60, view.torn_tail_bytes));
            assert_eq!(recovery.to_journal, 60 - view.records.len() as u64);
            drop(store);
            fs::write(journal(dir.path()), &text).unwrap();
        }
    }
    assert_opens_with(dir.path(), 60);
}

#[test]
fn garbage_behind_the_journal_is_cut_off() {
    for garbage in [
        &b"\0\0\0\0"[..],
        b"{\"seq\":61,",
        b"\n\n\n",
        &[0xfe; 70_000],
        b"{\"seq\":9,\"crc\":\"00000000\",\"event\":{}}\n",
    ] {
        let dir = study_with(20);
        let text = [fs::read(journal(dir.path())).unwrap(), garbage.to_vec()].concat();
        fs::write(journal(dir.path()), text).unwrap();
        let recovery = assert_opens_with(dir.path(), 20);
        assert_eq!(recovery.torn_tail_bytes, garbage.len() as u64);
        assert_eq!(recovery.notes.len(), 1, "{recovery:?}");
    }
}

#[test]
fn damage_within_the_journal_keeps_the_old_file() {
    let dir = study_with(RECORDS);
    overwrite(&journal(dir.path()), len(&journal(dir.path())) / 2, &[0; 4096]);
    let before = fs::read(journal(dir.path())).unwrap();
    let damage = read_journal(dir.path()).unwrap().damage.unwrap();
    assert!(damage.contains("damaged behind record"), "{damage}");
    let recovery = assert_opens_with(dir.path(), RECORDS);
    assert!(recovery.to_journal > 0 && recovery.notes[0].contains("events.jsonl.damaged-1"), "{recovery:?}");
    assert_eq!(fs::read(dir.path().join("events.jsonl.damaged-1")).unwrap(), before);
}

#[test]
fn missing_or_headless_journal_is_written_again() {
    let dir = study_with(RECORDS);
    let id = read_journal(dir.path()).unwrap().store_id;
    fs::remove_file(journal(dir.path())).unwrap();
    assert_eq!(assert_opens_with(dir.path(), RECORDS).to_journal, RECORDS);
    overwrite(&journal(dir.path()), 5, b"????");
    let recovery = assert_opens_with(dir.path(), RECORDS + 1);
    assert!(recovery.notes[0].contains("first line"), "{recovery:?}");
    cut(&journal(dir.path()), 0);
    assert_eq!(assert_opens_with(dir.path(), RECORDS + 2).to_journal, RECORDS + 2);
    assert_eq!(names_with(dir.path(), "events.jsonl.damaged").len(), 2);
    assert_eq!(read_journal(dir.path()).unwrap().store_id, id, "it is still the same log");
}

#[test]
fn missing_database_is_rebuilt() {
    let dir = study_with(RECORDS);
    fs::remove_dir_all(database(dir.path())).unwrap();
    let recovery = assert_opens_with(dir.path(), RECORDS);
    assert_eq!((recovery.from_journal, recovery.notes.len()), (RECORDS, 1));

    fs::remove_file(database(dir.path()).join("db")).unwrap();
    let recovery = assert_opens_with(dir.path(), RECORDS + 1);
    assert!(recovery.notes[0].contains("store.damaged-1"), "{recovery:?}");
}

#[test]
fn cut_snapshot_of_sled_costs_nothing() {
    let closed = study_with(RECORDS);
    let _open = SledStore::open(closed.path()).unwrap();
    let prepared = copy_of(closed.path());
    for percent in [0, 50] {
        let dir = copy_of(prepared.path());
        let snapshots = names_with(&database(dir.path()), "snap.");
        assert!(!snapshots.is_empty(), "sled writes a snapshot when it opens");
        for name in &snapshots {
            let path = database(dir.path()).join(name);
            cut(&path, len(&path) * percent / 100);
        }
        let recovery = assert_opens_with(dir.path(), RECORDS);
        assert!(recovery.notes[0].contains("snapshot"), "{recovery:?}");
        assert_eq!((recovery.from_journal, names_with(dir.path(), "damaged").len()), (0, 0));
    }
}

#[test]
fn database_zeroed_or_cut_anywhere_is_rebuilt() {
    let prepared = study_with(3000);
    let db_len = len(&database(prepared.path()).join("db"));
    let mut rebuilt = 0;
    for step in 0..12 {
        let dir = copy_of(prepared.path());
        let db = database(dir.path()).join("db");
        let at = db_len * step / 12;
        if step % 3 == 2 {
            cut(&db, at)
        } else {
            overwrite(&db, at, &[0; 4096])
        }
        if step % 2 == 0 {
            for name in names_with(&database(dir.path()), "snap.") {
                fs::remove_file(database(dir.path()).join(name)).unwrap();
            }
        }
        let recovery = assert_opens_with(dir.path(), 3000);
        rebuilt += u32::from(recovery.from_journal > 0);
    }
    assert!(rebuilt >= 4, "only {rebuilt} of 12 kinds of damage were noticed at all");
}

#[test]
fn database_that_opens_empty_is_rebuilt() {
    let dir = study_with(RECORDS);
    fs::remove_dir_all(database(dir.path())).unwrap();
    drop(open_sled(dir.path()));
    let recovery = assert_opens_with(dir.path(), RECORDS);
    assert!(recovery.notes[0].contains("empty database"), "{recovery:?}");
}

#[test]
fn lagging_database_takes_over_what_the_journal_has() {
    let dir = study_with(20);
    let older = copy_of(dir.path());
    let (mut store, _) = SledStore::open(dir.path()).unwrap();
    store.append(&payloads(21, 33)).unwrap();
    drop(store);
    fs::copy(journal(dir.path()), journal(older.path())).unwrap();
    let recovery = assert_opens_with(older.path(), 33);
    assert_eq!((recovery.from_journal, recovery.to_journal), (13, 0));
}

#[test]
fn both_copies_damaged_behind_different_records_still_give_the_longer_one() {
    let dir = study_with(RECORDS);
    let removed = remove_block_of(dir.path(), 200);
    let text = fs::read(journal(dir.path())).unwrap();
    let at = text.windows(9).position(|w| w == br#""n":100,""#).unwrap();
    overwrite(&journal(dir.path()), at as u64, b"?");
    assert!(removed > 100, "{removed}");
    assert!(SledStore::open(dir.path()).is_err(), "the last records are lost");
    let (store, recovery) = SledStore::salvage(dir.path()).unwrap();
    assert_eq!(store.last_seq(), removed - 1, "{recovery:?}");
    assert_records(&store.read_all().unwrap(), removed - 1);
}

#[test]
fn batch_that_never_became_whole_is_removed_from_the_database() {
    let dir = study_with(10);
    let db = open_sled(dir.path());
    // What a crash between the parts of a large append leaves: records beyond the last number.
    db.insert(11u64.to_be_bytes(), payload(11)).unwrap();
    db.insert([&11u64.to_be_bytes()[..], &[0, 1]].concat(), "rest").unwrap();
    drop(db);
    let recovery = assert_opens_with(dir.path(), 10);
    assert_eq!(recovery.notes, ["removed an unfinished batch from store/"]);
}

#[test]
fn interrupted_creation_is_an_empty_log() {
    let dir = study_with(0);
    fs::remove_dir_all(database(dir.path())).unwrap();
    assert_opens_with(dir.path(), 0);
}
