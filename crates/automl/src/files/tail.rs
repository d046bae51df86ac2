//! Follows one growing file: what is new since the last look.
//!
//! Knows about truncation (the file became shorter: start over), replacement (another inode under the
//! same name: the new file from its start), and files written anew with more than they held before
//! (their beginning changed). A part that was given back to the disk (`automl_exec::Cut`) is skipped. Does
//! not know what the bytes mean.

use automl_exec::Cut;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Bytes handed on at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes at the beginning of a file by which one written anew is recognised. A table whose header
/// gained a column differs there.
const HEAD_BYTES: usize = 4096;

/// Unread bytes above which a part of them may be gone: shorter logs are never cut.
const BACKLOG_BYTES: u64 = 512 * 1024;

/// A place in a growing file.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    offset: u64,
    open: Option<(File, u64)>,
    /// The beginning of the file as far as it was seen.
    head: Vec<u8>,
}

/// What a look at the file found.
#[derive(Debug, PartialEq)]
pub(crate) enum News<'a> {
    /// The file was written anew: the bytes that follow are its first.
    Anew,
    /// The next bytes.
    Bytes(&'a [u8]),
    /// Bytes with so many line ends are gone, the last of which is their last byte.
    Gone {
        /// Number of line ends.
        lines: u64,
    },
}

impl Tail {
    /// Begins at a byte offset; the file need not exist yet.
    pub(crate) fn new(path: &Path, offset: u64) -> Self {
        Tail { path: path.to_path_buf(), offset, open: None, head: Vec::new() }
    }

