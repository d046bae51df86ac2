//! The samplers seen from outside: validity, determinism, convergence.

mod common;
mod convergence;
mod properties;
mod recorded;
mod sobol;
