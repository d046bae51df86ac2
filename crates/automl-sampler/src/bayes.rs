//! Bayesian optimisation: a Gaussian process over all results, and the point of largest promise.
//!
//! The space's default configuration comes first, then scrambled Sobol points, then the model. Pending
//! trials are believed to end at the model's mean there ("Kriging believer"), and the incumbent is raised
//! to the best believed value: the neighbours of a promising pending trial would be proposed otherwise.
//! Two or three objectives have a model each, and what counts is the expected growth of the front. At every other pair of
//! suggestions, and where objectives or results are many, they are weighted at random instead: a front that was found in
//! part shows little of what lies beyond its ends. Measured constraints and failures weigh the
//! expected improvement by the probability that all goes well; the user's weights and defaults count while
//! results are few. Where results are noisy, every second suggestion is the best one in the mean.
//!
//! Where the model has nothing to say (equal results, a covariance that cannot be factored) the Sobol
//! sequence goes on; that is never an error.

use automl_core::rng::derive;
use automl_core::{Origin, SearchSpace, TrialId};
use automl_surrogate::{
    Acquisition, Candidate, CholeskyError, Column, FitOptions, GaussianProcess, Growth, Hyperparameters,
    InputWarp, LOG_SUCCESS_MIN, Preference, Requirement, SearchProblem, Surface, TrainingSet, fit, maximize,
};

use crate::design::Design;
use crate::quasi::suggest_point;
use crate::startup::{opening, startup_trials};
use crate::training::{RESULTS_MIN, Training, in_trial_order};
use crate::{History, Sampler, Sobol, SuggestError, Suggestion, fresh, stream};

/// Sobol points among which the acquisition search starts.
const CANDIDATES: u64 = 640;
/// The user's weights and defaults count this share of the budget over the number of results, or this many
/// results over it in a short study.
const PREFERENCE_SHARE: f64 = 0.1;
const PREFERENCE_MIN: f64 = 5.0;
/// Number of trials assumed where the study does not say.
const BUDGET_USUAL: u64 = 100;
/// Noise variance, in squared standardised units, from which on every second suggestion is the best in the
/// mean: one result says little, and the best one of many is a lucky one unless there are several at the optimum.
pub(crate) const NOISE_LARGE: f64 = 0.02;
/// Rows up to which the model is fitted anew at every suggestion; beyond, every twentieth of them.
const FITTED_ALWAYS: usize = 64;
const FIT_SHARE: usize = 20;
/// What several objectives are proposed by in turn.
const TURNS: u64 = 4;
const TURN_WIDE: u64 = 0;
const TURN_NEAR: u64 = 1;
/// How far the reference of a front lies below it, as a share of its extent: near or, for two objectives, wide. With
/// the near one alone the ends of a front count too little, with the wide one too much. Fronts of three objectives have
/// more ends than the wide one bears.
const MARGIN: f64 = 0.1;
const MARGIN_WIDE: f64 = 1.0;

/// Results from which on the model may bend parameters: fewer do not tell a bend from a long lengthscale.
const WARPED_MIN: usize = 20;

/// Gaussian process with log expected improvement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bayesian;

impl Sampler for Bayesian {
    fn suggest(
        &self,
        space: &SearchSpace,
        history: &History,
        trial: TrialId,
        seed: u64,
    ) -> Result<Suggestion, SuggestError> {
        propose(space, history, trial, seed, false)
    }
}

/// [`Bayesian`] with a model that may bend numeric parameters (input warping).
#[derive(Clone, Copy, Debug, Default)]
pub struct Warped;

impl Sampler for Warped {
    fn suggest(
        &self,
        space: &SearchSpace,
        history: &History,
        trial: TrialId,
        seed: u64,
    ) -> Result<Suggestion, SuggestError> {
        propose(space, history, trial, seed, true)
    }
}

