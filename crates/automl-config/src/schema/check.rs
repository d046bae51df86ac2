//! A value for a spec key, checked against its leaf.

use super::{At, Kind, Leaf};
use crate::nearest::did_you_mean;
use crate::problem::{Code, Report};
use automl_core::ParamValue;
use serde_json::Value;

/// Reports what is wrong with a value: another type, not an option (errors), outside the bounds (a
/// warning, since bounds of schemas are often recommendations).
pub(crate) fn check_value(leaf: &Leaf, value: &Value, at: At<'_>, report: &mut Report) {
    if !leaf.admits_type(value) {
        let message = format!("expected {}, found {}", expected(&leaf.kind), describe(value));
        report.error(at.position, at.path, Code::WrongType, message);
        return;
    }
    let plain = ParamValue::from_json(value);
    if let Some(plain) = plain.filter(|value| !leaf.admits_option(value)) {
        let known: Vec<String> = leaf.options.iter().map(ToString::to_string).collect();
        let hint = did_you_mean(&plain.to_string(), known.iter().map(String::as_str));
        report.error(at.position, at.path, Code::BadValue, format!("`{plain}` is not an option")).hint(hint);
    }
    let Some(number) = value.as_f64() else { return };
    if leaf.minimum.is_some_and(|m| number < m) || leaf.maximum.is_some_and(|m| number > m) {
        let low = leaf.minimum.map_or_else(String::new, |v| ParamValue::Float(v).to_string());
        let high = leaf.maximum.map_or_else(String::new, |v| ParamValue::Float(v).to_string());
        let message = format!("{value} is outside the schema's range {low}..{high}");
        report.warning(at.position, at.path, Code::BadBounds, message);
    }
    if !leaf.restrictions.admits(number) {
        let message = format!("{value} is not as the schema wants it: {}", leaf.restrictions.describe());
        report.warning(at.position, at.path, Code::BadBounds, message);
    }
}

/// Returns what a kind takes, in words.
pub(super) fn expected(kind: &Kind) -> &'static str {
    match kind {
        Kind::Float => "a number",
        Kind::Int => "a whole number",
        Kind::Bool => "true or false",
        Kind::Text => "a text",
        Kind::Categorical | Kind::Ordered => "one of the options",
        Kind::Branch => "the name of a branch",
        Kind::Other(_) => "a value",
    }
}

/// Returns a JSON value in words for messages.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(v) => format!("the truth value {v}"),
        Value::Number(v) => format!("the number {v}"),
        Value::String(v) => format!("the text `{v}`"),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema_of;
    use super::*;
    use crate::problem::Position;
    use serde_json::json;

    fn check(leaf: &str, value: Value) -> Vec<String> {
        let schema = schema_of(&format!(r#"{{"properties": {{"p": {leaf}}}}}"#));
        let mut report = Report::new("f");
        check_value(&schema.leaves[0], &value, At { position: Position::default(), path: "p" }, &mut report);
        report.into_problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn values_must_have_the_type() {
        for (kind, value, expected) in [
            ("int", json!(1.5), "a whole number, found the number 1.5"),
            ("float", json!("x"), "a number, found the text `x`"),
            ("bool", json!(1), "true or false, found the number 1"),
            ("string", json!([]), "a text, found a list"),
        ] {
            let found = check(&format!(r#"{{"type": "{kind}"}}"#), value);
            assert_eq!(found, [format!("f: error: p: expected {expected}")]);
        }
        for (kind, value) in
            [("int", json!(2.0)), ("float", json!(2)), ("string", Value::Null), ("list", json!(1))]
        {
            assert!(check(&format!(r#"{{"type": "{kind}"}}"#), value).is_empty(), "{kind}");
        }
    }

    #[test]
    fn open_options_admit_others_of_their_type() {
        let sizes = r#"{"type": "ordered_int", "enum": [8, 16], "open": true}"#;
        assert_eq!(check(sizes, json!(12)), [""; 0]);
        assert_eq!(check(sizes, json!("x")), ["f: error: p: `x` is not an option (did you mean `8`?)"]);
        assert_eq!(check(sizes, json!(1.5)).len(), 1);
        let names = r#"{"type": "categorical", "enum": ["a"], "open": true}"#;
        assert_eq!(check(names, json!("b")), [""; 0]);
        assert_eq!(check(names, json!(1)).len(), 1);
    }

    #[test]
    fn options_bind_and_bounds_warn() {
        let found = check(r#"{"type": "categorical", "enum": ["adam", "sgd"]}"#, json!("adma"));
        assert_eq!(found, ["f: error: p: `adma` is not an option (did you mean `adam`?)"]);
        let found = check(r#"{"type": "int", "minimum": 1, "maximum": Infinity}"#, json!(0));
        assert_eq!(found, ["f: warning: p: 0 is outside the schema's range 1.0..inf"]);
        let found = check(r#"{"type": "int", "math_cond": "/ 8"}"#, json!(12));
        assert_eq!(found, ["f: warning: p: 12 is not as the schema wants it: a multiple of 8.0"]);
    }
}
