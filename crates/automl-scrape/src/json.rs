//! JSON as training programs write it.
//!
//! Python's encoder writes the bare tokens `NaN`, `Infinity` and `-Infinity`, which JSON does not
//! have; they are read as numbers here. Numbers may also come in strings or wrapped in an object
//! with a `value`.

use serde_json::{Map, Value};

use crate::number;

const BARE_TOKENS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// Parses a line that holds one JSON object; `None` for anything else.
pub(crate) fn parse_object(line: &[u8]) -> Option<Map<String, Value>> {
    let line = line.trim_ascii();
    if !line.starts_with(b"{") || !line.ends_with(b"}") {
        return None;
    }
    let text = String::from_utf8_lossy(line);
    let parsed = serde_json::from_str(&text).or_else(|_| serde_json::from_str(&quote_bare_tokens(&text)));
    match parsed {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// Puts tokens that JSON lacks in quotes, outside strings.
fn quote_bare_tokens(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(['"', '-', 'I', 'N']) {
        quoted.push_str(&rest[..at]);
        rest = &rest[at..];
        let token = BARE_TOKENS.iter().find(|token| rest.starts_with(**token));
        let length = match token {
            Some(token) => token.len(),
            None if rest.starts_with('"') => string_length(rest),
            None => 1,
        };
        let (piece, next) = rest.split_at(length);
        if token.is_some() {
            quoted.extend(["\"", piece, "\""]);
        } else {
            quoted.push_str(piece);
        }
        rest = next;
    }
    quoted.push_str(rest);
    quoted
}

/// Returns the length of the string literal that `text` starts with, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Reads a number, a number in a string, or an object with a `value`; booleans are no numbers.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => number::number_from_str(text),
        Value::Object(object) => match object.get("value")? {
            Value::Object(_) => None,
            inner => number(inner),
        },
        Value::Null | Value::Bool(_) | Value::Array(_) => None,
    }
}

/// Calls `visit` with every number of nested objects and its path, joined by `/`.
pub(crate) fn visit_numbers(object: &Map<String, Value>, visit: &mut impl FnMut(&str, f64)) {
    fn walk(prefix: &str, object: &Map<String, Value>, visit: &mut impl FnMut(&str, f64)) {
        for (key, value) in object {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}/{key}") };
            match (number(value), value) {
                (Some(number), _) => visit(&path, number),
                (None, Value::Object(inner)) => walk(&path, inner, visit),
                (None, _) => {}
            }
        }
    }
    walk("", object, visit);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(line: &str) -> Option<Vec<(String, f64)>> {
        let object = parse_object(line.as_bytes())?;
        let mut found = Vec::new();
        visit_numbers(&object, &mut |path, value| found.push((path.to_owned(), value)));
        Some(found)
    }

    #[test]
    fn python_tokens_are_numbers() {
        let found =
            numbers(r#"{"N": NaN, "s": "a \" NaN", "i": [1], "p": Infinity, "m": -Infinity, "x": -1}"#)
                .unwrap();
        assert!(found[0].1.is_nan());
        let rest: Vec<_> = found[1..].iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(rest, [("p", f64::INFINITY), ("m", f64::NEG_INFINITY), ("x", -1.0)]);
    }

    #[test]
    fn nested_and_wrapped_numbers_are_found() {
        let found =
            numbers(r#" {"a": {"b": 1, "c": {"value": 2.5, "x_min": 0}}, "d": "3", "e": true} "#).unwrap();
        assert_eq!(found, [("a/b".into(), 1.0), ("a/c".into(), 2.5), ("d".into(), 3.0)]);
    }

    #[test]
    fn torn_and_other_lines_are_none() {
        for line in ["", "{", r#"{"a": 1"#, "text", "[1]", r#"{"a": NaN"#, "{\"a\": \"", "{}}"] {
            assert_eq!(numbers(line), None, "{line}");
        }
    }
}
