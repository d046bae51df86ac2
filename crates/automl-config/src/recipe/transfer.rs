//! What is fetched before an action runs, and what of its results is uploaded. Stored with the study;
//! doing it is the engine's business.

use crate::pattern::Pattern;
use crate::spec::hide_logins;
use serde::{Deserialize, Serialize, Serializer};

/// A file to have in place before the action runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Download {
    /// Path or URL; recorded without its login.
    #[serde(serialize_with = "without_login")]
    pub from: String,
    /// File name in the folder of downloads.
    pub name: String,
}

fn without_login<S: Serializer>(from: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hide_logins(from))
}

/// What of an attempt's results is uploaded, and when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UploadRules {
    /// How files go that no selection takes.
    pub strategy: UploadStrategy,
    /// Files that go into an archive of their own when the trial has ended.
    pub selection: Option<Selection>,
    /// Beginning of the archives' names: the action.
    pub archive_stem: String,
    /// Files that stay, by their path relative to the results folder.
    pub exclude: Vec<Pattern>,
}

/// How results are uploaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadStrategy {
    /// File by file, while the trial runs.
    #[default]
    Continuous,
    /// As one archive when the trial has ended.
    Archive,
}

/// Files of an archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// Paths relative to `base_path`, or to the results folder where the pattern has the base in it.
    pub patterns: Vec<Pattern>,
    /// Folder that the patterns are about, relative to the results folder; empty for that folder.
    pub base_path: String,
}

impl UploadRules {
    /// Tells whether everything is uploaded file by file.
    pub(crate) fn are_plain(&self) -> bool {
        *self == UploadRules::default()
    }

    /// Tells whether a file stays where it is.
    #[must_use]
    pub fn excludes(&self, path: &str) -> bool {
        self.exclude.iter().any(|pattern| pattern.matches(path))
    }
}

impl Selection {
    /// Tells whether a file, by its path relative to the results folder, belongs to the archive.
    #[must_use]
    pub fn takes(&self, path: &str) -> bool {
        let below_base = match self.base_path.as_str() {
            "" => Some(path),
            base => path.strip_prefix(base).and_then(|rest| rest.strip_prefix('/')),
        };
        below_base.is_some_and(|path| self.patterns.iter().any(|pattern| pattern.matches(path)))
    }
}
