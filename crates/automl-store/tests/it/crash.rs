//! A process that appends is killed at random moments.

use automl_store::{SledStore, Store, read_journal};

use crate::child::Helper;
use crate::support::{assert_records, copy_of, database};

const ROUNDS: u64 = 15;
/// Kills happen after up to so many acknowledgements, at no fixed place in the next append.
const ACKNOWLEDGEMENTS_MAX: u64 = 40;

#[test]
fn killed_process_loses_nothing_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    drop(SledStore::create(dir.path()).unwrap());
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut helper = Helper::start("append", dir.path());
        // Spread over the range without a generator: 17 and the modulus have no common divisor.
        for _ in 0..=(round * 17 % ACKNOWLEDGEMENTS_MAX) {
            acknowledged = helper.hear().expect("the child appends for ever").parse().unwrap();
        }
        if let Some(last) = helper.kill().last() {
            acknowledged = last.parse().unwrap();
        }

        // Without the database, the journal alone already has everything acknowledged.
        let mirror_only = copy_of(dir.path());
        std::fs::remove_dir_all(database(mirror_only.path())).unwrap();
        let (mirror, _) = SledStore::open(mirror_only.path()).unwrap();
        assert!(mirror.last_seq() >= acknowledged, "round {round}: {} < {acknowledged}", mirror.last_seq());

        let (store, recovery) = SledStore::open(dir.path()).unwrap();
        let records = store.read_all().unwrap();
        let extra = records.len() as u64 - acknowledged;
        assert!(extra <= 9, "round {round}: at most the batch that was under way, not {extra}");
        assert_records(&records, store.last_seq());
        assert_eq!(read_journal(dir.path()).unwrap().records, records, "round {round}: {recovery:?}");
    }
}

#[test]
fn reader_sees_whole_batches_while_a_process_writes() {
    let dir = tempfile::tempdir().unwrap();
    drop(SledStore::create(dir.path()).unwrap());
    let mut helper = Helper::start("append", dir.path());
    // The child appends batches of 1 to 9 records again and again, so these are the ends of batches.
    let batch_ends: std::collections::BTreeSet<u64> = (0..1000)
        .flat_map(|cycle| [0, 1, 3, 6, 10, 15, 21, 28, 36, 45].map(|end| cycle * 45 + end))
        .collect();
    for _ in 0..200 {
        let acknowledged: u64 = helper.hear().expect("the child appends for ever").parse().unwrap();
        let view = read_journal(dir.path()).unwrap();
        let seen = view.records.len() as u64;
        assert!(seen >= acknowledged, "{seen} < {acknowledged}");
        assert!(batch_ends.contains(&seen), "{seen} is within a batch");
        assert_eq!(view.damage, None);
        assert_records(&view.records, seen);
    }
}
