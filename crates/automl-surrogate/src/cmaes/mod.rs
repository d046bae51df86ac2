//! Covariance matrix adaptation: a normal distribution that follows the better half of its samples.
//!
//! Hansen, *The CMA Evolution Strategy: A Tutorial* (arXiv:1604.00772), with negative weights; discrete
//! coordinates by the [`margin`]. State is plain data: the caller says which samples made a generation,
//! in which order, and with which random numbers the next one is drawn.

mod eigen;
mod margin;

use eigen::{Eigen, Matrix, decompose, identity};
use margin::{Spread, correct, nearest};

/// Deviation of a start in the unit cube.
const DEVIATION: f64 = 1.0 / 6.0;
/// Added to the covariance of good points where a search starts from them.
const WARM_DEVIATION: f64 = 0.1;
/// Eigenvalues below 0 become this.
const EIGENVALUE_MIN: f64 = 1e-8;
/// The distribution has collapsed below this deviation, or beyond this condition number.
const COLLAPSED: f64 = 1e-12;
const CONDITION_MAX: f64 = 1e14;

/// A normal distribution on its way.
#[derive(Clone, Debug)]
pub struct CmaEs {
    constants: Constants,
    /// The values of every discrete coordinate, ascending; `None` for a continuous one.
    values: Vec<Option<Vec<f64>>>,
    mean: Vec<f64>,
    deviation: f64,
    covariance: Matrix,
    eigen: Eigen,
    /// Evolution paths of the step size and of the covariance.
    step_path: Vec<f64>,
    path: Vec<f64>,
    /// Factors on discrete coordinates that keep their margin.
    scales: Vec<f64>,
    generation: i32,
}

/// Strategy parameters, which depend on the dimension and the population only.
#[derive(Clone, Debug)]
struct Constants {
    population: usize,
    parents: usize,
    weights: Vec<f64>,
    parents_mass: f64,
    rank_one: f64,
    rank_mu: f64,
    step_rate: f64,
    damping: f64,
    path_rate: f64,
    expected_norm: f64,
}

impl CmaEs {
    /// Starts at `mean` in the unit cube, with `population` samples a generation, or the usual number.
    ///
    /// # Panics
    /// Panics without coordinates, or if `values` has not one entry for each.
    pub fn new(mean: Vec<f64>, values: Vec<Option<Vec<f64>>>, population: Option<usize>) -> Self {
        let dimension = mean.len();
        assert!(dimension > 0 && dimension == values.len(), "one list of values for each coordinate");
        let eigen = Eigen { values: vec![1.0; dimension], vectors: identity(dimension) };
        Self {
            constants: Constants::new(dimension, population),
            values,
            mean,
            deviation: DEVIATION,
            covariance: identity(dimension),
            eigen,
            step_path: vec![0.0; dimension],
            path: vec![0.0; dimension],
            scales: vec![1.0; dimension],
            generation: 0,
        }
    }

    /// Starts with the mean and the covariance of good points, a little widened.
    ///
    /// Nomura et al., *Warm Starting CMA-ES for Hyperparameter Optimization* (AAAI 2021).
    ///
    /// # Panics
    /// Panics without points.
    pub fn from_good_points(points: &[Vec<f64>], values: Vec<Option<Vec<f64>>>) -> Self {
        let count = points.len() as f64;
        let dimension = values.len();
        let mean: Vec<f64> =
            (0..dimension).map(|j| points.iter().map(|point| point[j]).sum::<f64>() / count).collect();
        let entry = |i: usize, j: usize| {
            let products = points.iter().map(|point| (point[i] - mean[i]) * (point[j] - mean[j]));
            let widening = if i == j { WARM_DEVIATION * WARM_DEVIATION } else { 0.0 };
            products.sum::<f64>() / count + widening
        };
        let covariance: Matrix =
            (0..dimension).map(|i| (0..dimension).map(|j| entry(i, j)).collect()).collect();
        let mut search = Self::new(mean, values, None);
        let eigen = decompose(&covariance, &search.eigen.vectors);
        let log_determinant: f64 = eigen.values.iter().map(|value| libm::log(*value)).sum();
        let scale = libm::exp(log_determinant / dimension as f64);
        search.deviation = scale.sqrt();
        search.covariance = covariance;
        search.covariance.iter_mut().flatten().for_each(|entry| *entry /= scale);
        search.eigen = decompose(&search.covariance, &eigen.vectors);
        search
    }

    /// Returns the number of samples that make a generation.
    pub fn population(&self) -> usize {
        self.constants.population
    }

