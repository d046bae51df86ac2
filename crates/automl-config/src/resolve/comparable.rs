//! Whether values of the objective can be compared between the trials of a search.
//!
//! A parameter that rescales what a metric measures (the width of a target, the weight of a loss) makes its
//! values incomparable: a search would find the scale, not the model.

use crate::network::Metrics;
use crate::problem::{Code, Problem};

/// Returns a problem for each parameter across which the metric cannot be compared.
pub(super) fn check(metric: &str, searched: &[String], metrics: &Metrics) -> Vec<Problem> {
    let mut problems = Vec::new();
    for rule in metrics.incomparable.iter().filter(|rule| rule.metrics.iter().any(|m| m.matches(metric))) {
        let across = searched.iter().filter(|name| rule.across.iter().any(|pattern| pattern.matches(name)));
        for name in across {
            let message =
                format!("`{metric}` cannot be compared between values of `{name}`: {}", rule.because);
            let hint = format!(
                "use --metric {}, or leave `{name}` out of the search",
                rule.instead.join(" or --metric ")
            );
            problems.push(Problem::plain("--metric", "", Code::BadValue, message).with_hint(hint));
        }
    }
    problems
}
