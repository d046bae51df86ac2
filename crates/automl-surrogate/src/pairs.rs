//! Covariances of all pairs of rows, and what their derivatives by the lengthscales add up to.
//!
//! Coordinates are kept column by column and differences are taken anew at every evaluation: that is
//! cheaper than reading `d · n²/2` stored squares, which outgrow the caches. Pairs `(a, b)` with `a > b`
//! count; `a` runs through blocks of eight, of which the first may begin above the diagonal and the last
//! may end below the last row. What is computed there is never used.

use nalgebra::DMatrix;

use crate::input_warp::InputWarp;
use crate::kernel::{Hyperparameters, matern52_lanes};
use crate::loops::{LANES, vectorised};
use crate::training::TrainingSet;

type Lanes = [f64; LANES];

/// The coordinates of fixed data, and the covariances under the latest parameters.
#[derive(Clone, Debug)]
pub(crate) struct Pairs {
    size: usize,
    coordinates: Vec<Coordinates>,
    /// `k` of every pair: for each `b` the blocks of all `a`.
    covariances: Vec<Lanes>,
    /// `s² W` of every pair; `W` is the slope weight of the kernel.
    slope_weights: Vec<Lanes>,
    /// Workspace: the weights of one `b`.
    weights: Vec<Lanes>,
}

/// One column of the data, filled up with zeros to whole blocks.
#[derive(Clone, Debug)]
struct Coordinates {
    categorical: bool,
    blocks: Vec<Lanes>,
    bent: Option<Bent>,
}

/// Where a column's values were before they were bent, and how far the bent ones move with the exponents.
#[derive(Clone, Debug)]
struct Bent {
    plain: Vec<f64>,
    /// Derivatives by `ln a` and `ln b`.
    slopes: [Vec<Lanes>; 2],
}

/// Sums over all pairs `a > b` of weights times derivatives of the covariance.
#[derive(Clone, Debug)]
pub(crate) struct PairSums {
    /// `Σ w k`.
    pub(crate) covariance: f64,
    /// `Σ w s² W D_i` of every column.
    pub(crate) separations: Vec<f64>,
    /// `Σ w s² W (a_i − b_i)(a_i′ − b_i′)` of every bent column, `′` being derivatives by `ln a` and `ln b`.
    pub(crate) bends: Vec<[f64; 2]>,
}

impl Pairs {
    pub(crate) fn new(data: &TrainingSet) -> Self {
        let size = data.len();
        let blocks = size.div_ceil(LANES);
        let column = |i: usize| {
            let mut blocks = vec![[0.0; LANES]; blocks];
            for (value, row) in blocks.as_flattened_mut().iter_mut().zip(0..size) {
                *value = data.row(row)[i];
            }
            Coordinates { categorical: data.columns()[i].is_categorical(), blocks, bent: None }
        };
        Self {
            size,
            coordinates: (0..data.columns().len()).map(column).collect(),
            covariances: vec![[0.0; LANES]; size * blocks],
            slope_weights: vec![[0.0; LANES]; size * blocks],
            weights: vec![[0.0; LANES]; blocks],
        }
    }

    /// Moves the coordinates of numbers to where the warps put those of `data`.
    pub(crate) fn bend(&mut self, data: &TrainingSet, warps: &[InputWarp]) {
        for (i, (column, warp)) in self.coordinates.iter_mut().zip(warps).enumerate() {
            if !column.categorical {
                column.bend(*warp, || (0..data.len()).map(|row| data.row(row)[i]).collect());
            }
        }
    }

