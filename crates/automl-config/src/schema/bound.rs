//! A user's `--bound` laid over a leaf: narrowing is free, widening is remarked upon, and what the
//! type cannot take is an error.

use super::{At, Kind, Leaf, restricted};
use crate::grammar::{Domain, Range, ShortForm};
use crate::nearest::did_you_mean;
use crate::problem::{Code, Position, Report};
use automl_core::{Distribution, ParamValue, Scale};

/// Returns the distribution and the default that a bound leaves of a leaf, with remarks; `None` where
/// the bound does not fit (reported).
pub(crate) fn apply_bound(
    leaf: &Leaf,
    bound: &ShortForm,
    report: &mut Report,
) -> Option<(Distribution, Vec<String>)> {
    let at = At { position: Position::in_flag(bound.domain_at), path: &leaf.name };
    let (distribution, notes) = match (&leaf.kind, &bound.domain) {
        (Kind::Float | Kind::Int, Domain::Range(range)) => numeric(leaf, range, at, report)?,
        (_, Domain::Options(options)) => (from_options(leaf, options, at, report)?, Vec::new()),
        (_, Domain::Fixed(value)) => {
            (from_options(leaf, std::slice::from_ref(value), at, report)?, Vec::new())
        }
        (Kind::Ordered, Domain::Range(range)) => (ordered_within(leaf, range, at, report)?, Vec::new()),
        (kind, Domain::Range(_)) => {
            let message = format!("a range does not fit the type {}", kind.name());
            report.error(at.position, at.path, Code::WrongType, message).hint("list the options: a|b|c");
            return None;
        }
    };
    if let Err(error) = distribution.validate() {
        report.error(at.position, at.path, Code::BadBounds, error.to_string());
        return None;
    }
    match restricted(leaf, distribution) {
        Ok(distribution) => Some((distribution, notes)),
        Err(problem) => {
            report.error(at.position, at.path, Code::BadBounds, problem.message);
            None
        }
    }
}

fn numeric(
    leaf: &Leaf,
    range: &Range,
    at: At<'_>,
    report: &mut Report,
) -> Option<(Distribution, Vec<String>)> {
    let whole = leaf.kind == Kind::Int;
    if whole
        && [Some(range.low), Some(range.high), range.step].into_iter().flatten().any(|v| v.fract() != 0.0)
    {
        let message = format!("{} is a whole number; {}..{} is not", leaf.name, range.low, range.high);
        report.error(at.position, at.path, Code::WrongType, message).hint("round the bounds");
        return None;
    }
    let mut notes = widened(leaf, range);
    let (scale, note) = range.choose_scale(whole);
    notes.extend(note.map(|note| format!("{}: {note}", leaf.name)));
    let distribution = if whole {
        let step = range.step.map_or(1, |s| s as i64);
        Distribution::Int { low: range.low as i64, high: range.high as i64, step, scale }
    } else {
        Distribution::Float { low: range.low, high: range.high, scale, step: range.step }
    };
    Some((distribution, notes))
}

fn widened(leaf: &Leaf, range: &Range) -> Vec<String> {
    let mut notes = Vec::new();
    let shown = |v: f64| ParamValue::Float(v);
    if let Some(minimum) = leaf.minimum.filter(|m| range.low < *m) {
        notes.push(format!(
            "{}: {} is below the schema's minimum {}",
            leaf.name,
            shown(range.low),
            shown(minimum)
        ));
    }
    if let Some(maximum) = leaf.maximum.filter(|m| range.high > *m) {
        notes.push(format!(
            "{}: {} is above the schema's maximum {}",
            leaf.name,
            shown(range.high),
            shown(maximum)
        ));
    }
    notes
}

fn from_options(leaf: &Leaf, given: &[ParamValue], at: At<'_>, report: &mut Report) -> Option<Distribution> {
    let choices: Option<Vec<ParamValue>> =
        given.iter().map(|value| option(leaf, value, at, report)).collect();
    let choices = choices?;
    let numbers: Option<Vec<f64>> = choices.iter().map(ParamValue::as_f64).collect();
    Some(match (&leaf.kind, choices.as_slice()) {
        (Kind::Int, [ParamValue::Int(v)]) => {
            Distribution::Int { low: *v, high: *v, step: 1, scale: Scale::Linear }
        }
        (Kind::Float, [ParamValue::Float(v)]) => {
            Distribution::Float { low: *v, high: *v, scale: Scale::Linear, step: None }
        }
        _ if numbers.is_some_and(|n| n.is_sorted_by(|a, b| a < b)) => {
            Distribution::Ordinal { weights: weights_of(leaf, &choices), choices }
        }
        (Kind::Ordered, _) => Distribution::Ordinal { weights: weights_of(leaf, &choices), choices },
        _ => Distribution::Categorical { weights: weights_of(leaf, &choices), choices },
    })
}

/// Returns one option in the leaf's own type.
fn option(leaf: &Leaf, value: &ParamValue, at: At<'_>, report: &mut Report) -> Option<ParamValue> {
    let typed = match (&leaf.kind, value) {
        (Kind::Float, ParamValue::Int(v)) => ParamValue::Float(*v as f64),
        (Kind::Text, number) => ParamValue::Text(number.to_string()),
        (_, value) => value.clone(),
    };
    if !leaf.admits_type(&typed.to_json()) {
        let message = format!("expected {}, found `{value}`", super::check::expected(&leaf.kind));
        report.error(at.position, at.path, Code::WrongType, message);
        return None;
    }
    if leaf.options.is_empty() || leaf.options.iter().any(|o| o.same_as(&typed)) {
        return Some(typed);
    }
    let known: Vec<String> = leaf.options.iter().map(ToString::to_string).collect();
    let hint = did_you_mean(&value.to_string(), known.iter().map(String::as_str));
    report.error(at.position, at.path, Code::BadValue, format!("`{value}` is not an option")).hint(hint);
    None
}

