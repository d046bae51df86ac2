//! Follows one growing file: what is new since the last look.
//!
//! Knows about truncation (the file became shorter: start over) and replacement (another inode under
//! the same name: the new file from its start). Does not know what the bytes mean.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Bytes handed on at a time.
const CHUNK_BYTES: usize = 64 * 1024;

/// A place in a growing file.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    offset: u64,
    open: Option<(File, u64)>,
}

impl Tail {
    /// Begins at a byte offset; the file need not exist yet.
    pub(crate) fn new(path: &Path, offset: u64) -> Self {
        Tail { path: path.to_path_buf(), offset, open: None }
    }

    /// Hands every new byte to `sink`, chunk by chunk.
    ///
    /// # Errors
    /// What the file system reports; a missing file is not an error.
    pub(crate) fn read_new(&mut self, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
        let Some(metadata) = if_present(std::fs::metadata(&self.path))? else { return Ok(()) };
        if self.open.as_ref().is_some_and(|(_, inode)| *inode != metadata.ino()) {
            self.drain(&mut sink)?;
            self.open = None;
            self.offset = 0;
        }
        if metadata.len() < self.offset {
            self.offset = 0;
        }
        if metadata.len() > self.offset {
            self.drain(&mut sink)?;
        }
        Ok(())
    }

    fn drain(&mut self, sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
        if self.open.is_none() {
            let Some(file) = if_present(File::open(&self.path))? else { return Ok(()) };
            let inode = file.metadata()?.ino();
            self.open = Some((file, inode));
        }
        let Some((file, _)) = &mut self.open else { return Ok(()) };
        file.seek(SeekFrom::Start(self.offset))?;
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => {
                    self.offset += n as u64;
                    sink(&buffer[..n]);
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
        let mut bytes = Vec::new();
        tail.read_new(|chunk| bytes.extend_from_slice(chunk)).unwrap();
        String::from_utf8(bytes).unwrap()
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
        assert_eq!(new_text(&mut tail), "short\n");
        fs::write(dir.path().join("next"), "a replacement text\n").unwrap();
        fs::rename(dir.path().join("next"), &path).unwrap();
        assert_eq!(new_text(&mut tail), "a replacement text\n");
    }
}
