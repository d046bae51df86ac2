//! The inner loops of the dense algebra, written so that their results do not depend on the machine.
//!
//! Matrices are column-major slices of `n²` numbers. Blocks and unrolling change only the order in which
//! *elements* are visited: every element subtracts its products in ascending order of the summation
//! index, so that the bits depend neither on the block size nor on the vector width. General-purpose
//! kernels choose fused multiply-add at run time and would not keep that promise.

use std::ops::Range;

/// Columns of a panel, and of a block applied to a panel: 64 columns of 64 rows fill 32 KiB.
const BLOCK: usize = 64;
/// Columns that are applied in one pass over the target.
const UNROLL: usize = 4;

/// Replaces a symmetric matrix, given by its lower triangle, by its Cholesky factor.
///
/// Returns false at the first pivot that is not a positive finite number.
pub(crate) fn factor_in_place(data: &mut [f64], size: usize) -> bool {
    for panel in (0..size).step_by(BLOCK) {
        let end = (panel + BLOCK).min(size);
        for block in (0..panel).step_by(BLOCK) {
            for rows in (panel..size).step_by(BLOCK) {
                for j in panel..end.min(rows + BLOCK) {
                    update_column(data, size, j, block..block + BLOCK, rows.max(j)..(rows + BLOCK).min(size));
                }
            }
        }
        for j in panel..end {
            update_column(data, size, j, panel..j, j..size);
            if !scale_column(&mut data[j * size..(j + 1) * size], j) {
                return false;
            }
        }
    }
    true
}

/// Divides column `j` by the root of its pivot, and clears what is above it.
fn scale_column(column: &mut [f64], j: usize) -> bool {
    let pivot = column[j];
    if !(pivot > 0.0 && pivot.is_finite()) {
        return false;
    }
    let root = pivot.sqrt();
    column[..j].fill(0.0);
    column[j..].iter_mut().for_each(|value| *value /= root);
    true
}

/// Subtracts `L[j, k] · L[rows, k]` from `L[rows, j]` for all `k` of `columns`.
fn update_column(data: &mut [f64], size: usize, j: usize, columns: Range<usize>, rows: Range<usize>) {
    let (before, from_j) = data.split_at_mut(j * size);
    let target = &mut from_j[rows.clone()];
    let factor = |k: usize| before[k * size + j];
    let column = |k: usize| &before[k * size + rows.start..k * size + rows.end];
    let mut k = columns.start;
    while k + UNROLL <= columns.end {
        let factors = std::array::from_fn(|i| factor(k + i));
        subtract_products::<UNROLL>(target, factors, std::array::from_fn(|i| column(k + i)));
        k += UNROLL;
    }
    for k in k..columns.end {
        subtract_products(target, [factor(k)], [column(k)]);
    }
}

/// Replaces `b` by `L⁻¹ b`; the first `start` entries of `b` are known to be 0.
pub(crate) fn forward_substitute(lower: &[f64], start: usize, b: &mut [f64]) {
    let size = b.len();
    for block in (start..size).step_by(UNROLL) {
        let end = (block + UNROLL).min(size);
        for k in block..end {
            let column = &lower[k * size..(k + 1) * size];
            b[k] /= column[k];
            let pivot = b[k];
            subtract_products(&mut b[k + 1..end], [pivot], [&column[k + 1..end]]);
        }
        let (solved, rest) = b.split_at_mut(end);
        let column = |k: usize| &lower[k * size + end..(k + 1) * size];
        if end == block + UNROLL {
            let pivots = std::array::from_fn(|i| solved[block + i]);
            subtract_products::<UNROLL>(rest, pivots, std::array::from_fn(|i| column(block + i)));
        }
    }
}

