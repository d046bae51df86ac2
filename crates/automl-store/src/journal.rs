//! The journal `events.jsonl`: the plain mirror of the log.
//!
//! Only the end of the file is ever written, and only after what is before it is durable. So a crash
//! leaves at most an unfinished end, the *torn tail*, which is cut off. Anything else that does not
//! read back, such as a bad line with good ones behind it, is damage.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::error::StoreError;
use crate::faults::{self, Operation};
use crate::files::sync_dir;
use crate::format::{FORMAT, Header, Line, MAX_LINE_BYTES, StoreId, push_line, record_crc};

/// Where the payload of one record is in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    offset: u64,
    len: u32,
    /// Checksum of the record.
    pub(crate) crc: u32,
}

/// What reading a journal from its beginning found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// The header, when the first line is an intact one.
    pub(crate) header: Option<Header>,
    /// The records of the longest intact beginning that ends with a whole batch.
    pub(crate) entries: Vec<Entry>,
    /// Bytes of that beginning.
    pub(crate) good_len: u64,
    /// Bytes of the file.
    pub(crate) file_len: u64,
    /// Highest sequence number in any intact line, also behind a damaged one. The lines of an
    /// unfinished last batch do not count: that batch was never acknowledged. That it is unfinished can
    /// also be seen from a hole of zeros in it, where a loss of power has kept later sectors only.
    pub(crate) claimed: u64,
    /// The first line that does not follow on what is before it, if there is one.
    pub(crate) stray: Option<Stray>,
    /// Intact lines from there on.
    pub(crate) behind: u64,
}

/// Where a journal stops making sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stray {
    /// Number of the line, from 1; the header is line 1.
    pub line: u64,
    /// Position of its first byte in the file.
    pub offset: u64,
    /// Number of the record in it, where the line is intact and only in the wrong place.
    pub found: Option<u64>,
}

impl Scan {
    /// Number of records that can be used.
    pub(crate) fn prefix(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Bytes behind the usable beginning.
    pub(crate) fn tail_bytes(&self) -> u64 {
        self.file_len - self.good_len
    }

    /// Says what is wrong beyond a torn tail, if anything.
    pub(crate) fn damage(&self) -> Option<String> {
        if self.header.is_none() {
            Some("damaged in its first line".into())
        } else if self.claimed > self.prefix() {
            Some(format!("damaged behind record {}", self.prefix()))
        } else {
            None
        }
    }
}

/// Reads a journal line by line and shows every intact record in order to `visit`.
///
/// `visit` also sees the records of a last batch that turns out to be unfinished: the caller keeps
/// the first [`Scan::prefix`] of them.
pub(crate) fn scan(file: impl Read, mut visit: impl FnMut(u64, &[u8])) -> io::Result<Scan> {
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut scan = Scan::default();
    let mut prefix = Prefix::default();
    let mut line = Vec::new();
    let mut number = 1;
    while read_line(&mut reader, &mut line)? {
        let start = scan.file_len;
        scan.file_len += line.len() as u64;
        let whole = line.strip_suffix(b"\n");
        let here = Stray { line: number, offset: start, found: None };
        number += u64::from(whole.is_some());
        if start == 0 && whole.and_then(Line::parse).is_none() {
            scan.header = whole.and_then(Header::parse);
            scan.good_len = if scan.header.is_some() { scan.file_len } else { 0 };
            scan.stray = scan.header.is_none().then_some(here);
            continue;
        }
        match whole.and_then(Line::parse) {
            Some(record) => {
                // The payload ends two bytes before the end of the line: `}` and the line break.
                let offset = scan.file_len - 2 - record.payload.len() as u64;
                if prefix.accept(&record, offset) {
                    visit(record.seq, record.payload);
                    if prefix.batch_is_whole() {
                        scan.good_len = scan.file_len;
                        scan.entries.append(&mut prefix.pending);
                    }
                } else {
                    prefix.see_behind(&record);
                    scan.behind += 1;
                    scan.stray.get_or_insert(Stray { found: Some(record.seq), ..here });
                }
            }
            None => {
                prefix.broken = true;
                prefix.see_broken(&line);
                scan.stray.get_or_insert(here);
            }
        }
    }
    scan.claimed = prefix.claimed().max(scan.prefix());
    Ok(scan)
}

/// State of [`scan`]: the lines that follow on each other, and what is behind them.
#[derive(Default)]
struct Prefix {
    last_seq: u64,
    /// End of the batch that the latest line belongs to.
    batch_last: u64,
    /// Lines of a batch whose end has not been seen.
    pending: Vec<Entry>,
    /// Set by the first line that does not follow; nothing is accepted after it.
    broken: bool,
    /// Whether there are zeros behind it, as only places hold that were never written.
    hole: bool,
    /// Whether something behind it cannot be of one unfinished batch.
    other: bool,
    /// The batch of the intact lines behind it.
    batch_behind: Option<u64>,
    /// Highest number in these lines.
    last_behind: u64,
}

impl Prefix {
    /// Takes in a line that is not intact.
    fn see_broken(&mut self, line: &[u8]) {
        let zeros = line.contains(&0);
        self.hole |= zeros;
        // The file's last line may just be cut short.
        self.other |= !zeros && line.ends_with(b"\n");
    }

