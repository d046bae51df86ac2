//! How a record looks on the disk: one line of text, the same in the database and in the journal.
//!
//! Journal: a header line `{"automl_events":2,"store":"<id>","crc":"<8 hex>"}`, then lines of two kinds. A
//! record is `{"seq":7,"epoch":3,"crc":"<8 hex>","event":<payload>}`. One that is not the last of its batch
//! carries `"last":<seq>` after its number, the end of the batch, so that half a batch is never taken for a
//! whole one. A takeover is `{"epoch":3,"host":"<name>","pid":<number>,"crc":"<8 hex>"}`: from there on the
//! log belongs to that writer, and a record of an earlier epoch that comes after it does not count.
//!
//! The database keeps the records' lines in blocks (`blocks.rs`).
//!
//! The checksum is the CRC-32 of the sequence number, the epoch and the payload, the same on both sides, so
//! that the copies can be compared without reading both payloads.
//!
//! Changes: an old program refuses a log with a higher [`FORMAT`]. The header line keeps its three
//! fields in every format, so that the refusal can name the number; further fields may be added. Format 1 had
//! no epochs: its records count as those of epoch 0, whose checksums leave the epoch out.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use crate::error::StoreError;
use crate::process::host_name;

/// Version of the stored format that this program writes, and the highest that it reads.
pub(crate) const FORMAT: u32 = 2;
/// Largest payload in bytes.
///
/// Records are facts of some hundred bytes; logs and checkpoints are files. The limit keeps a slip
/// from filling the memory of every later reader.
pub const MAX_PAYLOAD_BYTES: usize = 4 << 20;
/// Longest line of a journal in bytes: a payload and what surrounds it.
pub(crate) const MAX_LINE_BYTES: usize = MAX_PAYLOAD_BYTES + 192;

/// Random identity of one log, equal in its two copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreId(String);

impl StoreId {
    /// Draws an identity from the keys of the standard hasher, which the system seeds at random.
    pub(crate) fn random() -> Self {
        let draw = || RandomState::new().hash_one(std::process::id());
        Self(format!("{:016x}{:016x}", draw(), draw()))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        String::from_utf8(bytes.to_vec()).ok().map(Self)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// First line of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) id: StoreId,
}

impl Header {
    pub(crate) fn line(&self) -> Vec<u8> {
        sealed(format!("{{\"automl_events\":{},\"store\":\"{}\"", self.format, self.id))
    }

    /// Reads a header line without its line break, of this or any later format.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Fields {
            automl_events: u32,
            store: String,
        }
        let fields: Fields = unsealed(line)?;
        Some(Self { format: fields.automl_events, id: StoreId(fields.store) })
    }
}

/// A process that has opened a log for writing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Writer {
    /// Counts those who opened this log for writing, from 1.
    pub epoch: u64,
    /// Name of its computer.
    pub host: String,
    /// Its process number.
    pub pid: u32,
}

impl Writer {
    /// Returns this process as a writer.
    pub(crate) fn this(epoch: u64) -> Self {
        Self { epoch, host: host_name(), pid: std::process::id() }
    }

    /// Line of a takeover.
    pub(crate) fn line(&self) -> Vec<u8> {
        let host = serde_json::to_string(&self.host).expect("a text always serialises");
        sealed(format!("{{\"epoch\":{},\"host\":{host},\"pid\":{}", self.epoch, self.pid))
    }

    /// Reads the line of a takeover without its line break.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        line.starts_with(b"{\"epoch\":").then(|| unsealed(line))?
    }
}

/// Ends a line without payload with its checksum.
pub(crate) fn sealed(body: String) -> Vec<u8> {
    let crc = crc32fast::hash(body.as_bytes());
    format!("{body},\"crc\":\"{crc:08x}\"}}\n").into_bytes()
}

/// Reads such a line without its line break; `None` when it is not intact.
pub(crate) fn unsealed<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let (body, tail) = line.split_at_checked(line.len().checked_sub(",\"crc\":\"01234567\"}".len())?)?;
    let crc = parse_crc(tail.strip_prefix(b",\"crc\":\"")?.strip_suffix(b"\"}")?)?;
    (crc32fast::hash(body) == crc).then(|| serde_json::from_slice(line).ok())?
}

