//! Lists what a trial's program has written.

use std::path::Path;

/// Most files looked at; a results folder with more is cut off there.
const FILES_MAX: usize = 100_000;
/// Deepest folder looked into.
const DEPTH_MAX: usize = 8;

/// Returns the files below a folder as sorted relative paths with `/`. A folder that is missing or
/// unreadable has none. Symbolic links count as files and are not followed into folders.
pub(crate) fn list_files(folder: &Path) -> Vec<String> {
    let mut files = Vec::new();
    walk(folder, "", 0, &mut files);
    files.sort();
    files
}

fn walk(folder: &Path, prefix: &str, depth: usize, files: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < DEPTH_MAX => {
                walk(&entry.path(), &format!("{name}/"), depth + 1, files);
            }
            Ok(kind) if !kind.is_dir() && files.len() < FILES_MAX => files.push(name),
            _ => {}
        }
    }
}
