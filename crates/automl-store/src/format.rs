//! How a record looks on the disk, in the database and in the journal.
//!
//! Journal: a header line `{"automl_events":1,"store":"<id>","crc":"<8 hex>"}`, then one line per
//! record, `{"seq":7,"crc":"<8 hex>","event":<payload>}`. A record that is not the last of its batch
//! carries `"last":<seq>`, the end of the batch, so that half a batch is never taken for a whole one.
//!
//! Database (default tree): the key of a record is its sequence number as 8 bytes big-endian; the
//! value is a version byte, the checksum (4 bytes big-endian) and the payload. A payload above
//! [`CHUNK_BYTES`] continues under keys with 2 more bytes (part number from 1): sled moves values
//! above about 10 KiB into files of their own that are never collected. The keys `format`, `store`
//! and `last_seq` describe the log; they start with a letter and so sort behind every record.
//!
//! The checksum is the CRC-32 of the sequence number and the payload, the same on both sides, so that
//! the copies can be compared without reading both payloads.
//!
//! Changes: an old program refuses a log with a higher [`FORMAT`]. The header line keeps its three
//! fields in every format, so that the refusal can name the number; further fields may be added.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::fmt;
use std::hash::{BuildHasher, RandomState};

use crate::error::StoreError;

/// Version of the stored format that this program writes, and the highest that it reads.
pub(crate) const FORMAT: u32 = 1;
/// Largest payload in bytes.
///
/// Records are facts of some hundred bytes; logs and checkpoints are files. The limit keeps a slip
/// from filling the memory of every later reader.
pub const MAX_PAYLOAD_BYTES: usize = 4 << 20;
/// Largest part of a payload under one key of the database, in bytes.
pub(crate) const CHUNK_BYTES: usize = 8 << 10;
/// Longest line of a journal in bytes: a payload and what surrounds it.
pub(crate) const MAX_LINE_BYTES: usize = MAX_PAYLOAD_BYTES + 128;

/// Version byte in front of every value of the database.
const VALUE_VERSION: u8 = 1;
const VALUE_HEAD_BYTES: usize = 5;

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
        let body = format!("{{\"automl_events\":{},\"store\":\"{}\"", self.format, self.id);
        let crc = crc32fast::hash(body.as_bytes());
        format!("{body},\"crc\":\"{crc:08x}\"}}\n").into_bytes()
    }

    /// Reads a header line without its line break, of this or any later format.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Fields {
            automl_events: u32,
            store: String,
        }
        let (body, tail) = line.split_at_checked(line.len().checked_sub(",\"crc\":\"01234567\"}".len())?)?;
        let crc = parse_crc(tail.strip_prefix(b",\"crc\":\"")?.strip_suffix(b"\"}")?)?;
        if crc32fast::hash(body) != crc {
            return None;
        }
        let fields: Fields = serde_json::from_slice(line).ok()?;
        Some(Self { format: fields.automl_events, id: StoreId(fields.store) })
    }
}

/// A record line of a journal whose checksum is right.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) seq: u64,
    /// Last record of the batch; `seq` itself in a batch of one.
    pub(crate) batch_last: u64,
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
        let (hex, rest) = rest.strip_prefix(b",\"crc\":\"")?.split_at_checked(8)?;
        let payload = rest.strip_prefix(b"\",\"event\":")?.strip_suffix(b"}")?;
        let crc = parse_crc(hex)?;
        let intact = batch_last >= seq && crc == record_crc(seq, payload);
        intact.then_some(Self { seq, batch_last, crc, payload })
    }
}

/// Appends the line of a record to `out` and returns the position of its payload in `out`.
pub(crate) fn push_line(out: &mut Vec<u8>, seq: u64, batch_last: u64, payload: &[u8]) -> usize {
    let last = if batch_last == seq { String::new() } else { format!(",\"last\":{batch_last}") };
    let crc = record_crc(seq, payload);
    out.extend_from_slice(format!("{{\"seq\":{seq}{last},\"crc\":\"{crc:08x}\",\"event\":").as_bytes());
    let position = out.len();
    out.extend_from_slice(payload);
    out.extend_from_slice(b"}\n");
    position
}

