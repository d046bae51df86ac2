//! Several objectives as one: another random weighting at every suggestion. Where there are few objectives and not too
//! many results, each also has targets of its own ([`apart`]), and suggestions by these and by weightings take turns.
//!
//! Each objective is warped and scaled to `[0, 1]`, 0 being its best result. With weights `λ` drawn uniformly
//! from the simplex, the loss is `max_j λ_j f_j + 0.05 Σ_j λ_j f_j`: whatever the shape of the front, each of
//! its points minimises this for some `λ`, which a plain weighted sum would not give. Suggestion by
//! suggestion the weights change, and the whole front is approached.
//!
//! Knowles, ParEGO, IEEE Trans. Evol. Comput. 10 (2006), section III.

use automl_core::rng::{derive, unit};
use automl_surrogate::{standardise, warp_targets};

use crate::history::Observation;
use crate::pareto::pareto_front;

/// Share of the plain weighted sum; it breaks ties in favour of points that nothing dominates.
const SUM_SHARE: f64 = 0.05;
/// Results up to which each of two, or of three, objectives has a model of its own. The front of three takes time
/// that grows with the square of its points.
const APART_RESULTS_MAX: usize = 300;
const APART_RESULTS_OF_THREE_MAX: usize = 120;
/// How many extents of the front a target is below it at most.
const SHARE_MAX: f64 = 1e15;

/// Returns one result an observation, larger is better. `key` chooses the weights.
///
/// Where observations differ in their number of objectives, only those that all have count.
pub(crate) fn results(observations: &[&Observation], key: u64) -> Vec<f64> {
    let others = observations.iter().map(|o| o.others.len()).min().unwrap_or(0);
    if others == 0 {
        return observations.iter().map(|o| -o.loss.get()).collect();
    }
    let objectives: Vec<Vec<f64>> = (0..=others).map(|j| unit_losses(observations, j)).collect();
    let weights = simplex(others + 1, key);
    let scalar = |i: usize| {
        let weighted = objectives.iter().zip(&weights).map(|(losses, weight)| weight * losses[i]);
        let (largest, sum) = weighted.fold((0.0, 0.0), |(max, sum): (f64, f64), x| (max.max(x), sum + x));
        -(largest + SUM_SHARE * sum)
    };
    (0..observations.len()).map(scalar).collect()
}

/// Returns standardised targets of each objective, larger is better; `None` where there is one objective, or more of them
/// or of the results than can be modelled one by one.
///
/// From the best to the worst value on the front targets are linear, so that volumes mean something; what is worse
/// than any of the front comes closer by the logarithm.
pub(crate) fn apart(observations: &[&Observation]) -> Option<Vec<Vec<f64>>> {
    let others = observations.iter().map(|o| o.others.len()).min().unwrap_or(0);
    let results_max = match others {
        1 => APART_RESULTS_MAX,
        2 => APART_RESULTS_OF_THREE_MAX,
        _ => return None,
    };
    if observations.len() > results_max {
        return None;
    }
    let loss = |o: &Observation, j: usize| if j == 0 { o.loss.get() } else { o.others[j - 1].get() };
    let point = |o: &&Observation| -> Vec<f64> { (0..=others).map(|j| loss(o, j)).collect() };
    let points: Vec<Vec<f64>> = observations.iter().map(point).collect();
    let feasible: Vec<Vec<f64>> =
        observations.iter().zip(&points).filter(|(o, _)| o.is_feasible()).map(|(_, p)| p.clone()).collect();
    let candidates = if feasible.is_empty() { &points } else { &feasible };
    let front: Vec<&Vec<f64>> = pareto_front(candidates).into_iter().map(|i| &candidates[i]).collect();
    let target = |j: usize| {
        let ends = |of: &mut dyn Iterator<Item = f64>| {
            of.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high): (f64, f64), v| {
                (low.min(v), high.max(v))
            })
        };
        let (best, mut worst) = ends(&mut front.iter().map(|point| point[j]));
        if worst <= best {
            worst = ends(&mut points.iter().map(|point| point[j])).1;
        }
        // Halves, because differences of the largest numbers overflow.
        let extent = 0.5 * worst - 0.5 * best;
        let place = |point: &Vec<f64>| match (0.5 * point[j] - 0.5 * best) / extent {
            share if share > 1.0 => -1.0 - libm::log(share.min(SHARE_MAX)),
            // Better than the front, but not allowed.
            share if share < -1.0 => 1.0 + libm::log((-share).min(SHARE_MAX)),
            share => -share,
        };
        if extent <= 0.0 {
            return vec![0.0; points.len()];
        }
        standardise(&points.iter().map(place).collect::<Vec<_>>())
    };
    Some((0..=others).map(target).collect())
}

