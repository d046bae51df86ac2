//! Search spaces in files: YAML, JSON or TOML.
//!
//! Either a list of parameters (at the top, or under the key `parameters`) or an object from names to
//! parameters. A parameter is a short form (`lr=1e-5..1e-1:log`, in an object without the name) or an
//! object: `{name, type: float|int|bool|categorical|ordinal, low, high, scale, step, choices, weights,
//! default, condition, relations}`, where `distribution` may hold the keys from `type` to `weights`, and
//! `relations` is a list of comparisons with other parameters such as `"> depth"` or `"<= 2*width - 1"`.
//! A space that ConfigSpace has written is read as well (`config_space`).

use crate::config_space::{is_config_space, read_config_space};
use crate::fields::{Fields, join, wrong_type};
use crate::grammar::{ShortForm, interval};
use crate::node::{Data, Node};
use crate::problem::{Code, Report};
use automl_core::{Condition, Distribution, ParamValue, Parameter, Relation, Scale, log_scale_by_rule};

/// Reads the parameters of a space; problems go to the report, remarks to the notes.
pub(crate) fn read_space(root: &Node, notes: &mut Vec<String>, report: &mut Report) -> Vec<Parameter> {
    if is_config_space(root) {
        return read_config_space(root, notes, report);
    }
    let list = root.get("parameters").or_else(|| root.get("parameter")).filter(|node| node.items().is_some());
    let node = list.unwrap_or(root);
    match &node.data {
        Data::Seq(items) => {
            let with_index = items.iter().enumerate();
            with_index
                .filter_map(|(i, item)| read_item(item, None, &format!("[{i}]"), notes, report))
                .collect()
        }
        Data::Map(entries) => {
            entries.iter().filter_map(|e| read_item(&e.value, Some(&e.key), &e.key, notes, report)).collect()
        }
        _ => wrong_type(node, "", "a list or an object of parameters", report).unwrap_or_default(),
    }
}

fn read_item(
    node: &Node,
    name: Option<&str>,
    path: &str,
    notes: &mut Vec<String>,
    report: &mut Report,
) -> Option<Parameter> {
    let parameter = match (&node.data, name) {
        (Data::Str(text), name) => short_form(node, name, text, path, notes, report)?,
        (Data::Map(_), name) => read_object(node, name, path, notes, report)?,
        (_, Some(name)) => {
            let value = node.to_param();
            let Some(value) = value else { return wrong_type(node, path, "a parameter", report) };
            Parameter::new(name, Distribution::Categorical { choices: vec![value], weights: None })
        }
        (_, None) => return wrong_type(node, path, "a parameter (a short form or an object)", report),
    };
    if let Err(error) = parameter.distribution.validate() {
        report.error(node.at, path, Code::BadBounds, error.to_string());
        return None;
    }
    Some(parameter)
}

fn short_form(
    node: &Node,
    name: Option<&str>,
    text: &str,
    path: &str,
    notes: &mut Vec<String>,
    report: &mut Report,
) -> Option<Parameter> {
    let parsed = match name {
        Some(name) => ShortForm::parse_named(name, text),
        None => ShortForm::parse(text),
    };
    match parsed {
        Ok(parsed) => {
            let (parameter, note) = parsed.to_parameter();
            notes.extend(note);
            Some(parameter)
        }
        Err(error) => {
            let message = format!("{} (character {} of `{text}`)", error.message, error.column);
            report.error(node.at, path, Code::Syntax, message).hint(error.hint);
            None
        }
    }
}

fn read_object(
    node: &Node,
    name: Option<&str>,
    path: &str,
    notes: &mut Vec<String>,
    report: &mut Report,
) -> Option<Parameter> {
    let mut fields = Fields::open(node, path, report)?;
    let name = match name {
        Some(name) => Some(name.to_string()),
        None => fields.required_string("name", report),
    };
    let default = fields.node("default").and_then(Node::to_param);
    let conditions = read_conditions(&mut fields, report);
    let relations = read_relations(&mut fields, report);
    let distribution = match fields.node("distribution") {
        Some(inner) => {
            let mut inner = Fields::open(inner, &join(path, "distribution"), report)?;
            let distribution = read_distribution(&mut inner, name.as_deref(), notes, report);
            inner.close(report);
            distribution
        }
        None => read_distribution(&mut fields, name.as_deref(), notes, report),
    };
    fields.close(report);
    let (name, distribution) = (name?, distribution?);
    let default = default.map(|value| match (&distribution, value) {
        (Distribution::Float { .. }, ParamValue::Int(v)) => ParamValue::Float(v as f64),
        (_, value) => value,
    });
    Some(Parameter { name, distribution, default, conditions, relations })
}

/// The types there are, for whoever names another one or none.
const TYPES: &str = "known: `float`, `int`, `bool`, `categorical`, `ordinal`";
/// Keys that belong to some of the types.
const KEYS_OF_TYPES: [&str; 6] = ["low", "high", "step", "scale", "choices", "weights"];

