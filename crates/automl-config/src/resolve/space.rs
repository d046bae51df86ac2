//! The search space of a network: which parameters, over which values.

use super::{condition, relate};
use crate::grammar::{Domain, Range, ShortForm};
use crate::nearest::did_you_mean;
use crate::node::Node;
use crate::problem::{Code, Position, Problem, Problems, Report, Severity};
use crate::read::Format;
use crate::schema::{
    At, Branches, Kind, Leaf, ListContext, Schema, apply_bound, is_list, list_parameters, overridden,
    read_overrides, search_range,
};
use crate::spec::SpecPath;
use automl_core::{Parameter, SearchSpace};
use serde_json::Value;
use std::collections::BTreeMap;

/// Parameters asked for and their ranges.
pub(super) struct Wanted<'a> {
    pub(super) params: Option<&'a [String]>,
    pub(super) bounds: &'a [String],
    /// Spec key that is the fidelity and so no parameter.
    pub(super) fidelity_key: Option<&'a str>,
    /// The spec in which the parameters' values will be set.
    pub(super) spec: &'a Value,
    /// Which branches that spec takes.
    pub(super) branches: &'a Branches,
}

/// Spec keys that hold the length of a training, where there is no fidelity.
const EPOCH_KEYS: [&str; 3] = ["train.num_epochs", "train.epochs", "train.epoch"];
/// Spec keys that name the backbone.
const BACKBONE_KEYS: [&str; 3] = ["model.arch", "model.backbone.type", "model.backbone"];

/// Returns the space that a schema gives by itself, over the parameters it names or marks for search.
///
/// # Errors
/// Everything that is wrong with the text or with the space.
pub fn space_of_schema(text: &str) -> Result<SearchSpace, Problems> {
    let mut report = Report::new("schema");
    let schema = Format::Json.read(text, &mut report).and_then(|node| Schema::read(&node, &mut report));
    report.finish()?;
    let schema = schema.expect("a text without errors gives a schema");
    let branches = Branches::decide(&schema, &BTreeMap::new(), &schema.default);
    let wanted =
        Wanted { params: None, bounds: &[], fidelity_key: None, spec: &schema.default, branches: &branches };
    let mut problems = Vec::new();
    let built = build(&wanted, &schema, &mut Vec::new(), &mut problems);
    built.map(|built| built.space).ok_or(Problems(problems))
}

/// A space, and what it was built from.
pub(super) struct Built {
    pub(super) space: SearchSpace,
    /// The leaves that stand for one parameter each, with what other keys ask of them worked in.
    pub(super) leaves: Vec<Leaf>,
}

/// Builds the space; the parameters keep the order in which they were asked for.
pub(super) fn build(
    wanted: &Wanted<'_>,
    schema: &Schema,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<Built> {
    let names = names(wanted.params, schema, problems);
    let bounds = read_bounds(wanted.bounds, &names, schema, problems);
    let (mut parameters, mut leaves) = (Vec::new(), Vec::new());
    for name in &names {
        let mut report = Report::new("--params");
        let mut remarks = Vec::new();
        let bound = bounds.iter().rfind(|bound| bound.name == *name);
        if wanted.fidelity_key == Some(name) {
            let message = format!("`{name}` is how long a trial runs and cannot be searched");
            let problem = report.error(Position::default(), "", Code::NotSearchable, message);
            problem.hint("use --max-fidelity and --min-fidelity");
        } else if let Some(leaf) = find(name, schema, &mut report) {
            let (found, leaf) = from_leaf(leaf, bound, wanted, &names, schema, &mut remarks, &mut report);
            parameters.extend(found);
            leaves.extend(leaf);
        }
        let found = report.into_problems();
        // The schema's own list may hold what cannot be searched; that is not the user's fault.
        let left_out = wanted.params.is_none() && bound.is_none();
        match found.iter().all(|p| p.code == Code::NotSearchable) && !found.is_empty() && left_out {
            true => notes.extend(found.iter().map(|p| format!("{}; it keeps its default", p.message))),
            false => problems.extend(found),
        }
        notes.extend(remarks);
    }
    apply_conditions(&mut parameters, wanted, schema, notes, problems);
    if problems.iter().any(|p| p.severity == Severity::Error) {
        return None;
    }
    if parameters.is_empty() {
        let message = "none of the schema's default parameters can be searched";
        problems.push(Problem::plain("--params", "", Code::NotSearchable, message).with_hint("name some"));
        return None;
    }
    relate::make_room(&mut parameters, notes);
    match SearchSpace::new(parameters) {
        Ok(space) => {
            note_moved_defaults(&space, notes);
            leaves.retain(|leaf| space.get(&leaf.name).is_some());
            Some(Built { space, leaves })
        }
        Err(found) => {
            let plain = |p: &automl_core::SpaceProblem| {
                Problem::plain("--params", "", Code::BadBounds, p.to_string())
            };
            problems.extend(found.iter().map(plain));
            None
        }
    }
}

/// Gives parameters their conditions. One that could never have an effect is a mistake where the user named
/// it; of the schema's own list it is left out.
fn apply_conditions(
    parameters: &mut Vec<Parameter>,
    wanted: &Wanted<'_>,
    schema: &Schema,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) {
    let context = condition::Context { schema, branches: wanted.branches, spec: wanted.spec };
    let idle = condition::give_conditions(parameters, &context);
    if wanted.params.is_some() {
        problems.extend(idle.into_iter().map(|(_, problem)| problem));
        return;
    }
    parameters.retain(|parameter| !idle.iter().any(|(name, _)| *name == parameter.name));
    notes.extend(idle.iter().map(|(_, problem)| format!("{}; it is not searched", problem.message)));
}

fn names(asked: Option<&[String]>, schema: &Schema, problems: &mut Vec<Problem>) -> Vec<String> {
    let names: Vec<String> = match asked {
        Some(names) => {
            names.iter().map(|name| name.trim().to_string()).filter(|name| !name.is_empty()).collect()
        }
        None => schema.searched_by_default(),
    };
    if names.is_empty() {
        let message = match asked {
            Some(_) => "no parameter is named",
            None => "the schema has no default list of parameters to search",
        };
        let hint = "name some, for example --params train.lr";
        problems.push(Problem::plain("--params", "", Code::MissingKey, message).with_hint(hint));
    }
    names
}

fn find<'s>(name: &str, schema: &'s Schema, report: &mut Report) -> Option<&'s Leaf> {
    let leaf = schema.leaf(name);
    if leaf.is_none() {
        let hint = did_you_mean(name, schema.names());
        let message = format!("no parameter `{name}` in the schema");
        report.error(Position::default(), "", Code::UnknownName, message).hint(hint);
    }
    leaf
}

