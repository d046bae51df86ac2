//! Multivariate Parzen estimator whose coordinates may be inactive: the density model of TPE.
//!
//! Every row is one component: a product of one kernel for each active coordinate. Kernels and
//! bandwidths follow the estimator of the Optuna project, version 5 (Bergstra et al., *Algorithms for
//! Hyper-Parameter Optimization*, NeurIPS 2011; Watanabe, arXiv:2304.11127, section 3).
//!
//! Coordinates that are active under the same circumstances form a [`Group`]. A group is modelled
//! *given* the groups that decide whether it is active, over the rows in which it is active: their
//! weights are multiplied with their kernels at the values already chosen. So values of a branch are
//! drawn with regard to the values above it, and branches never see each other's rows.
//!
//! This module does not know what the circumstances are: the caller says which groups a draw has.

mod axis;

use crate::kernel::decay;
use crate::loops::{LANES, vectorised};
pub use axis::Axis;
use axis::Kernels;

/// A component so far below the largest contributes nothing to a sum in double precision.
const NEGLIGIBLE: f64 = 700.0;

/// Coordinates that are always active together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Its coordinates.
    pub axes: Vec<usize>,
    /// Groups, earlier in the list, that are active whenever this one is and decide about it.
    pub ancestors: Vec<usize>,
}

/// Shape of an estimator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParzenOptions {
    /// Weight of the prior among rows of weight 1; positive.
    pub prior_weight: f64,
    /// Narrowest kernel, as a share of the interval; `1/(n + 2)` where that is more.
    pub bandwidth_floor: f64,
}

/// A mixture over rows and one prior component.
#[derive(Clone, Debug)]
pub struct Parzen<'a> {
    groups: &'a [Group],
    parts: Vec<Part>,
}

/// One group's share of the mixture.
#[derive(Clone, Debug)]
struct Part {
    /// Kernels of the group's coordinates.
    kernels: Vec<Kernels>,
    /// Logarithms of the components' weights, the prior's last.
    weights: Vec<f64>,
    /// For every ancestor the places of this part's components among the ancestor's.
    places: Vec<Vec<u32>>,
}

impl<'a> Parzen<'a> {
    /// Builds the mixture of `rows` with their `weights`. An inactive coordinate of a row is NaN.
    ///
    /// # Panics
    /// Panics if there is not one weight for each row.
    pub fn new(
        axes: &[Axis],
        groups: &'a [Group],
        rows: &[Vec<f64>],
        weights: &[f64],
        options: ParzenOptions,
    ) -> Self {
        assert_eq!(rows.len(), weights.len(), "one weight for each row");
        let is_member = |group: &Group, row: &[f64]| group.axes.iter().all(|&j| !row[j].is_nan());
        let members: Vec<Vec<usize>> = groups
            .iter()
            .map(|group| (0..rows.len()).filter(|&i| is_member(group, &rows[i])).collect())
            .collect();
        let part = |(group, own): (&Group, &Vec<usize>)| {
            let column = |&j: &usize| -> Vec<f64> { own.iter().map(|&i| rows[i][j]).collect() };
            let kernels = |j: &usize| {
                Kernels::new(&axes[*j], &column(j), options.bandwidth_floor, options.prior_weight)
            };
            let prior = std::iter::once(options.prior_weight);
            Part {
                kernels: group.axes.iter().map(kernels).collect(),
                weights: own.iter().map(|&i| weights[i]).chain(prior).map(libm::log).collect(),
                places: group.ancestors.iter().map(|&a| places(own, &members[a])).collect(),
            }
        };
        Self { groups, parts: groups.iter().zip(&members).map(part).collect() }
    }

    /// Returns the logarithm of the density at `point`, whose inactive coordinates are NaN.
    pub fn log_density(&self, point: &[f64]) -> f64 {
        let mut own: Vec<Vec<f64>> = vec![Vec::new(); self.groups.len()];
        let mut total = 0.0;
        for (g, group) in self.groups.iter().enumerate() {
            if group.axes.iter().any(|&j| point[j].is_nan()) {
                continue;
            }
            own[g] = self.own_log_densities(g, point);
            let mut sums = self.given_ancestors(g, &own);
            total -= log_sum(&sums);
            sums.iter_mut().zip(&own[g]).for_each(|(sum, own)| *sum += own);
            total += log_sum(&sums);
        }
        total
    }

    /// Draws the coordinates of group `g` into `point`, whose ancestors' coordinates are set.
    ///
    /// `uniform(j)` decides the value of coordinate `j`, and `uniform(d + g)` the component, `d` being the
    /// number of coordinates.
    pub fn draw(&self, g: usize, point: &mut [f64], uniform: impl Fn(u64) -> f64) {
        let mut own: Vec<Vec<f64>> = vec![Vec::new(); self.groups.len()];
        for &a in &self.groups[g].ancestors {
            own[a] = self.own_log_densities(a, point);
        }
        let component = choose(&self.given_ancestors(g, &own), uniform((point.len() + g) as u64));
        for (&j, kernels) in self.groups[g].axes.iter().zip(&self.parts[g].kernels) {
            point[j] = kernels.draw(component, uniform(j as u64));
        }
    }

    /// Logarithm of every component's density over the group's own coordinates.
    fn own_log_densities(&self, g: usize, point: &[f64]) -> Vec<f64> {
        let part = &self.parts[g];
        let mut sums = vec![0.0; part.weights.len()];
        for (&j, kernels) in self.groups[g].axes.iter().zip(&part.kernels) {
            kernels.add_log_densities(point[j], &mut sums);
        }
        sums
    }

