//! A Sobol sequence with random access and Owen scrambling.
//!
//! Point `i` costs one exclusive or per set bit of its Gray code and dimension, so that a trial number
//! is an index and nothing has to be skipped. Scrambling permutes the digits of every coordinate as a
//! nested tree of swaps, computed by a hash: Laine and Karras, "Stratified sampling for stochastic
//! transparency" (2011), in the form of Burley, "Practical Hash-based Owen Scrambling", JCGT 9(4) (2020).
//!
//! Dimensions beyond the table of 64 are filled with independent hashes.

use automl_core::rng::{derive, uniform};

use crate::sobol_table::{DIMENSIONS, TABLE};

const BITS: usize = 32;
/// `2⁻³²`.
const UNIT: f64 = 1.0 / (1u64 << BITS) as f64;

/// A scrambled Sobol sequence of fixed dimension.
#[derive(Clone, Debug)]
pub struct Sobol {
    key: u64,
    dimension: usize,
    /// Direction integers of every tabulated dimension.
    directions: Vec<[u32; BITS]>,
    scrambles: Vec<u32>,
}

impl Sobol {
    /// Prepares the sequence of `dimension` coordinates; `key` chooses the scrambling.
    pub fn new(dimension: usize, key: u64) -> Self {
        let tabulated = dimension.min(DIMENSIONS);
        Self {
            key,
            dimension,
            directions: (0..tabulated).map(directions).collect(),
            scrambles: (0..tabulated as u64).map(|j| derive(&[key, j]) as u32).collect(),
        }
    }

    /// Returns point `index` in `(0, 1)^d`; indices are taken modulo 2³².
    pub fn point(&self, index: u64) -> Vec<f64> {
        let tabulated = self.integers(index).into_iter().zip(&self.scrambles);
        let centre = |x: u32| (f64::from(x) + 0.5) * UNIT;
        let mut point: Vec<f64> = tabulated.map(|(x, seed)| centre(scramble(x, *seed))).collect();
        point.extend((point.len()..self.dimension).map(|j| uniform(&[self.key, j as u64, index])));
        point
    }

    /// Returns the unscrambled coordinates, as multiples of `2⁻³²`, of the tabulated dimensions.
    pub fn integers(&self, index: u64) -> Vec<u32> {
        let index = index as u32;
        let gray = index ^ (index >> 1);
        let chosen = |v: &[u32; BITS]| (0..BITS).filter(|k| gray >> k & 1 == 1).fold(0, |x, k| x ^ v[k]);
        self.directions.iter().map(chosen).collect()
    }
}

/// Direction integers of one dimension, from the recurrence that its polynomial defines.
fn directions(dimension: usize) -> [u32; BITS] {
    if dimension == 0 {
        return std::array::from_fn(|k| 1 << (BITS - 1 - k));
    }
    let (polynomial, initial) = TABLE[dimension];
    let degree = initial.len();
    let mut m = [0; BITS];
    m[..degree].copy_from_slice(initial);
    for k in degree..BITS {
        m[k] = m[k - degree] ^ (m[k - degree] << degree);
        for j in 1..degree {
            if polynomial >> (degree - j) & 1 == 1 {
                m[k] ^= m[k - j] << j;
            }
        }
    }
    std::array::from_fn(|k| m[k] << (BITS - 1 - k))
}

/// Owen scrambling of one coordinate: every digit is flipped depending on the digits above it.
fn scramble(x: u32, seed: u32) -> u32 {
    let mut x = x.reverse_bits().wrapping_add(seed);
    for multiplier in [0x6c50_b47c, 0xb82f_1e52, 0xc7af_e638, 0x8d22_f6e6] {
        x ^= x.wrapping_mul(multiplier);
    }
    x.reverse_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrambling_keeps_the_stratification() {
        let sobol = Sobol::new(5, 42);
        for j in 0..5 {
            for bits in 1..=7 {
                let cells = 1 << bits;
                let mut counts = vec![0; cells];
                for i in 0..cells as u64 {
                    counts[(sobol.point(i)[j] * cells as f64) as usize] += 1;
                }
                assert!(counts.iter().all(|&count| count == 1), "dimension {j}, {cells} points: {counts:?}");
            }
        }
    }

    #[test]
    fn pairs_of_dimensions_fill_elementary_boxes() {
        let sobol = Sobol::new(2, 7);
        for (columns, rows) in [(16, 1), (8, 2), (4, 4), (2, 8), (1, 16)] {
            let mut counts = [0; 16];
            for i in 16..32 {
                let point = sobol.point(i);
                counts
                    [(point[0] * f64::from(columns)) as usize * rows + (point[1] * rows as f64) as usize] +=
                    1;
            }
            assert_eq!(counts, [1; 16], "{columns} x {rows}");
        }
    }

    #[test]
    fn keys_give_different_sequences() {
        assert_ne!(Sobol::new(3, 1).point(5), Sobol::new(3, 2).point(5));
    }

    #[test]
    fn dimensions_beyond_the_table_are_filled() {
        let point = Sobol::new(70, 1).point(9);
        assert_eq!(point.len(), 70);
        assert!(point.iter().all(|u| (0.0..1.0).contains(u)));
        assert_ne!(point[65], point[66]);
    }
}
