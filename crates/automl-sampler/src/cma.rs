//! CMA-ES with margin as a sampler: the distribution is folded from the log anew at every call.
//!
//! Results and failures in the order of their trials make generations; a trial that is still pending is
//! left out and joins when it ends. Any point can be learnt from, also one that another model proposed:
//! what lies too far out is moved into the distribution's reach first. Discrete coordinates are learnt
//! from as they were drawn, before rounding, where the fold can tell; the draw of a trial is a function
//! of its number and the distribution at the time.
//!
//! Numbers, ordered options and truth values only, no conditions, and a single objective: other searches go on
//! with TPE.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use automl_core::rng::{derive, uniform};
use automl_core::{Origin, Params, SearchSpace, TrialId};
use automl_surrogate::{Axis, CmaEs, Draws};

use crate::axes::Axes;
use crate::history::Observation;
use crate::quasi::suggest_point;
use crate::startup::{long_startup_trials, opening};
use crate::training::{RESULTS_MIN, modelled_fidelity};
use crate::{History, Sampler, SuggestError, Suggestion, Tpe, fresh, stream};

/// Draws before one outside the cube is moved to its border.
const ATTEMPTS: u64 = 16;
/// Share of the earlier results, and least number of them, that a start is shaped by.
const GOOD_SHARE: f64 = 0.1;
const GOOD_MIN: usize = 5;
/// How far two coordinates may be apart that are read from the same value.
const READING_ERROR: f64 = 1e-9;

/// Covariance matrix adaptation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cma {
    /// The first so many results and failures belong to other models and only shape the start; absent
    /// means the startup trials.
    pub after: Option<usize>,
}

impl Sampler for Cma {
    fn suggest(
        &self,
        space: &SearchSpace,
        history: &History,
        trial: TrialId,
        seed: u64,
    ) -> Result<Suggestion, SuggestError> {
        let history = &*history.within(space);
        let axes = Axes::new(space);
        if let Some(first) =
            opening(space, history, trial, seed, long_startup_trials(axes.axes().len(), history.budget))
        {
            return first;
        }
        if let Some(why) = unsuitable(space, &axes).or_else(|| several_objectives(history)) {
            let mut suggestion = Tpe.suggest(space, history, trial, seed)?;
            suggestion.origin.reason = format!("{why}, so TPE takes over: {}", suggestion.origin.reason);
            return Ok(suggestion);
        }
        let earlier =
            self.after.unwrap_or_else(|| long_startup_trials(axes.axes().len(), history.budget) as usize);
        match Fold::new(&axes, history, earlier, seed) {
            Some(fold) => fold.suggest(space, history, trial, seed),
            None => suggest_point(space, history, trial, seed, "too few results are known"),
        }
    }
}

/// Why the distribution cannot model a space, where it cannot.
pub(crate) fn unsuitable(space: &SearchSpace, axes: &Axes) -> Option<&'static str> {
    let choices = |axis: &Axis| matches!(axis, Axis::Categorical { prior } if prior.len() > 2);
    if axes.axes().is_empty() {
        return Some("nothing varies");
    }
    if space.parameters().iter().any(|parameter| !parameter.conditions.is_empty()) {
        return Some("CMA-ES knows no conditional parameters");
    }
    axes.axes().iter().any(choices).then_some("CMA-ES knows no unordered options")
}

/// A distribution that closes in on one point is none of a front.
fn several_objectives(history: &History) -> Option<&'static str> {
    let several = history.observations.iter().any(|o| !o.others.is_empty());
    several.then_some("CMA-ES knows a single objective only")
}

/// The distribution after all generations so far.
struct Fold<'a> {
    axes: &'a Axes<'a>,
    search: CmaEs,
    seed: u64,
    observations: usize,
    generations: u64,
    restarts: u64,
}

/// A trial that has ended: its point, and its result unless it failed.
struct Ended<'a> {
    trial: TrialId,
    point: Vec<f64>,
    result: Option<&'a Observation>,
}

impl Ended<'_> {
    /// Results by their rank, then failures.
    fn rank(&self, other: &Self) -> Ordering {
        match (self.result, other.result) {
            (Some(own), Some(other)) => own.rank(other),
            (None, None) => self.trial.cmp(&other.trial),
            (own, other) => other.is_some().cmp(&own.is_some()),
        }
    }
}

impl<'a> Fold<'a> {
    fn new(axes: &'a Axes, history: &History, earlier: usize, seed: u64) -> Option<Self> {
        let ended = ended(axes, history)?;
        let observations = ended.iter().filter(|ended| ended.result.is_some()).count();
        if observations < RESULTS_MIN {
            return None;
        }
        let (source, rest) = ended.split_at(earlier.min(ended.len()));
        let search = start(source, values(axes));
        let mut fold = Self { axes, search, seed, observations, generations: 0, restarts: 0 };
        let mut rest = rest;
        while rest.len() >= fold.search.population() {
            let (generation, later) = rest.split_at(fold.search.population());
            fold.learn(generation);
            rest = later;
        }
        Some(fold)
    }

    /// Learns from a generation, unless all of it failed.
    fn learn(&mut self, generation: &[Ended]) {
        self.generations += 1;
        if generation.iter().all(|ended| ended.result.is_none()) {
            return;
        }
        let mut ranked: Vec<&Ended> = generation.iter().collect();
        ranked.sort_by(|a, b| a.rank(b));
        let points: Vec<Vec<f64>> =
            ranked.iter().map(|ended| self.search.within_reach(&self.as_drawn(ended))).collect();
        self.search.tell(&points);
        if self.search.has_collapsed() {
            self.restarts += 1;
            let key = [self.seed, stream::RESTARTS, self.restarts];
            let mean = (0..self.axes.axes().len() as u64).map(|j| uniform(&[&key[..], &[j]].concat()));
            let population = 2 * self.search.population();
            self.search = CmaEs::new(mean.collect(), values(self.axes), Some(population));
        }
    }

