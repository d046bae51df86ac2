//! Dataset folders into spec keys.
//!
//! A value that the user set as an absolute path or a URI wins. Archives (`images.tar.gz`) give way
//! to their unpacked folder (`images`) where that exists, since programs read folders.

use crate::files;
use crate::network::{DataSource, PathRule, SourceName};
use crate::problem::{Code, Problem};
use crate::request::Datasets;
use crate::spec::SpecPath;
use serde_json::Value;
use std::path::{Path, PathBuf};

const ARCHIVES: [&str; 3] = [".tar.gz", ".tgz", ".tar"];

/// Fills an action's data sources into the spec.
pub(super) fn fill(
    sources: &[DataSource],
    datasets: &Datasets,
    spec: &mut Value,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) {
    check_folders(datasets, problems);
    for source in sources {
        let Ok(path) = source.key.parse::<SpecPath>() else {
            let message = format!("`{}` is not a spec key", source.key);
            problems.push(Problem::plain("data_sources", &source.key, Code::BadValue, message));
            continue;
        };
        let existing = path.get(spec).cloned().unwrap_or_default();
        if is_users(&existing) {
            continue;
        }
        match value(source, datasets, &existing, notes, problems) {
            Some(value) => path.set(spec, value),
            None => continue,
        }
    }
}

/// Returns the folders of a source.
fn folders(source: SourceName, datasets: &Datasets) -> Vec<&PathBuf> {
    match source {
        SourceName::Train => datasets.train.iter().collect(),
        SourceName::Eval => datasets.eval.iter().collect(),
        SourceName::Inference => datasets.inference.iter().collect(),
        SourceName::Calibration => datasets.calibration.iter().collect(),
    }
}

fn check_folders(datasets: &Datasets, problems: &mut Vec<Problem>) {
    for source in [SourceName::Train, SourceName::Eval, SourceName::Inference, SourceName::Calibration] {
        for folder in folders(source, datasets).into_iter().filter(|folder| !files::is_dir(folder)) {
            let message = match files::exists(folder) {
                true => format!("{} is not a folder", folder.display()),
                false => format!("folder {} does not exist", folder.display()),
            };
            problems.push(Problem::plain(source.flag(), "", Code::Dataset, message));
        }
    }
}

/// Tells whether a value already points at data by itself.
fn is_users(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("://") || text.starts_with('/'),
        Value::Array(items) => {
            items.iter().any(|item| item.as_str().is_some_and(|text| text.contains("://")))
        }
        _ => false,
    }
}

fn value(
    source: &DataSource,
    datasets: &Datasets,
    existing: &Value,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    let folders = folders(source.source, datasets);
    if folders.is_empty() {
        if !source.optional && is_unset(existing) {
            problems.push(no_dataset(source));
        }
        return None;
    }
    if let PathRule::Unsupported(rule) = &source.rule {
        let message = format!("cannot be filled: rule `{rule}` is not acted upon yet");
        let hint = format!("give the value: --set {}=PATH", source.key);
        problems
            .push(Problem::plain("data_sources", &source.key, Code::Unsupported, message).with_hint(hint));
        return None;
    }
    if !is_unset(existing) {
        notes.push(format!(
            "{}: {existing} gives way to the dataset; only absolute paths and URIs win",
            source.key
        ));
    }
    if source.multiple {
        let values: Option<Vec<Value>> =
            folders.iter().map(|f| from_folder(source, f, notes, problems)).collect();
        return values.map(Value::Array);
    }
    if folders.len() > 1 {
        notes.push(format!("{}: takes one dataset; the first of {} is used", source.key, folders.len()));
    }
    let value = from_folder(source, folders[0], notes, problems)?;
    Some(if source.wrap_in_list { Value::Array(vec![value]) } else { value })
}

fn is_unset(value: &Value) -> bool {
    value.is_null() || value == "" || value == "???" || value.as_array().is_some_and(Vec::is_empty)
}

fn no_dataset(source: &DataSource) -> Problem {
    let flag = source.source.flag();
    let hint = format!("add {flag} DIR, or --set {}=/absolute/path", source.key);
    let message = match &source.rule {
        PathRule::Path(file) if !file.is_empty() => {
            format!("`{}` needs {} from {flag}, which is not given", source.key, expectation(file))
        }
        _ => format!("`{}` needs {flag}, which is not given", source.key),
    };
    Problem::plain(flag, "", Code::Dataset, message).with_hint(hint)
}

/// Returns what one dataset folder gives for a source.
fn from_folder(
    source: &DataSource,
    folder: &Path,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    match &source.rule {
        PathRule::Value(value) => Some(value.clone()),
        PathRule::Path(file) => locate(source, folder, file, notes, problems),
        PathRule::Mapping(pairs) => {
            let located = pairs.iter().map(|(key, file)| {
                locate(source, folder, file, notes, problems).map(|value| (key.clone(), value))
            });
            located.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(Value::Object)
        }
        PathRule::Unsupported(_) => None,
    }
}

/// Returns the absolute path of a dataset's file or folder, or reports what is missing.
fn locate(
    source: &DataSource,
    folder: &Path,
    file: &str,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    let root = files::absolute(folder);
    let whole = if file.is_empty() { root.clone() } else { root.join(file) };
    let unpacked = unpacked(file).map(|name| root.join(name)).filter(|path| files::is_dir(path));
    let found = match unpacked {
        Some(unpacked) => unpacked,
        None if files::exists(&whole) => {
            if unpacked_name(file) {
                notes.push(format!(
                    "{}: {} is an archive; unpack it beside itself",
                    source.key,
                    whole.display()
                ));
            }
            whole
        }
        None => {
            // A missing folder is reported once, and not again for each file in it.
            if files::is_dir(folder) && !source.optional {
                problems.push(missing(source, folder, file));
            }
            return None;
        }
    };
    match found.to_str() {
        Some(text) => Some(text.into()),
        None => {
            let message = format!("path {} is not valid UTF-8", found.display());
            problems.push(
                Problem::plain(source.source.flag(), "", Code::Dataset, message).with_hint("rename it"),
            );
            None
        }
    }
}