/// Returns the checksum of a record.
pub(crate) fn record_crc(seq: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&seq.to_be_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// Key of one part of a record in the database; part 0 carries the value head.
pub(crate) fn record_key(seq: u64, part: u16) -> Vec<u8> {
    let mut key = seq.to_be_bytes().to_vec();
    if part > 0 {
        key.extend_from_slice(&part.to_be_bytes());
    }
    key
}

/// Reads a key back as sequence number and part; `None` for a key of another shape.
pub(crate) fn parse_key(key: &[u8]) -> Option<(u64, u16)> {
    let (seq, part) = key.split_first_chunk::<8>()?;
    let part = match part {
        [] => 0,
        &[a, b] => u16::from_be_bytes([a, b]),
        _ => return None,
    };
    Some((u64::from_be_bytes(*seq), part))
}

/// Splits a record into the values of its parts, in order.
pub(crate) fn record_values(seq: u64, payload: &[u8]) -> Vec<Vec<u8>> {
    let (first, rest) = payload.split_at(payload.len().min(CHUNK_BYTES));
    let mut head = Vec::with_capacity(VALUE_HEAD_BYTES + first.len());
    head.push(VALUE_VERSION);
    head.extend_from_slice(&record_crc(seq, payload).to_be_bytes());
    head.extend_from_slice(first);
    std::iter::once(head).chain(rest.chunks(CHUNK_BYTES).map(<[u8]>::to_vec)).collect()
}

/// Takes the joined values of a record apart; `None` when the payload is not intact.
pub(crate) fn split_value(seq: u64, value: &[u8]) -> Option<(u32, &[u8])> {
    let (head, payload) = value.split_first_chunk::<VALUE_HEAD_BYTES>()?;
    let [version, crc @ ..] = *head;
    let crc = u32::from_be_bytes(crc);
    (version == VALUE_VERSION && crc == record_crc(seq, payload)).then_some((crc, payload))
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
    let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    Some((std::str::from_utf8(number).ok()?.parse().ok()?, rest))
}

fn parse_crc(hex: &[u8]) -> Option<u32> {
    let all_hex = hex.len() == 8 && hex.iter().all(u8::is_ascii_hexdigit);
    all_hex.then(|| u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_is_the_documented_text() {
        let mut out = Vec::new();
        let position = push_line(&mut out, 7, 7, br#"{"a":1}"#);
        let crc = record_crc(7, br#"{"a":1}"#);
        assert_eq!(
            String::from_utf8_lossy(&out),
            format!("{{\"seq\":7,\"crc\":\"{crc:08x}\",\"event\":{{\"a\":1}}}}\n")
        );
        assert!(out[position..].starts_with(br#"{"a":1}"#));
    }

    #[test]
    fn line_reads_back_and_no_flipped_bit_passes() {
        let mut out = Vec::new();
        push_line(&mut out, 41, 43, br#"{"name":"x"}"#);
        out.pop();
        let line = Line::parse(&out).unwrap();
        assert_eq!((line.seq, line.batch_last, line.payload), (41, 43, &br#"{"name":"x"}"#[..]));
        // The end of the batch is guarded by its neighbours, not by the checksum of the record.
        let batch_end = 9..19;
        for position in (0..out.len()).filter(|p| !batch_end.contains(p)) {
            let mut flipped = out.clone();
            flipped[position] ^= 1;
            let read = Line::parse(&flipped);
            assert!(read.is_none_or(|l| l == line), "byte {position} may not change the record");
        }
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
    fn long_record_is_split_into_parts_and_joined_again() {
        let payload = vec![b'x'; 3 * CHUNK_BYTES + 5];
        let values = record_values(3, &payload);
        assert_eq!(values.len(), 4);
        assert!(values.iter().all(|v| v.len() <= CHUNK_BYTES + VALUE_HEAD_BYTES));
        let joined = values.concat();
        assert_eq!(split_value(3, &joined).unwrap().1, payload);
        assert_eq!(split_value(4, &joined), None);
        assert_eq!(parse_key(&record_key(3, 2)), Some((3, 2)));
        assert_eq!(parse_key(b"last_seq_"), None);
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
