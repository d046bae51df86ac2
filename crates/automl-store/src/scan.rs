//! Reads a journal from its beginning, or on from where it was read before, and finds where it stops making sense.
//!
//! Only whole batches count. Lines of a batch whose end is missing are the torn tail of an unfinished write; a line
//! that does not follow, with intact ones behind it, is damage; records of a writer that had lost the log to
//! another one are passed over.

use std::io::{self, BufRead, BufReader, Read};

use crate::format::{Entry, Header, Line, MAX_LINE_BYTES, Writer};

/// What reading a journal found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scan {
    /// The header, when the first line is an intact one.
    pub(crate) header: Option<Header>,
    /// Records of the longest intact beginning that ends with a whole batch.
    pub(crate) records: u64,
    /// Bytes of that beginning.
    pub(crate) good_len: u64,
    /// Lines of that beginning.
    pub(crate) good_lines: u64,
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
    /// Who took the log over, each with the number of the first record from then on.
    pub(crate) writers: Vec<(Writer, u64)>,
    /// Highest epoch of any line.
    pub(crate) epoch: u64,
    /// Lines that hold no record that counts, each by the number of the first record behind it.
    pub(crate) others: Vec<u64>,
    /// Records of writers that had lost the log: they do not count, and were never acknowledged.
    pub(crate) fenced: u64,
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
    /// Bytes behind the usable beginning.
    pub(crate) fn tail_bytes(&self) -> u64 {
        self.file_len - self.good_len
    }

    /// Says what is wrong beyond a torn tail, if anything.
    pub(crate) fn damage(&self) -> Option<String> {
        if self.header.is_none() {
            Some("damaged in its first line".into())
        } else if self.claimed > self.records {
            Some(format!("damaged behind record {}", self.records))
        } else {
            None
        }
    }
}

/// A record of a whole batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) seq: u64,
    pub(crate) payload: &'a [u8],
    /// Where it is in the file.
    pub(crate) entry: Entry,
}

