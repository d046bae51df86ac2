//! Expected growth of the volume that a front of several objectives beats.
//!
//! A point has one number per objective, larger is better in each. What lies above a reference point and is beaten
//! by no point of the front is cut into boxes `[l, u)`; a new point `y` beats `Σ_boxes Π_j clamp(y_j − l_j, 0, u_j − l_j)`
//! of it. The objectives are independent given their models, so that the expectation of a product is the product
//! of expectations: with `h` as in `acquisition.rs`, `a = (μ − l)/σ` and `b = (μ − u)/σ`,
//! `E[clamp(Y − l, 0, u − l)] = σ (h(a) − h(b))`. Far behind the front all of this underflows; there logarithms are summed.
//!
//! Yang, Emmerich, Deutz, Bäck, Efficient Computation of Expected Hypervolume Improvement Using Box Decomposition
//! Algorithms, J. Glob. Optim. 75 (2019); the logarithm: Ament et al., NeurIPS 2023.

use crate::acquisition::{Slopes, h, log_h, log_h_derivative, log_normal_distribution};
use crate::draws::Draws;
use crate::process::{GaussianProcess, Prediction};

/// Boxes thinner than this, in units of the targets, are left out: they hold nothing, and the difference of the two
/// values of `h` at their sides would be rounding.
const THICKNESS_MIN: f64 = 1e-6;
/// Largest number of objectives.
const OBJECTIVES_MAX: usize = 4;
/// Sums of products of scaled widths below this have lost digits, or are 0.
const TOTAL_MIN: f64 = 1e-200;
/// Logarithm of `h` down to which it is computed without logarithms.
const LOG_LARGEST_MIN: f64 = -15.0;
/// Points of the front around which a search begins.
const ANCHORS: usize = 5;
/// Extent of a front of one point, in units of the targets.
const EXTENT_MIN: f64 = 0.1;

/// The region that no point of a front beats, in boxes.
#[derive(Clone, Debug)]
pub struct Front {
    /// For each objective the values at which boxes begin or end.
    edges: Vec<Vec<f64>>,
    /// For each objective the sides that boxes have: their lower and their upper edge. An upper edge behind the last one
    /// is at infinity.
    sides: Vec<Vec<(usize, usize)>>,
    /// For each box the index of its side in each objective, one box after the other.
    boxes: Vec<usize>,
}

impl Front {
    /// Cuts the region above `reference` that no point beats. Points that are not above it count for nothing.
    ///
    /// There are `n + 1` boxes for `n` points of two objectives, and of the order of `n²` for three.
    ///
    /// # Panics
    /// Panics unless there are one to four objectives, and every point has as many numbers as the reference.
    pub fn new(points: &[Vec<f64>], reference: &[f64]) -> Self {
        assert!((1..=OBJECTIVES_MAX).contains(&reference.len()), "a front has one to four objectives");
        assert!(points.iter().all(|point| point.len() == reference.len()), "one number an objective");
        let above = |point: &&Vec<f64>| point.iter().zip(reference).all(|(value, limit)| value > limit);
        let points: Vec<&[f64]> = points.iter().filter(above).map(Vec::as_slice).collect();
        let mut cuts = Cuts { sides: vec![Vec::new(); reference.len()], boxes: Vec::new() };
        cuts.cut(&points, reference, &mut Vec::new());
        let edges: Vec<Vec<f64>> = cuts.sides.iter().map(|sides| edges(sides)).collect();
        let place = |edges: &[f64], value: f64| edges.partition_point(|edge| *edge < value);
        let places = edges.iter().zip(&cuts.sides).map(|(edges, sides)| {
            sides.iter().map(|&(lower, upper)| (place(edges, lower), place(edges, upper))).collect()
        });
        Self { sides: places.collect(), edges, boxes: cuts.boxes }
    }

