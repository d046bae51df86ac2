//! The samplers seen from outside: validity, determinism, convergence.

mod common;
mod convergence;
mod goals;
mod pareto;
mod properties;
mod recorded;
mod sobol;
