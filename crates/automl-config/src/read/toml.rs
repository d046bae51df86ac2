//! TOML, in file order, with every syntax error the parser can recover from.

use super::push_unique;
use crate::node::{Data, Entry, Node};
use crate::problem::{Code, Position, Report};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads one document. Dates become texts.
pub(crate) fn read_toml(text: &str, report: &mut Report) -> Option<Node> {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(Position { line: 1, column: 1 }, |span| Position::of(text, span.start));
        report.error(at, "", Code::Syntax, format!("not TOML: {}", error.message()));
    }
    let at = Position { line: 1, column: 1 };
    errors.is_empty().then(|| Node { at, data: convert_table(table.get_ref(), text, report) })
}

fn convert_table(table: &DeTable<'_>, text: &str, report: &mut Report) -> Data {
    let mut pairs: Vec<_> = table.iter().collect();
    pairs.sort_by_key(|(key, _)| key.span().start);
    let mut entries = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let value = convert(value, text, report);
        let key_at = Position::of(text, key.span().start);
        push_unique(&mut entries, Entry { key: key.get_ref().to_string(), key_at, value }, report);
    }
    Data::Map(entries)
}

fn convert(value: &Spanned<DeValue<'_>>, text: &str, report: &mut Report) -> Node {
    let at = Position::of(text, value.span().start);
    let data = match value.get_ref() {
        DeValue::Boolean(v) => Data::Bool(*v),
        DeValue::Integer(v) => match i64::from_str_radix(v.as_str(), v.radix()) {
            Ok(whole) => Data::Int(whole),
            Err(_) => {
                report.error(at, "", Code::BadValue, format!("{v} does not fit into 64 bits"));
                Data::Null
            }
        },
        DeValue::Float(v) => Data::Float(v.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::String(v) => Data::Str(v.to_string()),
        DeValue::Datetime(v) => Data::Str(v.to_string()),
        DeValue::Array(items) => Data::Seq(items.iter().map(|item| convert(item, text, report)).collect()),
        DeValue::Table(table) => convert_table(table, text, report),
    };
    Node { at, data }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_keep_order_and_place() {
        let mut report = Report::new("automl.toml");
        let node = read_toml("[z]\nb = 1\na = 1e-7\n[a]\nx.y = [true, \"t\"]\n", &mut report).unwrap();
        let keys: Vec<_> = node.entries().unwrap().iter().map(|e| e.key.as_str()).collect();
        assert_eq!(keys, ["z", "a"]);
        let a = &node.get("z").unwrap().entries().unwrap()[1];
        assert_eq!(
            (a.key.as_str(), a.key_at, &a.value.data),
            ("a", Position { line: 3, column: 1 }, &Data::Float(1e-7))
        );
        let list = node.get("a").unwrap().get("x").unwrap().get("y").unwrap();
        assert_eq!(list.items().unwrap()[0].data, Data::Bool(true));
        assert!(report.into_problems().is_empty());
    }

    #[test]
    fn syntax_errors_name_their_place() {
        let mut report = Report::new("automl.toml");
        assert_eq!(read_toml("[run]\nroot = \n", &mut report), None);
        let text = report.into_problems()[0].to_string();
        assert!(text.starts_with("automl.toml:2:"), "{text}");
    }
}