    /// Returns the logarithm of the expected growth at a row with these predictions, one an objective.
    pub fn log_expected_growth(&self, found: &[Prediction]) -> f64 {
        let (widths, scale) = self.widths(found);
        let product =
            |sides: &[usize]| sides.iter().zip(&widths).map(|(&i, widths)| widths[i].size).product::<f64>();
        let total: f64 = self.each_box().map(product).sum();
        if total > TOTAL_MIN { scale + libm::log(total) } else { self.logarithmic_slopes(found).0 }
    }

    /// Returns the same with its derivatives by mean and variance of each objective.
    pub fn slopes(&self, found: &[Prediction]) -> (f64, Vec<Slopes>) {
        let (widths, scale) = self.widths(found);
        let (mut total, mut by_mean, mut by_deviation) = (0.0, [0.0; OBJECTIVES_MAX], [0.0; OBJECTIVES_MAX]);
        for sides in self.each_box() {
            let mut width = [Width::default(); OBJECTIVES_MAX];
            let used = width.iter_mut().zip(sides.iter().zip(&widths));
            used.for_each(|(width, (&i, widths))| *width = widths[i]);
            let width = &width[..found.len()];
            total += width.iter().map(|width| width.size).product::<f64>();
            for (j, own) in width.iter().enumerate() {
                let others = width.iter().enumerate().filter(|(k, _)| *k != j);
                let rest: f64 = others.map(|(_, width)| width.size).product();
                by_mean[j] += rest * own.by_mean;
                by_deviation[j] += rest * own.by_deviation;
            }
        }
        if total <= TOTAL_MIN {
            return self.logarithmic_slopes(found);
        }
        let value = scale + libm::log(total);
        let slope = |(j, found): (usize, &Prediction)| {
            let deviation = found.variance.sqrt();
            let variance = by_deviation[j] / (total * 2.0 * found.variance);
            Slopes { value, mean: by_mean[j] / (total * deviation), variance }
        };
        (value, found.iter().enumerate().map(slope).collect())
    }

    fn each_box(&self) -> impl Iterator<Item = &[usize]> {
        self.boxes.chunks_exact(self.edges.len())
    }

    /// Widths of all sides, those of an objective divided by the largest value of `σ h` at its edges, and the sum of
    /// the logarithms of these.
    fn widths(&self, found: &[Prediction]) -> (Vec<Vec<Width>>, f64) {
        let mut scale = 0.0;
        let objectives = self.edges.iter().zip(&self.sides).zip(found).map(|((edges, sides), found)| {
            let deviation = found.variance.sqrt();
            let (at_edges, log_largest) = scaled(edges, *found, deviation);
            scale += log_largest + libm::log(deviation);
            let width = |&(lower, upper): &(usize, usize)| {
                let (lower, upper) = (at_edges[lower], at_edges.get(upper).copied().unwrap_or_default());
                Width {
                    size: (lower.size - upper.size).max(0.0),
                    by_mean: lower.by_mean - upper.by_mean,
                    by_deviation: lower.by_deviation - upper.by_deviation,
                }
            };
            sides.iter().map(width).collect()
        });
        (objectives.collect(), scale)
    }

    /// The same as [`Front::slopes`] where everything underflows.
    fn logarithmic_slopes(&self, found: &[Prediction]) -> (f64, Vec<Slopes>) {
        let objectives = self.edges.iter().zip(&self.sides).zip(found);
        let widths: Vec<Vec<Slopes>> = objectives
            .map(|((edges, sides), &found)| {
                let side = |&(lower, upper): &(usize, usize)| {
                    (edges[lower], edges.get(upper).copied().unwrap_or(f64::INFINITY))
                };
                sides.iter().map(|places| width_slopes(side(places), found)).collect()
            })
            .collect();
        let of_box =
            |sides: &[usize]| sides.iter().zip(&widths).map(|(&i, widths)| widths[i].value).sum::<f64>();
        let logs: Vec<f64> = self.each_box().map(of_box).collect();
        let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let shares: Vec<f64> = logs.iter().map(|log| libm::exp(log - largest)).collect();
        let total: f64 = shares.iter().sum();
        let value = largest + libm::log(total);
        let mut slopes = vec![Slopes { value, mean: 0.0, variance: 0.0 }; found.len()];
        for (sides, share) in self.each_box().zip(shares).filter(|(_, share)| *share > 0.0) {
            for (slope, (&i, widths)) in slopes.iter_mut().zip(sides.iter().zip(&widths)) {
                slope.mean += share / total * widths[i].mean;
                slope.variance += share / total * widths[i].variance;
            }
        }
        (value, slopes)
    }
}

