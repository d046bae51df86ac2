//! All of a simulation's luck, drawn from its seed.

use automl_core::rng;
use std::cell::Cell;

/// Draws one number after the other; the same ones for the same seed.
pub(crate) struct Chance {
    seed: u64,
    draws: Cell<u64>,
}

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Chance { seed, draws: Cell::new(0) }
    }

    /// Draws from [0, 1).
    pub(crate) fn unit(&self) -> f64 {
        self.draws.set(self.draws.get() + 1);
        rng::uniform(&[self.seed, self.draws.get()])
    }

    pub(crate) fn happens(&self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Draws a whole number below `end`, which is at least 1.
    pub(crate) fn below(&self, end: u64) -> u64 {
        (self.unit() * end as f64) as u64
    }

    pub(crate) fn one_of<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}
