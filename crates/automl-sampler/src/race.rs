//! The rung race's model: which of the paused trials goes on, or which new one starts.
//!
//! One Gaussian process covers all rungs. A row is a configuration and a coordinate `t`, the logarithm of the
//! fidelity scaled to `[0, 1]`, with a lengthscale of its own: where early and late results go together, what
//! is known at one rung is known at the others. A contender is worth its expected improvement at the rung where
//! it would stop next, over the best result *of that rung or a lower one*, per unit of fidelity that it costs to get
//! there: `log EI − log cost`. So like is compared with like, and with what did as well for less. An improvement counts
//! for as much as its rung says about the last one: the correlation that the model sees between the two is a factor. (The
//! improvement at the largest fidelity would favour new configurations for ever, because what is least known improves
//! most.) It is the one-step rule of Wistuba, Kadra and Grabocka, *Supervising the Multi-Fidelity Race of Hyperparameter
//! Configurations* (NeurIPS 2022), with a plain process and geometric rungs.
//!
//! Running trials are believed to end at the model's mean. Constraints, failures and the user's weights and
//! defaults count as they do in [`Bayesian`](crate::Bayesian).

use std::collections::BTreeMap;

use automl_core::rng::derive;
use automl_core::{Fidelity, Origin, Params, SearchSpace, TrialId};
use automl_surrogate::{
    Acquisition, Belief, Column, GaussianProcess, Preference, Requirement, SearchProblem, Surface,
    TrainingSet, matern52, maximize, warp_targets_about,
};

use crate::bayes::{
    NOISE_LARGE, candidates, condition, from_theta, preference_strength, requirements, to_theta,
};
use crate::design::Design;
use crate::history::{History, Observation};
use crate::quasi::suggest_point;
use crate::startup::long_startup_trials;
use crate::training::{Training, constraints, in_trial_order, middle};
use crate::{SuggestError, Suggestion, fresh, scalarise, stream};

/// Rows that the model is conditioned on: those of the highest rungs, and of one rung the best ones. With 500 a choice
/// took nearly twice as long (`benches/schedule.rs`).
const ROWS_MAX: usize = 300;
/// Least correlation between a rung and the last one, so that its logarithm is a number.
const CORRELATION_MIN: f64 = 1e-3;
/// Results from which on a model of them says where a trial starts, where only those at the largest fidelity count.
const RESULTS_MIN: usize = 4;
/// First results, spread evenly, whose median the output warp uses.
const REFERENCE_ROWS: usize = 10;

/// What a free slot may be used for.
#[derive(Clone, Debug, PartialEq)]
pub struct Contest {
    /// Fidelities whose results count, rising; the last one is the largest.
    pub levels: Vec<Fidelity>,
    /// A new trial; `None` where none may start.
    pub start: Option<Start>,
    /// Paused trials that may go on; without a model the first of them does.
    pub contenders: Vec<Contender>,
    /// Running trials and where they will stop.
    pub running: BTreeMap<TrialId, Fidelity>,
}

/// A new trial that may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Fidelity at which it would stop first.
    pub until: Fidelity,
    /// Whether it goes on to the largest fidelity whatever it comes to, and shall be good there.
    pub all_the_way: bool,
}

/// A paused trial that may go on.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    /// The trial.
    pub trial: TrialId,
    /// Its values.
    pub params: Params,
    /// Fidelity it has reached.
    pub from: Fidelity,
    /// Fidelity at which it would stop next.
    pub until: Fidelity,
}

/// What a slot is used for.
#[derive(Clone, Debug, PartialEq)]
pub enum Chosen {
    /// A new trial, run to the start of the contest.
    Start(Suggestion),
    /// A paused trial goes on.
    Promote {
        /// The trial.
        trial: TrialId,
        /// Fidelity at which it stops next.
        until: Fidelity,
        /// Why, for people.
        reason: String,
    },
}

