//! Several files of a folder in one compressed archive.

use super::ledger::Stamp;
use super::scan::Found;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Returns a stamp that changes when any of the files does.
pub(super) fn stamp(files: &[&Found]) -> Stamp {
    let mut hasher = blake3::Hasher::new();
    for file in files {
        hasher.update(format!("{}\0{}\0{}\0", file.name, file.stamp.size, file.stamp.changed).as_bytes());
    }
    let hash = hasher.finalize();
    let half: [u8; 8] = hash.as_bytes()[..8].try_into().expect("a hash is longer than 8 bytes");
    let size = files.iter().map(|file| file.stamp.size).sum();
    Stamp { size, changed: u64::from_le_bytes(half) }
}

/// Writes an archive of files of a folder; the names in it are relative to the folder.
pub(super) fn write(folder: &Path, files: &[&Found], to: &Path) -> io::Result<()> {
    let encoder = GzEncoder::new(BufWriter::new(File::create(to)?), Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    for file in files {
        builder.append_path_with_name(folder.join(&file.name), &file.name)?;
    }
    builder.into_inner()?.finish()?.flush()
}
