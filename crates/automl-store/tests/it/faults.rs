//! Disks that fail at every step of an append.

use automl_store::{Fault, Operation, SledStore, Store, inspect, with_faults};

use crate::support::{assert_records, payloads, study_with};

const RECORDS: u64 = 20;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;

/// Lets the first `times` operations of a kind fail, the first with `written` bytes on the disk.
fn plan(operation: Operation, fault: Fault, times: usize) -> impl FnMut(Operation) -> Option<Fault> {
    let mut left = times;
    move |asked| {
        // A cut is only asked for after a write has failed.
        let hit =
            asked == operation || (operation == Operation::JournalCut && asked == Operation::JournalWrite);
        let struck = hit && left > 0;
        left -= usize::from(struck);
        struck.then_some(fault)
    }
}

fn faults() -> Vec<(Operation, Fault, usize)> {
    let mut all = Vec::new();
    for operation in Operation::ALL {
        for (errno, written) in [(EIO, 0), (ENOSPC, 0), (EIO, 1), (ENOSPC, 100), (EIO, usize::MAX)] {
            for times in [1, 3] {
                let part = matches!(operation, Operation::JournalWrite | Operation::JournalCut);
                if part || written == 0 {
                    all.push((operation, Fault { errno, written }, times));
                }
            }
        }
    }
    all
}

#[test]
fn refused_append_changes_nothing_and_the_next_one_works() {
    for (operation, fault, times) in faults() {
        let what = format!("{operation:?} {fault:?} {times}");
        let dir = study_with(RECORDS);
        let (mut store, _) = SledStore::open(dir.path()).unwrap();
        let refused = with_faults(plan(operation, fault, times), || {
            let mut refused = 0;
            while store.append(&payloads(RECORDS + 1, RECORDS + 4)).is_err() {
                refused += 1;
                assert_eq!(store.last_seq(), RECORDS, "{what}");
                assert_records(&store.read_all().unwrap(), RECORDS);
            }
            refused
        });
        assert!((1..=times).contains(&refused), "{what}: refused {refused} times");
        assert_records(&store.read_all().unwrap(), RECORDS + 4);
        drop(store);
        let found = inspect(dir.path()).unwrap();
        assert_eq!((&found.defects[..], &found.remarks[..]), (&[][..], &[][..]), "{what}");
        assert_records(&found.records, RECORDS + 4);
    }
}

#[test]
fn engine_that_ends_after_a_refusal_loses_nothing_and_leaves_no_half_batch() {
    for (operation, fault, times) in faults() {
        let what = format!("{operation:?} {fault:?} {times}");
        let dir = study_with(RECORDS);
        let (mut store, _) = SledStore::open(dir.path()).unwrap();
        with_faults(plan(operation, fault, times), || {
            assert!(store.append(&payloads(RECORDS + 1, RECORDS + 4)).is_err(), "{what}");
            drop(store);
        });
        let (store, _) = SledStore::open(dir.path()).unwrap();
        let found = store.read_all().unwrap();
        assert!([RECORDS, RECORDS + 4].contains(&(found.len() as u64)), "{what}: {} records", found.len());
        assert_records(&found, found.len() as u64);
    }
}
