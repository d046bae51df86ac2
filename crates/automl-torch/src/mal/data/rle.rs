//! COCO run lengths: column-major runs of 0 and 1, plain or packed into text.
//!
//! The packed form writes each length as signed 5-bit groups, low first, in characters from '0'
//! (bit 5 of a character says that more follow); from the third run on the difference to the run two
//! before is written. This is the encoding that COCO tools read and write.

use super::mask::Mask;

/// Run lengths of a mask, first of zeros; column-major.
pub(crate) fn encode(mask: &Mask) -> Vec<u64> {
    let mut runs = Vec::new();
    let (mut current, mut length) = (false, 0);
    for x in 0..mask.width() {
        for y in 0..mask.height() {
            let bit = mask.get(x, y);
            if bit != current {
                runs.push(length);
                (current, length) = (bit, 0);
            }
            length += 1;
        }
    }
    runs.push(length);
    runs
}

/// The mask with these run lengths; `None` where they do not add up to the size.
pub(crate) fn decode(runs: &[u64], width: usize, height: usize) -> Option<Mask> {
    let total = runs.iter().try_fold(0u64, |sum, run| sum.checked_add(*run))?;
    if total != (width * height) as u64 {
        return None;
    }
    let mut mask = Mask::empty(width, height);
    let mut position = 0usize;
    for (index, run) in runs.iter().enumerate() {
        let end = position + *run as usize;
        if index % 2 == 1 {
            (position..end).for_each(|at| mask.set(at / height, at % height));
        }
        position = end;
    }
    Some(mask)
}

/// Packs run lengths into text.
pub(crate) fn pack(runs: &[u64]) -> String {
    let mut text = String::new();
    for (index, run) in runs.iter().enumerate() {
        let before = if index > 2 { runs[index - 2] as i64 } else { 0 };
        let mut rest = *run as i64 - before;
        loop {
            let group = (rest & 0x1f) as u8;
            rest >>= 5;
            let more = if group & 0x10 != 0 { rest != -1 } else { rest != 0 };
            text.push(char::from(b'0' + group + if more { 0x20 } else { 0 }));
            if !more {
                break;
            }
        }
    }
    text
}

/// Run lengths packed in `text`; `None` where it is no such text.
pub(crate) fn unpack(text: &str) -> Option<Vec<u64>> {
    let mut runs: Vec<u64> = Vec::new();
    let mut characters = text.bytes();
    while let Some(first) = characters.next() {
        let (mut value, mut shift, mut character) = (0i64, 0u32, first);
        loop {
            let group = i64::from(character.checked_sub(b'0').filter(|group| *group < 0x40)?);
            value |= (group & 0x1f).checked_shl(shift).filter(|_| shift < 60)?;
            shift += 5;
            if group & 0x20 == 0 {
                if group & 0x10 != 0 {
                    value |= -1i64 << shift;
                }
                break;
            }
            character = characters.next()?;
        }
        if runs.len() > 2 {
            value = value.checked_add(runs[runs.len() - 2] as i64)?;
        }
        runs.push(u64::try_from(value).ok()?);
    }
    Some(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};

    #[test]
    fn runs_are_column_major_and_start_with_zeros() {
        let mut mask = Mask::empty(3, 2);
        mask.set(1, 0);
        mask.set(1, 1);
        mask.set(2, 0);
        assert_eq!(encode(&mask), [2, 3, 1]);
        let mut corner = Mask::empty(2, 2);
        corner.set(0, 0);
        assert_eq!(encode(&corner), [0, 1, 3]);
    }

    #[test]
    fn packed_text_follows_the_format() {
        // Worked out by hand and with a second implementation in another language.
        assert_eq!(pack(&[2, 3, 1]), "231");
        assert_eq!(pack(&[10, 40, 10, 36, 200]), ":X1:Ln5");
        assert_eq!(pack(&[100, 5, 95, 6, 94]), "T35o21O");
    }

    #[test]
    fn random_masks_survive_the_round_trip() {
        for case in 0..30 {
            let mut stream = Stream::open(case, Purpose::Weights);
            let (width, height) = (1 + stream.bits() as usize % 40, 1 + stream.bits() as usize % 40);
            let density = stream.uniform(0.0, 1.0);
            let mut mask = Mask::empty(width, height);
            for x in 0..width {
                for y in 0..height {
                    if stream.chance(density) {
                        mask.set(x, y);
                    }
                }
            }
            let runs = encode(&mask);
            assert_eq!(unpack(&pack(&runs)).as_deref(), Some(runs.as_slice()));
            assert_eq!(decode(&runs, width, height), Some(mask));
        }
    }

    #[test]
    fn damaged_runs_are_refused() {
        assert_eq!(decode(&[1, 2], 2, 2), None);
        assert_eq!(unpack("\n"), None);
        assert_eq!(unpack("P"), None, "a group that promises more");
        assert_eq!(unpack("oooooooooooooooooo0"), None, "a number beyond 64 bits");
    }
}
