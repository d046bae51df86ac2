//! Power fails at each step of an append, and the disk keeps some of what was not synced.

use automl_store::{SledStore, Store};

use crate::power::{drawing, losses};
use crate::support::{assert_opens_with, payloads};

/// Outcomes of one loss that are tried.
const DRAWS: u64 = 2;

#[test]
fn nothing_acknowledged_is_lost_with_the_power() {
    let dir = tempfile::tempdir().unwrap();
    let losses = losses(&dir.path().join("study"), [3, 1, 40, 2], payloads).unwrap();
    assert!(losses.len() >= 4 * 5, "{}", losses.len());
    for (case, loss) in losses.iter().enumerate() {
        for seed in 0..DRAWS {
            let left = tempfile::tempdir().unwrap();
            loss.leave(left.path(), drawing(case as u64 * DRAWS + seed)).unwrap();
            let (store, _) = SledStore::open(left.path()).unwrap();
            let found = store.last_seq();
            drop(store);
            assert!(found == loss.acknowledged || found == loss.begun, "case {case}, seed {seed}: {found}");
            assert_opens_with(left.path(), found);
        }
    }
}
