//! A dataset as the resolver sees it: where it is and what is known of it.
//!
//! What its `dataset.yaml` does not say is inferred.

use crate::facts::{Facts, read_facts};
use crate::files;
use crate::network::{ApiParams, DatasetValidation, SourceName};
use crate::problem::{Code, Problem};
use crate::request::Datasets;
use crate::spec::hide_logins;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Endings of archives, the longest first.
const ARCHIVES: [&str; 3] = [".tar.gz", ".tgz", ".tar"];
/// URI schemes that mean nothing but a path on this machine.
const LOCAL_SCHEMES: [&str; 3] = ["file://", "local://", "lustre://"];

/// One dataset.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dataset {
    /// As the user wrote it, but for logins.
    pub(super) given: String,
    pub(super) root: Root,
    pub(super) facts: Facts,
    /// It lacks what the network needs, which has been reported.
    pub(super) broken: bool,
}

/// Where a dataset is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Root {
    /// An absolute path.
    Folder(PathBuf),
    /// Somewhere else; nothing is known of what is there.
    Uri(String),
}

impl Dataset {
    /// Returns what a network assumes of data that nobody has named.
    pub(super) fn assumed(api: &ApiParams) -> Self {
        let (format, kind) = (api.formats.first().cloned(), api.dataset_type.clone());
        let facts = Facts { format, kind, ..Facts::default() };
        Dataset { given: String::new(), root: Root::Uri(String::new()), facts, broken: false }
    }

    /// Returns a field of the metadata; the well-known ones under their names, everything else as the
    /// dataset states it.
    pub(super) fn metadata(&self, key: &str) -> Option<Value> {
        let facts = &self.facts;
        match key {
            "format" | "dataset_format" => facts.format.clone().map(Value::from),
            "type" | "dataset_type" => facts.kind.clone().map(Value::from),
            "intent" | "dataset_intent" | "use_for" => facts.intents.first().cloned().map(Value::from),
            _ => facts.metadata.get(key).cloned(),
        }
    }

    /// Returns the folder, where there is one.
    pub(super) fn folder(&self) -> Option<&Path> {
        match &self.root {
            Root::Folder(path) => Some(path),
            Root::Uri(_) => None,
        }
    }
}

/// What a dataset is opened with.
pub(super) struct Opening<'a> {
    pub(super) api: &'a ApiParams,
    pub(super) validation: &'a DatasetValidation,
    pub(super) datasets: &'a Datasets,
}

/// Why there is no dataset.
pub(super) enum Unopened {
    /// It is an archive that nobody has unpacked yet.
    Archive(PathBuf),
    Wrong(Vec<Problem>),
}

impl Opening<'_> {
    /// Opens what the user gave for a source.
    pub(super) fn open(&self, given: &Path, source: SourceName) -> Result<(Dataset, Vec<Problem>), Unopened> {
        let text = given.to_string_lossy().into_owned();
        let local = without_scheme(&text);
        let (root, mut facts, mut problems) = if local.contains("://") {
            (Root::Uri(text.trim_end_matches('/').into()), Facts::default(), Vec::new())
        } else {
            let folder = if local == text { given } else { Path::new(&local) };
            let folder = self.folder(folder, source)?;
            let (facts, problems) = read_facts(&folder);
            (Root::Folder(folder), facts, problems)
        };
        self.infer(&mut facts, source);
        let given = hide_logins(&text);
        problems.extend(self.check(&facts, &given, source));
        Ok((Dataset { given, root, facts, broken: false }, problems))
    }

    fn folder(&self, path: &Path, source: SourceName) -> Result<PathBuf, Unopened> {
        let absolute = files::absolute(path);
        if files::is_dir(&absolute) {
            return Ok(absolute);
        }
        if files::exists(&absolute) && is_archive(&path.to_string_lossy()) {
            let unpacked = self.datasets.unpacked.get(&absolute).cloned();
            return unpacked.ok_or(Unopened::Archive(absolute));
        }
        let message = match files::exists(&absolute) {
            true => format!("{} is not a folder", path.display()),
            false => format!("folder {} does not exist", path.display()),
        };
        Err(Unopened::Wrong(vec![Problem::plain(source.flag(), "", Code::Dataset, message)]))
    }

    fn infer(&self, facts: &mut Facts, source: SourceName) {
        facts.states_intents = !facts.intents.is_empty();
        if facts.intents.is_empty() {
            facts.intents = source.intent().map(String::from).into_iter().collect();
        }
        facts.kind = facts.kind.take().or_else(|| self.api.dataset_type.clone());
    }

    /// What a dataset says of itself must be something that the network takes.
    fn check(&self, facts: &Facts, given: &str, source: SourceName) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut refuse = |what: &str, value: &str, known: &[String]| {
            let message = format!("{given}: the network takes no dataset of {what} `{value}`");
            let hint = crate::nearest::did_you_mean(value, known.iter().map(String::as_str));
            problems.push(Problem::plain(source.flag(), "", Code::Dataset, message).with_hint(hint));
        };
        let formats: Vec<String> =
            self.api.formats.iter().cloned().chain(self.validation.formats().map(String::from)).collect();
        let parts = facts.format.iter().flat_map(|f| f.split(',').map(str::trim));
        for format in parts.filter(|f| *f != "*" && !formats.is_empty() && !formats.iter().any(|k| k == f)) {
            refuse("format", format, &self.api.formats);
        }
        let accepted = &self.api.accepted_intents;
        if facts.states_intents && !accepted.is_empty() {
            for intent in facts.intents.iter().filter(|intent| !accepted.contains(intent)) {
                refuse("intent", intent, accepted);
            }
        }
        problems
    }
}

/// Returns a URI of this machine as a plain path, and anything else as it is.
pub(super) fn without_scheme(text: &str) -> String {
    let local = LOCAL_SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
    local.map_or_else(|| text.into(), |path| format!("/{}", path.trim_start_matches('/')))
}

/// Tells whether a path is that of a dataset rather than of a file: a folder, an archive, a URI.
#[must_use]
pub fn is_dataset(path: &Path) -> bool {
    let text = path.to_string_lossy();
    files::is_dir(path) || is_archive(&text) || text.contains("://")
}

/// Tells whether a name is that of an archive.
pub(super) fn is_archive(name: &str) -> bool {
    without_archive_ending(name).is_some()
}

/// Returns a name without the ending of an archive; `None` where it has none.
pub(super) fn without_archive_ending(name: &str) -> Option<&str> {
    ARCHIVES.iter().find_map(|ending| name.strip_suffix(ending)).filter(|name| !name.is_empty())
}