    /// Takes in an intact line that does not follow.
    fn see_behind(&mut self, record: &Line<'_>) {
        let in_batch = self.last_seq < self.batch_last;
        let own = if in_batch { self.batch_last } else { record.batch_last };
        let batch = *self.batch_behind.get_or_insert(own);
        let rises = record.seq > self.last_seq.max(self.last_behind);
        self.other |= !rises || record.batch_last != batch;
        self.last_behind = self.last_behind.max(record.seq);
    }

    /// Returns the highest number that was acknowledged as far as the lines behind can tell.
    fn claimed(&self) -> u64 {
        if self.hole && !self.other { 0 } else { self.last_behind }
    }

    fn accept(&mut self, record: &Line<'_>, offset: u64) -> bool {
        let in_batch = self.last_seq < self.batch_last;
        let follows = record.seq == self.last_seq + 1 && (!in_batch || record.batch_last == self.batch_last);
        if self.broken || !follows {
            self.broken = true;
            return false;
        }
        self.last_seq = record.seq;
        self.batch_last = record.batch_last;
        self.pending.push(Entry { offset, len: record.payload.len() as u32, crc: record.crc });
        true
    }

    fn batch_is_whole(&self) -> bool {
        self.last_seq == self.batch_last
    }
}

/// Reads the next line with its line break, or a piece of one that is too long to be a record.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    reader.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', line)?;
    Ok(!line.is_empty())
}

/// A journal that is open for appending.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    entries: Vec<Entry>,
    good_len: u64,
    /// Set while there may be bytes behind `good_len` that must go before the next append.
    untrimmed: bool,
}