    /// Hands every new byte to `sink`, chunk by chunk.
    ///
    /// # Errors
    /// What the file system reports; a missing file is not an error.
    pub(crate) fn read_new(&mut self, mut sink: impl FnMut(News<'_>)) -> io::Result<()> {
        let Some(metadata) = if_present(std::fs::metadata(&self.path))? else { return Ok(()) };
        if self.open.as_ref().is_some_and(|(_, inode)| *inode != metadata.ino()) {
            self.drain(u64::MAX, &mut sink)?;
            self.open = None;
            self.start_over(&mut sink);
        }
        if metadata.len() != self.offset && self.is_written_anew(metadata.len())? {
            self.start_over(&mut sink);
        }
        if metadata.len().saturating_sub(self.offset) > BACKLOG_BYTES {
            self.pass_cut(&mut sink)?;
        }
        if metadata.len() > self.offset {
            self.drain(u64::MAX, &mut sink)?;
        }
        Ok(())
    }

    /// Reads up to the part that is gone, if any is, and goes on behind it. A reader that was within it
    /// already cannot tell how many of its lines it has not seen; it numbers lines from where it was.
    fn pass_cut(&mut self, sink: &mut impl FnMut(News<'_>)) -> io::Result<()> {
        let Some(cut) = Cut::of(&self.path).filter(|cut| self.offset < cut.to) else { return Ok(()) };
        let lines = if self.offset <= cut.from { cut.lines } else { 0 };
        self.drain(cut.from, sink)?;
        self.offset = self.offset.max(cut.to);
        sink(News::Gone { lines });
        Ok(())
    }

    fn start_over(&mut self, sink: &mut impl FnMut(News<'_>)) {
        self.offset = 0;
        self.head.clear();
        sink(News::Anew);
    }

    /// Whether the file is shorter than what was read of it, or begins otherwise.
    fn is_written_anew(&mut self, length: u64) -> io::Result<bool> {
        let Some((file, _)) = &self.open else { return Ok(length < self.offset) };
        let mut head = vec![0; self.head.len()];
        match file.read_exact_at(&mut head, 0) {
            Ok(()) => Ok(length < self.offset || head != self.head),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Learns the beginning of the file, once there is more of it than known.
    fn learn_head(&mut self) -> io::Result<()> {
        let known = usize::try_from(self.offset).map_or(HEAD_BYTES, |offset| offset.min(HEAD_BYTES));
        if let Some((file, _)) = &self.open
            && known > self.head.len()
        {
            let from = self.head.len();
            self.head.resize(known, 0);
            match file.read_exact_at(&mut self.head[from..], from as u64) {
                // Cut short under our eyes: the next look finds out.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.head.truncate(from),
                result => result?,
            }
        }
        Ok(())
    }

    /// Reads on to this offset, or to the end.
    fn drain(&mut self, until: u64, sink: &mut impl FnMut(News<'_>)) -> io::Result<()> {
        if self.open.is_none() {
            let Some(file) = if_present(File::open(&self.path))? else { return Ok(()) };
            let inode = file.metadata()?.ino();
            self.open = Some((file, inode));
        }
        let Some((file, _)) = &mut self.open else { return Ok(()) };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let wanted = usize::try_from(until.saturating_sub(self.offset)).unwrap_or(usize::MAX);
            match file.read(&mut buffer[..wanted.min(CHUNK_BYTES)]) {
                Ok(0) => return self.learn_head(),
                Ok(n) => {
                    self.offset += n as u64;
                    sink(News::Bytes(&buffer[..n]));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn if_present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    fn new_text(tail: &mut Tail) -> String {
        let mut text = String::new();
        tail.read_new(|news| match news {
            News::Anew => text.push('^'),
            News::Bytes(bytes) => text.push_str(std::str::from_utf8(bytes).unwrap()),
            News::Gone { lines } => text.push_str(&format!("[{lines}]")),
        })
        .unwrap();
        text
    }

    #[test]
    fn only_new_bytes_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut tail = Tail::new(&path, 0);
        assert_eq!(new_text(&mut tail), "");
        fs::write(&path, "one\n").unwrap();
        assert_eq!(new_text(&mut tail), "one\n");
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"two\n").unwrap();
        assert_eq!(new_text(&mut tail), "two\n");
        assert_eq!(new_text(&mut tail), "");
    }

    #[test]
    fn part_that_is_gone_is_skipped_with_its_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let hole = 3 * BACKLOG_BYTES as usize;
        fs::write(&path, [b"one\ntw".as_slice(), &vec![0; hole], b"last\n"].concat()).unwrap();
        let cut = serde_json::json!({"from": 6, "to": 6 + hole, "lines": 41});
        fs::write(dir.path().join("log.cut"), cut.to_string()).unwrap();
        assert_eq!(new_text(&mut Tail::new(&path, 0)), "one\ntw[41]last\n");
        assert_eq!(new_text(&mut Tail::new(&path, 4)), "tw[41]last\n");
        assert_eq!(new_text(&mut Tail::new(&path, 6 + hole as u64)), "last\n");
    }

    #[test]
    fn reading_begins_at_the_offset() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "old\nnew\n").unwrap();
        assert_eq!(new_text(&mut Tail::new(&path, 4)), "new\n");
    }

    #[test]
    fn truncated_and_replaced_files_are_read_from_their_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, "a long first text\n").unwrap();
        let mut tail = Tail::new(&path, 0);
        new_text(&mut tail);
        fs::write(&path, "short\n").unwrap();
        assert_eq!(new_text(&mut tail), "^short\n");
        fs::write(dir.path().join("next"), "a replacement text\n").unwrap();
        fs::rename(dir.path().join("next"), &path).unwrap();
        assert_eq!(new_text(&mut tail), "^a replacement text\n");
    }

    #[test]
    fn file_written_anew_and_longer_is_recognised() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.csv");
        fs::write(&path, "a,b\n1,2\n").unwrap();
        let mut tail = Tail::new(&path, 0);
        new_text(&mut tail);
        fs::write(&path, "a,b,c\n1,2,\n3,4,5\n").unwrap();
        assert_eq!(new_text(&mut tail), "^a,b,c\n1,2,\n3,4,5\n");
    }
}
