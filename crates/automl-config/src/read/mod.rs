//! Text in, tree out: one reader for each format, all ending in the same [`Node`].
//!
//! The readers do not know what the data means, and they read no files.

mod json;
mod toml;
mod yaml;

pub(crate) use json::read_json;
pub(crate) use toml::read_toml;
pub(crate) use yaml::read_yaml;

use crate::node::{Entry, Node};
use crate::problem::{Code, Report};

/// The text formats that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Json,
    Yaml,
    Toml,
}

impl Format {
    /// Returns the format that a file's name stands for; YAML, which contains JSON, where it says nothing.
    pub(crate) fn of_name(name: &str) -> Self {
        match name.rsplit('.').next() {
            Some("json") => Format::Json,
            Some("toml") => Format::Toml,
            _ => Format::Yaml,
        }
    }

    /// Reads a text; `None` where the report got a syntax error.
    pub(crate) fn read(self, text: &str, report: &mut Report) -> Option<Node> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match self {
            Format::Json => read_json(text, report),
            Format::Yaml => read_yaml(text, report),
            Format::Toml => read_toml(text, report),
        }
    }
}

/// Adds an entry unless its key is already there, which is reported.
fn push_unique(entries: &mut Vec<Entry>, entry: Entry, report: &mut Report) {
    match entries.iter().find(|e| e.key == entry.key) {
        None => entries.push(entry),
        Some(first) => report
            .error(entry.key_at, "", Code::DuplicateKey, format!("key `{}` appears twice", entry.key))
            .hint(format!("the first one is at line {}", first.key_at.line)),
    }
}
