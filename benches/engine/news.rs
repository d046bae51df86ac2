//! How soon the first metric that a trial prints is a durable event.
//!
//! The trial prints the time as its metric, in microseconds since 1970; this program reads the journal, which is
//! written when the event is durable, without a pause. A trial alone, and among others that print all the time.

use crate::study::{Workplace, median, this_program};
use std::collections::BTreeSet;
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const PROGRAM: &str = "print-the-time";

const TRIALS: u32 = 40;
/// Pauses before the first metric, after it, and between the later ones.
const SILENCE: Duration = Duration::from_millis(137);
const REST: Duration = Duration::from_millis(53);
const LATER: u32 = 8;

/// What a trial does.
pub(crate) fn program() {
    sleep(SILENCE);
    for _ in 0..LATER {
        println!("loss: {}", now_us());
        std::io::stdout().flush().expect("a log that can be written");
        sleep(REST);
    }
}

pub(crate) fn measure() {
    for parallel in [1, 20] {
        let delays = first_delays_ms(parallel);
        let worst = delays.iter().copied().fold(0.0, f64::max);
        println!(
            "first metric to event {:8.1} ms median, {worst:.0} ms worst (target 50; {parallel} at a time)",
            median(delays)
        );
    }
}

fn first_delays_ms(parallel: u32) -> Vec<f64> {
    let place = Workplace::new();
    let program = this_program();
    let mut engine = place.start(TRIALS, parallel, &[&program, PROGRAM, "{x}"]);
    let (mut heard, mut seen, mut delays) = (BTreeSet::new(), 0, Vec::new());
    while engine.try_wait().expect("a child of ours").is_none() {
        let records = place.events();
        let now = now_us();
        for event in records[seen..].iter().map(|record| &record["event"]) {
            let trial = event["trial"].as_u64();
            if event["event"] == "measured" && heard.insert(trial) {
                let printed = event["values"]["loss"].as_f64().expect("the metric is a number");
                delays.push((now as f64 - printed) / 1e3);
            }
        }
        seen = records.len();
        sleep(Duration::from_millis(1));
    }
    delays
}

fn now_us() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_micros()
}
