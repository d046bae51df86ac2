//! Files that end early, at places sampled over their last 64 KB. `examples/durability.rs` tries all.

use std::fs;
use std::path::Path;

use automl_store::{SledStore, Store, read_journal};

use crate::support::{assert_records, copy_of, cut, database, journal, study_with};

const RECORDS: u64 = 900;
const TAIL: u64 = 64 << 10;

/// Places to cut at, `count` of them, spread unevenly so that they fall into all parts of a line.
fn places(path: &Path, count: u64) -> impl Iterator<Item = u64> + use<> {
    let len = fs::metadata(path).unwrap().len();
    let first = len.saturating_sub(TAIL);
    (0..count).map(move |n| first + (n * 7919 + 13) * (len - first) / (count * 7919 + 13))
}

#[test]
fn journal_alone_gives_the_longest_beginning_of_whole_batches() {
    let prepared = study_with(RECORDS);
    fs::remove_dir_all(database(prepared.path())).unwrap();
    for at in places(&journal(prepared.path()), 20) {
        let dir = copy_of(prepared.path());
        cut(&journal(dir.path()), at);
        let whole = read_journal(dir.path()).unwrap().records.len() as u64;
        let (store, recovery) = SledStore::open(dir.path()).unwrap();
        assert_eq!((store.last_seq(), recovery.from_journal), (whole, whole), "cut at {at}");
        assert_records(&store.read_all().unwrap(), whole);
    }
}

#[test]
fn cut_database_costs_no_record() {
    let prepared = study_with(RECORDS);
    for at in places(&database(prepared.path()).join("db"), 12) {
        let dir = copy_of(prepared.path());
        cut(&database(dir.path()).join("db"), at);
        let (store, _) = SledStore::open(dir.path()).unwrap();
        assert_records(&store.read_all().unwrap(), RECORDS);
    }
}

#[test]
fn both_cut_give_what_the_better_one_has() {
    let prepared = study_with(RECORDS);
    let ends = places(&database(prepared.path()).join("db"), 8);
    for (at, journal_at) in ends.zip(places(&journal(prepared.path()), 8)) {
        let dir = copy_of(prepared.path());
        cut(&database(dir.path()).join("db"), at);
        cut(&journal(dir.path()), journal_at);
        let whole = read_journal(dir.path()).unwrap().records.len() as u64;
        let (store, _) = SledStore::salvage(dir.path()).unwrap();
        assert!(store.last_seq() >= whole, "cut at {at} and {journal_at}");
        assert_records(&store.read_all().unwrap(), store.last_seq());
    }
}
