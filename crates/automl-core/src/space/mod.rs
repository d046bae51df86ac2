//! The search space: named distributions, their conditions, and the map to the unit cube and back.
//!
//! Samplers and surrogates see rows of numbers in `[0, 1]`; programs see values. [`SearchSpace`] is
//! the only place that turns one into the other.
//!
//! Parents are decided before children. A child with relations to others has the whole unit interval for
//! the part of its range that they allow, so every row is a lawful configuration: nothing is drawn and
//! thrown away, and nothing is moved afterwards.

mod complete;
mod distribution;
mod expression;
mod narrow;
mod parameter;
mod relation;
mod validate;
mod words;

pub use distribution::{Distribution, DistributionError, Encoding, Scale, log_scale_by_rule};
pub use expression::Expression;
pub use parameter::{Condition, Parameter};
pub use relation::{Comparison, Relation};
pub use validate::{ParamProblem, SpaceProblem};

use crate::value::Params;
use serde::{Deserialize, Serialize};

/// Unit value of a numeric parameter that is inactive under its conditions.
pub const INACTIVE_NUMERIC: f64 = 0.5;
/// Code of a categorical parameter that is inactive under its conditions.
pub const INACTIVE_CATEGORY: f64 = -1.0;

/// A checked set of parameters: names are unique, every distribution is sound, conditions and relations
/// name parameters and form no cycle, and relations leave every parameter a value whatever the others are.
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

    /// Returns how each column of a row is to be read, in declared order. The cells of a grid that others
    /// restrict vary in number, so such a column is continuous; a value that others dictate is constant.
    #[must_use]
    pub fn encodings(&self) -> Vec<Encoding> {
        let encoding = |p: &Parameter| match p.distribution.encoding() {
            _ if p.is_dictated() => Encoding::Constant,
            Encoding::Grid { .. } if !p.relations.is_empty() => Encoding::Continuous,
            plain => plain,
        };
        self.parameters.iter().map(encoding).collect()
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
                params.insert(parameter.name.clone(), parameter.allowed(&params).from_unit(row[i]));
            }
        }
        params
    }

    /// Turns values into a row. Inactive and missing parameters get [`INACTIVE_NUMERIC`] or
    /// [`INACTIVE_CATEGORY`], so that configurations differing only there are the same row. A number that
    /// the others do not allow is taken for the nearest one that they do.
    #[must_use]
    pub fn encode(&self, params: &Params) -> Vec<f64> {
        let mut row: Vec<f64> = self.parameters.iter().map(|p| p.distribution.inactive_code()).collect();
        let mut lawful = Params::default();
        for &i in &self.top_down {
            let parameter = &self.parameters[i];
            let given = params.get(&parameter.name).filter(|_| parameter.is_active(&lawful));
            let Some((unit, value)) = given.and_then(|value| parameter.nearest(value, &lawful)) else {
                continue;
            };
            row[i] = unit;
            lawful.insert(parameter.name.clone(), value);
        }
        row
    }

    /// Returns the configuration made of every active parameter's default, or the nearest value that the
    /// others' defaults allow; `None` if one has no default.
    #[must_use]
    pub fn defaults(&self) -> Option<Params> {
        let mut params = Params::default();
        for &i in &self.top_down {
            let parameter = &self.parameters[i];
            if parameter.is_active(&params) {
                let (_, value) = parameter.nearest(parameter.default.as_ref()?, &params)?;
                params.insert(parameter.name.clone(), value);
            }
        }
        Some(params)
    }

    /// Returns the number of configurations, or `None` if it is infinite or above 2^53. Conditions
    /// and relations are ignored, so there may be fewer.
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

    fn related(relation: &str, parent: Parameter, child: Parameter) -> SearchSpace {
        let child = Parameter { relations: vec![relation.parse().unwrap()], ..child };
        SearchSpace::new(vec![child, parent]).unwrap()
    }

    #[test]
    fn children_fill_what_their_parents_leave() {
        let space = related("> low", int("low", 1, 9), int("high", 1, 10));
        assert_eq!(space.decode(&[0.0, 0.99]).to_string(), "high=10 low=9");
        assert_eq!(space.decode(&[0.0, 0.0]).to_string(), "high=2 low=1");
        assert_eq!(space.decode(&[1.0, 0.0]).to_string(), "high=10 low=1");
        assert_eq!(space.encodings(), [Encoding::Continuous, Encoding::Grid { levels: 9 }]);
    }

    #[test]
    fn every_lawful_configuration_has_its_row() {
        let space = related("<= 2*n - 1", int("n", 1, 5), int("m", 1, 8));
        for n in 1..=5 {
            for m in 1..=8.min(2 * n - 1) {
                let params: Params = [("n", n), ("m", m)]
                    .map(|(k, v)| (k.to_string(), ParamValue::Int(v)))
                    .into_iter()
                    .collect();
                assert_eq!(space.check(&params), Ok(()));
                assert_eq!(space.decode(&space.encode(&params)), params);
            }
        }
    }

    #[test]
    fn values_may_follow_from_others() {
        let space = related("== floor(n / 2)", int("n", 2, 9), int("half", 1, 4));
        assert_eq!(space.decode(&[0.0, 0.99]).to_string(), "half=4 n=9");
        assert_eq!(space.encodings()[0], Encoding::Constant);
    }

    #[test]
    fn unlawful_values_are_taken_for_the_nearest() {
        let low = Parameter { default: Some(ParamValue::Int(6)), ..int("low", 1, 9) };
        let high = Parameter { default: Some(ParamValue::Int(3)), ..int("high", 1, 10) };
        let space = related("> low", low, high);
        let defaults = space.defaults().unwrap();
        assert_eq!(defaults.to_string(), "high=7 low=6");
        let foreign: Params =
            [("low", 6), ("high", 3)].map(|(k, v)| (k.to_string(), ParamValue::Int(v))).into_iter().collect();
        let text: Vec<String> = space.check(&foreign).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(text, ["`high`: 3 is not > low"]);
        assert_eq!(space.decode(&space.encode(&foreign)), defaults);
    }

    #[test]
    fn spaces_of_earlier_versions_still_read() {
        let text = r#"[{"name": "batch", "distribution": {"type": "ordinal", "choices": [1, 2]}}]"#;
        let space: SearchSpace = serde_json::from_str(text).unwrap();
        assert_eq!(space.parameters()[0].relations, []);
        assert_eq!(serde_json::to_string(&space).unwrap(), text.replace(": ", ":").replace(", ", ","));
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
