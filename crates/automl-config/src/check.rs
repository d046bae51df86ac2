//! Any input file, checked by itself: what it is is told from its name and its content.

use crate::catalog::ModelInfo;
use crate::check_spec::check_spec_values;
use crate::config_space::is_config_space;
use crate::facts::Facts;
use crate::files;
use crate::network::NetworkConfig;
use crate::node::{Data, Node};
use crate::problem::{Code, Position, Problem, Report};
use crate::read::Format;
use crate::schema::Schema;
use crate::settings::Settings;
use crate::space_file::read_space;
use automl_core::SearchSpace;
use std::path::Path;

/// What a file may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    NetworkConfig,
    Schema,
    ModelInfo,
    Settings,
    Space,
    Dataset,
    Spec,
}

/// Checks a network config, schema, search space, spec, `dataset.yaml` or `automl.toml`. Never fails: what
/// is wrong, an unreadable file included, is in the result.
#[must_use]
pub fn check_file(path: &Path) -> Vec<Problem> {
    check_file_against(path, None)
}

/// Tells whether a file met in a folder is one of this project's formats. Plain specs are not: nothing
/// tells them from any other file.
pub(crate) fn is_ours(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let named = name.starts_with("spec_template_")
        || [".config.json", ".schema.json"].iter().any(|end| name.ends_with(end))
        || ["automl.toml", "dataset.yaml"].contains(&name.as_str());
    let readable = [".json", ".yaml", ".yml", ".toml"].iter().any(|end| name.ends_with(end));
    if named || !readable {
        return named;
    }
    let (node, report) = files::read_tree(path);
    node.filter(|_| !report.has_errors()).is_some_and(|node| kind(&name, &node) != FileKind::Spec)
}

/// Checks a file like [`check_file`], and a spec against a schema.
pub(crate) fn check_file_against(path: &Path, schema: Option<&Schema>) -> Vec<Problem> {
    let text = match files::read_text(path) {
        Ok(text) => text,
        Err(why) => {
            return vec![Problem::plain(path.display().to_string(), "", Code::Unreadable, why)];
        }
    };
    check_text_against(path, &text, schema)
}

/// Checks a text as the content of a file of that name, which need not exist.
#[must_use]
pub fn check_text(path: &Path, text: &str) -> Vec<Problem> {
    check_text_against(path, text, None)
}

fn check_text_against(path: &Path, text: &str, schema: Option<&Schema>) -> Vec<Problem> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut report = Report::new(path.display().to_string());
    let format = Format::of_name(&name);
    let Some(node) = format.read(text, &mut report) else {
        return report.into_problems();
    };
    match kind(&name, &node) {
        FileKind::NetworkConfig => drop(NetworkConfig::read(&node, &mut report)),
        FileKind::Schema => drop(Schema::read(&node, &mut report)),
        FileKind::ModelInfo => drop(ModelInfo::read(&node, &mut report)),
        FileKind::Settings => {
            let folder = path.parent().unwrap_or(Path::new(""));
            drop(Settings::from_node(&node, folder, &mut report));
        }
        FileKind::Space => check_space(&node, &mut report),
        FileKind::Dataset => {
            let folder = path.parent().unwrap_or(Path::new(""));
            drop(Facts::read(&node, folder, &mut report));
        }
        FileKind::Spec => {
            check_spec(&node, text, format, &mut report);
            schema.into_iter().for_each(|schema| check_spec_values(&node, schema, &mut report));
        }
    }
    report.into_problems()
}

fn kind(name: &str, root: &Node) -> FileKind {
    let has = |key: &str| root.get(key).is_some();
    if name.ends_with(".config.json") || has("api_params") {
        FileKind::NetworkConfig
    } else if name.ends_with(".schema.json") || has("properties") {
        FileKind::Schema
    } else if name == "automl.toml" {
        FileKind::Settings
    } else if name == "dataset.yaml" {
        FileKind::Dataset
    } else if has("network_arch") {
        FileKind::ModelInfo
    } else if is_space(root) {
        FileKind::Space
    } else {
        FileKind::Spec
    }
}

/// A list, a list under `parameters`, an object of nothing but parameters, or a space of ConfigSpace.
fn is_space(root: &Node) -> bool {
    let parameter = |node: &Node| match &node.data {
        Data::Str(text) => text.contains("..") || text.contains('|'),
        Data::Map(_) => node.get("type").is_some() || node.get("distribution").is_some(),
        _ => false,
    };
    let listed = root.get("parameters").is_some_and(|node| node.items().is_some());
    let all = root.entries().is_some_and(|e| !e.is_empty() && e.iter().all(|e| parameter(&e.value)));
    root.items().is_some() || listed || all || is_config_space(root)
}

fn check_space(root: &Node, report: &mut Report) {
    let parameters = read_space(root, &mut Vec::new(), report);
    if report.has_errors() {
        return;
    }
    for problem in SearchSpace::new(parameters).err().unwrap_or_default() {
        report.error(root.at, "", Code::BadValue, problem.to_string());
    }
}

fn check_spec(root: &Node, text: &str, format: Format, report: &mut Report) {
    if root.entries().is_none() {
        let message = format!("a spec is an object, found {}", root.describe());
        report.error(root.at, "", Code::WrongType, message);
    }
    if format == Format::Yaml {
        warn_of_other_readers(root, &text.lines().collect::<Vec<_>>(), "", report);
    }
}

