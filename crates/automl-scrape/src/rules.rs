//! Which metrics are wanted, as written and as compiled.
//!
//! Everything that can be wrong with the rules is found here, before a trial starts.

use std::collections::BTreeSet;

use regex::{RegexBuilder, RegexSet, RegexSetBuilder};
use regex_automata::util::prefilter::Prefilter;

use crate::candidate;
use crate::line_pattern::LinePatterns;
use crate::names::Names;

/// Largest compiled size of one pattern, and of all together, in bytes.
pub(crate) const PATTERN_SIZE_LIMIT: usize = 16 * 1024 * 1024;

/// A regular expression without a match: an empty class.
pub(crate) const MATCHES_NOTHING: &str = "[a&&b]";

/// Which metrics to look for, as a network's config declares them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetricRules {
    /// Names of which one drives the search, in order of priority.
    pub monitoring: Vec<String>,
    /// Other names worth recording.
    pub available: Vec<String>,
    /// Regular expressions that match metric *names*, never log lines, usually `^...$`.
    ///
    /// A name that matches is recorded as it was printed.
    pub dynamic_patterns: Vec<String>,
    /// Regular expressions of lines of text logs, with named groups: `epoch`, `step` or `iteration`
    /// place the line; `value` is the value of the metric in group `name`, else of the first
    /// monitored one; any other group is the value of the metric it is called after.
    ///
    /// A metric that a line pattern gives is read from text by line patterns only.
    pub line_patterns: Vec<String>,
    /// Regular expressions of lines of text logs that tell why a program fails; see
    /// [`crate::Notes::signs`]. One that needs no text of at least two letters or digits is not looked
    /// for.
    pub failure_patterns: Vec<String>,
}

/// Compiled [`MetricRules`]; build once, share between all scrapers of a study.
#[derive(Debug)]
pub struct Metrics {
    names: Names,
    monitoring: BTreeSet<String>,
    patterns: RegexSet,
    line_patterns: LinePatterns,
    candidates: Option<Prefilter>,
}

impl Metrics {
    /// Compiles all names and patterns.
    ///
    /// Empty rules are allowed; a scraper then only takes notes.
    ///
    /// # Errors
    ///
    /// A blank name, a pattern that is no regular expression, or one that compiles to more than
    /// 16 MiB.
    pub fn compile(rules: &MetricRules) -> Result<Self, RuleError> {
        let wanted = distinct_names(rules)?;
        let patterns = compile_patterns(&rules.dynamic_patterns)?;
        let names = Names::new(wanted);
        let monitored = rules.monitoring.first().map(|name| name.trim().to_owned());
        let failures = findable(&rules.failure_patterns)?;
        let line_patterns = LinePatterns::compile(&rules.line_patterns, &failures, monitored.as_ref())?;
        let searched = rules.dynamic_patterns.iter().chain(&rules.line_patterns);
        let candidates = candidate::prefilter(&names, searched, &rules.failure_patterns);
        let monitoring = rules.monitoring.iter().map(|name| name.trim().to_owned()).collect();
        Ok(Self { names, monitoring, patterns, line_patterns, candidates })
    }

    /// Whether a failure pattern, by its number, is searched for: whether a match needs some text.
    #[must_use]
    pub fn searches_for_failure(&self, pattern: usize) -> bool {
        self.line_patterns.has_failure(pattern)
    }

    pub(crate) fn names(&self) -> &Names {
        &self.names
    }

    /// Whether `name` matches a dynamic pattern.
    pub(crate) fn is_dynamic(&self, name: &str) -> bool {
        self.patterns.is_match(name)
    }

    /// Whether there are dynamic patterns at all.
    pub(crate) fn has_dynamic(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// Patterns of whole lines.
    pub(crate) fn line_patterns(&self) -> &LinePatterns {
        &self.line_patterns
    }

    /// Whether values of `names` include what the search looks at.
    pub(crate) fn monitors_one_of<'a>(&self, mut names: impl Iterator<Item = &'a String>) -> bool {
        self.monitoring.is_empty() || names.any(|name| self.monitoring.contains(name))
    }

    /// Finds text that a line worth reading must hold; `None` where every line must be read.
    pub(crate) fn candidates(&self) -> Option<&Prefilter> {
        self.candidates.as_ref()
    }
}

/// Puts a pattern that matches nothing in the place of each that a jump over quiet lines would miss:
/// what is found must not depend on where a chunk ends.
fn findable(patterns: &[String]) -> Result<Vec<String>, RuleError> {
    let mut findable = Vec::with_capacity(patterns.len());
    for (index, pattern) in patterns.iter().enumerate() {
        check_pattern("failure", index, pattern)?;
        let found = candidate::has_window(pattern);
        findable.push(if found { pattern.clone() } else { MATCHES_NOTHING.into() });
    }
    Ok(findable)
}

fn distinct_names(rules: &MetricRules) -> Result<Vec<String>, RuleError> {
    let mut seen = BTreeSet::new();
    let mut distinct = Vec::new();
    for (list, names) in [("monitoring", &rules.monitoring), ("available", &rules.available)] {
        for (index, name) in names.iter().enumerate() {
            let name = name.trim();
            if name.is_empty() {
                return Err(RuleError::BlankName { list, index });
            }
            if seen.insert(name) {
                distinct.push(name.to_owned());
            }
        }
    }
    Ok(distinct)
}

