//! What samplers are tried on: a problem, or learning curves.

use automl_testkit::problems::{CurveDefinition, Definition};

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

    /// Returns the number of parameters.
    pub(crate) fn dimension(&self) -> usize {
        match self {
            Subject::Problem(definition) => definition.instance(1).space.parameters().len(),
            Subject::Curves(definition) => definition.instance(1).space().parameters().len(),
        }
    }
}
