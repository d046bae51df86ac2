//! Lists: one spec value out of several parameters, or out of a few whole lists.
//!
//! What a list of numbers means is told from the list that stands in the spec, since schemas say little:
//!
//! - bounds of its own for each item: each item is a number between them;
//! - rising whole numbers (milestones, sizes): a rising list of as many. Milestones of a training (`step` in
//!   the name) lie before its end, multiples of 8 stay multiples of 8;
//! - one whole number repeated (a kernel): one number repeated, odd if it is odd;
//! - anything else: each item around its default. A share above one half (a momentum) keeps its distance
//!   from 1 within a factor of two, any other number its size.
//!
//! Item `i` is the parameter `name[i]`, which is also its path in the spec. The other kinds choose among whole
//! lists: `list_1_*` one run of consecutive stages, `subset_list` some of the options, `optional_list` all of
//! them or none.

use super::Leaf;
use super::range::not_searchable;
use crate::grammar::Range;
use crate::problem::Problem;
use automl_core::{Comparison, Distribution, Expression, ParamValue, Parameter, Relation, Scale};
use serde_json::Value;

/// Stages of the backbones that `list_1_backbone` freezes, where the schema has no bounds.
const LAST_STAGE: i64 = 12;
/// The same for the backbone family with fewer stages.
const LAST_STAGE_OF_FAN: i64 = 8;
/// Longer lists of stages than this are no stages.
const MAX_STAGES: i64 = 64;
/// Options whose subsets are all listed; of more, only the smallest and the largest subsets.
const MAX_SUBSET_OPTIONS: usize = 6;
/// Longest list of numbers that is searched item by item.
const MAX_ITEMS: usize = 16;
/// Widest range whose odd numbers are listed one by one.
const MAX_KERNELS: f64 = 2048.0;
/// Grid that sizes of images keep.
const SIZE_GRID: i64 = 8;

/// What is known beside the leaf.
#[derive(Clone, Copy)]
pub(crate) struct ListContext<'a> {
    /// The list as it stands in the spec.
    pub(crate) current: Option<&'a Value>,
    /// Length of the training, where the spec has one.
    pub(crate) epochs: Option<u64>,
    /// Name of the backbone, where the spec has one.
    pub(crate) backbone: Option<&'a str>,
    /// The user's range for every item.
    pub(crate) range: Option<&'a Range>,
}

/// Tells whether a type is one of the list types.
pub(crate) fn is_list(kind: &str) -> bool {
    let known = ["list", "array", "list_1_backbone", "list_1_normal", "list_2", "list_3", "subset_list"];
    known.contains(&kind) || kind == "optional_list"
}

/// Returns the parameters that make up a list.
///
/// The error's file is empty and to be filled in by the caller.
pub(crate) fn list_parameters(
    leaf: &Leaf,
    kind: &str,
    context: &ListContext<'_>,
) -> Result<Vec<Parameter>, Box<Problem>> {
    match kind {
        "list_1_backbone" | "list_1_normal" => Ok(vec![whole(leaf, runs(leaf, context), context)]),
        "subset_list" if !leaf.options.is_empty() => Ok(vec![whole(leaf, subsets(&leaf.options), context)]),
        "optional_list" if !leaf.options.is_empty() => {
            let all = [Vec::new(), leaf.options.clone()].map(ParamValue::List);
            Ok(vec![whole(leaf, all.to_vec(), context)])
        }
        _ => numbers(leaf, context),
    }
}

/// One parameter that chooses among whole lists, neighbours side by side.
fn whole(leaf: &Leaf, choices: Vec<ParamValue>, context: &ListContext<'_>) -> Parameter {
    let current = context.current.and_then(ParamValue::from_json);
    let distribution = Distribution::Ordinal { choices, weights: None };
    let default = current.or_else(|| leaf.default_param()).filter(|d| distribution.contains(d));
    Parameter { default, ..Parameter::new(&leaf.name, distribution) }
}

