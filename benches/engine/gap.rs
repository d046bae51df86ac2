//! How long a slot is idle between the end of one trial's last process and the start of the next program.
//!
//! Both instants are those of the exit records: a millisecond's resolution. A model that is asked for the next
//! configuration takes its time within the gap, as it has to know the last result.

use crate::study::{Workplace, median};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;

const TRIALS: u32 = 60;

pub(crate) fn measure() {
    for (algorithm, parallel) in [("random", 1), ("random", 2), ("auto", 1)] {
        let place = Workplace::new();
        place.run(algorithm, TRIALS, parallel, &["/bin/sh", "-c", "sleep 0.1; echo loss: {x}"]);
        let gaps = gaps_ms(&place);
        let worst = gaps.iter().copied().fold(0.0, f64::max);
        println!(
            "slot idle gap         {:8.1} ms median, {worst:.0} ms worst (target 10; {algorithm}, {TRIALS} trials of 0.1 s, {parallel} at a time)",
            median(gaps)
        );
    }
}

/// Returns the times between two trials of one slot.
fn gaps_ms(place: &Workplace) -> Vec<f64> {
    let mut by_slot: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    for event in place.events().iter().map(|record| &record["event"]) {
        if event["event"] == "attempt_started" {
            let trial = event["trial"].as_u64().expect("trials have numbers");
            let slot = event["slot"].as_u64().expect("attempts have slots");
            by_slot.entry(slot).or_default().push(span(place, trial));
        }
    }
    let gap = |pair: &[(u64, u64)]| pair[1].0.saturating_sub(pair[0].1) as f64;
    by_slot.values().flat_map(|spans| spans.windows(2).map(gap)).collect()
}

/// Returns when the program of a trial's first attempt started and ended.
fn span(place: &Workplace, trial: u64) -> (u64, u64) {
    let path = place.study().join(format!("trials/{trial:05}/attempt-1/exit.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let record: Value = serde_json::from_str(&text).expect("an exit record is JSON");
    let at = |field: &str| record[field].as_u64().expect("the program ran");
    (at("started_ms"), at("ended_ms"))
}
