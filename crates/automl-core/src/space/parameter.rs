//! One dimension of a search space.

use super::distribution::Distribution;
use crate::value::{ParamValue, Params};
use serde::{Deserialize, Serialize};

/// A named distribution, its default, and the conditions under which it exists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Name; for networks the dotted path of the key in the spec, for example `train.lr`.
    pub name: String,
    /// The values it may take.
    pub distribution: Distribution,
    /// The value a user would start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<ParamValue>,
    /// All must hold for the parameter to be active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl Parameter {
    /// Returns an unconditional parameter without a default.
    pub fn new(name: impl Into<String>, distribution: Distribution) -> Self {
        Parameter { name: name.into(), distribution, default: None, conditions: Vec::new() }
    }

    /// Tells whether all conditions hold under the (parents') values given.
    #[must_use]
    pub fn is_active(&self, params: &Params) -> bool {
        self.conditions.iter().all(|c| c.holds(params))
    }
}

/// `parent` has one of `values`. An inactive parent fails the condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Name of the parameter that decides.
    pub parent: String,
    /// Values of the parent under which the child is active.
    #[serde(rename = "in")]
    pub values: Vec<ParamValue>,
}

impl Condition {
    fn holds(&self, params: &Params) -> bool {
        params.get(&self.parent).is_some_and(|value| self.values.iter().any(|v| v.same_as(value)))
    }
}
