//! One engine per study, across processes.

use std::fs;
use std::time::{Duration, Instant};

use automl_store::{LockError, SledStore, StoreError, StudyLock, read_journal, running_engine};

use crate::child::Helper;
use crate::support::study_with;

#[test]
fn second_engine_learns_the_pid_of_the_first() {
    let dir = study_with(5);
    let mut engine = Helper::start("lock", dir.path());
    assert_eq!(engine.hear().as_deref(), Some("held"));
    let pid = engine.process.id();

    let refused = StudyLock::acquire(dir.path()).unwrap_err();
    assert!(matches!(&refused, LockError::Held { pid: p, .. } if *p == pid), "{refused}");
    let info = running_engine(dir.path()).unwrap();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The 22nd field; the second one, the name in brackets, may hold blanks.
    let started = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
    let of_system = |path: &str| fs::read_to_string(path).unwrap().trim().to_string();
    let boot = of_system("/proc/sys/kernel/random/boot_id");
    let host = of_system("/proc/sys/kernel/hostname");
    assert_eq!((info.pid, info.start_ticks, info.boot_id, info.host), (pid, started, boot, host));
    assert!(matches!(SledStore::open(dir.path()), Err(StoreError::Busy { .. })));
    assert_eq!(read_journal(dir.path()).unwrap().records.len(), 5, "readers do not care");
}

#[test]
fn killed_engine_is_taken_over_at_once() {
    let dir = study_with(5);
    let mut engine = Helper::start("lock", dir.path());
    assert_eq!(engine.hear().as_deref(), Some("held"));
    let pid = engine.process.id();
    // Not waited for: a zombie has lost its locks, and its number still exists.
    engine.process.kill().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while running_engine(dir.path()).is_some() {
        assert!(Instant::now() < deadline, "the killed engine still counts as running");
        std::thread::yield_now();
    }
    let lock = StudyLock::acquire(dir.path()).unwrap();
    assert_eq!(lock.taken_over().map(|info| info.pid), Some(pid));
    let (_store, recovery) = SledStore::open(dir.path()).unwrap();
    assert_eq!(recovery.notes, Vec::<String>::new());
}

#[test]
fn open_store_refuses_a_second_opening() {
    let dir = study_with(1);
    let (store, _) = SledStore::open(dir.path()).unwrap();
    assert!(matches!(SledStore::open(dir.path()), Err(StoreError::Busy { .. })));
    drop(store);
    SledStore::open(dir.path()).unwrap();
}
