//! Time to fold a log into a study: `cargo bench -p automl --bench replay`.
//!
//! 1,000 trials with 20 measurements each: what opening such a study costs beside reading the file.

use automl_core::{Algorithm, Event, Record, Study};
use automl_testkit::{Log, settings};
use criterion::{Criterion, criterion_group, criterion_main};

const TRIALS: u64 = 1_000;
const MEASUREMENTS: u64 = 20;

fn records() -> Vec<Record> {
    let mut log = Log::new(settings(Algorithm::Random));
    for trial in 1..=TRIALS {
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
    let records = records();
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

criterion_group!(benches, replay);
criterion_main!(benches);