/// Runs of consecutive stages; a first stage below 0 stands for none and is alone.
fn runs(leaf: &Leaf, context: &ListContext<'_>) -> Vec<ParamValue> {
    let fan = context.backbone.is_some_and(|name| name.starts_with("fan"));
    let last = if fan { LAST_STAGE_OF_FAN } else { LAST_STAGE };
    let bound = |bound: Option<f64>, or: i64| bound.filter(|b| b.is_finite()).map_or(or, |b| b as i64);
    let (low, high) = (bound(leaf.minimum, -1), bound(leaf.maximum, last));
    let high = high.min(low.saturating_add(MAX_STAGES));
    let none = (low < 0).then(|| ParamValue::List(vec![ParamValue::Int(low)]));
    let starts = low.max(0)..=high;
    let run = |from: i64, to: i64| ParamValue::List((from..=to).map(ParamValue::Int).collect());
    let runs = starts.flat_map(|from| (from..=high).map(move |to| (from, to)));
    none.into_iter().chain(runs.map(|(from, to)| run(from, to))).collect()
}

/// Subsets of the options in their order, the smaller ones first.
fn subsets(options: &[ParamValue]) -> Vec<ParamValue> {
    let n = options.len();
    let mut masks: Vec<Vec<bool>> = if n <= MAX_SUBSET_OPTIONS {
        (0..1_u32 << n).map(|mask| (0..n).map(|i| mask >> i & 1 == 1).collect()).collect()
    } else {
        let only = |k: usize, inside: bool| (0..n).map(|i| (i == k) == inside).collect::<Vec<bool>>();
        let few = (0..n).map(|k| only(k, true));
        let many = (0..n).map(|k| only(k, false));
        [vec![false; n], vec![true; n]].into_iter().chain(few).chain(many).collect()
    };
    masks.sort_by_key(|mask| mask.iter().filter(|taken| **taken).count());
    let subset = |mask: &Vec<bool>| {
        let taken = options.iter().zip(mask).filter(|(_, taken)| **taken);
        ParamValue::List(taken.map(|(option, _)| option.clone()).collect())
    };
    masks.iter().map(subset).collect()
}

fn numbers(leaf: &Leaf, context: &ListContext<'_>) -> Result<Vec<Parameter>, Box<Problem>> {
    let defaults = items(leaf, context).ok_or_else(|| {
        not_searchable(
            leaf,
            "has no list of numbers as its value to start from",
            "set one: --set 'NAME=[1, 2]'",
        )
    })?;
    let whole = defaults.iter().all(|v| matches!(v, ParamValue::Int(_)));
    let plain: Vec<f64> = defaults.iter().filter_map(ParamValue::as_f64).collect();
    let rising = whole && plain.len() > 1 && plain.is_sorted_by(|a, b| a < b);
    let repeated = whole && plain.len() > 1 && plain.iter().all(|v| *v == plain[0]);
    let of_its_own = context.range.is_none() && leaf.minima.len() == plain.len();
    let distributions: Vec<Distribution> = match of_its_own {
        true => leaf.minima.iter().zip(&leaf.maxima).map(|(low, high)| between(*low, *high, whole)).collect(),
        false if rising => rising_ranges(leaf, &plain, context),
        false if repeated => repeated_ranges(leaf, &plain, context),
        false => plain.iter().map(|v| around(leaf, *v, whole, context)).collect(),
    };
    let mut parameters: Vec<Parameter> = Vec::with_capacity(plain.len());
    for (i, (distribution, default)) in distributions.into_iter().zip(defaults).enumerate() {
        let mut parameter = Parameter::new(format!("{}[{i}]", leaf.name), distribution);
        parameter.default = Some(default).filter(|d| parameter.distribution.contains(d));
        let comparison = if repeated { Comparison::Equal } else { Comparison::Above };
        if let Some(before) = parameters.last().filter(|_| rising || repeated) {
            parameter.relations =
                vec![Relation { comparison, bound: Expression::Value(before.name.clone()) }];
        }
        parameters.push(parameter);
    }
    Ok(parameters)
}

/// Returns the numbers of the list in the spec, whole where all are.
fn items(leaf: &Leaf, context: &ListContext<'_>) -> Option<Vec<ParamValue>> {
    let list = context.current.filter(|v| v.is_array()).or(leaf.default.as_ref())?.as_array()?;
    let values: Vec<ParamValue> = list.iter().map(ParamValue::from_json).collect::<Option<_>>()?;
    let whole = values.iter().all(|v| matches!(v, ParamValue::Int(_)));
    let typed = |v: &ParamValue| Some(if whole { v.clone() } else { ParamValue::Float(v.as_f64()?) });
    let typed: Vec<ParamValue> = values.iter().map(typed).collect::<Option<_>>()?;
    (!typed.is_empty() && typed.len() <= MAX_ITEMS).then_some(typed)
}

