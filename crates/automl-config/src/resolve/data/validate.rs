//! Section `dataset_validation` applied to a dataset's folder.

use super::dataset::{Dataset, without_archive_ending};
use crate::files;
use crate::network::{Check, DatasetValidation, Rule};
use crate::problem::{Code, Problem};
use std::cell::OnceCell;
use std::path::Path;

/// Entries of a folder that a message names.
const SHOWN: usize = 12;

/// Something that a dataset lacks, and the rule that wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unmet {
    place: String,
    /// Completes the sentence "the format needs …".
    what: String,
}

/// Returns a problem for each rule of the dataset's format that does not hold.
pub(super) fn check(dataset: &Dataset, validation: &DatasetValidation) -> Vec<Problem> {
    let Some(folder) = dataset.folder() else { return Vec::new() };
    let format = dataset.facts.format.as_deref().unwrap_or("default");
    let view = View::new(folder, &dataset.facts.intents);
    let unmet = validation.rules(format).into_iter().flat_map(|rule| view.unmet(rule));
    let there = shown(folder);
    let problem = |unmet: Unmet| {
        let message = format!("format `{format}` needs {}; {there}", unmet.what);
        Problem::plain(&dataset.given, &unmet.place, Code::Dataset, message)
    };
    unmet.map(problem).collect()
}

/// Returns the first of several formats whose rules a folder satisfies.
pub(super) fn fitting<'f>(
    folder: &Path,
    intents: &[String],
    formats: &'f [String],
    validation: &DatasetValidation,
) -> Option<&'f String> {
    let view = View::new(folder, intents);
    let holds = |format: &&String| validation.rules(format).iter().all(|rule| view.unmet(rule).is_empty());
    formats.iter().find(holds)
}

/// A folder whose files are listed when a rule asks for them.
struct View<'a> {
    folder: &'a Path,
    intents: &'a [String],
    listing: OnceCell<Vec<String>>,
}

impl<'a> View<'a> {
    fn new(folder: &'a Path, intents: &'a [String]) -> Self {
        View { folder, intents, listing: OnceCell::new() }
    }

    fn unmet(&self, rule: &Rule) -> Vec<Unmet> {
        let lacks = |what: String| vec![Unmet { place: rule.place.clone(), what }];
        let foreign =
            rule.intents.as_ref().filter(|allowed| self.intents.iter().any(|i| !allowed.contains(i)));
        if let Some(allowed) = foreign {
            let own = self.intents.join("`, `");
            return lacks(format!("a dataset for `{}` and not for `{own}`", allowed.join("`, `")));
        }
        match &rule.check {
            Check::Nothing => Vec::new(),
            Check::File(path) if self.has_file(path) => Vec::new(),
            Check::File(path) => lacks(file_in_words(path)),
            Check::Folder(path) if files::is_dir(&self.folder.join(path)) => Vec::new(),
            Check::Folder(path) => lacks(format!("folder `{path}`")),
            Check::Matching { folder, pattern } => {
                let prefix = match folder.trim_matches(['/', '.']) {
                    "" => String::new(),
                    folder => format!("{folder}/"),
                };
                let below = self.listing().iter().filter_map(|path| path.strip_prefix(&prefix));
                match below.into_iter().any(|path| pattern.matches(path)) {
                    true => Vec::new(),
                    false => lacks(format!("a file that matches `{prefix}{}`", pattern.text)),
                }
            }
            Check::All(rules) => rules.iter().flat_map(|rule| self.unmet(rule)).collect(),
            Check::Any(rules) => self.unmet_any(rule, rules),
            Check::ByIntent(cases) => self.unmet_by_intent(rule, cases),
        }
    }

    fn unmet_any(&self, rule: &Rule, branches: &[Rule]) -> Vec<Unmet> {
        let unmet: Vec<Vec<Unmet>> = branches.iter().map(|branch| self.unmet(branch)).collect();
        if branches.is_empty() || unmet.iter().any(Vec::is_empty) {
            return Vec::new();
        }
        let branch = |unmet: Vec<Unmet>| unmet.into_iter().map(|u| u.what).collect::<Vec<_>>().join(" and ");
        let what = unmet.into_iter().map(branch).collect::<Vec<_>>().join(", or ");
        vec![Unmet { place: rule.place.clone(), what: format!("one of: {what}") }]
    }

    fn unmet_by_intent(&self, rule: &Rule, cases: &[(String, Rule)]) -> Vec<Unmet> {
        let [intent] = self.intents else {
            let what = format!("a dataset for exactly one purpose, found {}", self.intents.len());
            return vec![Unmet { place: rule.place.clone(), what }];
        };
        match cases.iter().find(|(case, _)| case == intent) {
            Some((_, rule)) => self.unmet(rule),
            None => {
                let known: Vec<&str> = cases.iter().map(|(case, _)| case.as_str()).collect();
                let what = format!("a dataset for `{}` and not for `{intent}`", known.join("`, `"));
                vec![Unmet { place: rule.place.clone(), what }]
            }
        }
    }

    /// An archive may lie there unpacked.
    fn has_file(&self, path: &str) -> bool {
        let unpacked =
            without_archive_ending(path).is_some_and(|name| files::is_dir(&self.folder.join(name)));
        unpacked || files::is_file(&self.folder.join(path))
    }

    fn listing(&self) -> &[String] {
        self.listing.get_or_init(|| files::list_below(self.folder))
    }
}

fn file_in_words(path: &str) -> String {
    match without_archive_ending(path) {
        Some(name) => format!("archive `{path}` (or its folder `{name}`)"),
        None => format!("file `{path}`"),
    }
}

/// Says what is in a folder.
fn shown(folder: &Path) -> String {
    let mut names = files::list(folder);
    names.sort();
    let name =
        |name: &String| if files::is_dir(&folder.join(name)) { format!("{name}/") } else { name.clone() };
    let first: Vec<String> = names.iter().take(SHOWN).map(name).collect();
    match names.len() {
        0 => "the folder is empty".into(),
        n if n > SHOWN => format!("there are {} and {} more", first.join(", "), n - SHOWN),
        _ => format!("there are {}", first.join(", ")),
    }
}
