//! Section `metrics`: what the network reports and which of it counts.
//!
//! Beside the format's keys, `direction` (`minimize` or `maximize`) may state what is good for the
//! monitoring metric, and `directions` for any metric, in place of guessing it from the name. `incomparable`
//! says across which parameters metrics cannot be compared, `needs` which spec keys a metric takes.

use crate::fields::{Fields, strings, wrong_type};
use crate::node::{Data, Node};
use crate::pattern::Pattern;
use crate::problem::{Code, Report};
use automl_core::Direction;
use serde_json::Value;

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
    /// Directions of single metrics, by name.
    pub(crate) directions: Vec<(String, Direction)>,
    /// Parameters across which metrics cannot be compared.
    pub(crate) incomparable: Vec<Incomparable>,
    /// Spec keys without which the program does not report a metric.
    pub(crate) needs: Vec<Need>,
}

/// Metrics whose values are not comparable between values of some parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Incomparable {
    /// Patterns of the metrics.
    pub(crate) metrics: Vec<Pattern>,
    /// Patterns of the parameters.
    pub(crate) across: Vec<Pattern>,
    /// Why, in words.
    pub(crate) because: String,
    /// Metrics that can be compared.
    pub(crate) instead: Vec<String>,
}

/// What a metric takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Need {
    /// Patterns of the metrics.
    pub(crate) metrics: Vec<Pattern>,
    /// Spec keys and the values that they need.
    pub(crate) set: Vec<(String, Value)>,
}

impl Metrics {
    pub(super) fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, "metrics", report)?;
        let metrics = Metrics {
            available: fields.strings("available_metrics", report),
            monitoring: read_monitoring(&mut fields, report),
            direction: read_direction(&mut fields, report),
            patterns: read_patterns(&mut fields, "dynamic_metric_patterns", report),
            directions: read_directions(&mut fields, report),
            incomparable: read_list(&mut fields, "incomparable", report, Incomparable::read),
            needs: read_list(&mut fields, "needs", report, Need::read),
        };
        fields.close_leniently(report);
        Some(metrics)
    }

    /// Returns what is good for a metric, where the file states it.
    pub(crate) fn direction_of(&self, metric: &str) -> Option<Direction> {
        let own = self.directions.iter().find(|(name, _)| name == metric).map(|(_, direction)| *direction);
        own.or(self.direction.filter(|_| self.monitoring.as_deref() == Some(metric)))
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

impl Incomparable {
    fn read(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, path, report)?;
        let rule = Incomparable {
            metrics: read_patterns(&mut fields, "metrics", report),
            across: read_patterns(&mut fields, "across", report),
            because: fields.required_string("because", report).unwrap_or_default(),
            instead: fields.strings("instead", report),
        };
        fields.close(report);
        Some(rule)
    }
}

impl Need {
    fn read(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, path, report)?;
        let metrics = read_patterns(&mut fields, "metrics", report);
        let entries = fields.required("set", report).and_then(Node::entries).unwrap_or_default();
        let set = entries.iter().filter_map(|e| Some((e.key.clone(), e.value.to_json()?))).collect();
        fields.close(report);
        Some(Need { metrics, set })
    }
}

fn read_list<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    report: &mut Report,
    read: impl Fn(&Node, &str, &mut Report) -> Option<T>,
) -> Vec<T> {
    let path = fields.path_of(key);
    let items = fields.node(key).and_then(Node::items).unwrap_or_default();
    items.iter().enumerate().filter_map(|(i, item)| read(item, &format!("{path}[{i}]"), report)).collect()
}

fn read_directions(fields: &mut Fields<'_>, report: &mut Report) -> Vec<(String, Direction)> {
    let path = fields.path_of("directions");
    let entries = fields.node("directions").and_then(Node::entries).unwrap_or_default();
    let read = |entry: &crate::node::Entry| {
        let direction = direction(&entry.value, &crate::fields::join(&path, &entry.key), report)?;
        Some((entry.key.clone(), direction))
    };
    entries.iter().filter_map(read).collect()
}

fn direction(node: &Node, path: &str, report: &mut Report) -> Option<Direction> {
    match node.as_str() {
        Some("minimize") => Some(Direction::Minimize),
        Some("maximize") => Some(Direction::Maximize),
        _ => wrong_type(node, path, "`minimize` or `maximize`", report),
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
    direction(fields.node("direction")?, &path, report)
}

/// Reads a list of regular expressions.
pub(super) fn read_patterns(fields: &mut Fields<'_>, key: &'static str, report: &mut Report) -> Vec<Pattern> {
    let path = fields.path_of(key);
    let Some(node) = fields.node(key) else { return Vec::new() };
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
