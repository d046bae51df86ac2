//! Eigenvalues of a small symmetric matrix by Jacobi rotations, in a fixed order.

const SWEEPS_MAX: usize = 60;
/// Off-diagonal entries below this share of the diagonal are as good as zero.
const NEGLIGIBLE: f64 = 1e-17;

/// A square matrix, row by row.
pub(super) type Matrix = Vec<Vec<f64>>;

/// Eigenvalues, and the eigenvectors as columns.
#[derive(Clone, Debug)]
pub(super) struct Eigen {
    pub(super) values: Vec<f64>,
    pub(super) vectors: Matrix,
}

pub(super) fn identity(size: usize) -> Matrix {
    (0..size).map(|i| (0..size).map(|j| f64::from(u8::from(i == j))).collect()).collect()
}

/// Decomposes `matrix`; the closer `start` is to its eigenvectors, the fewer sweeps it takes.
pub(super) fn decompose(matrix: &Matrix, start: &Matrix) -> Eigen {
    let size = matrix.len();
    let mut rotated = product(&transposed(start), &product(matrix, start));
    let mut vectors = start.clone();
    for _ in 0..SWEEPS_MAX {
        let mut rotations = 0;
        for p in 0..size {
            for q in p + 1..size {
                let scale = (rotated[p][p] * rotated[q][q]).abs().sqrt();
                if rotated[p][q].abs() > NEGLIGIBLE * scale {
                    rotate(&mut rotated, &mut vectors, p, q);
                    rotations += 1;
                }
            }
        }
        if rotations == 0 {
            break;
        }
    }
    Eigen { values: (0..size).map(|i| rotated[i][i]).collect(), vectors }
}

/// Makes entry `(p, q)` zero by a rotation.
fn rotate(matrix: &mut Matrix, vectors: &mut Matrix, p: usize, q: usize) {
    let ratio = (matrix[q][q] - matrix[p][p]) / (2.0 * matrix[p][q]);
    let tangent = ratio.signum() / (ratio.abs() + (1.0 + ratio * ratio).sqrt());
    let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
    let sine = tangent * cosine;
    let mix = |a: f64, b: f64| (cosine * a - sine * b, sine * a + cosine * b);
    for row in matrix.iter_mut().chain(vectors) {
        (row[p], row[q]) = mix(row[p], row[q]);
    }
    for k in 0..matrix.len() {
        (matrix[p][k], matrix[q][k]) = mix(matrix[p][k], matrix[q][k]);
    }
    (matrix[p][q], matrix[q][p]) = (0.0, 0.0);
}

fn transposed(matrix: &Matrix) -> Matrix {
    (0..matrix.len()).map(|j| matrix.iter().map(|row| row[j]).collect()).collect()
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let row = |row: &Vec<f64>| {
        let mut sums = vec![0.0; b.len()];
        for (factor, other) in row.iter().zip(b) {
            sums.iter_mut().zip(other).for_each(|(sum, value)| *sum += factor * value);
        }
        sums
    };
    a.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_multiply_to_the_matrix() {
        let matrix = vec![vec![4.0, 1.0, -0.5], vec![1.0, 3.0, 0.25], vec![-0.5, 0.25, 1e-6]];
        let first = decompose(&matrix, &identity(3));
        for eigen in [decompose(&matrix, &first.vectors), first] {
            for (i, row) in matrix.iter().enumerate() {
                for (j, expected) in row.iter().enumerate() {
                    let term = |k: usize| eigen.vectors[i][k] * eigen.values[k] * eigen.vectors[j][k];
                    let found: f64 = (0..3).map(term).sum();
                    assert!((found - expected).abs() < 1e-13, "{i} {j}");
                }
            }
        }
    }
}
