//! Names for files that are not complete yet.
//!
//! A file is written under such a name and then renamed, so that nobody ever sees half of it. Several
//! processes, and several threads of one, may write the same file at once: each gets a name of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Returns a path in the same folder that nothing else that runs now is given.
pub(crate) fn beside(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let turn = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}-{turn}.part", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_are_the_same() {
        let (first, second) = (beside(Path::new("a/b.bin")), beside(Path::new("a/b.bin")));
        assert_ne!(first, second);
        assert_eq!(first.parent(), Some(Path::new("a")));
    }
}