fn propose(
    space: &SearchSpace,
    history: &History,
    trial: TrialId,
    seed: u64,
    warped: bool,
) -> Result<Suggestion, SuggestError> {
    let history = &*history.within(space);
    let design = Design::new(space);
    let startup = startup_trials(design.columns().len(), history.budget);
    if let Some(first) = opening(space, history, trial, seed, startup) {
        return first;
    }
    let results_min = RESULTS_MIN.min(startup as usize);
    let training = Training::new(&design, history, results_min, derive(&[seed, stream::WEIGHTS, trial.0]))
        .filter(|training| !training.is_flat());
    let model = training.map(|training| match training.by_objective.is_empty() {
        true => Model::new(&design, history, &history.theta, training, trial, warped),
        false => Model::of_several(&design, history, training, trial, seed),
    });
    let why = match model {
        Some(Ok(model)) => return model.suggest(space, history, trial, seed),
        Some(Err(error)) => format!("the model failed: {error}"),
        None => format!("fewer than {results_min} results are known, or all are equal"),
    };
    suggest_point(space, history, trial, seed, &why)
}

/// Everything that one suggestion is computed from.
struct Model<'a> {
    design: &'a Design<'a>,
    training: Training,
    process: GaussianProcess,
    /// Models of the other objectives, and the front, where each objective has a model.
    growth: Option<Growth>,
    /// Parameters of the model; where objectives have models, of each and of their last weighting.
    theta: Vec<f64>,
    requirements: Vec<Requirement>,
    preference: Option<Preference>,
    acquisition: Acquisition,
}

impl<'a> Model<'a> {
    fn new(
        design: &'a Design,
        history: &History,
        theta: &[f64],
        training: Training,
        trial: TrialId,
        warped: bool,
    ) -> Result<Self, CholeskyError> {
        let data = TrainingSet::new(design.columns(), &training.rows, &training.targets);
        let warped = warped && data.len() >= WARPED_MIN;
        let known = data.len() + training.left_out;
        let theta = from_theta(theta, design.columns().len());
        let mut process = condition(data, known, theta, warped)?;
        let requirements = requirements(design.columns(), &training)?;
        let mut incumbent = incumbent(&process, &training);
        for params in in_trial_order(&history.pending) {
            let believed = process.believe(&design.row(params));
            // Where there are constraints, nobody knows whether a pending trial keeps them.
            if training.constraints.is_empty() {
                incumbent = incumbent.map(|incumbent| incumbent.max(believed));
            }
        }
        let exploits = process.hyperparameters().noise_variance > NOISE_LARGE && trial.0.is_multiple_of(2);
        let acquisition = match incumbent {
            None => Acquisition::Indifferent,
            Some(_) if exploits => Acquisition::UpperConfidenceBound { deviations: 0.0 },
            Some(incumbent) => Acquisition::LogExpectedImprovement { incumbent },
        };
        let preference = preference(design, history, training.observations);
        let theta = to_theta(process.hyperparameters());
        let growth = None;
        Ok(Self { design, training, process, growth, theta, requirements, preference, acquisition })
    }

    /// Growth of the front, or a weighting of the objectives, by turns.
    fn of_several(
        design: &'a Design<'a>,
        history: &History,
        training: Training,
        trial: TrialId,
        seed: u64,
    ) -> Result<Self, CholeskyError> {
        let count = training.by_objective.len();
        let (turn, mut known) =
            (trial.0 % TURNS, parts(&history.theta, count + 1, design.columns().len() + 2));
        if turn == TURN_WIDE || turn == TURN_NEAR {
            let margin = if turn == TURN_WIDE && count == 2 { MARGIN_WIDE } else { MARGIN };
            let key = derive(&[seed, stream::WEIGHTS, trial.0]);
            return Self::of_front(design, history, training, known, margin, key);
        }
        let model = Self::new(design, history, &known[count], training, trial, false)?;
        known[count].clone_from(&model.theta);
        Ok(Self { theta: known.concat(), ..model })
    }

    /// A model of each objective. Pending trials are believed to end at the means; where no result keeps the
    /// constraints, only these count. `known` holds the parameters of earlier models, and `key` chooses rows of the front.
    fn of_front(
        design: &'a Design<'a>,
        history: &History,
        training: Training,
        mut known: Vec<Vec<f64>>,
        margin: f64,
        key: u64,
    ) -> Result<Self, CholeskyError> {
        let columns = design.columns();
        let mut models = Vec::with_capacity(training.by_objective.len());
        for (targets, known) in training.by_objective.iter().zip(&mut known) {
            let data = TrainingSet::new(columns, &training.rows, targets);
            let model = condition(data, training.rows.len(), from_theta(known, columns.len()), false)?;
            *known = to_theta(model.hyperparameters());
            models.push(model);
        }
        let mut rows: Vec<Vec<f64>> =
            training.feasible.iter().map(|&row| training.rows[row].clone()).collect();
        for params in in_trial_order(&history.pending) {
            let row = design.row(params);
            for model in &mut models {
                model.believe(&row);
            }
            if training.constraints.is_empty() {
                rows.push(row);
            }
        }
        let requirements = requirements(columns, &training)?;
        let process = models.remove(0);
        let growth = (!rows.is_empty()).then(|| Growth::new(&process, models, &rows, margin, key));
        let preference = preference(design, history, training.observations);
        let (acquisition, theta) = (Acquisition::Indifferent, known.concat());
        Ok(Self { design, training, process, growth, theta, requirements, preference, acquisition })
    }

