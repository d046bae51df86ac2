//! Whether a file conforms to its table: what the printed JSON Schema would say of it.

use super::{Field, Others, Shape, Table};
use crate::fields::{join, wrong_type};
use crate::nearest::did_you_mean;
use crate::node::{Data, Node};
use crate::problem::{Code, Report};

impl Table {
    /// Reports where a value differs from the table.
    pub(crate) fn check(&self, node: &Node, report: &mut Report) {
        self.check_shape(&self.root, node, "", report);
    }

    fn check_shape(&self, shape: &Shape, node: &Node, path: &str, report: &mut Report) {
        if !shape.resembles(node) {
            return wrong_type(node, path, &shape.describe(), report).unwrap_or_default();
        }
        match shape {
            Shape::Named(name) => self.check_shape(self.definition(name), node, path, report),
            Shape::Either(shapes) => {
                let fitting = shapes.iter().find(|shape| shape.resembles(node));
                self.check_shape(fitting.expect("one of them resembles the value"), node, path, report);
            }
            Shape::List(item) => {
                for (i, inner) in node.items().unwrap_or_default().iter().enumerate() {
                    self.check_shape(item, inner, &format!("{path}[{i}]"), report);
                }
            }
            Shape::Map(value) => {
                for entry in node.entries().unwrap_or_default() {
                    self.check_shape(value, &entry.value, &join(path, &entry.key), report);
                }
            }
            Shape::Object(fields, others) => self.check_object(fields, *others, node, path, report),
            Shape::Any
            | Shape::Text
            | Shape::Number
            | Shape::Whole
            | Shape::Truth
            | Shape::Null
            | Shape::Words(_) => {}
        }
    }

    fn check_object(&self, fields: &[Field], others: Others, node: &Node, path: &str, report: &mut Report) {
        let entries = node.entries().unwrap_or_default();
        for field in fields.iter().filter(|field| field.required && node.get(field.key).is_none()) {
            report.error(node.at, path, Code::MissingKey, format!("key `{}` is missing", field.key));
        }
        for entry in entries {
            match fields.iter().find(|field| field.key == entry.key) {
                Some(_) if entry.value.is_null() => {}
                Some(field) => self.check_shape(&field.shape, &entry.value, &join(path, &entry.key), report),
                None if others == Others::Open => {}
                None => {
                    let hint = did_you_mean(&entry.key, fields.iter().map(|field| field.key));
                    let message = format!("unknown key `{}`", entry.key);
                    report.error(entry.key_at, path, Code::UnknownKey, message).hint(hint);
                }
            }
        }
    }

    pub(super) fn definition(&self, name: &str) -> &'static Shape {
        let found = self.definitions.iter().find(|(known, _)| *known == name);
        found.map(|(_, shape)| shape).expect("tables name only their own definitions")
    }
}

impl Shape {
    /// Returns the shape in words.
    fn describe(&self) -> String {
        match self {
            Shape::Any => "a value".into(),
            Shape::Text => "a text".into(),
            Shape::Number => "a number".into(),
            Shape::Whole => "a whole number".into(),
            Shape::Truth => "true or false".into(),
            Shape::Null => "null".into(),
            Shape::Words(words) => format!("one of {}", crate::nearest::quoted(words, ", ")),
            Shape::List(item) => format!("a list of items, each {}", item.describe()),
            Shape::Map(_) | Shape::Object(..) | Shape::Named(_) => "an object".into(),
            Shape::Either(shapes) => shapes.iter().map(Shape::describe).collect::<Vec<_>>().join(" or "),
        }
    }

    /// Tells whether a value has the shape at its surface, which is what decides among several.
    fn resembles(&self, node: &Node) -> bool {
        match (self, &node.data) {
            (Shape::Any, _) | (Shape::Null, Data::Null) | (Shape::Text, Data::Str(_)) => true,
            (Shape::Number, Data::Int(_) | Data::Float(_)) | (Shape::Whole, Data::Int(_)) => true,
            (Shape::Truth, Data::Bool(_)) => true,
            (Shape::Words(words), Data::Str(text)) => words.contains(&text.as_str()),
            (Shape::List(item), Data::Seq(items)) => items.iter().all(|i| item.resembles(i)),
            (Shape::Map(_) | Shape::Object(..) | Shape::Named(_), Data::Map(_)) => true,
            (Shape::Either(shapes), _) => shapes.iter().any(|shape| shape.resembles(node)),
            _ => false,
        }
    }
}
