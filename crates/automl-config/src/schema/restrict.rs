//! Conditions on single values built into a distribution, so that nothing else is ever drawn.
//!
//! - A limit that is excluded moves inwards: to the next whole number, or by a thousandth of the range.
//! - Multiples are a grid, powers a list of options in order.
//! - A number left out ends the range where it is at an end. Amidst few whole numbers the others become
//!   options in order; otherwise the range is cut there, and the side with the default stays.

use super::condition::{Restrictions, powers};
use automl_core::{Comparison, Distribution, ParamValue, Scale};

/// Part of a range by which an excluded end moves inwards.
const INWARDS: f64 = 1e-3;
/// Whole numbers that are still listed one by one.
const LISTED_MAX: u64 = 1024;

/// Returns what the restrictions leave of a distribution; `None` where that is nothing.
pub(crate) fn restrict(
    distribution: Distribution,
    restrictions: &Restrictions,
    default: Option<f64>,
) -> Option<Distribution> {
    if matches!(distribution, Distribution::Categorical { .. } | Distribution::Ordinal { .. }) {
        return filter(distribution, restrictions);
    }
    let mut left = distribution;
    for (comparison, limit) in &restrictions.limits {
        left = cut(left, *comparison, *limit)?;
    }
    for number in &restrictions.excluded {
        left = without(left, *number, default)?;
    }
    if let Some(factor) = restrictions.multiple_of {
        left = multiples(left, factor)?;
    }
    match restrictions.power_of {
        Some(base) => powers_within(left, base),
        None => Some(left),
    }
}

/// Keeps the options that are allowed; options that are no numbers always are.
fn filter(distribution: Distribution, restrictions: &Restrictions) -> Option<Distribution> {
    let admitted = |c: &ParamValue| c.as_f64().is_none_or(|v| restrictions.admits(v));
    let pick = |choices: Vec<ParamValue>, weights: Option<Vec<f64>>| {
        let kept: Vec<bool> = choices.iter().map(admitted).collect();
        let mut flags = kept.iter();
        let choices: Vec<ParamValue> = choices.into_iter().filter(|_| flags.next() == Some(&true)).collect();
        let weights = weights.map(|weights| {
            let pairs = weights.into_iter().zip(&kept);
            pairs.filter(|(_, kept)| **kept).map(|(weight, _)| weight).collect::<Vec<f64>>()
        });
        // All weights gone: what is left is as good as anything.
        let weights = weights.filter(|w| w.iter().any(|weight| *weight > 0.0));
        (!choices.is_empty()).then_some((choices, weights))
    };
    match distribution {
        Distribution::Categorical { choices, weights } => {
            pick(choices, weights).map(|(choices, weights)| Distribution::Categorical { choices, weights })
        }
        Distribution::Ordinal { choices, weights } => {
            pick(choices, weights).map(|(choices, weights)| Distribution::Ordinal { choices, weights })
        }
        numeric @ (Distribution::Float { .. } | Distribution::Int { .. }) => Some(numeric),
    }
}

fn cut(distribution: Distribution, comparison: Comparison, limit: f64) -> Option<Distribution> {
    let (low, high) = distribution.bounds()?;
    // Whole numbers and grids only have to leave the limit itself out.
    let smooth = matches!(distribution, Distribution::Float { step: None, .. });
    let above = if smooth { limit + (high - limit) * INWARDS } else { limit.next_up() };
    let below = if smooth { limit - (limit - low) * INWARDS } else { limit.next_down() };
    match comparison {
        Comparison::Above if limit >= high => None,
        Comparison::Above if limit >= low => distribution.narrowed(above, high),
        Comparison::Below if limit <= low => None,
        Comparison::Below if limit <= high => distribution.narrowed(low, below),
        Comparison::AtLeast => distribution.narrowed(limit, high),
        Comparison::AtMost => distribution.narrowed(low, limit),
        Comparison::Equal => distribution.narrowed(limit, limit),
        Comparison::Above | Comparison::Below => Some(distribution),
    }
}

fn without(distribution: Distribution, number: f64, default: Option<f64>) -> Option<Distribution> {
    let (low, high) = distribution.bounds()?;
    if number < low || number > high {
        return Some(distribution);
    }
    if let Some(values) = listed(&distribution).filter(|_| number > low && number < high) {
        return ordinal(values.into_iter().filter(|v| v.as_f64() != Some(number)));
    }
    let upper_side = number == low || (number < high && default.is_none_or(|d| d > number));
    let side = if upper_side { Comparison::Above } else { Comparison::Below };
    cut(distribution, side, number)
}

