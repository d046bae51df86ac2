//! How much of another one's budget a sampler needs to be as good as that one is at its end.
//!
//! A run has *reached* the goal when its regret is at most that of the other one's last incumbent, and stays there: an
//! incumbent that is lost again, because another trial got further and is worse, does not count. A run that never
//! gets there counts as one that needs for ever, which medians can bear.

use crate::race::Outcome;
use crate::statistics::FLOOR;

/// After how many evaluations a run's regret is at most `goal` for good; `None` where it is not at its end.
pub(crate) fn reached(outcome: &Outcome, evaluations: u64, goal: f64) -> Option<u64> {
    let met = |regret: f64| regret.max(FLOOR) <= goal.max(FLOOR);
    let within = outcome.trace.iter().filter(|(count, _)| *count <= evaluations);
    let mut since = None;
    for (count, regret) in within {
        since = if met(*regret) { since.or(Some(*count)) } else { None };
    }
    since
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(trace: &[(u64, f64)]) -> Outcome {
        Outcome { trace: trace.to_vec(), finished: 9, failed: 0, seconds: 0.0 }
    }

    #[test]
    fn goal_is_reached_when_it_is_held() {
        let run = outcome(&[(0, 2.0), (3, 0.2), (5, 0.4), (8, 0.1), (12, 0.15), (30, 0.9)]);
        assert_eq!(reached(&run, 20, 0.3), Some(8));
        assert_eq!(reached(&run, 20, 0.1), None);
        assert_eq!(reached(&run, 20, 0.15), Some(8));
        assert_eq!(reached(&run, 30, 0.3), None);
        assert_eq!(reached(&run, 4, 0.3), Some(3));
    }

    #[test]
    fn tiny_regrets_are_equal() {
        assert_eq!(reached(&outcome(&[(0, 2.0), (7, 9e-5)]), 20, 0.0), Some(7));
    }
}
