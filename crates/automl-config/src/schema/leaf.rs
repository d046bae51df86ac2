//! One parameter of a schema, as the file states it.

use super::condition::Restrictions;
use crate::fields::Fields;
use crate::node::{Data, Node};
use crate::problem::{Code, Position, Report};
use crate::rule::{Test, read_tests};
use automl_core::ParamValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whole numbers from here on need not survive being floats.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Keys of a leaf that are read elsewhere or for other readers.
const KEPT: [&str; 9] =
    ["default", "title", "examples", "pattern", "parent_param", "required", "format", "items", "properties"];
/// Name of the branch that none of a group's inner groups stands for.
pub(crate) const NO_BRANCH: &str = "none";

/// One key of the spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Leaf {
    /// Dotted path in the spec.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// `None` where the file states none or an infinite one; may be null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) default: Option<Value>,
    /// May be infinite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) minimum: Option<f64>,
    /// May be infinite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) maximum: Option<f64>,
    /// Allowed values; empty where any value of the type is allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) options: Vec<ParamValue>,
    /// Whether the options are those that a search tries, and others of their type are allowed, too.
    pub(crate) open: bool,
    /// Prior weights of the options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) weights: Option<Vec<f64>>,
    /// Whether AutoML may search it; `None` where the schema does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) automl: Option<bool>,
    #[serde(skip)]
    pub(crate) popular: bool,
    #[serde(skip)]
    pub(crate) description: String,
    /// Lower bounds of a list's items; empty where the file states none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) minima: Vec<f64>,
    /// Upper bounds of a list's items; as many as lower ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) maxima: Vec<f64>,
    /// What `math_cond` and `depends_on` ask of its values.
    #[serde(default, skip_serializing_if = "Restrictions::is_none")]
    pub(crate) restrictions: Restrictions,
    /// Tests of other keys that must all hold for the key to mean anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) active_if: Vec<(String, Test)>,
    #[serde(skip)]
    pub(crate) at: Position,
}

/// Type of a leaf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Float,
    Int,
    Bool,
    Text,
    /// One of `options`, without order.
    Categorical,
    /// One of `options`, in order.
    Ordered,
    /// A group of which one inner group is taken, by its name in `options`, and the others are null.
    Branch,
    /// A type that can stand in a spec but not be searched (lists, objects, …), by its name.
    Other(String),
}

impl Kind {
    fn of(name: &str) -> Self {
        match name {
            "float" | "number" => Kind::Float,
            "int" | "integer" => Kind::Int,
            "bool" | "boolean" => Kind::Bool,
            "string" => Kind::Text,
            "categorical" => Kind::Categorical,
            "ordered_int" | "ordered" => Kind::Ordered,
            other => Kind::Other(other.into()),
        }
    }

    /// Returns the type's name as shown to users.
    pub(crate) fn name(&self) -> &str {
        match self {
            Kind::Float => "float",
            Kind::Int => "int",
            Kind::Bool => "bool",
            Kind::Text => "string",
            Kind::Categorical => "categorical",
            Kind::Ordered => "ordered",
            Kind::Branch => "branch",
            Kind::Other(name) => name,
        }
    }
}

