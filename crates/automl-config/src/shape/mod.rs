//! What the files look like: one table of fields for each format, in plain data.
//!
//! The table is printed as a JSON Schema, so that editors complete and check the files, and every
//! shipped file conforms to it. Readers say better what is wrong and do not use it; a test records every key
//! that they ask for and compares it with the table, so that neither can drift from the other.
//!
//! Free keys (actions, spec paths, names) are maps. Foreign formats are open: unknown keys are no error.

mod dataset;
mod network;
mod schema;
mod settings;
mod space;

pub(crate) use dataset::DATASET;

use serde_json::{Map, Value, json};

/// The kinds of files whose format can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// `<network>.config.json`.
    Network,
    /// `<action>.schema.json`.
    Schema,
    /// A search space.
    Space,
    /// `automl.toml`.
    Settings,
    /// `dataset.yaml`.
    Dataset,
}

impl FileFormat {
    /// All formats.
    pub const ALL: [FileFormat; 5] = [
        FileFormat::Network,
        FileFormat::Schema,
        FileFormat::Space,
        FileFormat::Settings,
        FileFormat::Dataset,
    ];

    /// Returns the name users type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FileFormat::Network => "network",
            FileFormat::Schema => "schema",
            FileFormat::Space => "space",
            FileFormat::Settings => "settings",
            FileFormat::Dataset => "dataset",
        }
    }

    fn table(self) -> &'static Table {
        match self {
            FileFormat::Network => &network::NETWORK,
            FileFormat::Schema => &schema::SCHEMA,
            FileFormat::Space => &space::SPACE,
            FileFormat::Settings => &settings::SETTINGS,
            FileFormat::Dataset => &DATASET,
        }
    }
}

/// Returns the JSON Schema (draft 2020-12) of a file format.
#[must_use]
pub fn json_schema(format: FileFormat) -> Value {
    let table = format.table();
    let mut root = Map::new();
    root.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".into(), json!(table.title));
    if let Value::Object(shape) = table.root.to_json_schema() {
        root.extend(shape);
    }
    if !table.definitions.is_empty() {
        let definitions = table.definitions.iter().map(|(name, s)| ((*name).into(), s.to_json_schema()));
        root.insert("$defs".into(), Value::Object(definitions.collect()));
    }
    Value::Object(root)
}

/// A format: its root and the shapes that it names.
pub(crate) struct Table {
    pub(crate) title: &'static str,
    pub(crate) root: Shape,
    pub(crate) definitions: &'static [(&'static str, Shape)],
}

/// What a value looks like.
#[derive(Debug)]
pub(crate) enum Shape {
    Any,
    Text,
    /// Any number, infinite ones included where the text format has them.
    Number,
    Whole,
    Truth,
    Null,
    /// One of several words.
    Words(&'static [&'static str]),
    List(&'static Shape),
    /// An object with free keys.
    Map(&'static Shape),
    Object(&'static [Field], Others),
    Either(&'static [Shape]),
    /// A shape by its name among the definitions, for trees.
    Named(&'static str),
}

/// What keys beside the fields mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// They are read by somebody else.
    Open,
    /// They are mistakes.
    Closed,
}

/// One key of an object. Null counts as absent.
#[derive(Debug)]
pub(crate) struct Field {
    key: &'static str,
    shape: Shape,
    about: &'static str,
    required: bool,
}

/// A key that may be absent.
pub(crate) const fn optional(key: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { key, shape, about, required: false }
}

/// A key that must be there.
pub(crate) const fn required(key: &'static str, shape: Shape, about: &'static str) -> Field {
    Field { key, shape, about, required: true }
}

/// A list of texts.
pub(crate) const TEXTS: Shape = Shape::List(&Shape::Text);
/// A text or a list of texts.
pub(crate) const TEXT_OR_TEXTS: Shape = Shape::Either(&[Shape::Text, TEXTS]);

impl Shape {
    fn to_json_schema(&self) -> Value {
        match self {
            Shape::Any => json!({}),
            Shape::Text => json!({"type": "string"}),
            Shape::Number => json!({"type": "number"}),
            Shape::Whole => json!({"type": "integer"}),
            Shape::Truth => json!({"type": "boolean"}),
            Shape::Null => json!({"type": "null"}),
            Shape::Words(words) => json!({"enum": words}),
            Shape::List(item) => json!({"type": "array", "items": item.to_json_schema()}),
            Shape::Map(value) => json!({"type": "object", "additionalProperties": value.to_json_schema()}),
            Shape::Object(fields, others) => object_schema(fields, *others),
            Shape::Either(shapes) => {
                json!({"anyOf": shapes.iter().map(Shape::to_json_schema).collect::<Vec<_>>()})
            }
            Shape::Named(name) => json!({"$ref": format!("#/$defs/{name}")}),
        }
    }
}

fn object_schema(fields: &[Field], others: Others) -> Value {
    let property = |field: &Field| {
        let mut shape = field.shape.to_json_schema();
        shape["description"] = json!(field.about);
        (field.key.to_string(), shape)
    };
    let mut object = json!({
        "type": "object",
        "properties": Value::Object(fields.iter().map(property).collect()),
    });
    let required: Vec<&str> = fields.iter().filter(|f| f.required).map(|f| f.key).collect();
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    if others == Others::Closed {
        object["additionalProperties"] = json!(false);
    }
    object
}

#[cfg(test)]
mod conform;
#[cfg(test)]
mod tests;
