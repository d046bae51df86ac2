//! A tar archive into an empty folder, and nowhere else.
//!
//! Names are made of plain segments only; anything else is refused, not mended. No symbolic link exists
//! while files are written, so no name can lead through one: links are made last, and each must then end
//! inside the folder. Devices, pipes and sockets are refused. Owners and odd modes are not taken over.

use super::ArchiveError;
use flate2::read::MultiGzDecoder;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use tar::{Archive, Entry, EntryType};

/// What an archive may hold at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all files together.
    pub bytes: u64,
    /// Files, folders and links.
    pub entries: u64,
}

impl Default for Limits {
    /// Larger than any dataset that is handed around as one archive.
    fn default() -> Self {
        Limits { bytes: 1 << 40, entries: 50_000_000 }
    }
}

/// First bytes of a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bits of a mode that are kept: who may execute.
const EXECUTABLE: u32 = 0o111;

/// Unpacks an archive into an empty folder.
pub(super) fn extract(archive: &Path, folder: &Path, limits: Limits) -> Result<(), ArchiveError> {
    let io = |source| ArchiveError::Io { archive: archive.into(), path: archive.into(), source };
    let mut file = BufReader::with_capacity(1 << 18, File::open(archive).map_err(io)?);
    let mut start = [0; 2];
    let zipped = file.read_exact(&mut start).is_ok() && start == GZIP;
    file.rewind().map_err(io)?;
    let bytes: Box<dyn Read> = if zipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut unpacking = Unpacking {
        archive,
        root: folder,
        limits,
        bytes: 0,
        entries: 0,
        folders: BTreeSet::new(),
        links: Vec::new(),
    };
    unpacking.run(bytes)
}

struct Unpacking<'a> {
    archive: &'a Path,
    root: &'a Path,
    limits: Limits,
    bytes: u64,
    entries: u64,
    /// Folders that exist below the root.
    folders: BTreeSet<PathBuf>,
    /// Symbolic links to make at the end: where, and what they say.
    links: Vec<(PathBuf, PathBuf)>,
}