/// Keeps the schema's weights of the options that are left.
fn weights_of(leaf: &Leaf, choices: &[ParamValue]) -> Option<Vec<f64>> {
    let weights = leaf.weights.as_ref()?;
    choices.iter().map(|c| leaf.options.iter().position(|o| o.same_as(c)).map(|i| weights[i])).collect()
}

fn ordered_within(leaf: &Leaf, range: &Range, at: At<'_>, report: &mut Report) -> Option<Distribution> {
    let inside = |o: &&ParamValue| o.as_f64().is_some_and(|v| v >= range.low && v <= range.high);
    let choices: Vec<ParamValue> = leaf.options.iter().filter(inside).cloned().collect();
    if choices.is_empty() {
        let known: Vec<String> = leaf.options.iter().map(ToString::to_string).collect();
        let message = format!("no option lies in {}..{}", range.low, range.high);
        report
            .error(at.position, at.path, Code::BadBounds, message)
            .hint(format!("options: {}", known.join(", ")));
        return None;
    }
    Some(Distribution::Ordinal { weights: weights_of(leaf, &choices), choices })
}

#[cfg(test)]
mod tests {
    use super::super::schema_of;
    use super::*;

    fn apply(leaf: &str, bound: &str) -> Result<(Distribution, Vec<String>), String> {
        let schema = schema_of(&format!(r#"{{"properties": {{"p": {leaf}}}}}"#));
        let mut report = Report::new(format!("--bound '{bound}'"));
        let bound = ShortForm::parse(bound).unwrap();
        apply_bound(&schema.leaves[0], &bound, &mut report)
            .ok_or_else(|| report.into_problems()[0].to_string())
    }

    const LR: &str = r#"{"type": "float", "default": 1e-6, "minimum": 1e-7, "maximum": 1e-5}"#;
    const ARCH: &str = r#"{"type": "categorical", "enum": ["small/8", "small/16", "large/16"]}"#;

    #[test]
    fn narrowing_is_free() {
        let (found, notes) = apply(LR, "p=2e-7..1e-6:linear").unwrap();
        assert_eq!(found, Distribution::Float { low: 2e-7, high: 1e-6, scale: Scale::Linear, step: None });
        assert!(notes.is_empty());
    }

    #[test]
    fn widening_is_remarked() {
        let (_, notes) = apply(LR, "p=1e-8..1e-3:log").unwrap();
        assert_eq!(
            notes,
            ["p: 1e-8 is below the schema's minimum 1e-7", "p: 0.001 is above the schema's maximum 1e-5"]
        );
    }

    #[test]
    fn floats_stay_floats() {
        let (found, _) = apply(r#"{"type": "float"}"#, "p=0..1").unwrap();
        assert_eq!(found, Distribution::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: None });
        let (found, _) = apply(r#"{"type": "float"}"#, "p=1|2").unwrap();
        assert_eq!(
            found,
            Distribution::Ordinal {
                choices: vec![ParamValue::Float(1.0), ParamValue::Float(2.0)],
                weights: None
            }
        );
    }

    #[test]
    fn conditions_hold_within_the_users_bounds() {
        let leaf = r#"{"type": "int", "math_cond": "/ 8"}"#;
        let (found, _) = apply(leaf, "p=1..40").unwrap();
        assert_eq!(found, Distribution::Int { low: 8, high: 40, step: 8, scale: Scale::Linear });
        assert_eq!(
            apply(leaf, "p=1..7").unwrap_err(),
            "--bound 'p=1..7':3: error: p: `p` has no value left that is a multiple of 8.0"
        );
        let (found, _) = apply(leaf, "p=4|8|16").unwrap();
        let choices = [8, 16].map(ParamValue::Int).to_vec();
        assert_eq!(found, Distribution::Ordinal { choices, weights: None });
    }

    #[test]
    fn options_must_be_the_schemas() {
        let (found, _) = apply(ARCH, "p=large/16|small/8").unwrap();
        let choices = vec![ParamValue::Text("large/16".into()), ParamValue::Text("small/8".into())];
        assert_eq!(found, Distribution::Categorical { choices, weights: None });
        assert_eq!(
            apply(ARCH, "p=smal/8").unwrap_err(),
            "--bound 'p=smal/8':3: error: p: `smal/8` is not an option (did you mean `small/8`?)"
        );
    }

    #[test]
    fn misfits_are_errors() {
        for (leaf, bound, message) in [
            (LR, "p=1e-5..1e-7", "p: lower bound 0.00001 is above upper bound 0.0000001; swap them"),
            (
                LR,
                "p=0..1:log",
                "p: a log scale needs a lower bound above 0, found 0; raise it or use the linear scale",
            ),
            (LR, "p=a|b", "p: expected a number, found `a`"),
            (ARCH, "p=1..2", "p: a range does not fit the type categorical (list the options: a|b|c)"),
            (r#"{"type": "int"}"#, "p=0.5..2", "p: p is a whole number; 0.5..2 is not (round the bounds)"),
            (
                r#"{"type": "ordered_int", "enum": [1, 2]}"#,
                "p=5..9",
                "p: no option lies in 5..9 (options: 1, 2)",
            ),
        ] {
            assert_eq!(apply(leaf, bound).unwrap_err(), format!("--bound '{bound}':3: error: {message}"));
        }
    }
}
