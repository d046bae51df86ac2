//! A distribution cut down to an interval: what is left of it, on its own scale and grid.

use super::distribution::{Distribution, decimal};
use crate::value::ParamValue;

impl Distribution {
    /// Returns the smallest and largest number; `None` for options that are not all numbers.
    #[must_use]
    pub fn bounds(&self) -> Option<(f64, f64)> {
        match self {
            Distribution::Float { low, step: Some(_), .. } => Some((*low, self.from_unit(1.0).as_f64()?)),
            Distribution::Float { low, high, step: None, .. } => Some((*low, *high)),
            Distribution::Int { low, .. } => Some((*low as f64, self.from_unit(1.0).as_f64()?)),
            Distribution::Categorical { choices, .. } | Distribution::Ordinal { choices, .. } => {
                let numbers: Option<Vec<f64>> = choices.iter().map(ParamValue::as_f64).collect();
                let numbers = numbers.filter(|n| !n.is_empty())?;
                let pick = |f: fn(f64, f64) -> f64| numbers.iter().copied().reduce(f);
                pick(f64::min).zip(pick(f64::max))
            }
        }
    }

    /// Tells whether every value is a whole number.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        match self {
            Distribution::Float { .. } => false,
            Distribution::Int { .. } => true,
            Distribution::Categorical { choices, .. } | Distribution::Ordinal { choices, .. } => {
                choices.iter().all(|c| c.as_f64().is_some_and(|v| v.fract() == 0.0))
            }
        }
    }

    /// Returns the ordered option nearest to a number.
    pub(super) fn nearest_option(&self, number: f64) -> Option<ParamValue> {
        let Distribution::Ordinal { choices, .. } = self else { return None };
        let distance = |c: &&ParamValue| c.as_f64().map_or(f64::INFINITY, |v| (v - number).abs());
        choices.iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).cloned()
    }

    /// Returns the part within `[low, high]`, ends included; `None` where nothing is left, or where the
    /// values are not numbers in order.
    #[must_use]
    pub fn narrowed(&self, low: f64, high: f64) -> Option<Distribution> {
        match self {
            Distribution::Float { low: least, high: most, scale, step } => {
                let to = most.min(high);
                let from = least.max(low);
                let from = step.map_or(from, |step| first_on_grid(*least, step, from));
                // One step may be wider than what is left; one value has no step.
                let left = step.filter(|step| *step <= to - from);
                let high = match left {
                    // A bound that just excludes a place must not be taken for that place.
                    Some(step) => last_on_grid(from, step, to),
                    None if step.is_none() => to,
                    None => from,
                };
                (from <= to).then_some(Distribution::Float { low: from, high, scale: *scale, step: left })
            }
            Distribution::Int { low: least, high: most, step, scale } => {
                let from = whole(low.ceil(), *least, *most)?.max(*least);
                let to = whole(high.floor(), *least, *most)?.min(*most);
                let steps = from.abs_diff(*least).div_ceil(step.unsigned_abs());
                let from = least.checked_add_unsigned(steps.checked_mul(step.unsigned_abs())?)?;
                let (high, left) = if *step <= to.checked_sub(from)? { (to, *step) } else { (from, 1) };
                (from <= to).then_some(Distribution::Int { low: from, high, step: left, scale: *scale })
            }
            Distribution::Ordinal { choices, weights } => {
                let inside = |c: &ParamValue| c.as_f64().is_some_and(|v| v >= low && v <= high);
                let kept: Vec<usize> = (0..choices.len()).filter(|i| inside(&choices[*i])).collect();
                let weights = weights.as_ref().map(|w| kept.iter().map(|i| w[*i]).collect::<Vec<f64>>());
                let weights = weights.filter(|w| w.iter().any(|weight| *weight > 0.0));
                let choices: Vec<ParamValue> = kept.iter().map(|i| choices[*i].clone()).collect();
                (!choices.is_empty()).then_some(Distribution::Ordinal { choices, weights })
            }
            Distribution::Categorical { .. } => None,
        }
    }
}

