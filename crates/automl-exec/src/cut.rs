//! A log whose middle was given back to the disk.
//!
//! The program goes on writing at the end of the same file, so it notices nothing; the part between the
//! beginning and the recent past becomes a hole, which reads as zeros and takes no space. What the hole
//! was is kept beside the log, in `<log>.cut`, so that readers can skip it and still number lines as they
//! were printed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use serde::{Deserialize, Serialize};

use crate::files::{self, Durability, Readers};

/// Bytes at the beginning of a log that always stay.
const KEPT_HEAD: u64 = 64 * 1024;
/// Bytes read at a time.
const CHUNK: usize = 1024 * 1024;

/// The part of a log that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Offset of its first byte.
    pub from: u64,
    /// Offset behind its last byte: the start of a line.
    pub to: u64,
    /// Number of line ends in it: LF, CR, or both together.
    pub lines: u64,
}

impl Cut {
    /// Reads what is gone of a log, if anything is.
    #[must_use]
    pub fn of(log: &Path) -> Option<Self> {
        // A damaged record is none: the zeros are then read, and lines are numbered from behind them.
        files::read_json(&record_of(log)).unwrap_or(None)
    }

    /// Returns the number of bytes that are gone.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// Returns a cut that ends with the last whole line before this offset; none where no line ends there.
    pub(crate) fn widened(old: Option<&Self>, log: &File, until: u64) -> io::Result<Option<Self>> {
        let mut cut = old.copied().unwrap_or(Self { from: KEPT_HEAD, to: KEPT_HEAD, lines: 0 });
        let (mut at, mut lines, mut after_cr) = (cut.to, cut.lines, false);
        let mut chunk = vec![0; CHUNK];
        while at < until {
            let wanted = usize::try_from(until - at).map_or(CHUNK, |left| left.min(CHUNK));
            let read = log.read_at(&mut chunk[..wanted], at)?;
            if read == 0 {
                break;
            }
            for (index, byte) in (1..).zip(&chunk[..read]) {
                let ends_line = *byte == b'\r' || (*byte == b'\n' && !after_cr);
                lines += u64::from(ends_line);
                after_cr = *byte == b'\r';
                if *byte == b'\n' {
                    (cut.to, cut.lines) = (at + index, lines);
                }
            }
            at += read as u64;
        }
        Ok((cut.bytes() > old.map_or(0, Self::bytes)).then_some(cut))
    }

    /// Gives the part back. It is recorded first: a reader may skip what is still there, and must never
    /// take a hole for text.
    pub(crate) fn perform(&self, log: &File, path: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(self)?;
        files::replace(&record_of(path), &bytes, Durability::Process, Readers::Umask)?;
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(log, flags, self.from, self.bytes())?)
    }
}

fn record_of(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".cut");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn middle_goes_and_lines_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout.log");
        let text: String = (0..200_000).map(|n| format!("line {n}\r\n")).collect();
        fs::write(&path, &text).unwrap();
        let log = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let first = Cut::widened(None, &log, 1_000_000).unwrap().unwrap();
        let cut = Cut::widened(Some(&first), &log, 2_000_000).unwrap().unwrap();
        cut.perform(&log, &path).unwrap();
        assert_eq!(Cut::of(&path), Some(cut));
        assert_eq!(cut.from, KEPT_HEAD);
        let gone = &text[cut.from as usize..cut.to as usize];
        assert_eq!(cut.lines, gone.matches('\n').count() as u64);
        assert!(gone.ends_with("\r\n") && cut.to <= 2_000_000);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), text.len() as u64);
        assert!(metadata.blocks() * 512 < metadata.len() - cut.bytes() + 16_384, "space was given back");
        let left = fs::read(&path).unwrap();
        assert_eq!(&left[cut.to as usize..], &text.as_bytes()[cut.to as usize..]);
    }

    #[test]
    fn text_without_lines_is_not_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stdout.log");
        fs::write(&path, vec![b'x'; 300_000]).unwrap();
        let log = File::open(&path).unwrap();
        assert_eq!(Cut::widened(None, &log, 200_000).unwrap(), None);
        assert_eq!(Cut::of(&path), None);
    }
}
