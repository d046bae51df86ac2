//! Cholesky factor of a covariance matrix, with the solves that a Gaussian process needs.
//!
//! Notation: `C = L Lᵀ`, `L` lower triangular, kept column-major so that the tail of a column is one
//! contiguous slice. The loops live in `loops.rs`.
//!
//! A matrix that is not positive definite gets jitter on its diagonal, in growing steps; a factor is
//! never invented.

use nalgebra::DMatrix;
use thiserror::Error;

use crate::loops::{
    Inversion, backward_substitute, dot, factor_in_place, forward_substitute, invert_from_factor,
};
use crate::row_blocks::RowBlocks;

/// First jitter, relative to the mean of the diagonal.
const JITTER_MIN: f64 = 1e-10;
/// Last jitter, relative to the mean of the diagonal; beyond it the model would be another one.
const JITTER_MAX: f64 = 1e-2;

/// Why a covariance matrix has no usable factor.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum CholeskyError {
    /// No jitter of the ladder made the matrix positive definite.
    #[error(
        "covariance matrix of {size} rows is not positive definite, even with {jitter:e} added to its diagonal"
    )]
    NotPositiveDefinite {
        /// Number of rows.
        size: usize,
        /// Largest absolute jitter tried.
        jitter: f64,
    },
    /// The matrix holds a NaN or an infinity.
    #[error("covariance matrix of {size} rows holds {value} at row {row}, column {column}")]
    NotFinite {
        /// Number of rows.
        size: usize,
        /// Row of the first such entry.
        row: usize,
        /// Column of the first such entry.
        column: usize,
        /// The entry.
        value: f64,
    },
}

/// Lower Cholesky factor of a symmetric positive definite matrix.
#[derive(Clone, Debug)]
pub struct Cholesky {
    lower: DMatrix<f64>,
    jitter: f64,
}

impl Cholesky {
    /// Factors `matrix`, of which only the lower triangle is read.
    ///
    /// # Errors
    /// [`CholeskyError`] when an entry is not finite, or when the whole jitter ladder fails.
    ///
    /// # Panics
    /// Panics when `matrix` is not square.
    pub fn new(matrix: &DMatrix<f64>) -> Result<Self, CholeskyError> {
        let mut factor = Self { lower: DMatrix::zeros(0, 0), jitter: 0.0 };
        factor.replace(matrix).map(|()| factor)
    }

    /// Becomes the factor of another matrix; the memory is used again where the size is equal.
    ///
    /// # Errors
    /// As [`Cholesky::new`]; the factor is then unusable.
    pub(crate) fn replace(&mut self, matrix: &DMatrix<f64>) -> Result<(), CholeskyError> {
        let size = matrix.nrows();
        assert_eq!(size, matrix.ncols(), "a covariance matrix is square");
        check_finite(matrix)?;
        let scale = matrix.diagonal().iter().sum::<f64>() / size.max(1) as f64;
        let mut next = JITTER_MIN;
        self.jitter = 0.0;
        loop {
            self.copy_with_jitter(matrix);
            if factor_in_place(self.lower.as_mut_slice(), size) {
                return Ok(());
            }
            if next > JITTER_MAX * 1.5 {
                return Err(CholeskyError::NotPositiveDefinite { size, jitter: self.jitter });
            }
            self.jitter = next * scale;
            next *= 10.0;
        }
    }

    fn copy_with_jitter(&mut self, matrix: &DMatrix<f64>) {
        if self.lower.shape() == matrix.shape() {
            self.lower.copy_from(matrix);
        } else {
            self.lower = matrix.clone();
        }
        for i in 0..matrix.nrows() {
            self.lower[(i, i)] += self.jitter;
        }
    }

    /// Returns the number of rows.
    pub fn size(&self) -> usize {
        self.lower.nrows()
    }

    /// Returns what was added to the diagonal, 0 for a well-conditioned matrix.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Returns `L`; entries above the diagonal are 0.
    pub fn lower(&self) -> &DMatrix<f64> {
        &self.lower
    }

    /// Returns `Σ ln L_ii`, half the logarithm of the determinant.
    pub fn half_log_determinant(&self) -> f64 {
        self.lower.diagonal().iter().map(|&pivot| libm::log(pivot)).sum()
    }

    /// Replaces `b` by `L⁻¹ b`.
    pub fn solve_lower(&self, b: &mut [f64]) {
        forward_substitute(self.lower.as_slice(), b);
    }

    /// Replaces `b` by `L⁻ᵀ b`.
    pub fn solve_upper(&self, b: &mut [f64]) {
        backward_substitute(self.lower.as_slice(), b);
    }

    /// Returns `C⁻¹ b`.
    pub fn solve(&self, b: &[f64]) -> Vec<f64> {
        let mut x = b.to_vec();
        self.solve_lower(&mut x);
        self.solve_upper(&mut x);
        x
    }

    /// Returns the factor in the order in which it is read for many right-hand sides.
    pub(crate) fn row_blocks(&self) -> RowBlocks {
        RowBlocks::new(self.lower.as_slice(), self.size())
    }

