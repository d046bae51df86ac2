//! Bytes of any encoding in, UTF-8-like bytes out.
//!
//! Logs are UTF-8 or something close to it and pass through untouched, invalid sequences
//! included. UTF-16 (a redirect under Windows PowerShell) is recognised by the first four bytes
//! and decoded. Nothing here knows lines.

use std::borrow::Cow;

/// Bytes that settle the encoding.
const HEAD_BYTES: usize = 4;

/// Decodes one stream, chunk by chunk.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
}

#[derive(Debug)]
enum State {
    /// The first bytes, too few to settle the encoding.
    Head(Vec<u8>),
    Utf8,
    Utf16(Utf16),
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Decoder {
    /// Decodes `bytes`, after those given before.
    pub(crate) fn decode<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match &mut self.state {
            State::Utf8 => Cow::Borrowed(bytes),
            State::Utf16(utf16) => Cow::Owned(utf16.decode(bytes)),
            State::Head(head) => {
                head.extend_from_slice(bytes);
                if head.len() < HEAD_BYTES {
                    return Cow::Borrowed(&[]);
                }
                let head = std::mem::take(head);
                Cow::Owned(self.settle(&head))
            }
        }
    }

    /// Gives what was held back; the stream is over.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        match &mut self.state {
            State::Head(head) => {
                let head = std::mem::take(head);
                self.settle(&head)
            }
            State::Utf8 | State::Utf16(_) => Vec::new(),
        }
    }

    fn settle(&mut self, head: &[u8]) -> Vec<u8> {
        let (order, skipped) = match head {
            [0xff, 0xfe, ..] => (Some(ByteOrder::Little), 2),
            [0xfe, 0xff, ..] => (Some(ByteOrder::Big), 2),
            [0xef, 0xbb, 0xbf, ..] => (None, 3),
            [a, 0, b, 0, ..] if is_plain(*a) && is_plain(*b) => (Some(ByteOrder::Little), 0),
            [0, a, 0, b, ..] if is_plain(*a) && is_plain(*b) => (Some(ByteOrder::Big), 0),
            _ => (None, 0),
        };
        let rest = &head[skipped..];
        let Some(order) = order else {
            self.state = State::Utf8;
            return rest.to_vec();
        };
        let mut utf16 = Utf16 { order, odd_byte: None, high_surrogate: None };
        let decoded = utf16.decode(rest);
        self.state = State::Utf16(utf16);
        decoded
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() || byte.is_ascii_whitespace()
}

#[derive(Debug, Clone, Copy)]
enum ByteOrder {
    Little,
    Big,
}

/// UTF-16 whose units and pairs may be cut anywhere.
#[derive(Debug)]
struct Utf16 {
    order: ByteOrder,
    odd_byte: Option<u8>,
    high_surrogate: Option<u16>,
}

impl Utf16 {
    fn decode(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut units: Vec<u16> = self.high_surrogate.take().into_iter().collect();
        for &byte in bytes {
            match (self.odd_byte.take(), self.order) {
                (None, _) => self.odd_byte = Some(byte),
                (Some(first), ByteOrder::Little) => units.push(u16::from_le_bytes([first, byte])),
                (Some(first), ByteOrder::Big) => units.push(u16::from_be_bytes([first, byte])),
            }
        }
        self.high_surrogate = units.pop_if(|unit| (0xd800..0xdc00).contains(unit));
        let text: String =
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode_in_chunks(bytes: &[u8], size: usize) -> Vec<u8> {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        for chunk in bytes.chunks(size) {
            out.extend_from_slice(&decoder.decode(chunk));
        }
        out.extend(decoder.finish());
        out
    }

    fn check(bytes: &[u8], expected: &str) {
        for size in [1, 2, 3, 5, 64] {
            assert_eq!(decode_in_chunks(bytes, size), expected.as_bytes(), "chunks of {size}");
        }
    }

    fn utf16(text: &str, unit_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit_bytes).collect()
    }

    #[test]
    fn utf8_passes_without_its_mark() {
        check(b"\xef\xbb\xbfloss=1\n", "loss=1\n");
        check(b"ab", "ab");
        check(b"", "");
    }

    #[test]
    fn utf16_is_decoded_with_and_without_mark() {
        check(&utf16("\u{feff}loss=1 \u{1f600}\n", u16::to_le_bytes), "loss=1 \u{1f600}\n");
        check(&utf16("\u{feff}loss=1 \u{1f600}\n", u16::to_be_bytes), "loss=1 \u{1f600}\n");
        check(&utf16("loss=1\n", u16::to_le_bytes), "loss=1\n");
        check(&utf16("loss=1\n", u16::to_be_bytes), "loss=1\n");
    }

    #[test]
    fn lone_surrogate_becomes_replacement() {
        let units = [u16::from(b'a'), 0xdc00, u16::from(b'b')];
        let mut bytes = vec![0xff, 0xfe];
        bytes.extend(units.into_iter().flat_map(u16::to_le_bytes));
        check(&bytes, "a\u{fffd}b");
    }

    #[test]
    fn stray_zero_bytes_do_not_make_utf16() {
        check(b"\0\0\0\0loss", "\0\0\0\0loss");
    }
}