/// Losses of objective `j` in `[0, 1]`; 0 for all where they are equal.
fn unit_losses(observations: &[&Observation], j: usize) -> Vec<f64> {
    let loss = |o: &&Observation| if j == 0 { o.loss } else { o.others[j - 1] };
    let targets: Vec<Option<f64>> = observations.iter().map(|o| Some(-loss(o).get())).collect();
    let warped = warp_targets(&targets);
    let best = warped.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let worst = warped.iter().copied().fold(f64::INFINITY, f64::min);
    let range = if best > worst { best - worst } else { 1.0 };
    warped.iter().map(|target| (best - target) / range).collect()
}

/// A point drawn uniformly from the simplex: exponential variates over their sum.
fn simplex(count: usize, key: u64) -> Vec<f64> {
    let variate = |j: usize| -libm::log(1.0 - unit(derive(&[key, j as u64])));
    let variates: Vec<f64> = (0..count).map(variate).collect();
    let total: f64 = variates.iter().sum();
    variates.iter().map(|variate| variate / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{Direction, Fidelity, Objective, Params, TrialId};

    fn observations(points: &[[f64; 2]]) -> Vec<Observation> {
        let objective = Objective { metric: "loss".into(), direction: Direction::Minimize };
        let loss = |value| objective.loss(value).unwrap();
        let observe = |(trial, point): (u64, &[f64; 2])| Observation {
            others: vec![loss(point[1])],
            ..Observation::single(TrialId(trial), Params::default(), loss(point[0]), Fidelity(1))
        };
        (1..).zip(points).map(observe).collect()
    }

    #[test]
    fn every_point_of_a_concave_front_wins_for_some_weights() {
        let all = observations(&[[0.0, 1.0], [0.3, 0.95], [0.95, 0.3], [1.0, 0.0], [1.1, 1.1]]);
        let references: Vec<&Observation> = all.iter().collect();
        let mut wins = [0; 5];
        for key in 0..200 {
            let found = results(&references, key);
            let best = (0..5).reduce(|a, b| if found[b] > found[a] { b } else { a }).unwrap();
            wins[best] += 1;
        }
        assert!(wins[..4].iter().all(|&count| count > 0) && wins[4] == 0, "{wins:?}");
    }

    #[test]
    fn targets_are_linear_along_the_front_and_finite_beyond() {
        let all = observations(&[[0.0, 4.0], [1.0, 1.0], [3.0, 0.0], [6.0, 9.0], [1.7e308, -1e-300]]);
        let references: Vec<&Observation> = all.iter().collect();
        let targets = apart(&references[..4]).unwrap();
        let slope = |j: usize, a: usize, b: usize| targets[j][a] - targets[j][b];
        assert!((slope(0, 0, 1) / slope(0, 1, 2) - 0.5).abs() < 1e-12, "{targets:?}");
        assert!((slope(1, 2, 1) / slope(1, 1, 0) - 1.0 / 3.0).abs() < 1e-12, "{targets:?}");
        assert!(slope(0, 2, 3) > 0.0 && slope(0, 2, 3) < slope(0, 0, 2), "{targets:?}");
        assert!(apart(&references).unwrap().iter().flatten().all(|target| target.is_finite()));
        let one = [references[0]; 5];
        assert_eq!(apart(&one).unwrap(), [[0.0; 5]; 2]);
    }

    #[test]
    fn weights_add_up_to_one() {
        assert!((simplex(4, 3).iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert_ne!(simplex(2, 1), simplex(2, 2));
    }
}