fn compile_patterns(patterns: &[String]) -> Result<RegexSet, RuleError> {
    for (index, pattern) in patterns.iter().enumerate() {
        check_pattern("dynamic", index, pattern)?;
    }
    RegexSetBuilder::new(patterns)
        .size_limit(PATTERN_SIZE_LIMIT)
        .build()
        .map_err(|_| RuleError::PatternsTooLarge { count: patterns.len(), limit_bytes: PATTERN_SIZE_LIMIT })
}

/// Says what is wrong with a pattern of the `list`.
pub(crate) fn check_pattern(list: &'static str, index: usize, pattern: &str) -> Result<(), RuleError> {
    regex_syntax::Parser::new().parse(pattern).map_err(|error| {
        let (offset, reason) = match &error {
            regex_syntax::Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
            regex_syntax::Error::Translate(error) => (error.span().start.offset, error.kind().to_string()),
            other => (0, other.to_string()),
        };
        let column = pattern[..offset].chars().count() + 1;
        RuleError::Pattern { list, index, pattern: pattern.to_owned(), column, reason }
    })?;
    RegexBuilder::new(pattern).size_limit(PATTERN_SIZE_LIMIT).build().map(drop).map_err(|_| {
        RuleError::PatternTooLarge {
            list,
            index,
            pattern: pattern.to_owned(),
            limit_bytes: PATTERN_SIZE_LIMIT,
        }
    })
}

/// What is wrong with [`MetricRules`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// A name without a visible character.
    #[error("metric name {index} of `{list}` is blank: remove it or name a metric")]
    BlankName {
        /// `monitoring` or `available`.
        list: &'static str,
        /// Position in the list, from 0.
        index: usize,
    },
    /// A pattern that is no regular expression.
    #[error("{list} pattern {index} `{pattern}` is no regular expression: column {column}: {reason}")]
    Pattern {
        /// `dynamic`, `line` or `failure`.
        list: &'static str,
        /// Position in the list, from 0.
        index: usize,
        /// The pattern as written.
        pattern: String,
        /// Character at which it goes wrong, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A pattern that compiles to too large a program.
    #[error(
        "{list} pattern {index} `{pattern}` needs more than {limit_bytes} bytes: use smaller repetitions"
    )]
    PatternTooLarge {
        /// `dynamic`, `line` or `failure`.
        list: &'static str,
        /// Position in the list, from 0.
        index: usize,
        /// The pattern as written.
        pattern: String,
        /// Largest compiled size, in bytes.
        limit_bytes: usize,
    },
    /// A line pattern that gives no metric.
    #[error(
        "line pattern {index} `{pattern}` gives no value: name a group `(?<value>…)` or after a metric, \
         such as `(?<val_loss>…)`"
    )]
    NoValueGroup {
        /// Position in `line_patterns`, from 0.
        index: usize,
        /// The pattern as written.
        pattern: String,
    },
    /// Patterns that are too large together.
    #[error("the {count} patterns together need more than {limit_bytes} bytes: merge or drop some")]
    PatternsTooLarge {
        /// How many there are.
        count: usize,
        /// Largest compiled size, in bytes.
        limit_bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compile_pattern(pattern: &str) -> Result<Metrics, RuleError> {
        let dynamic_patterns = vec!["^fine$".into(), pattern.into()];
        Metrics::compile(&MetricRules { dynamic_patterns, ..MetricRules::default() })
    }

    #[test]
    fn bad_pattern_is_named_with_position() {
        let error = compile_pattern("^é(loss$").unwrap_err();
        assert!(matches!(&error, RuleError::Pattern { index: 1, column: 3, .. }), "{error:?}");
        assert_eq!(
            error.to_string(),
            "dynamic pattern 1 `^é(loss$` is no regular expression: column 3: unclosed group"
        );
    }

    #[test]
    fn huge_pattern_is_named() {
        let error = compile_pattern(r"(?:\w{1000}){1000}").unwrap_err();
        assert!(matches!(error, RuleError::PatternTooLarge { index: 1, .. }), "{error:?}");
    }

    #[test]
    fn blank_name_is_refused() {
        let rules = MetricRules { available: vec!["ok".into(), " ".into()], ..MetricRules::default() };
        let error = Metrics::compile(&rules).unwrap_err();
        assert_eq!(error, RuleError::BlankName { list: "available", index: 1 });
    }

    #[test]
    fn repeated_names_are_kept_once() {
        let rules = MetricRules {
            monitoring: vec!["a".into(), "b".into()],
            available: vec!["b".into(), "c".into()],
            ..MetricRules::default()
        };
        assert_eq!(Metrics::compile(&rules).unwrap().names().wanted(), ["a", "b", "c"]);
    }

    #[test]
    fn empty_rules_compile() {
        assert!(Metrics::compile(&MetricRules::default()).is_ok());
    }
}