    /// Returns the centre of the distribution.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Returns the step size.
    pub fn deviation(&self) -> f64 {
        self.deviation
    }

    /// Returns the covariance without the step size.
    pub fn covariance(&self) -> &[Vec<f64>] {
        &self.covariance
    }

    /// Returns the factors on the deviations of discrete coordinates.
    pub fn scales(&self) -> &[f64] {
        &self.scales
    }

    /// Turns independent standard normals into a sample; discrete coordinates are not rounded yet.
    pub fn sample(&self, normals: &[f64]) -> Vec<f64> {
        let stretched: Vec<f64> =
            normals.iter().zip(&self.eigen.values).map(|(z, value)| z * value.sqrt()).collect();
        let offset = |row: &Vec<f64>| -> f64 { row.iter().zip(&stretched).map(|(b, z)| b * z).sum() };
        let offsets = self.eigen.vectors.iter().map(offset);
        self.mean.iter().zip(offsets).map(|(mean, offset)| mean + self.deviation * offset).collect()
    }

    /// Returns what is evaluated for a sample: discrete coordinates at the nearest of their values.
    pub fn rounded(&self, sample: &[f64]) -> Vec<f64> {
        let round = |j: usize| match &self.values[j] {
            None => sample[j],
            Some(values) => nearest(values, self.mean[j] + self.scales[j] * (sample[j] - self.mean[j])),
        };
        (0..sample.len()).map(round).collect()
    }

    /// Moves a point that was not drawn from this distribution into its reach.
    ///
    /// Hansen, *Injecting External Solutions Into CMA-ES* (arXiv:1110.4181).
    pub fn within_reach(&self, point: &[f64]) -> Vec<f64> {
        let dimension = self.mean.len() as f64;
        let length = norm(&self.whitened(&self.step_to(point)));
        let reach = dimension.sqrt() + 2.0 * dimension / (dimension + 2.0);
        let shrink = if length > reach { reach / length } else { 1.0 };
        point.iter().zip(&self.mean).map(|(x, mean)| mean + shrink * (x - mean)).collect()
    }

    /// Learns from one generation, the best sample first.
    ///
    /// # Panics
    /// Panics if there are not as many samples as the population has.
    pub fn tell(&mut self, ranked: &[Vec<f64>]) {
        assert_eq!(ranked.len(), self.constants.population, "one whole generation");
        self.generation += 1;
        let Constants { step_rate, damping, path_rate, expected_norm, parents_mass, .. } = self.constants;
        let dimension = self.mean.len();
        let steps: Vec<Vec<f64>> = ranked.iter().map(|point| self.step_to(point)).collect();
        let parents = || steps.iter().zip(&self.constants.weights).take(self.constants.parents);
        let step: Vec<f64> = (0..dimension).map(|j| parents().map(|(y, w)| w * y[j]).sum()).collect();
        self.mean.iter_mut().zip(&step).for_each(|(mean, y)| *mean += self.deviation * y);

        let gain = (step_rate * (2.0 - step_rate) * parents_mass).sqrt();
        let white = self.coloured(&self.whitened(&step));
        self.step_path.iter_mut().zip(&white).for_each(|(p, y)| *p = (1.0 - step_rate) * *p + gain * y);
        let length = norm(&self.step_path);
        let settled = 1.0 - libm::pow(1.0 - step_rate, f64::from(2 * (self.generation + 1)));
        let threshold = (1.4 + 2.0 / (dimension as f64 + 1.0)) * expected_norm;
        let moves = if length / settled.sqrt() < threshold { 1.0 } else { 0.0 };
        let gain = moves * (path_rate * (2.0 - path_rate) * parents_mass).sqrt();
        self.path.iter_mut().zip(&step).for_each(|(p, y)| *p = (1.0 - path_rate) * *p + gain * y);

        self.adapt_covariance(&steps, moves);
        self.deviation *= libm::exp(step_rate / damping * (length / expected_norm - 1.0));
        let mut eigen = decompose(&self.covariance, &self.eigen.vectors);
        eigen.values.iter_mut().filter(|value| **value < 0.0).for_each(|value| *value = EIGENVALUE_MIN);
        self.eigen = eigen;
        self.keep_margin();
    }

    /// Whether the distribution has become too narrow to find anything new.
    pub fn has_collapsed(&self) -> bool {
        let largest = self.eigen.values.iter().copied().fold(0.0, f64::max);
        let smallest = self.eigen.values.iter().copied().fold(f64::INFINITY, f64::min);
        let width = self.deviation * largest.sqrt();
        !width.is_finite() || width < COLLAPSED * DEVIATION || largest > CONDITION_MAX * smallest
    }

