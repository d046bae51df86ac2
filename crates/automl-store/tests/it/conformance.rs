//! What every store does, and that a store on a disk gives back what was put in.

use automl_store::{MAX_PAYLOAD_BYTES, MemoryStore, SledStore, Store, StoreError, read_journal};
use proptest::prelude::*;

use crate::support::{assert_records, payload, payloads, study_with};

fn check(mut store: impl Store) {
    assert_eq!((store.last_seq(), store.read_all().unwrap().len()), (0, 0));
    assert_eq!(store.append(&[]).unwrap(), 0);
    assert_eq!(store.append(&payloads(1, 1)).unwrap(), 1);
    assert_eq!(store.append(&payloads(2, 9)).unwrap(), 9);
    assert_records(&store.read_all().unwrap(), 9);

    let error = store.append(&[payload(10), b"[1]".to_vec()]).unwrap_err();
    assert!(matches!(error, StoreError::BadPayload { index: 1, .. }), "{error}");
    assert_records(&store.read_all().unwrap(), 9);
    assert_eq!(store.append(&[]).unwrap(), 9);
    assert_eq!(store.append(&payloads(10, 10)).unwrap(), 10);

    let odd = br#" {"a":"\u0000 \" }","b":{"seq":1,"crc":"00000000"},"c":"#.trim_ascii().to_vec();
    let odd = [odd, "\"ä𝄞\"}".as_bytes().to_vec()].concat();
    let long = [br#"{"l":""#.to_vec(), vec![b'y'; 100_000], br#""}"#.to_vec()].concat();
    store.append(&[odd.clone(), long.clone(), b"{}".to_vec()]).unwrap();
    let tail: Vec<_> = store.read_all().unwrap().split_off(10);
    assert_eq!(tail.iter().map(|r| r.seq).collect::<Vec<_>>(), [11, 12, 13]);
    assert_eq!(tail.into_iter().map(|r| r.payload).collect::<Vec<_>>(), [odd, long, b"{}".to_vec()]);
}

#[test]
fn memory_store_keeps_the_contract() {
    check(MemoryStore::new());
}

#[test]
fn sled_store_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    check(SledStore::create(dir.path()).unwrap());
    let (store, recovery) = SledStore::open(dir.path()).unwrap();
    assert_eq!((store.last_seq(), recovery.records, recovery.notes), (13, 13, vec![]));
    assert_eq!(store.read_all().unwrap(), read_journal(dir.path()).unwrap().records);
}

#[test]
fn largest_payload_fits_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let filler = MAX_PAYLOAD_BYTES - br#"{"l":""}"#.len();
    let largest = [br#"{"l":""#.to_vec(), vec![b'y'; filler], br#""}"#.to_vec()].concat();
    let mut store = SledStore::create(dir.path()).unwrap();
    store.append(&[largest.clone(), b"{}".to_vec(), largest.clone()]).unwrap();
    drop(store);
    let (store, recovery) = SledStore::open(dir.path()).unwrap();
    assert_eq!(recovery.notes, Vec::<String>::new());
    assert_eq!(store.read_all().unwrap()[2].payload, largest);
    assert_eq!(read_journal(dir.path()).unwrap().records[0].payload, largest);
}

#[test]
fn journal_is_plain_json_lines() {
    let dir = study_with(3);
    let text = std::fs::read_to_string(dir.path().join("events.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines[0]["automl_events"], 2);
    assert_eq!((&lines[1]["epoch"], &lines[1]["pid"]), (&1.into(), &std::process::id().into()));
    assert_eq!((&lines[4]["seq"], &lines[4]["event"]["n"]), (&3.into(), &3.into()));
    assert_eq!(lines[4]["epoch"], 1);
    let mut crc = crc32fast::Hasher::new();
    crc.update(&3u64.to_be_bytes());
    crc.update(&1u64.to_be_bytes());
    crc.update(&payload(3));
    assert_eq!(lines[4]["crc"], format!("{:08x}", crc.finalize()));
}

#[test]
fn large_append_is_one_batch() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = SledStore::create(dir.path()).unwrap();
    assert_eq!(store.append(&payloads(1, 20_000)).unwrap(), 20_000);
    drop(store);
    let (store, recovery) = SledStore::open(dir.path()).unwrap();
    assert_eq!(recovery.notes, Vec::<String>::new());
    assert_records(&store.read_all().unwrap(), 20_000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_batches_come_back_after_reopening(
        sessions in prop::collection::vec(
            prop::collection::vec(prop::collection::vec((any::<String>(), 0usize..20_000), 0..6), 0..5),
            1..4,
        )
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = MemoryStore::new();
        drop(SledStore::create(dir.path()).unwrap());
        for session in &sessions {
            let (mut store, recovery) = SledStore::open(dir.path()).unwrap();
            prop_assert!(recovery.notes.is_empty(), "{:?}", recovery);
            prop_assert_eq!(store.read_all().unwrap(), memory.read_all().unwrap());
            for batch in session {
                let encode = |(text, pad): &(String, usize)| {
                    serde_json::json!({ "text": text, "pad": " ".repeat(*pad) }).to_string().into_bytes()
                };
                let batch: Vec<_> = batch.iter().map(encode).collect();
                prop_assert_eq!(store.append(&batch).unwrap(), memory.append(&batch).unwrap());
            }
        }
        let (store, _) = SledStore::open(dir.path()).unwrap();
        prop_assert_eq!(store.read_all().unwrap(), memory.read_all().unwrap());
        prop_assert_eq!(read_journal(dir.path()).unwrap().records, memory.read_all().unwrap());
    }
}
