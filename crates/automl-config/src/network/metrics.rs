//! Section `metrics`: what the network reports and which of it counts.
//!
//! Beside the format's keys, `direction` (`minimize` or `maximize`) may state what is good for the
//! monitoring metric, in place of guessing it from the name.

use crate::fields::{Fields, strings, wrong_type};
use crate::node::{Data, Node};
use crate::pattern::Pattern;
use crate::problem::{Code, Report};
use automl_core::Direction;

/// Metrics of a network.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metrics {
    /// Names it may report; empty where any name will do.
    pub(crate) available: Vec<String>,
    /// The metric that counts; of a list in the file, the first. `None` where the user must choose.
    pub(crate) monitoring: Option<String>,
    /// Direction of the monitoring metric, where the file states it.
    pub(crate) direction: Option<Direction>,
    /// Further names it may report. They match names, not log lines.
    pub(crate) patterns: Vec<Pattern>,
}

impl Metrics {
    pub(super) fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, "metrics", report)?;
        let metrics = Metrics {
            available: fields.strings("available_metrics", report),
            monitoring: read_monitoring(&mut fields, report),
            direction: read_direction(&mut fields, report),
            patterns: read_patterns(&mut fields, report),
        };
        fields.close_leniently(report);
        Some(metrics)
    }

    /// Tells whether the network may report a metric of that name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        let undeclared = self.available.is_empty() && self.patterns.is_empty();
        let monitored = self.monitoring.as_deref() == Some(name);
        undeclared
            || monitored
            || self.available.iter().any(|m| m == name)
            || self.patterns.iter().any(|p| p.matches(name))
    }
}

fn read_monitoring(fields: &mut Fields<'_>, report: &mut Report) -> Option<String> {
    let path = fields.path_of("monitoring_metric");
    let node = fields.node("monitoring_metric")?;
    match &node.data {
        Data::Str(name) => Some(name.clone()),
        Data::Seq(_) => strings(node, &path, report).into_iter().next(),
        _ => wrong_type(node, &path, "a text, a list of texts or null", report),
    }
}

fn read_direction(fields: &mut Fields<'_>, report: &mut Report) -> Option<Direction> {
    let path = fields.path_of("direction");
    let node = fields.node("direction")?;
    match node.as_str() {
        Some("minimize") => Some(Direction::Minimize),
        Some("maximize") => Some(Direction::Maximize),
        _ => wrong_type(node, &path, "`minimize` or `maximize`", report),
    }
}

fn read_patterns(fields: &mut Fields<'_>, report: &mut Report) -> Vec<Pattern> {
    let path = fields.path_of("dynamic_metric_patterns");
    let Some(node) = fields.node("dynamic_metric_patterns") else { return Vec::new() };
    let Some(items) = node.items() else {
        return wrong_type(node, &path, "a list of patterns", report).unwrap_or_default();
    };
    let with_index = items.iter().enumerate();
    with_index.filter_map(|(i, item)| read_pattern(item, &format!("{path}[{i}]"), report)).collect()
}

/// Reads and compiles one regular expression.
pub(super) fn read_pattern(node: &Node, path: &str, report: &mut Report) -> Option<Pattern> {
    let Some(text) = node.as_str() else { return wrong_type(node, path, "a regular expression", report) };
    match Pattern::new(text) {
        Ok(pattern) => Some(pattern),
        Err(why) => {
            report.error(node.at, path, Code::BadValue, why);
            None
        }
    }
}
