//! Time to fold a log into a study: `cargo bench -p automl --bench replay`.
//!
//! 1,000 trials with 20 measurements each: what opening such a study costs beside reading the file. And
//! 10,000 of them, opened from the disk as an engine does it (both copies read and compared) and as
//! readers do it (the journal alone). The rate of durable appends beside the disk's own is printed by
//! `cargo run --release -p automl-store --example append_rate`.

use automl_core::{Algorithm, Event, Record, Study};
use automl_store::{SledStore, Store, StoredRecord, read_journal};
use automl_testkit::{Log, settings};
use criterion::{Criterion, criterion_group, criterion_main};

const TRIALS: u64 = 1_000;
const MANY_TRIALS: u64 = 10_000;
const MEASUREMENTS: u64 = 20;

fn records(trials: u64) -> Vec<Record> {
    let mut log = Log::new(settings(Algorithm::Random));
    for trial in 1..=trials {
        log = log.suggest(trial).start(trial, 1, 9);
        for line in 1..=MEASUREMENTS {
            log.push(Event::Measured {
                trial: automl_core::TrialId(trial),
                attempt: automl_core::AttemptNumber(1),
                source: 0,
                line,
                step: Some(line),
                values: [("acc".to_string(), line as f64 / 21.0)].into(),
            });
        }
        log = log.reach(trial, 1, 9, 0.5);
    }
    log.records
}

fn replay(c: &mut Criterion) {
    let records = records(TRIALS);
    let lines: Vec<Vec<u8>> = records.iter().map(|r| serde_json::to_vec(r).expect("plain values")).collect();
    c.bench_function("replay/fold/1000x20", |b| b.iter(|| Study::replay(&records).expect("a sound log")));
    c.bench_function("replay/parse+fold/1000x20", |b| {
        b.iter(|| {
            let parsed: Vec<Record> =
                lines.iter().map(|line| serde_json::from_slice(line).expect("a record")).collect();
            Study::replay(&parsed).expect("a sound log")
        });
    });
}

fn open(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a folder for temporary files");
    let encode = |record: &Record| serde_json::to_vec(record).expect("plain values");
    let payloads: Vec<Vec<u8>> = records(MANY_TRIALS).iter().map(encode).collect();
    SledStore::create(dir.path()).and_then(|mut store| store.append(&payloads)).expect("a disk with space");
    let fold = |stored: Vec<StoredRecord>| {
        let parse = |record: &StoredRecord| serde_json::from_slice(&record.payload).expect("a record");
        Study::replay(&stored.iter().map(parse).collect::<Vec<Record>>()).expect("a sound log")
    };
    let mut group = c.benchmark_group("replay/open+fold/10000x20");
    group.sample_size(10);
    group.bench_function("engine", |b| {
        b.iter(|| fold(SledStore::open(dir.path()).and_then(|(store, _)| store.read_all()).expect("sound")));
    });
    group.bench_function("reader", |b| {
        b.iter(|| fold(read_journal(dir.path()).expect("sound").records));
    });
}

criterion_group!(benches, replay, open);
criterion_main!(benches);
