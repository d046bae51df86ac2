//! The journal `events.jsonl`: the plain mirror of the log.
//!
//! Only the end of the file is ever written, and only after what is before it is durable. So a crash
//! leaves at most an unfinished end, the *torn tail*, which is cut off. Anything else that does not
//! read back, such as a bad line with good ones behind it, is damage.
//!
//! Whoever opens the log for writing says so in a line of its own, with a higher epoch than anybody before.
//! The file is written to at its end, wherever that is by then (`O_APPEND`), and read back. So a writer that
//! has lost the log overwrites nothing, finds out, and acknowledges nothing; and its records do not count,
//! because they come after those of a higher epoch.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::faults::{self, Operation};
use crate::files::sync_dir;
use crate::format::{Entry, FORMAT, Header, Line, Lines, StoreId, Writer};
use crate::scan::{Scan, scan};
use crate::snapshot;

/// Most bytes of other processes behind the end of a journal that are looked at to tell what they are.
const STRANGE_BYTES_MAX: u64 = 64 << 20;

/// A journal that is open for appending.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    entries: Vec<Entry>,
    good_len: u64,
    /// Epoch in which this process writes; 0 before it has taken the log over.
    epoch: u64,
    /// Set while there may be bytes behind `good_len` that must go before the next append.
    untrimmed: bool,
    /// Device and inode of the file, by which one that took its name is recognised.
    place: (u64, u64),
    /// Bytes from the beginning whose checksum is known, and the checksum.
    summed: (u64, u32),
}

