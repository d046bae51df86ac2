//! Snapshots: what a caller has made of the log up to some record, kept beside it.
//!
//! A snapshot is only a memory of work done before. It can be deleted at any time, and it is believed only if it
//! is intact, was written by the very same build of the program, and the journal begins, byte for byte, with what
//! it was made from. So whatever is wrong with it, or with the journal, is met as if it were not there.
//!
//! The file `snapshot`: a line `{"records":n,"bytes":n,...,"crc":"<8 hex>"}`, then the caller's bytes.

use std::fs::{self, File};
use std::io::{self, BufRead, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::files::SNAPSHOT_FILE;
use crate::format::{sealed, unsealed};

/// What a snapshot was made from, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// Records that went into it.
    pub(crate) records: u64,
    /// Bytes of the journal up to the end of the last of them.
    pub(crate) bytes: u64,
    /// CRC-32 of these bytes.
    pub(crate) prefix_crc: u32,
    /// Highest epoch among them.
    pub(crate) epoch: u64,
}

/// First line of the file.
#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(flatten)]
    origin: Origin,
    /// Format of the caller's bytes and build of the program.
    build: String,
    /// CRC-32 of the caller's bytes.
    content_crc: u32,
}

/// Writes the snapshot of a study, in place of an earlier one.
pub(crate) fn write(
    study_dir: &Path,
    origin: Origin,
    format: &str,
    content: &[u8],
) -> Result<(), StoreError> {
    let path = study_dir.join(SNAPSHOT_FILE);
    let Some(build) = build(format) else { return Ok(()) };
    let head = Head { origin, build, content_crc: crc32fast::hash(content) };
    let mut body = serde_json::to_string(&head).expect("plain fields always serialise");
    body.pop();
    let text = [sealed(body).as_slice(), content].concat();
    let temporary = path.with_extension("new");
    // Not forced to the disk: one that does not survive a loss of power is made again.
    let written = fs::write(&temporary, text).and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        // The disk may be full, and half a snapshot is of no use.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(StoreError::io("write", &path))
}

/// Reads the snapshot of a study, if it can be believed beside the journal.
pub(crate) fn read(study_dir: &Path, journal: &File, format: &str) -> Option<(Origin, Vec<u8>)> {
    let mut file = io::BufReader::new(File::open(study_dir.join(SNAPSHOT_FILE)).ok()?);
    let mut line = Vec::new();
    file.by_ref().take(4096).read_until(b'\n', &mut line).ok()?;
    let head: Head = unsealed(line.strip_suffix(b"\n")?)?;
    let Head { origin, build: writer, content_crc } = head;
    let ours = writer == build(format)? && prefix_crc(journal, 0, 0, origin.bytes).ok()? == origin.prefix_crc;
    let mut content = Vec::new();
    file.read_to_end(&mut content).ok()?;
    (ours && crc32fast::hash(&content) == content_crc).then_some((origin, content))
}

/// Returns the CRC-32 of the first `to` bytes of a file, given that of its first `from` bytes.
pub(crate) fn prefix_crc(file: &File, from: u64, crc: u32, to: u64) -> io::Result<u32> {
    let mut hasher = crc32fast::Hasher::new_with_initial(crc);
    let mut buffer = vec![0; 1 << 18];
    let mut at = from;
    while at < to {
        let part = (to - at).min(buffer.len() as u64) as usize;
        file.read_exact_at(&mut buffer[..part], at)?;
        hasher.update(&buffer[..part]);
        at += part as u64;
    }
    Ok(hasher.finalize())
}

/// Names the format of the caller's bytes and this build of the program: its version, and size and time of its
/// file. `None` where that cannot be told.
fn build(format: &str) -> Option<String> {
    let file = fs::metadata(std::env::current_exe().ok()?).ok()?;
    let time = file.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    Some(format!("{format} {} {} {time}", env!("CARGO_PKG_VERSION"), file.len()))
}
