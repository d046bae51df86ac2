//! Parameter schemas: every key of a network's spec with type, default, bounds and AutoML flags.
//!
//! The format is a tree of `properties` whose leaves carry a `type` of their own vocabulary (`float`,
//! `categorical`, `ordered_int`, …). This module reads it and answers what a key may hold and over
//! which values it may be searched. It does not know networks, datasets or trials.

mod bound;
mod branch;
mod check;
mod condition;
mod leaf;
mod list;
mod overrides;
mod own;
mod range;
mod restrict;

pub(crate) use bound::apply_bound;
pub(crate) use branch::{Branches, present};
pub(crate) use check::check_value;
pub(crate) use leaf::{Kind, Leaf, NO_BRANCH};
pub(crate) use list::{ListContext, is_list, list_parameters};
pub(crate) use overrides::{overridden, read_overrides};
pub(crate) use range::{restricted, search_range};

use crate::fields::{Fields, join, strings, wrong_type};
use crate::nearest::did_you_mean;
use crate::node::{Data, Entry, Node};
use crate::problem::{Code, Position, Report};
use crate::rule::{Rule, Test, read_tests};
use crate::spec::SpecPath;
use serde_json::Value;

/// A read schema.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    /// Leaves in file order.
    pub(crate) leaves: Vec<Leaf>,
    /// Groups whose keys are not all listed; others are passed on to the program.
    pub(crate) open_groups: Vec<String>,
    /// Parameters that are searched where the user names none.
    pub(crate) default_parameters: Vec<String>,
    /// The default spec.
    pub(crate) default: Value,
    /// What must hold between keys, and what follows from others.
    pub(crate) rules: Vec<Rule>,
    /// Keys of other versions of the program, each with the key that took its place or with a remark.
    pub(crate) renamed: Vec<(String, String)>,
}

impl Schema {
    /// Reads a schema; problems go to the report, and what can be read is read.
    pub(crate) fn read(root: &Node, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(root, "", report)?;
        let (mut leaves, mut open_groups) = (Vec::new(), Vec::new());
        if let Some(properties) = fields.required("properties", report) {
            collect(properties, "", &[], &mut leaves, report);
            find_open(properties, "", &mut open_groups);
        }
        let default_parameters = fields.strings("automl_default_parameters", report);
        check_names(&mut fields, &leaves, "automl_default_parameters", report);
        let disabled = fields.strings("automl_disabled_parameters", report);
        disable(&mut leaves, &disabled);
        check_relations(&leaves, report);
        let rules = read_rules(&mut fields, report);
        let renamed = read_renamed(&mut fields, report);
        check_tests(&leaves, &rules, root, report);
        let default = match fields.node("default") {
            Some(node) => json(node, "default", report)?,
            None => assemble(&leaves),
        };
        fields.keep(&KEPT);
        fields.close_leniently(report);
        Some(Schema { leaves, open_groups, default_parameters, default, rules, renamed })
    }

    /// Returns what to do about a key that the schema does not know: its new name where versions differ,
    /// else the nearest name.
    pub(crate) fn advice_for(&self, unknown: &str) -> String {
        let within =
            |old: &str| unknown == old || unknown.strip_prefix(old).is_some_and(|r| r.starts_with('.'));
        match self.renamed.iter().find(|(old, _)| within(old)) {
            Some((_, new)) if self.knows(new) => format!("renamed to `{new}`"),
            Some((_, remark)) => remark.clone(),
            None => did_you_mean(unknown, self.names()),
        }
    }

    /// Returns the tests that must hold for a key to mean anything: its own, and that the branches around it
    /// are taken.
    pub(crate) fn conditions(&self, leaf: &Leaf) -> Vec<(String, Test)> {
        let branch = |group: &Leaf| {
            let inner = leaf.name.strip_prefix(&group.name)?.strip_prefix('.')?;
            let taken = inner.split('.').next()?;
            let known = group.options.iter().any(|option| option.to_string() == taken);
            known.then(|| (group.name.clone(), Test::In(vec![taken.into()])))
        };
        let groups = self.leaves.iter().filter(|group| group.kind == Kind::Branch);
        groups.filter_map(branch).chain(leaf.active_if.iter().cloned()).collect()
    }

