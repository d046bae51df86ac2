//! The inner loops of the dense algebra, written so that their results do not depend on the machine.
//!
//! Matrices are column-major slices of `n²` numbers. Blocks are small enough to stay in registers, and
//! change only the order in which *elements* are visited: every element subtracts its products in
//! ascending order of the summation index, so that the bits depend neither on the block size nor on the
//! vector width. Therefore the loops may run with whatever vectors the processor has ([`vectorised`]):
//! the compiler never contracts a product and a sum into one rounding, as general-purpose kernels do.

use crate::row_blocks::RowBlocks;

/// Right-hand sides, rows or pairs that are computed at once.
pub(crate) const LANES: usize = 8;
/// Rows of a block; four rows of eight lanes fill half the vector registers.
pub(crate) const ROWS: usize = 4;

/// Runs `loops` compiled for the widest vectors that the processor is known to have.
///
/// Only what is inlined into the closure profits.
#[inline(always)]
pub(crate) fn vectorised<R>(loops: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(loops)
}

/// Replaces a symmetric matrix, given by its lower triangle, by its Cholesky factor.
///
/// Returns false at the first pivot that is not a positive finite number.
pub(crate) fn factor_in_place(data: &mut [f64], size: usize) -> bool {
    vectorised(
        #[inline(always)]
        || {
            // The first panel is the odd one, so that below every other panel the rows come in fours.
            let mut panel = 0;
            let mut end = if size.is_multiple_of(ROWS) { ROWS.min(size) } else { size % ROWS };
            while panel < size {
                update_panel(data, size, panel);
                if !(panel..end).all(|j| finish_column(data, size, panel, j)) {
                    return false;
                }
                (panel, end) = (end, end + ROWS);
            }
            true
        },
    )
}

/// Subtracts `L[j, k] · L[i, k]` for all `k < panel` from the [`ROWS`] columns that start at `panel`.
#[inline(always)]
fn update_panel(data: &mut [f64], size: usize, panel: usize) {
    if panel == 0 {
        return;
    }
    let (before, target) = data.split_at_mut(panel * size);
    let mut row = panel;
    while row + 2 * ROWS <= size {
        update_block::<{ 2 * ROWS }>(before, target, size, panel, row);
        row += 2 * ROWS;
    }
    if row < size {
        update_block::<ROWS>(before, target, size, panel, row);
    }
}

#[inline(always)]
fn update_block<const N: usize>(before: &[f64], target: &mut [f64], size: usize, panel: usize, row: usize) {
    let mut block: [[f64; N]; ROWS] = std::array::from_fn(|j| *chunk(&target[j * size + row..]));
    for column in before.chunks_exact(size) {
        let (factors, values): (&[f64; ROWS], &[f64; N]) = (chunk(&column[panel..]), chunk(&column[row..]));
        for (sums, factor) in block.iter_mut().zip(factors) {
            subtract_product(sums, *factor, values);
        }
    }
    for (j, sums) in block.iter().enumerate() {
        target[j * size + row..][..N].copy_from_slice(sums);
    }
}

/// Subtracts the columns of the panel before `j` from column `j`, and divides by the root of its pivot.
#[inline(always)]
fn finish_column(data: &mut [f64], size: usize, panel: usize, j: usize) -> bool {
    let (before, from_j) = data.split_at_mut(j * size);
    let column = &mut from_j[..size];
    for earlier in before[panel * size..].chunks_exact(size) {
        subtract_products(&mut column[j..], [earlier[j]], [&earlier[j..]]);
    }
    scale_column(column, j)
}

/// Divides column `j` by the root of its pivot, and clears what is above it.
#[inline(always)]
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

/// Replaces `b` by `L⁻¹ b`.
pub(crate) fn forward_substitute(lower: &[f64], b: &mut [f64]) {
    let size = b.len();
    vectorised(
        #[inline(always)]
        || {
            for block in (0..size).step_by(ROWS) {
                let end = (block + ROWS).min(size);
                for k in block..end {
                    let column = &lower[k * size..(k + 1) * size];
                    b[k] /= column[k];
                    let pivot = b[k];
                    subtract_products(&mut b[k + 1..end], [pivot], [&column[k + 1..end]]);
                }
                let (solved, rest) = b.split_at_mut(end);
                let column = |k: usize| &lower[k * size + end..(k + 1) * size];
                if end == block + ROWS {
                    let pivots = std::array::from_fn(|i| solved[block + i]);
                    subtract_products::<ROWS>(rest, pivots, std::array::from_fn(|i| column(block + i)));
                }
            }
        },
    );
}