/// Returns the first of `least, least + step, …` that is not below `from`; `from` itself where the steps are
/// finer than floats.
fn first_on_grid(least: f64, step: f64, from: f64) -> f64 {
    let index = ((from - least) / step).floor();
    let places = [0.0, 1.0, 2.0].map(|more| decimal(least + (index + more) * step));
    places.into_iter().find(|place| *place >= from).unwrap_or(from)
}

/// Returns the last of `from, from + step, …` that is not above `to`; at least `from`.
fn last_on_grid(from: f64, step: f64, to: f64) -> f64 {
    let index = ((to - from) / step).ceil();
    let places = [0.0, 1.0, 2.0].map(|less| decimal(from + (index - less) * step));
    places.into_iter().find(|place| *place <= to).unwrap_or(from)
}

/// Brings a whole float next to the range `least..=most` if it lies beyond; `None` for NaN.
fn whole(value: f64, least: i64, most: i64) -> Option<i64> {
    if value.is_nan() {
        return None;
    }
    // Saturating: an infinite bound is far beyond any range.
    Some((value as i64).clamp(least.saturating_sub(1), most.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::super::Scale;
    use super::*;

    fn int(low: i64, high: i64, step: i64) -> Distribution {
        Distribution::Int { low, high, step, scale: Scale::Linear }
    }

    fn float(low: f64, high: f64, step: Option<f64>) -> Distribution {
        Distribution::Float { low, high, scale: Scale::Linear, step }
    }

    #[test]
    fn grids_keep_their_places() {
        for (given, low, high, expected) in [
            (int(1, 10, 1), 2.5, 7.5, Some(int(3, 7, 1))),
            (int(8, 64, 8), 9.0, 40.0, Some(int(16, 40, 8))),
            (int(8, 64, 8), 9.0, 20.0, Some(int(16, 16, 1))),
            (int(8, 64, 8), 9.0, 15.0, None),
            (int(1, 10, 1), 11.0, f64::INFINITY, None),
            (int(1, 10, 1), f64::NEG_INFINITY, f64::INFINITY, Some(int(1, 10, 1))),
            (float(0.0, 1.0, Some(0.1)), 0.25, 0.5, Some(float(0.3, 0.5, Some(0.1)))),
            (float(0.0, 1.0, Some(0.1)), 0.25, 0.35, Some(float(0.3, 0.3, None))),
            (float(0.0, 1.0, Some(0.1)), 0.31, 0.39, None),
            (float(0.0, 20.0, Some(2.0)), 0.0, 4.0_f64.next_down(), Some(float(0.0, 2.0, Some(2.0)))),
            (float(0.0, 20.0, Some(2.0)), 0.0, 5.0, Some(float(0.0, 4.0, Some(2.0)))),
            (float(0.0, 1.0, None), 0.5, 2.0, Some(float(0.5, 1.0, None))),
            (float(0.0, 1.0, None), 2.0, 3.0, None),
        ] {
            assert_eq!(given.narrowed(low, high), expected, "{given:?} to {low}..{high}");
        }
    }

    #[test]
    fn options_keep_their_weights() {
        let choices = |values: &[i64]| values.iter().map(|v| ParamValue::Int(*v)).collect::<Vec<_>>();
        let all = Distribution::Ordinal { choices: choices(&[2, 4, 8]), weights: Some(vec![1.0, 0.0, 3.0]) };
        assert_eq!(
            all.narrowed(3.0, 8.0),
            Some(Distribution::Ordinal { choices: choices(&[4, 8]), weights: Some(vec![0.0, 3.0]) })
        );
        assert_eq!(
            all.narrowed(3.0, 5.0),
            Some(Distribution::Ordinal { choices: choices(&[4]), weights: None })
        );
        assert_eq!((all.bounds(), all.is_whole()), (Some((2.0, 8.0)), true));
        assert_eq!(Distribution::bool().bounds(), None);
        assert_eq!(int(8, 30, 8).bounds(), Some((8.0, 24.0)), "30 is on no grid");
    }
}