/// Boxes while they are cut.
struct Cuts {
    sides: Vec<Vec<(f64, f64)>>,
    boxes: Vec<usize>,
}

impl Cuts {
    /// Cuts along the last objective into slabs, in each of which one objective fewer is left. `outer` holds the sides
    /// in the objectives that have been cut, the last objective first.
    fn cut(&mut self, points: &[&[f64]], reference: &[f64], outer: &mut Vec<usize>) {
        let Some((&lowest, rest)) = reference.split_last() else {
            self.boxes.extend(outer.iter().rev());
            return;
        };
        let last = rest.len();
        if last == 0 {
            let best = points.iter().map(|point| point[0]).fold(lowest, f64::max);
            return self.enter((best, f64::INFINITY), &[], rest, outer);
        }
        let mut points: Vec<&[f64]> =
            unbeaten(points, reference.len()).into_iter().map(|i| points[i]).collect();
        points.sort_by(|a, b| b[last].total_cmp(&a[last]));
        let mut upper = f64::INFINITY;
        for active in 0..=points.len() {
            let lower = points.get(active).map_or(lowest, |point| point[last]);
            if upper - lower >= THICKNESS_MIN {
                self.enter((lower, upper), &points[..active], rest, outer);
                upper = lower;
            }
        }
    }

    /// Cuts what lies between two sides of the objective behind `rest`.
    fn enter(&mut self, side: (f64, f64), points: &[&[f64]], rest: &[f64], outer: &mut Vec<usize>) {
        outer.push(self.side(rest.len(), side));
        self.cut(points, rest, outer);
        outer.pop();
    }

    fn side(&mut self, objective: usize, side: (f64, f64)) -> usize {
        let sides = &mut self.sides[objective];
        sides.iter().position(|known| *known == side).unwrap_or_else(|| {
            sides.push(side);
            sides.len() - 1
        })
    }
}

/// The finite ends of some sides, ascending.
fn edges(sides: &[(f64, f64)]) -> Vec<f64> {
    let mut edges: Vec<f64> = sides.iter().flat_map(|&(lower, upper)| [lower, upper]).collect();
    edges.retain(|edge| edge.is_finite());
    edges.sort_by(f64::total_cmp);
    edges.dedup();
    edges
}

/// `E[max(Y − l, 0)] / σ` at an edge, or a difference of two, and its derivatives: `Φ` by the mean and `φ` by the
/// deviation.
#[derive(Clone, Copy, Debug, Default)]
struct Width {
    size: f64,
    by_mean: f64,
    by_deviation: f64,
}

/// Returns `h` at each of some ascending edges as a share of the largest, which is that at the first, and the logarithm of
/// the latter.
fn scaled(edges: &[f64], found: Prediction, deviation: f64) -> (Vec<Width>, f64) {
    let place = |edge: f64| (found.mean - edge) / deviation;
    let log_largest = log_h(place(edges[0]));
    let factor = (log_largest > LOG_LARGEST_MIN).then(|| libm::exp(-log_largest));
    let width = |&edge: &f64| {
        let u = place(edge);
        let (size, by_mean) = match factor {
            Some(factor) => {
                let (value, slope) = h(u);
                (factor * value, factor * slope)
            }
            None => (libm::exp(log_h(u) - log_largest), libm::exp(log_normal_distribution(u) - log_largest)),
        };
        Width { size, by_mean, by_deviation: size - u * by_mean }
    };
    (edges.iter().map(width).collect(), log_largest)
}

