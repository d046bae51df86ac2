//! One coordinate of a Parzen estimator: what values it takes, and a kernel for every row.

use crate::loops::vectorised;
use crate::truncated::{log_normal_mass, quantile_between_tails, upper_tail};

const HALF_LN_TWO_PI: f64 = 0.918_938_533_204_672_8;

/// Least prior probability in a density, so that a choice without weight that was observed all the same
/// has one under every mixture.
const PRIOR_MIN: f64 = 1e-12;

/// What a coordinate of a row means to a Parzen estimator.
#[derive(Clone, Debug, PartialEq)]
pub enum Axis {
    /// Any value of `[0, 1]`; densities are per unit.
    Continuous,
    /// Cells between consecutive edges, which rise from 0 to 1; a row has any value of its cell, and a
    /// density is the mass of the cell.
    Cells {
        /// Limits of the cells, one more than there are cells.
        edges: Vec<f64>,
    },
    /// An unordered choice, stored as its index.
    Categorical {
        /// Prior probability of every choice; they add up to 1.
        prior: Vec<f64>,
    },
}

impl Axis {
    /// `levels` equally wide cells.
    pub fn grid(levels: u32) -> Self {
        Axis::Cells { edges: (0..=levels).map(|k| f64::from(k) / f64::from(levels)).collect() }
    }
}

/// The kernels of one coordinate, one for every row and the prior's at the end.
#[derive(Clone, Debug)]
pub(super) enum Kernels {
    /// Truncated normals, in the order of the rows.
    Normal(Normals),
    /// Truncated normals over cells: the different ones, and which of them a row has.
    Cells { edges: Vec<f64>, different: Normals, which: Vec<u32> },
    /// `same[c]` if a row has choice `c` as well, `other[c]` if it has another one (logarithms).
    Choices { observed: Vec<u32>, same: Vec<f64>, other: Vec<f64>, prior: Vec<f64> },
}

/// Normals cut to `[0, 1]`.
#[derive(Clone, Debug, Default)]
pub(super) struct Normals {
    centre: Vec<f64>,
    precision: Vec<f64>,
    /// Logarithm of the factor in front of the exponential.
    scale: Vec<f64>,
    /// Probabilities that were cut off below 0 and above 1.
    tails: Vec<[f64; 2]>,
}

impl Normals {
    fn push(&mut self, centre: f64, deviation: f64) {
        self.centre.push(centre);
        self.precision.push(1.0 / deviation);
        let tails = [centre / deviation, (1.0 - centre) / deviation].map(upper_tail);
        let mass = libm::log1p(-tails[0] - tails[1]);
        self.scale.push(-HALF_LN_TWO_PI - libm::log(deviation) - mass);
        self.tails.push(tails);
    }

    fn add_log_densities(&self, value: f64, sums: &mut [f64]) {
        let kernels = self.centre.iter().zip(&self.precision).zip(&self.scale);
        vectorised(
            #[inline(always)]
            || {
                for (sum, ((centre, precision), scale)) in sums.iter_mut().zip(kernels) {
                    let deviations = (value - centre) * precision;
                    *sum += scale - 0.5 * deviations * deviations;
                }
            },
        );
    }

    fn log_masses(&self, low: f64, high: f64) -> Vec<f64> {
        let mass = |i: usize| {
            let (centre, precision) = (self.centre[i], self.precision[i]);
            let part = log_normal_mass((low - centre) * precision, (high - centre) * precision);
            part - libm::log1p(-self.tails[i][0] - self.tails[i][1])
        };
        (0..self.centre.len()).map(mass).collect()
    }

    fn quantile(&self, i: usize, share: f64) -> f64 {
        let (centre, precision) = (self.centre[i], self.precision[i]);
        (centre + quantile_between_tails(share, self.tails[i]) / precision).clamp(0.0, 1.0)
    }
}

impl Kernels {
    /// Builds the kernels of `values`, the prior's last.
    pub(super) fn new(axis: &Axis, values: &[f64], floor: f64, prior_weight: f64) -> Self {
        match axis {
            Axis::Continuous => {
                let mut normals = Normals::default();
                for (value, deviation) in values.iter().zip(bandwidths(values, floor)) {
                    normals.push(*value, deviation);
                }
                normals.push(0.5, 1.0);
                Kernels::Normal(normals)
            }
            Axis::Cells { edges } => on_cells(edges, values, floor),
            Axis::Categorical { prior } => on_choices(prior, values, prior_weight),
        }
    }

    /// Adds the logarithm of every kernel's density at `value`.
    pub(super) fn add_log_densities(&self, value: f64, sums: &mut [f64]) {
        match self {
            Kernels::Normal(normals) => normals.add_log_densities(value, sums),
            Kernels::Cells { edges, different, which } => {
                let k = cell(edges, value);
                let table = different.log_masses(edges[k], edges[k + 1]);
                sums.iter_mut().zip(which).for_each(|(sum, &i)| *sum += table[i as usize]);
            }
            Kernels::Choices { observed, same, other, prior } => {
                let choice = value as usize;
                let last = sums.len() - 1;
                for (sum, &row) in sums.iter_mut().zip(observed) {
                    *sum += if row as usize == choice { same[choice] } else { other[choice] };
                }
                sums[last] += libm::log(prior[choice].max(PRIOR_MIN));
            }
        }
    }