/// A record line of a journal whose checksum is right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) seq: u64,
    /// Last record of the batch; `seq` itself in a batch of one.
    pub(crate) batch_last: u64,
    /// Whose record it is.
    pub(crate) epoch: u64,
    pub(crate) crc: u32,
    pub(crate) payload: &'a [u8],
}

impl<'a> Line<'a> {
    /// Reads a line without its line break; `None` when it is not intact.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let (seq, rest) = take_number(line.strip_prefix(b"{\"seq\":")?)?;
        let (batch_last, rest) = match rest.strip_prefix(b",\"last\":") {
            Some(rest) => take_number(rest)?,
            None => (seq, rest),
        };
        let (epoch, rest) = match rest.strip_prefix(b",\"epoch\":") {
            Some(rest) => take_number(rest)?,
            None => (0, rest),
        };
        let (hex, rest) = rest.strip_prefix(b",\"crc\":\"")?.split_at_checked(8)?;
        let payload = rest.strip_prefix(b"\",\"event\":")?.strip_suffix(b"}")?;
        let crc = parse_crc(hex)?;
        let intact = batch_last >= seq && crc == record_crc(seq, epoch, payload);
        intact.then_some(Self { seq, batch_last, epoch, crc, payload })
    }
}

/// Records as lines, ready for both copies.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    text: Vec<u8>,
    first: u64,
    entries: Vec<Entry>,
}

/// Where the payload of one record is in a text, and its checksum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) offset: u64,
    pub(crate) len: u32,
    pub(crate) crc: u32,
}

impl Entry {
    /// Position of the end of the record's line.
    pub(crate) fn line_end(&self) -> u64 {
        self.offset + u64::from(self.len) + b"}\n".len() as u64
    }
}

impl Lines {
    /// Makes one batch of records that begins at `first`; each comes with its epoch.
    pub(crate) fn batch(first: u64, records: &[(u64, &[u8])]) -> Self {
        let mut lines = Self { text: Vec::new(), first, entries: Vec::with_capacity(records.len()) };
        let batch_last = first + (records.len() as u64).saturating_sub(1);
        for ((epoch, payload), seq) in records.iter().zip(first..) {
            let crc = record_crc(seq, *epoch, payload);
            let offset = push_line(&mut lines.text, seq, batch_last, *epoch, crc, payload) as u64;
            lines.entries.push(Entry { offset, len: payload.len() as u32, crc });
        }
        lines
    }

    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Number of the first record.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Number of the last record.
    pub(crate) fn last(&self) -> u64 {
        self.first + self.entries.len() as u64 - 1
    }
}

/// Appends the line of a record to `out` and returns the position of its payload in `out`.
pub(crate) fn push_line(
    out: &mut Vec<u8>,
    seq: u64,
    batch_last: u64,
    epoch: u64,
    crc: u32,
    payload: &[u8],
) -> usize {
    out.extend_from_slice(format!("{{\"seq\":{seq}").as_bytes());
    if batch_last != seq {
        out.extend_from_slice(format!(",\"last\":{batch_last}").as_bytes());
    }
    if epoch > 0 {
        out.extend_from_slice(format!(",\"epoch\":{epoch}").as_bytes());
    }
    out.extend_from_slice(format!(",\"crc\":\"{crc:08x}\",\"event\":").as_bytes());
    let position = out.len();
    out.extend_from_slice(payload);
    out.extend_from_slice(b"}\n");
    position
}

/// Returns the checksum of a record.
pub(crate) fn record_crc(seq: u64, epoch: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&seq.to_be_bytes());
    if epoch > 0 {
        hasher.update(&epoch.to_be_bytes());
    }
    hasher.update(payload);
    hasher.finalize()
}

/// Checks that every payload is one JSON object on one line and not too long.
pub(crate) fn check_payloads(payloads: &[Vec<u8>]) -> Result<(), StoreError> {
    for (index, payload) in payloads.iter().enumerate() {
        check_payload(payload).map_err(|reason| StoreError::BadPayload { index, reason })?;
    }
    Ok(())
}

fn check_payload(payload: &[u8]) -> Result<(), String> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(format!("has {} bytes, the limit is {MAX_PAYLOAD_BYTES}", payload.len()));
    }
    if !(payload.starts_with(b"{") && payload.ends_with(b"}")) {
        return Err("is not a JSON object".into());
    }
    if payload.iter().any(|&byte| byte == b'\n' || byte == b'\r') {
        return Err("contains a line break".into());
    }
    if std::str::from_utf8(payload).is_err() {
        return Err("is not UTF-8".into());
    }
    serde_json::from_slice::<IgnoredAny>(payload).map(drop).map_err(|e| format!("is not JSON: {e}"))
}

