//! Random numbers without a generator: each is a hash of a key and its position.
//!
//! A draw depends on nothing that happened before it, so that a suggestion can be recomputed from its
//! key alone. The mixing function is splitmix64 (Steele, Lea, Flood, OOPSLA 2014) applied to a chain
//! of words; normal deviates are the inverse distribution function of one uniform.

use statrs::distribution::{ContinuousCDF, Normal};

const INITIAL: u64 = 0x243F_6A88_85A3_08D3;

/// Hashes a sequence of words into one.
pub fn derive(words: &[u64]) -> u64 {
    words.iter().fold(INITIAL, |hash, word| splitmix64(hash ^ word))
}

/// Maps a hash to `[0, 1)` through its upper 53 bits.
pub fn unit_interval(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1u64 << 53) as f64
}

fn splitmix64(state: u64) -> u64 {
    let x = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Returns the standard normal quantile of `p`, for `p` in `(0, 1)`.
pub(crate) fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// A table of random numbers that is never stored: entry `(row, column)` is a hash of both.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    key: u64,
}

impl Draws {
    /// Opens the table that belongs to `key`.
    pub fn new(key: u64) -> Self {
        Self { key }
    }

    /// Returns a number of `[0, 1)`.
    pub fn uniform(self, row: u64, column: u64) -> f64 {
        unit_interval(derive(&[self.key, row, column]))
    }

    /// Returns a standard normal deviate.
    pub fn normal(self, row: u64, column: u64) -> f64 {
        const HALF_STEP: f64 = 0.5 / (1u64 << 53) as f64;
        normal_quantile(self.uniform(row, column) + HALF_STEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_draws_fill_the_unit_interval_evenly() {
        let draws = Draws::new(7);
        let mut bins = [0; 10];
        for row in 0..10_000 {
            bins[(draws.uniform(row, 3) * 10.0) as usize] += 1;
        }
        assert!(bins.iter().all(|&count| (850..1150).contains(&count)), "{bins:?}");
    }

    #[test]
    fn normal_draws_have_unit_variance() {
        let draws = Draws::new(8);
        let values: Vec<f64> = (0..10_000).map(|row| draws.normal(row, 0)).collect();
        let mean = values.iter().sum::<f64>() / 1e4;
        let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 1e4;
        assert!(mean.abs() < 0.04 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