    fn suggest(
        &self,
        space: &SearchSpace,
        history: &History,
        trial: TrialId,
        seed: u64,
    ) -> Result<Suggestion, SuggestError> {
        let ranked = self.rank(space, trial, seed);
        if let Some(found) = ranked.into_iter().find_map(|candidate| self.untried(candidate, history)) {
            return Ok(found);
        }
        let params = fresh::draw(space, history, trial, seed)?;
        let reason = "a random configuration, because all that the model proposed have been tried".into();
        Ok(Suggestion::plain(params, "random", reason))
    }

    /// Candidates in descending order of expected improvement.
    fn rank(&self, space: &SearchSpace, trial: TrialId, seed: u64) -> Vec<Candidate> {
        let surface = Surface {
            model: &self.process,
            acquisition: self.acquisition,
            growth: self.growth.as_ref(),
            requirements: &self.requirements,
            preference: self.preference.as_ref(),
        };
        let canonicalise = |row: &mut [f64], active: &mut [bool]| self.design.canonicalise(row, active);
        let problem = SearchProblem { columns: self.design.columns(), canonicalise: &canonicalise };
        let key = derive(&[seed, stream::PERTURBATIONS, trial.0]);
        maximize(&surface, problem, candidates(self.design, space, trial, seed), key)
    }

    fn reason(&self) -> String {
        let Training { observations, fidelity, objectives, .. } = self.training;
        let goal = match (self.acquisition, objectives) {
            _ if self.growth.is_some() => {
                format!("largest expected growth of the front of {objectives} objectives")
            }
            (Acquisition::Indifferent, _) => "largest probability to keep the constraints".into(),
            (Acquisition::UpperConfidenceBound { .. }, _) => "largest mean, since results are noisy,".into(),
            (_, 1) => "largest expected improvement".into(),
            (_, count) => format!("largest expected improvement of a random weighting of {count} objectives"),
        };
        format!("{goal} over {observations} results at fidelity {fidelity}")
    }

    fn untried(&self, candidate: Candidate, history: &History) -> Option<Suggestion> {
        let params = self.design.params(&candidate.point);
        if history.contains(&params) {
            return None;
        }
        let origin = Origin {
            model: "gp-logei".into(),
            reason: self.reason(),
            observations: self.training.observations as u64,
            acquisition: Some(candidate.value),
            theta: self.theta.clone(),
            ..Origin::default()
        };
        Some(Suggestion { params, origin })
    }
}

/// Rows to begin a search with: a small finite space whole; otherwise the next stretch of a Sobol sequence.
pub(crate) fn candidates(design: &Design, space: &SearchSpace, trial: TrialId, seed: u64) -> Vec<Vec<f64>> {
    if let Some(size) = space.size().filter(|&size| size <= CANDIDATES) {
        return (0..size).map(|index| design.row_at(index)).collect();
    }
    let sobol = Sobol::new(design.columns().len(), derive(&[seed, stream::CANDIDATES]));
    let first = CANDIDATES * trial.0;
    (first..first + CANDIDATES).map(|index| design.row_from_units(&sobol.point(index))).collect()
}

/// The value that an improvement must exceed; `None` where no result keeps the constraints.
fn incumbent(process: &GaussianProcess, training: &Training) -> Option<f64> {
    if training.constraints.is_empty() {
        return process.incumbent();
    }
    let rows: Vec<Vec<f64>> = training.feasible.iter().map(|&row| training.rows[row].clone()).collect();
    process.predict(&rows).into_iter().map(|found| found.mean).max_by(f64::total_cmp)
}

