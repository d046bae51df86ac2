//! Section `dataset_validation`: which files a dataset of each format must have.
//!
//! A file pattern is called `regex` by the format but holds a glob in some real configs and an
//! expression in others. A text with a `*` or `?` is tried as both, one whose `*` begins a name only as a
//! glob (no expression does), and anything else as an expression.

use crate::fields::{Fields, join, wrong_type};
use crate::glob::{self, Star};
use crate::nearest::did_you_mean;
use crate::node::Node;
use crate::pattern::Pattern;
use crate::problem::{Code, Report};

/// Rules by dataset format.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct DatasetValidation {
    formats: Vec<(String, Vec<Rule>)>,
}

/// Something that must be true of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    /// Where it stands, for example `dataset_validation.required_files.coco[0]`.
    pub(crate) place: String,
    /// The dataset's intents must be among these.
    pub(crate) intents: Option<Vec<String>>,
    pub(crate) check: Check,
}

/// What must be there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Check {
    Nothing,
    File(String),
    Folder(String),
    /// At least one file below a folder whose path relative to it matches.
    Matching {
        folder: String,
        pattern: FilePattern,
    },
    All(Vec<Rule>),
    Any(Vec<Rule>),
    ByIntent(Vec<(String, Rule)>),
}

/// A pattern of file paths, as its text and as what it may mean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FilePattern {
    pub(crate) text: String,
    meanings: Vec<Pattern>,
}

impl FilePattern {
    fn parse(text: &str) -> Result<Self, String> {
        let wild = text.contains(['*', '?']);
        let star_begins_name = text.starts_with('*') || text.contains("/*");
        let as_glob = wild.then(|| glob::compile(text, Star::WithinName));
        let as_expression = (!wild || !star_begins_name).then(|| Pattern::new(text));
        let (mut meanings, mut wrong) = (Vec::new(), None);
        for meaning in [as_glob, as_expression].into_iter().flatten() {
            match meaning {
                Ok(pattern) => meanings.push(pattern),
                Err(why) => wrong = Some(why),
            }
        }
        match (meanings.is_empty(), wrong) {
            (true, Some(why)) => Err(why),
            _ => Ok(FilePattern { text: text.into(), meanings }),
        }
    }

    /// Tells whether a path, with `/` between folders, matches in one of the meanings.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.meanings.iter().any(|pattern| pattern.matches(path))
    }
}

impl DatasetValidation {
    pub(super) fn read(node: &Node, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, "dataset_validation", report)?;
        let path = fields.path_of("required_files");
        let by_format = fields.node("required_files");
        let entries =
            by_format.and_then(|n| n.entries().or_else(|| wrong_type(n, &path, "an object", report)));
        let formats = entries.unwrap_or_default().iter().map(|e| {
            let rules = read_rules(&e.value, &join(&path, &e.key), report);
            (e.key.clone(), rules)
        });
        let validation = DatasetValidation { formats: formats.collect() };
        fields.close_leniently(report);
        Some(validation)
    }

    /// Returns the rules of a format: its own, else those of `default`, else of `*`. A format with commas
    /// stands for several, the format `*` for any.
    pub(crate) fn rules(&self, format: &str) -> Vec<&Rule> {
        if format == "*" {
            let named = self.formats.iter().filter(|(name, _)| name != "default");
            let all: Vec<&Rule> = match self.own("*") {
                Some(rules) => rules.iter().collect(),
                None => named.flat_map(|(_, rules)| rules).collect(),
            };
            return if all.is_empty() { self.fallback().iter().collect() } else { all };
        }
        let rules_of = |part: &str| self.own(part).unwrap_or_else(|| self.fallback());
        match self.own(format) {
            Some(rules) => rules.iter().collect(),
            None => format.split(',').map(str::trim).flat_map(rules_of).collect(),
        }
    }

    fn own(&self, format: &str) -> Option<&[Rule]> {
        self.formats.iter().find(|(name, _)| name == format).map(|(_, rules)| rules.as_slice())
    }

    fn fallback(&self) -> &[Rule] {
        self.own("default").or_else(|| self.own("*")).unwrap_or_default()
    }

    /// Returns the formats that have rules of their own, in file order.
    pub(crate) fn formats(&self) -> impl Iterator<Item = &str> {
        self.formats.iter().map(|(name, _)| name.as_str())
    }
}

fn read_rules(node: &Node, path: &str, report: &mut Report) -> Vec<Rule> {
    let Some(items) = node.items() else {
        return wrong_type(node, path, "a list of rules", report).unwrap_or_default();
    };
    let with_index = items.iter().enumerate();
    with_index.filter_map(|(i, item)| read_rule(item, &format!("{path}[{i}]"), report)).collect()
}

fn read_rule(node: &Node, path: &str, report: &mut Report) -> Option<Rule> {
    let mut fields = Fields::open(node, path, report)?;
    let intents = fields.node("intent_restriction").is_some();
    let intents = intents.then(|| fields.strings("intent_restriction", report));
    let all = fields.node("all_of");
    let any = fields.node("any_of");
    let by_intent = fields.node("intent_based_path");
    let check = if fields.node("path").is_some() {
        read_entry(&mut fields, report)
    } else if let Some(node) = all {
        Some(Check::All(read_rules(node, &join(path, "all_of"), report)))
    } else if let Some(node) = any {
        Some(Check::Any(read_rules(node, &join(path, "any_of"), report)))
    } else if let Some(node) = by_intent {
        let path = join(path, "intent_based_path");
        Some(Check::ByIntent(super::source_parts::read_cases(node, &path, report, read_rule)))
    } else if intents.is_some() {
        Some(Check::Nothing)
    } else {
        let message = "a rule needs `path`, `all_of`, `any_of`, `intent_based_path` or `intent_restriction`";
        report.error(node.at, path, Code::MissingKey, message);
        None
    };
    fields.close_leniently(report);
    Some(Rule { place: path.into(), intents, check: check? })
}

