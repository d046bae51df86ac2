//! What a parameter's value has to do with the values of others: `> depth`, `<= 2*width - 1`.
//!
//! A relation never rejects anything after the fact. [`SearchSpace`](super::SearchSpace) decides parents
//! first and maps the child's unit interval onto the part of its range that they allow; that this part is
//! never empty is checked when the space is built, from the parents' whole ranges. A relation whose
//! parents are inactive does not apply.

use super::expression::Expression;
use crate::value::{ParamValue, Params};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How a value compares with a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `==`; the value follows from the others and is no choice.
    Equal,
}

impl Comparison {
    /// Signs and their meaning; longer signs come before their own beginnings.
    const SIGNS: [(&str, Comparison); 5] = [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("==", Comparison::Equal),
        ("<", Comparison::Below),
        (">", Comparison::Above),
    ];

    /// Splits the sign off the front of a text.
    #[must_use]
    pub fn strip(text: &str) -> Option<(Comparison, &str)> {
        let text = text.trim_start();
        Self::SIGNS.iter().find_map(|(sign, comparison)| Some((*comparison, text.strip_prefix(sign)?)))
    }

    /// Tells whether a value compares so with a bound.
    #[must_use]
    pub fn holds(self, value: f64, bound: f64) -> bool {
        let (low, high) = self.allowed(bound);
        value >= low && value <= high
    }

    /// Returns the smallest and the largest number that compare so with `bound`.
    fn allowed(self, bound: f64) -> (f64, f64) {
        match self {
            Comparison::Below => (f64::NEG_INFINITY, bound.next_down()),
            Comparison::AtMost => (f64::NEG_INFINITY, bound),
            Comparison::Above => (bound.next_up(), f64::INFINITY),
            Comparison::AtLeast => (bound, f64::INFINITY),
            Comparison::Equal => (bound, bound),
        }
    }
}

/// `value <comparison> bound`, where the bound is computed from other parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Relation {
    /// How the value compares.
    pub comparison: Comparison,
    /// What it is compared with.
    pub bound: Expression,
}

impl Relation {
    /// Returns the interval of numbers that the relation allows; unbounded where a parent has no value.
    pub(super) fn allowed(&self, value: &dyn Fn(&str) -> Option<f64>) -> (f64, f64) {
        match self.bound.evaluate(value) {
            Some(bound) => self.comparison.allowed(bound),
            None => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }

    /// Tells whether a value is as the relation wants it, given the others.
    pub(super) fn holds(&self, value: &ParamValue, params: &Params) -> bool {
        let (low, high) = self.allowed(&|name| params.get(name).and_then(ParamValue::as_f64));
        value.as_f64().is_none_or(|v| v >= low && v <= high)
    }

    /// Returns the interval of numbers that the relation allows whatever the parents are, for an
    /// inequality, or the hull of the values they may dictate, for an equality; `None` where the bound
    /// cannot be told.
    pub(super) fn allowed_always(&self, bounds: &dyn Fn(&str) -> Option<(f64, f64)>) -> Option<(f64, f64)> {
        let (low, high) = self.bound.interval(bounds).filter(|(l, h)| l.is_finite() && h.is_finite())?;
        Some(match self.comparison {
            Comparison::Below | Comparison::AtMost => self.comparison.allowed(low),
            Comparison::Above | Comparison::AtLeast => self.comparison.allowed(high),
            Comparison::Equal => (low, high),
        })
    }
}

impl FromStr for Relation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (comparison, bound) = Comparison::strip(text)
            .ok_or_else(|| format!("`{text}` does not begin with `<`, `<=`, `>`, `>=` or `==`"))?;
        let bound = Expression::parse(bound).map_err(|why| format!("`{text}`: {why}"))?;
        Ok(Relation { comparison, bound })
    }
}

impl TryFrom<String> for Relation {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Relation> for String {
    fn from(relation: Relation) -> Self {
        relation.to_string()
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut signs = Comparison::SIGNS.iter();
        let (sign, _) = signs.find(|(_, c)| *c == self.comparison).expect("every comparison has a sign");
        write!(f, "{sign} {}", self.bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations_are_stored_as_they_are_written() {
        let relation: Relation = ">=a.b*2".parse().unwrap();
        assert_eq!(serde_json::to_string(&relation).unwrap(), r#"">= a.b * 2.0""#);
        assert_eq!(serde_json::from_str::<Relation>(r#"">= a.b * 2.0""#).unwrap(), relation);
        for bad in ["a", "=> a", "> ", "!= 1"] {
            assert!(bad.parse::<Relation>().is_err(), "{bad}");
        }
    }

    #[test]
    fn strict_bounds_leave_the_bound_out() {
        let at = |text: &str| text.parse::<Relation>().unwrap().allowed(&|_| Some(2.0));
        assert!(at("> a").0 > 2.0 && at("< a").1 < 2.0);
        assert_eq!((at(">= a").0, at("<= a").1, at("== a")), (2.0, 2.0, (2.0, 2.0)));
        let unknown = "> a".parse::<Relation>().unwrap().allowed(&|_| None);
        assert_eq!(unknown, (f64::NEG_INFINITY, f64::INFINITY));
    }
}