fn read_distribution(
    fields: &mut Fields<'_>,
    name: Option<&str>,
    notes: &mut Vec<String>,
    report: &mut Report,
) -> Option<Distribution> {
    if fields.node("type").is_none() {
        let path = fields.path_of("");
        let path = path.trim_end_matches('.');
        let problem = report.error(fields.at(), path, Code::MissingKey, "key `type` is missing");
        problem.hint(TYPES);
    }
    let Some(kind) = fields.string("type", report) else {
        // Which keys belong there depends on the type, so none is blamed.
        fields.keep(&KEYS_OF_TYPES);
        return None;
    };
    match kind.as_str() {
        "float" => read_numeric(fields, name, false, notes, report),
        "int" => read_numeric(fields, name, true, notes, report),
        "bool" => Some(Distribution::bool()),
        "categorical" => {
            let (choices, weights) = (read_choices(fields, report)?, read_weights(fields, report));
            Some(Distribution::Categorical { choices, weights })
        }
        "ordinal" => {
            let (choices, weights) = (read_choices(fields, report)?, read_weights(fields, report));
            Some(Distribution::Ordinal { choices, weights })
        }
        other => {
            let at = fields.node("type").map_or(fields.at(), |n| n.at);
            let message = format!("unknown type `{other}`");
            let problem = report.error(at, &fields.path_of("type"), Code::UnknownName, message);
            problem.hint(TYPES);
            fields.keep(&KEYS_OF_TYPES);
            None
        }
    }
}

fn read_numeric(
    fields: &mut Fields<'_>,
    name: Option<&str>,
    whole: bool,
    notes: &mut Vec<String>,
    report: &mut Report,
) -> Option<Distribution> {
    let low = number(fields, "low", whole, report);
    let high = number(fields, "high", whole, report);
    for (key, found) in [("low", low), ("high", high)] {
        if found.is_none() && fields.node(key).is_none() {
            let path = fields.path_of("");
            let path = path.trim_end_matches('.');
            report.error(fields.at(), path, Code::MissingKey, format!("key `{key}` is missing"));
        }
    }
    let step = number(fields, "step", whole, report);
    let scale = read_scale(fields, report);
    let (low, high) = (low?, high?);
    let scale = scale.unwrap_or_else(|| {
        if step.is_none() && log_scale_by_rule(low, high, whole) {
            let interval = interval(low, high, whole);
            notes.push(format!("{}: log scale, because {interval} spans decades", name.unwrap_or_default()));
            Scale::Log
        } else {
            Scale::Linear
        }
    });
    Some(if whole {
        Distribution::Int { low: low as i64, high: high as i64, step: step.map_or(1, |s| s as i64), scale }
    } else {
        Distribution::Float { low, high, scale, step }
    })
}

fn number(fields: &mut Fields<'_>, key: &'static str, whole: bool, report: &mut Report) -> Option<f64> {
    let path = fields.path_of(key);
    let node = fields.node(key)?;
    match node.as_f64() {
        Some(v) if v.is_finite() && (!whole || v.fract() == 0.0) => Some(v),
        _ => wrong_type(node, &path, if whole { "a whole number" } else { "a finite number" }, report),
    }
}

fn read_scale(fields: &mut Fields<'_>, report: &mut Report) -> Option<Scale> {
    let path = fields.path_of("scale");
    let node = fields.node("scale")?;
    match node.as_str() {
        Some("log") => Some(Scale::Log),
        Some("linear") => Some(Scale::Linear),
        _ => wrong_type(node, &path, "`log` or `linear`", report),
    }
}

fn read_choices(fields: &mut Fields<'_>, report: &mut Report) -> Option<Vec<ParamValue>> {
    let path = fields.path_of("choices");
    let node = fields.required("choices", report)?;
    match node.items().map(|items| items.iter().map(Node::to_param).collect::<Option<Vec<_>>>()) {
        Some(Some(choices)) => Some(choices),
        _ => wrong_type(node, &path, "a list of values", report),
    }
}

fn read_weights(fields: &mut Fields<'_>, report: &mut Report) -> Option<Vec<f64>> {
    let path = fields.path_of("weights");
    let node = fields.node("weights")?;
    let weights = node.items().and_then(|items| items.iter().map(Node::as_f64).collect());
    weights.or_else(|| wrong_type(node, &path, "a list of numbers", report))
}

/// `relations` is a list of texts, or one.
fn read_relations(fields: &mut Fields<'_>, report: &mut Report) -> Vec<Relation> {
    let path = fields.path_of("relations");
    let Some(node) = fields.node("relations") else { return Vec::new() };
    let items = node.items().unwrap_or(std::slice::from_ref(node));
    let mut relations = Vec::new();
    for item in items {
        match item.as_str().map(str::parse) {
            Some(Ok(relation)) => relations.push(relation),
            Some(Err(why)) => {
                report.error(item.at, &path, Code::Syntax, why).hint("write for example \"> depth\"")
            }
            None => wrong_type(item, &path, "a comparison such as `> depth`", report).unwrap_or_default(),
        }
    }
    relations
}

