//! Finds the rows with the largest acquisition value in a mixed, possibly conditional space.
//!
//! Candidates of the caller and perturbations of the best predicted rows are scored; the best few that
//! differ enough are polished by turns: quasi-Newton steps over the continuous coordinates, then every
//! level of small finite columns and a line search over large ones. Rounding a continuous optimum would
//! not do: between two levels the acquisition is positive even when both are known.
//!
//! Conditional parameters are the caller's business. It passes a function that makes a row canonical,
//! and every row is made canonical before the model sees it.

use crate::column::Column;
use crate::draws::Draws;
use crate::lbfgs::{StopRule, minimize};
use crate::reduced::{CLIMB_ROWS, RANK_ROWS, Reduced};
use crate::surface::Surface;

/// Best predicted rows that are perturbed, and how often each.
const ANCHORS: usize = 5;
const PERTURBATIONS: u64 = 64;
/// Powers of ten between which the standard deviation of a perturbation lies.
const PERTURBATION_EXPONENTS: (f64, f64) = (-2.3, -0.5);
/// Candidates that are polished, and the numeric distance below which two count as the same start.
const STARTS: usize = 6;
const START_DISTANCE: f64 = 0.05;
/// Candidates of a rough ranking that are ranked again.
const RANKED_AGAIN: usize = 48;
/// Turns between continuous and finite coordinates.
const SWEEPS_MAX: usize = 10;
/// Levels up to which every one is tried.
const EXHAUSTIVE_LEVELS_MAX: u32 = 16;
/// Choices of a category up to which every one is tried.
const CHOICES_MAX: u32 = 32;
/// Moves of one line search over a large finite column.
const LINE_MOVES_MAX: usize = 64;

const POLISH: StopRule = StopRule { iterations_max: 50, gradient_tolerance: 1e-4, decrease_tolerance: 1e-7 };

/// Row with its acquisition value.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Canonical row.
    pub point: Vec<f64>,
    /// Acquisition value.
    pub value: f64,
}

/// The space that is searched.
#[derive(Clone, Copy)]
pub struct SearchProblem<'a> {
    /// Meaning of every coordinate.
    pub columns: &'a [Column],
    /// Makes a row canonical, and marks which coordinates are active.
    ///
    /// Receives a row on the values of its columns, and activity flags that are all set. Must place
    /// inactive coordinates at their fixed value, give active coordinates a valid one (an active
    /// category may arrive as -1), and clear the flags of inactive ones. Applied twice it must change
    /// nothing more.
    pub canonicalise: &'a dyn Fn(&mut [f64], &mut [bool]),
}

/// Returns canonical rows in descending order of acquisition value, polished ones among them.
///
/// With more than some hundred rows behind the surface only the best candidates are ranked exactly enough to be
/// compared; the others follow them.
///
/// `candidates` cover the space; `key` seeds the perturbations. The caller takes the first row that it
/// has not evaluated yet. Equal values keep the order of creation.
///
/// # Panics
/// Panics unless every candidate has one entry a column.
pub fn maximize(
    surface: &Surface,
    problem: SearchProblem,
    mut candidates: Vec<Vec<f64>>,
    key: u64,
) -> Vec<Candidate> {
    assert!(candidates.iter().all(|row| row.len() == problem.columns.len()), "one entry a column");
    candidates.extend(perturbations(surface, problem.columns, Draws::new(key)));
    let search = Search { surface, problem };
    search.settle_all(&mut candidates);
    let Some(reduced) = Reduced::new(surface) else {
        let scored = sorted(pair(surface.values(&candidates), candidates));
        let climb = |start: &Candidate| search.climb(start.clone());
        let climbed: Vec<Candidate> = diverse(&scored, problem.columns).into_iter().map(climb).collect();
        return sorted(climbed.into_iter().chain(scored).collect());
    };
    let mut rough = sorted(pair(reduced.values(&candidates), candidates));
    let rest = rough.split_off(RANKED_AGAIN.min(rough.len()));
    let rank = |candidate: Candidate| match reduced.around(&candidate.point, RANK_ROWS) {
        Some(patch) => search.on(&patch.surface()).scored(candidate.point),
        None => candidate,
    };
    let ranked = sorted(rough.into_iter().map(rank).collect());
    let climb = |start: &Candidate| {
        let patch = reduced.around(&start.point, CLIMB_ROWS)?;
        let surface = patch.surface();
        let search = search.on(&surface);
        Some(search.climb(search.scored(start.point.clone())))
    };
    let climbed: Vec<Candidate> = diverse(&ranked, problem.columns).into_iter().filter_map(climb).collect();
    // Values of the rest are too high, so that they come last whatever they are.
    let mut found = sorted(climbed.into_iter().chain(ranked).collect());
    found.extend(rest);
    found
}

