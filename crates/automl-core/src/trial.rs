//! One trial: its values, its attempts, what they reported, and where it stands.

use crate::event::{AttemptEnd, Origin};
use crate::further::Further;
use crate::ids::{AttemptNumber, Fidelity, TrialId};
use crate::progress::Arrival;
use crate::value::Params;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Where a trial stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrialState {
    /// Waits for a slot: new, or to be tried again.
    Queued,
    /// An attempt is running.
    Running,
    /// Reached a rung below the largest fidelity and waits to be promoted; its process has ended.
    Paused,
    /// Reached the largest fidelity.
    Complete,
    /// Ended early on purpose.
    Stopped,
    /// Failed for good.
    Failed,
    /// Broke a constraint; tells the models where not to look.
    Infeasible,
}

impl TrialState {
    /// All states, in the order in which they are listed to users.
    pub const ALL: [TrialState; 7] = [
        TrialState::Queued,
        TrialState::Running,
        TrialState::Paused,
        TrialState::Complete,
        TrialState::Stopped,
        TrialState::Failed,
        TrialState::Infeasible,
    ];

    /// Tells whether the trial can never run again.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            TrialState::Queued | TrialState::Running | TrialState::Paused => false,
            TrialState::Complete | TrialState::Stopped | TrialState::Failed | TrialState::Infeasible => true,
        }
    }
}

impl fmt::Display for TrialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TrialState::Queued => "queued",
            TrialState::Running => "running",
            TrialState::Paused => "paused",
            TrialState::Complete => "complete",
            TrialState::Stopped => "stopped",
            TrialState::Failed => "failed",
            TrialState::Infeasible => "infeasible",
        })
    }
}

/// A trial as the log tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its number.
    pub id: TrialId,
    /// Its values.
    pub params: Params,
    /// Bracket it belongs to, where the scheduler has brackets.
    pub bracket: Option<u32>,
    /// Who proposed it and why.
    pub origin: Origin,
    /// Where it stands.
    pub state: TrialState,
    /// Its attempts, oldest first; attempt n is at index n − 1.
    pub attempts: Vec<Attempt>,
    /// Objective value at each fidelity it reached.
    pub reached: BTreeMap<Fidelity, f64>,
    /// Further objectives and constraints at each fidelity it reached; no entry where there are none.
    pub further: BTreeMap<Fidelity, Further>,
    /// Where it comes from, if it is none of the study's own.
    pub foreign: Option<Foreign>,
    /// Checkpoint of the highest fidelity it reached.
    pub checkpoint: Option<String>,
    /// Whose checkpoint it began from, if from another trial's and as long as it can.
    pub inherited: Option<Inherited>,
    /// Why its checkpoint could not be used when it was needed last, if that ever happened.
    pub checkpoint_lost: Option<String>,
    /// Bytes of its checkpoints when its last attempt ended, where they were counted.
    pub checkpoint_bytes: Option<u64>,
    /// Why its running attempt is being stopped, if it is.
    pub stopping: Option<String>,
    /// What its checkpoints were deleted but for, if they were.
    pub dropped: Option<Dropped>,
    /// Why it failed, was stopped or is waiting.
    pub reason: Option<String>,
    /// How often it failed by itself.
    pub failures: u32,
    /// How often the machine lost it.
    pub losses: u32,
    /// When it was suggested (milliseconds since 1970).
    pub suggested_at: u64,
    /// When its last attempt ended.
    pub ended_at: Option<u64>,
}

/// That a trial's checkpoints were given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The one that stays.
    pub keep: Option<String>,
    /// Why the others could go.
    pub reason: String,
}

/// The checkpoint of another trial that a trial began from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// The other trial.
    pub from: TrialId,
    /// Fidelity that it was trained to.
    pub fidelity: Fidelity,
    /// The other trial's checkpoint, where files are kept.
    pub source: Option<String>,
}

