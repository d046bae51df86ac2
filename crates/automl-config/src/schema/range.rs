//! From a leaf to the values that a search goes over.
//!
//! Where both bounds are finite they are the range. An open bound (missing or infinite) states what
//! is legal, not what is sensible; there the range comes from the default `d`, cut to the bounds:
//!
//! | type  | default                             | range |
//! |-------|-------------------------------------|-------|
//! | float | d > 0                               | `[d/10, 10 d]` (two decades, hence on a log scale) |
//! | float | d < 0                               | `[10 d, d/10]` |
//! | float | d = 0, lower bound 0                | `[0, 1]` |
//! | int   | d > 0                               | `[max(1, d/2), 2 d]` |
//! | int   | d <= 0, finite lower bound m < 100  | `[m, 100]` |
//! | other, or no default |                      | none: the user must give `--bound` |
//!
//! A float whose lower bound 0 is excluded (`> 0`) and whose default lies two decades or more below the
//! upper bound is a matter of ratios: it is searched from `d/100` on, on a log scale.
//!
//! Each such choice is remarked upon. What `math_cond` asks of single values is built in at the end.

use super::restrict::restrict;
use super::{Kind, Leaf};
use crate::grammar::interval;
use crate::problem::{Code, Problem};
use automl_core::{Comparison, Distribution, Scale, log_scale_by_rule};

/// Upper bound over its default from which a float above 0 is searched in ratios.
const DECADES: f64 = 100.0;
/// Upper end for whole numbers whose default says nothing about their size.
const WHOLE_UP_TO: f64 = 100.0;

/// Returns the distribution of a leaf's values and a remark for each decision taken.
///
/// The error's file is empty and to be filled in by the caller.
pub(crate) fn search_range(leaf: &Leaf) -> Result<(Distribution, Vec<String>), Box<Problem>> {
    let choices = || leaf.options.clone();
    let weights = leaf.weights.clone();
    let (distribution, notes) = match &leaf.kind {
        Kind::Bool => (Distribution::bool(), Vec::new()),
        Kind::Ordered => (Distribution::Ordinal { choices: choices(), weights }, Vec::new()),
        Kind::Categorical | Kind::Branch => {
            (Distribution::Categorical { choices: choices(), weights }, Vec::new())
        }
        Kind::Text if !leaf.options.is_empty() => {
            (Distribution::Categorical { choices: choices(), weights }, Vec::new())
        }
        Kind::Float | Kind::Int => numeric_range(leaf)?,
        Kind::Text => {
            return Err(not_searchable(leaf, "is a free text", "give options: --bound 'NAME=a|b|c'"));
        }
        Kind::Other(kind) => {
            let hint = match kind.as_str() {
                "dict" | "collection" | "object" => "name keys within it",
                _ => "",
            };
            return Err(not_searchable(leaf, &format!("has type `{kind}`, which cannot be searched"), hint));
        }
    };
    Ok((restricted(leaf, distribution)?, notes))
}

/// Builds what the schema asks of single values into a distribution, whoever chose it.
pub(crate) fn restricted(leaf: &Leaf, distribution: Distribution) -> Result<Distribution, Box<Problem>> {
    let default = leaf.default.as_ref().and_then(serde_json::Value::as_f64);
    restrict(distribution, &leaf.restrictions, default).ok_or_else(|| {
        let why = format!("has no value left that is {}", leaf.restrictions.describe());
        not_searchable(leaf, &why, "widen its range: --bound 'NAME=low..high'")
    })
}

pub(super) fn not_searchable(leaf: &Leaf, why: &str, hint: &str) -> Box<Problem> {
    let hint = hint.replace("NAME", &leaf.name);
    let message = format!("`{}` {why}", leaf.name);
    Box::new(Problem::plain("", &leaf.name, Code::NotSearchable, message).with_hint(hint))
}