impl Leaf {
    /// Reads a leaf; `None` where its type is unknown (reported).
    pub(crate) fn read(node: &Node, name: String, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, &name, report)?;
        let kind = read_kind(&mut fields, report);
        let default = fields_default(node);
        let mut leaf = Leaf {
            // Without a type there is no leaf, but what else is wrong with it is still reported.
            kind: kind.clone().unwrap_or(Kind::Text),
            minimum: bound(&mut fields, "minimum", report),
            maximum: bound(&mut fields, "maximum", report),
            options: options(&mut fields, report),
            open: fields.bool("open", report).unwrap_or_default(),
            weights: weights(&mut fields, report),
            automl: fields.bool("automl_enabled", report),
            popular: fields.node("popular").is_some_and(|n| !matches!(n.data, Data::Bool(false))),
            description: fields.string("description", report).unwrap_or_default(),
            minima: bounds_of_items(node, "minimum"),
            maxima: bounds_of_items(node, "maximum"),
            restrictions: restrictions(&mut fields, &name, report),
            active_if: read_tests(&mut fields, "active_if", report),
            at: node.at,
            default,
            name: name.clone(),
        };
        fields.keep(&KEPT);
        fields.close_leniently(report);
        kind?;
        leaf.check(report);
        Some(leaf)
    }

    /// Returns the default as a parameter's value of the leaf's own type.
    pub(crate) fn default_param(&self) -> Option<ParamValue> {
        ParamValue::from_json(&self.typed(self.default.clone()?))
    }

    /// Returns what a study has to remember of the leaf to bound it anew: without what is for people, and
    /// without infinite limits, which are none.
    pub(crate) fn to_keep(&self) -> Self {
        let finite = |limit: Option<f64>| limit.filter(|limit| limit.is_finite());
        Leaf {
            minimum: finite(self.minimum),
            maximum: finite(self.maximum),
            popular: false,
            description: String::new(),
            at: Position::default(),
            ..self.clone()
        }
    }

    /// Returns a spec value in the leaf's own type: `2` for a float becomes `2.0`, and the reverse.
    pub(crate) fn typed(&self, value: Value) -> Value {
        let whole = value.as_f64().filter(|v| v.fract() == 0.0 && v.abs() < MAX_EXACT);
        match (&self.kind, whole) {
            (Kind::Float, Some(whole)) => Value::from(whole),
            (Kind::Int, Some(whole)) => Value::from(whole as i64),
            _ => value,
        }
    }

    /// Tells whether a value is one of the options, or may stand beside them.
    pub(crate) fn admits_option(&self, value: &ParamValue) -> bool {
        use ParamValue::{Float, Int, Text};
        let alike = |option: &ParamValue| {
            matches!((option, value), (Int(_), Int(_)) | (Float(_), Int(_) | Float(_)) | (Text(_), Text(_)))
        };
        let fits = |option: &ParamValue| option.same_as(value) || (self.open && alike(option));
        self.options.is_empty() || self.options.iter().any(fits)
    }

    fn check(&mut self, report: &mut Report) {
        let name = self.name.clone();
        let reversed = self.minimum.zip(self.maximum).filter(|(low, high)| low.total_cmp(high).is_gt());
        if let Some((low, high)) = reversed {
            let message = format!("minimum {low} is above maximum {high}");
            report.error(self.at, &name, Code::BadBounds, message).hint("swap them");
        }
        let sound = self.minima.iter().zip(&self.maxima).all(|(low, high)| low.total_cmp(high).is_le());
        if self.minima.len() != self.maxima.len() || !sound {
            let message = "the lists of bounds need one lower and one upper bound for each item, in order";
            report.warning(self.at, &name, Code::BadBounds, message).hint("they are ignored");
            (self.minima, self.maxima) = (Vec::new(), Vec::new());
        }
        if matches!(self.kind, Kind::Categorical | Kind::Ordered | Kind::Branch) && self.options.is_empty() {
            report.error(self.at, &name, Code::BadValue, "there are no options").hint("`enum` is empty");
        }
        if let Some(weights) = self.weights.as_ref().filter(|w| w.len() != self.options.len()) {
            let s = if weights.len() == 1 { "" } else { "s" };
            let message = format!("{} weight{s} for {} options", weights.len(), self.options.len());
            report.error(self.at, &name, Code::BadValue, message).hint("give one weight for each option");
            self.weights = None;
        }
        if let Some(default) = self.default.clone().filter(|d| !self.admits_type(d)) {
            let shown = super::check::describe(&default);
            let message = format!("the default is {shown}, but the type is {}", self.kind.name());
            report.warning(self.at, &name, Code::WrongType, message);
        }
    }

    /// Tells whether a spec value has the leaf's type. Null and the marker `???` fit everywhere: they
    /// stand for "not set" and "to be set".
    pub(crate) fn admits_type(&self, value: &Value) -> bool {
        if value.is_null() || value == "???" {
            return true;
        }
        match self.kind {
            Kind::Float => value.is_number(),
            Kind::Int => value.is_i64() || value.as_f64().is_some_and(|v| v.fract() == 0.0),
            Kind::Bool => value.is_boolean(),
            Kind::Text | Kind::Branch => value.is_string(),
            Kind::Categorical | Kind::Ordered | Kind::Other(_) => true,
        }
    }
}

/// The default may be null, which [`Fields`] takes for absent.
fn fields_default(node: &Node) -> Option<Value> {
    node.get("default").and_then(Node::to_json)
}

/// Union types have `anyOf` in place of `type`; the first branch counts.
fn read_kind(fields: &mut Fields<'_>, report: &mut Report) -> Option<Kind> {
    if fields.node("one_of").is_some() {
        fields.keep(&["type"]);
        return Some(Kind::Branch);
    }
    if let Some(union) = fields.node("anyOf") {
        let first = union.items().and_then(|items| items.first()).and_then(|b| b.get("type"));
        if let Some(name) = first.and_then(Node::as_str) {
            return Some(Kind::of(name));
        }
    }
    // Schemas in JSON Schema's own words leave the type to the options, or to the only value.
    if fields.node("type").is_none() {
        if fields.node("enum").is_some() {
            return Some(Kind::of("categorical"));
        }
        if fields.node("const").is_some() {
            return Some(Kind::Text);
        }
    }
    fields.required_string("type", report).map(|name| Kind::of(&name))
}