/// Indices of the points that no other one beats in the first `objectives` of their numbers; of equal ones the first.
fn unbeaten(points: &[&[f64]], objectives: usize) -> Vec<usize> {
    let beats = |a: usize, b: usize| (0..objectives).all(|j| points[a][j] >= points[b][j]);
    let is_beaten = |i: usize| (0..points.len()).any(|k| k != i && beats(k, i) && (k < i || !beats(i, k)));
    (0..points.len()).filter(|&i| !is_beaten(i)).collect()
}

/// `ln E[clamp(Y − l, 0, u − l)]` with its derivatives.
fn width_slopes((lower, upper): (f64, f64), found: Prediction) -> Slopes {
    let deviation = found.variance.sqrt();
    let (a, b) = ((found.mean - lower) / deviation, (found.mean - upper) / deviation);
    let slope = log_h_derivative(a);
    let (mut mean, mut spread, mut rest) = (slope, 1.0 - a * slope, 1.0);
    if upper.is_finite() {
        let ratio = libm::exp(log_h(b) - log_h(a));
        let slope = log_h_derivative(b);
        mean -= ratio * slope;
        spread -= ratio * (1.0 - b * slope);
        rest = 1.0 - ratio;
    }
    Slopes {
        value: libm::log(deviation) + log_h(a) + libm::log(rest),
        mean: mean / (rest * deviation),
        variance: spread / (rest * deviation) / (2.0 * deviation),
    }
}

/// What several objectives need beside the model of the first: the other models, and the front so far.
#[derive(Clone, Debug)]
pub struct Growth {
    pub(crate) others: Vec<GaussianProcess>,
    front: Front,
    /// Rows of the front, some of them.
    anchors: Vec<Vec<f64>>,
}

impl Growth {
    /// Makes the front of the means at `rows`, of which there is at least one. `margin` says how far the reference lies
    /// below the front, as a share of its extent: the larger, the more its ends count. `key` chooses the rows that a
    /// search begins around.
    pub fn new(
        first: &GaussianProcess,
        others: Vec<GaussianProcess>,
        rows: &[Vec<f64>],
        margin: f64,
        key: u64,
    ) -> Self {
        let models = std::iter::once(first).chain(&others);
        let means: Vec<Vec<f64>> = models.map(|model| model.predict_means(rows)).collect();
        let point = |i: usize| -> Vec<f64> { means.iter().map(|means| means[i]).collect() };
        let points: Vec<Vec<f64>> = (0..rows.len()).map(point).collect();
        let slices: Vec<&[f64]> = points.iter().map(Vec::as_slice).collect();
        let mut on_front = unbeaten(&slices, means.len());
        let front: Vec<Vec<f64>> = on_front.iter().map(|&i| points[i].clone()).collect();
        let front = Front::new(&front, &below(&front, margin));
        let draws = Draws::new(key);
        on_front.sort_by(|&a, &b| draws.uniform(a as u64, 0).total_cmp(&draws.uniform(b as u64, 0)));
        let anchors = on_front.iter().take(ANCHORS).map(|&i| rows[i].clone()).collect();
        Self { others, front, anchors }
    }

    pub(crate) fn front(&self) -> &Front {
        &self.front
    }

    pub(crate) fn anchors(&self) -> &[Vec<f64>] {
        &self.anchors
    }
}

