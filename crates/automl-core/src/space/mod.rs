//! The search space: named distributions, their conditions, and the map to the unit cube and back.
//!
//! Samplers and surrogates see rows of numbers in `[0, 1]`; programs see values. [`SearchSpace`] is
//! the only place that turns one into the other.

mod complete;
mod distribution;
mod parameter;
mod validate;

pub use distribution::{Distribution, DistributionError, Encoding, Scale, log_scale_by_rule};
pub use parameter::{Condition, Parameter};
pub use validate::{ParamProblem, SpaceProblem};

use crate::value::Params;
use serde::{Deserialize, Serialize};

/// Unit value of a numeric parameter that is inactive under its conditions.
pub const INACTIVE_NUMERIC: f64 = 0.5;
/// Code of a categorical parameter that is inactive under its conditions.
pub const INACTIVE_CATEGORY: f64 = -1.0;

/// A checked set of parameters: names are unique, every distribution is sound, every condition names
/// an earlier-resolvable parent and there are no cycles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Parameter>", into = "Vec<Parameter>")]
pub struct SearchSpace {
    parameters: Vec<Parameter>,
    /// Indices of `parameters` with every parent before its children.
    top_down: Vec<usize>,
}

impl SearchSpace {
    /// Checks and builds a space.
    ///
    /// # Errors
    /// Every problem found, not only the first.
    pub fn new(parameters: Vec<Parameter>) -> Result<Self, Vec<SpaceProblem>> {
        let top_down = validate::check(&parameters)?;
        Ok(SearchSpace { parameters, top_down })
    }

    /// Returns the parameters in declared order, which is the order of a row's columns.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Returns the parameter of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.name == name)
    }

    /// Returns how each column of a row is to be read, in declared order.
    #[must_use]
    pub fn encodings(&self) -> Vec<Encoding> {
        self.parameters.iter().map(|p| p.distribution.encoding()).collect()
    }

    /// Turns a row of unit values (category codes for categorical parameters) into values. Parents
    /// are decided first; parameters whose conditions fail are left out.
    ///
    /// # Panics
    /// If the row has not one entry for each parameter.
    #[must_use]
    pub fn decode(&self, row: &[f64]) -> Params {
        assert_eq!(row.len(), self.parameters.len(), "one entry for each parameter");
        let mut params = Params::default();
        for &i in &self.top_down {
            let parameter = &self.parameters[i];
            if parameter.is_active(&params) {
                params.0.insert(parameter.name.clone(), parameter.distribution.from_unit(row[i]));
            }
        }
        params
    }

    /// Turns values into a row. Inactive and missing parameters get [`INACTIVE_NUMERIC`] or
    /// [`INACTIVE_CATEGORY`], so that configurations differing only there are the same row.
    #[must_use]
    pub fn encode(&self, params: &Params) -> Vec<f64> {
        let encode_one = |parameter: &Parameter| {
            let distribution = &parameter.distribution;
            let value = params.get(&parameter.name).filter(|_| parameter.is_active(params));
            value.and_then(|v| distribution.to_unit(v)).unwrap_or_else(|| distribution.inactive_code())
        };
        self.parameters.iter().map(encode_one).collect()
    }

    /// Returns the configuration made of every active parameter's default; `None` if one has none.
    #[must_use]
    pub fn defaults(&self) -> Option<Params> {
        let mut params = Params::default();
        for &i in &self.top_down {
            let parameter = &self.parameters[i];
            if parameter.is_active(&params) {
                params.0.insert(parameter.name.clone(), parameter.default.clone()?);
            }
        }
        Some(params)
    }

    /// Returns the number of configurations, or `None` if it is infinite or above 2^53. Conditions
    /// are ignored, so a conditional space may have fewer.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.parameters.iter().try_fold(1_u64, |size, p| {
            let size = size.checked_mul(p.distribution.cardinality()?)?;
            (size <= 1 << 53).then_some(size)
        })
    }

    /// Checks a user's or a sampler's configuration against the space.
    ///
    /// # Errors
    /// Every unknown, missing, inactive-yet-given and out-of-domain parameter.
    pub fn check(&self, params: &Params) -> Result<(), Vec<ParamProblem>> {
        validate::check_params(self, params)
    }
}

impl TryFrom<Vec<Parameter>> for SearchSpace {
    type Error = String;

    fn try_from(parameters: Vec<Parameter>) -> Result<Self, String> {
        SearchSpace::new(parameters)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
}

impl From<SearchSpace> for Vec<Parameter> {
    fn from(space: SearchSpace) -> Self {
        space.parameters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::ParamValue;

    fn int(name: &str, low: i64, high: i64) -> Parameter {
        Parameter::new(name, Distribution::Int { low, high, step: 1, scale: Scale::Linear })
    }

    fn choice(name: &str, choices: &[&str]) -> Parameter {
        let choices = choices.iter().map(|c| ParamValue::Text((*c).into())).collect();
        Parameter::new(name, Distribution::Categorical { choices, weights: None })
    }

    fn conditional() -> SearchSpace {
        let mut child = int("depth", 1, 4);
        child.conditions =
            vec![Condition { parent: "model".into(), values: vec![ParamValue::Text("tree".into())] }];
        SearchSpace::new(vec![child, choice("model", &["tree", "line"])]).unwrap()
    }

    #[test]
    fn children_follow_their_parents() {
        let space = conditional();
        let with = space.decode(&[0.0, 0.0]);
        assert_eq!(with.to_string(), "depth=1 model=tree");
        let without = space.decode(&[0.0, 1.0]);
        assert_eq!(without.to_string(), "model=line");
        assert_eq!(space.encode(&without), vec![INACTIVE_NUMERIC, 1.0]);
    }

    #[test]
    fn inactive_values_make_no_difference() {
        let space = conditional();
        assert_eq!(space.decode(&[0.1, 1.0]), space.decode(&[0.9, 1.0]));
    }

    #[test]
    fn size_counts_configurations() {
        assert_eq!(SearchSpace::new(vec![int("a", 1, 4), choice("b", &["x", "y"])]).unwrap().size(), Some(8));
        let float = Distribution::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: None };
        assert_eq!(SearchSpace::new(vec![Parameter::new("f", float)]).unwrap().size(), None);
    }

    #[test]
    fn space_survives_json() {
        let space = conditional();
        let text = serde_json::to_string(&space).unwrap();
        assert_eq!(serde_json::from_str::<SearchSpace>(&text).unwrap(), space);
    }
}
