//! Bayesian optimisation: a Gaussian process over all results, and the point of largest promise.
//!
//! The space's default configuration comes first, then scrambled Sobol points, then the model. Pending
//! trials are believed to end at the model's mean there ("Kriging believer"), and the incumbent is raised
//! to the best believed value: the neighbours of a promising pending trial would be proposed otherwise.
//! Where the model has nothing to say (equal results, a covariance that cannot be factored) the Sobol
//! sequence goes on; that is never an error.

use std::collections::BTreeSet;

use automl_core::rng::derive;
use automl_core::{Origin, SearchSpace, TrialId};
use automl_surrogate::{
    Acquisition, Candidate, CholeskyError, FitOptions, GaussianProcess, Hyperparameters, SearchProblem,
    Surface, TrainingSet, fit, maximize,
};

use crate::design::Design;
use crate::quasi::suggest_point;
use crate::training::{RESULTS_MIN, Training, in_trial_order};
use crate::{History, Sampler, Sobol, SuggestError, Suggestion, fresh, stream};

/// Trials before the model takes over, and fewer of them in up to two dimensions.
const STARTUP: u64 = 10;
const STARTUP_LOW_DIMENSION: u64 = 6;
/// A study of known length spends at most a quarter of it on startup, but at least three trials.
const STARTUP_MIN: u64 = 3;
/// Sobol points among which the acquisition search starts.
const CANDIDATES: u64 = 1024;
/// Rows up to which the model is fitted anew at every suggestion; beyond, every twentieth of them.
const FITTED_ALWAYS: usize = 100;
const FIT_SHARE: usize = 20;

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
        let history = &*history.within(space);
        let trials = history.trials() as u64;
        if let Some(params) = space.defaults().filter(|_| trials == 0) {
            let reason = "the default configuration, tried first".into();
            return Ok(Suggestion::plain(params, "default", reason));
        }
        let design = Design::new(space);
        let startup = startup_trials(design.columns().len(), history.budget);
        if trials < startup {
            let why = format!("trial {} of {startup} before the model", trials + 1);
            return suggest_point(space, history, trial, seed, &why);
        }
        let results_min = RESULTS_MIN.min(startup as usize);
        let training = Training::new(&design, history, results_min).filter(|training| !training.is_flat());
        let why = match training.map(|training| Model::new(&design, history, training)) {
            Some(Ok(model)) => return model.suggest(space, history, trial, seed),
            Some(Err(error)) => format!("the model failed: {error}"),
            None => format!("fewer than {results_min} results are known, or all are equal"),
        };
        suggest_point(space, history, trial, seed, &why)
    }
}

pub(crate) fn startup_trials(dimension: usize, budget: Option<u64>) -> u64 {
    let usual = if dimension <= 2 { STARTUP_LOW_DIMENSION } else { STARTUP };
    budget.map_or(usual, |budget| usual.min((budget / 4).max(STARTUP_MIN)))
}

/// Everything that one suggestion is computed from.
struct Model<'a> {
    design: &'a Design<'a>,
    training: Training,
    process: GaussianProcess,
    feasibility: Option<GaussianProcess>,
    /// The value to be exceeded, believed results included.
    incumbent: f64,
}

impl<'a> Model<'a> {
    fn new(design: &'a Design, history: &History, training: Training) -> Result<Self, CholeskyError> {
        let data = TrainingSet::new(design.columns(), &training.rows, &training.targets);
        let mut process = condition(data, from_theta(&history.theta, design.columns().len()))?;
        let labelled = |labels: &Vec<f64>| TrainingSet::new(design.columns(), &training.rows, labels);
        let fit_labels = |labels| fit(labelled(labels), &FitOptions::default());
        let feasibility = training.labels.as_ref().map(fit_labels).transpose()?;
        let mut incumbent = process.incumbent().expect("a model has results");
        for params in in_trial_order(&history.pending) {
            incumbent = incumbent.max(process.believe(&design.row(params)));
        }
        Ok(Self { design, training, process, feasibility, incumbent })
    }

    fn suggest(
        &self,
        space: &SearchSpace,
        history: &History,
        trial: TrialId,
        seed: u64,
    ) -> Result<Suggestion, SuggestError> {
        let tried = history.keys();
        let ranked = self.rank(space, trial, seed);
        if let Some(found) = ranked.into_iter().find_map(|candidate| self.untried(candidate, &tried)) {
            return Ok(found);
        }
        let params = fresh::draw(space, &tried, trial, seed)?;
        let reason = "a random configuration, because all that the model proposed have been tried".into();
        Ok(Suggestion::plain(params, "random", reason))
    }

