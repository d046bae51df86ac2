//! How lines of records lie in the database: in blocks under the number of their first record.
//!
//! A block begins with a version byte, 2, and a byte that tells how its text is kept. Each batch becomes a
//! plain block of its own, so that an append is small. Once plain blocks hold [`BLOCK_BYTES`] together they are
//! packed: their lines are joined, compressed, and put in their place, because to sled every key costs about
//! as much as a record.
//!
//! sled keeps up to 17 neighbouring values in one page, writes a page anew after every tenth change in it, and
//! moves one above a quarter of a segment into a file of its own that is never collected. So values are small:
//! a block above [`CHUNK_BYTES`] continues under keys with 2 more bytes (part number from 1).
//!
//! Format 1 kept each record by itself: version byte 1, its checksum (4 bytes big-endian), its payload.

use std::borrow::Cow;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::format::{Line, Lines, MAX_LINE_BYTES, record_crc};

/// Text that is packed together, in bytes.
pub(crate) const BLOCK_BYTES: usize = 16 << 10;
/// Largest part of a block under one key of the database, in bytes.
pub(crate) const CHUNK_BYTES: usize = 400;

/// Version of a block that is one record.
const RECORD: u8 = 1;
const RECORD_HEAD_BYTES: usize = 5;
/// Version of a block of lines.
const LINES: u8 = 2;
const PLAIN: u8 = 0;
const PACKED: u8 = 1;

/// Key of one part of a block; part 0 comes first.
pub(crate) fn block_key(first: u64, part: u16) -> Vec<u8> {
    let mut key = first.to_be_bytes().to_vec();
    if part > 0 {
        key.extend_from_slice(&part.to_be_bytes());
    }
    key
}

/// Reads a key back as first record and part; `None` for a key of another shape.
pub(crate) fn parse_key(key: &[u8]) -> Option<(u64, u16)> {
    let (first, part) = key.split_first_chunk::<8>()?;
    let part = match part {
        [] => 0,
        &[a, b] => u16::from_be_bytes([a, b]),
        _ => return None,
    };
    Some((u64::from_be_bytes(*first), part))
}

/// Makes a block that keeps its text as it is.
pub(crate) fn plain(text: &[u8]) -> Vec<u8> {
    [&[LINES, PLAIN], text].concat()
}

/// Makes a block that keeps its text compressed.
fn packed(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(vec![LINES, PACKED], Compression::fast());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("writing to memory does not fail")
}

/// Packs a text of whole lines, the first of which is record `first`, into blocks with their first records.
pub(crate) fn pack(first: u64, text: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut blocks = Vec::new();
    let (mut from, mut seq) = (0, first);
    let mut lines = 0;
    for (end, _) in text.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        lines += 1;
        if end + 1 - from >= BLOCK_BYTES || end + 1 == text.len() {
            blocks.push((seq, packed(&text[from..=end])));
            (from, seq) = (end + 1, seq + lines);
            lines = 0;
        }
    }
    blocks
}

/// Makes the blocks of a batch, and tells whether they are packed.
pub(crate) fn of_batch(lines: &Lines) -> (Vec<(u64, Vec<u8>)>, bool) {
    let large = lines.text().len() >= BLOCK_BYTES;
    let blocks =
        if large { pack(lines.first(), lines.text()) } else { vec![(lines.first(), plain(lines.text()))] };
    (blocks, large)
}

/// What a block holds.
pub(crate) enum Content<'a> {
    /// One record of format 1.
    Record(Line<'a>),
    /// Lines.
    Lines { text: Cow<'a, [u8]>, packed: bool },
}

/// Reads a block whose first record is `first`; `None` when it is not intact. The lines in it have their own
/// checksums.
pub(crate) fn open(first: u64, block: &[u8]) -> Option<Content<'_>> {
    match *block.first()? {
        RECORD => {
            let (head, payload) = block.split_first_chunk::<RECORD_HEAD_BYTES>()?;
            let [_, crc @ ..] = *head;
            let crc = u32::from_be_bytes(crc);
            let intact = crc == record_crc(first, 0, payload);
            let line = Line { seq: first, batch_last: first, epoch: 0, crc, payload };
            intact.then_some(Content::Record(line))
        }
        LINES => match *block.get(1)? {
            PLAIN => Some(Content::Lines { text: Cow::Borrowed(&block[2..]), packed: false }),
            PACKED => {
                // No intact block is longer, whatever a damaged one promises.
                let limit = (BLOCK_BYTES + MAX_LINE_BYTES) as u64;
                let mut text = Vec::with_capacity(2 * BLOCK_BYTES);
                DeflateDecoder::new(&block[2..]).take(limit).read_to_end(&mut text).ok()?;
                Some(Content::Lines { text: Cow::Owned(text), packed: true })
            }
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(first: u64, count: usize, len: usize) -> Lines {
        let payload = [br#"{"l":""#.to_vec(), vec![b'y'; len], br#""}"#.to_vec()].concat();
        Lines::batch(first, &vec![(1, payload.as_slice()); count])
    }

    #[test]
    fn packed_lines_come_back_under_their_numbers() {
        for (count, len) in [(1, 0), (500, 100), (3, 20_000), (1, 200_000)] {
            let lines = lines(5, count, len);
            let blocks = pack(5, lines.text());
            let (mut text, mut next) = (Vec::new(), 5);
            for (first, block) in &blocks {
                assert_eq!(*first, next);
                let Some(Content::Lines { text: part, packed: true }) = open(*first, block) else { panic!() };
                next += part.iter().filter(|byte| **byte == b'\n').count() as u64;
                text.extend_from_slice(&part);
            }
            assert_eq!((text.as_slice(), next), (lines.text(), 5 + count as u64));
        }
    }

    #[test]
    fn small_batches_stay_plain() {
        let (blocks, packed) = of_batch(&lines(9, 2, 10));
        assert!(!packed && blocks.len() == 1 && blocks[0].0 == 9);
        assert!(of_batch(&lines(9, 200, 100)).1);
    }

    #[test]
    fn record_of_the_first_format_is_read() {
        let crc = record_crc(3, 0, b"{}").to_be_bytes();
        let block = [&[RECORD][..], &crc, b"{}"].concat();
        let Some(Content::Record(line)) = open(3, &block) else { panic!() };
        assert_eq!((line.seq, line.epoch, line.payload), (3, 0, &b"{}"[..]));
        assert!(open(4, &block).is_none());
        assert!(open(3, &[9]).is_none() && open(3, &[]).is_none() && open(3, &[LINES, PACKED, 7]).is_none());
    }

    #[test]
    fn keys_sort_by_record_then_part() {
        assert_eq!(parse_key(&block_key(3, 2)), Some((3, 2)));
        assert_eq!(parse_key(b"last_seq_"), None);
        assert!(block_key(3, 0) < block_key(3, 1) && block_key(3, u16::MAX) < block_key(4, 0));
    }
}
