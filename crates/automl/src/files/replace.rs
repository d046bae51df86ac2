//! Files that are whole or absent, whatever happens while they are written.

use std::fs;
use std::io;
use std::path::Path;

/// Writes a file through a temporary name beside it.
///
/// # Errors
/// What the file system reports.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = beside(path);
    fs::write(&temporary, content)?;
    fs::rename(&temporary, path)
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