    /// Evaluates the covariance of every pair.
    pub(crate) fn fill(&mut self, at: &Hyperparameters) {
        let precisions: Vec<f64> = at.lengthscales.iter().map(|l| 1.0 / (l * l)).collect();
        let blocks = self.weights.len();
        vectorised(
            #[inline(always)]
            || {
                for b in 0..self.size {
                    for block in b / LANES..blocks {
                        let mut rho = [0.0; LANES];
                        for (column, precision) in self.coordinates.iter().zip(&precisions) {
                            let separations = column.separations(block, b);
                            for (sum, separation) in rho.iter_mut().zip(separations) {
                                *sum += precision * separation;
                            }
                        }
                        let matern = matern52_lanes(rho);
                        let place = b * blocks + block;
                        self.covariances[place] = matern.values.map(|value| at.signal_variance * value);
                        self.slope_weights[place] =
                            matern.slope_weights.map(|weight| at.signal_variance * weight);
                    }
                }
            },
        );
    }

    /// Writes the lower triangle of `τ² + K + σ² diag(1/counts)`; what is above it stays.
    pub(crate) fn write_matrix(&self, at: &Hyperparameters, counts: &[f64], matrix: &mut DMatrix<f64>) {
        assert_eq!(matrix.shape(), (self.size, self.size), "one row and column per row of the data");
        for (b, column) in matrix.as_mut_slice().chunks_exact_mut(self.size.max(1)).enumerate() {
            column[b] = at.mean_variance + at.signal_variance + at.noise_variance / counts[b];
            for (entry, covariance) in column[b + 1..].iter_mut().zip(self.below(b)) {
                *entry = at.mean_variance + covariance;
            }
        }
    }

    /// Returns the covariances of row `b` with the rows after it.
    fn below(&self, b: usize) -> &[f64] {
        let blocks = self.weights.len();
        &self.covariances[b * blocks..(b + 1) * blocks].as_flattened()[b + 1..self.size]
    }

    /// Adds up weighted derivatives; `weigh(b, weights)` writes the weights of row `b` with the rows after it.
    pub(crate) fn sums(&mut self, weigh: impl Fn(usize, &mut [f64])) -> PairSums {
        let blocks = self.weights.len();
        let mut covariance = [0.0; LANES];
        let mut separations = vec![[0.0; LANES]; self.coordinates.len()];
        let mut bends = vec![[[0.0; LANES]; 2]; self.coordinates.len()];
        vectorised(
            #[inline(always)]
            || {
                for b in 0..self.size {
                    let flat = self.weights.as_flattened_mut();
                    flat[b / LANES * LANES..=b].fill(0.0);
                    weigh(b, &mut flat[b + 1..self.size]);
                    let first = b / LANES;
                    let places = b * blocks + first..(b + 1) * blocks;
                    let pairs = self.covariances[places.clone()].iter().zip(&self.slope_weights[places]);
                    for (weights, (covariances, slopes)) in self.weights[first..].iter_mut().zip(pairs) {
                        for lane in 0..LANES {
                            covariance[lane] += weights[lane] * covariances[lane];
                            weights[lane] *= slopes[lane];
                        }
                    }
                    for (column, sums) in self.coordinates.iter().zip(&mut separations) {
                        let mut partial = *sums;
                        for block in first..blocks {
                            let separations = column.separations(block, b);
                            for lane in 0..LANES {
                                partial[lane] += self.weights[block][lane] * separations[lane];
                            }
                        }
                        *sums = partial;
                    }
                    for (column, sums) in self.coordinates.iter().zip(&mut bends) {
                        let Some(bent) = &column.bent else { continue };
                        for (slopes, sums) in bent.slopes.iter().zip(sums) {
                            let mut partial = *sums;
                            let (other, other_slope) =
                                (column.blocks[first][b % LANES], slopes[first][b % LANES]);
                            let rows = self.weights[first..].iter().zip(&column.blocks[first..]);
                            for ((weights, values), slopes) in rows.zip(&slopes[first..]) {
                                for lane in 0..LANES {
                                    partial[lane] +=
                                        weights[lane] * (values[lane] - other) * (slopes[lane] - other_slope);
                                }
                            }
                            *sums = partial;
                        }
                    }
                }
            },
        );
        let total = |lanes: &Lanes| lanes.iter().sum::<f64>();
        PairSums {
            covariance: total(&covariance),
            separations: separations.iter().map(total).collect(),
            bends: bends.iter().map(|[a, b]| [total(a), total(b)]).collect(),
        }
    }
}