/// Reads a journal from its beginning, line by line, and shows every record of a whole batch to `visit`, in
/// order.
pub(crate) fn scan(file: impl Read, visit: impl FnMut(Found<'_>)) -> io::Result<Scan> {
    scan_on(Scan::default(), file, visit)
}

/// Goes on where an earlier scan found the last whole batch to end: `file` is read from there.
pub(crate) fn scan_on(before: Scan, file: impl Read, mut visit: impl FnMut(Found<'_>)) -> io::Result<Scan> {
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut prefix = Prefix::behind(&before);
    let mut scan = Scan { file_len: before.good_len, stray: None, behind: 0, fenced: 0, ..before };
    let mut line = Vec::new();
    let mut number = scan.good_lines + 1;
    while read_line(&mut reader, &mut line)? {
        let start = scan.file_len;
        scan.file_len += line.len() as u64;
        let whole = line.strip_suffix(b"\n");
        let here = Stray { line: number, offset: start, found: None };
        number += u64::from(whole.is_some());
        let record = whole.and_then(Line::parse);
        if start == 0 && record.is_none() {
            scan.header = whole.and_then(Header::parse);
            if scan.header.is_some() {
                scan.reach(scan.file_len, 1);
            } else {
                scan.stray = Some(here);
            }
            continue;
        }
        match record {
            Some(record) if prefix.is_fenced(&record) => {
                scan.fenced += 1;
                scan.others.push(scan.records + 1);
            }
            Some(record) => {
                // The payload ends two bytes before the end of the line: `}` and the line break.
                let offset = scan.file_len - 2 - record.payload.len() as u64;
                if prefix.accept(&record, offset) {
                    if prefix.batch_is_whole() {
                        prefix.show_batch(&record, &mut visit);
                        scan.records = record.seq;
                        scan.epoch = prefix.epoch;
                        scan.reach(scan.file_len, number - 1);
                    }
                } else {
                    prefix.see_behind(&record);
                    scan.behind += 1;
                    scan.stray.get_or_insert(Stray { found: Some(record.seq), ..here });
                }
            }
            None => match whole.and_then(Writer::parse).filter(|writer| prefix.take_over(writer)) {
                Some(writer) => {
                    scan.epoch = prefix.epoch;
                    scan.writers.push((writer, scan.records + 1));
                    scan.others.push(scan.records + 1);
                    scan.reach(scan.file_len, number - 1);
                }
                None => {
                    prefix.broken = true;
                    prefix.see_broken(&line);
                    scan.stray.get_or_insert(here);
                }
            },
        }
        // The file ended in the middle of a line. What a writer has added since goes on with that line: read by
        // itself it would look damaged.
        if whole.is_none() && line.len() < MAX_LINE_BYTES {
            break;
        }
    }
    scan.claimed = prefix.claimed().max(scan.records);
    Ok(scan)
}

impl Scan {
    /// Everything up to here can be used.
    fn reach(&mut self, len: u64, lines: u64) {
        (self.good_len, self.good_lines) = (len, lines);
    }
}

/// State of a scan: the lines that follow on each other, and what is behind them.
#[derive(Default)]
struct Prefix {
    last_seq: u64,
    /// End of the batch that the latest line belongs to.
    batch_last: u64,
    /// Highest epoch so far.
    epoch: u64,
    /// Records of a batch whose end has not been seen, and their payloads one after the other.
    pending: Vec<Entry>,
    payloads: Vec<u8>,
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
    fn behind(scan: &Scan) -> Self {
        let last_seq = scan.records;
        Self { last_seq, batch_last: last_seq, epoch: scan.epoch, ..Self::default() }
    }

    /// Shows the records of a batch the last of which has just been read.
    fn show_batch(&mut self, last: &Line<'_>, visit: &mut impl FnMut(Found<'_>)) {
        let entry = self.pending.pop().expect("the last record of the batch was accepted");
        let first = last.seq - self.pending.len() as u64;
        let mut rest = self.payloads.as_slice();
        for (entry, seq) in self.pending.drain(..).zip(first..) {
            let (payload, others) = rest.split_at(entry.len as usize);
            visit(Found { seq, payload, entry });
            rest = others;
        }
        visit(Found { seq: last.seq, payload: last.payload, entry });
        self.payloads.clear();
    }

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

    /// Tells whether a record is of a writer that had lost the log to another one.
    fn is_fenced(&self, record: &Line<'_>) -> bool {
        !self.broken && self.batch_is_whole() && record.epoch < self.epoch
    }

    /// Lets the log belong to another writer, if it may take it over here.
    fn take_over(&mut self, writer: &Writer) -> bool {
        let may = !self.broken && self.batch_is_whole() && writer.epoch > self.epoch;
        if may {
            self.epoch = writer.epoch;
        }
        may
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
        self.epoch = self.epoch.max(record.epoch);
        self.pending.push(Entry { offset, len: record.payload.len() as u32, crc: record.crc });
        if !self.batch_is_whole() {
            self.payloads.extend_from_slice(record.payload);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{FORMAT, Lines, StoreId};

    fn lines(first: u64, epoch: u64, batch: &[&str]) -> Lines {
        let records: Vec<(u64, &[u8])> = batch.iter().map(|payload| (epoch, payload.as_bytes())).collect();
        Lines::batch(first, &records)
    }

    fn writer(epoch: u64) -> Writer {
        Writer { epoch, host: "h".into(), pid: epoch as u32 }
    }

    fn text(batches: &[&[&str]]) -> Vec<u8> {
        let mut out = Header { format: FORMAT, id: StoreId::random() }.line();
        let mut seq = 0;
        for batch in batches {
            out.extend_from_slice(lines(seq + 1, 1, batch).text());
            seq += batch.len() as u64;
        }
        out
    }

    /// Ends at a place, as a file does, and has grown when it is read once more.
    struct Growing<'a>(std::collections::VecDeque<&'a [u8]>);

    impl Read for Growing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.pop_front().map_or(Ok(0), |mut part| part.read(buffer))
        }
    }

    #[test]
    fn journal_that_grows_while_it_is_read_is_not_damaged() {
        let text = text(&[&["{}"], &[r#"{"a":1}"#, "{}"], &["{}"]]);
        let header = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for cut in header..text.len() {
            let (before, after) = text.split_at(cut);
            let found = scan(Growing([before, b"", after].into()), |_| {}).unwrap();
            assert_eq!(found.damage(), None, "cut at {cut}");
        }
    }

    #[test]
    fn every_cut_leaves_whole_batches_only() {
        let full = text(&[&[r#"{"a":1}"#], &[r#"{"b":1}"#, r#"{"b":2}"#, r#"{"b":3}"#], &["{}"]]);
        let mut seen = std::collections::BTreeSet::new();
        for cut in 0..=full.len() {
            let found = scan(&full[..cut], |_| ()).unwrap();
            assert!(found.good_len <= cut as u64 && found.file_len == cut as u64);
            assert!(found.header.is_none() || found.damage().is_none(), "cut at {cut} is no damage");
            seen.insert(found.records);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 4, 5]);
    }

    #[test]
    fn bad_line_before_good_ones_is_damage() {
        let mut bytes = text(&[&[r#"{"a":1}"#], &[r#"{"a":2}"#], &[r#"{"a":3}"#]]);
        let second = bytes.windows(5).position(|w| w == br#""a":2"#).unwrap();
        bytes[second] = b'!';
        let found = scan(&bytes[..], |_| ()).unwrap();
        assert_eq!((found.records, found.claimed), (1, 3));
        assert!(found.damage().unwrap().contains("behind record 1"));
    }

    #[test]
    fn hole_in_the_last_batch_is_a_loss_of_power() {
        let batch = [r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#, r#"{"a":4}"#];
        let whole = text(&[&["{}"], &batch]);
        let line = whole.windows(5).position(|w| w == br#""a":2"#).unwrap();
        let mut holed = whole.clone();
        holed[line - 3..line + 5].fill(0);
        let found = scan(&holed[..], |_| ()).unwrap();
        assert_eq!((found.records, found.damage()), (1, None));
        // Behind an acknowledged batch, or with other bytes, it is damage.
        let mut later = text(&[&["{}"], &batch, &["{}"]]);
        later[line - 3..line + 5].fill(0);
        assert_eq!(scan(&later[..], |_| ()).unwrap().claimed, 6);
        let mut edited = whole;
        edited[line] = b'!';
        assert_eq!(scan(&edited[..], |_| ()).unwrap().claimed, 5);
    }

    #[test]
    fn lost_header_costs_no_record() {
        let mut bytes = text(&[&[r#"{"a":1}"#], &[r#"{"a":2}"#]]);
        let header_len = bytes.iter().position(|&b| b == b'\n').unwrap() + 1;
        for found in [scan(&bytes[header_len..], |_| ()).unwrap(), {
            bytes[3] = b'?';
            scan(&bytes[..], |_| ()).unwrap()
        }] {
            assert_eq!(found.records, 2);
            assert!(found.damage().unwrap().contains("first line"));
        }
    }

    #[test]
    fn endless_line_is_read_in_pieces() {
        let mut bytes = text(&[&["{}"]]);
        bytes.extend(std::iter::repeat_n(b'z', 2 * MAX_LINE_BYTES + 10));
        let found = scan(&bytes[..], |_| ()).unwrap();
        assert_eq!((found.records, found.damage()), (1, None));
        assert_eq!(found.tail_bytes(), 2 * MAX_LINE_BYTES as u64 + 10);
    }

    #[test]
    fn records_of_a_writer_that_lost_the_log_do_not_count() {
        let header = Header { format: FORMAT, id: StoreId::random() }.line();
        let parts = [
            header,
            writer(1).line(),
            lines(1, 1, &["{}", "{}"]).text().to_vec(),
            writer(2).line(),
            lines(3, 1, &[r#"{"late":1}"#, r#"{"late":2}"#]).text().to_vec(),
            lines(3, 2, &[r#"{"own":1}"#]).text().to_vec(),
            lines(4, 1, &[r#"{"late":3}"#]).text().to_vec(),
        ];
        let whole = parts.concat();
        let mut seen = Vec::new();
        let found = scan(&whole[..], |found| seen.push((found.seq, found.payload.to_vec()))).unwrap();
        assert_eq!((found.records, found.fenced, found.epoch, found.damage()), (3, 3, 2, None));
        assert_eq!(seen[2], (3, br#"{"own":1}"#.to_vec()));
        assert_eq!(found.writers, [(writer(1), 1), (writer(2), 3)]);
        // What is at the end is cut off like any write that was never acknowledged.
        assert_eq!(found.tail_bytes(), parts[6].len() as u64);
        // A takeover with an epoch that was there before, or within a batch, is none.
        let again = [parts[0].clone(), parts[3].clone(), parts[1].clone(), parts[2].clone()].concat();
        assert_eq!(scan(&again[..], |_| ()).unwrap().claimed, 2);
    }
}