fn multiples(distribution: Distribution, factor: f64) -> Option<Distribution> {
    let (low, high) = distribution.bounds()?;
    let (first, last) = ((low / factor).ceil() * factor, (high / factor).floor() * factor);
    match distribution {
        Distribution::Int { step: 1, .. } if factor.fract() == 0.0 && first <= last => {
            let (low, high) = (first as i64, last as i64);
            let step = if low == high { 1 } else { factor as i64 };
            Some(Distribution::Int { low, high, step, scale: Scale::Linear })
        }
        Distribution::Float { step: None, .. } if first <= last => {
            let step = (first < last).then_some(factor);
            Some(Distribution::Float { low: first, high: last, scale: Scale::Linear, step })
        }
        gridded => {
            let restrictions = Restrictions { multiple_of: Some(factor), ..Restrictions::default() };
            ordinal(
                listed(&gridded)?.into_iter().filter(|v| v.as_f64().is_some_and(|v| restrictions.admits(v))),
            )
        }
    }
}

fn powers_within(distribution: Distribution, base: f64) -> Option<Distribution> {
    let (low, high) = distribution.bounds()?;
    let whole = distribution.is_whole();
    let value = |v: f64| if whole { ParamValue::Int(v as i64) } else { ParamValue::Float(v) };
    ordinal(powers(base, low, high).map(value).filter(|v| distribution.contains(v)))
}

fn ordinal(values: impl Iterator<Item = ParamValue>) -> Option<Distribution> {
    let choices: Vec<ParamValue> = values.collect();
    (!choices.is_empty()).then_some(Distribution::Ordinal { choices, weights: None })
}

/// Returns the values of a small grid, in order.
fn listed(distribution: &Distribution) -> Option<Vec<ParamValue>> {
    let count = distribution.cardinality().filter(|count| *count <= LISTED_MAX)?;
    let values = (0..count).map(|k| match distribution {
        Distribution::Int { low, step, .. } => {
            ParamValue::Int(low.wrapping_add_unsigned(k * step.unsigned_abs()))
        }
        other => other.from_unit((k as f64 + 0.5) / count as f64),
    });
    Some(values.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(low: i64, high: i64, step: i64) -> Distribution {
        Distribution::Int { low, high, step, scale: Scale::Linear }
    }

    fn float(low: f64, high: f64) -> Distribution {
        Distribution::Float { low, high, scale: Scale::Linear, step: None }
    }

    fn ints(values: &[i64]) -> Distribution {
        let choices = values.iter().map(|v| ParamValue::Int(*v)).collect();
        Distribution::Ordinal { choices, weights: None }
    }

    #[test]
    fn restrictions_become_part_of_the_distribution() {
        for (given, condition, expected) in [
            (float(0.0, 1.0), "> 0.0", Some(float(0.001, 1.0))),
            (float(0.5, 1.0), "> 0.0", Some(float(0.5, 1.0))),
            (float(0.0, 1.0), "<1", Some(float(0.0, 0.999))),
            (float(0.0, 1.0), "> 1", None),
            (int(0, 9, 1), "> 0", Some(int(1, 9, 1))),
            (int(0, 50, 1), "<20", Some(int(0, 19, 1))),
            (int(1, 256, 1), "^ 2", Some(ints(&[2, 4, 8, 16, 32, 64, 128, 256]))),
            (int(4, 16, 1), "^ 2", Some(ints(&[4, 8, 16]))),
            (int(3, 3, 1), "^ 2", None),
            (int(1, 100, 1), "/ 32", Some(int(32, 96, 32))),
            (int(1, 40, 1), "/ 32", Some(int(32, 32, 1))),
            (int(1, 31, 1), "/ 32", None),
            (int(6, 36, 6), "/ 4", Some(ints(&[12, 24, 36]))),
            (int(-2, 2, 1), "!= 0", Some(ints(&[-2, -1, 1, 2]))),
            (int(0, 4, 1), "!= 0", Some(int(1, 4, 1))),
            (float(-1.0, 1.0), "!= 0", Some(float(0.001, 1.0))),
            (ints(&[0, 1, 2]), "> 0", Some(ints(&[1, 2]))),
        ] {
            let restrictions = Restrictions::read("p", condition, "").unwrap();
            assert_eq!(restrict(given.clone(), &restrictions, Some(0.5)), expected, "{given:?} {condition}");
        }
    }
}
