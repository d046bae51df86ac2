//! What lies in a folder, and in which state.

use super::ledger::Stamp;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Files of one folder at most; what is beyond stays.
const FILES_MAX: usize = 200_000;
/// Deepest folder looked into.
const DEPTH_MAX: usize = 16;

/// A file below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Path relative to the folder, with `/`.
    pub(super) name: String,
    pub(super) stamp: Stamp,
}

impl Found {
    /// Returns how long ago the file changed, in milliseconds; 0 where clocks disagree.
    pub(super) fn age_ms(&self) -> u64 {
        nanoseconds(SystemTime::now()).saturating_sub(self.stamp.changed) / 1_000_000
    }
}

/// Lists the files below a folder by name. Links to files count as those files; links to folders are not
/// followed. What disappears meanwhile is left out.
pub(super) fn scan(folder: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    walk(folder, "", 0, &mut found);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn walk(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<Found>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let name = format!("{prefix}{name}");
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth < DEPTH_MAX {
            walk(&entry.path(), &format!("{name}/"), depth + 1, found);
            continue;
        }
        let Ok(facts) = fs::metadata(entry.path()) else { continue };
        if facts.is_file() && found.len() < FILES_MAX {
            let changed = facts.modified().map_or(0, nanoseconds);
            let stamp = Stamp { size: facts.len(), changed };
            found.push(Found { name, stamp });
        }
    }
}

/// Returns the time since 1970; whole numbers of 64 bits hold it until the year 2554.
fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