    fn adapt_covariance(&mut self, steps: &[Vec<f64>], moves: f64) {
        let Constants { rank_one, rank_mu, path_rate, ref weights, .. } = self.constants;
        let dimension = self.mean.len() as f64;
        let scaled = |(step, &weight): (&Vec<f64>, &f64)| {
            let length = norm(&self.whitened(step));
            if weight >= 0.0 { weight } else { weight * dimension / (length * length + EIGENVALUE_MIN) }
        };
        let scaled: Vec<f64> = steps.iter().zip(weights).map(scaled).collect();
        let stalled = (1.0 - moves) * rank_one * path_rate * (2.0 - path_rate);
        let kept = 1.0 + stalled - rank_one - rank_mu * weights.iter().sum::<f64>();
        for (i, row) in self.covariance.iter_mut().enumerate() {
            for (j, entry) in row.iter_mut().enumerate() {
                let products = steps.iter().zip(&scaled).map(|(step, weight)| weight * step[i] * step[j]);
                let learnt = rank_one * self.path[i] * self.path[j] + rank_mu * products.sum::<f64>();
                *entry = kept * *entry + learnt;
            }
        }
    }

    fn keep_margin(&mut self) {
        let margin = 1.0 / (self.mean.len() * self.constants.population) as f64;
        for (j, values) in self.values.iter().enumerate() {
            let Some(values) = values else { continue };
            let deviation = self.deviation * self.covariance[j][j].sqrt();
            let mut spread = Spread { mean: self.mean[j], deviation, scale: self.scales[j] };
            correct(&mut spread, values, margin);
            (self.mean[j], self.scales[j]) = (spread.mean, spread.scale);
        }
    }

    fn step_to(&self, point: &[f64]) -> Vec<f64> {
        point.iter().zip(&self.mean).map(|(x, mean)| (x - mean) / self.deviation).collect()
    }

    /// `Λ⁻¹ Bᵀ y`.
    fn whitened(&self, y: &[f64]) -> Vec<f64> {
        let along = |k: usize| {
            let sum: f64 = self.eigen.vectors.iter().zip(y).map(|(row, y)| row[k] * y).sum();
            sum / self.eigen.values[k].sqrt()
        };
        (0..y.len()).map(along).collect()
    }

    /// `B z`.
    fn coloured(&self, z: &[f64]) -> Vec<f64> {
        self.eigen.vectors.iter().map(|row| row.iter().zip(z).map(|(b, z)| b * z).sum()).collect()
    }
}

impl Constants {
    fn new(dimension: usize, population: Option<usize>) -> Self {
        let d = dimension as f64;
        let usual = 4 + (3.0 * libm::log(d)).floor() as usize;
        let population = population.unwrap_or(usual);
        let parents = population / 2;
        let raw = |i: usize| libm::log((population as f64 + 1.0) / 2.0) - libm::log(i as f64);
        let raw: Vec<f64> = (1..=population).map(raw).collect();
        let mass = |weights: &[f64]| {
            let (sum, squares) = weights.iter().fold((0.0, 0.0), |(s, q), w| (s + w, q + w * w));
            if squares > 0.0 { sum * sum / squares } else { 0.0 }
        };
        let (parents_mass, others_mass) = (mass(&raw[..parents]), mass(&raw[parents..]));
        let rank_one = 2.0 / ((d + 1.3) * (d + 1.3) + parents_mass);
        let rank_mu =
            2.0 * (parents_mass - 2.0 + 1.0 / parents_mass) / ((d + 2.0) * (d + 2.0) + parents_mass);
        let rank_mu = rank_mu.min(1.0 - rank_one - 1e-8);
        let positive: f64 = raw.iter().filter(|w| **w > 0.0).sum();
        let negative: f64 = raw.iter().filter(|w| **w < 0.0).map(|w| -w).sum();
        let limit = (1.0 + rank_one / rank_mu)
            .min(1.0 + 2.0 * others_mass / (parents_mass + 2.0))
            .min((1.0 - rank_one - rank_mu) / (d * rank_mu));
        let weight = |w: &f64| if *w >= 0.0 { w / positive } else { w * limit / negative };
        let step_rate = (parents_mass + 2.0) / (d + parents_mass + 5.0);
        Self {
            population,
            parents,
            weights: raw.iter().map(weight).collect(),
            parents_mass,
            rank_one,
            rank_mu,
            step_rate,
            damping: 1.0 + 2.0 * (((parents_mass - 1.0) / (d + 1.0)).sqrt() - 1.0).max(0.0) + step_rate,
            path_rate: (4.0 + parents_mass / d) / (d + 4.0 + 2.0 * parents_mass / d),
            expected_norm: d.sqrt() * (1.0 - 1.0 / (4.0 * d) + 1.0 / (21.0 * d * d)),
        }
    }
}

fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn table() -> Value {
        serde_json::from_str(include_str!("../../tests/golden/cmaes.json")).unwrap()
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
    }

    fn assert_close(found: &[f64], expected: &Value, what: &str) {
        let expected = numbers(expected);
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-10, "{what}: {found} {expected}");
        }
    }

    /// The table's population, the best first.
    fn ranked(table: &Value, offset: f64, reversed: bool) -> Vec<Vec<f64>> {
        let mut values = numbers(&table["values"]);
        if reversed {
            values.reverse();
        }
        let population = table["population"].as_array().unwrap().iter().map(numbers);
        let mut pairs: Vec<(f64, Vec<f64>)> = values.into_iter().zip(population).collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        pairs.into_iter().map(|(_, point)| point.iter().map(|x| x + offset).collect()).collect()
    }

    #[test]
    fn constants_agree_with_the_reference() {
        let table = table();
        let (found, expected) = (Constants::new(3, None), &table["constants"]);
        assert_eq!((found.population, found.parents), (7, 3));
        assert_close(&found.weights, &expected["weights"], "weights");
        let pairs = [
            (found.parents_mass, "mu_eff"),
            (found.rank_one, "c1"),
            (found.rank_mu, "cmu"),
            (found.step_rate, "c_sigma"),
            (found.damping, "d_sigma"),
            (found.path_rate, "cc"),
            (found.expected_norm, "chi_n"),
        ];
        for (value, name) in pairs {
            assert!((value - expected[name].as_f64().unwrap()).abs() < 1e-12, "{name}");
        }
        for (d, row) in table["popsize"].as_object().unwrap() {
            let found = Constants::new(d.parse().unwrap(), None).population as u64;
            assert_eq!(found, row["popsize"].as_u64().unwrap(), "{d}");
        }
    }

    #[test]
    fn two_generations_agree_with_the_reference() {
        let table = table();
        let mut search = CmaEs::new(vec![0.5; 3], vec![None; 3], None);
        let steps = [
            (ranked(&table, 0.0, false), &table["after_generation_1"]),
            (ranked(&table, 0.01, true), &table["generation_2"]["result"]),
        ];
        for (population, expected) in steps {
            search.tell(&population);
            assert_close(search.mean(), &expected["mean"], "mean");
            assert_close(&search.step_path, &expected["p_sigma"], "step path");
            assert_close(&search.path, &expected["pc"], "path");
            assert!((search.deviation() - expected["sigma"].as_f64().unwrap()).abs() < 1e-10);
            for (row, expected) in search.covariance().iter().zip(expected["C"].as_array().unwrap()) {
                assert_close(row, expected, "covariance");
            }
        }
    }

    #[test]
    fn margin_agrees_with_the_reference() {
        let (table, discrete) = (table(), vec![0.0, 0.25, 0.5, 0.75, 1.0]);
        let mut search = CmaEs::new(vec![0.5; 3], vec![None, Some(discrete), Some(vec![0.0, 1.0])], None);
        search.tell(&ranked(&table, 0.0, false));
        let expected = &table["margin_steps_0_0p25_1"];
        assert_close(search.mean(), &expected["mean"], "mean");
        assert_close(search.scales(), &expected["A"], "scales");
    }

    #[test]
    fn warm_start_agrees_with_the_reference() {
        let table = table();
        let expected = &table["warm_start"];
        let mut source: Vec<(Vec<f64>, f64)> = Vec::new();
        for pair in expected["source"].as_array().unwrap() {
            source.push((numbers(&pair[0]), pair[1].as_f64().unwrap()));
        }
        source.sort_by(|a, b| a.1.total_cmp(&b.1));
        let best: Vec<Vec<f64>> = source.into_iter().take(2).map(|(point, _)| point).collect();
        let search = CmaEs::from_good_points(&best, vec![None; 3]);
        assert_close(search.mean(), &expected["mean"], "mean");
        assert!((search.deviation() - expected["sigma"].as_f64().unwrap()).abs() < 1e-10);
        for (row, expected) in search.covariance().iter().zip(expected["cov"].as_array().unwrap()) {
            assert_close(row, expected, "covariance");
        }
    }
}
