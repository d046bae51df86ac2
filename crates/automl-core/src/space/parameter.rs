//! One dimension of a search space.

use super::distribution::Distribution;
use super::relation::{Comparison, Relation};
use crate::value::{ParamValue, Params};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A named distribution, its default, the conditions under which it exists, and what it has to do with others.
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
    /// All restrict the value by those of other parameters, as far as these are active.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<Relation>,
}

impl Parameter {
    /// Returns an unconditional parameter without a default.
    pub fn new(name: impl Into<String>, distribution: Distribution) -> Self {
        Parameter {
            name: name.into(),
            distribution,
            default: None,
            conditions: Vec::new(),
            relations: Vec::new(),
        }
    }

    /// Tells whether all conditions hold under the (parents') values given.
    #[must_use]
    pub fn is_active(&self, params: &Params) -> bool {
        self.conditions.iter().all(|c| c.holds(params))
    }

    /// Returns the distribution that the parents' values leave.
    pub(super) fn allowed(&self, params: &Params) -> Cow<'_, Distribution> {
        if self.relations.is_empty() {
            return Cow::Borrowed(&self.distribution);
        }
        let value = |name: &str| params.get(name).and_then(ParamValue::as_f64);
        let (low, high) = meet(self.relations.iter().map(|relation| relation.allowed(&value)));
        // Never empty for values out of the space itself, as was checked when it was built.
        Cow::Owned(self.distribution.narrowed(low, high).unwrap_or_else(|| self.distribution.clone()))
    }

    /// Returns the unit value and the value of what is given, or of the nearest number that the parents
    /// allow; `None` for an option that does not exist.
    pub(super) fn nearest(&self, given: &ParamValue, params: &Params) -> Option<(f64, ParamValue)> {
        let allowed = self.allowed(params);
        let nearest_option = || allowed.to_unit(&allowed.nearest_option(given.as_f64()?)?);
        let unit = allowed.to_unit(given).or_else(nearest_option)?;
        let value = if allowed.contains(given) { given.clone() } else { allowed.from_unit(unit) };
        Some((unit, value))
    }

    /// Returns the part of the range that is allowed whatever the parents' values are (for values that
    /// an equality dictates: all of them); the error is a relation whose bound cannot be told.
    pub(super) fn allowed_always(
        &self,
        bounds: &dyn Fn(&str) -> Option<(f64, f64)>,
    ) -> Result<(f64, f64), &Relation> {
        let intervals = self.relations.iter().map(|r| r.allowed_always(bounds).ok_or(r));
        Ok(meet(intervals.collect::<Result<Vec<_>, _>>()?))
    }

    /// Tells whether the value is no choice but follows from others.
    pub(super) fn is_dictated(&self) -> bool {
        self.relations.iter().any(|relation| relation.comparison == Comparison::Equal)
    }

    /// Returns the names of the parameters that conditions and relations read.
    pub(super) fn parents(&self) -> impl Iterator<Item = &str> {
        let conditions = self.conditions.iter().map(|condition| condition.parent.as_str());
        conditions.chain(self.relations.iter().flat_map(|relation| relation.bound.names()))
    }
}

/// Intersection of intervals.
fn meet(intervals: impl IntoIterator<Item = (f64, f64)>) -> (f64, f64) {
    let everything = (f64::NEG_INFINITY, f64::INFINITY);
    intervals.into_iter().fold(everything, |(low, high), (from, to)| (low.max(from), high.min(to)))
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
