//! History in, next parameters out.
//!
//! A [`Sampler`] is a pure function: the same space, history, trial number and seed give the same
//! suggestion, bit for bit, in whatever order anything else happened. Nothing is remembered between
//! calls; even the starting point of a model fit arrives in the [`History`].
//!
//! A sampler may not know which trial runs how long (`automl-scheduler`), how trials are run, or what a
//! metric is called: losses are oriented so that smaller is better before they get here.
//!
//! [`SamplerKind`] is the recipe that settings hold; [`SamplerKind::build`] makes the sampler.

mod auto;
mod axes;
mod bayes;
mod bohb;
mod cma;
mod constraints;
mod design;
mod evolve;
mod fresh;
mod history;
mod importance;
mod pareto;
mod quasi;
mod race;
mod random;
mod recommend;
mod scalarise;
mod sobol;
mod sobol_table;
mod split;
mod startup;
mod tpe;
mod training;

use automl_core::{Origin, Params, SearchSpace, TrialId};
use thiserror::Error;

pub use auto::Auto;
pub use bayes::{Bayesian, Warped};
pub use bohb::Bohb;
pub use cma::Cma;
pub use evolve::{Ancestor, differential, perturbed};
pub use history::{History, Observation};
pub use importance::{Importance, importance};
pub use pareto::{dominates, domination_ranks, hypervolume, pareto_front};
pub use quasi::Quasi;
pub use race::{Chosen, Contender, Contest, Start, choose};
pub use random::Random;
pub use recommend::{Recommendation, recommend};
pub use sobol::Sobol;
pub use tpe::Tpe;

/// Proposes the configuration of the next trial.
pub trait Sampler {
    /// Returns a configuration that no trial of `history` has had.
    ///
    /// `trial` is the number of the trial that asks, counted from 1; `seed` is the study's seed. The
    /// result satisfies `space.check`. Only in an infinite space whose active part is finite may a
    /// configuration come twice, after every attempt at another one failed.
    ///
    /// # Errors
    /// [`SuggestError::Exhausted`] when a finite space has no configuration left.
    fn suggest(
        &self,
        space: &SearchSpace,
        history: &History,
        trial: TrialId,
        seed: u64,
    ) -> Result<Suggestion, SuggestError>;
}

/// Which sampler a study uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SamplerKind {
    /// Independent draws.
    Random,
    /// A scrambled Sobol sequence.
    Sobol,
    /// Gaussian process with log expected improvement.
    Bayesian,
    /// The same, with a model that may bend numeric parameters.
    Warped,
    /// Tree-structured Parzen estimator.
    Tpe,
    /// The same, but for one trial in three.
    Bohb,
    /// Covariance matrix adaptation.
    CmaEs,
    /// The model that suits the space and the number of results.
    Auto,
}

impl SamplerKind {
    /// All kinds.
    pub const ALL: [SamplerKind; 8] = [
        SamplerKind::Random,
        SamplerKind::Sobol,
        SamplerKind::Bayesian,
        SamplerKind::Warped,
        SamplerKind::Tpe,
        SamplerKind::Bohb,
        SamplerKind::CmaEs,
        SamplerKind::Auto,
    ];

    /// Makes the sampler.
    pub fn build(self) -> Box<dyn Sampler> {
        match self {
            SamplerKind::Random => Box::new(Random),
            SamplerKind::Sobol => Box::new(Quasi),
            SamplerKind::Bayesian => Box::new(Bayesian),
            SamplerKind::Warped => Box::new(Warped),
            SamplerKind::Tpe => Box::new(Tpe),
            SamplerKind::Bohb => Box::new(Bohb),
            SamplerKind::CmaEs => Box::new(Cma::default()),
            SamplerKind::Auto => Box::new(Auto),
        }
    }
}

/// A configuration, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The values of the new trial.
    pub params: Params,
    /// Who proposed it and why; its `theta` goes into the [`History`] of later calls.
    pub origin: Origin,
}

impl Suggestion {
    /// A configuration that no fitted model stands behind.
    pub(crate) fn plain(params: Params, model: &str, reason: String) -> Self {
        Self { params, origin: Origin { model: model.into(), reason, ..Origin::default() } }
    }
}

/// Why there is no suggestion.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SuggestError {
    /// Every configuration of a finite space has had its trial.
    #[error(
        "all configurations of the search space have been tried ({tried} trials, at most {size} configurations); \
         widen the space or stop here"
    )]
    Exhausted {
        /// Upper bound on the number of configurations.
        size: u64,
        /// Number of different configurations tried so far.
        tried: u64,
    },
}

/// Words that keep the random numbers of different purposes apart.
pub(crate) mod stream {
    /// Scrambling of the Sobol sequence of trials.
    pub(crate) const DESIGN: u64 = 1;
    /// Independent draws.
    pub(crate) const FRESH: u64 = 2;
    /// Scrambling of the Sobol sequence of candidates.
    pub(crate) const CANDIDATES: u64 = 3;
    /// Perturbations of good configurations.
    pub(crate) const PERTURBATIONS: u64 = 4;
    /// Draws from Parzen estimators.
    pub(crate) const PARZEN: u64 = 5;
    /// Standard normals of samples.
    pub(crate) const NORMALS: u64 = 6;
    /// Centres after a restart.
    pub(crate) const RESTARTS: u64 = 7;
    /// Weights of several objectives.
    pub(crate) const WEIGHTS: u64 = 20;
    /// Differences, crossings and changes of copies.
    pub(crate) const EVOLUTION: u64 = 8;
    /// Which trials a model has no say in.
    pub(crate) const WITHOUT_MODEL: u64 = 9;
}