    /// Writes the lower triangle of `C⁻¹ = L⁻ᵀ L⁻¹` into `inverse`; what is above it is unspecified.
    ///
    /// `workspace` is overwritten; keeping it saves its allocation.
    ///
    /// # Panics
    /// Panics unless `inverse` has the size of this factor.
    pub(crate) fn inverse_lower(&self, workspace: &mut Inversion, inverse: &mut DMatrix<f64>) {
        let size = self.size();
        assert_eq!(inverse.shape(), (size, size), "the inverse has the size of the matrix");
        invert_from_factor(self.lower.as_slice(), size, workspace, inverse.as_mut_slice());
    }

    /// Adds one row and column to the factored matrix, in O(n²).
    ///
    /// `covariance` holds the new off-diagonal entries, `diagonal` the new diagonal entry. The new
    /// squared pivot is at least `pivot_min`, so that a repeated point cannot break the factor.
    ///
    /// # Panics
    /// Panics when `covariance` does not have one entry per row.
    pub fn append(&mut self, covariance: &[f64], diagonal: f64, pivot_min: f64) {
        let size = self.size();
        assert_eq!(covariance.len(), size, "one covariance per existing row");
        let mut row = covariance.to_vec();
        self.solve_lower(&mut row);
        let pivot = (diagonal - dot(&row, &row)).max(pivot_min).sqrt();
        let grown = std::mem::replace(&mut self.lower, DMatrix::zeros(0, 0));
        self.lower = grown.resize(size + 1, size + 1, 0.0);
        for (j, &value) in row.iter().enumerate() {
            self.lower[(size, j)] = value;
        }
        self.lower[(size, size)] = pivot;
    }
}

fn check_finite(matrix: &DMatrix<f64>) -> Result<(), CholeskyError> {
    let size = matrix.nrows();
    for (column, values) in matrix.as_slice().chunks_exact(size.max(1)).enumerate() {
        if let Some(below) = values[column..].iter().position(|value| !value.is_finite()) {
            let row = column + below;
            return Err(CholeskyError::NotFinite { size, row, column, value: values[row] });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draws::Draws;

    fn covariance(size: usize) -> DMatrix<f64> {
        let draws = Draws::new(1);
        let factor = DMatrix::from_fn(size, size, |i, j| draws.uniform(i as u64, j as u64) - 0.5);
        &factor * factor.transpose() + DMatrix::identity(size, size) * 0.1
    }

    #[test]
    fn factor_reproduces_the_matrix() {
        for size in [0, 1, 2, 7, 63, 64, 65, 150] {
            let matrix = covariance(size);
            let factor = Cholesky::new(&matrix).unwrap();
            let residual = (factor.lower() * factor.lower().transpose() - &matrix).abs();
            assert!(residual.iter().all(|&r| r < 1e-11), "size {size}");
            assert_eq!(factor.jitter(), 0.0);
        }
    }

    #[test]
    fn solve_and_inverse_undo_the_matrix() {
        for size in [1, 3, 8, 13, 70] {
            let matrix = covariance(size);
            let factor = Cholesky::new(&matrix).unwrap();
            let b: Vec<f64> = (0..size).map(|i| i as f64).collect();
            let x = nalgebra::DVector::from_vec(factor.solve(&b));
            assert!((&matrix * x - nalgebra::DVector::from_vec(b)).abs().max() < 1e-9);
            let mut inverse = DMatrix::zeros(size, size);
            factor.inverse_lower(&mut Inversion::default(), &mut inverse);
            inverse.fill_upper_triangle_with_lower_triangle();
            let residual = matrix * inverse - DMatrix::identity(size, size);
            assert!(residual.abs().max() < 1e-10, "size {size}");
        }
    }

    #[test]
    fn appended_row_equals_a_new_factor() {
        let matrix = covariance(20);
        let mut grown = Cholesky::new(&matrix.view((0, 0), (19, 19)).clone_owned()).unwrap();
        let row: Vec<f64> = (0..19).map(|j| matrix[(19, j)]).collect();
        grown.append(&row, matrix[(19, 19)], 1e-10);
        let whole = Cholesky::new(&matrix).unwrap();
        assert!((grown.lower() - whole.lower()).abs().max() < 1e-12);
    }

    #[test]
    fn singular_matrix_gets_jitter() {
        let matrix = DMatrix::from_element(40, 40, 2.0);
        let factor = Cholesky::new(&matrix).unwrap();
        assert!(factor.jitter() > 0.0 && factor.jitter() < 1e-6, "{}", factor.jitter());
    }

    #[test]
    fn indefinite_matrix_is_refused_with_its_size() {
        let matrix = DMatrix::from_row_slice(2, 2, &[1.0, 3.0, 3.0, 1.0]);
        let error = Cholesky::new(&matrix).unwrap_err();
        assert_eq!(error, CholeskyError::NotPositiveDefinite { size: 2, jitter: 1e-2 });
        let poisoned = DMatrix::from_row_slice(2, 2, &[1.0, 0.0, f64::NAN, 1.0]);
        assert!(matches!(Cholesky::new(&poisoned), Err(CholeskyError::NotFinite { row: 1, column: 0, .. })));
    }
}
