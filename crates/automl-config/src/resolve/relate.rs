//! Relations of a schema between parameters, brought into a search space.
//!
//! A relation names spec keys. Those that are searched stay; of the others the value in the spec counts. The
//! space wants every parent to leave its child a value, so parents are narrowed where they would not.

use crate::schema::{Leaf, Schema};
use crate::spec::SpecPath;
use automl_core::{Comparison, Distribution, Expression, Parameter, Relation, Scale};
use serde_json::Value;

/// Where names in relations are looked up.
pub(super) struct Context<'a> {
    /// Parameters that are searched.
    pub(super) names: &'a [String],
    pub(super) schema: &'a Schema,
    pub(super) spec: &'a Value,
}

impl Context<'_> {
    /// Returns the full name of a key named in `leaf`; keys are also looked for in the groups around the
    /// leaf, because schemas that embed another network's keep its short names.
    fn full_name(&self, leaf: &str, name: &str) -> Option<String> {
        let groups = leaf.match_indices('.').map(|(at, _)| format!("{}{name}", &leaf[..=at]));
        std::iter::once(name.to_string()).chain(groups).find(|full| self.schema.leaf(full).is_some())
    }

    /// Returns what a key stands for: itself where it is searched, else its number in the spec.
    fn meaning(&self, leaf: &str, name: &str) -> Option<Expression> {
        let full = self.full_name(leaf, name)?;
        if self.names.contains(&full) {
            return Some(Expression::Value(full));
        }
        let set = full.parse::<SpecPath>().ok()?.get(self.spec).and_then(Value::as_f64);
        let default = || self.schema.leaf(&full)?.default.as_ref()?.as_f64();
        set.or_else(default).map(Expression::Number)
    }
}

/// Returns a leaf's relations to parameters that are searched; those to fixed keys become limits of the
/// leaf itself.
pub(super) fn resolve(leaf: &mut Leaf, context: &Context<'_>, notes: &mut Vec<String>) -> Vec<Relation> {
    let mut left = Vec::new();
    for relation in std::mem::take(&mut leaf.restrictions.relations) {
        let known = |name: &str| context.meaning(&leaf.name, name);
        if let Some(unknown) = relation.bound.names().into_iter().find(|name| known(name).is_none()) {
            notes.push(format!(
                "{}: `{relation}` is not enforced, because `{unknown}` has no number in the spec",
                leaf.name
            ));
            continue;
        }
        let bound = relation.bound.replaced(&known);
        match (bound.names().is_empty(), bound.evaluate(&|_| None)) {
            // A dictated value may lie outside the leaf's own range, as the format has it.
            (true, Some(v)) if v.is_finite() && relation.comparison == Comparison::Equal => {
                (leaf.minimum, leaf.maximum) = (Some(v), Some(v));
            }
            (true, Some(limit)) if limit.is_finite() => {
                leaf.restrictions.limits.push((relation.comparison, limit));
            }
            (true, _) => notes.push(format!("{}: `{relation}` has no finite bound", leaf.name)),
            (false, _) => left.push(Relation { comparison: relation.comparison, bound }),
        }
    }
    left
}

/// A value that others dictate may lie outside its own range, as the format has it: the range follows.
pub(super) fn follow(parameter: &mut Parameter, context: &Context<'_>, notes: &mut Vec<String>) {
    let Some(relation) = parameter.relations.iter().find(|r| r.comparison == Comparison::Equal) else {
        return;
    };
    let bounds = |name: &str| {
        let leaf = context.schema.leaf(name)?;
        crate::schema::search_range(leaf).ok()?.0.bounds()
    };
    let Some((low, high)) = relation.bound.interval(&bounds) else { return };
    notes.push(format!("{}: is always {}", parameter.name, relation.bound));
    parameter.distribution = match parameter.distribution {
        Distribution::Float { .. } => Distribution::Float { low, high, scale: Scale::Linear, step: None },
        _ => Distribution::Int {
            low: low.ceil() as i64,
            high: high.floor() as i64,
            step: 1,
            scale: Scale::Linear,
        },
    };
    parameter.default = None;
}

/// Narrows parents that could leave a child without a value: where `child > parent`, a parent stays below
/// the child's largest value.
pub(super) fn make_room(parameters: &mut [Parameter], notes: &mut Vec<String>) {
    // A chain of n parameters settles after n rounds.
    for _ in 0..parameters.len() {
        let wishes: Vec<(usize, f64, f64)> = parameters.iter().flat_map(|p| wishes(p, parameters)).collect();
        let mut changed = false;
        for (i, low, high) in wishes {
            let parent = &mut parameters[i];
            let Some(narrowed) = parent.distribution.narrowed(low, high) else { continue };
            if narrowed != parent.distribution {
                parent.distribution = narrowed;
                changed = true;
                if parent.default.as_ref().is_some_and(|d| !parent.distribution.contains(d)) {
                    parent.default = None;
                }
            }
        }
        if !changed {
            return;
        }
        let text = "narrowed, so that every value leaves room for the parameters that depend on it";
        let note = |p: &Parameter| format!("{}: {text}", p.name);
        notes.extend(parameters.iter().filter(|p| is_parent(p, parameters)).map(note));
        notes.dedup();
    }
}

fn is_parent(parent: &Parameter, parameters: &[Parameter]) -> bool {
    parameters.iter().flat_map(|p| &p.relations).any(|r| r.bound == Expression::Value(parent.name.clone()))
}

/// Returns index and interval of each parent that a child compares itself with directly.
fn wishes(child: &Parameter, parameters: &[Parameter]) -> Vec<(usize, f64, f64)> {
    let Some((low, high)) = child.distribution.bounds() else { return Vec::new() };
    let wish = |relation: &Relation| {
        let Expression::Value(name) = &relation.bound else { return None };
        let i = parameters.iter().position(|p| p.name == *name)?;
        let (least, most) = parameters[i].distribution.bounds()?;
        match relation.comparison {
            Comparison::Above if most >= high => Some((i, least, high.next_down())),
            Comparison::AtLeast if most > high => Some((i, least, high)),
            Comparison::Below if least <= low => Some((i, low.next_up(), most)),
            Comparison::AtMost if least < low => Some((i, low, most)),
            _ => None,
        }
    };
    child.relations.iter().filter_map(wish).collect()
}
