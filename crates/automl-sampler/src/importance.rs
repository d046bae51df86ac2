//! How much each parameter decides about reaching the best results: PED-ANOVA.
//!
//! Watanabe, Bansal, Hutter (IJCAI 2023), local mode: how differently the values of the best tenth of the
//! trials are spread from the values of all trials. No model is fitted, so that it works in every space
//! and costs next to nothing.
//!
//! Results that break a constraint count as worse than all that keep it.
//!
//! A conditional parameter is judged among the trials in which it was active, and its divergence counts
//! by the share of the best trials in which it was. What decides whether it is active is its parent's.

use automl_core::{Distribution, Encoding, Loss, Scale, SearchSpace};
use automl_surrogate::{choice_density, grid_density, pearson_divergence};

use crate::axes::Axes;
use crate::history::Observation;
use crate::training::modelled_fidelity;

/// Share of the trials that are the best, and how many they are at least.
const BEST_SHARE: f64 = 0.1;
const BEST_MIN: usize = 5;
/// Results without which nothing is said.
const RESULTS_MIN: usize = 6;
/// Grid points of a numeric parameter with many values.
const POINTS: u64 = 50;

/// The weight of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Importance {
    /// Name of the parameter.
    pub parameter: String,
    /// Its share; all shares add up to 1.
    pub share: f64,
    /// Number of results in which it was active.
    pub observations: usize,
}

/// Returns the importance of every parameter that varies for an objective, counted from 0; the largest first.
///
/// Only results of one fidelity count: the highest that enough trials have reached, as for the models.
/// Observations outside the space are skipped. The list is empty where there is nothing to tell: fewer
/// than six results of the objective, all results equal, or the best ones spread exactly as all. Below five results
/// for every parameter the shares say little.
pub fn importance(space: &SearchSpace, observations: &[Observation], objective: usize) -> Vec<Importance> {
    let (places, ranked): (Vec<Place>, Vec<&Observation>) =
        ranked(space, observations, objective).into_iter().unzip();
    let best = best_count(&places);
    if ranked.len() < RESULTS_MIN || best == ranked.len() {
        return Vec::new();
    }
    let measured = |name: &str, distribution: &Distribution| {
        let active = |results: &[&Observation]| -> Vec<usize> {
            let values = results.iter().filter_map(|o| o.params.get(name));
            values
                .filter_map(|value| point(distribution, distribution.to_unit(value)?, value.as_f64()))
                .collect()
        };
        let (all, top) = (active(&ranked), active(&ranked[..best]));
        let divergence = pearson_divergence(&density(distribution, &top), &density(distribution, &all));
        (all.len(), divergence * top.len() as f64 / best as f64)
    };
    let varying = space.parameters().iter().filter(|p| p.distribution.encoding() != Encoding::Constant);
    let mut list: Vec<Importance> = varying
        .map(|parameter| {
            let (observations, share) = measured(&parameter.name, &parameter.distribution);
            Importance { parameter: parameter.name.clone(), share, observations }
        })
        .collect();
    let total: f64 = list.iter().map(|importance| importance.share).sum();
    if total <= 0.0 {
        return Vec::new();
    }
    list.iter_mut().for_each(|importance| importance.share /= total);
    list.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.parameter.cmp(&b.parameter)));
    list
}

/// How far a result is beyond its constraints, and its loss.
type Place = (f64, Loss);

/// Results at the modelled fidelity that belong to the space, the best first.
fn ranked<'a>(
    space: &SearchSpace,
    observations: &'a [Observation],
    objective: usize,
) -> Vec<(Place, &'a Observation)> {
    let axes = Axes::new(space);
    let Some(fidelity) = modelled_fidelity(observations, axes.axes().len()) else { return Vec::new() };
    let belongs = |o: &&Observation| o.fidelity == fidelity && axes.holds(&o.params);
    let place = |o: &'a Observation| {
        let loss = if objective == 0 { Some(&o.loss) } else { o.others.get(objective - 1) };
        Some(((o.excess(), *loss?), o))
    };
    let mut results: Vec<(Place, &Observation)> =
        observations.iter().filter(belongs).filter_map(place).collect();
    results.sort_by(|((a, a_loss), a_of), ((b, b_loss), b_of)| {
        a.total_cmp(b).then(a_loss.cmp(b_loss)).then(a_of.trial.cmp(&b_of.trial))
    });
    results
}

