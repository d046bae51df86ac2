//! Files and folders to check: a folder stands for the files in it that this project reads.

use crate::catalog::Catalog;
use crate::check::{check_file_against, is_ours};
use crate::files;
use crate::problem::{Code, Problem, Problems, Report};
use crate::schema::Schema;
use std::path::{Path, PathBuf};

/// Files looked at in one folder at most; beyond, the path is hardly the one that was meant.
const MAX_FILES: usize = 10_000;
/// Folders within folders are followed so far.
const MAX_DEPTH: usize = 16;

/// A schema that specs are checked against.
#[derive(Clone, Debug)]
pub struct SpecSchema(Schema);

impl SpecSchema {
    /// Reads a schema file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let node = files::require_tree(path)?;
        let mut report = Report::new(path.display().to_string());
        let schema = Schema::read(&node, &mut report);
        report.finish()?;
        Ok(SpecSchema(schema.expect("a file without errors gives a schema")))
    }

    /// Returns the schema of a network's action.
    ///
    /// # Errors
    /// An unknown network or action, or what is wrong with the schema.
    pub fn of_network(catalog: &Catalog, network: &str, action: &str) -> Result<Self, Problems> {
        catalog.network(network)?;
        catalog.schema(network, action).map(|(schema, _)| SpecSchema(schema))
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Number of files looked at.
    pub files: usize,
    /// Everything found, in the order of the files.
    pub problems: Vec<Problem>,
}

/// Checks files, and the files of this project's formats within folders; specs against a schema where
/// one is given. Never fails: what is wrong, an unreadable path included, is in the result.
#[must_use]
pub fn check_paths(paths: &[PathBuf], against: Option<&SpecSchema>) -> Checked {
    let schema = against.map(|against| &against.0);
    let mut checked = Checked::default();
    for path in paths {
        if !files::is_dir(path) {
            checked.files += 1;
            checked.problems.extend(check_file_against(path, schema));
            continue;
        }
        let mut found = Vec::new();
        collect(path, MAX_DEPTH, &mut found);
        let ours: Vec<PathBuf> = found.into_iter().filter(|file| is_ours(file)).collect();
        if ours.is_empty() {
            let message =
                "there is no network config, schema, search space, spec template or dataset.yaml in it";
            let shown = path.display().to_string();
            let problem = Problem::plain(shown, "", Code::Unreadable, message);
            checked.problems.push(problem.with_hint("name the files"));
        }
        checked.files += ours.len();
        checked.problems.extend(ours.iter().flat_map(|file| check_file_against(file, schema)));
    }
    checked
}

/// Files in a folder and its subfolders, by name; hidden ones and links to folders are left alone.
fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let mut names = files::list(folder);
    names.sort();
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        let path = folder.join(name);
        if found.len() >= MAX_FILES {
            return;
        }
        match files::is_dir(&path) {
            true if depth > 0 && !files::is_link(&path) => collect(&path, depth - 1, found),
            true => {}
            false => found.push(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn folders_stand_for_the_files_that_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a.config.json", "{}");
        write("deep/er/train.schema.json", "{}");
        write("data/dataset.yaml", "fromat: coco\n");
        write("data/annotations.json", "{\"images\": [}");
        write("data/notes.yaml", "just: notes\n");
        write("spaces/own.yaml", "lr: 1..x\n");
        write(".hidden/b.config.json", "{}");
        let checked = check_paths(&[folder.path().into()], None);
        let prefix = format!("{}/", folder.path().display());
        let found: Vec<String> =
            checked.problems.iter().map(|p| p.to_string().replace(&prefix, "")).collect();
        assert_eq!(
            found,
            [
                "a.config.json:1:1: error: key `api_params` is missing",
                "data/dataset.yaml:1:1: warning: unknown key `fromat` is ignored (did you mean `format`?)",
                "deep/er/train.schema.json:1:1: error: key `properties` is missing",
                "spaces/own.yaml:1:5: error: lr: expected a number, found `x` (character 4 of `1..x`) (write name=low..high, name=a|b|c or name=value)",
            ]
        );
        assert_eq!(checked.files, 4);
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(check_paths(&[empty.path().into()], None).problems[0].code, Code::Unreadable);
    }

    #[test]
    fn links_in_a_circle_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        fs::write(folder.path().join("a.config.json"), "{}").unwrap();
        assert_eq!(check_paths(&[folder.path().into()], None).files, 1);
    }

    #[test]
    fn specs_are_held_against_a_schema() {
        let folder = tempfile::tempdir().unwrap();
        let schema = folder.path().join("train.schema.json");
        fs::write(&schema, r#"{"properties": {"lr": {"type": "float"}}}"#).unwrap();
        let spec = folder.path().join("spec.yaml");
        fs::write(&spec, "rl: 1\n").unwrap();
        assert_eq!(check_paths(std::slice::from_ref(&spec), None).problems, []);
        let schema = SpecSchema::read(&schema).unwrap();
        let found = check_paths(std::slice::from_ref(&spec), Some(&schema)).problems;
        assert_eq!(found[0].message, "no key `rl` in the schema");
        let network = SpecSchema::of_network(&Catalog::embedded(), "mal", "train").unwrap();
        fs::write(&spec, "train:\n  lr: 0.5\n").unwrap();
        let found = check_paths(&[spec], Some(&network)).problems;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(SpecSchema::of_network(&Catalog::embedded(), "mall", "train").is_err());
    }
}