fn missing(source: &DataSource, folder: &Path, file: &str) -> Problem {
    let message = format!("{} has no {}, needed for `{}`", folder.display(), expectation(file), source.key);
    Problem::plain(source.source.flag(), "", Code::Dataset, message)
}

/// Returns what a dataset must hold, in words.
fn expectation(file: &str) -> String {
    match unpacked(file) {
        Some(name) => format!("folder `{name}` (or archive `{file}`)"),
        None if Path::new(file).extension().is_some() => format!("file `{file}`"),
        None => format!("`{file}`"),
    }
}

fn unpacked(file: &str) -> Option<&str> {
    ARCHIVES.iter().find_map(|ending| file.strip_suffix(ending)).filter(|name| !name.is_empty())
}

fn unpacked_name(file: &str) -> bool {
    unpacked(file).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;

    fn source(rule: PathRule) -> DataSource {
        DataSource {
            key: "data.key".into(),
            source: SourceName::Train,
            multiple: false,
            rule,
            wrap_in_list: false,
            optional: false,
        }
    }

    /// Two datasets `a` and `b`, each with `list.json` and a folder `images`; returns the spec filled.
    fn filled(source: DataSource, existing: Value) -> Result<(Value, Vec<String>), Vec<String>> {
        let root = tempfile::tempdir().unwrap();
        let masked = |text: String| text.replace(root.path().to_str().unwrap(), "ROOT");
        let train: Vec<PathBuf> = ["a", "b"].iter().map(|name| root.path().join(name)).collect();
        for folder in &train {
            fs::create_dir_all(folder.join("images")).unwrap();
            fs::write(folder.join("list.json"), "[]").unwrap();
        }
        let mut spec = json!({ "data": { "key": existing } });
        let (mut notes, mut problems) = (Vec::new(), Vec::new());
        let datasets = Datasets { train, ..Datasets::default() };
        fill(&[source], &datasets, &mut spec, &mut notes, &mut problems);
        if problems.is_empty() {
            let spec = serde_json::from_str(&masked(spec["data"]["key"].to_string())).unwrap();
            Ok((spec, notes.into_iter().map(masked).collect()))
        } else {
            Err(problems.iter().map(|p| masked(p.to_string())).collect())
        }
    }

    fn path(file: &str) -> PathRule {
        PathRule::Path(file.into())
    }

    #[test]
    fn every_dataset_gives_an_item() {
        let pairs = vec![("img".into(), "images.tar.gz".into()), ("ann".into(), "list.json".into())];
        let many = DataSource { multiple: true, ..source(PathRule::Mapping(pairs)) };
        let expected = json!([
            {"img": "ROOT/a/images", "ann": "ROOT/a/list.json"},
            {"img": "ROOT/b/images", "ann": "ROOT/b/list.json"},
        ]);
        assert_eq!(filled(many, Value::Null), Ok((expected, vec![])));
    }

    #[test]
    fn single_sources_take_the_first_dataset() {
        let notes = vec!["data.key: takes one dataset; the first of 2 is used".to_string()];
        assert_eq!(
            filled(source(path("list.json")), json!("")),
            Ok((json!("ROOT/a/list.json"), notes.clone()))
        );
        assert_eq!(filled(source(path("")), Value::Null), Ok((json!("ROOT/a"), notes.clone())));
        let wrapped = DataSource { wrap_in_list: true, ..source(path("images")) };
        assert_eq!(filled(wrapped, Value::Null), Ok((json!(["ROOT/a/images"]), notes.clone())));
        assert_eq!(filled(source(PathRule::Value(json!(true))), Value::Null), Ok((json!(true), notes)));
    }

    #[test]
    fn own_paths_and_uris_win() {
        for own in [json!("/data/x"), json!("s3://bucket/x"), json!(["s3://bucket/x"])] {
            assert_eq!(filled(source(path("list.json")), own.clone()), Ok((own, vec![])));
        }
        let (spec, notes) = filled(source(path("list.json")), json!("relative/x")).unwrap();
        assert_eq!(spec, "ROOT/a/list.json");
        assert_eq!(
            notes[0],
            "data.key: \"relative/x\" gives way to the dataset; only absolute paths and URIs win"
        );
    }

    #[test]
    fn missing_files_are_errors_unless_optional() {
        assert_eq!(
            filled(source(path("other.json")), Value::Null),
            Err(vec![
                "--train-dataset: error: ROOT/a has no file `other.json`, needed for `data.key`".to_string()
            ])
        );
        let optional = DataSource { optional: true, ..source(path("other.json")) };
        assert_eq!(filled(optional, json!("")).unwrap().0, "");
    }

    #[test]
    fn rules_of_later_versions_ask_for_the_value() {
        assert_eq!(
            filled(source(PathRule::Unsupported("path_from_format".into())), Value::Null),
            Err(vec![
                "data_sources: error: data.key: cannot be filled: rule `path_from_format` is not acted upon yet (give the value: --set data.key=PATH)".to_string()
            ])
        );
    }
}