fn numeric_range(leaf: &Leaf) -> Result<(Distribution, Vec<String>), Box<Problem>> {
    let whole = leaf.kind == Kind::Int;
    let mut notes = Vec::new();
    let closed = |bound: Option<f64>| bound.filter(|b| b.is_finite());
    let (low, high) = match (closed(leaf.minimum), closed(leaf.maximum)) {
        (Some(low), Some(high)) => match positive_from(leaf, low, high) {
            Some(from) => {
                let shown = interval(from, high, whole);
                notes.push(format!("{}: any value above 0 is legal; searching {shown}", leaf.name));
                (from, high)
            }
            None => (low, high),
        },
        (low, high) => {
            let (low, high) = around_default(leaf, low, high).ok_or_else(|| {
                let hint = "give its range: --bound 'NAME=low..high'";
                not_searchable(leaf, "has no finite bounds and no default to start from", hint)
            })?;
            let shown = interval(low, high, whole);
            notes.push(format!(
                "{}: the schema bounds are open; searching {shown} around the default",
                leaf.name
            ));
            (low, high)
        }
    };
    let log = log_scale_by_rule(low, high, whole);
    if log {
        let shown = interval(low, high, whole);
        notes.push(format!(
            "{}: log scale, because {shown} spans decades; --bound can say :linear",
            leaf.name
        ));
    }
    let scale = if log { Scale::Log } else { Scale::Linear };
    let distribution = if whole {
        Distribution::Int { low: low.ceil() as i64, high: high.floor() as i64, step: 1, scale }
    } else {
        Distribution::Float { low, high, scale, step: None }
    };
    Ok((distribution, notes))
}

/// Returns where to start instead of an excluded 0; `None` where the range is no matter of ratios.
fn positive_from(leaf: &Leaf, low: f64, high: f64) -> Option<f64> {
    let default = leaf.default.as_ref()?.as_f64()?;
    let excluded = leaf.restrictions.limits.contains(&(Comparison::Above, 0.0));
    let ratios = low == 0.0 && excluded && default > 0.0 && high / default >= DECADES;
    (ratios && leaf.kind == Kind::Float).then_some(default / DECADES)
}