fn pair(values: Vec<f64>, points: Vec<Vec<f64>>) -> Vec<Candidate> {
    points.into_iter().zip(values).map(|(point, value)| Candidate { point, value }).collect()
}

fn sorted(mut candidates: Vec<Candidate>) -> Vec<Candidate> {
    candidates.sort_by(|a, b| b.value.total_cmp(&a.value));
    candidates
}

/// Moves the best predicted rows by a random distance in a random few coordinates.
fn perturbations(surface: &Surface, columns: &[Column], draws: Draws) -> Vec<Vec<f64>> {
    let numbered = (0..).zip(surface.anchors(ANCHORS));
    numbered
        .flat_map(|(rank, anchor)| {
            (0..PERTURBATIONS).map(move |k| perturbed(anchor, columns, draws, rank * PERTURBATIONS + k))
        })
        .collect()
}

fn perturbed(anchor: &[f64], columns: &[Column], draws: Draws, row: u64) -> Vec<f64> {
    let dimension = columns.len() as f64;
    let (low, high) = PERTURBATION_EXPONENTS;
    let deviation = libm::exp10(low + (high - low) * draws.uniform(row, 0));
    let moves = (2.0_f64).max(dimension / 4.0) / dimension;
    let mut point = anchor.to_vec();
    for ((value, &column), i) in point.iter_mut().zip(columns).zip(0..) {
        if draws.uniform(row, 3 * i + 1) < moves {
            *value = moved(*value, column, deviation, draws, row, 3 * i + 2);
        }
    }
    point
}

/// One coordinate moved: a category is drawn anew, a level moves by at least one.
fn moved(value: f64, column: Column, deviation: f64, draws: Draws, row: u64, draw: u64) -> f64 {
    match column {
        Column::Categorical { .. } => column.from_unit(draws.uniform(row, draw)),
        Column::Continuous => reflect(value + deviation * draws.normal(row, draw)),
        Column::Grid { levels } => {
            let step = deviation * draws.normal(row, draw);
            let one_level = 1.0 / f64::from(levels);
            column.from_unit(reflect(value + step.signum() * step.abs().max(one_level)))
        }
    }
}

fn reflect(value: f64) -> f64 {
    let folded = if value < 0.0 { -value } else { value };
    if folded > 1.0 { (2.0 - folded).max(0.0) } else { folded }
}

/// The best candidates of which no two agree in all categories and nearly agree in all numbers.
fn diverse<'a>(scored: &'a [Candidate], columns: &[Column]) -> Vec<&'a Candidate> {
    let mut starts: Vec<&Candidate> = Vec::with_capacity(STARTS);
    for candidate in scored {
        if starts.iter().all(|start| distance(columns, &start.point, &candidate.point) >= START_DISTANCE) {
            starts.push(candidate);
        }
        if starts.len() == STARTS {
            break;
        }
    }
    starts
}

/// Largest coordinate difference; infinite when a category differs.
fn distance(columns: &[Column], a: &[f64], b: &[f64]) -> f64 {
    let pairs = columns.iter().zip(a.iter().zip(b));
    pairs.fold(0.0, |largest: f64, (column, (a, b))| {
        let apart = (a - b).abs();
        largest.max(if column.is_categorical() && apart > 0.0 { f64::INFINITY } else { apart })
    })
}

struct Search<'a> {
    surface: &'a Surface<'a>,
    problem: SearchProblem<'a>,
}

