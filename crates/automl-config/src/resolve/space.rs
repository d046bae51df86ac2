//! The search space of a network: which parameters, over which values.

use crate::grammar::ShortForm;
use crate::nearest::did_you_mean;
use crate::problem::{Code, Position, Problem, Report, Severity};
use crate::schema::{Leaf, Schema, apply_bound, search_range, unenforced};
use automl_core::{Parameter, SearchSpace};

/// Parameters asked for and their ranges.
pub(super) struct Wanted<'a> {
    pub(super) params: Option<&'a [String]>,
    pub(super) bounds: &'a [String],
    /// Spec key that is the fidelity and so no parameter.
    pub(super) fidelity_key: Option<&'a str>,
}

/// Builds the space; the parameters keep the order in which they were asked for.
pub(super) fn build(
    wanted: &Wanted<'_>,
    schema: &Schema,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<SearchSpace> {
    let names = names(wanted.params, schema, problems);
    let bounds = read_bounds(wanted.bounds, &names, schema, problems);
    let mut parameters = Vec::new();
    for name in &names {
        let mut report = Report::new("--params");
        if wanted.fidelity_key == Some(name) {
            let message = format!("`{name}` is how long a trial runs and cannot be searched");
            let problem = report.error(Position::default(), "", Code::NotSearchable, message);
            problem.hint("use --max-fidelity and --min-fidelity");
        } else if let Some(leaf) = find(name, schema, &mut report) {
            let bound = bounds.iter().rfind(|(_, bound)| bound.name == *name);
            parameters.extend(parameter(leaf, bound, notes, &mut report));
        }
        problems.extend(report.into_problems());
    }
    if problems.iter().any(|p| p.severity == Severity::Error) {
        return None;
    }
    match SearchSpace::new(parameters) {
        Ok(space) => Some(space),
        Err(found) => {
            let plain = |p: &automl_core::SpaceProblem| {
                Problem::plain("--params", "", Code::BadBounds, p.to_string())
            };
            problems.extend(found.iter().map(plain));
            None
        }
    }
}

fn names(asked: Option<&[String]>, schema: &Schema, problems: &mut Vec<Problem>) -> Vec<String> {
    let names: Vec<String> = match asked {
        Some(names) => {
            names.iter().map(|name| name.trim().to_string()).filter(|name| !name.is_empty()).collect()
        }
        None => schema.default_parameters.clone(),
    };
    if names.is_empty() {
        let message = match asked {
            Some(_) => "no parameter is named",
            None => "the schema has no default list of parameters to search",
        };
        let enabled: Vec<&str> = schema
            .leaves
            .iter()
            .filter(|l| l.automl == Some(true))
            .map(|l| l.name.as_str())
            .take(5)
            .collect();
        let example = if enabled.is_empty() { "train.lr".to_string() } else { enabled.join(",") };
        let hint = format!("name some, for example --params {example}");
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

/// Parses the bounds; each must be of a parameter that is searched.
fn read_bounds(
    texts: &[String],
    names: &[String],
    schema: &Schema,
    problems: &mut Vec<Problem>,
) -> Vec<(String, ShortForm)> {
    let mut bounds = Vec::new();
    for text in texts {
        let flag = format!("--bound '{text}'");
        let mut report = Report::new(flag.clone());
        match ShortForm::parse(text) {
            Err(error) => {
                let at = Position::in_flag(error.column);
                report.error(at, "", Code::Syntax, error.message).hint(error.hint);
            }
            Ok(bound) if names.contains(&bound.name) => bounds.push((flag, bound)),
            Ok(bound) => {
                let known = schema.leaf(&bound.name).is_some();
                let (message, hint) = match known {
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
        }
        problems.extend(report.into_problems());
    }
    bounds
}

fn parameter(
    leaf: &Leaf,
    bound: Option<&(String, ShortForm)>,
    notes: &mut Vec<String>,
    report: &mut Report,
) -> Option<Parameter> {
    let (distribution, remarks) = match bound {
        Some((flag, bound)) => {
            let mut inner = Report::new(flag.clone());
            let applied = apply_bound(leaf, bound, &mut inner);
            report.extend(inner.into_problems());
            applied?
        }
        None => match search_range(leaf) {
            Ok(found) => found,
            Err(problem) => {
                report.extend([Problem { file: report.file().into(), ..*problem }]);
                return None;
            }
        },
    };
    notes.extend(remarks);
    if leaf.automl == Some(false) {
        notes.push(format!("{}: the schema does not mean it to be searched", leaf.name));
    }
    if let Some(restriction) = unenforced(leaf, &distribution) {
        notes.push(format!("{}: the schema's restriction {restriction} is not enforced", leaf.name));
    }
    let mut parameter = Parameter::new(&leaf.name, distribution);
    let asked = bound.and_then(|(_, bound)| bound.default.clone());
    parameter.default = asked.clone().or_else(|| leaf.default_param());
    if let Some(default) = parameter.default.clone().filter(|d| !parameter.distribution.contains(d)) {
        match (bound, asked) {
            (Some((flag, bound)), Some(_)) => {
                let mut inner = Report::new(flag.clone());
                let message = format!("default {default} is not an allowed value");
                inner.error(Position::in_flag(bound.default_at), &leaf.name, Code::BadValue, message);
                report.extend(inner.into_problems());
            }
            _ => notes.push(format!("{}: the default {default} is not among the values searched", leaf.name)),
        }
        parameter.default = None;
    }
    Some(parameter)
}
