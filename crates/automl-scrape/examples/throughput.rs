//! Measures how fast a synthetic trainer log of 256 MiB is read, in GiB/s of one core.
//!
//! Run with `cargo run --release -p automl-scrape --example throughput`.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement needs a clock and prints"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use automl_scrape::{MetricRules, Metrics, Scraper, SourceKind};

const LOG_BYTES: usize = 256 << 20;
const CHUNK_BYTES: usize = 64 << 10;
const ROUNDS: usize = 5;

fn main() {
    let monitored = rules(&[]);
    let patterns = rules(&[
        "^mIoU_(small|medium|large)$",
        "^(AP|AP50|AP75|APs|APm|APl|ARmax1|ARmax10|ARmax100|ARs|ARm|ARl)_(bbox|segm)$",
    ]);
    let never_seen = MetricRules { monitoring: vec!["never_printed".into()], ..MetricRules::default() };
    report("names, 5 % metric lines", &monitored, 20);
    report("names, 0.1 % metric lines", &monitored, 1000);
    report("names and patterns, 5 %", &patterns, 20);
    report("metric not seen: every line read", &never_seen, 20);
}

fn rules(patterns: &[&str]) -> MetricRules {
    MetricRules {
        monitoring: vec!["val_loss".into()],
        available: vec!["train_loss".into(), "val_acc".into(), "mIoU".into()],
        dynamic_patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
        line_patterns: Vec::new(),
        failure_patterns: Vec::new(),
    }
}

fn report(title: &str, rules: &MetricRules, lines_per_metric_line: usize) {
    let log = synthetic_log(lines_per_metric_line);
    let metrics = Arc::new(Metrics::compile(rules).expect("the rules are fine"));
    let mut best_s = f64::INFINITY;
    let mut measurements = Vec::new();
    for _ in 0..ROUNDS {
        measurements.clear();
        let started = Instant::now();
        let mut scraper = Scraper::new(&metrics, SourceKind::Text);
        for chunk in log.chunks(CHUNK_BYTES) {
            scraper.push(black_box(chunk), &mut measurements);
        }
        scraper.finish(&mut measurements);
        best_s = best_s.min(started.elapsed().as_secs_f64());
    }
    let gib = log.len() as f64 / f64::from(1 << 30);
    println!("{title:<34} {:6.2} GiB/s  {:8} measurements", gib / best_s, measurements.len());
}

/// Lines as data loaders and loggers print them, with a metric line every so often.
fn synthetic_log(lines_per_metric_line: usize) -> Vec<u8> {
    let mut log = Vec::with_capacity(LOG_BYTES + 256);
    let mut line: usize = 0;
    while log.len() < LOG_BYTES {
        let text = if line % lines_per_metric_line == 1 {
            let epoch = line / lines_per_metric_line;
            format!("Epoch {epoch}: train_loss=0.{line:06}, val_loss=0.{epoch:06} val_acc: 0.{epoch:04}\n")
        } else {
            format!(
                "2026-03-07 09:05:{:02},{:03} - INFO - dataloader: worker {} fetched shard {line} ({} images, {} ms)\n",
                line % 60,
                line % 1000,
                line % 16,
                line % 512,
                line % 77,
            )
        };
        log.extend_from_slice(text.as_bytes());
        line += 1;
    }
    log
}