/// Chooses what to do with a free slot; a pure function of its arguments, like every suggestion.
///
/// `trial` is the number that a new trial would get.
///
/// # Errors
/// [`SuggestError::Exhausted`] when a finite space has no configuration left and nothing may go on.
///
/// # Panics
/// Panics where the contest offers nothing.
pub fn choose(
    space: &SearchSpace,
    history: &History,
    contest: &Contest,
    trial: TrialId,
    seed: u64,
) -> Result<Chosen, SuggestError> {
    let history = &*history.within(space);
    let design = Design::new(space);
    let startup = long_startup_trials(design.columns().len(), history.budget) as usize;
    let trials = history.trials_up_to(startup);
    let turn = Turn { space, design: &design, history, contest, trial, seed };
    if trials < startup && contest.start.is_some() {
        return turn.without_model(&format!("trial {} of {startup} before the model", trials + 1));
    }
    if contest.start.is_some() && turn.results_are_few() {
        return turn.without_model("few results at full fidelity, and no others count");
    }
    match Model::new(&turn) {
        Ok(model) => model.choose(&turn),
        Err(why) => turn.without_model(&why),
    }
}

/// Everything a choice depends on.
#[derive(Clone, Copy)]
struct Turn<'a> {
    space: &'a SearchSpace,
    design: &'a Design<'a>,
    history: &'a History,
    contest: &'a Contest,
    trial: TrialId,
    seed: u64,
}

impl Turn<'_> {
    /// A configuration of an even design, or, where no trial may start, the first contender.
    fn without_model(&self, why: &str) -> Result<Chosen, SuggestError> {
        if self.contest.start.is_some() {
            let defaults = self.space.defaults().filter(|_| self.history.trials_up_to(1) == 0);
            let design = match defaults {
                Some(params) => {
                    Ok(Suggestion::plain(params, "default", "the default configuration, tried first".into()))
                }
                None => suggest_point(self.space, self.history, self.trial, self.seed, why),
            };
            return design.map(Chosen::Start).or_else(|error| self.first().ok_or(error));
        }
        Ok(self.first().expect("a contest offers something"))
    }

    /// Tells whether only results at one fidelity count, and there are fewer than a model has more from than an even design.
    fn results_are_few(&self) -> bool {
        let [only] = self.contest.levels[..] else { return false };
        let results = self.history.observations.iter().filter(|o| o.fidelity == only);
        results.take(RESULTS_MIN).count() < RESULTS_MIN
    }

    /// The fidelity at which a new trial shall be good: the largest one where it goes there anyway, otherwise by
    /// turns where it stops first and at the highest one with enough results. What is best at the lowest rung
    /// alone learns fast and ends anywhere.
    fn aim(&self, start: Start) -> Fidelity {
        let highest = || {
            let enough = self.design.columns().len() + 2;
            let results = |level: &Fidelity| {
                self.history.observations.iter().filter(|o| o.fidelity == *level).take(enough).count()
            };
            self.contest.levels.iter().rev().copied().find(|level| results(level) == enough)
        };
        match (start.all_the_way, self.contest.levels.last()) {
            (true, Some(full)) => *full,
            _ if self.trial.0.is_multiple_of(2) => highest().unwrap_or(start.until).max(start.until),
            _ => start.until,
        }
    }

    fn first(&self) -> Option<Chosen> {
        let Contender { trial, until, .. } = *self.contest.contenders.first()?;
        let reason = "the best of the highest rung, because no model says more".into();
        Some(Chosen::Promote { trial, until, reason })
    }

    /// The coordinate of a fidelity.
    fn place(&self, fidelity: Fidelity) -> f64 {
        let log = |fidelity: Fidelity| libm::log(fidelity.0.max(1) as f64);
        let levels = &self.contest.levels;
        let (low, high) = (levels.first().copied(), levels.last().copied());
        let (low, high) = (low.map_or(0.0, log), high.map_or(0.0, log));
        if high > low { (log(fidelity) - low) / (high - low) } else { 1.0 }
    }

    fn row(&self, params: &Params, fidelity: Fidelity) -> Vec<f64> {
        let mut row = self.design.row(params);
        row.push(self.place(fidelity));
        row
    }
}