/// Numbers that readers of YAML 1.1, PyYAML among them, take for something else.
fn warn_of_other_readers(node: &Node, lines: &[&str], path: &str, report: &mut Report) {
    match &node.data {
        Data::Map(entries) => {
            for entry in entries {
                warn_of_other_readers(&entry.value, lines, &crate::fields::join(path, &entry.key), report);
            }
        }
        Data::Seq(items) => {
            for (i, item) in items.iter().enumerate() {
                warn_of_other_readers(item, lines, &format!("{path}[{i}]"), report);
            }
        }
        Data::Float(value) => {
            let written = token(lines, node.at);
            if let Some(meaning) = meaning_elsewhere(written) {
                let message = format!("PyYAML reads `{written}` as {meaning}");
                report
                    .warning(node.at, path, Code::BadValue, message)
                    .hint(format!("write {}", portable(*value)));
            }
        }
        Data::Null | Data::Bool(_) | Data::Int(_) | Data::Str(_) => {}
    }
}

/// Returns the plain scalar at a place.
fn token<'t>(lines: &[&'t str], at: Position) -> &'t str {
    let line = lines.get(at.line as usize - 1).copied().unwrap_or_default();
    let from = line.char_indices().nth(at.column as usize - 1).map_or(line.len(), |(i, _)| i);
    line[from..].split([' ', ',', ']', '}', '\t']).next().unwrap_or_default()
}

fn meaning_elsewhere(written: &str) -> Option<&'static str> {
    let unsigned = written.trim_start_matches(['+', '-']);
    let digits = unsigned.bytes().all(|b| b.is_ascii_digit());
    if digits && unsigned.len() > 1 && unsigned.starts_with('0') {
        return Some("an octal number or a text");
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E'])?;
    (!mantissa.contains('.') || !exponent.starts_with(['+', '-'])).then_some("a text")
}

/// Returns a number in the form that every reader of YAML takes for a float.
fn portable(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        None => text,
        Some((mantissa, exponent)) => {
            let point = if mantissa.contains('.') { "" } else { ".0" };
            let sign = if exponent.starts_with('-') { "" } else { "+" };
            format!("{mantissa}{point}e{sign}{exponent}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(name: &str, text: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let folder = format!("{}/", folder.path().display());
        check_file(&path).iter().map(|p| p.to_string().replace(&folder, "")).collect()
    }

    #[test]
    fn files_are_told_apart() {
        for (name, text, expected) in [
            ("x.config.json", "{}", "x.config.json:1:1: error: key `api_params` is missing"),
            (
                "x.json",
                "{\"properties\": 1}",
                "x.json:1:16: error: expected an object of parameters, found the whole number 1",
            ),
            ("automl.toml", "[rnu]", "automl.toml:1:2: error: unknown key `rnu` (did you mean `run`?)"),
            (
                "space.yaml",
                "lr: 1..x\n",
                "space.yaml:1:5: error: lr: expected a number, found `x` (character 4 of `1..x`) (write name=low..high, name=a|b|c or name=value)",
            ),
            (
                "space.yaml",
                "- lr=2..1\n",
                "space.yaml:1:3: error: [0]: lower bound 2 is above upper bound 1; swap them",
            ),
            ("spec.yaml", "- 1\n", "space"),
            (
                "spec.yaml",
                "just text\n",
                "spec.yaml:1:1: error: a spec is an object, found the text `just text`",
            ),
            ("bad.json", "{\"a\" 1}", "bad.json:1:6: error: not JSON: "),
        ] {
            let found = check(name, text);
            match expected {
                "space" => assert!(found[0].contains("expected a parameter"), "{found:?}"),
                _ => assert!(found[0].starts_with(expected), "{name}: {found:?}"),
            }
        }
    }

    #[test]
    fn unreadable_files_are_problems() {
        let problems = check_file(Path::new("/nowhere/x.yaml"));
        assert_eq!(problems[0].code, Code::Unreadable);
        assert!(
            problems[0].to_string().starts_with("/nowhere/x.yaml: error: cannot be read: "),
            "{problems:?}"
        );
    }

    #[test]
    fn numbers_that_python_reads_otherwise_are_warned_of() {
        let text = "lr: 1e-4\nok: 1.0e-4\nlist: [010, 1.5e3, 2e-3]\ntext: \"1e-4\"\n";
        assert_eq!(
            check("spec.yaml", text),
            [
                "spec.yaml:1:5: warning: lr: PyYAML reads `1e-4` as a text (write 0.0001)",
                "spec.yaml:3:8: warning: list[0]: PyYAML reads `010` as an octal number or a text (write 10.0)",
                "spec.yaml:3:13: warning: list[1]: PyYAML reads `1.5e3` as a text (write 1500.0)",
                "spec.yaml:3:20: warning: list[2]: PyYAML reads `2e-3` as a text (write 0.002)",
            ]
        );
    }

    /// Pieces of all the formats, put together at random.
    fn any_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("{".to_string()),
            Just("}".into()),
            Just("[".into()),
            Just("]".into()),
            Just(": ".into()),
            Just(",".into()),
            Just("\n".into()),
            Just("  ".into()),
            Just("- ".into()),
            Just("\"".into()),
            Just("\"properties\"".into()),
            Just("\"api_params\"".into()),
            Just("\"type\"".into()),
            Just("\"float\"".into()),
            Just("\"launch\"".into()),
            Just("train".into()),
            Just("command".into()),
            Just("&a ".into()),
            Just("*a".into()),
            Just("1e-4".into()),
            Just("010".into()),
            Just("a.b[0]=1..2:log@".into()),
            Just("Infinity".into()),
            Just("\u{feff}".into()),
            "\\PC{0,4}",
            "[0-9.eE+-]{1,6}",
        ];
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text in any_text()) {
            for name in ["x.json", "x.yaml", "automl.toml", "x.config.json", "x.schema.json", "dataset.yaml"] {
                for problem in check_text(Path::new(name), &text) {
                    prop_assert!(!problem.message.is_empty());
                }
            }
        }
    }
}
