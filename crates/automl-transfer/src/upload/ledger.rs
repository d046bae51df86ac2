//! What has been uploaded: a line of JSON for each file, appended when the place has it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A state of a file that an upload can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    /// Size in bytes.
    pub(super) size: u64,
    /// Time of the last change in nanoseconds since 1970.
    pub(super) changed: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    /// Place that it went to, as the user wrote it.
    to: String,
    name: String,
    #[serde(flatten)]
    stamp: Stamp,
}

/// The ledger of one place.
#[derive(Debug)]
pub(super) struct Ledger {
    file: File,
    to: String,
    known: BTreeMap<String, Stamp>,
    path: PathBuf,
}

impl Ledger {
    /// Opens a ledger; lines that a killed process left half are overlooked.
    pub(super) fn open(path: &Path, to: &str) -> io::Result<Self> {
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error),
        };
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        if !text.is_empty() && !text.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let known = lines.filter(|line| line.to == to).map(|line| (line.name, line.stamp)).collect();
        Ok(Ledger { file, to: to.into(), known, path: path.into() })
    }

    /// Tells whether a file was uploaded in this state.
    pub(super) fn has(&self, name: &str, stamp: Stamp) -> bool {
        self.known.get(name) == Some(&stamp)
    }

    pub(super) fn add(&mut self, name: &str, stamp: Stamp) -> io::Result<()> {
        let line = Line { to: self.to.clone(), name: name.into(), stamp };
        let mut text = serde_json::to_string(&line).expect("plain values always serialise");
        text.push('\n');
        self.known.insert(name.into(), stamp);
        self.file.write_all(text.as_bytes())
    }

    /// Returns a path beside the ledger for a file in the making.
    pub(super) fn scratch(&self) -> PathBuf {
        self.path.with_extension("archive.tmp")
    }
}
