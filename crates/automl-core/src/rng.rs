//! Random numbers as a pure function of a key: nothing is remembered between calls.
//!
//! A key is a list of words such as `(study seed, stream, trial, draw)`. Each word is folded into a
//! 64-bit hash with SplitMix64's finaliser (Steele, Lea, Flood, *Fast splittable pseudorandom number
//! generators*, OOPSLA 2014), so asking twice for the same key gives the same number on every
//! machine and in every version.

/// The first 64 bits of the fraction of pi: the hash of the empty key.
const START: u64 = 0x243F_6A88_85A3_08D3;

/// Returns SplitMix64's output for state `x`.
#[must_use]
pub fn splitmix64(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Folds the words of a key into one well-mixed 64-bit number.
#[must_use]
pub fn derive(words: &[u64]) -> u64 {
    words.iter().fold(START, |hash, word| splitmix64(hash ^ word))
}

/// Maps a hash to the half-open interval [0, 1) with 53 bits of resolution.
#[must_use]
pub fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// Returns the uniform number in [0, 1) that belongs to a key.
#[must_use]
pub fn uniform(words: &[u64]) -> f64 {
    unit(derive(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_gives_reference_values() {
        for (x, expected) in [
            (0, 0xe220_a839_7b1d_cdaf),
            (1, 0x910a_2dec_8902_5cc1),
            (2, 0x9758_35de_1c97_56ce),
            (42, 0xbdd7_3226_2feb_6e95),
            (1 << 63, 0x481e_c0a2_12a9_f3db),
        ] {
            assert_eq!(splitmix64(x), expected, "splitmix64({x})");
        }
    }

    #[test]
    fn derive_gives_reference_values() {
        let cases: [(&[u64], u64); 7] = [
            (&[0], 0x2cb0_f69f_4abe_a221),
            (&[1], 0xedcc_99d7_f740_3620),
            (&[42, 0], 0x78a9_53f2_7b1e_1a9f),
            (&[42, 1], 0x2ef9_1528_64dc_2159),
            (&[42, 1, 7], 0xb15f_9fcc_03d2_d01f),
            (&[42, 2, 7], 0xf602_99e7_2e2b_fed2),
            (&[u64::MAX, 3, 0], 0xe395_146b_202d_63d0),
        ];
        for (key, expected) in cases {
            assert_eq!(derive(key), expected, "derive({key:?})");
        }
    }

    #[test]
    fn uniform_gives_reference_values() {
        for (draw, expected) in
            [(0, 0.616_462_163_840_705_3), (1, 0.516_011_122_645_252_3), (2, 0.131_350_881_152_794_8)]
        {
            assert_eq!(uniform(&[42, 1, draw]), expected);
        }
    }
}