/// The process over all rungs, and what belongs to it.
struct Model {
    process: GaussianProcess,
    requirements: Vec<Requirement>,
    preference: Option<Preference>,
    columns: Vec<Column>,
    /// The value to be exceeded at each rung; `None` where no result keeps the constraints.
    incumbents: BTreeMap<Fidelity, Option<f64>>,
    results: usize,
}

impl Model {
    fn new(turn: &Turn) -> Result<Self, String> {
        let results = results(turn);
        let mut columns = turn.design.columns().to_vec();
        columns.push(Column::Continuous);
        let training = training(turn, &results);
        if training.is_flat() {
            return Err("all results are equal, or there are none".into());
        }
        let failed = |error| format!("the model failed: {error}");
        let data = TrainingSet::new(&columns, &training.rows, &training.targets);
        let (known, theta) = (data.len(), from_theta(&turn.history.theta, columns.len()));
        let mut process = condition(data, known, theta, false).map_err(failed)?;
        let requirements = requirements(&columns, &training).map_err(failed)?;
        let mut incumbents = incumbents(turn, &process, &training, &results);
        for (trial, until) in &turn.contest.running {
            let pending = turn.history.pending.iter().find(|(pending, _)| pending == trial);
            let Some((_, params)) = pending else { continue };
            let believed = process.believe(&turn.row(params, *until));
            if let Some(Some(incumbent)) = incumbents.get_mut(until)
                && training.constraints.is_empty()
            {
                *incumbent = incumbent.max(believed);
            }
        }
        let preference = turn.design.beliefs().map(|mut beliefs| {
            beliefs.push(Belief::Flat);
            let strength = preference_strength(turn.history.budget, training.observations);
            Preference::new(&columns, beliefs, strength)
        });
        let results = training.observations;
        Ok(Model { process, requirements, preference, columns, incumbents, results })
    }

