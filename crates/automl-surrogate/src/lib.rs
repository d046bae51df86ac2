//! Surrogate models on the unit cube: Gaussian process with acquisition functions, Parzen
//! estimators, covariance matrix adaptation.
//!
//! Rows of `[0, 1]^d` and targets go in, candidates ordered by acquisition value come out. This crate
//! knows no trial, no parameter name, no objective direction and no study: targets are "larger is
//! better" everywhere, and the caller maps its parameters onto [`Column`]s and back.
//!
//! Every function is pure. There is no clock, no generator state and no thread: random numbers are
//! hashes of a key and an index ([`Draws`]), reductions run in a fixed order, and exponentials and
//! logarithms come from a software library, so that equal inputs give equal bits.
//!
//! Reading order: [`column`](Column), kernel, linear algebra, prior, likelihood, fit, process,
//! acquisition, growth, preference, surface, search.

mod acquisition;
mod cmaes;
mod column;
mod divergence;
mod draws;
mod fit;
mod growth;
mod input_warp;
mod kernel;
mod lbfgs;
mod likelihood;
mod linalg;
mod loops;
mod optimize;
mod pairs;
mod parzen;
mod preference;
mod prior;
mod process;
mod reduced;
mod row_blocks;
mod subset;
mod surface;
mod training;
mod truncated;
mod warp;

pub use acquisition::{Acquisition, Slopes, log_h, log_h_derivative, log_normal_distribution};
pub use cmaes::CmaEs;
pub use column::Column;
pub use divergence::{choice_density, grid_density, pearson_divergence};
pub use draws::{Draws, derive, unit_interval};
pub use fit::{FitOptions, fit};
pub use growth::{Front, Growth};
pub use input_warp::InputWarp;
pub use kernel::{Hyperparameters, Kernel, Matern, matern52};
pub use lbfgs::{Minimum, StopRule, minimize};
pub use likelihood::{Likelihood, LikelihoodGradient};
pub use linalg::{Cholesky, CholeskyError};
pub use optimize::{Candidate, SearchProblem, maximize};
pub use parzen::{Axis, Group, Parzen, ParzenOptions};
pub use preference::{Belief, Preference};
pub use prior::{LogPrior, log_prior};
pub use process::{GaussianProcess, Prediction, PredictionGradient};
pub use surface::{LOG_SUCCESS_MIN, Requirement, Surface};
pub use training::TrainingSet;
pub use truncated::{log_normal_mass, truncated_normal_quantile};
pub use warp::{half_rank, impute_infeasible, log_stretch, standardise, warp_targets, warp_targets_about};
