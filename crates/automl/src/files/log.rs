//! Where one log of an attempt is: a file, or all files that match a pattern.
//!
//! Programs put logs into folders that they number or stamp with a time
//! (`lightning_logs/version_3/metrics.csv`, `events.out.tfevents.1763…`), one more for each time they
//! carry on. Read one after the other in the order of their names, they are one log.

use automl_scrape::SourceKind;
use std::fs;
use std::path::{Path, PathBuf};

/// Most files of one log that are followed.
const FILES_MAX: usize = 1000;

/// One log of an attempt, in order of precedence.
#[derive(Clone, Debug)]
pub(crate) struct LogFile {
    /// Folder that `name` is relative to.
    pub(crate) folder: PathBuf,
    /// Path of a file, or a pattern with `*`, `?`, `[…]` or `**`.
    pub(crate) name: String,
    pub(crate) kind: SourceKind,
}

impl LogFile {
    /// Returns the path, wildcards and all.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Returns the files there are, in the order in which they are read. A path without wildcards is
    /// one file, whether it is there yet or not.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        if !self.name.contains(['*', '?', '[']) {
            return vec![self.path()];
        }
        let folder = glob::Pattern::escape(&self.folder.to_string_lossy());
        let Ok(found) = glob::glob(&format!("{folder}/{}", self.name)) else { return Vec::new() };
        let mut files: Vec<PathBuf> = found.flatten().filter(|path| path.is_file()).take(FILES_MAX).collect();
        files.sort_by_cached_key(|path| natural_key(path));
        files
    }

    /// Returns the number of bytes there are now.
    pub(crate) fn bytes(&self) -> u64 {
        self.files().iter().map(|path| size(path)).sum()
    }

    /// Returns each file with the number of its bytes among the first `bytes` of all.
    pub(crate) fn split(&self, mut bytes: u64) -> Vec<(PathBuf, u64)> {
        let files = self.files();
        let last = files.len().saturating_sub(1);
        let part = |(i, path): (usize, PathBuf)| {
            let own = if i == last { bytes } else { bytes.min(size(&path)) };
            bytes -= own;
            (path, own)
        };
        files.into_iter().enumerate().map(part).collect()
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Splits a path into texts and numbers, so that `version_9` comes before `version_10`.
fn natural_key(path: &Path) -> Vec<(String, u64)> {
    let text = path.to_string_lossy();
    let mut key = Vec::new();
    let mut rest = text.as_ref();
    while !rest.is_empty() {
        let words = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(words);
        let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(digits);
        key.push((word.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = tail;
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching_files_come_in_the_order_of_their_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("odd [name]");
        for version in [10, 9, 1] {
            let inner = folder.join(format!("logs/version_{version}"));
            fs::create_dir_all(&inner).unwrap();
            fs::write(inner.join("metrics.csv"), "x".repeat(version)).unwrap();
        }
        let log = LogFile { folder, name: "logs/*/metrics.csv".into(), kind: SourceKind::Csv };
        let own = |bytes| log.split(bytes).into_iter().map(|(_, own)| own).collect::<Vec<_>>();
        assert_eq!(log.bytes(), 20);
        assert_eq!(own(20), [1, 9, 10]);
        assert_eq!(own(7), [1, 6, 0]);
        assert_eq!(own(0), [0, 0, 0]);
    }

    #[test]
    fn plain_path_is_one_file_there_or_not() {
        let log = LogFile { folder: "/nowhere".into(), name: "a.log".into(), kind: SourceKind::Text };
        assert_eq!(log.split(7), [(PathBuf::from("/nowhere/a.log"), 7)]);
    }
}
