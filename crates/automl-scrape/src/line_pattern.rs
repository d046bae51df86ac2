//! Patterns of whole lines, for programs that print their metrics in a form of their own.
//!
//! A pattern's named groups say what is what: `epoch`, `step` and `iteration` place the line, `value`
//! is the value of the metric in group `name` or, without one, of the monitored metric; any other
//! group is the value of the metric it is called after. A metric that a pattern gives is read by
//! patterns only.

use std::collections::BTreeSet;

use regex::bytes::{Captures, Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::number::number_from_str;
use crate::position;
use crate::rules::{PATTERN_SIZE_LIMIT, RuleError, check_pattern};

/// The group with a value that is named elsewhere.
const VALUE: &str = "value";
/// The group with the name of the metric.
const NAME: &str = "name";

/// Compiled line patterns, all searched for at once.
#[derive(Debug)]
pub(crate) struct LinePatterns {
    set: RegexSet,
    patterns: Vec<Regex>,
    /// Metrics that are read by patterns only.
    given: BTreeSet<String>,
    /// What a lone `value` is the value of.
    monitored: Option<String>,
}

/// What a pattern found in a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// A number that places the line, by the name of its counter.
    Counter(String, f64),
    /// The value of a metric.
    Value(String, f64),
}

impl LinePatterns {
    /// Compiles the patterns.
    pub(crate) fn compile(patterns: &[String], monitored: Option<&String>) -> Result<Self, RuleError> {
        for (index, pattern) in patterns.iter().enumerate() {
            check_pattern("line", index, pattern)?;
        }
        let too_large =
            |_| RuleError::PatternsTooLarge { count: patterns.len(), limit_bytes: PATTERN_SIZE_LIMIT };
        let set = RegexSetBuilder::new(patterns).size_limit(PATTERN_SIZE_LIMIT).build().map_err(too_large)?;
        let build = |pattern: &String| RegexBuilder::new(pattern).size_limit(PATTERN_SIZE_LIMIT).build();
        let compiled = patterns.iter().map(build).collect::<Result<Vec<_>, _>>().map_err(too_large)?;
        let mut given = BTreeSet::new();
        for (index, regex) in compiled.iter().enumerate() {
            let groups: Vec<&str> = regex.capture_names().flatten().collect();
            let values = groups.iter().filter(|group| **group != NAME && !is_counter(group));
            let names: Vec<String> = values
                .filter_map(|group| if *group == VALUE { monitored.cloned() } else { Some((*group).into()) })
                .collect();
            if names.is_empty() && !groups.contains(&NAME) {
                return Err(RuleError::NoValueGroup { index, pattern: patterns[index].clone() });
            }
            given.extend(names.into_iter().filter(|_| !groups.contains(&NAME)));
        }
        Ok(Self { set, patterns: compiled, given, monitored: monitored.cloned() })
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether a metric is read by patterns only.
    pub(crate) fn gives(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// Returns everything that the patterns find in a line, in the order of patterns and groups.
    pub(crate) fn find(&self, line: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        for index in self.set.matches(line) {
            let regex = &self.patterns[index];
            if let Some(captures) = regex.captures(line) {
                self.collect(regex, &captures, &mut items);
            }
        }
        items
    }

    fn collect(&self, regex: &Regex, captures: &Captures<'_>, items: &mut Vec<Item>) {
        let text = |group: &str| captures.name(group).map(|found| String::from_utf8_lossy(found.as_bytes()));
        for group in regex.capture_names().flatten().filter(|group| *group != NAME) {
            let Some(number) = text(group).and_then(|text| number_from_str(text.trim())) else { continue };
            if is_counter(group) {
                items.push(Item::Counter(group.into(), number));
            } else if group != VALUE {
                items.push(Item::Value(group.into(), number));
            } else if let Some(name) = text(NAME).map(|name| name.into_owned()).or(self.monitored.clone()) {
                items.push(Item::Value(name, number));
            }
        }
    }
}

fn is_counter(group: &str) -> bool {
    position::is_counter(group.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile(patterns: &[&str]) -> Result<LinePatterns, RuleError> {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).into()).collect();
        LinePatterns::compile(&patterns, Some(&"score".to_string()))
    }

    #[test]
    fn groups_say_what_is_what() {
        let patterns = compile(&[
            r"^ep (?<epoch>\d+): (?<name>\w+) is (?<value>\S+)",
            r"best (?<value>[\d.]+)",
            r"L(?<val_loss>[\d.]+)",
        ])
        .unwrap();
        let found = patterns.find(b"ep 3: acc is 0.5 best 0.75 L0.25");
        let expected = [
            Item::Counter("epoch".into(), 3.0),
            Item::Value("acc".into(), 0.5),
            Item::Value("score".into(), 0.75),
            Item::Value("val_loss".into(), 0.25),
        ];
        assert_eq!(found, expected);
        assert!(patterns.gives("score") && patterns.gives("val_loss") && !patterns.gives("acc"));
    }

    #[test]
    fn text_without_a_number_is_no_value() {
        assert_eq!(compile(&[r"best (?<value>\w+)"]).unwrap().find(b"best ever"), []);
    }

    #[test]
    fn pattern_without_a_value_is_refused() {
        let error = compile(&[r"best (\d+)"]).unwrap_err();
        assert!(error.to_string().contains("(?<value>…)"), "{error}");
        assert!(matches!(compile(&["(?<value>"]), Err(RuleError::Pattern { list: "line", column: 1, .. })));
    }
}
