//! Files that are whole or absent, whatever happens while they are written.

use std::fs::{self, OpenOptions};
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
    options.open(&temporary)?.write_all(content)?;
    fs::rename(&temporary, path)
}

/// Copies a file, whole or not at all, and makes the folders above it.
///
/// # Errors
/// What the file system reports.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let temporary = beside(to);
    fs::create_dir_all(to.parent().unwrap_or(Path::new(".")))?;
    fs::copy(from, &temporary)?;
    fs::rename(&temporary, to)
}

/// Makes `path` a symbolic link to `target`, replacing an earlier one.
///
/// # Errors
/// What the file system reports.
pub(crate) fn link(target: &Path, path: &Path) -> io::Result<()> {
    let temporary = beside(path);
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::os::unix::fs::symlink(target, &temporary)?;
    fs::rename(&temporary, path)
}

fn beside(path: &Path) -> std::path::PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    path.with_file_name(name)
}
