//! Black-box constraints: what a configuration must keep to is known only after it has been tried.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Which side of its bound a constrained metric must stay on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The metric may not exceed the bound.
    #[default]
    AtMost,
    /// The metric may not fall below the bound.
    AtLeast,
}

/// A metric that must stay on one side of a bound for a trial to count as feasible.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// Name of the metric.
    pub metric: String,
    /// Side it must stay on.
    #[serde(default)]
    pub side: Side,
    /// The bound; finite.
    #[serde(default)]
    pub bound: f64,
}

impl Constraint {
    /// Returns the constraint whose metric is itself the violation: at most 0 is feasible.
    #[must_use]
    pub fn named(metric: impl Into<String>) -> Self {
        Constraint { metric: metric.into(), side: Side::AtMost, bound: 0.0 }
    }

    /// Reads `metric<=bound` or `metric>=bound`.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let shape = || format!("`{text}` is no constraint: write METRIC<=NUMBER or METRIC>=NUMBER");
        let at_most = text.split_once("<=").map(|parts| (parts, Side::AtMost));
        let found = at_most.or_else(|| text.split_once(">=").map(|parts| (parts, Side::AtLeast)));
        let ((metric, bound), side) = found.ok_or_else(shape)?;
        let bound = bound.trim().parse::<f64>().ok().filter(|b| b.is_finite()).ok_or_else(shape)?;
        let metric = metric.trim().to_string();
        if metric.is_empty() { Err(shape()) } else { Ok(Constraint { metric, side, bound }) }
    }

    /// Returns how far a value is beyond the bound; at most 0 is feasible.
    #[must_use]
    pub fn violation(&self, value: f64) -> f64 {
        match self.side {
            Side::AtMost => value - self.bound,
            Side::AtLeast => self.bound - value,
        }
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.side {
            Side::AtMost => "<=",
            Side::AtLeast => ">=",
        };
        write!(f, "{} {sign} {}", self.metric, self.bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_are_read() {
        let at_most = Constraint::parse("latency <= 50").unwrap();
        assert_eq!((at_most.violation(40.0), at_most.violation(60.0)), (-10.0, 10.0));
        let at_least = Constraint::parse("acc>=0.5").unwrap();
        assert_eq!((at_least.violation(0.75), at_least.violation(0.25)), (-0.25, 0.25));
        assert_eq!(at_least.to_string(), "acc >= 0.5");
    }

    #[test]
    fn other_texts_are_refused_with_the_shape() {
        for text in ["latency", "latency<50", "<=5", "latency<=x", "latency<=inf", ""] {
            assert!(Constraint::parse(text).unwrap_err().contains("METRIC<=NUMBER"), "{text}");
        }
    }
}
