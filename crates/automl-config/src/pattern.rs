//! A regular expression that is compiled when its text is read, so that a bad one is found at once.

use regex::Regex;
use serde::{Deserialize, Serialize};

/// A compiled regular expression; stored and compared as its text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles a text.
    ///
    /// # Errors
    /// What is wrong with the expression, in one line.
    pub fn new(text: &str) -> Result<Self, String> {
        Regex::new(text).map(Pattern).map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            format!("not a regular expression: {}", last.trim_start_matches("error: "))
        })
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Tells whether the pattern is found in a text.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// Returns the text of a named group, where the pattern is found and has it.
    pub(crate) fn group<'t>(&self, text: &'t str, name: &str) -> Option<&'t str> {
        Some(self.0.captures(text)?.name(name)?.as_str())
    }

    /// Tells whether the pattern has a group of that name.
    pub(crate) fn has_group(&self, name: &str) -> bool {
        self.0.capture_names().flatten().any(|n| n == name)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl TryFrom<String> for Pattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Pattern::new(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.as_str().into()
    }
}