/// Replaces `b` by `L⁻ᵀ b`.
pub(crate) fn backward_substitute(lower: &[f64], b: &mut [f64]) {
    let size = b.len();
    vectorised(
        #[inline(always)]
        || {
            for k in (0..size).rev() {
                let column = &lower[k * size + k..(k + 1) * size];
                b[k] = (b[k] - inner_product(&column[1..], &b[k + 1..])) / column[0];
            }
        },
    );
}

/// Memory of an inversion, used again by the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inversion {
    factor: RowBlocks,
    /// `L⁻¹`: for every eight columns their rows from the diagonal down.
    columns: Vec<[f64; LANES]>,
}

/// Writes the lower triangle of `L⁻ᵀ L⁻¹` to `inverse`; what is above it is unspecified.
pub(crate) fn invert_from_factor(lower: &[f64], size: usize, workspace: &mut Inversion, inverse: &mut [f64]) {
    let Inversion { factor, columns } = workspace;
    factor.replace(lower, size);
    let rows = factor.rows();
    let start_of = |first: usize| first / LANES * rows - first.saturating_sub(LANES) * (first / LANES) / 2;
    columns.clear();
    columns.resize(start_of(size.next_multiple_of(LANES)), [0.0; LANES]);
    for first in (0..size).step_by(LANES) {
        let block = &mut columns[start_of(first)..][..rows - first];
        block.iter_mut().take(LANES).enumerate().for_each(|(lane, row)| row[lane] = 1.0);
        factor.substitute(block);
    }
    vectorised(
        #[inline(always)]
        || {
            for a in (0..size).step_by(LANES) {
                let left = &columns[start_of(a)..][..size - a];
                for b in (0..=a).step_by(LANES) {
                    let right = &columns[start_of(b) + a - b..][..size - a];
                    for half in (0..LANES).step_by(ROWS) {
                        let products = inner_products(left, right, half);
                        for (row, b) in products.iter().zip(b + half..size) {
                            let height = LANES.min(size - a);
                            inverse[b * size + a..][..height].copy_from_slice(&row[..height]);
                        }
                    }
                }
            }
        },
    );
}

/// `Σ_i right[i][half + r] · left[i]` for `r < ROWS`.
#[inline(always)]
fn inner_products(left: &[[f64; LANES]], right: &[[f64; LANES]], half: usize) -> [[f64; LANES]; ROWS] {
    let mut block = [[0.0; LANES]; ROWS];
    for (x, y) in left.iter().zip(right) {
        let factors: &[f64; ROWS] = chunk(&y[half..]);
        for (sums, factor) in block.iter_mut().zip(factors) {
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += factor * x;
            }
        }
    }
    block
}

#[inline(always)]
pub(crate) fn chunk<T, const N: usize>(values: &[T]) -> &[T; N] {
    values.first_chunk().expect("the caller counts what is left")
}

#[inline(always)]
fn subtract_product<const N: usize>(sums: &mut [f64; N], factor: f64, x: &[f64; N]) {
    for (sum, x) in sums.iter_mut().zip(x) {
        *sum -= factor * x;
    }
}

/// Subtracts `factors[k] · columns[k]` from `target`, in ascending order of `k`.
#[inline(always)]
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
    inner_product(a, b)
}

/// [`dot`] for use inside [`vectorised`].
#[inline(always)]
fn inner_product(a: &[f64], b: &[f64]) -> f64 {
    let mut partial = [0.0; LANES];
    let (left, left_rest) = a.as_chunks::<LANES>();
    let (right, right_rest) = b.as_chunks::<LANES>();
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

    fn covariance(size: usize) -> Vec<f64> {
        let draws = Draws::new(1);
        let entry = |i: usize, j: usize| draws.uniform(i.min(j) as u64, i.max(j) as u64);
        let diagonal = |i: usize, j: usize| if i == j { size as f64 } else { 0.0 };
        (0..size * size).map(|k| entry(k / size, k % size) + diagonal(k / size, k % size)).collect()
    }

    #[test]
    fn neither_blocks_nor_vectors_change_a_bit() {
        for size in [3, 4, 5, 11, 12, 13, 14, 67] {
            let mut plain = covariance(size);
            for j in 0..size {
                for i in j..size {
                    for k in 0..j {
                        plain[j * size + i] -= plain[k * size + j] * plain[k * size + i];
                    }
                }
                assert!(scale_column(&mut plain[j * size..(j + 1) * size], j));
            }
            let mut blocked = covariance(size);
            assert!(factor_in_place(&mut blocked, size));
            assert_eq!(blocked, plain, "size {size}");
        }
    }

    #[test]
    fn inner_product_counts_every_entry() {
        let values: Vec<f64> = (1..=19).map(f64::from).collect();
        assert_eq!(dot(&values, &values), 2470.0);
    }
}