/// Where a trial comes from that another study or program has finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// Its source, for people.
    pub source: String,
    /// Whether its result was measured like the study's own.
    pub comparable: bool,
}

impl Trial {
    /// Tells whether its results can be compared with the study's own.
    #[must_use]
    pub fn is_comparable(&self) -> bool {
        self.foreign.as_ref().is_none_or(|foreign| foreign.comparable)
    }

    /// Returns the objective value at the highest fidelity reached.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.reached.last_key_value().map(|(_, value)| *value)
    }

    /// Returns the highest fidelity reached.
    #[must_use]
    pub fn fidelity(&self) -> Option<Fidelity> {
        self.reached.last_key_value().map(|(fidelity, _)| *fidelity)
    }

    /// Returns how far its model has been trained: the highest fidelity it reached, or that of the checkpoint it
    /// begins from.
    #[must_use]
    pub fn trained(&self) -> Option<Fidelity> {
        self.fidelity().or(self.inherited.as_ref().map(|inherited| inherited.fidelity))
    }

    /// Returns the number that the next attempt gets.
    #[must_use]
    pub fn next_attempt(&self) -> AttemptNumber {
        AttemptNumber(self.attempts.len() as u32 + 1)
    }

    /// Returns the attempt that is running.
    #[must_use]
    pub fn running_attempt(&self) -> Option<&Attempt> {
        self.attempts.last().filter(|a| a.end.is_none())
    }

    /// Returns the last value of every metric over all attempts, newest attempt first.
    #[must_use]
    pub fn metrics(&self) -> BTreeMap<String, f64> {
        let mut metrics = BTreeMap::new();
        for attempt in self.attempts.iter().rev() {
            for name in attempt.series.names() {
                if let (false, Some(value)) = (metrics.contains_key(name), attempt.series.last(name)) {
                    metrics.insert(name.to_string(), value);
                }
            }
        }
        metrics
    }

    /// Returns the readings of a metric over all successful and running attempts, in order.
    #[must_use]
    pub fn curve(&self, metric: &str) -> Vec<(Option<u64>, f64)> {
        self.counting_attempts().flat_map(|a| a.series.readings(metric).iter().copied()).collect()
    }
}

/// One run of the program for a trial.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// Its number.
    pub number: AttemptNumber,
    /// Fidelity at which it shall end.
    pub until: Fidelity,
    /// Checkpoint it carried on from.
    pub resume_from: Option<String>,
    /// Slot it occupies or occupied.
    pub slot: u32,
    /// Bytes that each log held before it started.
    pub log_offsets: Vec<u64>,
    /// Who works on it, where trials are handed out to workers.
    pub worker: Option<String>,
    /// Why this trial and no other, where a model chose it.
    pub why: Option<String>,
    /// When it was decided to start it (milliseconds since 1970).
    pub started_at: u64,
    /// When its end was recorded.
    pub ended_at: Option<u64>,
    /// What its logs reported.
    pub series: Series,
    /// How it ended.
    pub end: Option<AttemptEnd>,
}

impl Attempt {
    /// Makes an attempt from the beginning of a trial to a fidelity, of which nothing is known yet.
    #[must_use]
    pub fn new(number: AttemptNumber, until: Fidelity) -> Self {
        Attempt {
            number,
            until,
            resume_from: None,
            slot: 0,
            log_offsets: Vec::new(),
            worker: None,
            why: None,
            started_at: 0,
            ended_at: None,
            series: Series::default(),
            end: None,
        }
    }
}

/// Readings of an attempt by metric and log.
///
/// Logs are read concurrently, so their order of arrival means nothing: for each metric the log of
/// the highest precedence that ever mentioned it counts, and the others are ignored.
///
/// Sorted lists, not maps: most attempts have one log and few metrics, and a map's smallest node alone is
/// larger than their readings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// By name, then log.
    pub(crate) metrics: Vec<Metric>,
    /// Last line by log.
    pub(crate) last_line: Vec<(u16, u64)>,
    /// Reports of the objective that went further than those before, with their place in the log.
    pub(crate) arrivals: Vec<Arrival>,
}