fn read_entry(fields: &mut Fields<'_>, report: &mut Report) -> Option<Check> {
    let path = fields.required_string("path", report)?;
    let kind = fields.string("type", report).unwrap_or_else(|| "file".into());
    let type_path = fields.path_of("type");
    let at = fields.node("type").map_or(fields.at(), |node| node.at);
    match kind.as_str() {
        "file" => Some(Check::File(path)),
        "folder" => Some(Check::Folder(path)),
        "regex" | "glob" => read_matching(path, fields, report),
        other => {
            let hint = did_you_mean(other, ["file", "folder", "regex", "glob"]);
            report.error(at, &type_path, Code::UnknownName, format!("unknown type `{other}`")).hint(hint);
            None
        }
    }
}

/// Without a pattern of its own, an entry's path is the pattern.
fn read_matching(path: String, fields: &mut Fields<'_>, report: &mut Report) -> Option<Check> {
    let node = fields.node("regex").or_else(|| fields.node("path"));
    let key = if fields.node("regex").is_some() { "regex" } else { "path" };
    let place = fields.path_of(key);
    let given = fields.string("regex", report);
    let (folder, text) = match given {
        Some(text) => (path, text),
        None => (String::new(), path),
    };
    match FilePattern::parse(&text) {
        Ok(pattern) => Some(Check::Matching { folder, pattern }),
        Err(why) => {
            report.error(node.map_or(fields.at(), |n| n.at), &place, Code::BadValue, why);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read_json;

    fn read(text: &str) -> (Option<DatasetValidation>, Vec<String>) {
        let mut report = Report::new("n.json");
        let node = read_json(text, &mut report).unwrap();
        let validation = DatasetValidation::read(&node, &mut report);
        (validation, report.into_problems().iter().map(ToString::to_string).collect())
    }

    fn places(validation: &DatasetValidation, format: &str) -> Vec<String> {
        let last = |rule: &&Rule| rule.place.rsplit('.').next().unwrap().to_string();
        validation.rules(format).iter().map(last).collect()
    }

    #[test]
    fn rules_are_chosen_by_format() {
        let text = r#"{"required_files": {"coco": [{"path": "a"}], "default": [{"path": "b"}], "kitti": [{"path": "c"}]}}"#;
        let (validation, problems) = read(text);
        let validation = validation.unwrap();
        assert_eq!(problems, [""; 0]);
        for (format, expected) in [
            ("coco", vec!["coco[0]"]),
            ("raw", vec!["default[0]"]),
            ("coco, kitti", vec!["coco[0]", "kitti[0]"]),
            ("coco,raw", vec!["coco[0]", "default[0]"]),
            ("*", vec!["coco[0]", "kitti[0]"]),
        ] {
            assert_eq!(places(&validation, format), expected, "{format}");
        }
        let any = read(r#"{"required_files": {"*": [{"path": "a"}]}}"#).0.unwrap();
        assert_eq!(places(&any, "raw"), ["*[0]"]);
        assert!(DatasetValidation::default().rules("x").is_empty());
    }

    #[test]
    fn patterns_are_globs_or_expressions() {
        for (text, matching, others) in [
            ("mp4", &["a/b.mp4", "mp4"][..], &["a.mov"][..]),
            (r".*\.mp4$", &["a/b.mp4"], &["a.mp4.txt"]),
            ("train/*/calibration.json", &["train/s1/calibration.json"], &["train/calibration.json"]),
            ("*.npy", &["a.npy"], &["a/b.npy"]),
            ("img_?.png", &["img_1.png"], &["img_12.txt"]),
            (r"^(train|val)/\d+\.png$", &["val/12.png"], &["test/12.png"]),
        ] {
            let pattern = FilePattern::parse(text).unwrap();
            for path in matching {
                assert!(pattern.matches(path), "{text} should match {path}");
            }
            for path in others {
                assert!(!pattern.matches(path), "{text} should not match {path}");
            }
        }
        assert!(FilePattern::parse("(").is_err());
    }

    #[test]
    fn bad_rules_are_located() {
        let (_, problems) = read(
            r#"{"required_files": {"a": [{"tpye": "file"}, {"path": "x", "type": "dir"},
              {"path": ".", "type": "regex", "regex": "("}], "b": {}}}"#,
        );
        assert_eq!(
            problems,
            [
                "n.json:1:27: error: dataset_validation.required_files.a[0]: a rule needs `path`, `all_of`, `any_of`, `intent_based_path` or `intent_restriction`",
                "n.json:1:28: warning: dataset_validation.required_files.a[0]: unknown key `tpye` is ignored (known: `intent_restriction`, `all_of`, `any_of`, `intent_based_path`, `path`)",
                "n.json:1:67: error: dataset_validation.required_files.a[1].type: unknown type `dir` (known: `file`, `folder`, `regex`, `glob`)",
                "n.json:2:55: error: dataset_validation.required_files.a[2].regex: not a regular expression: unclosed group",
                "n.json:2:67: error: dataset_validation.required_files.b: expected a list of rules, found an object",
            ]
        );
    }
}