    /// Returns the names searched where the user names none: the schema's list, or, where that is empty,
    /// every parameter that the schema marks.
    pub(crate) fn searched_by_default(&self) -> Vec<String> {
        if !self.default_parameters.is_empty() {
            return self.default_parameters.clone();
        }
        let marked = self.leaves.iter().filter(|leaf| leaf.automl == Some(true));
        marked.map(|leaf| leaf.name.clone()).collect()
    }

    /// Returns the leaf of a dotted name.
    pub(crate) fn leaf(&self, name: &str) -> Option<&Leaf> {
        self.leaves.iter().find(|leaf| leaf.name == name)
    }

    /// Returns the names of all leaves in file order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.leaves.iter().map(|leaf| leaf.name.as_str())
    }

    /// Tells whether the schema names parameters to search.
    pub(crate) fn is_marked(&self) -> bool {
        !self.default_parameters.is_empty() || self.leaves.iter().any(|leaf| leaf.automl == Some(true))
    }

    /// Tells whether a path is a leaf, lies within one (a list's item), or contains leaves.
    pub(crate) fn knows(&self, path: &str) -> bool {
        self.lists(path) || self.open_groups.iter().any(|group| is_within(path, group))
    }

    /// Tells whether a path is that of a key which the schema does not list and which is passed on as it is.
    pub(crate) fn passes_on(&self, path: &str) -> bool {
        !self.lists(path) && self.knows(path)
    }

    fn lists(&self, path: &str) -> bool {
        self.names().any(|name| is_within(path, name) || is_within(name, path))
    }
}

