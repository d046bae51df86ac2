//! How differently two sets of rows are spread along one coordinate: the measure behind PED-ANOVA.
//!
//! Watanabe, Bansal, Hutter, *PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
//! Subspaces* (IJCAI 2023). Densities are Parzen estimates over the points of a grid, with Scott's
//! bandwidth, as in the Optuna project.

use crate::truncated::log_normal_mass;

/// Weight of the uniform component among observations of weight 1.
const PRIOR_WEIGHT: f64 = 1.0;
/// The narrowest kernel has 90 % of its mass on its own grid point.
const DEVIATION_MIN: f64 = 0.5 / 1.64;
/// Added to densities before they are divided.
const DENSITY_MIN: f64 = 1e-12;

/// Returns the density over ordered grid points with these numbers of observations.
pub fn grid_density(counts: &[u32]) -> Vec<f64> {
    let n = counts.len() as f64;
    let deviation = scott_deviation(counts).max(DEVIATION_MIN);
    let observed = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let mut kernels: Vec<(f64, f64, f64)> =
        observed.map(|(k, &count)| (f64::from(count), k as f64, deviation)).collect();
    kernels.push((PRIOR_WEIGHT, 0.5 * (n - 1.0), n));
    let total: f64 = kernels.iter().map(|(weight, ..)| weight).sum();
    let mut density = vec![0.0; counts.len()];
    for (weight, centre, deviation) in kernels {
        let scaled = |edge: f64| (edge - centre) / deviation;
        let whole = log_normal_mass(scaled(-0.5), scaled(n - 0.5));
        for (k, sum) in density.iter_mut().enumerate() {
            let mass = log_normal_mass(scaled(k as f64 - 0.5), scaled(k as f64 + 0.5));
            *sum += weight / total * libm::exp(mass - whole);
        }
    }
    density
}

/// Returns the density over unordered choices with these numbers of observations.
pub fn choice_density(counts: &[u32]) -> Vec<f64> {
    let (choices, observed) = (counts.len() as f64, counts.iter().filter(|count| **count > 0).count());
    let spread = PRIOR_WEIGHT / (observed + 1) as f64;
    let total = f64::from(counts.iter().sum::<u32>());
    let uniform = PRIOR_WEIGHT / choices;
    let probability = |&count: &u32| {
        let shared = (f64::from(count) + spread * total) / (1.0 + choices * spread);
        (shared + uniform) / (total + PRIOR_WEIGHT)
    };
    counts.iter().map(probability).collect()
}

/// Returns the Pearson divergence `Σ q (p/q − 1)²` of density `p` from density `q`.
///
/// # Panics
/// Panics if the densities have different lengths.
pub fn pearson_divergence(p: &[f64], q: &[f64]) -> f64 {
    assert_eq!(p.len(), q.len(), "densities over the same grid");
    let term = |(p, q): (&f64, &f64)| {
        let (p, q) = (p + DENSITY_MIN, q + DENSITY_MIN);
        q * (p / q - 1.0) * (p / q - 1.0)
    };
    p.iter().zip(q).map(term).sum()
}

/// Scott's rule over grid indices, by the smaller of deviation and quartile range.
fn scott_deviation(counts: &[u32]) -> f64 {
    let n: u32 = counts.iter().sum();
    let total = f64::from(n);
    let weighted = |value: &dyn Fn(f64) -> f64| -> f64 {
        counts.iter().zip(0..).map(|(&count, k)| f64::from(count) * value(f64::from(k))).sum()
    };
    let mean = weighted(&|k| k) / total.max(1.0);
    let squares = weighted(&|k| (k - mean) * (k - mean));
    let deviation = (squares / f64::from(n.saturating_sub(1).max(1))).sqrt();
    // The first grid point by which at least, or more than, so many observations are counted.
    let reaches = |enough: &dyn Fn(u32) -> bool| {
        let mut sum = 0;
        let mut points = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let found = points.find(|(_, count)| {
            sum += **count;
            enough(sum)
        });
        found.map_or_else(|| counts.iter().rposition(|count| *count > 0).unwrap_or(0), |(k, _)| k)
    };
    let (lower, upper) = (reaches(&|sum| sum >= n / 4), reaches(&|sum| sum > 3 * n / 4));
    let range = upper as f64 - lower as f64;
    1.059 * (range / 1.34).min(deviation) * libm::pow(total.max(1.0), -0.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn densities_add_up_to_one() {
        for density in
            [grid_density(&[0, 3, 0, 9, 1]), choice_density(&[0, 3, 0, 9, 1]), grid_density(&[0; 7])]
        {
            assert!((density.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{density:?}");
        }
    }

    #[test]
    fn equal_densities_do_not_diverge() {
        let density = grid_density(&[4, 0, 2]);
        assert_eq!(pearson_divergence(&density, &density), 0.0);
    }
}
