//! What samplers are tried on: a problem, or learning curves.

use automl_core::SearchSpace;
use automl_testkit::problems::{CurveDefinition, Curves, Definition, Problem};

/// A definition of either kind.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    Problem(Definition),
    Curves(CurveDefinition),
}

impl Subject {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Subject::Problem(definition) => definition.name,
            Subject::Curves(definition) => definition.name,
        }
    }

    pub(crate) fn family(&self) -> &'static str {
        match self {
            Subject::Problem(definition) => definition.family.name(),
            Subject::Curves(definition) => definition.family(),
        }
    }

    /// Returns the number of parameters of the first instance.
    pub(crate) fn dimension(&self) -> usize {
        self.instance(1).space().parameters().len()
    }

    /// Draws the instance that belongs to `seed`.
    pub(crate) fn instance(&self, seed: u64) -> Instance {
        match self {
            Subject::Problem(definition) => Instance::Problem(definition.instance(seed)),
            Subject::Curves(definition) => Instance::Curves(definition.name, definition.instance(seed)),
        }
    }
}

/// An instance of either kind.
pub(crate) enum Instance {
    Problem(Problem),
    Curves(&'static str, Curves),
}

impl Instance {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Instance::Problem(problem) => problem.name,
            Instance::Curves(name, _) => name,
        }
    }

    pub(crate) fn space(&self) -> &SearchSpace {
        match self {
            Instance::Problem(problem) => &problem.space,
            Instance::Curves(_, curves) => curves.space(),
        }
    }

    /// Returns a number that changes when the instance does.
    pub(crate) fn fingerprint(&self) -> u64 {
        match self {
            Instance::Problem(problem) => problem.fingerprint(),
            Instance::Curves(_, curves) => curves.fingerprint(),
        }
    }
}