impl Coordinates {
    /// Moves the values to where a warp puts `plain` ones, which are only asked for once.
    fn bend(&mut self, warp: InputWarp, plain: impl FnOnce() -> Vec<f64>) {
        let blocks = self.blocks.len();
        let none =
            || Bent { plain: plain(), slopes: [vec![[0.0; LANES]; blocks], vec![[0.0; LANES]; blocks]] };
        let bent = self.bent.get_or_insert_with(none);
        for (row, &value) in bent.plain.iter().enumerate() {
            let (block, lane) = (row / LANES, row % LANES);
            let slopes = warp.slopes(value);
            self.blocks[block][lane] = warp.place(value);
            bent.slopes[0][block][lane] = slopes.ln_a;
            bent.slopes[1][block][lane] = slopes.ln_b;
        }
    }

    /// `D_i` between row `b` and every row of a block.
    #[inline(always)]
    fn separations(&self, block: usize, b: usize) -> Lanes {
        let other = self.blocks[b / LANES][b % LANES];
        if self.categorical {
            self.blocks[block].map(|value| if value == other { 0.0 } else { 1.0 })
        } else {
            self.blocks[block].map(|value| (value - other) * (value - other))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Column;
    use crate::draws::Draws;
    use crate::kernel::{Kernel, matern52, separation};

    const COLUMNS: [Column; 3] =
        [Column::Continuous, Column::Categorical { choices: 3 }, Column::Grid { levels: 5 }];

    fn data(size: u64) -> TrainingSet {
        let draws = Draws::new(5);
        let row = |i| (0..).zip(COLUMNS).map(|(j, column)| column.from_unit(draws.uniform(i, j))).collect();
        let rows: Vec<Vec<f64>> = (0..size).map(row).collect();
        TrainingSet::new(&COLUMNS, &rows, &vec![0.0; rows.len()])
    }

    #[test]
    fn blocks_agree_with_single_pairs() {
        for size in [1, 2, 8, 9, 21] {
            let data = data(size);
            let at = Hyperparameters {
                lengthscales: vec![0.4, 0.9, 0.7],
                signal_variance: 1.7,
                noise_variance: 0.1,
                mean_variance: 0.0,
                warps: Vec::new(),
            };
            let kernel = Kernel::new(&COLUMNS, &at);
            let weight = |a: usize, b: usize| 1.0 / (a + 2 * b + 1) as f64;
            let mut pairs = Pairs::new(&data);
            pairs.fill(&at);
            let found = pairs.sums(|b, weights| {
                weights.iter_mut().zip(b + 1..).for_each(|(w, a)| *w = weight(a, b));
            });
            let (mut covariance, mut separations) = (0.0, [0.0; 3]);
            for b in 0..data.len() {
                for a in b + 1..data.len() {
                    let expected = kernel.covariance(data.row(a), data.row(b));
                    assert!((pairs.below(b)[a - b - 1] - expected).abs() < 1e-14, "size {size}: {a} {b}");
                    covariance += weight(a, b) * expected;
                    let slope = matern52(kernel.squared_distance(data.row(a), data.row(b))).slope_weight;
                    for (i, sum) in separations.iter_mut().enumerate() {
                        let apart = separation(COLUMNS[i].is_categorical(), data.row(a)[i], data.row(b)[i]);
                        *sum += weight(a, b) * 1.7 * slope * apart;
                    }
                }
            }
            assert!((found.covariance - covariance).abs() < 1e-12, "size {size}");
            assert!(found.separations.iter().zip(separations).all(|(a, b)| (a - b).abs() < 1e-12));
        }
    }
}