fn take_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut number: u64 = 0;
    let mut digits = 0;
    for byte in text.iter().take_while(|byte| byte.is_ascii_digit()) {
        number = number.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        digits += 1;
    }
    (digits > 0).then_some((number, &text[digits..]))
}

fn parse_crc(hex: &[u8]) -> Option<u32> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    (hex.len() == 8).then(|| hex.iter().try_fold(0, |crc, byte| Some(crc << 4 | digit(byte)?)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(seq: u64, batch: usize, epoch: u64, payload: &[u8]) -> Vec<u8> {
        let lines = Lines::batch(seq, &vec![(epoch, payload); batch]);
        lines.text().split(|&byte| byte == b'\n').next().unwrap().to_vec()
    }

    #[test]
    fn line_is_the_documented_text() {
        for (epoch, field) in [(0, ""), (3, ",\"epoch\":3")] {
            let lines = Lines::batch(7, &[(epoch, br#"{"a":1}"#)]);
            let crc = record_crc(7, epoch, br#"{"a":1}"#);
            assert_eq!(
                String::from_utf8_lossy(lines.text()),
                format!("{{\"seq\":7{field},\"crc\":\"{crc:08x}\",\"event\":{{\"a\":1}}}}\n")
            );
            let entry = lines.entries()[0];
            assert!(lines.text()[entry.offset as usize..].starts_with(br#"{"a":1}"#));
            assert_eq!((entry.line_end(), lines.last()), (lines.text().len() as u64, 7));
        }
    }

    #[test]
    fn line_reads_back_and_no_flipped_bit_passes() {
        let out = line(41, 3, 6, br#"{"name":"x"}"#);
        let read = Line::parse(&out).unwrap();
        assert_eq!((read.seq, read.batch_last, read.epoch), (41, 43, 6));
        assert_eq!(read.payload, br#"{"name":"x"}"#);
        // The end of the batch is guarded by its neighbours, not by the checksum of the record.
        let batch_end = 9..19;
        for position in (0..out.len()).filter(|p| !batch_end.contains(p)) {
            let mut flipped = out.clone();
            flipped[position] ^= 1;
            let other = Line::parse(&flipped);
            assert!(other.is_none_or(|l| l == read), "byte {position} may not change the record");
        }
    }

    #[test]
    fn takeover_reads_back_and_is_no_record() {
        let writer = Writer { epoch: 4, host: "a \"b\"".into(), pid: 77 };
        let line = writer.line();
        let line = line.strip_suffix(b"\n").unwrap();
        assert_eq!(Writer::parse(line), Some(writer));
        assert_eq!((Line::parse(line), Header::parse(line)), (None, None));
        let mut flipped = line.to_vec();
        flipped[10] ^= 1;
        assert_eq!(Writer::parse(&flipped), None);
    }

    #[test]
    fn header_reads_back_and_names_later_formats() {
        let header = Header { format: 9, id: StoreId::random() };
        let line = header.line();
        assert_eq!(Header::parse(&line[..line.len() - 1]), Some(header));
        let mut flipped = line.clone();
        flipped[17] ^= 1;
        assert_eq!(Header::parse(&flipped[..line.len() - 1]), None);
        assert_eq!(Header::parse(b"{}"), None);
    }

    #[test]
    fn identities_differ() {
        assert_ne!(StoreId::random(), StoreId::random());
        assert_eq!(StoreId::random().as_str().len(), 32);
    }

    #[test]
    fn only_single_line_objects_are_accepted() {
        for good in [&b"{}"[..], br#"{"a":[1,null,"\n"]}"#] {
            assert_eq!(check_payload(good), Ok(()));
        }
        let huge = [b"{\"a\":\"".to_vec(), vec![b'x'; MAX_PAYLOAD_BYTES], b"\"}".to_vec()].concat();
        for bad in [&b"[]"[..], b"", b"{", b"{\"a\":1,}", b"{}{}", b"{\n}", b"{\"a\":\"\xff\"}", &huge] {
            assert!(check_payload(bad).is_err(), "{:?}", String::from_utf8_lossy(&bad[..bad.len().min(20)]));
        }
    }
}