/// Bounds of lists are lists and read elsewhere.
fn bound(fields: &mut Fields<'_>, key: &'static str, report: &mut Report) -> Option<f64> {
    let node = fields.node(key)?;
    match (&node.data, node.as_f64()) {
        (Data::Seq(_), _) => None,
        (Data::Str(text), _) if text.is_empty() => None,
        (_, Some(v)) if !v.is_nan() => Some(v),
        _ => crate::fields::wrong_type(node, &fields.path_of(key), "a number", report),
    }
}

/// Bounds of lists are lists of numbers.
fn bounds_of_items(node: &Node, key: &str) -> Vec<f64> {
    let items = node.get(key).and_then(Node::items).unwrap_or_default();
    let numbers: Option<Vec<f64>> = items.iter().map(|i| i.as_f64().filter(|v| v.is_finite())).collect();
    numbers.unwrap_or_default()
}

/// What is not understood is left out with a warning: the parameter may still be set.
fn restrictions(fields: &mut Fields<'_>, name: &str, report: &mut Report) -> Restrictions {
    let math_cond = fields.string("math_cond", report).unwrap_or_default();
    let depends_on = fields.string("depends_on", report).unwrap_or_default();
    Restrictions::read(name, &math_cond, &depends_on).unwrap_or_else(|why| {
        let at = fields.node("math_cond").map_or(fields.at(), |node| node.at);
        let message = format!("`{math_cond}` is not understood and not enforced: {why}");
        report.warning(at, &fields.path_of("math_cond"), Code::Unsupported, message);
        Restrictions::default()
    })
}

fn options(fields: &mut Fields<'_>, report: &mut Report) -> Vec<ParamValue> {
    let key = if fields.node("one_of").is_some() { "one_of" } else { "enum" };
    let Some(node) = fields.node(key) else { return Vec::new() };
    match node.items() {
        Some(items) => items.iter().filter_map(Node::to_param).collect(),
        None => crate::fields::wrong_type(node, &fields.path_of(key), "a list", report).unwrap_or_default(),
    }
}

fn weights(fields: &mut Fields<'_>, report: &mut Report) -> Option<Vec<f64>> {
    let node = fields.node("option_weights")?;
    let numbers = node.items().and_then(|items| items.iter().map(Node::as_f64).collect());
    match numbers {
        Some(numbers) => Some(numbers),
        None => {
            crate::fields::wrong_type(node, &fields.path_of("option_weights"), "a list of numbers", report)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema_of;
    use super::*;

    fn leaf(text: &str) -> Leaf {
        schema_of(&format!(r#"{{"properties": {{"p": {text}}}}}"#)).leaves.remove(0)
    }

    #[test]
    fn defaults_take_the_leafs_type() {
        for (text, expected) in [
            (r#"{"type": "float", "default": 2}"#, Some(ParamValue::Float(2.0))),
            (r#"{"type": "int", "default": 2.0}"#, Some(ParamValue::Int(2))),
            (r#"{"type": "int", "default": 2}"#, Some(ParamValue::Int(2))),
            (r#"{"type": "string", "default": "2"}"#, Some(ParamValue::Text("2".into()))),
            (r#"{"type": "float", "default": null}"#, None),
            (r#"{"type": "float"}"#, None),
        ] {
            assert_eq!(leaf(text).default_param(), expected, "{text}");
        }
    }

    #[test]
    fn first_branch_of_a_union_counts() {
        assert_eq!(leaf(r#"{"anyOf": [{"type": "integer"}, {"type": "string"}]}"#).kind, Kind::Int);
        assert_eq!(leaf(r#"{"enum": ["a", "b"]}"#).kind, Kind::of("categorical"));
        assert_eq!(leaf(r#"{"const": "a"}"#).kind, Kind::Text);
    }

    #[test]
    fn bounds_of_lists_are_not_bounds() {
        let leaf = leaf(r#"{"type": "list_2", "minimum": [0.8, 0.9], "maximum": [0.9, 0.99]}"#);
        assert_eq!((leaf.minimum, leaf.kind), (None, Kind::Other("list_2".into())));
        assert_eq!((leaf.minima, leaf.maxima), (vec![0.8, 0.9], vec![0.9, 0.99]));
    }
}