/// The reference of a front: below its worst, so that points beyond its ends count.
fn below(front: &[Vec<f64>], margin: f64) -> Vec<f64> {
    let range = |j: usize| {
        let values = front.iter().map(|point| point[j]);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let limit = |(low, high): (f64, f64)| low - margin * (high - low).max(EXTENT_MIN);
    (0..front[0].len()).map(|j| limit(range(j))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certain(point: &[f64]) -> Vec<Prediction> {
        point.iter().map(|&mean| Prediction { mean, variance: 1e-14 }).collect()
    }

    fn check(points: &[&[f64]], reference: &[f64], new: &[f64], growth: f64) {
        let points: Vec<Vec<f64>> = points.iter().map(|point| point.to_vec()).collect();
        let found = libm::exp(Front::new(&points, reference).log_expected_growth(&certain(new)));
        assert!((found - growth).abs() < 1e-6, "{new:?}: {found}, not {growth}");
    }

    #[test]
    fn certain_points_grow_the_front_by_their_volume() {
        let two: [&[f64]; 3] = [&[1.0, 3.0], &[3.0, 1.0], &[0.5, 0.5]];
        check(&two, &[0.0, 0.0], &[2.0, 2.0], 1.0);
        check(&two, &[0.0, 0.0], &[4.0, 4.0], 11.0);
        check(&two, &[0.0, 0.0], &[0.9, 0.9], 0.0);
        check(&two, &[0.0, 0.0], &[4.0, 0.5], 0.5);
        check(&[], &[1.0, 1.0], &[3.0, 2.0], 2.0);
        check(&[&[1.0]], &[0.0], &[3.0], 2.0);
        let three: [&[f64]; 2] = [&[2.0, 1.0, 1.0], &[1.0, 2.0, 1.0]];
        check(&three, &[0.0; 3], &[1.0, 1.0, 2.0], 1.0);
        check(&three, &[0.0; 3], &[2.0, 2.0, 2.0], 5.0);
        check(&[&[2.0, 1.0, 1.0, 1.0]], &[0.0; 4], &[1.0, 2.0, 1.0, 2.0], 3.0);
    }

    #[test]
    fn expectation_is_the_mean_over_draws() {
        let front = Front::new(&[vec![0.2, 0.9], vec![0.8, 0.4], vec![0.5, 0.6]], &[0.0, 0.0]);
        let found = [Prediction { mean: 0.6, variance: 0.04 }, Prediction { mean: 0.5, variance: 0.09 }];
        let (draws, count) = (Draws::new(5), 20_000);
        let mean = (0..count)
            .map(|i| {
                let drawn =
                    found.iter().zip(0..).map(|(p, j)| p.mean + p.variance.sqrt() * draws.normal(i, j));
                libm::exp(front.log_expected_growth(&certain(&drawn.collect::<Vec<_>>())))
            })
            .sum::<f64>()
            / count as f64;
        let exact = libm::exp(front.log_expected_growth(&found));
        assert!((mean / exact - 1.0).abs() < 0.03, "{mean} {exact}");
    }

    #[test]
    fn slopes_match_finite_differences_near_and_far() {
        let points = [vec![0.2, 0.9, 0.1], vec![0.8, 0.4, 0.3], vec![0.5, 0.6, 0.7]];
        for objectives in [2, 3] {
            let points: Vec<Vec<f64>> = points.iter().map(|point| point[..objectives].to_vec()).collect();
            let front = Front::new(&points, &vec![0.0; objectives]);
            for mean in [0.6, 0.1, -9.0] {
                let found = vec![Prediction { mean, variance: 0.04 }; objectives];
                let (value, slopes) = front.slopes(&found);
                assert!(value.is_finite() && (value - front.log_expected_growth(&found)).abs() < 1e-12);
                for j in 0..objectives {
                    let at = |by_mean: f64, by_variance: f64| {
                        let mut moved = found.clone();
                        moved[j].mean += by_mean;
                        moved[j].variance += by_variance;
                        front.log_expected_growth(&moved)
                    };
                    let by_mean = (at(1e-6, 0.0) - at(-1e-6, 0.0)) / 2e-6;
                    let by_variance = (at(0.0, 1e-7) - at(0.0, -1e-7)) / 2e-7;
                    let close = |a: f64, b: f64| (a - b).abs() < 1e-5 * b.abs().max(1.0);
                    assert!(close(by_mean, slopes[j].mean), "{mean} {by_mean} {slopes:?}");
                    assert!(close(by_variance, slopes[j].variance), "{mean} {by_variance} {slopes:?}");
                }
            }
        }
    }
}