/// One range for a rising list, shifted by a step from item to item so that every item finds room.
fn rising_ranges(leaf: &Leaf, plain: &[f64], context: &ListContext<'_>) -> Vec<Distribution> {
    let count = plain.len() as i64;
    let (first, last) = (plain[0] as i64, plain[plain.len() - 1] as i64);
    let gridded = plain.iter().all(|v| *v as i64 % SIZE_GRID == 0);
    let step = if gridded { SIZE_GRID } else { 1 };
    let finite = |bound: Option<f64>| bound.filter(|b| b.is_finite()).map(|b| b as i64);
    let milestones = leaf.name.rsplit('.').next().is_some_and(|name| name.contains("step"));
    let (mut low, mut high) = match context.epochs.filter(|_| milestones) {
        Some(epochs) => (1, i64::try_from(epochs).unwrap_or(i64::MAX).saturating_sub(1)),
        None => (first / 2, last.saturating_mul(2)),
    };
    low = finite(leaf.minimum).unwrap_or(low);
    high = finite(leaf.maximum).unwrap_or(high);
    if let Some(range) = context.range {
        (low, high) = (range.low as i64, range.high as i64);
    }
    // On the grid, and never too narrow for as many rising items.
    let low = low.clamp(-(1 << 52), 1 << 52).div_euclid(step) * step + if low % step == 0 { 0 } else { step };
    let high = high.clamp(-(1 << 52), 1 << 52).div_euclid(step) * step;
    let high = high.max(low + (count - 1) * step);
    let range = |i: i64| (low + i * step, high - (count - 1 - i) * step);
    let int = |(low, high)| Distribution::Int {
        low,
        high,
        step: if low == high { 1 } else { step },
        scale: Scale::Linear,
    };
    (0..count).map(|i| int(range(i))).collect()
}

/// The first item is free, the others equal it. An odd one is a kernel and keeps its middle.
fn repeated_ranges(leaf: &Leaf, plain: &[f64], context: &ListContext<'_>) -> Vec<Distribution> {
    let all = around(leaf, plain[0], true, context);
    let (low, high) = all.bounds().expect("a range of whole numbers has bounds");
    let few = high - low <= MAX_KERNELS;
    let odd = |v: &i64| v.rem_euclid(2) == 1;
    let first = match few && plain[0].rem_euclid(2.0) == 1.0 {
        true => {
            let choices = (low as i64..=high as i64).filter(odd).map(ParamValue::Int).collect();
            Distribution::Ordinal { choices, weights: None }
        }
        false => all.clone(),
    };
    std::iter::once(first).chain(plain[1..].iter().map(|_| all.clone())).collect()
}

fn around(leaf: &Leaf, value: f64, whole: bool, context: &ListContext<'_>) -> Distribution {
    let (from, to) = match context.range {
        Some(range) => (range.low, range.high),
        None if value == 0.0 => (0.0, 1.0),
        None if !whole && value > 0.5 && value < 1.0 => {
            (1.0 - 2.0 * (1.0 - value), 1.0 - (1.0 - value) / 2.0)
        }
        None if value > 0.0 => (value / 2.0, value * 2.0),
        None => (value * 2.0, value / 2.0),
    };
    let from = leaf.minimum.map_or(from, |m| from.max(m));
    let to = leaf.maximum.map_or(to, |m| to.min(m)).max(from);
    between(from, to, whole)
}