impl Journal {
    /// Creates an empty journal under a name, durably. An older file of that name is replaced.
    pub(crate) fn create(path: &Path, id: &StoreId) -> Result<Self, StoreError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
        .map_err(StoreError::io("replace", path))?;
        let header = Header { format: FORMAT, id: id.clone() }.line();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create_new(true)
            .open(path)
            .map_err(StoreError::io("create", path))?;
        file.write_all(&header).and_then(|()| file.sync_all()).map_err(StoreError::io("write to", path))?;
        let good_len = header.len() as u64;
        let place = place(&file).map_err(StoreError::io("look at", path))?;
        let (path, entries) = (path.to_owned(), Vec::new());
        Ok(Self { path, file, entries, good_len, epoch: 0, untrimmed: false, place, summed: (0, 0) })
    }

    /// Opens and reads a journal; `None` when there is no such file.
    pub(crate) fn open(path: &Path) -> Result<Option<(Self, Scan)>, StoreError> {
        let file = match OpenOptions::new().read(true).append(true).open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(StoreError::io("open", path))?,
        };
        let mut entries = Vec::new();
        let scan = scan(&file, |found| entries.push(found.entry)).map_err(StoreError::io("read", path))?;
        let untrimmed = scan.tail_bytes() > 0;
        let (path, good_len) = (path.to_owned(), scan.good_len);
        let place = place(&file).map_err(StoreError::io("look at", &path))?;
        Ok(Some((Self { path, file, entries, good_len, epoch: 0, untrimmed, place, summed: (0, 0) }, scan)))
    }

    /// Gives the journal its final name, replacing what is there, durably.
    pub(crate) fn publish(&mut self, path: &Path) -> Result<(), StoreError> {
        fs::rename(&self.path, path).map_err(StoreError::io("replace", path))?;
        self.path = path.to_owned();
        sync_dir(path.parent().expect("a store path has a folder"))
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Returns the size of what is sound in the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.good_len
    }

    /// Returns the checksum of a record that is in the journal.
    pub(crate) fn crc(&self, seq: u64) -> Option<u32> {
        Some(self.entries.get(usize::try_from(seq.checked_sub(1)?).ok()?)?.crc)
    }

    /// Makes this process the writer, durably: nobody of a lower epoch can add a record that counts.
    pub(crate) fn take_over(&mut self, writer: &Writer) -> Result<(), StoreError> {
        self.write(&writer.line())?;
        self.epoch = writer.epoch;
        Ok(())
    }

    /// Goes on as the writer that this process was before it opened the file again.
    pub(crate) fn go_on_as(&mut self, writer: &Writer, took_over: bool) {
        self.epoch = if took_over { writer.epoch } else { 0 };
    }

    /// Appends a batch behind the last record, durably. After an error the file is as before, or
    /// will be made so before the next append.
    pub(crate) fn append(&mut self, lines: &Lines) -> Result<(), StoreError> {
        let start = self.good_len;
        self.write(lines.text())?;
        let moved = |entry: &Entry| Entry { offset: start + entry.offset, ..*entry };
        self.entries.extend(lines.entries().iter().map(moved));
        Ok(())
    }

    fn write(&mut self, text: &[u8]) -> Result<(), StoreError> {
        self.trim()?;
        if let Err(source) = self.write_durably(text) {
            self.untrimmed = true;
            // A failure to cut is no news for the caller: the next append has to cut first anyway.
            let _ = self.trim();
            return Err(StoreError::Io { action: "append to", path: self.path.clone(), source });
        }
        // Somebody who wrote at the same time has moved it.
        let mut found = vec![0; text.len()];
        let read = self.file.read_exact_at(&mut found, self.good_len);
        if read.is_err() || found != text {
            return Err(self.fenced("written to"));
        }
        self.good_len += text.len() as u64;
        Ok(())
    }

    /// Checks that the file is as this process left it. Locks keep a second writer away where they work; on
    /// some shared file systems they do not, and a file can be replaced by hand. Whoever finds that the log
    /// went on without it has lost the study and must not write again.
    pub(crate) fn check_own(&mut self) -> Result<(), StoreError> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.fenced("removed")),
            Err(source) => Err(StoreError::Io { action: "look at", path: self.path.clone(), source }),
            Ok(named) if (named.dev(), named.ino()) != self.place => Err(self.fenced("replaced")),
            Ok(named) if named.len() < self.good_len => Err(self.fenced("cut short")),
            Ok(named) if named.len() > self.good_len => self.check_strange(named.len()),
            Ok(_) => Ok(()),
        }
    }

    /// Looks at what others have written behind the end. Records of writers that had lost the log before do
    /// not count and may stay; anything else means that this process has lost it.
    fn check_strange(&mut self, len: u64) -> Result<(), StoreError> {
        let size = (len - self.good_len).min(STRANGE_BYTES_MAX);
        let mut text = vec![0; size as usize];
        let read = self.file.read_exact_at(&mut text, self.good_len);
        read.map_err(StoreError::io("read", &self.path))?;
        let mut fenced = text.ends_with(b"\n");
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if let Some(writer) = Writer::parse(line).filter(|writer| writer.epoch > self.epoch) {
                return Err(self.fenced(&format!("taken over by process {} on {}", writer.pid, writer.host)));
            }
            fenced &= Line::parse(line).is_some_and(|record| record.epoch < self.epoch);
        }
        if !fenced {
            return Err(self.fenced("written to"));
        }
        self.good_len += size;
        Ok(())
    }

    fn fenced(&self, how: &str) -> StoreError {
        StoreError::Fenced { path: self.path.clone(), how: how.to_owned() }
    }

    fn write_durably(&mut self, text: &[u8]) -> io::Result<()> {
        if let Some(fault) = faults::strike(Operation::JournalWrite) {
            self.file.write_all(&text[..fault.written.min(text.len())])?;
            return Err(fault.into());
        }
        self.file.write_all(text)?;
        faults::pass(Operation::JournalSync)?;
        self.file.sync_data()
    }

    /// Cuts off whatever is behind the last good record.
    pub(crate) fn trim(&mut self) -> Result<(), StoreError> {
        if self.untrimmed {
            faults::pass(Operation::JournalCut)
                .and_then(|()| self.file.set_len(self.good_len))
                .and_then(|()| self.file.sync_data())
                .map_err(StoreError::io("cut the unfinished end of", &self.path))?;
            self.untrimmed = false;
        }
        Ok(())
    }

    /// Says what a snapshot of the log as it is now is made from.
    pub(crate) fn origin(&mut self) -> Result<snapshot::Origin, StoreError> {
        let (from, crc) = self.summed;
        let crc = snapshot::prefix_crc(&self.file, from, crc, self.good_len);
        let prefix_crc = crc.map_err(StoreError::io("read", &self.path))?;
        self.summed = (self.good_len, prefix_crc);
        let (records, bytes) = (self.last_seq(), self.good_len);
        Ok(snapshot::Origin { records, bytes, prefix_crc, epoch: self.epoch })
    }

    /// Reads the snapshot beside the journal, if it can be believed.
    pub(crate) fn snapshot(&self, study_dir: &Path, format: &str) -> Option<(u64, Vec<u8>)> {
        let (origin, content) = snapshot::read(study_dir, &self.file, format)?;
        (origin.bytes <= self.good_len).then_some((origin.records, content))
    }

    /// Reads up to `count` records from `first` on, checks them, and shows them to `visit`.
    pub(crate) fn read(
        &self,
        first: u64,
        count: usize,
        mut visit: impl FnMut(&Line<'_>),
    ) -> Result<(), StoreError> {
        let start = usize::try_from(first - 1).expect("a record in the index has an index");
        let entries = &self.entries[start..self.entries.len().min(start + count)];
        let Some(tail) = entries.last() else { return Ok(()) };
        let from = if start == 0 { 0 } else { self.entries[start - 1].line_end() };
        let mut block = vec![0; (tail.line_end() - from) as usize];
        self.file.read_exact_at(&mut block, from).map_err(StoreError::io("read", &self.path))?;
        let mut line_start = from;
        for (entry, seq) in entries.iter().zip(first..) {
            let piece = &block[(line_start - from) as usize..(entry.line_end() - 1 - from) as usize];
            let line = Line::parse(piece).or_else(|| {
                // Lines of other kinds may lie before the record's own.
                let own = piece.iter().rposition(|byte| *byte == b'\n')? + 1;
                Line::parse(&piece[own..])
            });
            let line = line.filter(|line| (line.seq, line.crc) == (seq, entry.crc));
            visit(&line.ok_or_else(|| StoreError::Damaged { path: self.path.clone(), seq })?);
            line_start = entry.line_end();
        }
        Ok(())
    }

    /// Reads up to `count` records from `first` on as one batch.
    pub(crate) fn lines(&self, first: u64, count: usize) -> Result<Lines, StoreError> {
        let mut records = Vec::new();
        self.read(first, count, |line| records.push((line.epoch, line.payload.to_vec())))?;
        let records: Vec<(u64, &[u8])> =
            records.iter().map(|(epoch, payload)| (*epoch, payload.as_slice())).collect();
        Ok(Lines::batch(first, &records))
    }
}