/// The table of the module header; `None` where it has no row.
fn around_default(leaf: &Leaf, low: Option<f64>, high: Option<f64>) -> Option<(f64, f64)> {
    let default = leaf.default.as_ref()?.as_f64()?;
    let (from, to) = match (&leaf.kind, low) {
        (Kind::Int, _) if default >= 1.0 => ((default / 2.0).floor().max(1.0), default * 2.0),
        (Kind::Int, Some(low)) => (low, WHOLE_UP_TO),
        (Kind::Float, _) if default > 0.0 => (default / 10.0, default * 10.0),
        (Kind::Float, _) if default < 0.0 => (default * 10.0, default / 10.0),
        (Kind::Float, Some(0.0)) => (0.0, 1.0),
        _ => return None,
    };
    let (from, to) = (from.max(low.unwrap_or(from)), to.min(high.unwrap_or(to)));
    (from < to).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::super::schema_of;
    use super::*;
    use automl_core::ParamValue;

    fn range(leaf: &str) -> Result<(Distribution, Vec<String>), String> {
        let schema = schema_of(&format!(r#"{{"properties": {{"p": {leaf}}}}}"#));
        search_range(&schema.leaves[0]).map_err(|p| p.message)
    }

    fn float(low: f64, high: f64, scale: Scale) -> Distribution {
        Distribution::Float { low, high, scale, step: None }
    }

    #[test]
    fn closed_bounds_are_the_range() {
        let (found, notes) = range(r#"{"type": "float", "minimum": 1e-7, "maximum": 1e-5}"#).unwrap();
        assert_eq!(found, float(1e-7, 1e-5, Scale::Log));
        assert_eq!(notes, ["p: log scale, because 1e-7..1e-5 spans decades; --bound can say :linear"]);
        let (found, notes) = range(r#"{"type": "number", "minimum": 0, "maximum": 1}"#).unwrap();
        assert_eq!((found, notes), (float(0.0, 1.0, Scale::Linear), vec![]));
        let (found, _) = range(r#"{"type": "int", "minimum": 1, "maximum": 4}"#).unwrap();
        assert_eq!(found, Distribution::Int { low: 1, high: 4, step: 1, scale: Scale::Linear });
    }

    #[test]
    fn positive_rates_are_searched_in_ratios() {
        let leaf = r#"{"type": "float", "default": 2e-4, "minimum": 0, "maximum": 1, "math_cond": "> 0.0"}"#;
        let (found, notes) = range(leaf).unwrap();
        assert_eq!(found, float(2e-6, 1.0, Scale::Log));
        assert_eq!(notes[0], "p: any value above 0 is legal; searching 2e-6..1.0");
        let (found, _) = range(&leaf.replace("2e-4", "0.9")).unwrap();
        assert_eq!(found, float(1e-3, 1.0, Scale::Linear));
    }

    #[test]
    fn open_bounds_span_the_default() {
        let (found, notes) =
            range(r#"{"type": "float", "default": 0.5, "minimum": 0, "maximum": Infinity}"#).unwrap();
        assert_eq!(found, float(0.05, 5.0, Scale::Log));
        assert_eq!(notes[0], "p: the schema bounds are open; searching 0.05..5.0 around the default");
        let (found, _) = range(r#"{"type": "float", "default": 0.5, "maximum": 1}"#).unwrap();
        assert_eq!(found, float(0.05, 1.0, Scale::Linear));
        let (found, _) =
            range(r#"{"type": "int", "default": 1, "minimum": 1, "maximum": Infinity}"#).unwrap();
        assert_eq!(found, Distribution::Int { low: 1, high: 2, step: 1, scale: Scale::Linear });
        let (found, _) = range(r#"{"type": "float", "default": -2.0}"#).unwrap();
        assert_eq!(found, float(-20.0, -0.2, Scale::Linear));
        let (found, _) = range(r#"{"type": "float", "default": 0.0, "minimum": 0}"#).unwrap();
        assert_eq!(found, float(0.0, 1.0, Scale::Linear));
        let (found, _) =
            range(r#"{"type": "int", "default": -1, "minimum": -1, "maximum": Infinity}"#).unwrap();
        assert_eq!(found, Distribution::Int { low: -1, high: 100, step: 1, scale: Scale::Linear });
    }

    #[test]
    fn ranges_are_never_invented_from_nothing() {
        for leaf in [
            r#"{"type": "float", "default": 0.0}"#,
            r#"{"type": "float"}"#,
            r#"{"type": "float", "default": null, "minimum": 0.01}"#,
            r#"{"type": "int", "default": 0}"#,
        ] {
            assert_eq!(
                range(leaf).unwrap_err(),
                "`p` has no finite bounds and no default to start from",
                "{leaf}"
            );
        }
    }

    #[test]
    fn impossible_conditions_are_told() {
        let leaf = r#"{"type": "int", "minimum": 1, "maximum": 7, "math_cond": "/ 8"}"#;
        assert_eq!(range(leaf).unwrap_err(), "`p` has no value left that is a multiple of 8.0");
    }

    #[test]
    fn options_become_choices() {
        let text = |v: &str| ParamValue::Text(v.into());
        let (found, _) =
            range(r#"{"type": "categorical", "enum": ["a", "b"], "option_weights": [1, 3]}"#).unwrap();
        assert_eq!(
            found,
            Distribution::Categorical { choices: vec![text("a"), text("b")], weights: Some(vec![1.0, 3.0]) }
        );
        let (found, _) =
            range(r#"{"type": "ordered_int", "enum": [32, 64], "option_weights": [1, 2]}"#).unwrap();
        let choices = vec![ParamValue::Int(32), ParamValue::Int(64)];
        assert_eq!(found, Distribution::Ordinal { choices, weights: Some(vec![1.0, 2.0]) });
        assert_eq!(range(r#"{"type": "bool"}"#).unwrap().0, Distribution::bool());
        assert_eq!(range(r#"{"type": "string"}"#).unwrap_err(), "`p` is a free text");
        assert_eq!(
            range(r#"{"type": "dict"}"#).unwrap_err(),
            "`p` has type `dict`, which cannot be searched"
        );
    }
}