    /// Draws from kernel `i`.
    pub(super) fn draw(&self, i: usize, uniform: f64) -> f64 {
        match self {
            Kernels::Normal(normals) => normals.quantile(i, uniform),
            Kernels::Cells { edges, different, which } => {
                let k = cell(edges, different.quantile(which[i] as usize, uniform));
                0.5 * (edges[k] + edges[k + 1])
            }
            Kernels::Choices { observed, same, other, prior } => {
                let probability = |c: usize| match observed.get(i) {
                    _ if prior[c] == 0.0 && observed.get(i) != Some(&(c as u32)) => 0.0,
                    None => prior[c],
                    Some(&row) if row as usize == c => libm::exp(same[c]),
                    Some(_) => libm::exp(other[c]),
                };
                let mut sum = 0.0;
                let beyond = (0..prior.len()).find(|&c| {
                    sum += probability(c);
                    sum > uniform
                });
                let possible = || prior.iter().rposition(|&p| p > 0.0).unwrap_or(0);
                beyond.unwrap_or_else(possible) as f64
            }
        }
    }
}

fn on_cells(edges: &[f64], values: &[f64], floor: f64) -> Kernels {
    let mut pairs: Vec<(f64, f64)> = values.iter().copied().zip(bandwidths(values, floor)).collect();
    pairs.push((0.5, 1.0));
    let order = |a: &(f64, f64), b: &(f64, f64)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1));
    let mut distinct = pairs.clone();
    distinct.sort_by(order);
    distinct.dedup();
    let place = |pair: &(f64, f64)| distinct.binary_search_by(|other| order(other, pair));
    let which = pairs.iter().map(|pair| place(pair).expect("every pair is listed") as u32).collect();
    let mut different = Normals::default();
    distinct.iter().for_each(|&(centre, deviation)| different.push(centre, deviation));
    Kernels::Cells { edges: edges.to_vec(), different, which }
}

/// A row's choice has what the prior leaves; the prior counts as one more row's share of `prior_weight`.
fn on_choices(prior: &[f64], values: &[f64], prior_weight: f64) -> Kernels {
    let spread = prior.len() as f64 * prior_weight / (values.len() + 1) as f64;
    let logarithm = |own: f64, p: f64| libm::log((own + spread * p.max(PRIOR_MIN)) / (1.0 + spread));
    Kernels::Choices {
        observed: values.iter().map(|&value| value as u32).collect(),
        same: prior.iter().map(|&p| logarithm(1.0, p)).collect(),
        other: prior.iter().map(|&p| logarithm(0.0, p)).collect(),
        prior: prior.to_vec(),
    }
}

/// Index of the cell that holds `value`.
fn cell(edges: &[f64], value: f64) -> usize {
    edges[1..edges.len() - 1].partition_point(|edge| *edge <= value)
}

/// The wider gap to a neighbour, the ends of the interval being neighbours of a lone value only, and
/// never below `max(floor, 1/(n + 2))` for `n` values.
fn bandwidths(values: &[f64], floor: f64) -> Vec<f64> {
    let narrowest = floor.max(1.0 / (values.len() + 2) as f64);
    let mut order: Vec<(f64, u32)> = values.iter().copied().zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut widths = vec![0.0; values.len()];
    for (k, &(value, i)) in order.iter().enumerate() {
        let left = k.checked_sub(1).map(|before| value - order[before].0);
        let right = order.get(k + 1).map(|after| after.0 - value);
        let gap = match (left, right) {
            (None, None) => value.max(1.0 - value),
            (left, right) => left.unwrap_or(0.0).max(right.unwrap_or(0.0)),
        };
        widths[i as usize] = gap.clamp(narrowest, 1.0);
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_their_lower_edge() {
        let edges = [0.0, 0.25, 0.5, 1.0];
        assert_eq!([0.0, 0.2, 0.25, 0.49, 0.5, 1.0].map(|value| cell(&edges, value)), [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn masses_of_all_cells_add_up_to_one() {
        let kernels = Kernels::new(&Axis::grid(7), &[0.1, 0.9, 0.9], 0.03, 1.0);
        let mut total = [0.0; 4];
        for k in 0..7 {
            let mut sums = [0.0; 4];
            kernels.add_log_densities((f64::from(k) + 0.5) / 7.0, &mut sums);
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += libm::exp(sum));
        }
        assert!(total.iter().all(|total| (total - 1.0).abs() < 1e-12), "{total:?}");
    }

    #[test]
    fn choice_of_zero_prior_is_never_drawn() {
        let axis = Axis::Categorical { prior: vec![0.0, 1.0, 0.0] };
        let kernels = Kernels::new(&axis, &[1.0], 0.03, 1.0);
        for i in 0..2 {
            assert!([0.0, 0.5, 1.0 - f64::EPSILON].iter().all(|&u| kernels.draw(i, u) == 1.0));
        }
    }
}
