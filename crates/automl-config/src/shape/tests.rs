//! Tables against readers, and against the files that are shipped.

use super::*;
use crate::fields::recorded;
use crate::network::NetworkConfig;
use crate::node::Node;
use crate::problem::Report;
use crate::read::{Format, read_json};
use crate::schema::Schema;
use crate::settings::Settings;
use crate::space_file::read_space;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A config that makes the reader look at every section.
const NETWORK: &str = r#"{"api_params": {"actions": ["train"]},
  "data_sources": {"train": {"key": {"source": "train_datasets"}}},
  "metrics": {"incomparable": [{"because": "b"}], "needs": [{"set": {}}]},
  "package": {"name": "n", "program": "p", "versions": ["1"], "install": "i", "moved": [{"since": "2", "keys": ["k"]}]},
  "launch": {"train": {"command": ["x"], "fidelity": {"key": "k"}, "resume": {"pattern": "(?P<epoch>1)"},
    "logs": [{"path": "p", "format": "text"}], "error_patterns": [{"pattern": "p", "advice": "a", "policy": "fail"}],
    "success": {"line": "l"}}}}"#;
const SCHEMA: &str =
    r#"{"properties": {"p": {"type": "float"}}, "rules": [{"rule": "r", "must_be": {"p": 1}}]}"#;
const SPACE: &str = r#"[{"name": "p", "condition": {"parent": "a", "in": [1]},
    "distribution": {"type": "categorical", "choices": [1]}},
  {"name": "a", "type": "categorical", "choices": [1]},
  {"name": "b", "type": "float", "low": 1, "high": 2}]"#;
const SETTINGS: &str = r#"{"run": {}, "network": {"mal": {}}}"#;

/// Every key that a reader asks for, by the object's place; numbers stand for items of lists.
fn asked(text: &str, read: impl FnOnce(&Node, &mut Report)) -> BTreeMap<String, BTreeSet<String>> {
    let mut report = Report::new("probe");
    let node = read_json(text, &mut report).unwrap();
    let found = recorded(|| read(&node, &mut report));
    assert!(!report.has_errors(), "{:?}", report.into_problems());
    found
}

/// Returns the fields of the object at a path such as `launch.train.logs[0]`.
fn fields_at(table: &'static Table, path: &str) -> BTreeSet<String> {
    let mut shapes = vec![&table.root];
    for segment in path.split(['.', '[']).filter(|s| !s.is_empty()) {
        let inner = |shape: &'static Shape| -> Vec<&'static Shape> {
            match shape {
                Shape::List(item) | Shape::Map(item) => vec![item],
                Shape::Object(fields, _) => {
                    fields.iter().filter(|f| f.key == segment).map(|f| &f.shape).collect()
                }
                _ => Vec::new(),
            }
        };
        shapes = flatten(table, shapes).into_iter().flat_map(inner).collect();
    }
    let keys = |shape: &Shape| match shape {
        Shape::Object(fields, _) => fields.iter().map(|f| f.key.to_string()).collect(),
        _ => Vec::new(),
    };
    flatten(table, shapes).into_iter().flat_map(keys).collect()
}

fn flatten(table: &'static Table, shapes: Vec<&'static Shape>) -> Vec<&'static Shape> {
    let open = |shape: &'static Shape| match shape {
        Shape::Either(inner) => flatten(table, inner.iter().collect()),
        Shape::Named(name) => flatten(table, vec![table.definition(name)]),
        other => vec![other],
    };
    shapes.into_iter().flat_map(open).collect()
}

fn compare(format: FileFormat, text: &str, paths: &[(&str, &str)], read: impl FnOnce(&Node, &mut Report)) {
    let asked = asked(text, read);
    for (path, keys) in &asked {
        let place = paths.iter().find(|(read, _)| read == path).map_or(path.as_str(), |(_, place)| place);
        let known = fields_at(format.table(), place);
        let missing: Vec<_> = keys.difference(&known).collect();
        assert!(missing.is_empty(), "{}: the table lacks {missing:?} of `{place}`", format.name());
    }
    // A closed object has no keys that nobody reads.
    assert!(!asked.is_empty());
}

#[test]
fn tables_hold_every_key_that_readers_ask_for() {
    compare(FileFormat::Network, NETWORK, &[], |node, report| drop(NetworkConfig::read(node, report)));
    compare(FileFormat::Schema, SCHEMA, &[("p", "properties.p")], |node, report| {
        drop(Schema::read(node, report));
    });
    compare(FileFormat::Space, SPACE, &[], |node, report| drop(read_space(node, &mut Vec::new(), report)));
    compare(FileFormat::Settings, SETTINGS, &[], |node, report| {
        drop(Settings::from_node(node, Path::new(""), report));
    });
}

#[test]
fn closed_tables_hold_nothing_that_readers_do_not_know() {
    let settings = asked(SETTINGS, |node, report| drop(Settings::from_node(node, Path::new(""), report)));
    for (path, keys) in settings {
        assert_eq!(fields_at(&settings::SETTINGS, &path), keys, "`{path}`");
    }
    let network = asked(NETWORK, |node, report| drop(NetworkConfig::read(node, report)));
    for (path, keys) in network.into_iter().filter(|(path, _)| path.starts_with("launch.")) {
        assert_eq!(fields_at(&network::NETWORK, &path), keys, "`{path}`");
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn shipped_files_fit_the_tables() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut found = vec![root.join("automl.toml"), root.join("examples/mal_sample/train/dataset.yaml")];
    ["network_configs", "search_spaces", "tests/it/fixtures"]
        .iter()
        .for_each(|f| files(&root.join(f), &mut found));
    let mut checked = 0;
    for file in found {
        let name = file.file_name().unwrap().to_str().unwrap();
        let format = match name {
            _ if name.ends_with(".config.json") => FileFormat::Network,
            _ if name.ends_with(".schema.json") => FileFormat::Schema,
            "automl.toml" => FileFormat::Settings,
            "dataset.yaml" => FileFormat::Dataset,
            _ => continue,
        };
        let mut report = Report::new(name);
        let node = Format::of_name(name).read(&std::fs::read_to_string(&file).unwrap(), &mut report).unwrap();
        format.table().check(&node, &mut report);
        assert_eq!(report.into_problems(), [], "{}", file.display());
        checked += 1;
    }
    assert!(checked >= 6, "{checked}");
}

#[test]
fn tables_are_printed_as_json_schemas() {
    for format in FileFormat::ALL {
        let schema = json_schema(format);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert!(schema["title"].is_string());
        let text = schema.to_string();
        for (name, _) in format.table().definitions {
            assert!(text.contains(&format!("#/$defs/{name}")) && schema["$defs"][name].is_object());
        }
    }
    let dataset = json_schema(FileFormat::Dataset);
    assert_eq!(dataset["additionalProperties"], Value::Null, "other programs have files of that name");
    assert_eq!(json_schema(FileFormat::Settings)["additionalProperties"], false);
    assert_eq!(dataset["properties"]["format"]["type"], "string");
    let network = json_schema(FileFormat::Network);
    assert_eq!(network["required"], json!(["api_params"]));
    let command = &network["properties"]["launch"]["additionalProperties"]["properties"]["command"];
    assert_eq!((&command["type"], &command["items"]["type"]), (&json!("array"), &json!("string")));
}
