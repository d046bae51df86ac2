//! Patterns of whole lines, for programs that print their metrics in a form of their own.
//!
//! A pattern's named groups say what is what: `epoch`, `step` and `iteration` place the line, `value`
//! is the value of the metric in group `name` or, without one, of the monitored metric; any other
//! group is the value of the metric it is called after. A metric that a pattern gives is read by
//! patterns only.
//!
//! Patterns that tell why a program fails are searched for in the same pass: all of them are one automaton.

use std::collections::BTreeSet;

use regex::bytes::{Captures, Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::number::number_from_str;
use crate::position;
use crate::rules::{MATCHES_NOTHING, PATTERN_SIZE_LIMIT, RuleError, check_pattern};

/// The group with a value that is named elsewhere.
const VALUE: &str = "value";
/// The group with the name of the metric.
const NAME: &str = "name";

/// Compiled line patterns, all searched for at once.
#[derive(Debug)]
pub(crate) struct LinePatterns {
    /// Patterns of values, then those of failures.
    set: RegexSet,
    patterns: Vec<Regex>,
    /// Metrics that are read by patterns only.
    given: BTreeSet<String>,
    /// What a lone `value` is the value of.
    monitored: Option<String>,
}

/// What the patterns found in a line.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct LineFindings {
    /// Everything that value patterns found, in the order of patterns and groups.
    pub(crate) items: Vec<Item>,
    /// Numbers of the failure patterns that match.
    pub(crate) failures: Vec<usize>,
}

/// What a pattern of values found in a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// A number that places the line, by the name of its counter.
    Counter(String, f64),
    /// The value of a metric.
    Value(String, f64),
}

impl LinePatterns {
    /// Compiles the patterns of values and those of failures, which have been checked.
    pub(crate) fn compile(
        patterns: &[String],
        failures: &[String],
        monitored: Option<&String>,
    ) -> Result<Self, RuleError> {
        for (index, pattern) in patterns.iter().enumerate() {
            check_pattern("line", index, pattern)?;
        }
        let count = patterns.len() + failures.len();
        let too_large = |_| RuleError::PatternsTooLarge { count, limit_bytes: PATTERN_SIZE_LIMIT };
        let all = patterns.iter().chain(failures);
        let set = RegexSetBuilder::new(all).size_limit(PATTERN_SIZE_LIMIT).build().map_err(too_large)?;
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

    /// Whether a metric is read by patterns only.
    pub(crate) fn gives(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// Whether a failure pattern can match anything.
    pub(crate) fn has_failure(&self, pattern: usize) -> bool {
        self.set.patterns().get(self.patterns.len() + pattern).is_some_and(|text| text != MATCHES_NOTHING)
    }

    /// Returns everything that the patterns find in a line.
    pub(crate) fn find(&self, line: &[u8]) -> LineFindings {
        let mut found = LineFindings::default();
        // Most lines match nothing, which is told without looking for all that match.
        if !self.set.is_match(line) {
            return found;
        }
        for index in self.set.matches(line) {
            match self.patterns.get(index) {
                None => found.failures.push(index - self.patterns.len()),
                Some(regex) => {
                    let captures = regex.captures(line);
                    captures.iter().for_each(|captures| self.collect(regex, captures, &mut found.items));
                }
            }
        }
        found
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
        LinePatterns::compile(&patterns, &["oops".into(), "oo".into()], Some(&"score".to_string()))
    }

    #[test]
    fn groups_say_what_is_what() {
        let patterns = compile(&[
            r"^ep (?<epoch>\d+): (?<name>\w+) is (?<value>\S+)",
            r"best (?<value>[\d.]+)",
            r"L(?<val_loss>[\d.]+)",
        ])
        .unwrap();
        let found = patterns.find(b"ep 3: acc is 0.5 best 0.75 L0.25").items;
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
        assert_eq!(compile(&[r"best (?<value>\w+)"]).unwrap().find(b"best ever").items, []);
    }

    #[test]
    fn failures_are_found_beside_values() {
        let patterns = compile(&[r"best (?<value>[\d.]+)"]).unwrap();
        assert_eq!(patterns.find(b"oops").failures, [0, 1]);
        assert_eq!(patterns.find(b"best 0.5, too bad").failures, [1]);
        assert_eq!(patterns.find(b"best 0.5").failures, [0; 0]);
    }

    #[test]
    fn pattern_without_a_value_is_refused() {
        let error = compile(&[r"best (\d+)"]).unwrap_err();
        assert!(error.to_string().contains("(?<value>…)"), "{error}");
        assert!(matches!(compile(&["(?<value>"]), Err(RuleError::Pattern { list: "line", column: 1, .. })));
    }
}
