//! Archives unpacked once, into a cache that any number of processes share.
//!
//! A folder of the cache is named by the hash of the archive's bytes, so the same archive under another
//! name is not unpacked again and a changed one is. The folder appears by a rename when it is complete;
//! a lock keeps two processes from doing the same work.
//!
//! Hashing a large archive takes as long as reading it, so the hash is remembered with the file's size,
//! time and number.

mod extract;
#[cfg(test)]
mod tests;

pub use extract::Limits;

use crate::temporary;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Length of a folder's name: 128 bits of the hash.
const NAME_LENGTH: usize = 32;

/// Why an archive cannot be unpacked. Nothing is left behind then.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// The archive, or the cache, cannot be read or written.
    #[error("cannot unpack {}: {}: {source}", archive.display(), path.display())]
    Io {
        /// The archive.
        archive: PathBuf,
        /// The file that was touched.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The archive breaks off or is none.
    #[error("cannot unpack {}: not a complete tar archive: {source}", archive.display())]
    Damaged {
        /// The archive.
        archive: PathBuf,
        /// What the reader says.
        source: io::Error,
    },
    /// A name in the archive that would lead out of the folder it is unpacked to.
    #[error("cannot unpack {}: `{entry}` {why}; repack it without that entry", archive.display())]
    Unsafe {
        /// The archive.
        archive: PathBuf,
        /// Name of the entry.
        entry: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The archive holds more than is reasonable.
    #[error(
        "cannot unpack {}: it holds more than {limit}; unpack it beside itself to use it all the same",
        archive.display()
    )]
    TooLarge {
        /// The archive.
        archive: PathBuf,
        /// The limit, in words.
        limit: String,
    },
}

/// A cache of unpacked archives.
#[derive(Clone, Debug)]
pub struct Archives {
    cache: PathBuf,
    limits: Limits,
}

impl Archives {
    /// Names the folder of the cache; it is created when it is needed.
    #[must_use]
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Archives { cache: cache.into(), limits: Limits::default() }
    }

    /// Returns the cache with other limits.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Archives { limits, ..self }
    }

    /// Returns the folder with an archive's contents, and unpacks it where that was not done before. An
    /// archive of nothing but a folder of its own name gives that folder.
    ///
    /// # Errors
    /// An archive that cannot be read, is damaged, too large, or wants to write elsewhere.
    pub fn unpack(&self, archive: &Path) -> Result<PathBuf, ArchiveError> {
        let io = |path: &Path| {
            let (archive, path) = (archive.to_path_buf(), path.to_path_buf());
            move |source| ArchiveError::Io { archive, path, source }
        };
        fs::create_dir_all(&self.cache).map_err(io(&self.cache))?;
        let name = self.name(archive).map_err(io(archive))?;
        let folder = self.cache.join(&name);
        if !folder.is_dir() {
            let lock_file = self.cache.join(format!("{name}.lock"));
            let lock = File::create(&lock_file).map_err(io(&lock_file))?;
            lock.lock().map_err(io(&lock_file))?;
            if !folder.is_dir() {
                self.unpack_into(archive, &folder)?;
            }
        }
        Ok(contents(&folder, archive))
    }

    /// Unpacks under the lock, beside the final place.
    fn unpack_into(&self, archive: &Path, folder: &Path) -> Result<(), ArchiveError> {
        let partial = folder.with_extension("partial");
        let io = |source| ArchiveError::Io { archive: archive.into(), path: partial.clone(), source };
        // Whoever left it there died: this process holds the lock.
        remove_tree(&partial).map_err(io)?;
        fs::create_dir(&partial).map_err(io)?;
        let unpacked = extract::extract(archive, &partial, self.limits);
        if let Err(error) = unpacked {
            remove_tree(&partial).map_err(io)?;
            return Err(error);
        }
        fs::rename(&partial, folder).map_err(io)
    }

    /// Returns the name of an archive's folder.
    fn name(&self, archive: &Path) -> io::Result<String> {
        let facts = fs::metadata(archive)?;
        let path = fs::canonicalize(archive)?;
        let identity = format!(
            "{} {} {} {} {}",
            path.display(),
            facts.len(),
            facts.mtime(),
            facts.mtime_nsec(),
            facts.ino()
        );
        let known = self.cache.join(format!("{}.known", shortened(blake3::hash(identity.as_bytes()))));
        match fs::read_to_string(&known) {
            Ok(name) if name.len() == NAME_LENGTH && name.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(name),
            _ => {
                let name = hash(archive)?;
                let temporary = temporary::beside(&known);
                fs::write(&temporary, &name)?;
                fs::rename(&temporary, &known)?;
                Ok(name)
            }
        }
    }
}

fn hash(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(shortened(hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        };
    }
}

fn shortened(hash: blake3::Hash) -> String {
    hash.to_hex()[..NAME_LENGTH].into()
}

/// An archive `images.tar.gz` usually holds a folder `images`, which is then what is meant.
fn contents(folder: &Path, archive: &Path) -> PathBuf {
    let name = archive.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = [".tar.gz", ".tgz", ".tar"].iter().find_map(|ending| name.strip_suffix(ending));
    let entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    match (entries.as_slice(), stem) {
        ([only], Some(stem)) if only.file_name() == stem && only.path().is_dir() => only.path(),
        ([only], _) if only.path().join("dataset.yaml").is_file() => only.path(),
        _ => folder.to_path_buf(),
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
