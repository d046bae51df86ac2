//! A triangular factor cut into blocks of rows, for many right-hand sides.
//!
//! A factor is kept column by column, of which a block of rows needs four numbers each, so that every one of
//! them is another cache line. Cut into blocks once, the numbers come in the order in which they are used. They
//! are used in the order of [`crate::loops::forward_substitute`], so that the bits are the same.

use pulp::{Arch, Simd, WithSimd};

use crate::loops::{LANES, ROWS, chunk};

/// Blocks of [`ROWS`] rows of a lower triangle, filled up to whole blocks by rows of the identity.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowBlocks {
    blocks: usize,
    /// For each block its columns up to and with those of its diagonal.
    columns: Vec<[f64; ROWS]>,
}

/// Number of columns before block `block`.
fn start(block: usize) -> usize {
    ROWS * block * (block + 1) / 2
}

impl RowBlocks {
    /// Cuts a column-major lower triangle.
    pub(crate) fn new(lower: &[f64], size: usize) -> Self {
        let mut blocks = Self::default();
        blocks.replace(lower, size);
        blocks
    }

    /// Becomes the blocks of another factor; the memory is used again.
    pub(crate) fn replace(&mut self, lower: &[f64], size: usize) {
        self.blocks = size.div_ceil(ROWS);
        self.columns.clear();
        self.columns.reserve(start(self.blocks));
        for row in (0..size).step_by(ROWS) {
            if row + ROWS <= size {
                let below = |column: usize| *chunk(&lower[column * size + row..]);
                self.columns.extend((0..row + ROWS).map(below));
            } else {
                let entry = |row: usize, column: usize| match (row < size, row == column) {
                    (true, _) if column < size => lower[column * size + row],
                    (_, true) => 1.0,
                    _ => 0.0,
                };
                let below = |column| std::array::from_fn(|i| entry(row + i, column));
                self.columns.extend((0..row + ROWS).map(below));
            }
        }
    }

    /// Number of rows, those that fill the last block included.
    pub(crate) fn rows(&self) -> usize {
        ROWS * self.blocks
    }

    /// Forward substitution of several right-hand sides, one a lane; the first `rows() − b.len()` entries, whole
    /// blocks of them, are 0 and left out.
    pub(crate) fn substitute(&self, b: &mut [[f64; LANES]]) {
        Arch::new().dispatch(Substitution { factor: self, b });
    }
}

/// The loops of [`RowBlocks::substitute`], with vectors by name: the compiler made scalars of plain loops, which
/// took half of the time of a suggestion.
struct Substitution<'a> {
    factor: &'a RowBlocks,
    b: &'a mut [[f64; LANES]],
}

impl WithSimd for Substitution<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { factor, b } = self;
        let first = factor.rows() - b.len();
        for block in first / ROWS..factor.blocks {
            let columns = &factor.columns[start(block) + first..start(block + 1)];
            let (before, diagonal) = columns.split_at(block * ROWS - first);
            let (solved, rest) = b.split_at_mut(block * ROWS - first);
            for part in 0..LANES / S::F64_LANES {
                let vector = |lanes: &[f64; LANES]| S::as_simd_f64s(lanes).0[part];
                let mut sums: [S::f64s; ROWS] = std::array::from_fn(|i| vector(&rest[i]));
                for (factors, x) in before.iter().zip(solved.iter()) {
                    let x = vector(x);
                    for i in 0..ROWS {
                        sums[i] = simd.sub_f64s(sums[i], simd.mul_f64s(simd.splat_f64s(factors[i]), x));
                    }
                }
                for i in 0..ROWS {
                    let factors = diagonal[i];
                    let x = simd.div_f64s(sums[i], simd.splat_f64s(factors[i]));
                    S::as_mut_simd_f64s(&mut rest[i]).0[part] = x;
                    for below in i + 1..ROWS {
                        let product = simd.mul_f64s(simd.splat_f64s(factors[below]), x);
                        sums[below] = simd.sub_f64s(sums[below], product);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;
    use crate::loops::{factor_in_place, forward_substitute};

    #[test]
    fn lanes_have_the_bits_of_single_substitutions() {
        let draws = Draws::new(1);
        for (size, zeros) in [(1, 0), (4, 0), (5, 4), (67, 0), (67, 8), (64, 60)] {
            let entry = |i: usize, j: usize| draws.uniform(i.min(j) as u64, i.max(j) as u64);
            let diagonal = |i: usize, j: usize| if i == j { size as f64 } else { 0.0 };
            let mut lower: Vec<f64> =
                (0..size * size).map(|k| entry(k / size, k % size) + diagonal(k / size, k % size)).collect();
            assert!(factor_in_place(&mut lower, size));
            let blocks = RowBlocks::new(&lower, size);
            assert_eq!(blocks.rows(), size.next_multiple_of(ROWS));
            let value =
                |i: usize, lane: usize| if i < size { draws.uniform(i as u64, lane as u64) } else { 0.0 };
            let mut lanes: Vec<[f64; LANES]> =
                (zeros..blocks.rows()).map(|i| std::array::from_fn(|lane| value(i, lane))).collect();
            let mut single = vec![0.0; zeros];
            single.extend((zeros..size).map(|i| value(i, 5)));
            blocks.substitute(&mut lanes);
            forward_substitute(&lower, &mut single);
            let found: Vec<f64> = lanes.iter().map(|row| row[5]).collect();
            assert_eq!(found[..size - zeros], single[zeros..], "{size} {zeros}");
            assert!(found[size - zeros..].iter().all(|&filler| filler == 0.0));
        }
    }
}