/// What the user states about a parameter's values.
struct Bound {
    /// The flag, as problems show it.
    flag: String,
    name: String,
    form: Form,
}

enum Form {
    Short(ShortForm),
    /// The format's own form.
    Override(Node),
}

/// Parses the bounds; each must be of a parameter that is searched.
fn read_bounds(
    texts: &[String],
    names: &[String],
    schema: &Schema,
    problems: &mut Vec<Problem>,
) -> Vec<Bound> {
    let mut bounds = Vec::new();
    for text in texts {
        let mut report = Report::new(format!("--bound '{text}'"));
        let found = match text.trim_start().starts_with(['{', '[']) {
            true => read_override_forms(text, &mut report),
            false => read_short_form(text, &mut report).into_iter().collect(),
        };
        for bound in found {
            if names.contains(&bound.name) {
                bounds.push(bound);
                continue;
            }
            let (message, hint) = match schema.leaf(&bound.name).is_some() {
                true => (
                    format!("`{}` is not searched", bound.name),
                    format!("add it to --params, or use --set {}=VALUE", bound.name),
                ),
                false => (
                    format!("no parameter `{}` in the schema", bound.name),
                    did_you_mean(&bound.name, schema.names()),
                ),
            };
            report.error(Position::in_flag(1), "", Code::UnknownName, message).hint(hint);
        }
        problems.extend(report.into_problems());
    }
    bounds
}

fn read_short_form(text: &str, report: &mut Report) -> Option<Bound> {
    match ShortForm::parse(text) {
        Ok(bound) => {
            Some(Bound { flag: report.file().into(), name: bound.name.clone(), form: Form::Short(bound) })
        }
        Err(error) => {
            let at = Position::in_flag(error.column);
            report.error(at, "", Code::Syntax, error.message).hint(error.hint);
            None
        }
    }
}

fn read_override_forms(text: &str, report: &mut Report) -> Vec<Bound> {
    let Some(root) = Format::Json.read(text, report) else { return Vec::new() };
    let at = At { position: Position::in_flag(1), path: "" };
    let found = read_overrides(&root, at, report);
    let flag = report.file().to_string();
    let bound = |(name, node): (String, &Node)| Bound {
        flag: flag.clone(),
        name,
        form: Form::Override(node.clone()),
    };
    found.into_iter().map(bound).collect()
}