/// Tells whether a path is another one or lies within it.
fn is_within(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Collects the groups that are marked as open.
fn find_open(properties: &Node, path: &str, open: &mut Vec<String>) {
    for entry in properties.entries().unwrap_or_default() {
        let Some(inner) = entry.value.get("properties") else { continue };
        let name = join(path, &entry.key);
        find_open(inner, &name, open);
        if entry.value.get("open").is_some_and(|mark| matches!(mark.data, Data::Bool(true))) {
            open.push(name);
        }
    }
}

/// Keys beside `properties` that list parameters.
const LISTS_OF_NAMES: [&str; 2] = ["automl_default_parameters", "automl_disabled_parameters"];

/// Collects the leaves of a group; the tests of a group are those of each of its leaves.
fn collect(
    properties: &Node,
    path: &str,
    active_if: &[(String, Test)],
    leaves: &mut Vec<Leaf>,
    report: &mut Report,
) {
    let Some(entries) = properties.entries() else {
        return wrong_type(properties, path, "an object of parameters", report).unwrap_or_default();
    };
    // Schemas in the field repeat the lists of names inside `properties`.
    let is_list_of_names =
        |entry: &&Entry| LISTS_OF_NAMES.contains(&entry.key.as_str()) && entry.value.items().is_some();
    for entry in entries.iter().filter(|entry| !is_list_of_names(entry)) {
        let name = join(path, &entry.key);
        let known = leaves.len();
        let Some(inner) = entry.value.get("properties") else {
            leaves.extend(Leaf::read(&entry.value, name, report));
            leaves[known..].iter_mut().for_each(|leaf| leaf.active_if.extend_from_slice(active_if));
            continue;
        };
        let mut tests = match entry.value.get("one_of") {
            None => group_tests(&entry.value, &name, report),
            Some(_) => {
                let group = Leaf::read(&entry.value, name.clone(), report);
                let own = group.as_ref().map(|group| group.active_if.clone()).unwrap_or_default();
                leaves.extend(group);
                leaves[known..].iter_mut().for_each(|leaf| leaf.active_if.extend_from_slice(active_if));
                own
            }
        };
        tests.extend_from_slice(active_if);
        collect(inner, &name, &tests, leaves, report);
    }
}

/// A plain group has nothing but its tests that this reader looks at.
fn group_tests(group: &Node, name: &str, report: &mut Report) -> Vec<(String, Test)> {
    let fields = group.get("active_if").and_then(|_| Fields::open(group, name, report));
    fields.map(|mut fields| read_tests(&mut fields, "active_if", report)).unwrap_or_default()
}

fn read_rules(fields: &mut Fields<'_>, report: &mut Report) -> Vec<Rule> {
    let items = fields.node("rules").and_then(Node::items).unwrap_or_default();
    let read = |(i, item): (usize, &Node)| Rule::read(item, &format!("rules[{i}]"), report);
    items.iter().enumerate().filter_map(read).collect()
}

fn read_renamed(fields: &mut Fields<'_>, report: &mut Report) -> Vec<(String, String)> {
    let entries = fields.node("renamed").and_then(Node::entries).unwrap_or_default();
    let read = |entry: &Entry| {
        let new = crate::fields::string(&entry.value, &join("renamed", &entry.key), report)?;
        Some((entry.key.clone(), new))
    };
    entries.iter().filter_map(read).collect()
}

/// Tests and rules about keys that do not exist say nothing.
fn check_tests(leaves: &[Leaf], rules: &[Rule], root: &Node, report: &mut Report) {
    let segments = |key: &str| key.split('.').map(String::from).collect::<Vec<_>>();
    let matches =
        |pattern: &[String], name: &[String]| pattern.iter().zip(name).all(|(p, n)| p == "*" || p == n);
    // Both a group and what lies within a leaf (an item, a list's length) may be named.
    let exists = |key: &str| leaves.iter().any(|leaf| matches(&segments(key), &segments(&leaf.name)));
    let of_leaves = leaves.iter().flat_map(|leaf| {
        leaf.active_if.iter().map(move |(key, _)| (leaf.at, leaf.name.clone(), key.clone()))
    });
    let of_rules = rules.iter().enumerate().flat_map(|(i, rule)| {
        rule.keys().map(move |key| (root.at, format!("rules[{i}]"), key.to_string())).collect::<Vec<_>>()
    });
    let unknown: Vec<_> = of_leaves.chain(of_rules).filter(|(_, _, key)| !exists(key)).collect();
    for (at, path, key) in unknown {
        let hint = did_you_mean(&key, leaves.iter().map(|leaf| leaf.name.as_str()));
        report.warning(at, &path, Code::UnknownName, format!("no parameter `{key}`")).hint(hint);
    }
}

/// Keys at the top that are for other readers.
const KEPT: [&str; 9] = [
    "type",
    "default",
    "popular",
    "required",
    "title",
    "description",
    "x_tao_schema",
    "$schema",
    "properties",
];

/// A name may be that of a group, which is what most schemas list. A leaf's own flag wins.
fn disable(leaves: &mut [Leaf], disabled: &[String]) {
    for leaf in leaves.iter_mut().filter(|leaf| leaf.automl.is_none()) {
        let within = |group: &String| {
            leaf.name
                .strip_prefix(group.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        if disabled.iter().any(within) {
            leaf.automl = Some(false);
        }
    }
}

/// Relations to keys that do not exist restrict nothing.
fn check_relations(leaves: &[Leaf], report: &mut Report) {
    let known: std::collections::BTreeSet<&str> = leaves.iter().map(|leaf| leaf.name.as_str()).collect();
    for leaf in leaves {
        for relation in &leaf.restrictions.relations {
            let groups = || leaf.name.match_indices('.').map(|(at, _)| &leaf.name[..=at]);
            let exists = |name: &&str| {
                known.contains(name)
                    || groups().any(|group| known.contains(format!("{group}{name}").as_str()))
            };
            for unknown in relation.bound.names().into_iter().filter(|name| !exists(name)) {
                let message = format!("`{relation}` refers to `{unknown}`, which is no parameter");
                let hint = did_you_mean(unknown, known.iter().copied());
                report.warning(leaf.at, &leaf.name, Code::UnknownName, message).hint(hint);
            }
        }
    }
}

/// Names in a top-level list must be leaves.
fn check_names(fields: &mut Fields<'_>, leaves: &[Leaf], key: &'static str, report: &mut Report) {
    let Some(node) = fields.node(key) else { return };
    let places = node.items().unwrap_or_default().iter().map(|item| item.at);
    let names = strings(node, key, &mut Report::new(""));
    for (name, at) in names.iter().zip(places) {
        if !leaves.iter().any(|leaf| leaf.name == *name) {
            let hint = did_you_mean(name, leaves.iter().map(|leaf| leaf.name.as_str()));
            report.error(at, key, Code::UnknownName, format!("no parameter `{name}`")).hint(hint);
        }
    }
}

fn json(node: &Node, path: &str, report: &mut Report) -> Option<Value> {
    let value = node.to_json();
    if value.is_none() {
        report.error(node.at, path, Code::BadValue, "a default spec must hold finite numbers only");
    }
    value
}

/// Builds the default spec out of the leaves' defaults.
fn assemble(leaves: &[Leaf]) -> Value {
    let mut spec = Value::Object(serde_json::Map::new());
    for leaf in leaves.iter().filter(|leaf| leaf.kind != Kind::Branch) {
        let path: Result<SpecPath, _> = leaf.name.parse();
        if let (Ok(path), Some(default)) = (path, &leaf.default) {
            path.set(&mut spec, default.clone());
        }
    }
    spec
}

/// A place in the user's input that a schema question is about: a flag, or a file's line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    /// Position within the report's file.
    pub(crate) position: Position,
    /// Dotted name shown with problems.
    pub(crate) path: &'a str,
}

#[cfg(test)]
pub(crate) fn schema_of(text: &str) -> Schema {
    let mut report = Report::new("schema.json");
    let node = crate::read::read_json(text, &mut report).unwrap();
    let schema = Schema::read(&node, &mut report).unwrap();
    assert_eq!(report.into_problems(), []);
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read_json;

    #[test]
    fn nested_properties_become_dotted_names() {
        let schema = schema_of(
            r#"{"type": "object", "properties": {
                "seed": {"type": "int", "default": 1},
                "automl_disabled_parameters": ["train"],
                "train": {"type": "object", "properties": {"lr": {"type": "float", "default": 0.1, "maximum": Infinity}}}},
              "automl_default_parameters": ["train.lr"]}"#,
        );
        assert_eq!(schema.names().collect::<Vec<_>>(), ["seed", "train.lr"]);
        assert_eq!(schema.default, serde_json::json!({"seed": 1, "train": {"lr": 0.1}}));
        assert_eq!(schema.leaf("train.lr").unwrap().maximum, Some(f64::INFINITY));
        for (path, known) in
            [("train", true), ("train.lr", true), ("train.lr[0]", true), ("tra", false), ("train.l", false)]
        {
            assert_eq!(schema.knows(path), known, "{path}");
        }
    }

    #[test]
    fn open_groups_pass_on_what_they_do_not_list() {
        let schema = schema_of(
            r#"{"properties": {"data": {"properties": {"blur": {"open": true, "properties": {
                "p": {"type": "float", "default": 0.1}}}, "n": {"type": "int"}}}}}"#,
        );
        for (path, known, passed_on) in [
            ("data.blur.p", true, false),
            ("data.blur", true, false),
            ("data.blur.limit", true, true),
            ("data.blur.limit.low", true, true),
            ("data.m", false, false),
            ("data.blurred", false, false),
        ] {
            assert_eq!((schema.knows(path), schema.passes_on(path)), (known, passed_on), "{path}");
        }
    }

    #[test]
    fn broken_schemas_report_everything() {
        let text = r#"{"properties": {
            "a": {"type": "float", "minimum": 2, "maximum": 1},
            "b": {"type": "categorical", "enum": []},
            "c": {"default": 1},
            "d": {"type": "int", "default": "x", "minimm": 1},
            "e": {"type": "categorical", "enum": ["x", "y"], "option_weights": [1]}},
          "automl_default_parameters": ["aa"]}"#;
        let mut report = Report::new("s.json");
        Schema::read(&read_json(text, &mut report).unwrap(), &mut report);
        let text: Vec<_> = report.into_problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "s.json:2:18: error: a: minimum 2 is above maximum 1 (swap them)",
                "s.json:3:18: error: b: there are no options (`enum` is empty)",
                "s.json:4:18: error: c: key `type` is missing",
                "s.json:5:18: warning: d: the default is the text `x`, but the type is int",
                "s.json:5:50: warning: d: unknown key `minimm` is ignored (did you mean `minimum`?)",
                "s.json:6:18: error: e: 1 weight for 2 options (give one weight for each option)",
                "s.json:7:41: error: automl_default_parameters: no parameter `aa` (did you mean `a`?)",
            ]
        );
    }
}
