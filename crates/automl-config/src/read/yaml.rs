//! YAML 1.2 with the typing of plain scalars that Python programs expect (`yes` is true).
//!
//! Floats may leave out the point (`1e-4`), which PyYAML takes for a text: people write it that way
//! and mean the number. Specs are written in the form that every reader takes for a number.

use super::push_unique;
use crate::node::{Data, Entry, Node};
use crate::problem::{Code, Position, Report};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::Options;
use serde_saphyr::{DuplicateKeyPolicy, Location, NonFiniteFloatPolicy, Spanned};
use std::fmt;

/// Reads one document. An empty text is null.
pub(crate) fn read_yaml(text: &str, report: &mut Report) -> Option<Node> {
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options()) {
        Ok(root) => Some(convert(root, report)),
        Err(error) => {
            let at = error.location().map_or(Position { line: 1, column: 1 }, position);
            let message = error.without_snippet().render();
            let line = message.lines().next().unwrap_or_default();
            // The place is in the problem itself.
            let line = line.split(" at line ").next().unwrap_or_default();
            report.error(at, "", Code::Syntax, format!("not YAML: {line}"));
            None
        }
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        with_snippet: false,
        // Lets every pair through; repeated keys are reported by `push_unique`, with both places.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    }
}

fn position(at: Location) -> Position {
    Position { line: at.line() as u32, column: at.column() as u32 }
}

/// What serde hands over, before positions are turned into ours.
enum Raw {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Seq(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn convert(raw: Spanned<Raw>, report: &mut Report) -> Node {
    let data = match raw.value {
        Raw::Null => Data::Null,
        Raw::Bool(v) => Data::Bool(v),
        Raw::Int(v) => Data::Int(v),
        Raw::Float(v) => Data::Float(v),
        Raw::Str(v) => Data::Str(v),
        Raw::Seq(items) => Data::Seq(items.into_iter().map(|item| convert(item, report)).collect()),
        Raw::Map(pairs) => {
            let mut entries = Vec::with_capacity(pairs.len());
            for (key, value) in pairs {
                let value = convert(value, report);
                let key_at = position(key.referenced);
                push_unique(&mut entries, Entry { key: key.value, key_at, value }, report);
            }
            Data::Map(entries)
        }
    };
    Node { at: position(raw.referenced), data }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Int(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
        Ok(i64::try_from(v).map_or(Raw::Float(v as f64), Raw::Int))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
        Ok(Raw::Float(v))
    }

    fn visit_str<E: de::Error>(self, v: &str) -> Result<Raw, E> {
        Ok(Raw::Str(v.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Raw::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, String> {
        let mut report = Report::new("f.yaml");
        let node = read_yaml(text, &mut report);
        let problems = report.into_problems();
        match node {
            Some(node) if problems.is_empty() => Ok(node),
            _ => Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
        }
    }

    #[test]
    fn plain_scalars_are_typed() {
        let cases = [
            ("1", Data::Int(1)),
            ("-3", Data::Int(-3)),
            ("1e-4", Data::Float(1e-4)),
            ("1.0", Data::Float(1.0)),
            (".inf", Data::Float(f64::INFINITY)),
            ("true", Data::Bool(true)),
            ("yes", Data::Bool(true)),
            ("~", Data::Null),
            ("\"1\"", Data::Str("1".into())),
            ("a/b:c", Data::Str("a/b:c".into())),
            ("99999999999999999999", Data::Float(1e20)),
        ];
        for (text, data) in cases {
            assert_eq!(read(text).unwrap().data, data, "{text}");
        }
    }

    #[test]
    fn keys_and_values_know_their_place() {
        let node = read("train:\n  lr: 1e-4\n  list: [1, 2]\n").unwrap();
        let lr = &node.get("train").unwrap().entries().unwrap()[0];
        assert_eq!(lr.key_at, Position { line: 2, column: 3 });
        assert_eq!(lr.value.at, Position { line: 2, column: 7 });
    }

    #[test]
    fn repeated_keys_are_reported() {
        let text = read("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n").unwrap_err();
        assert_eq!(
            text,
            "f.yaml:4:3: error: key `c` appears twice (the first one is at line 3)\n\
             f.yaml:5:1: error: key `a` appears twice (the first one is at line 1)"
        );
    }

    #[test]
    fn broken_yaml_names_its_place() {
        let text = read("a: [1, 2\nb: 3\n").unwrap_err();
        assert!(text.starts_with("f.yaml:2:"), "{text}");
        assert!(text.contains("error: not YAML: "), "{text}");
    }
}