/// Number of results as good as the last of the best tenth.
fn best_count(places: &[Place]) -> usize {
    let wanted = ((BEST_SHARE * places.len() as f64).ceil() as usize).max(BEST_MIN).min(places.len());
    let limit = wanted.checked_sub(1).map(|last| places[last]);
    places.iter().take_while(|place| Some(**place) <= limit).count()
}

/// Index of the grid point or option that a value belongs to, midpoints to the lower one.
fn point(distribution: &Distribution, unit: f64, value: Option<f64>) -> Option<usize> {
    let points = points(distribution);
    let nearest = |fraction: f64| {
        let last = (points - 1) as f64;
        (fraction * last - 0.5).ceil().clamp(0.0, last) as usize
    };
    match (distribution, distribution.encoding()) {
        (_, Encoding::Categorical { .. }) => Some(unit as usize),
        (_, Encoding::Grid { levels }) => {
            let level = (unit * levels as f64 - 0.5).round();
            Some(nearest(level / (levels - 1) as f64))
        }
        (Distribution::Int { low, high, scale: Scale::Log, .. }, _) => {
            let (low, high) = (*low as f64, *high as f64);
            Some(nearest(libm::log(value? / low) / libm::log(high / low)))
        }
        _ => Some(nearest(unit)),
    }
}

/// Number of grid points or options of a parameter.
fn points(distribution: &Distribution) -> u64 {
    let values = distribution.cardinality().unwrap_or(u64::MAX);
    match distribution {
        Distribution::Categorical { .. } => values,
        Distribution::Int { scale: Scale::Log, .. } => {
            (libm::log2(values as f64).ceil() as u64 + 1).min(values).min(POINTS)
        }
        Distribution::Float { .. } | Distribution::Int { .. } | Distribution::Ordinal { .. } => {
            values.min(POINTS)
        }
    }
}

fn density(distribution: &Distribution, points_of_results: &[usize]) -> Vec<f64> {
    let mut counts = vec![0; points(distribution) as usize];
    points_of_results.iter().for_each(|&k| counts[k] += 1);
    match distribution {
        Distribution::Categorical { .. } => choice_density(&counts),
        Distribution::Float { .. } | Distribution::Int { .. } | Distribution::Ordinal { .. } => {
            grid_density(&counts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use automl_core::{ParamValue, Parameter};

    fn check(distribution: Distribution, pairs: &[(ParamValue, usize)]) {
        for (value, expected) in pairs {
            let unit = distribution.to_unit(value).unwrap();
            assert_eq!(
                point(&distribution, unit, value.as_f64()),
                Some(*expected),
                "{distribution:?} {value}"
            );
        }
    }

    #[test]
    fn values_fall_on_their_grid_points() {
        let int = |low, high, step, scale| Distribution::Int { low, high, step, scale };
        check(
            Distribution::Float { low: -5.0, high: 5.0, scale: Scale::Linear, step: None },
            &[(ParamValue::Float(-5.0), 0), (ParamValue::Float(5.0), 49), (ParamValue::Float(0.0), 24)],
        );
        check(int(3, 9, 2, Scale::Linear), &[(ParamValue::Int(3), 0), (ParamValue::Int(9), 3)]);
        check(int(1, 1000, 1, Scale::Linear), &[(ParamValue::Int(1), 0), (ParamValue::Int(1000), 49)]);
        check(
            int(1, 8, 1, Scale::Log),
            &[(ParamValue::Int(1), 0), (ParamValue::Int(2), 1), (ParamValue::Int(8), 3)],
        );
        check(
            Distribution::Ordinal { choices: [1, 4, 9].map(ParamValue::Int).to_vec(), weights: None },
            &[(ParamValue::Int(1), 0), (ParamValue::Int(4), 1), (ParamValue::Int(9), 2)],
        );
        assert_eq!(points(&int(i64::MIN / 4, i64::MAX / 4, 1, Scale::Linear)), POINTS);
        assert_eq!(points(&Parameter::new("b", Distribution::bool()).distribution), 2);
    }
}