    /// Candidates in descending order of expected improvement.
    fn rank(&self, space: &SearchSpace, trial: TrialId, seed: u64) -> Vec<Candidate> {
        let acquisition = Acquisition::LogExpectedImprovement { incumbent: self.incumbent };
        let surface = Surface { model: &self.process, acquisition, feasibility: self.feasibility.as_ref() };
        let canonicalise = |row: &mut [f64], active: &mut [bool]| self.design.canonicalise(row, active);
        let problem = SearchProblem { columns: self.design.columns(), canonicalise: &canonicalise };
        let key = derive(&[seed, stream::PERTURBATIONS, trial.0]);
        maximize(&surface, problem, self.candidates(space, trial, seed), key)
    }

    /// A small finite space whole; otherwise the next stretch of a Sobol sequence.
    fn candidates(&self, space: &SearchSpace, trial: TrialId, seed: u64) -> Vec<Vec<f64>> {
        if let Some(size) = space.size().filter(|&size| size <= CANDIDATES) {
            return (0..size).map(|index| self.design.row_at(index)).collect();
        }
        let sobol = Sobol::new(self.design.columns().len(), derive(&[seed, stream::CANDIDATES]));
        let first = CANDIDATES * trial.0;
        (first..first + CANDIDATES).map(|index| self.design.row_from_units(&sobol.point(index))).collect()
    }

    fn untried(&self, candidate: Candidate, tried: &BTreeSet<String>) -> Option<Suggestion> {
        let params = self.design.params(&candidate.point);
        if tried.contains(&params.key()) {
            return None;
        }
        let origin = Origin {
            model: "gp-logei".into(),
            reason: format!(
                "largest expected improvement over {} results at fidelity {}",
                self.training.observations, self.training.fidelity
            ),
            observations: self.training.observations as u64,
            acquisition: Some(candidate.value),
            theta: to_theta(self.process.hyperparameters()),
        };
        Some(Suggestion { params, origin })
    }
}

/// Fits the covariance parameters, or, with many rows, mostly keeps those of the last fit.
fn condition(
    data: TrainingSet,
    warm_start: Option<Hyperparameters>,
) -> Result<GaussianProcess, CholeskyError> {
    match warm_start {
        Some(kept) if data.len() > FITTED_ALWAYS && !data.len().is_multiple_of(data.len() / FIT_SHARE) => {
            GaussianProcess::condition(data, kept)
        }
        warm_start => fit(data, &FitOptions { warm_start, deterministic: false }),
    }
}

/// Lengthscales, signal variance, noise variance.
fn to_theta(hyperparameters: &Hyperparameters) -> Vec<f64> {
    let mut theta = hyperparameters.lengthscales.clone();
    theta.extend([hyperparameters.signal_variance, hyperparameters.noise_variance]);
    theta
}

/// Reads what [`to_theta`] wrote; another space's parameters, or none, give `None`.
fn from_theta(theta: &[f64], dimension: usize) -> Option<Hyperparameters> {
    let sound = theta.len() == dimension + 2 && theta.iter().all(|value| value.is_finite() && *value > 0.0);
    sound.then(|| Hyperparameters {
        lengthscales: theta[..dimension].to_vec(),
        signal_variance: theta[dimension],
        noise_variance: theta[dimension + 1],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn startup_depends_on_dimension_and_budget() {
        assert_eq!(startup_trials(2, None), 6);
        assert_eq!(startup_trials(3, None), 10);
        assert_eq!(startup_trials(3, Some(20)), 5);
        assert_eq!(startup_trials(3, Some(4)), 3);
        assert_eq!(startup_trials(3, Some(400)), 10);
    }

    #[test]
    fn theta_of_another_space_is_ignored() {
        let theta = [0.5, 0.25, 1.0, 1e-2];
        assert_eq!(to_theta(&from_theta(&theta, 2).unwrap()), theta);
        assert_eq!(from_theta(&theta, 3), None);
        assert_eq!(from_theta(&[0.5, 0.25, 1.0, f64::NAN], 2), None);
        assert_eq!(from_theta(&[], 0), None);
    }
}