/// Models of what must hold: that trials succeed, and every constraint.
pub(crate) fn requirements(
    columns: &[Column],
    training: &Training,
) -> Result<Vec<Requirement>, CholeskyError> {
    let success = training.labels.as_ref().map(|labels| {
        let data = TrainingSet::new(columns, &training.rows, labels);
        let model = fit(data, &FitOptions::default())?;
        Ok(Requirement { model, threshold: 0.0, log_probability_min: LOG_SUCCESS_MIN })
    });
    let constraints = training.constraints.iter().filter_map(|c| c.requirement(columns));
    success.into_iter().chain(constraints).collect()
}

/// The user's weights and defaults, which lose their weight as results come in.
fn preference(design: &Design, history: &History, observations: usize) -> Option<Preference> {
    let strength = preference_strength(history.budget, observations);
    design.beliefs().map(|beliefs| Preference::new(design.columns(), beliefs, strength))
}

/// How much the user's weights and defaults count after so many results.
pub(crate) fn preference_strength(budget: Option<u64>, observations: usize) -> f64 {
    let budget = budget.unwrap_or(BUDGET_USUAL) as f64;
    (PREFERENCE_SHARE * budget).max(PREFERENCE_MIN) / observations.max(1) as f64
}

/// Fits the covariance parameters, or, with many rows, mostly keeps those of the last fit. `known` counts the rows
/// that were left out, too.
pub(crate) fn condition(
    data: TrainingSet,
    known: usize,
    warm_start: Option<Hyperparameters>,
    warped: bool,
) -> Result<GaussianProcess, CholeskyError> {
    match warm_start {
        Some(kept) if known > FITTED_ALWAYS && !known.is_multiple_of(known / FIT_SHARE) => {
            GaussianProcess::condition(data, kept)
        }
        warm_start => fit(data, &FitOptions { warm_start, deterministic: false, warped }),
    }
}

/// Lengthscales, signal variance, noise variance, and the exponents of all warps, if there are any.
pub(crate) fn to_theta(hyperparameters: &Hyperparameters) -> Vec<f64> {
    let mut theta = hyperparameters.lengthscales.clone();
    theta.extend([hyperparameters.signal_variance, hyperparameters.noise_variance]);
    theta.extend(hyperparameters.warps.iter().flat_map(|warp| [warp.a, warp.b]));
    theta
}

/// Reads what [`to_theta`] wrote; another space's parameters, or none, give `None`.
pub(crate) fn from_theta(theta: &[f64], dimension: usize) -> Option<Hyperparameters> {
    let known = theta.len() == dimension + 2 || theta.len() == 3 * dimension + 2;
    let sound = known && theta.iter().all(|value| value.is_finite() && *value > 0.0);
    sound.then(|| {
        let (lengthscales, rest) = theta.split_at(dimension);
        let warps = rest[2..].as_chunks::<2>().0.iter().map(|&[a, b]| InputWarp { a, b }).collect();
        let plain = Hyperparameters::with_unknown_mean(lengthscales.to_vec(), rest[0], rest[1]);
        Hyperparameters { warps, ..plain }
    })
}

/// Splits the parameters of so many models; zeros, which [`from_theta`] refuses, where they are not those.
fn parts(theta: &[f64], count: usize, size: usize) -> Vec<Vec<f64>> {
    match theta.len() == count * size {
        true => theta.chunks_exact(size).map(<[f64]>::to_vec).collect(),
        false => vec![vec![0.0; size]; count],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_several_models_are_kept_apart() {
        let known = parts(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3);
        assert_eq!(known, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let unknown = parts(&[1.0, 2.0, 3.0], 2, 3);
        assert_eq!((unknown.len(), from_theta(&unknown[1], 1)), (2, None));
    }

    #[test]
    fn theta_of_another_space_is_ignored() {
        let theta = [0.5, 0.25, 1.0, 1e-2];
        assert_eq!(to_theta(&from_theta(&theta, 2).unwrap()), theta);
        assert_eq!(from_theta(&theta, 3), None);
        let warped = [0.5, 1.0, 1e-2, 0.7, 1.3];
        assert_eq!(to_theta(&from_theta(&warped, 1).unwrap()), warped);
        assert_eq!(from_theta(&[0.5, 0.25, 1.0, f64::NAN], 2), None);
        assert_eq!(from_theta(&[], 0), None);
    }
}
