//! Files that are whole or absent, whatever happens while they are written.

use super::step::{Step, step};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes a file through a temporary name beside it.
///
/// # Errors
/// What the file system reports.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    write_with_mode(path, content, 0o666)
}

/// Writes a file that may hold secrets: readable by its owner only.
///
/// # Errors
/// What the file system reports.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    write_with_mode(path, content, 0o600)
}

fn write_with_mode(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let temporary = beside(path);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(mode);
    step(Step::Write)?;
    options.open(&temporary)?.write_all(content)?;
    step(Step::Write)?;
    fs::rename(&temporary, path)
}

/// Copies a file, whole or not at all, whatever fails in between, and makes the folders above it.
///
/// # Errors
/// What the file system reports.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let temporary = beside(to);
    make_folder(to.parent().unwrap_or(Path::new(".")))?;
    step(Step::Write)?;
    fs::copy(from, &temporary)?;
    // What it is copied from may be written over as soon as the copy is there.
    File::open(&temporary)?.sync_all()?;
    step(Step::Write)?;
    fs::rename(&temporary, to)
}

/// Makes a folder and those above it, where they are missing.
///
/// # Errors
/// What the file system reports.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    step(Step::Write)?;
    fs::create_dir_all(path)
}

/// Deletes a file. One that is gone already is fine.
///
/// # Errors
/// What the file system reports.
pub(crate) fn delete(path: &Path) -> io::Result<()> {
    step(Step::Delete)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes `path` a symbolic link to `target`, replacing an earlier one.
///
/// # Errors
/// What the file system reports.
pub(crate) fn link(target: &Path, path: &Path) -> io::Result<()> {
    let temporary = beside(path);
    delete(&temporary)?;
    step(Step::Write)?;
    std::os::unix::fs::symlink(target, &temporary)?;
    step(Step::Write)?;
    fs::rename(&temporary, path)
}

fn beside(path: &Path) -> std::path::PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    path.with_file_name(name)
}