/// Forward substitution of several right-hand sides, one a lane.
pub(crate) fn forward_substitute_lanes<const LANES: usize>(lower: &[f64], b: &mut [[f64; LANES]]) {
    let size = b.len();
    for block in (0..size).step_by(UNROLL) {
        let end = (block + UNROLL).min(size);
        for k in block..end {
            let pivot = lower[k * size + k];
            b[k] = b[k].map(|value| value / pivot);
            for i in k + 1..end {
                b[i] = subtract_product(b[i], lower[k * size + i], &b[k]);
            }
        }
        let (solved, rest) = b.split_at_mut(end);
        if end == block + UNROLL {
            let pivots: [[f64; LANES]; UNROLL] = std::array::from_fn(|i| solved[block + i]);
            let below = |k: usize| &lower[k * size + end..][..rest.len()];
            let columns: [&[f64]; UNROLL] = std::array::from_fn(|i| below(block + i));
            for (i, row) in rest.iter_mut().enumerate() {
                let mut reduced = *row;
                for k in 0..UNROLL {
                    reduced = subtract_product(reduced, columns[k][i], &pivots[k]);
                }
                *row = reduced;
            }
        }
    }
}

fn subtract_product<const LANES: usize>(
    mut row: [f64; LANES],
    factor: f64,
    x: &[f64; LANES],
) -> [f64; LANES] {
    for (value, x) in row.iter_mut().zip(x) {
        *value -= factor * x;
    }
    row
}

/// Subtracts `factors[k] · columns[k]` from `target`, in ascending order of `k`.
fn subtract_products<const N: usize>(target: &mut [f64], factors: [f64; N], columns: [&[f64]; N]) {
    let columns = columns.map(|column| &column[..target.len()]);
    for (i, value) in target.iter_mut().enumerate() {
        for k in 0..N {
            *value -= factors[k] * columns[k][i];
        }
    }
}

/// Inner product in a fixed order: eight partial sums, added in pairs.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const WIDTH: usize = 8;
    let mut partial = [0.0; WIDTH];
    let (left, left_rest) = a.as_chunks::<WIDTH>();
    let (right, right_rest) = b.as_chunks::<WIDTH>();
    for (x, y) in left.iter().zip(right) {
        for ((sum, x), y) in partial.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    for ((sum, x), y) in partial.iter_mut().zip(left_rest).zip(right_rest) {
        *sum += x * y;
    }
    let quarters: [f64; 4] = std::array::from_fn(|i| partial[i] + partial[i + 4]);
    (quarters[0] + quarters[2]) + (quarters[1] + quarters[3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;

    const SIZE: usize = 150;

    fn covariance() -> Vec<f64> {
        let draws = Draws::new(1);
        let entry = |i: usize, j: usize| draws.uniform(i.min(j) as u64, i.max(j) as u64);
        let diagonal = |i: usize, j: usize| if i == j { SIZE as f64 } else { 0.0 };
        (0..SIZE * SIZE).map(|k| entry(k / SIZE, k % SIZE) + diagonal(k / SIZE, k % SIZE)).collect()
    }

    #[test]
    fn blocking_does_not_change_a_bit() {
        let mut plain = covariance();
        for j in 0..SIZE {
            for i in j..SIZE {
                for k in 0..j {
                    plain[j * SIZE + i] -= plain[k * SIZE + j] * plain[k * SIZE + i];
                }
            }
            assert!(scale_column(&mut plain[j * SIZE..(j + 1) * SIZE], j));
        }
        let mut blocked = covariance();
        assert!(factor_in_place(&mut blocked, SIZE));
        assert_eq!(blocked, plain);
    }

    #[test]
    fn lanes_have_the_bits_of_single_substitutions() {
        let mut lower = covariance();
        assert!(factor_in_place(&mut lower, SIZE));
        let draws = Draws::new(2);
        let mut lanes: Vec<[f64; 8]> =
            (0..SIZE as u64).map(|i| std::array::from_fn(|lane| draws.uniform(i, lane as u64))).collect();
        let mut single: Vec<f64> = lanes.iter().map(|row| row[5]).collect();
        forward_substitute_lanes(&lower, &mut lanes);
        forward_substitute(&lower, 0, &mut single);
        assert_eq!(lanes.iter().map(|row| row[5]).collect::<Vec<_>>(), single);
    }

    #[test]
    fn inner_product_counts_every_entry() {
        let values: Vec<f64> = (1..=19).map(f64::from).collect();
        assert_eq!(dot(&values, &values), 2470.0);
    }
}