impl Unpacking<'_> {
    fn run(&mut self, bytes: Box<dyn Read>) -> Result<(), ArchiveError> {
        let mut archive = Archive::new(bytes);
        let entries = archive.entries().map_err(|e| self.damaged(e))?;
        for entry in entries {
            let mut entry = entry.map_err(|e| self.damaged(e))?;
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err(self.too_large(format!("{} entries", self.limits.entries)));
            }
            self.take(&mut entry)?;
        }
        if self.entries == 0 {
            let none = io::Error::new(io::ErrorKind::UnexpectedEof, "it has no entries");
            return Err(self.damaged(none));
        }
        self.drain(archive.into_inner())?;
        self.make_links()
    }

    /// A compressed archive is checked to its end, where its checksum is.
    fn drain(&self, rest: Box<dyn Read>) -> Result<(), ArchiveError> {
        let read = io::copy(&mut rest.take(self.limits.bytes), &mut io::sink());
        read.map(drop).map_err(|e| self.damaged(e))
    }

    fn take(&mut self, entry: &mut Entry<'_, Box<dyn Read>>) -> Result<(), ArchiveError> {
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            return Ok(());
        }
        let name = entry.path().map_err(|e| self.damaged(e))?.into_owned();
        let Some(relative) = plain(&name) else {
            return Err(self.refused(&name, "leads out of the archive's own folder"));
        };
        if relative.as_os_str().is_empty() {
            return match kind {
                EntryType::Directory => Ok(()),
                _ => Err(self.refused(&name, "has no name")),
            };
        }
        let path = self.root.join(&relative);
        match kind {
            EntryType::Directory => self.make_folder(&relative),
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.make_parent(&relative)?;
                self.write_file(entry, &path)
            }
            EntryType::Symlink => {
                let target = self.link_target(entry, &name)?;
                if target.is_absolute() {
                    return Err(self.refused(&name, "is a link to an absolute path"));
                }
                self.links.push((relative, target));
                Ok(())
            }
            EntryType::Link => {
                let target = self.link_target(entry, &name)?;
                let target = plain(&target).filter(|target| self.root.join(target).is_file());
                let Some(target) = target else {
                    return Err(
                        self.refused(&name, "is a link to a file that is not in the archive before it")
                    );
                };
                self.make_parent(&relative)?;
                let linked = replace(&path).and_then(|()| fs::hard_link(self.root.join(target), &path));
                linked.map_err(|e| self.io(&path, e))
            }
            _ => Err(self.refused(&name, "is neither a file, a folder nor a link")),
        }
    }

    fn link_target(&self, entry: &Entry<'_, Box<dyn Read>>, name: &Path) -> Result<PathBuf, ArchiveError> {
        let target = entry.link_name().map_err(|e| self.damaged(e))?;
        target.map(|target| target.into_owned()).ok_or_else(|| self.refused(name, "is a link to nothing"))
    }

    fn write_file(&mut self, entry: &mut Entry<'_, Box<dyn Read>>, path: &Path) -> Result<(), ArchiveError> {
        let executable = entry.header().mode().unwrap_or(0) & EXECUTABLE;
        replace(path).map_err(|e| self.io(path, e))?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o644 | executable);
        let mut file = options.open(path).map_err(|e| self.io(path, e))?;
        let left = self.limits.bytes - self.bytes;
        let written = io::copy(&mut entry.take(left.saturating_add(1)), &mut file);
        let written = written.map_err(|e| self.damaged(e))?;
        self.bytes = self.bytes.saturating_add(written);
        if self.bytes > self.limits.bytes {
            return Err(self.too_large(format!("{} bytes", self.limits.bytes)));
        }
        Ok(())
    }

    fn make_parent(&mut self, relative: &Path) -> Result<(), ArchiveError> {
        match relative.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => self.make_folder(parent),
            _ => Ok(()),
        }
    }

    fn make_folder(&mut self, relative: &Path) -> Result<(), ArchiveError> {
        if self.folders.contains(relative) {
            return Ok(());
        }
        let path = self.root.join(relative);
        fs::create_dir_all(&path).map_err(|e| self.io(&path, e))?;
        self.folders.insert(relative.into());
        Ok(())
    }

    fn make_links(&mut self) -> Result<(), ArchiveError> {
        let links = std::mem::take(&mut self.links);
        for (relative, _) in &links {
            self.make_parent(relative)?;
        }
        for (relative, target) in &links {
            let path = self.root.join(relative);
            let made = replace(&path).and_then(|()| std::os::unix::fs::symlink(target, &path));
            made.map_err(|e| self.io(&path, e))?;
        }
        let root = fs::canonicalize(self.root).map_err(|e| self.io(self.root, e))?;
        for (relative, _) in &links {
            match fs::canonicalize(self.root.join(relative)) {
                Ok(end) if end.starts_with(&root) => {}
                Ok(_) => {
                    return Err(
                        self.refused(relative, "is a link that leads out of the archive's own folder")
                    );
                }
                Err(_) => return Err(self.refused(relative, "is a link to nothing")),
            }
        }
        Ok(())
    }

    fn io(&self, path: &Path, source: io::Error) -> ArchiveError {
        ArchiveError::Io { archive: self.archive.into(), path: path.into(), source }
    }

    fn damaged(&self, source: io::Error) -> ArchiveError {
        ArchiveError::Damaged { archive: self.archive.into(), source }
    }

    fn refused(&self, entry: &Path, why: &'static str) -> ArchiveError {
        ArchiveError::Unsafe { archive: self.archive.into(), entry: entry.display().to_string(), why }
    }

    fn too_large(&self, limit: String) -> ArchiveError {
        ArchiveError::TooLarge { archive: self.archive.into(), limit }
    }
}

/// Makes room for a later entry of the same name, which wins, as tar has it.
fn replace(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Returns a path of plain segments; `None` where it is absolute or climbs.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(segment) => plain.push(segment),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(plain)
}
