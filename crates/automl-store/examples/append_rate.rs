//! Measures durable appends beside the disk's own `fdatasync`, and reading 100 000 records.
//!
//! `cargo run --release -p automl-store --example append_rate [FOLDER]`; the folder (default: the
//! current one) decides which disk is measured.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use automl_store::{SledStore, Store, read_journal};

/// How long each rate is measured.
const SPAN: Duration = Duration::from_secs(3);
/// Records of the reading measurement, of `PAYLOAD_BYTES` each.
const RECORDS: usize = 100_000;
const PAYLOAD_BYTES: usize = 200;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let root = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("."), PathBuf::from);
    let dir = tempfile::tempdir_in(root)?;
    let mut out = std::io::stdout().lock();

    let mut plain = File::create(dir.path().join("plain"))?;
    let disk = measure(|| Ok(plain.write_all(&payload()).and_then(|()| plain.sync_data())?))?;
    writeln!(out, "write + fdatasync    {}", disk.describe(1))?;

    for batch in [1, 8] {
        let mut store = SledStore::create(&dir.path().join(format!("batch-{batch}")))?;
        let payloads = vec![payload(); batch];
        let append = measure(|| Ok(store.append(&payloads).map(drop)?))?;
        writeln!(out, "append, batch of {batch}   {}", append.describe(batch))?;
    }

    let study = dir.path().join("large");
    SledStore::create(&study)?.append(&vec![payload(); RECORDS])?;
    let start = Instant::now();
    let (store, _) = SledStore::open(&study)?;
    writeln!(out, "open {RECORDS} records   {:.3} s", start.elapsed().as_secs_f64())?;
    let start = Instant::now();
    assert_eq!(store.read_all()?.len(), RECORDS);
    writeln!(out, "read_all             {:.3} s", start.elapsed().as_secs_f64())?;
    let start = Instant::now();
    assert_eq!(read_journal(&study)?.records.len(), RECORDS);
    writeln!(out, "read_journal         {:.3} s", start.elapsed().as_secs_f64())?;
    Ok(())
}

/// A JSON object of [`PAYLOAD_BYTES`] bytes.
fn payload() -> Vec<u8> {
    let frame = br#"{"note":""}"#.len();
    format!(r#"{{"note":"{}"}}"#, "x".repeat(PAYLOAD_BYTES - frame)).into_bytes()
}

/// Times of one piece of work. On a busy machine the median shows the scheduler, the lower tenth the
/// disk.
struct Times {
    lower_tenth_ms: f64,
    median_ms: f64,
}

impl Times {
    fn describe(&self, records: usize) -> String {
        let rate = |ms: f64| 1000.0 / ms * records as f64;
        format!(
            "median {:.3} ms = {:.0} records/s, lower tenth {:.3} ms = {:.0} records/s",
            self.median_ms,
            rate(self.median_ms),
            self.lower_tenth_ms,
            rate(self.lower_tenth_ms)
        )
    }
}

/// Repeats `work` for [`SPAN`].
fn measure(mut work: impl FnMut() -> Outcome<()>) -> Outcome<Times> {
    let mut times = Vec::new();
    let end = Instant::now() + SPAN;
    while Instant::now() < end {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(Times { lower_tenth_ms: times[times.len() / 10], median_ms: times[times.len() / 2] })
}
