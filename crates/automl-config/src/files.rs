//! The one place that touches the file system: reads texts, and asks whether paths are there.

use crate::node::Node;
use crate::problem::{Code, Position, Problems, Report};
use crate::read::Format;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Larger files are refused: no config is that long, and a wrong path (a checkpoint) may be.
const MAX_BYTES: u64 = 16 << 20;

/// Reads a file into a text.
///
/// # Errors
/// What stands in the way, without the path.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let refuse = |error: io::Error| format!("cannot be read: {error}");
    let facts = fs::metadata(path).map_err(refuse)?;
    if !facts.is_file() {
        return Err("is not a file".into());
    }
    if facts.len() > MAX_BYTES {
        return Err(format!("has {} bytes; config files end at {MAX_BYTES}", facts.len()));
    }
    let bytes = fs::read(path).map_err(refuse)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("is not UTF-8 text (byte {at})")
    })
}

/// Reads and parses a file by its name's format; problems are in the report.
pub(crate) fn read_tree(path: &Path) -> (Option<Node>, Report) {
    let mut report = Report::new(path.display().to_string());
    let node = match read_text(path) {
        Ok(text) => Format::of_name(&path.to_string_lossy()).read(&text, &mut report),
        Err(why) => {
            report.error(Position::default(), "", Code::Unreadable, why);
            None
        }
    };
    (node, report)
}

/// Reads a file that must be fit for use.
pub(crate) fn require_tree(path: &Path) -> Result<Node, Problems> {
    let (node, report) = read_tree(path);
    let problems = report.finish()?;
    node.ok_or(Problems(problems))
}

/// Returns the absolute form of a path, without looking whether it is there.
pub(crate) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}

pub(crate) fn is_dir(path: &Path) -> bool {
    path.is_dir()
}

/// Tells whether a path is a symbolic link.
pub(crate) fn is_link(path: &Path) -> bool {
    path.is_symlink()
}

pub(crate) fn exists(path: &Path) -> bool {
    path.exists()
}

/// Returns the names in a folder; none where it cannot be read.
pub(crate) fn list(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

pub(crate) fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Files and folders looked at in a listing; a pattern that none of so many matches is not there.
const LISTED_MAX: usize = 200_000;
/// Deepest folder listed; a link that leads back up ends there.
const DEPTH_MAX: usize = 16;

/// Returns the files below a folder as relative paths with `/`; none where it cannot be read. Links are
/// followed, since data is often linked into place.
pub(crate) fn list_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = LISTED_MAX;
    walk(folder, "", 0, &mut found, &mut left);
    found
}

fn walk(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<String>, left: &mut usize) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if !entry.path().is_dir() {
            found.push(name);
        } else if depth < DEPTH_MAX {
            walk(&entry.path(), &format!("{name}/"), depth + 1, found, left);
        }
    }
}
