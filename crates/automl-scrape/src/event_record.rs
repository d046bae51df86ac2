//! The frames of a TensorBoard event file, and what is inside them.
//!
//! A file is a sequence of frames: length (8 bytes, little endian), masked CRC-32C of the length,
//! the payload, masked CRC-32C of the payload. The payload is a protocol buffer `Event` with a step
//! and a `Summary` of tagged values. Only the fields that can hold a scalar are declared here.
//!
//! TensorFlow: `tsl/lib/io/record_writer.h`, `event.proto`, `summary.proto`, `tensor.proto`.

use prost::Message;

/// Length of what stands before a payload, in bytes.
pub(crate) const HEAD_BYTES: usize = 12;
/// Length of what stands after a payload, in bytes.
pub(crate) const FOOT_BYTES: usize = 4;

/// Added to a rotated checksum, so that a checksum of checksums stays meaningful.
const MASK_DELTA: u32 = 0xa282_ead8;

/// Reads the length of the payload; `None` if the head is damaged.
pub(crate) fn payload_length(head: [u8; HEAD_BYTES]) -> Option<u64> {
    let (length, sum) = head.split_at(8);
    let length: [u8; 8] = length.try_into().expect("a head begins with eight bytes");
    (sum == masked_crc(&length).to_le_bytes()).then(|| u64::from_le_bytes(length))
}

/// Whether the checksum after a payload fits it.
pub(crate) fn is_sound(payload: &[u8], foot: &[u8]) -> bool {
    foot == masked_crc(payload).to_le_bytes()
}

/// The checksum as it is stored.
pub(crate) fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(MASK_DELTA)
}

/// One record: a step and its values.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Event {
    /// Step that the writer gave.
    #[prost(int64, tag = "2")]
    pub(crate) step: i64,
    #[prost(message, optional, tag = "5")]
    pub(crate) summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(crate) value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Value {
    #[prost(string, tag = "1")]
    pub(crate) tag: String,
    #[prost(float, optional, tag = "2")]
    pub(crate) simple_value: Option<f32>,
    #[prost(message, optional, tag = "8")]
    pub(crate) tensor: Option<Tensor>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Tensor {
    /// 1 is a 32-bit float, 2 a 64-bit one, 3 and 9 are 32- and 64-bit integers.
    #[prost(int32, tag = "1")]
    pub(crate) dtype: i32,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) content: Vec<u8>,
    #[prost(float, repeated, tag = "5")]
    pub(crate) floats: Vec<f32>,
    #[prost(double, repeated, tag = "6")]
    pub(crate) doubles: Vec<f64>,
}

impl Value {
    /// Returns the number, if the value is a scalar.
    pub(crate) fn scalar(&self) -> Option<f64> {
        self.simple_value.map(f64::from).or_else(|| self.tensor.as_ref()?.scalar())
    }
}

impl Tensor {
    fn scalar(&self) -> Option<f64> {
        match (self.dtype, self.floats.as_slice(), self.doubles.as_slice(), self.content.as_slice()) {
            (1, [value], ..) => Some(f64::from(*value)),
            (2, _, [value], _) => Some(*value),
            (1, [], _, content) => Some(f64::from(f32::from_le_bytes(content.try_into().ok()?))),
            (2, _, [], content) => Some(f64::from_le_bytes(content.try_into().ok()?)),
            (3, _, _, content) => Some(f64::from(i32::from_le_bytes(content.try_into().ok()?))),
            (9, _, _, content) => Some(i64::from_le_bytes(content.try_into().ok()?) as f64),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masked_checksum_is_the_documented_one() {
        // Of the eight bytes of the length 24, as every version-2 file begins with.
        let head = [24, 0, 0, 0, 0, 0, 0, 0, 163, 127, 75, 34];
        assert_eq!(payload_length(head), Some(24));
        let mut damaged = head;
        damaged[0] = 25;
        assert_eq!(payload_length(damaged), None);
    }

    #[test]
    fn scalars_of_every_form_are_read() {
        let tensor = |dtype, content: &[u8]| Tensor { dtype, content: content.to_vec(), ..Tensor::default() };
        assert_eq!(tensor(1, &0.5_f32.to_le_bytes()).scalar(), Some(0.5));
        assert_eq!(tensor(2, &0.1_f64.to_le_bytes()).scalar(), Some(0.1));
        assert_eq!(tensor(9, &7_i64.to_le_bytes()).scalar(), Some(7.0));
        assert_eq!(Tensor { dtype: 1, floats: vec![0.25], ..Tensor::default() }.scalar(), Some(0.25));
        assert_eq!(tensor(1, &[0; 8]).scalar(), None);
        assert_eq!(tensor(7, b"text").scalar(), None);
    }
}
