//! A leaf whose range the user states in the format's own words: the entries of `automl_range_override`.
//!
//! `{parameter, valid_min, valid_max, valid_options, option_weights, math_cond, depends_on, parent_param,
//! disable_list}`; keys that are absent, null or empty leave the schema's. A range must lie within the
//! schema's, options must be the schema's, and there is one positive weight for each option.

use super::condition::Restrictions;
use super::{At, Leaf};
use crate::fields::{Fields, wrong_type};
use crate::nearest::did_you_mean;
use crate::node::{Data, Node};
use crate::problem::{Code, Report};
use automl_core::ParamValue;

/// Keys that say nothing about a range here.
const KEPT: [&str; 3] = ["parameter", "parent_param", "disable_list"];

/// Returns the leaf with what the override states; `None` where it does not fit (reported).
pub(crate) fn overridden(leaf: &Leaf, node: &Node, report: &mut Report) -> Option<Leaf> {
    let mut fields = Fields::open(node, "", report)?;
    fields.keep(&KEPT);
    let mut new = leaf.clone();
    bounds(&mut new, &mut fields, report);
    options(&mut new, &mut fields, report);
    let math_cond = fields.string("math_cond", report).unwrap_or_default();
    let depends_on = fields.string("depends_on", report).unwrap_or_default();
    if !(math_cond.is_empty() && depends_on.is_empty()) {
        match Restrictions::read(&leaf.name, &math_cond, &depends_on) {
            Ok(restrictions) => new.restrictions = restrictions,
            Err(why) => drop(report.error(fields.at(), "math_cond", Code::BadValue, why)),
        }
    }
    fields.close(report);
    (!report.has_errors()).then_some(new)
}

fn bounds(leaf: &mut Leaf, fields: &mut Fields<'_>, report: &mut Report) {
    let at = fields.at();
    let low = numbers(fields, "valid_min", report);
    let high = numbers(fields, "valid_max", report);
    let lists = [&low, &high].iter().any(|given| given.as_ref().is_some_and(|v| v.len() != 1));
    if lists {
        let (low, high) = (low.unwrap_or(leaf.minima.clone()), high.unwrap_or(leaf.maxima.clone()));
        let sound = low.len() == high.len() && low.iter().zip(&high).all(|(l, h)| l < h);
        if !sound {
            let message = "lists of bounds need one smaller and one larger number for each item";
            report.error(at, "valid_min", Code::BadBounds, message);
        }
        (leaf.minima, leaf.maxima) = (low, high);
        return;
    }
    let old = (leaf.minimum, leaf.maximum);
    leaf.minimum = low.map(|v| v[0]).or(old.0);
    leaf.maximum = high.map(|v| v[0]).or(old.1);
    let shown = |v: Option<f64>| v.map_or_else(String::new, |v| ParamValue::Float(v).to_string());
    if leaf.minimum.zip(leaf.maximum).is_some_and(|(low, high)| low >= high) {
        let message = format!("{} is not below {}", shown(leaf.minimum), shown(leaf.maximum));
        report.error(at, "valid_min", Code::BadBounds, message).hint("swap them");
    }
    let below = leaf.minimum.zip(old.0).is_some_and(|(new, old)| new < old);
    let above = leaf.maximum.zip(old.1).is_some_and(|(new, old)| new > old);
    if below || above {
        let (new, old) = ((shown(leaf.minimum), shown(leaf.maximum)), (shown(old.0), shown(old.1)));
        let message = format!("{}..{} is not within the schema's {}..{}", new.0, new.1, old.0, old.1);
        let path = if below { "valid_min" } else { "valid_max" };
        report.error(at, path, Code::BadBounds, message).hint("use --bound to go beyond the schema");
    }
}

