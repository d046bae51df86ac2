//! Files of a dataset that name further files: whether those are there.
//!
//! Which texts of a file are names is a guess, so what is missing is remarked upon and never an error.

use super::Filling;
use crate::files;
use crate::node::{Data, Node};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Endings of files that may name others.
const LISTS: [&str; 3] = [".json", ".yaml", ".yml"];
/// Names looked up in one file at most; if the first are there, the rest is believed.
const LOOKED_UP: usize = 1_000;
/// Longest text that is taken for a name.
const NAME_MAX: usize = 300;

impl Filling<'_> {
    /// Looks into the files that a value names, as far as they are lists of files.
    pub(super) fn follow(&mut self, key: &str, value: &Value) {
        match value {
            Value::String(path) if LISTS.iter().any(|ending| path.ends_with(ending)) => {
                self.follow_file(key, Path::new(path));
            }
            Value::Array(items) => items.iter().for_each(|item| self.follow(key, item)),
            Value::Object(map) => map.values().for_each(|value| self.follow(key, value)),
            _ => {}
        }
    }

    fn follow_file(&mut self, key: &str, file: &Path) {
        if !files::is_file(file) {
            return;
        }
        // A file that is no list is the program's business.
        let (Some(node), _) = files::read_tree(file) else { return };
        let mut names = Vec::new();
        collect(&node, &mut names);
        let folder = file.parent().unwrap_or(Path::new("")).to_path_buf();
        let folders: Vec<PathBuf> = std::iter::once(folder.clone()).chain(self.folders()).collect();
        for name in names {
            if !folders.iter().any(|folder| files::exists(&folder.join(name))) {
                self.note(format!(
                    "{key}: {} names `{name}`, which is not in {}",
                    file.display(),
                    folder.display()
                ));
            }
        }
    }

    fn folders(&self) -> Vec<PathBuf> {
        let datasets = self.opened.iter().flat_map(|(_, datasets)| datasets);
        datasets.filter_map(|dataset| dataset.folder().map(Path::to_path_buf)).collect()
    }
}

fn collect<'n>(node: &'n Node, names: &mut Vec<&'n str>) {
    match &node.data {
        Data::Str(text) if is_name(text) && names.len() < LOOKED_UP => names.push(text),
        Data::Seq(items) => items.iter().for_each(|item| collect(item, names)),
        Data::Map(entries) => entries.iter().for_each(|entry| collect(&entry.value, names)),
        _ => {}
    }
}

/// Tells whether a text looks like the relative path of a file.
fn is_name(text: &str) -> bool {
    let ending = text.rsplit_once('.').map_or("", |(_, ending)| ending);
    let has_ending = (1..=5).contains(&ending.len()) && ending.bytes().all(|b| b.is_ascii_alphanumeric());
    let plain = !text.contains("://") && !text.starts_with('/') && !text.contains(char::is_whitespace);
    plain && text.len() <= NAME_MAX && has_ending && text.parse::<f64>().is_err()
}