/// Returns the device and inode of an open file.
pub(crate) fn place(file: &File) -> io::Result<(u64, u64)> {
    file.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
impl Journal {
    /// Puts another file under the journal, to make it fail, and returns the real one.
    pub(crate) fn swap_file(&mut self, file: File) -> File {
        std::mem::replace(&mut self.file, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(first: u64, epoch: u64, batch: &[&str]) -> Lines {
        let records: Vec<(u64, &[u8])> = batch.iter().map(|payload| (epoch, payload.as_bytes())).collect();
        Lines::batch(first, &records)
    }

    fn writer(epoch: u64) -> Writer {
        Writer { epoch, host: "h".into(), pid: epoch as u32 }
    }

    #[test]
    fn failed_append_leaves_the_file_as_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut journal = Journal::create(&path, &StoreId::random()).unwrap();
        journal.append(&lines(1, 1, &["{}"])).unwrap();
        let before = fs::read(&path).unwrap();
        let full = OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
        let real = journal.swap_file(full);
        let error = journal.append(&lines(2, 1, &[r#"{"lost":1}"#])).unwrap_err();
        assert!(error.to_string().contains("events.jsonl"), "{error}");
        assert_eq!((journal.last_seq(), fs::read(&path).unwrap()), (1, before));
        journal.swap_file(real);
        let kept = lines(2, 1, &[r#"{"kept":1}"#, "{}"]);
        journal.append(&kept).unwrap();
        assert_eq!(journal.lines(2, 9).unwrap().text(), kept.text());
        assert_eq!(Journal::open(&path).unwrap().unwrap().1.records, 3);
    }

    #[test]
    fn byte_changed_under_an_open_journal_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut journal = Journal::create(&path, &StoreId::random()).unwrap();
        journal.append(&lines(1, 1, &[r#"{"a":1}"#, r#"{"a":2}"#])).unwrap();
        let at = journal.entries[1].offset + 5;
        OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"7", at).unwrap();
        assert!(matches!(journal.lines(1, 2), Err(StoreError::Damaged { seq: 2, .. })));
    }

    #[test]
    fn writer_that_lost_the_log_finds_out_and_overwrites_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut old = Journal::create(&path, &StoreId::random()).unwrap();
        old.take_over(&writer(1)).unwrap();
        old.append(&lines(1, 1, &[r#"{"a":1}"#])).unwrap();
        let (mut new, _) = Journal::open(&path).unwrap().unwrap();
        old.check_own().unwrap();
        // The other takes over between the look and the write.
        new.take_over(&writer(2)).unwrap();
        assert!(matches!(old.append(&lines(2, 1, &[r#"{"b":1}"#])), Err(StoreError::Fenced { .. })));
        let error = old.check_own().unwrap_err().to_string();
        assert!(error.contains("taken over by process 2 on h"), "{error}");
        // What it left behind does not count, and the owner goes on.
        new.check_own().unwrap();
        new.append(&lines(2, 2, &[r#"{"c":1}"#])).unwrap();
        let (again, found) = Journal::open(&path).unwrap().unwrap();
        assert_eq!((found.records, found.fenced, found.damage()), (2, 1, None));
        let own = lines(2, 2, &[r#"{"c":1}"#]);
        assert_eq!(again.lines(2, 1).unwrap().text(), own.text());
    }
}
