//! What samplers are tried on: a problem, learning curves, or a problem with several objectives.

use automl_core::SearchSpace;
use automl_testkit::problems::{
    CurveDefinition, Curves, Definition, Problem, TradeOff, TradeOffDefinition, curve_definitions,
    definitions, trade_off_definitions,
};

/// What a comparison is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Problems,
    Curves,
    Objectives,
}

impl Kind {
    /// Returns everything of this kind.
    pub(crate) fn subjects(self) -> Vec<Subject> {
        match self {
            Kind::Problems => definitions().into_iter().map(Subject::Problem).collect(),
            Kind::Curves => curve_definitions().into_iter().map(Subject::Curves).collect(),
            Kind::Objectives => trade_off_definitions().into_iter().map(Subject::Objectives).collect(),
        }
    }
}

/// A definition of any kind.
#[derive(Clone, Copy)]
pub(crate) enum Subject {
    Problem(Definition),
    Curves(CurveDefinition),
    Objectives(TradeOffDefinition),
}

impl Subject {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Subject::Problem(definition) => definition.name,
            Subject::Curves(definition) => definition.name,
            Subject::Objectives(definition) => definition.name,
        }
    }

    pub(crate) fn family(&self) -> &'static str {
        match self {
            Subject::Problem(definition) => definition.family.name(),
            Subject::Curves(definition) => definition.family(),
            Subject::Objectives(definition) => definition.family,
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
            Subject::Objectives(definition) => Instance::Objectives(definition.instance(seed)),
        }
    }
}

/// An instance of any kind.
pub(crate) enum Instance {
    Problem(Problem),
    Curves(&'static str, Curves),
    Objectives(TradeOff),
}

impl Instance {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Instance::Problem(_) => Kind::Problems,
            Instance::Curves(..) => Kind::Curves,
            Instance::Objectives(_) => Kind::Objectives,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Instance::Problem(problem) => problem.name,
            Instance::Curves(name, _) => name,
            Instance::Objectives(problem) => problem.name,
        }
    }

    pub(crate) fn space(&self) -> &SearchSpace {
        match self {
            Instance::Problem(problem) => &problem.space,
            Instance::Curves(_, curves) => curves.space(),
            Instance::Objectives(problem) => &problem.space,
        }
    }

    /// Returns a number that changes when the instance does.
    pub(crate) fn fingerprint(&self) -> u64 {
        match self {
            Instance::Problem(problem) => problem.fingerprint(),
            Instance::Curves(_, curves) => curves.fingerprint(),
            Instance::Objectives(problem) => problem.fingerprint(),
        }
    }
}
