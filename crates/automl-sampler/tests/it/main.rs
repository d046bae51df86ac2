//! The samplers seen from outside: validity, determinism, convergence.

mod common;
mod conformance;
mod convergence;
mod importance;
mod pareto;
mod properties;
mod recorded;
mod sobol;