    /// The acquisition function at one rung.
    fn surface(&self, level: Fidelity) -> Surface<'_> {
        let acquisition = match self.incumbents.get(&level).copied().flatten() {
            None => Acquisition::Indifferent,
            Some(incumbent) => Acquisition::LogExpectedImprovement { incumbent },
        };
        Surface {
            model: &self.process,
            acquisition,
            growth: None,
            requirements: &self.requirements,
            preference: self.preference.as_ref(),
        }
    }

    fn choose(&self, turn: &Turn) -> Result<Chosen, SuggestError> {
        let start = turn.contest.start.map(|start| self.start(turn, start)).transpose();
        let (start, exhausted) = match start {
            Ok(start) => (start, None),
            Err(error) => (None, Some(error)),
        };
        let worth_of_start = start.as_ref().and_then(|start| start.origin.acquisition);
        let settled = start.is_some() && turn.contest.start.is_some_and(|start| start.all_the_way);
        let contender = if settled { None } else { self.best_contender(turn) };
        match (contender, start) {
            (Some((contender, worth)), _) if worth_of_start.is_none_or(|start| worth >= start) => {
                Ok(self.promotion(turn, contender, worth, worth_of_start))
            }
            (_, Some(start)) => Ok(Chosen::Start(start)),
            (_, None) => Err(exhausted.expect("a contest offers something")),
        }
    }

    /// The new trial to weigh against paused ones: the model's, or a random one where all of those were tried.
    fn start(&self, turn: &Turn, start: Start) -> Result<Suggestion, SuggestError> {
        if let Some(suggestion) = self.best_start(turn, start) {
            return Ok(suggestion);
        }
        let params = fresh::draw(turn.space, turn.history, turn.trial, turn.seed)?;
        let reason = "a random configuration, because all that the model proposed have been tried";
        let mut suggestion = Suggestion::plain(params, "random", reason.into());
        suggestion.origin.acquisition = Some(self.worth(turn, &suggestion.params, Fidelity(0), start.until));
        Ok(suggestion)
    }

    fn promotion(&self, turn: &Turn, contender: &Contender, worth: f64, start: Option<f64>) -> Chosen {
        let against = match start {
            Some(start) => format!(", {start:.2} of a new trial"),
            None => String::new(),
        };
        let (from, until) = (contender.from, contender.until);
        let reason = format!(
            "most promising of {} paused trials: weighted log expected improvement per cost {worth:.2} from {from} to {until}{against}; \
             {} results at fidelities {}",
            turn.contest.contenders.len(),
            self.results,
            listed(&turn.contest.levels),
        );
        Chosen::Promote { trial: contender.trial, until, reason }
    }

    /// The contender of largest worth; the first one of equals.
    fn best_contender<'a>(&self, turn: &Turn<'a>) -> Option<(&'a Contender, f64)> {
        let mut by_level: BTreeMap<Fidelity, Vec<&Contender>> = BTreeMap::new();
        for contender in &turn.contest.contenders {
            by_level.entry(contender.until).or_default().push(contender);
        }
        let worth = |(level, contenders): (Fidelity, Vec<&'a Contender>)| {
            let rows: Vec<Vec<f64>> = contenders.iter().map(|c| turn.row(&c.params, level)).collect();
            let values = self.surface(level).values(&rows);
            let weight = self.log_relevance(turn, level);
            let worth = |(c, value): (&'a Contender, f64)| (c, value + weight - log_cost(c.from, level));
            contenders.into_iter().zip(values).map(worth).collect::<Vec<_>>()
        };
        let all = by_level.into_iter().rev().flat_map(worth);
        all.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }

    /// The new configuration of largest worth at the rung it aims at; `None` where all that the model proposes
    /// have been tried. What it is worth against paused trials is judged at the rung where it stops first.
    fn best_start(&self, turn: &Turn, start: Start) -> Option<Suggestion> {
        let aim = turn.aim(start);
        // One that goes all the way is worth what it comes to there.
        let stop = if start.all_the_way { aim } else { start.until };
        let place = turn.place(aim);
        let last = self.columns.len() - 1;
        let canonicalise = |row: &mut [f64], active: &mut [bool]| {
            turn.design.canonicalise(&mut row[..last], &mut active[..last]);
            (row[last], active[last]) = (place, false);
        };
        let problem = SearchProblem { columns: &self.columns, canonicalise: &canonicalise };
        let mut rows = candidates(turn.design, turn.space, turn.trial, turn.seed);
        rows.iter_mut().for_each(|row| row.push(place));
        let key = derive(&[turn.seed, stream::PERTURBATIONS, turn.trial.0]);
        let tried = turn.history.keys();
        let ranked = maximize(&self.surface(aim), problem, rows, key);
        ranked.into_iter().find_map(|candidate| {
            let params = turn.design.params(&candidate.point[..last]);
            if tried.contains(&params.key()) {
                return None;
            }
            let origin = Origin {
                model: "race".into(),
                reason: self.reason(turn, aim),
                observations: self.results as u64,
                acquisition: Some(self.worth(turn, &params, Fidelity(0), stop)),
                theta: to_theta(self.process.hyperparameters()),
                ..Origin::default()
            };
            Some(Suggestion { params, origin })
        })
    }

    /// What it is worth to run a configuration from one fidelity to another.
    fn worth(&self, turn: &Turn, params: &Params, from: Fidelity, until: Fidelity) -> f64 {
        let improvement = self.surface(until).values(&[turn.row(params, until)])[0];
        improvement + self.log_relevance(turn, until) - log_cost(from, until)
    }

    /// Logarithm of the correlation that the model sees between results at a rung and at the last one.
    fn log_relevance(&self, turn: &Turn, level: Fidelity) -> f64 {
        let length =
            self.process.hyperparameters().lengthscales.last().expect("there is a column for fidelity");
        let distance = (1.0 - turn.place(level)) / length;
        libm::log(matern52(distance * distance).value.max(CORRELATION_MIN))
    }

    fn reason(&self, turn: &Turn, aim: Fidelity) -> String {
        let goal = match self.incumbents.get(&aim).copied().flatten() {
            None => "largest probability to keep the constraints",
            Some(_) => "largest expected improvement",
        };
        let paused = match turn.contest.contenders.len() {
            0 => String::new(),
            count => format!("; none of {count} paused trials promised more for its cost"),
        };
        let levels = listed(&turn.contest.levels);
        format!("{goal} at fidelity {aim} over {} results at fidelities {levels}{paused}", self.results)
    }
}