    /// The point of a trial before it was rounded, if it was drawn from the present distribution.
    fn as_drawn(&self, ended: &Ended) -> Vec<f64> {
        if self.axes.axes().iter().all(|axis| *axis == Axis::Continuous) {
            return ended.point.clone();
        }
        let same = |sample: &Vec<f64>| {
            let rounded = self.search.rounded(sample);
            rounded.iter().zip(&ended.point).all(|(a, b)| (a - b).abs() < READING_ERROR)
        };
        self.draws(ended.trial).find(same).unwrap_or_else(|| ended.point.clone())
    }

    /// The samples that a trial may have, in the order in which they are tried.
    fn draws(&self, trial: TrialId) -> impl Iterator<Item = Vec<f64>> {
        let dimension = self.axes.axes().len() as u64;
        let table = Draws::new(derive(&[self.seed, stream::NORMALS, trial.0]));
        (0..=ATTEMPTS).map(move |attempt| {
            let normals: Vec<f64> = (0..dimension).map(|j| table.normal(attempt, j)).collect();
            let mut sample = self.search.sample(&normals);
            if attempt == ATTEMPTS {
                sample.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
            }
            sample
        })
    }

    fn suggest(
        &self,
        space: &SearchSpace,
        history: &History,
        trial: TrialId,
        seed: u64,
    ) -> Result<Suggestion, SuggestError> {
        let inside = |sample: &Vec<f64>| {
            let continuous =
                sample.iter().zip(self.axes.axes()).filter(|(_, axis)| **axis == Axis::Continuous);
            continuous.map(|(x, _)| *x).all(|x| (0.0..=1.0).contains(&x))
        };
        let params = |sample: Vec<f64>| self.axes.params(&from_cube(self.axes, self.search.rounded(&sample)));
        let mut candidates = self.draws(trial).filter(inside).map(params);
        let Some(params) = candidates.find(|params| !history.contains(params)) else {
            let params = fresh::draw(space, history, trial, seed)?;
            let reason = "a random configuration, because all that the distribution gave have been tried";
            return Ok(Suggestion::plain(params, "random", reason.into()));
        };
        let origin = Origin {
            model: "cma-es".into(),
            reason: format!(
                "a sample around the centre of generation {} ({} a generation, step size {:.2e}, {} restarts)",
                self.generations + 1,
                self.search.population(),
                self.search.deviation(),
                self.restarts
            ),
            observations: self.observations as u64,
            ..Origin::default()
        };
        Ok(Suggestion { params, origin })
    }
}

/// What has ended at the modelled fidelity, in the order of the trials.
fn ended<'a>(axes: &Axes, history: &'a History) -> Option<Vec<Ended<'a>>> {
    let fidelity = modelled_fidelity(&history.observations, axes.axes().len())?;
    let results = history.observations.iter().filter(|o| o.fidelity == fidelity);
    let results = results.map(|o| (o.trial, (&o.params, Some(o))));
    let failed = history.failed.iter().map(|(trial, params)| (*trial, (params, None)));
    let all: BTreeMap<TrialId, (&Params, Option<&Observation>)> = failed.chain(results).collect();
    let read =
        |(trial, (params, result))| Some(Ended { trial, point: to_cube(axes, axes.row(params)?), result });
    Some(all.into_iter().filter_map(read).collect())
}

/// A start shaped by the best of the earlier results where they are many, else around the best one.
fn start(source: &[Ended], values: Vec<Option<Vec<f64>>>) -> CmaEs {
    let mut results: Vec<&Ended> = source.iter().filter(|ended| ended.result.is_some()).collect();
    results.sort_by(|a, b| a.rank(b));
    let good = (GOOD_SHARE * results.len() as f64).ceil() as usize;
    if good >= GOOD_MIN {
        let points: Vec<Vec<f64>> = results.iter().take(good).map(|ended| ended.point.clone()).collect();
        return CmaEs::from_good_points(&points, values);
    }
    let centre = || vec![0.5; values.len()];
    let mean = results.first().map_or_else(centre, |best| best.point.clone());
    CmaEs::new(mean, values, None)
}

/// The values of every discrete coordinate in the cube.
fn values(axes: &Axes) -> Vec<Option<Vec<f64>>> {
    let values = |axis: &Axis| match axis {
        Axis::Continuous => None,
        Axis::Cells { edges } => Some(edges.windows(2).map(|cell| 0.5 * (cell[0] + cell[1])).collect()),
        Axis::Categorical { .. } => Some(vec![0.25, 0.75]),
    };
    axes.axes().iter().map(values).collect()
}

/// Places two options at the middles of two cells, and discrete numbers at the middle of theirs.
fn to_cube(axes: &Axes, row: Vec<f64>) -> Vec<f64> {
    let place = |(axis, value): (&Axis, f64)| match axis {
        Axis::Continuous => value,
        Axis::Cells { edges } => {
            let k = edges[1..edges.len() - 1].partition_point(|edge| *edge <= value);
            0.5 * (edges[k] + edges[k + 1])
        }
        Axis::Categorical { .. } => 0.25 + 0.5 * value,
    };
    axes.axes().iter().zip(row).map(place).collect()
}

/// Undoes [`to_cube`].
fn from_cube(axes: &Axes, point: Vec<f64>) -> Vec<f64> {
    let place = |(axis, x): (&Axis, f64)| match axis {
        Axis::Continuous | Axis::Cells { .. } => x,
        Axis::Categorical { .. } => f64::from(u8::from(x > 0.5)),
    };
    axes.axes().iter().zip(point).map(place).collect()
}