fn between(low: f64, high: f64, whole: bool) -> Distribution {
    if whole {
        let (low, high) = (low.ceil() as i64, high.floor() as i64);
        Distribution::Int { low: low.min(high), high, step: 1, scale: Scale::Linear }
    } else {
        Distribution::Float { low, high, scale: Scale::Linear, step: None }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema_of;
    use super::*;
    use automl_core::{Params, SearchSpace, rng};

    fn space(leaf: &str, context: ListContext<'_>) -> Result<SearchSpace, String> {
        let schema = schema_of(&format!(r#"{{"properties": {{"train.lr_steps": {leaf}}}}}"#));
        let leaf = &schema.leaves[0];
        let parameters = list_parameters(leaf, leaf.kind.name(), &context).map_err(|p| p.message)?;
        Ok(SearchSpace::new(parameters).unwrap())
    }

    const NOTHING: ListContext<'_> = ListContext { current: None, epochs: None, backbone: None, range: None };

    fn drawn(space: &SearchSpace) -> Vec<Vec<f64>> {
        let row = |k| (0..space.parameters().len() as u64).map(|i| rng::uniform(&[k, i])).collect::<Vec<_>>();
        let values = |params: Params| params.iter().map(|(_, v)| v.as_f64().unwrap()).collect();
        (0..300).map(|k| values(space.decode(&row(k)))).collect()
    }

    #[test]
    fn milestones_rise_before_the_end() {
        let context = ListContext { epochs: Some(10), ..NOTHING };
        let space = space(r#"{"type": "list_2", "default": [4, 7, 9]}"#, context).unwrap();
        assert_eq!(
            space.defaults().unwrap().to_string(),
            "train.lr_steps[0]=4 train.lr_steps[1]=7 train.lr_steps[2]=9"
        );
        for list in drawn(&space) {
            assert!(list[0] >= 1.0 && list[0] < list[1] && list[1] < list[2] && list[2] <= 9.0, "{list:?}");
        }
    }

    #[test]
    fn milestones_find_room_in_the_shortest_training() {
        let context = ListContext { epochs: Some(1), ..NOTHING };
        let space = space(r#"{"type": "list_2", "default": [40, 70]}"#, context).unwrap();
        assert_eq!(drawn(&space)[0], [1.0, 2.0]);
    }

    #[test]
    fn sizes_keep_their_grid() {
        let space = space(r#"{"type": "list_2", "default": [480, 512, 544]}"#, NOTHING).unwrap();
        for list in drawn(&space) {
            assert!(list.iter().all(|v| v % 8.0 == 0.0) && list.is_sorted_by(|a, b| a < b), "{list:?}");
        }
    }

    #[test]
    fn kernels_are_odd_and_square() {
        let space = space(r#"{"type": "list_3", "default": [5, 5]}"#, NOTHING).unwrap();
        for list in drawn(&space) {
            assert!(list[0] == list[1] && list[0] % 2.0 == 1.0, "{list:?}");
        }
    }

    #[test]
    fn shares_stay_below_one() {
        let found = space(r#"{"type": "list", "default": [0.9, 0.999]}"#, NOTHING).unwrap();
        for list in drawn(&found) {
            assert!(list[0] >= 0.79 && list[0] <= 0.95 && list[1] >= 0.997 && list[1] < 1.0, "{list:?}");
        }
        let leaf =
            r#"{"type": "list", "default": [0.9, 0.99], "minimum": [0.8, 0.9], "maximum": [0.95, 0.999]}"#;
        let bounds: Vec<_> =
            space(leaf, NOTHING).unwrap().parameters().iter().map(|p| p.distribution.bounds()).collect();
        assert_eq!(bounds, [Some((0.8, 0.95)), Some((0.9, 0.999))]);
    }

    #[test]
    fn stages_are_runs_and_options_are_subsets() {
        let choices = |leaf: &str| match &space(leaf, NOTHING).unwrap().parameters()[0].distribution {
            Distribution::Ordinal { choices, .. } => {
                choices.iter().map(ToString::to_string).collect::<Vec<_>>()
            }
            other => panic!("{other:?}"),
        };
        let runs = choices(r#"{"type": "list_1_normal", "minimum": -1, "maximum": 2}"#);
        assert_eq!(runs, ["[-1]", "[0]", "[0,1]", "[0,1,2]", "[1]", "[1,2]", "[2]"]);
        assert_eq!(choices(r#"{"type": "list_1_backbone"}"#).len(), 1 + 13 * 14 / 2);
        let subsets = choices(r#"{"type": "subset_list", "enum": ["q", "k", "v"]}"#);
        assert_eq!(subsets, ["[]", "[q]", "[k]", "[v]", "[q,k]", "[q,v]", "[k,v]", "[q,k,v]"]);
        assert_eq!(choices(r#"{"type": "optional_list", "enum": ["q", "k"]}"#), ["[]", "[q,k]"]);
        let many = choices(r#"{"type": "subset_list", "enum": [1, 2, 3, 4, 5, 6, 7]}"#);
        assert_eq!(many.len(), 16);
    }

    #[test]
    fn lists_without_numbers_are_refused() {
        assert_eq!(
            space(r#"{"type": "list", "default": ["a"]}"#, NOTHING).unwrap_err(),
            "`train.lr_steps` has no list of numbers as its value to start from"
        );
    }
}