    /// Logarithm of every component's weight given the ancestors' values, not normalised.
    fn given_ancestors(&self, g: usize, own: &[Vec<f64>]) -> Vec<f64> {
        let part = &self.parts[g];
        let mut sums = part.weights.clone();
        for (places, &a) in part.places.iter().zip(&self.groups[g].ancestors) {
            sums.iter_mut().zip(places).for_each(|(sum, &place)| *sum += own[a][place as usize]);
        }
        sums
    }
}

/// Where the rows of `own`, and the prior after them, are among those of `ancestor` and its prior.
fn places(own: &[usize], ancestor: &[usize]) -> Vec<u32> {
    let place = |i: &usize| ancestor.binary_search(i).expect("an ancestor is active wherever its group is");
    own.iter().map(place).chain(std::iter::once(ancestor.len())).map(|place| place as u32).collect()
}

/// `ln Σ eˣ`.
fn log_sum(logarithms: &[f64]) -> f64 {
    let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    let mut sums = [0.0; LANES];
    vectorised(
        #[inline(always)]
        || {
            for block in logarithms.chunks(LANES) {
                let mut below = [NEGLIGIBLE; LANES];
                below.iter_mut().zip(block).for_each(|(below, logarithm)| *below = largest - logarithm);
                sums.iter_mut().zip(decay(below)).for_each(|(sum, value)| *sum += value);
            }
        },
    );
    largest + libm::log(sums.iter().sum())
}

/// Index at which the prefix sum of `eˣ` exceeds `uniform` times its total.
fn choose(logarithms: &[f64], uniform: f64) -> usize {
    let total = log_sum(logarithms);
    let mut sum = 0.0;
    let beyond = logarithms.iter().position(|logarithm| {
        sum += libm::exp(logarithm - total);
        sum > uniform
    });
    beyond.unwrap_or(logarithms.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: ParzenOptions = ParzenOptions { prior_weight: 1.0, bandwidth_floor: 0.03 };

    /// A switch, a value of its first branch, and a value of its second.
    fn branches() -> (Vec<Axis>, Vec<Group>, Vec<Vec<f64>>) {
        let axes = vec![Axis::Categorical { prior: vec![0.5; 2] }, Axis::Continuous, Axis::Continuous];
        let groups = vec![
            Group { axes: vec![0], ancestors: vec![] },
            Group { axes: vec![1], ancestors: vec![0] },
            Group { axes: vec![2], ancestors: vec![0] },
        ];
        let first = [0.2, 0.25, 0.21].map(|x| vec![0.0, x, f64::NAN]);
        let second = [0.8, 0.9].map(|x| vec![1.0, f64::NAN, x]);
        (axes, groups, first.into_iter().chain(second).collect())
    }

    #[test]
    fn density_over_both_branches_adds_up_to_one() {
        let (axes, groups, rows) = branches();
        let mixture = Parzen::new(&axes, &groups, &rows, &[1.0; 5], OPTIONS);
        let at = |branch: usize, k: u32| {
            let mut point = vec![branch as f64, f64::NAN, f64::NAN];
            point[1 + branch] = (f64::from(k) + 0.5) / 2000.0;
            libm::exp(mixture.log_density(&point)) / 2000.0
        };
        let total: f64 = (0..2).flat_map(|branch| (0..2000).map(move |k| at(branch, k))).sum();
        assert!((total - 1.0).abs() < 1e-5, "{total}");
    }

    #[test]
    fn draws_follow_the_branch_they_are_in() {
        let (axes, groups, rows) = branches();
        let mixture = Parzen::new(&axes, &groups, &rows, &[1.0; 5], OPTIONS);
        let draws = crate::Draws::new(4);
        let near = (0..200).filter(|&i| {
            let mut point = vec![1.0, f64::NAN, f64::NAN];
            mixture.draw(2, &mut point, |k| draws.uniform(i, k));
            point[2] > 0.6
        });
        assert!(near.count() > 120);
    }

    #[test]
    fn draws_have_the_density_of_the_mixture() {
        let axes = [Axis::Continuous];
        let groups = [Group { axes: vec![0], ancestors: vec![] }];
        let mixture = Parzen::new(&axes, &groups, &[vec![0.1], vec![0.6]], &[3.0, 1.0], OPTIONS);
        let draws = crate::Draws::new(9);
        let mut counts = [0.0; 10];
        for i in 0..20_000 {
            let mut point = [f64::NAN];
            mixture.draw(0, &mut point, |k| draws.uniform(i, k));
            counts[((point[0] * 10.0) as usize).min(9)] += 1.0 / 20_000.0;
        }
        for (k, count) in counts.iter().enumerate() {
            let cells = (0..100).map(|s| (k as f64 + (f64::from(s) + 0.5) / 100.0) / 10.0);
            let mass: f64 = cells.map(|x| libm::exp(mixture.log_density(&[x])) / 1000.0).sum();
            assert!((mass - count).abs() < 0.015, "{k}: {mass} {count}");
        }
    }

    #[test]
    fn without_rows_only_the_prior_is_left() {
        let (axes, groups, _) = branches();
        let mixture = Parzen::new(&axes, &groups, &[], &[], OPTIONS);
        let middle = mixture.log_density(&[1.0, f64::NAN, 0.5]);
        assert!(middle.is_finite() && middle > mixture.log_density(&[1.0, f64::NAN, 0.0]));
    }
}
