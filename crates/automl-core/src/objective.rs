//! What is optimised, and how a metric becomes a loss.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::fmt;

/// Whether small or large values of a metric are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Smaller is better.
    Minimize,
    /// Larger is better.
    Maximize,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Minimize => "minimize",
            Direction::Maximize => "maximize",
        })
    }
}

/// The goal of a study: one metric and its direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// Name of the metric as the program's log shows it.
    pub metric: String,
    /// Whether it is minimised or maximised.
    pub direction: Direction,
}

impl Objective {
    /// Returns the goal of small values of a metric.
    pub fn minimize(metric: impl Into<String>) -> Self {
        Objective { metric: metric.into(), direction: Direction::Minimize }
    }

    /// Returns the goal of large values of a metric.
    pub fn maximize(metric: impl Into<String>) -> Self {
        Objective { metric: metric.into(), direction: Direction::Maximize }
    }

    /// Turns a metric value into a loss; `None` for NaN and infinities, which are failures and never
    /// results.
    #[must_use]
    pub fn loss(&self, value: f64) -> Option<Loss> {
        let signed = match self.direction {
            Direction::Minimize => value,
            Direction::Maximize => -value,
        };
        signed.is_finite().then_some(Loss(signed))
    }

    /// Turns a loss back into the metric's own value.
    #[must_use]
    pub fn value(&self, loss: Loss) -> f64 {
        match self.direction {
            Direction::Minimize => loss.0,
            Direction::Maximize => -loss.0,
        }
    }
}

/// A finite number, smaller is better, whatever the metric's direction. Built by [`Objective::loss`]
/// only, so that the sign is flipped in one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss(f64);

impl Loss {
    /// Returns the number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Eq for Loss {}

impl PartialOrd for Loss {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Loss {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_flips_sign_once() {
        let objective = Objective { metric: "acc".into(), direction: Direction::Maximize };
        let loss = objective.loss(0.75).unwrap();
        assert_eq!(loss.get(), -0.75);
        assert_eq!(objective.value(loss), 0.75);
    }

    #[test]
    fn nan_is_never_a_loss() {
        let objective = Objective { metric: "loss".into(), direction: Direction::Minimize };
        assert_eq!(objective.loss(f64::NAN), None);
        assert_eq!(objective.loss(f64::INFINITY), None);
    }
}
