//! The samplers seen from outside: validity, determinism, convergence.

mod common;
mod conformance;
mod convergence;
mod goals;
mod importance;
mod objectives;
mod pareto;
mod properties;
mod race;
mod recommend;
mod recorded;
mod sobol;
mod transfer;
mod traps;