/// Returns the parameters that a leaf stands for: one, with what is to be kept of the leaf, or the items of a
/// list.
fn from_leaf(
    leaf: &Leaf,
    bound: Option<&Bound>,
    wanted: &Wanted<'_>,
    names: &[String],
    schema: &Schema,
    notes: &mut Vec<String>,
    report: &mut Report,
) -> (Vec<Parameter>, Option<Leaf>) {
    let mut flag = Report::new(bound.map_or_else(String::new, |bound| bound.flag.clone()));
    let leaf = match bound {
        Some(Bound { form: Form::Override(node), .. }) => overridden(leaf, node, &mut flag),
        _ => Some(leaf.clone()),
    };
    let short = match bound {
        Some(Bound { form: Form::Short(short), .. }) => Some(short),
        _ => None,
    };
    let (mut found, mut kept) = (Vec::new(), None);
    if let Some(mut leaf) = leaf {
        if leaf.automl == Some(false) {
            notes.push(format!("{}: the schema does not mean it to be searched", leaf.name));
        }
        let context = relate::Context { names, schema, spec: wanted.spec };
        let relations = relate::resolve(&mut leaf, &context, notes);
        found = match &leaf.kind {
            Kind::Other(kind) if is_list(kind) => list(&leaf, kind, short, wanted, &mut flag, report),
            _ => scalar(&leaf, short, notes, &mut flag, report).into_iter().collect(),
        };
        kept = found.iter().any(|parameter| parameter.name == leaf.name).then(|| leaf.to_keep());
        if let [parameter] = found.as_mut_slice() {
            parameter.relations.extend(relations);
            relate::follow(parameter, &context, notes);
        }
    }
    report.extend(flag.into_problems());
    (found, kept)
}

fn list(
    leaf: &Leaf,
    kind: &str,
    bound: Option<&ShortForm>,
    wanted: &Wanted<'_>,
    flag: &mut Report,
    report: &mut Report,
) -> Vec<Parameter> {
    let range: Option<&Range> = match bound.map(|bound| &bound.domain) {
        None => None,
        Some(Domain::Range(range)) => Some(range),
        Some(Domain::Options(_) | Domain::Fixed(_)) => {
            let message = "a list is bounded by a range for its items";
            let hint = format!("write {}=low..high", leaf.name);
            flag.error(Position::in_flag(1), &leaf.name, Code::WrongType, message).hint(hint);
            return Vec::new();
        }
    };
    let current = value(wanted.spec, &leaf.name);
    let fidelity = wanted.fidelity_key.into_iter().chain(EPOCH_KEYS);
    let backbone = BACKBONE_KEYS.iter().filter_map(|key| value(wanted.spec, key)?.as_str()).next();
    let context = ListContext {
        current,
        epochs: fidelity.filter_map(|key| value(wanted.spec, key)?.as_u64()).next(),
        backbone,
        range,
    };
    list_parameters(leaf, kind, &context).unwrap_or_else(|problem| {
        report.extend([Problem { file: report.file().into(), ..*problem }]);
        Vec::new()
    })
}

fn value<'v>(spec: &'v Value, key: &str) -> Option<&'v Value> {
    key.parse::<SpecPath>().ok()?.get(spec)
}

fn scalar(
    leaf: &Leaf,
    bound: Option<&ShortForm>,
    notes: &mut Vec<String>,
    flag: &mut Report,
    report: &mut Report,
) -> Option<Parameter> {
    let (distribution, remarks) = match bound {
        Some(bound) => apply_bound(leaf, bound, flag)?,
        None => match search_range(leaf) {
            Ok(found) => found,
            Err(problem) => {
                report.extend([Problem { file: report.file().into(), ..*problem }]);
                return None;
            }
        },
    };
    notes.extend(remarks);
    let mut parameter = Parameter::new(&leaf.name, distribution);
    parameter.relations = bound.map(ShortForm::relations).unwrap_or_default().to_vec();
    let asked = bound.and_then(|bound| bound.default.clone());
    parameter.default = asked.clone().or_else(|| leaf.default_param());
    if let Some(default) = parameter.default.clone().filter(|d| !parameter.distribution.contains(d)) {
        match bound.filter(|_| asked.is_some()) {
            Some(bound) => {
                let message = format!("default {default} is not an allowed value");
                flag.error(Position::in_flag(bound.default_at), &leaf.name, Code::BadValue, message);
            }
            None => {
                notes.push(format!("{}: the default {default} is not among the values searched", leaf.name))
            }
        }
        parameter.default = None;
    }
    Some(parameter)
}

/// Defaults need not fit together.
fn note_moved_defaults(space: &SearchSpace, notes: &mut Vec<String>) {
    let Some(defaults) = space.defaults() else { return };
    for parameter in space.parameters() {
        let pair = parameter.default.as_ref().zip(defaults.get(&parameter.name));
        if let Some((stated, taken)) = pair.filter(|(stated, taken)| !stated.same_as(taken)) {
            let name = &parameter.name;
            let why = "the others' defaults do not allow its default";
            notes.push(format!("{name}: {why} {stated}; {taken} is tried first"));
        }
    }
}
