//! Training data: rows and targets with exact duplicates merged.
//!
//! `m` observations of one row become a single row with their mean target and noise `σ²/m`. Equal rows
//! are the main cause of singular covariance matrices, and merging makes replicated measurements cheap.
//! What the mean forgets, the scatter of the replicates around it, is kept for the likelihood, which
//! therefore equals the likelihood of the unmerged data.

use nalgebra::DMatrix;

use crate::column::Column;
use crate::input_warp::{InputWarp, place_row};

/// Rows and targets that a Gaussian process is conditioned on.
#[derive(Clone, Debug)]
pub struct TrainingSet {
    columns: Vec<Column>,
    /// One *column* of the matrix per row of the data, so that a row is contiguous.
    points: DMatrix<f64>,
    targets: Vec<f64>,
    counts: Vec<f64>,
    /// Sum of squared deviations of merged targets from their means.
    scatter: f64,
}

impl TrainingSet {
    /// Collects `rows` with their standardised `targets`, merging rows that are equal bit for bit.
    ///
    /// Merged rows keep the place of their first member.
    ///
    /// # Panics
    /// Panics unless there is one finite target a row, and every row has one entry a column.
    pub fn new(columns: &[Column], rows: &[Vec<f64>], targets: &[f64]) -> Self {
        assert_eq!(rows.len(), targets.len(), "one target a row");
        assert!(rows.iter().all(|row| row.len() == columns.len()), "one entry a column in every row");
        assert!(targets.iter().all(|target| target.is_finite()), "targets are finite");
        let groups = group_equal(rows);
        let mean = |group: &[usize]| group.iter().map(|&i| targets[i]).sum::<f64>() / group.len() as f64;
        let means: Vec<f64> = groups.iter().map(|group| mean(group)).collect();
        let scatter = groups
            .iter()
            .zip(&means)
            .flat_map(|(group, mean)| group.iter().map(move |&i| (targets[i] - mean) * (targets[i] - mean)))
            .sum();
        Self {
            columns: columns.to_vec(),
            points: DMatrix::from_fn(columns.len(), groups.len(), |i, g| rows[groups[g][0]][i]),
            targets: means,
            counts: groups.iter().map(|group| group.len() as f64).collect(),
            scatter,
        }
    }

    /// Returns the number of distinct rows.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Returns the meaning of every coordinate.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns row `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        let dimension = self.columns.len();
        &self.points.as_slice()[i * dimension..(i + 1) * dimension]
    }

    /// Returns the mean target of every row.
    pub fn targets(&self) -> &[f64] {
        &self.targets
    }

    /// Returns how many observations every row stands for.
    pub fn counts(&self) -> &[f64] {
        &self.counts
    }

    /// Returns the sum of squared deviations of merged targets from their means.
    pub(crate) fn scatter(&self) -> f64 {
        self.scatter
    }

    /// Adds a row that stands for `count` observations.
    pub(crate) fn push(&mut self, row: &[f64], target: f64, count: f64) {
        let points = std::mem::replace(&mut self.points, DMatrix::zeros(0, 0));
        let last = points.ncols();
        self.points = points.insert_column(last, 0.0);
        self.points.column_mut(last).copy_from_slice(row);
        self.targets.push(target);
        self.counts.push(count);
    }

    /// Returns the same data with every row where the warps put it.
    pub(crate) fn placed(&self, warps: &[InputWarp]) -> Self {
        let mut placed = self.clone();
        for mut row in placed.points.column_iter_mut() {
            let at = place_row(warps, &self.columns, row.as_slice());
            row.copy_from_slice(&at);
        }
        placed
    }

    /// Returns the chosen rows; replicate scatter is dropped unless all rows are chosen.
    pub(crate) fn select(&self, indices: &[usize]) -> Self {
        if indices.len() == self.len() {
            return self.clone();
        }
        Self {
            columns: self.columns.clone(),
            points: self.points.select_columns(indices),
            targets: indices.iter().map(|&i| self.targets[i]).collect(),
            counts: indices.iter().map(|&i| self.counts[i]).collect(),
            scatter: 0.0,
        }
    }
}

/// Groups of indices of equal rows, in order of their first member.
fn group_equal(rows: &[Vec<f64>]) -> Vec<Vec<usize>> {
    let mut seen = std::collections::BTreeMap::<Vec<u64>, usize>::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        let key = row.iter().map(|value| value.to_bits()).collect();
        let group = *seen.entry(key).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(i);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_become_one_with_their_mean() {
        let rows = vec![vec![0.1, 0.2], vec![0.3, 0.4], vec![0.1, 0.2]];
        let data = TrainingSet::new(&[Column::Continuous; 2], &rows, &[1.0, 5.0, 4.0]);
        assert_eq!(data.len(), 2);
        assert_eq!(data.targets(), [2.5, 5.0]);
        assert_eq!(data.counts(), [2.0, 1.0]);
        assert_eq!(data.scatter(), 4.5);
        assert_eq!(data.row(1), [0.3, 0.4]);
    }

    #[test]
    fn pushed_row_comes_last() {
        let mut data = TrainingSet::new(&[Column::Continuous; 2], &[vec![0.1, 0.2]], &[1.0]);
        data.push(&[0.5, 0.6], 2.0, 1.0);
        assert_eq!((data.row(1), data.targets()), ([0.5, 0.6].as_slice(), [1.0, 2.0].as_slice()));
    }
}
