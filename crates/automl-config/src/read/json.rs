//! JSON, strict but for the bare tokens `Infinity`, `-Infinity` and `NaN`.
//!
//! Parameter schemas in the field write unbounded maxima as `Infinity`, so refusing it would refuse
//! most of them. Comments, trailing commas and the other JSON5 freedoms stay errors.

use super::push_unique;
use crate::node::{Data, Entry, Node};
use crate::problem::{Code, Position, Report};
use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: true,
    allow_extended_string_escapes: false,
};

pub(crate) fn read_json(text: &str, report: &mut Report) -> Option<Node> {
    let lines = Lines::new(text);
    match parse_to_ast(text, &CollectOptions::default(), &STRICT) {
        Ok(parsed) => match parsed.value {
            Some(value) => Some(convert(&value, &lines, report)),
            None => {
                report.error(Position { line: 1, column: 1 }, "", Code::Syntax, "the file is empty");
                None
            }
        },
        Err(error) => {
            let at = lines.position(error.range().start);
            report.error(at, "", Code::Syntax, format!("not JSON: {}", error.kind()));
            None
        }
    }
}

fn convert(value: &Value<'_>, lines: &Lines<'_>, report: &mut Report) -> Node {
    let data = match value {
        Value::NullKeyword(_) => Data::Null,
        Value::BooleanLit(v) => Data::Bool(v.value),
        Value::NumberLit(v) => number(v.value),
        Value::StringLit(v) => Data::Str(v.value.to_string()),
        Value::Array(v) => Data::Seq(v.elements.iter().map(|e| convert(e, lines, report)).collect()),
        Value::Object(v) => {
            let mut entries = Vec::with_capacity(v.properties.len());
            for property in &v.properties {
                let value = convert(&property.value, lines, report);
                let key_at = lines.position(property.name.range().start);
                push_unique(
                    &mut entries,
                    Entry { key: property.name.as_str().into(), key_at, value },
                    report,
                );
            }
            Data::Map(entries)
        }
    };
    Node { at: lines.position(value.range().start), data }
}

/// A number without point and exponent is whole, unless it is too large for 64 bits.
fn number(text: &str) -> Data {
    match text {
        "Infinity" => Data::Float(f64::INFINITY),
        "-Infinity" => Data::Float(f64::NEG_INFINITY),
        "NaN" | "-NaN" => Data::Float(f64::NAN),
        _ => match text.parse::<i64>() {
            Ok(whole) => Data::Int(whole),
            Err(_) => Data::Float(text.parse().expect("the parser lets only JSON numbers through")),
        },
    }
}

/// Byte offsets of line starts, so that a large file is not scanned once for each value.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
    /// Bytes are characters; otherwise a long line is counted anew for each of its values.
    ascii: bool,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let after_breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        Lines { text, starts: std::iter::once(0).chain(after_breaks).collect(), ascii: text.is_ascii() }
    }

    fn position(&self, offset: usize) -> Position {
        let line = self.starts.partition_point(|s| *s <= offset);
        let before = &self.text[self.starts[line - 1]..offset];
        let column = if self.ascii { before.len() } else { before.chars().count() } + 1;
        Position { line: line as u32, column: column as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, String> {
        let mut report = Report::new("f.json");
        let node = read_json(text, &mut report);
        let problems = report.into_problems();
        match node {
            Some(node) if problems.is_empty() => Ok(node),
            _ => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        }
    }

    #[test]
    fn bare_infinities_are_numbers() {
        let node = read(r#"{"maximum": Infinity, "minimum": -Infinity, "x": [NaN]}"#).unwrap();
        assert_eq!(node.get("maximum").unwrap().as_f64(), Some(f64::INFINITY));
        assert_eq!(node.get("minimum").unwrap().as_f64(), Some(f64::NEG_INFINITY));
        assert!(node.get("x").unwrap().items().unwrap()[0].as_f64().unwrap().is_nan());
    }

    #[test]
    fn values_know_their_place() {
        let node = read("{\r\n  \"a\": {\"ö\": 1, \"b\": 2.0}\r\n}").unwrap();
        let inner = &node.get("a").unwrap().entries().unwrap()[1];
        assert_eq!((inner.key_at.line, inner.key_at.column), (2, 17));
        assert_eq!(
            (inner.value.at, &inner.value.data),
            (Position { line: 2, column: 22 }, &Data::Float(2.0))
        );
    }

    #[test]
    fn whole_numbers_stay_whole() {
        let node = read("[1, 1.0, 1e0, 99999999999999999999]").unwrap();
        let data: Vec<_> = node.items().unwrap().iter().map(|n| n.data.clone()).collect();
        assert_eq!(data, [Data::Int(1), Data::Float(1.0), Data::Float(1.0), Data::Float(1e20)]);
    }

    #[test]
    fn repeated_keys_are_reported() {
        let text = read("{\"a\": 1,\n \"a\": 2}").unwrap_err();
        assert_eq!(text, "f.json:2:2: error: key `a` appears twice (the first one is at line 1)");
    }

    #[test]
    fn freedoms_of_json5_are_refused() {
        for text in ["{'a': 1}", "{\"a\": 1,}", "{\"a\" 1}", "[1 2]", "// x\n1", "{a: 1}", "[+1]", "[.5]", ""]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
