//! The sudden death of an engine: its stack is unwound past every handler of errors.

use super::chance::Chance;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

/// What unwinds when an engine dies.
struct Crash;

/// Decides at which of its effects an engine dies.
pub(crate) struct Crashes {
    pub(crate) chance: Rc<Chance>,
    rate: f64,
    /// Dies at the effect of this number, whatever the rate says.
    at: Option<u64>,
    effects: Cell<u64>,
}

impl Crashes {
    pub(crate) fn new(chance: Rc<Chance>, rate: f64, at: Option<u64>) -> Rc<Self> {
        Rc::new(Crashes { chance, rate, at, effects: Cell::new(0) })
    }

    /// An effect begins or has just been had: the engine may die here.
    pub(crate) fn may_strike(&self) {
        let effect = self.effects.get();
        self.effects.set(effect + 1);
        if self.at == Some(effect) || self.chance.happens(self.rate) {
            // Past the panic hook: this is no news for people.
            resume_unwind(Box::new(Crash));
        }
    }

    /// Returns how many effects there were.
    pub(crate) fn effects(&self) -> u64 {
        self.effects.get()
    }
}

/// Does some work of an engine; `None` when it died.
pub(crate) fn survive<T>(work: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => Some(done),
        Err(panic) if panic.is::<Crash>() => None,
        Err(panic) => resume_unwind(panic),
    }
}