impl Journal {
    /// Creates an empty journal under a name, durably. An older file of that name is replaced.
    pub(crate) fn create(path: &Path, id: &StoreId) -> Result<Self, StoreError> {
        let header = Header { format: FORMAT, id: id.clone() }.line();
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).open(path);
        let file = file.map_err(StoreError::io("create", path))?;
        file.write_all_at(&header, 0)
            .and_then(|()| file.sync_all())
            .map_err(StoreError::io("write to", path))?;
        let good_len = header.len() as u64;
        Ok(Self { path: path.to_owned(), file, entries: Vec::new(), good_len, untrimmed: false })
    }

    /// Opens and reads a journal; `None` when there is no such file.
    pub(crate) fn open(path: &Path) -> Result<Option<(Self, Scan)>, StoreError> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(StoreError::io("open", path))?,
        };
        let scan = scan(&file, |_, _| ()).map_err(StoreError::io("read", path))?;
        let entries = scan.entries.clone();
        let untrimmed = scan.tail_bytes() > 0;
        Ok(Some((Self { path: path.to_owned(), file, entries, good_len: scan.good_len, untrimmed }, scan)))
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

    /// Returns the checksum of a record that is in the journal.
    pub(crate) fn crc(&self, seq: u64) -> Option<u32> {
        Some(self.entries.get(usize::try_from(seq.checked_sub(1)?).ok()?)?.crc)
    }

    /// Appends a batch behind the last record, durably. After an error the file is as before, or
    /// will be made so before the next append.
    pub(crate) fn append(&mut self, payloads: &[impl AsRef<[u8]>]) -> Result<(), StoreError> {
        self.trim()?;
        let mut text = Vec::new();
        let batch_last = self.last_seq() + payloads.len() as u64;
        let mut entries = Vec::with_capacity(payloads.len());
        for (payload, seq) in payloads.iter().map(AsRef::as_ref).zip(self.last_seq() + 1..) {
            let offset = self.good_len + push_line(&mut text, seq, batch_last, payload) as u64;
            entries.push(Entry { offset, len: payload.len() as u32, crc: record_crc(seq, payload) });
        }
        if let Err(source) = self.write_durably(&text) {
            self.untrimmed = true;
            // A failure to cut is no news for the caller: the next append has to cut first anyway.
            let _ = self.trim();
            return Err(StoreError::Io { action: "append to", path: self.path.clone(), source });
        }
        self.entries.append(&mut entries);
        self.good_len += text.len() as u64;
        Ok(())
    }

    fn write_durably(&self, text: &[u8]) -> io::Result<()> {
        if let Some(fault) = faults::strike(Operation::JournalWrite) {
            self.file.write_all_at(&text[..fault.written.min(text.len())], self.good_len)?;
            return Err(fault.into());
        }
        self.file.write_all_at(text, self.good_len)?;
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

    /// Reads up to `count` payloads from `first` on and checks them.
    pub(crate) fn read(&self, first: u64, count: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let start = usize::try_from(first - 1).expect("a record in the index has an index");
        let entries = &self.entries[start..self.entries.len().min(start + count)];
        let (Some(head), Some(tail)) = (entries.first(), entries.last()) else {
            return Ok(Vec::new());
        };
        let mut block = vec![0; (tail.offset - head.offset) as usize + tail.len as usize];
        self.file.read_exact_at(&mut block, head.offset).map_err(StoreError::io("read", &self.path))?;
        let cut = |entry: &Entry| {
            let at = (entry.offset - head.offset) as usize;
            block[at..at + entry.len as usize].to_vec()
        };
        let payloads: Vec<Vec<u8>> = entries.iter().map(cut).collect();
        for ((payload, entry), seq) in payloads.iter().zip(entries).zip(first..) {
            if record_crc(seq, payload) != entry.crc {
                return Err(StoreError::Damaged { path: self.path.clone(), seq });
            }
        }
        Ok(payloads)
    }
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

    fn text(batches: &[&[&str]]) -> Vec<u8> {
        let mut out = Header { format: FORMAT, id: StoreId::random() }.line();
        let mut seq = 0;
        for batch in batches {
            let last = seq + batch.len() as u64;
            for payload in *batch {
                seq += 1;
                push_line(&mut out, seq, last, payload.as_bytes());
            }
        }
        out
    }

    #[test]
    fn every_cut_leaves_whole_batches_only() {
        let full = text(&[&[r#"{"a":1}"#], &[r#"{"b":1}"#, r#"{"b":2}"#, r#"{"b":3}"#], &["{}"]]);
        let mut seen = std::collections::BTreeSet::new();
        for cut in 0..=full.len() {
            let found = scan(&full[..cut], |_, _| ()).unwrap();
            assert!(found.good_len <= cut as u64 && found.file_len == cut as u64);
            assert!(found.header.is_none() || found.damage().is_none(), "cut at {cut} is no damage");
            seen.insert(found.prefix());
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 4, 5]);
    }

    #[test]
    fn bad_line_before_good_ones_is_damage() {
        let mut bytes = text(&[&[r#"{"a":1}"#], &[r#"{"a":2}"#], &[r#"{"a":3}"#]]);
        let second = bytes.windows(5).position(|w| w == br#""a":2"#).unwrap();
        bytes[second] = b'!';
        let found = scan(&bytes[..], |_, _| ()).unwrap();
        assert_eq!((found.prefix(), found.claimed), (1, 3));
        assert!(found.damage().unwrap().contains("behind record 1"));
    }

    #[test]
    fn hole_in_the_last_batch_is_a_loss_of_power() {
        let batch = [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#, r#"{"a":4}"#];
        let whole = text(&[&["{}"], &batch]);
        let line = whole.windows(5).position(|w| w == br#""a":2"#).unwrap();
        let mut holed = whole.clone();
        holed[line - 3..line + 5].fill(0);
        let found = scan(&holed[..], |_, _| ()).unwrap();
        assert_eq!((found.prefix(), found.damage()), (1, None));
        // Behind an acknowledged batch, or with other bytes, it is damage.
        let mut later = text(&[&["{}"], &batch, &["{}"]]);
        later[line - 3..line + 5].fill(0);
        assert_eq!(scan(&later[..], |_, _| ()).unwrap().claimed, 6);
        let mut edited = whole;
        edited[line] = b'!';
        assert_eq!(scan(&edited[..], |_, _| ()).unwrap().claimed, 5);
    }

    #[test]
    fn lost_header_costs_no_record() {
        let mut bytes = text(&[&[r#"{"a":1}"#], &[r#"{"a":2}"#]]);
        let header_len = bytes.iter().position(|&b| b == b'\n').unwrap() + 1;
        for found in [scan(&bytes[header_len..], |_, _| ()).unwrap(), {
            bytes[3] = b'?';
            scan(&bytes[..], |_, _| ()).unwrap()
        }] {
            assert_eq!(found.prefix(), 2);
            assert!(found.damage().unwrap().contains("first line"));
        }
    }

    #[test]
    fn endless_line_is_read_in_pieces() {
        let mut bytes = text(&[&["{}"]]);
        bytes.extend(std::iter::repeat_n(b'z', 2 * MAX_LINE_BYTES + 10));
        let found = scan(&bytes[..], |_, _| ()).unwrap();
        assert_eq!((found.prefix(), found.damage()), (1, None));
        assert_eq!(found.tail_bytes(), 2 * MAX_LINE_BYTES as u64 + 10);
    }

    #[test]
    fn failed_append_leaves_the_file_as_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut journal = Journal::create(&path, &StoreId::random()).unwrap();
        journal.append(&["{}"]).unwrap();
        let before = fs::read(&path).unwrap();
        let full = OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
        let real = journal.swap_file(full);
        let error = journal.append(&[r#"{"lost":1}"#]).unwrap_err();
        assert!(error.to_string().contains("events.jsonl"), "{error}");
        assert_eq!((journal.last_seq(), fs::read(&path).unwrap()), (1, before));
        journal.swap_file(real);
        journal.append(&[r#"{"kept":1}"#, "{}"]).unwrap();
        assert_eq!(journal.read(2, 9).unwrap(), [br#"{"kept":1}"#.to_vec(), b"{}".to_vec()]);
        assert_eq!(Journal::open(&path).unwrap().unwrap().1.prefix(), 3);
    }

    #[test]
    fn byte_changed_under_an_open_journal_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut journal = Journal::create(&path, &StoreId::random()).unwrap();
        journal.append(&[r#"{"a":1}"#, r#"{"a":2}"#]).unwrap();
        let at = journal.entries[1].offset + 5;
        OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"7", at).unwrap();
        assert!(matches!(journal.read(1, 2), Err(StoreError::Damaged { seq: 2, .. })));
    }
}