fn listed(levels: &[Fidelity]) -> String {
    levels.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn log_cost(from: Fidelity, until: Fidelity) -> f64 {
    libm::log(until.0.saturating_sub(from.0).max(1) as f64)
}

/// Results at the fidelities that count, one for each trial and fidelity, oldest trial first.
fn results<'a>(turn: &Turn<'a>) -> Vec<&'a Observation> {
    let counts = |o: &&Observation| turn.contest.levels.contains(&o.fidelity);
    let all = turn.history.observations.iter().filter(counts);
    let unique: BTreeMap<_, _> = all.map(|o| ((o.trial, o.fidelity), o)).collect();
    let results: Vec<&Observation> = unique.into_values().collect();
    if results.len() <= ROWS_MAX {
        return results;
    }
    let mut ranked: Vec<(usize, &Observation)> = results.into_iter().enumerate().collect();
    ranked.sort_by(|(_, a), (_, b)| b.fidelity.cmp(&a.fidelity).then(a.rank(b)));
    ranked.truncate(ROWS_MAX);
    ranked.sort_by_key(|(place, _)| *place);
    ranked.into_iter().map(|(_, result)| result).collect()
}

/// Rows and targets of all rungs; failed trials count as the middling result of the lowest one.
fn training(turn: &Turn, results: &[&Observation]) -> Training {
    let key = derive(&[turn.seed, stream::WEIGHTS, turn.trial.0]);
    let values = scalarise::results(results, key);
    let mut rows: Vec<Vec<f64>> = results.iter().map(|o| turn.row(&o.params, o.fidelity)).collect();
    let reference = &values[..values.len().min(REFERENCE_ROWS)];
    let mut targets = warp_targets_about(&values.iter().map(|v| Some(*v)).collect::<Vec<_>>(), reference);
    let constraints = constraints(results, &rows);
    let feasible = (0..results.len()).filter(|&row| results[row].is_feasible()).collect();
    let lowest = turn.contest.levels.first().copied().unwrap_or(Fidelity(1));
    let failed = in_trial_order(&turn.history.failed);
    rows.extend(failed.iter().map(|params| turn.row(params, lowest)));
    targets.resize(rows.len(), middle(&targets));
    let label = |row| if row < results.len() { 1.0 } else { -1.0 };
    let labels = (!failed.is_empty()).then(|| (0..rows.len()).map(label).collect());
    Training {
        fidelity: turn.contest.levels.last().copied().unwrap_or(lowest),
        left_out: 0,
        observations: results.len(),
        objectives: 1 + results.iter().map(|o| o.others.len()).min().unwrap_or(0),
        rows,
        targets,
        by_objective: Vec::new(),
        labels,
        constraints,
        feasible,
    }
}

/// The value to be exceeded at each fidelity: the best feasible result of those there and at smaller ones, the best mean where
/// results are noisy. Training further is worth nothing where others are better already with less. Only at the largest
/// fidelity, which is what is handed over, its own results count, once there are some; at a rung that nobody has reached
/// all do.
fn incumbents(
    turn: &Turn,
    process: &GaussianProcess,
    training: &Training,
    results: &[&Observation],
) -> BTreeMap<Fidelity, Option<f64>> {
    let noisy = process.hyperparameters().noise_variance > NOISE_LARGE;
    let values = if noisy { process.predict_means(&training.rows) } else { training.targets.clone() };
    let best = |rows: &mut dyn Iterator<Item = usize>| rows.map(|row| values[row]).max_by(f64::total_cmp);
    let feasible = || training.feasible.iter().copied();
    let largest = turn.contest.levels.last();
    let of_level = |level: &Fidelity| {
        let counts = |fidelity: Fidelity| fidelity == *level || (fidelity < *level && Some(level) != largest);
        let best = match results.iter().any(|o| o.fidelity == *level) {
            true => best(&mut feasible().filter(|&row| counts(results[row].fidelity))),
            false => best(&mut feasible()),
        };
        (*level, best)
    };
    turn.contest.levels.iter().map(of_level).collect()
}