fn options(leaf: &mut Leaf, fields: &mut Fields<'_>, report: &mut Report) {
    if let Some(node) = fields.node("valid_options").filter(|node| !is_empty(node)) {
        let given: Option<Vec<ParamValue>> = match &node.data {
            // The format also writes options as one text.
            Data::Str(text) => Some(text.split(',').map(|o| crate::grammar::scalar(o.trim())).collect()),
            Data::Seq(items) => items.iter().map(Node::to_param).collect(),
            _ => None,
        };
        let Some(given) = given else {
            return wrong_type(node, "valid_options", "a list of options", report).unwrap_or_default();
        };
        for option in &given {
            if !leaf.options.is_empty() && !leaf.options.iter().any(|o| o.same_as(option)) {
                let known: Vec<String> = leaf.options.iter().map(ToString::to_string).collect();
                let hint = did_you_mean(&option.to_string(), known.iter().map(String::as_str));
                let message = format!("`{option}` is not an option");
                report.error(node.at, "valid_options", Code::BadValue, message).hint(hint);
            }
        }
        leaf.weights = None;
        leaf.options = given;
    }
    let at = fields.at();
    if let Some(weights) = numbers(fields, "option_weights", report) {
        if weights.len() != leaf.options.len() || weights.iter().any(|w| *w <= 0.0) {
            let message =
                format!("there must be one weight above 0 for each of {} options", leaf.options.len());
            report.error(at, "option_weights", Code::BadValue, message);
        }
        leaf.weights = Some(weights);
    }
}

fn is_empty(node: &Node) -> bool {
    node.as_str() == Some("") || node.items().is_some_and(<[Node]>::is_empty)
}

/// One number or several; `None` where nothing is stated.
fn numbers(fields: &mut Fields<'_>, key: &'static str, report: &mut Report) -> Option<Vec<f64>> {
    let node = fields.node(key).filter(|node| !is_empty(node))?;
    let numbers = match node.items() {
        Some(items) => items.iter().map(Node::as_f64).collect(),
        None => node.as_f64().map(|v| vec![v]),
    };
    let finite = numbers.filter(|numbers: &Vec<f64>| numbers.iter().all(|v| v.is_finite()));
    finite.or_else(|| wrong_type(node, key, "a finite number or a list of them", report))
}

/// Reads the text of one override or of a list of them into pairs of name and object.
pub(crate) fn read_overrides<'n>(root: &'n Node, at: At<'_>, report: &mut Report) -> Vec<(String, &'n Node)> {
    let objects = root.items().unwrap_or(std::slice::from_ref(root));
    let named = objects.iter().filter_map(|node| {
        let name = node.get("parameter").and_then(Node::as_str);
        if name.is_none() {
            report.error(at.position, at.path, Code::MissingKey, "an override needs the key `parameter`");
        }
        Some((name?.to_string(), node))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::super::schema_of;
    use super::*;
    use crate::read::read_json;

    fn apply(leaf: &str, text: &str) -> Result<Leaf, Vec<String>> {
        let schema = schema_of(&format!(r#"{{"properties": {{"p": {leaf}}}}}"#));
        let mut report = Report::new("override");
        let node = read_json(text, &mut report).unwrap();
        let found = overridden(&schema.leaves[0], &node, &mut report);
        found.ok_or_else(|| report.into_problems().iter().map(|p| p.message.clone()).collect())
    }

    const LR: &str = r#"{"type": "float", "default": 1e-6, "minimum": 1e-7, "maximum": 1e-5}"#;
    const ARCH: &str = r#"{"type": "categorical", "enum": ["a", "b", "c"], "option_weights": [1, 1, 2]}"#;

    #[test]
    fn what_is_stated_replaces_the_schemas() {
        let leaf = apply(LR, r#"{"parameter": "p", "valid_min": 5e-7, "valid_max": null, "math_cond": ""}"#);
        assert_eq!(leaf.map(|l| (l.minimum, l.maximum)), Ok((Some(5e-7), Some(1e-5))));
        let leaf = apply(ARCH, r#"{"valid_options": ["c", "a"], "option_weights": [3, 1]}"#).unwrap();
        assert_eq!(leaf.weights, Some(vec![3.0, 1.0]));
        assert_eq!(apply(ARCH, r#"{"valid_options": "a, b"}"#).unwrap().options.len(), 2);
    }

    #[test]
    fn misfits_are_reported_together() {
        assert_eq!(
            apply(LR, r#"{"valid_min": 1e-9, "valid_max": 1e-10, "vaild_max": 1}"#).unwrap_err(),
            [
                "1e-9 is not below 1e-10",
                "1e-9..1e-10 is not within the schema's 1e-7..1e-5",
                "unknown key `vaild_max`",
            ]
        );
        assert_eq!(
            apply(ARCH, r#"{"valid_options": ["d"], "option_weights": [0]}"#).unwrap_err(),
            ["there must be one weight above 0 for each of 1 options", "`d` is not an option"]
        );
    }
}