/// A metric as one log tells it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) source: u16,
    /// `(step, value)` in order.
    pub(crate) readings: Vec<(Option<u64>, f64)>,
}

impl Series {
    /// Adds the readings of one line of log number `source`.
    pub fn push<'a>(
        &mut self,
        source: u16,
        line: u64,
        step: Option<u64>,
        values: impl IntoIterator<Item = (&'a str, f64)>,
    ) {
        match self.last_line.binary_search_by_key(&source, |(source, _)| *source) {
            Ok(at) => self.last_line[at].1 = line,
            Err(at) => insert(&mut self.last_line, at, (source, line)),
        }
        for (name, value) in values {
            let of = |metric: &Metric| metric.name.as_str().cmp(name).then(metric.source.cmp(&source));
            match self.metrics.binary_search_by(of) {
                Ok(at) => self.metrics[at].readings.push((step, value)),
                Err(at) => {
                    let metric = Metric { name: name.to_owned(), source, readings: vec![(step, value)] };
                    insert(&mut self.metrics, at, metric);
                }
            }
        }
    }

    /// Gives back the room for readings that will not come.
    pub(crate) fn shrink(&mut self) {
        self.metrics.iter_mut().for_each(|metric| metric.readings.shrink_to_fit());
        self.arrivals.shrink_to_fit();
    }

    /// Notes that the objective was reported at a step, and the place of that among all reports.
    pub(crate) fn arrive(&mut self, step: u64, order: u64) {
        if self.arrivals.last().is_none_or(|last| last.step < step) {
            self.arrivals.push(Arrival { step, order });
        }
    }

    /// Returns the reports of the objective that went further than those before.
    pub(crate) fn arrivals(&self) -> impl Iterator<Item = Arrival> + '_ {
        self.arrivals.iter().copied()
    }

    /// Returns the last line of a log whose readings have been recorded (0 for none), so that a reader
    /// starting over knows what to skip.
    #[must_use]
    pub fn last_line(&self, source: u16) -> u64 {
        self.last_line.iter().find(|(of, _)| *of == source).map_or(0, |(_, line)| *line)
    }

    /// Returns the names of all metrics, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.metrics.chunk_by(|a, b| a.name == b.name).map(|logs| logs[0].name.as_str())
    }

    /// Returns a metric's readings `(step, value)` in order.
    #[must_use]
    pub fn readings(&self, metric: &str) -> &[(Option<u64>, f64)] {
        let first = self.metrics.partition_point(|known| known.name.as_str() < metric);
        self.metrics.get(first).filter(|known| known.name == metric).map_or(&[], |known| &known.readings)
    }

    /// Returns a metric's last value.
    #[must_use]
    pub fn last(&self, metric: &str) -> Option<f64> {
        self.readings(metric).last().map(|(_, value)| *value)
    }
}

/// Inserts into a list that rarely grows, without room for more.
fn insert<T>(list: &mut Vec<T>, at: usize, item: T) {
    list.reserve_exact(1);
    list.insert(at, item);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(value: f64) -> [(&'static str, f64); 1] {
        [("loss", value)]
    }

    #[test]
    fn preferred_log_wins_in_any_order() {
        let mut one = Series::default();
        one.push(1, 1, Some(1), values(0.33));
        one.push(0, 1, Some(1), values(0.3333));
        let mut other = Series::default();
        other.push(0, 1, Some(1), values(0.3333));
        other.push(1, 1, Some(1), values(0.33));
        assert_eq!(one.last("loss"), Some(0.3333));
        assert_eq!(one, other);
    }

    #[test]
    fn last_lines_are_kept_by_log() {
        let mut series = Series::default();
        series.push(1, 4, None, values(1.0));
        series.push(1, 9, None, values(2.0));
        assert_eq!((series.last_line(0), series.last_line(1)), (0, 9));
    }
}
