//! What is wrong with an input, in a form that points at the place and says what to do.
//!
//! Every reader of this crate collects problems instead of stopping at the first. This module knows
//! nothing of networks or parameters; it only carries findings to whoever prints them.

use serde::Serialize;
use std::fmt;

/// Place in a text, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1; 0 where the text has no lines (a flag).
    pub line: u32,
    /// Column in characters, from 1; 0 where only the file is known.
    pub column: u32,
}

impl Position {
    /// Returns the place of a byte offset in a text.
    pub(crate) fn of(text: &str, offset: usize) -> Self {
        let before = &text.as_bytes()[..offset.min(text.len())];
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        Position { line: line as u32, column: column as u32 }
    }

    /// Returns a place within a flag's value, `column` counted from 1.
    pub(crate) fn in_flag(column: usize) -> Self {
        Position { line: 0, column: column as u32 }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The input cannot be used.
    Error,
    /// The input can be used, perhaps not as meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// What kind of problem it is; a stable name for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// The file cannot be read.
    Unreadable,
    /// The text is not JSON, YAML or TOML.
    Syntax,
    /// A key appears twice in one object.
    DuplicateKey,
    /// A key that nothing reads.
    UnknownKey,
    /// A required key is absent.
    MissingKey,
    /// A value of another type than expected.
    WrongType,
    /// A value of the right type that makes no sense.
    BadValue,
    /// Bounds are reversed, not finite, or fit no value.
    BadBounds,
    /// No such network, action, parameter, metric or function.
    UnknownName,
    /// The parameter exists but cannot be searched.
    NotSearchable,
    /// A feature of the file format that this version does not act upon.
    Unsupported,
    /// A dataset folder, or a file in it, is not there.
    Dataset,
}

impl Code {
    /// Tells whether the surroundings are at fault (something is not there) and not what was written.
    #[must_use]
    pub fn is_environment(self) -> bool {
        self == Code::Dataset
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// The file's path, or the flag with its value.
    pub file: String,
    /// Line from 1; absent for flags and whole files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters from 1; absent for whole files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// Where in the data, for example `train.lr.minimum`; empty for the whole file.
    pub path: String,
    /// Stable name of the kind.
    pub code: Code,
    /// What is wrong, with the offending value.
    pub message: String,
    /// What to do; empty where the message says it all.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl Problem {
    /// Returns the problem with advice attached.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Returns an error about an input that has no lines, such as a flag or a missing file.
    pub(crate) fn plain(file: impl Into<String>, path: &str, code: Code, message: impl Into<String>) -> Self {
        Problem {
            severity: Severity::Error,
            file: file.into(),
            line: None,
            column: None,
            path: path.into(),
            code,
            message: message.into(),
            hint: String::new(),
        }
    }
}

impl Problem {
    /// Returns what is said about what, without place and severity: a note beside a result.
    pub(crate) fn note(&self) -> String {
        let about = if self.path.is_empty() { &self.file } else { &self.path };
        format!("{about}: {}", self.message)
    }
}

impl Problem {
    /// Returns place, message and hint in one line, without the severity: for where only errors are told.
    #[must_use]
    pub fn told(&self) -> String {
        let numbers = [self.line, self.column].into_iter().flatten().map(|number| format!(":{number}"));
        let path = if self.path.is_empty() { String::new() } else { format!(" {}:", self.path) };
        let hint = if self.hint.is_empty() { String::new() } else { format!(" ({})", self.hint) };
        format!("{}{}:{path} {}{hint}", self.file, numbers.collect::<String>(), self.message)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": {}: ", self.severity)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, " ({})", self.hint)?;
        }
        Ok(())
    }
}

/// Everything that was found wrong, at least one error among it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Collects the problems of one file or flag.
#[derive(Debug)]
pub(crate) struct Report {
    file: String,
    problems: Vec<Problem>,
}

impl Report {
    pub(crate) fn new(file: impl Into<String>) -> Self {
        Report { file: file.into(), problems: Vec::new() }
    }

    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// Adds an error and returns it, so that a hint can be attached.
    pub(crate) fn error(
        &mut self,
        at: Position,
        path: &str,
        code: Code,
        message: impl Into<String>,
    ) -> &mut Problem {
        self.add(Severity::Error, at, path, code, message.into())
    }

    /// Adds a warning and returns it, so that a hint can be attached.
    pub(crate) fn warning(
        &mut self,
        at: Position,
        path: &str,
        code: Code,
        message: impl Into<String>,
    ) -> &mut Problem {
        self.add(Severity::Warning, at, path, code, message.into())
    }

    fn add(
        &mut self,
        severity: Severity,
        at: Position,
        path: &str,
        code: Code,
        message: String,
    ) -> &mut Problem {
        let number = |n: u32| (n > 0).then_some(n);
        let problem = Problem::plain(self.file.clone(), path, code, message);
        self.problems.push(Problem { severity, line: number(at.line), column: number(at.column), ..problem });
        self.problems.last_mut().expect("one was pushed just now")
    }

    pub(crate) fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.extend(problems);
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.problems.iter().any(|p| p.severity == Severity::Error)
    }

    /// Returns the problems in the order of the text.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|p| (p.line, p.column));
        self.problems
    }

    /// Returns the warnings where there is no error, and everything otherwise.
    pub(crate) fn finish(self) -> Result<Vec<Problem>, Problems> {
        let failed = self.has_errors();
        let problems = self.into_problems();
        if failed { Err(Problems(problems)) } else { Ok(problems) }
    }
}

impl Problem {
    /// Attaches advice to a problem that is already in a report.
    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        self.hint = hint.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_print_place_and_advice() {
        let mut report = Report::new("a.json");
        report.error(Position { line: 3, column: 7 }, "train.lr", Code::BadValue, "found -1").hint("use 1");
        report.warning(Position::default(), "", Code::Unsupported, "old file");
        assert_eq!(
            Problems(report.into_problems()).to_string(),
            "a.json: warning: old file\na.json:3:7: error: train.lr: found -1 (use 1)"
        );
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(Position::of("a\nöö: x", 7), Position { line: 2, column: 4 });
    }

    #[test]
    fn json_form_names_every_field() {
        let problem = Problem::plain("f", "p", Code::DuplicateKey, "m").with_hint("h");
        assert_eq!(
            serde_json::to_string(&problem).unwrap(),
            r#"{"severity":"error","file":"f","path":"p","code":"duplicate-key","message":"m","hint":"h"}"#
        );
    }
}