/// `condition` and `conditions` hold one object `{parent, in: [values]}`, or a list of them that must all hold.
fn read_conditions(fields: &mut Fields<'_>, report: &mut Report) -> Vec<Condition> {
    let mut conditions = Vec::new();
    for key in ["condition", "conditions"] {
        let path = fields.path_of(key);
        let Some(node) = fields.node(key) else { continue };
        let nodes = node.items().unwrap_or(std::slice::from_ref(node));
        conditions.extend(nodes.iter().filter_map(|node| read_condition(node, &path, report)));
    }
    conditions
}

fn read_condition(node: &Node, path: &str, report: &mut Report) -> Option<Condition> {
    let mut fields = Fields::open(node, path, report)?;
    let parent = fields.required_string("parent", report);
    let values = fields.required("in", report);
    let values = values.and_then(|node| match &node.data {
        Data::Seq(items) => items.iter().map(Node::to_param).collect::<Option<Vec<_>>>(),
        _ => node.to_param().map(|value| vec![value]),
    });
    fields.close(report);
    Some(Condition { parent: parent?, values: values? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::read_yaml;

    fn problems(text: &str) -> Vec<String> {
        let mut report = Report::new("s.yaml");
        let node = read_yaml(text, &mut report).unwrap();
        read_space(&node, &mut Vec::new(), &mut report);
        report.into_problems().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn mistakes_are_located() {
        let text = "- {name: a, type: flaot, low: 1}\n\
                    - {name: b, type: float, low: 1}\n\
                    - {name: c, type: int, low: 0.5, high: 2}\n\
                    - {name: d, type: float, low: 1, high: 2, scale: cubic, hihg: 3}\n\
                    - {type: bool}\n\
                    - {name: e, type: categorical}\n\
                    - {name: f, type: bool, condition: {parent: a}}\n\
                    - 7\n\
                    - {name: g, type: int, low: 1, high: 2, relations: [\"> a +\", 1]}\n\
                    - {name: n, type: bool, conditions: {parent: f}}\n\
                    - {name: o, low: 1, high: 2}\n";
        assert_eq!(
            problems(text),
            [
                "s.yaml:1:19: error: [0].type: unknown type `flaot` (known: `float`, `int`, `bool`, `categorical`, `ordinal`)",
                "s.yaml:2:3: error: [1]: key `high` is missing",
                "s.yaml:3:29: error: [2].low: expected a whole number, found the number 0.5",
                "s.yaml:4:50: error: [3].scale: expected `log` or `linear`, found the text `cubic`",
                "s.yaml:4:57: error: [3]: unknown key `hihg` (did you mean `high`?)",
                "s.yaml:5:3: error: [4]: key `name` is missing",
                "s.yaml:6:3: error: [5]: key `choices` is missing",
                "s.yaml:7:36: error: [6].condition: key `in` is missing",
                "s.yaml:8:3: error: [7]: expected a parameter (a short form or an object), found the whole number 7",
                "s.yaml:9:53: error: [8].relations: `> a +`: expected a number or a parameter, found the end (write for example \"> depth\")",
                "s.yaml:9:62: error: [8].relations: expected a comparison such as `> depth`, found the whole number 1",
                "s.yaml:10:10: error: [9].name: expected a text, found the truth value false (put it in quotes)",
                "s.yaml:10:37: error: [9].conditions: key `in` is missing",
                "s.yaml:11:3: error: [10]: key `type` is missing (known: `float`, `int`, `bool`, `categorical`, `ordinal`)",
            ]
        );
    }

    #[test]
    fn one_condition_and_several_are_written_alike() {
        let text = |condition: &str| {
            format!(
                "- {{name: a, type: categorical, choices: [x, y]}}\n- {{name: b, type: bool}}\n\
                 - {{name: c, type: float, low: 1, high: 2, {condition}}}\n"
            )
        };
        let read = |condition: &str| {
            let mut report = Report::new("s.yaml");
            let node = read_yaml(&text(condition), &mut report).unwrap();
            let parameters = read_space(&node, &mut Vec::new(), &mut report);
            assert!(!report.has_errors(), "{condition}");
            parameters[2].conditions.clone()
        };
        let one = read("condition: {parent: a, in: [x]}");
        assert_eq!(one.len(), 1);
        assert_eq!(read("condition: [{parent: a, in: [x]}]"), one);
        assert_eq!(read("conditions: {parent: a, in: x}"), one);
        assert_eq!(read("conditions: [{parent: a, in: [x]}, {parent: b, in: [true]}]").len(), 2);
    }
}