impl Search<'_> {
    /// The same space under another surface.
    fn on<'b>(&'b self, surface: &'b Surface<'b>) -> Search<'b> {
        Search { surface, problem: self.problem }
    }

    fn score(&self, mut rows: Vec<Vec<f64>>) -> Vec<Candidate> {
        self.settle_all(&mut rows);
        pair(self.surface.values(&rows), rows)
    }

    fn scored(&self, point: Vec<f64>) -> Candidate {
        let value = self.surface.values(std::slice::from_ref(&point))[0];
        Candidate { point, value }
    }

    fn settle_all(&self, rows: &mut [Vec<f64>]) {
        rows.iter_mut().for_each(|row| drop(self.settle(row)));
    }

    /// Moves a row onto the values of its columns and makes it canonical; returns the activity.
    fn settle(&self, row: &mut [f64]) -> Vec<bool> {
        for (value, column) in row.iter_mut().zip(self.problem.columns) {
            *value = column.snap(*value);
        }
        let mut active = vec![true; row.len()];
        (self.problem.canonicalise)(row, &mut active);
        active
    }

    fn climb(&self, mut at: Candidate) -> Candidate {
        for _ in 0..SWEEPS_MAX {
            self.climb_continuous(&mut at);
            if !self.climb_finite(&mut at) {
                break;
            }
        }
        at
    }

    /// Replaces `at` by the best of `rows` if that is better.
    fn take_better(&self, at: &mut Candidate, rows: Vec<Vec<f64>>) -> bool {
        let best = self.score(rows).into_iter().reduce(|a, b| if b.value > a.value { b } else { a });
        match best {
            Some(best) if best.value > at.value => {
                *at = best;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Quasi-Newton steps in units of lengthscales, in which the surface is about equally curved.
    fn climb_continuous(&self, at: &mut Candidate) -> bool {
        let active = self.settle(&mut at.point.clone());
        let free: Vec<usize> = (0..active.len())
            .filter(|&i| active[i] && self.problem.columns[i] == Column::Continuous)
            .collect();
        if free.is_empty() {
            return false;
        }
        let precisions = self.surface.precisions();
        let scales: Vec<f64> = free.iter().map(|&i| precisions[i].sqrt()).collect();
        let bounds: Vec<(f64, f64)> = scales.iter().map(|&scale| (0.0, scale)).collect();
        let start: Vec<f64> = free.iter().zip(&scales).map(|(&i, scale)| at.point[i] * scale).collect();
        let mut row = at.point.clone();
        let mut slopes = vec![0.0; row.len()];
        let found = minimize(&start, &bounds, POLISH, |scaled, gradient| {
            place(&mut row, &free, scaled, &scales);
            let value = self.surface.value_with_gradient(&row, &mut slopes);
            for ((target, &i), scale) in gradient.iter_mut().zip(&free).zip(&scales) {
                *target = -slopes[i] / scale;
            }
            -value
        });
        place(&mut row, &free, &found.point, &scales);
        self.take_better(at, vec![row])
    }

    /// One pass over the finite columns, the most influential first.
    fn climb_finite(&self, at: &mut Candidate) -> bool {
        let precisions = self.surface.precisions();
        let mut order: Vec<usize> = (0..self.problem.columns.len()).collect();
        order.sort_by(|&a, &b| precisions[b].total_cmp(&precisions[a]));
        let mut changed = false;
        for i in order {
            let column = self.problem.columns[i];
            let Some(levels) = column.levels() else { continue };
            if !self.settle(&mut at.point.clone())[i] {
                continue;
            }
            changed |= if column.is_categorical() {
                self.try_levels(at, i, self.choices_worth_trying(i, levels).into_iter())
            } else if levels <= EXHAUSTIVE_LEVELS_MAX {
                self.try_levels(at, i, 0..levels)
            } else {
                self.line_search(at, i, levels)
            };
        }
        changed
    }

    /// All choices, or, if they are many, the best ones in the data and some that are not in the data: to the
    /// model all of those are alike.
    fn choices_worth_trying(&self, i: usize, choices: u32) -> Vec<u32> {
        if choices <= CHOICES_MAX {
            return (0..choices).collect();
        }
        let model = self.surface.model;
        let mut rows: Vec<(f64, usize)> = model.fitted_means().into_iter().zip(0..).collect();
        rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let levels = rows
            .into_iter()
            .filter_map(|(_, row)| self.problem.columns[i].level_of(model.data().row(row)[i]));
        let mut known: Vec<u32> = Vec::new();
        for level in levels {
            if !known.contains(&level) {
                known.push(level);
            }
        }
        let unknown: Vec<u32> =
            (0..choices).filter(|k| !known.contains(k)).take((CHOICES_MAX / 4) as usize).collect();
        known.truncate((CHOICES_MAX - CHOICES_MAX / 4) as usize);
        known.extend(unknown);
        known
    }

    fn try_levels(&self, at: &mut Candidate, i: usize, levels: impl Iterator<Item = u32>) -> bool {
        let column = self.problem.columns[i];
        let current = column.level_of(at.point[i]);
        let others = levels.filter(|&k| Some(k) != current);
        let rows = others.map(|k| {
            let mut row = at.point.clone();
            row[i] = column.level(k);
            row
        });
        self.take_better(at, rows.collect())
    }

    /// Walks along one large finite column with steps that halve when both directions lead down.
    fn line_search(&self, at: &mut Candidate, i: usize, levels: u32) -> bool {
        let mut step = (levels / 8).max(1);
        let mut changed = false;
        for _ in 0..LINE_MOVES_MAX {
            let Some(level) = self.problem.columns[i].level_of(at.point[i]) else {
                break;
            };
            let ends = [level.saturating_sub(step), level.saturating_add(step).min(levels - 1)];
            if self.try_levels(at, i, ends.into_iter()) {
                changed = true;
            } else if step == 1 {
                break;
            } else {
                step /= 2;
            }
        }
        changed
    }
}

/// Writes scaled coordinates back to their places in the row.
fn place(row: &mut [f64], free: &[usize], scaled: &[f64], scales: &[f64]) {
    for ((&i, value), scale) in free.iter().zip(scaled).zip(scales) {
        row[i] = (value / scale).clamp(0.0, 1.0);
    }
}
