//! What a trial's program has written: all files, and its checkpoints among them.

use super::replace::delete;
use automl_config::CheckpointRule;
use std::io;
use std::path::{Path, PathBuf};

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

/// A checkpoint on the disk.
pub(crate) struct CheckpointFile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

/// Returns the checkpoints in a folder of results, sorted by name.
pub(crate) fn checkpoint_files(results: &Path, rule: &CheckpointRule) -> Vec<CheckpointFile> {
    let names = list_files(results).into_iter().filter(|name| rule.is_checkpoint(name));
    let file = |name: String| {
        let path = results.join(name);
        let bytes = std::fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
        CheckpointFile { path, bytes }
    };
    names.map(file).collect()
}

/// Deletes the checkpoints in a folder of results but for one. What is gone already is fine.
///
/// # Errors
/// The first file that cannot be deleted, and why; the others are deleted all the same.
pub(crate) fn delete_checkpoints(
    results: &Path,
    rule: &CheckpointRule,
    keep: Option<&str>,
) -> Result<(), (PathBuf, io::Error)> {
    let mut result = Ok(());
    let files = checkpoint_files(results, rule).into_iter().map(|file| file.path);
    for path in files.filter(|path| keep.is_none_or(|keep| path != Path::new(keep))) {
        if let Err(error) = delete(&path) {
            result = result.and(Err((path, error)));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_config::Pattern;

    #[test]
    fn all_checkpoints_go_but_the_one_that_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["epoch_1.pth", "epoch_2.pth", "status.json"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let rule = CheckpointRule::new(Pattern::new(r"epoch_(?P<epoch>\d+)\.pth$").unwrap(), 1);
        let sizes: Vec<u64> = checkpoint_files(folder.path(), &rule).iter().map(|file| file.bytes).collect();
        assert_eq!(sizes, [11, 11]);
        let keep = folder.path().join("epoch_2.pth");
        delete_checkpoints(folder.path(), &rule, keep.to_str()).unwrap();
        assert_eq!(list_files(folder.path()), ["epoch_2.pth", "status.json"]);
        delete_checkpoints(folder.path(), &rule, None).unwrap();
        assert_eq!(list_files(folder.path()), ["status.json"]);
    }
}
