//! Writes that fail, and go on when there is space again.

use automl_store::{SledStore, Store};

use crate::child::Helper;
use crate::support::study_with;

fn check(spare: u64) {
    let dir = study_with(100);
    let mut helper = Helper::start_without_file_signal(&format!("fill {spare}"), dir.path());
    let error = helper.hear().expect("the child reports the refused append");
    assert!(error.contains(dir.path().to_str().unwrap()), "names the file: {error}");
    let last: u64 = helper.hear().expect("the child counts its records").parse().unwrap();
    assert!(last >= 100);
    assert_eq!(helper.hear().as_deref(), Some("done"), "spare {spare}");
    assert!(helper.process.wait().unwrap().success());
    let (store, recovery) = SledStore::open(dir.path()).unwrap();
    assert_eq!((store.last_seq(), recovery.notes), (last + 3, vec![]));
}

#[test]
fn append_goes_on_when_the_disk_has_space_again() {
    for spare in [0, 4096, 300_000, 700_000] {
        check(spare);
    }
}
