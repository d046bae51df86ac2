//! The closed family of distributions, and the one place where a unit value becomes a value.
//!
//! Unit maps: a float's interval is mapped linearly or in logarithms; whole numbers and stepped
//! floats own equal cells (the interval is widened by half a step at both ends), so that a uniform
//! unit value is uniform over the grid; whole numbers on a log scale own the cells between
//! `ln(k - 1/2)` and `ln(k + 1/2)`. Values are computed from the cell's index, never by repeated
//! addition. Categories are coded by their index, not by a unit value.

use crate::value::ParamValue;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How distances between numbers are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// Differences count.
    #[default]
    Linear,
    /// Ratios count; needs a positive lower bound.
    Log,
}

/// The values a parameter may take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Distribution {
    /// A real number in `[low, high]`; with `step`, one of `low, low + step, …`.
    Float {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
        /// Linear or log.
        #[serde(default)]
        scale: Scale,
        /// Grid width; only on the linear scale.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<f64>,
    },
    /// A whole number `low, low + step, …` up to `high`.
    Int {
        /// Smallest value.
        low: i64,
        /// Largest value.
        high: i64,
        /// Grid width, at least 1; must be 1 on the log scale.
        #[serde(default = "one")]
        step: i64,
        /// Linear or log.
        #[serde(default)]
        scale: Scale,
    },
    /// One of several values without an order.
    Categorical {
        /// The options.
        choices: Vec<ParamValue>,
        /// Prior weights, one for each option, not all zero.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weights: Option<Vec<f64>>,
    },
    /// One of several values in a meaningful order.
    Ordinal {
        /// The options, in order.
        choices: Vec<ParamValue>,
        /// Prior weights, one for each option, not all zero.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weights: Option<Vec<f64>>,
    },
}

fn one() -> i64 {
    1
}

/// How a column of a row is to be read by a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One possible value only; carries no information.
    Constant,
    /// Any unit value; decoding may still round (whole numbers on a log scale).
    Continuous,
    /// `levels` equal cells; the centre of cell k is `(k + 1/2) / levels`.
    Grid {
        /// Number of cells, at least 2.
        levels: u64,
    },
    /// The option's index.
    Categorical {
        /// Number of options, at least 2.
        choices: u32,
    },
}

/// Why a distribution is unsound.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum DistributionError {
    /// A bound is NaN or infinite.
    #[error("bounds must be finite numbers, found {low}..{high}")]
    NotFinite {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// Bounds whose difference is beyond the numbers.
    #[error("bounds {low:e}..{high:e} are further apart than a number can say; bring them closer together")]
    TooFarApart {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// The lower bound is above the upper one.
    #[error("lower bound {low} is above upper bound {high}; swap them")]
    Reversed {
        /// Lower bound.
        low: f64,
        /// Upper bound.
        high: f64,
    },
    /// Log scale with a lower bound that has no logarithm.
    #[error("a log scale needs a lower bound above 0, found {low}; raise it or use the linear scale")]
    LogOfNonPositive {
        /// Lower bound.
        low: f64,
    },
    /// Step not positive, or larger than the range.
    #[error("step {step} must be above 0 and at most the range {range}")]
    BadStep {
        /// Given step.
        step: f64,
        /// Upper minus lower bound.
        range: f64,
    },
    /// A step of which the range has more than can be counted one by one.
    #[error("step {step:e} is too small for the range {range:e}; leave it out, and any value may be tried")]
    TooFine {
        /// Given step.
        step: f64,
        /// Upper minus lower bound.
        range: f64,
    },
    /// Step together with a log scale.
    #[error("step {step} cannot be combined with a log scale; drop one of them")]
    StepOnLog {
        /// Given step.
        step: f64,
    },
    /// No options.
    #[error("there are no options to choose from")]
    NoChoices,
    /// The same option twice.
    #[error("option {choice} is listed twice")]
    DuplicateChoice {
        /// The option.
        choice: String,
    },
    /// Weights do not fit the options.
    #[error("weights must be one finite number of at least 0 for each of the {choices} options, not all 0")]
    BadWeights {
        /// Number of options.
        choices: usize,
    },
}

/// Tells whether bounds span decades, so that a log scale is the sensible default: a float with
/// `low > 0` and `high / low >= 100`, a whole number with `low >= 1` and `high / low >= 64`.
#[must_use]
pub fn log_scale_by_rule(low: f64, high: f64, whole: bool) -> bool {
    if whole { low >= 1.0 && high / low >= 64.0 } else { low > 0.0 && high / low >= 100.0 }
}

impl Distribution {
    /// Returns the real numbers from `low` to `high`.
    #[must_use]
    pub fn float(low: f64, high: f64) -> Self {
        Distribution::Float { low, high, scale: Scale::Linear, step: None }
    }

    /// Returns the real numbers from `low` to `high`, of which ratios count.
    #[must_use]
    pub fn log_float(low: f64, high: f64) -> Self {
        Distribution::Float { low, high, scale: Scale::Log, step: None }
    }

    /// Returns the whole numbers from `low` to `high`.
    #[must_use]
    pub fn int(low: i64, high: i64) -> Self {
        Distribution::Int { low, high, step: 1, scale: Scale::Linear }
    }

    /// Returns texts without an order.
    #[must_use]
    pub fn choice(choices: &[&str]) -> Self {
        let choices = choices.iter().map(|text| ParamValue::Text((*text).into())).collect();
        Distribution::Categorical { choices, weights: None }
    }

    /// Returns the truth values as a categorical distribution.
    #[must_use]
    pub fn bool() -> Self {
        Distribution::Categorical {
            choices: vec![ParamValue::Bool(false), ParamValue::Bool(true)],
            weights: None,
        }
    }

    /// Checks bounds, step, options and weights.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), DistributionError> {
        match self {
            Distribution::Float { low, high, scale, step } => {
                check_bounds(*low, *high, *scale, *step)?;
                match step {
                    Some(step) if (high - low) / step > LEVELS_MAX => {
                        Err(DistributionError::TooFine { step: *step, range: high - low })
                    }
                    _ => Ok(()),
                }
            }
            Distribution::Int { low, high, step, scale } => {
                let step = Some(*step as f64).filter(|s| *s != 1.0);
                check_bounds(*low as f64, *high as f64, *scale, step)
            }
            Distribution::Categorical { choices, weights } | Distribution::Ordinal { choices, weights } => {
                check_choices(choices)?;
                weights.as_deref().map_or(Ok(()), |w| check_weights(w, choices.len()))
            }
        }
    }

    /// Returns how a model should read the column.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        match (self, self.cardinality()) {
            (_, Some(1)) => Encoding::Constant,
            (Distribution::Categorical { choices, .. }, _) => {
                Encoding::Categorical { choices: choices.len() as u32 }
            }
            (Distribution::Int { scale: Scale::Log, .. }, _) | (_, None) => Encoding::Continuous,
            (_, Some(levels)) => Encoding::Grid { levels },
        }
    }

    /// Returns the number of values, or `None` where there are infinitely many.
    #[must_use]
    pub fn cardinality(&self) -> Option<u64> {
        match self {
            Distribution::Float { low, high, step, .. } => match step {
                _ if low == high => Some(1),
                Some(step) => Some(float_levels(*low, *high, *step)),
                None => None,
            },
            Distribution::Int { low, high, step, .. } => Some(int_levels(*low, *high, *step)),
            Distribution::Categorical { choices, .. } | Distribution::Ordinal { choices, .. } => {
                Some(choices.len() as u64)
            }
        }
    }

    /// Tells whether a value belongs to the distribution.
    #[must_use]
    pub fn contains(&self, value: &ParamValue) -> bool {
        match self {
            Distribution::Float { low, high, step, .. } => value
                .as_f64()
                .is_some_and(|v| v >= *low && v <= *high && step.is_none_or(|q| on_grid(v, *low, q))),
            Distribution::Int { low, high, step, .. } => match value {
                ParamValue::Int(v) => {
                    v >= low && v <= high && v.abs_diff(*low).is_multiple_of(step.unsigned_abs())
                }
                _ => false,
            },
            Distribution::Categorical { choices, .. } | Distribution::Ordinal { choices, .. } => {
                choices.iter().any(|c| c.same_as(value))
            }
        }
    }

    /// Maps a value to its unit value (its index for categories); `None` if it does not belong here.
    #[must_use]
    pub fn to_unit(&self, value: &ParamValue) -> Option<f64> {
        match self {
            Distribution::Float { low, high, scale, step } => {
                let v = value.as_f64()?.clamp(*low, *high);
                Some(match (scale, step) {
                    _ if low == high => 0.5,
                    (Scale::Log, _) => fraction(ln(v), ln(*low), ln(*high)),
                    (Scale::Linear, None) => fraction(v, *low, *high),
                    (Scale::Linear, Some(q)) => {
                        cell_centre(((v - low) / q).round(), float_levels(*low, *high, *q))
                    }
                })
            }
            Distribution::Int { low, high, step, scale } => {
                let v = value.as_f64()?.clamp(*low as f64, *high as f64);
                Some(match scale {
                    Scale::Log => fraction(ln(v), ln(*low as f64 - 0.5), ln(*high as f64 + 0.5)),
                    Scale::Linear => {
                        let levels = int_levels(*low, *high, *step);
                        cell_centre(((v - *low as f64) / *step as f64).round(), levels)
                    }
                })
            }
            Distribution::Categorical { choices, .. } => position(choices, value).map(|i| i as f64),
            Distribution::Ordinal { choices, .. } => {
                position(choices, value).map(|i| cell_centre(i as f64, choices.len() as u64))
            }
        }
    }

    /// Maps a unit value (an index for categories) to a value; anything outside is clamped.
    #[must_use]
    pub fn from_unit(&self, unit: f64) -> ParamValue {
        match self {
            Distribution::Float { low, high, scale, step } => {
                let unit = unit.clamp(0.0, 1.0);
                ParamValue::Float(match (scale, step) {
                    _ if low == high => *low,
                    (Scale::Log, _) => geometric(*low, *high, unit).clamp(*low, *high),
                    (Scale::Linear, None) => lerp(*low, *high, unit).clamp(*low, *high),
                    (Scale::Linear, Some(q)) => {
                        decimal(low + cell(unit, float_levels(*low, *high, *q)) as f64 * q).min(*high)
                    }
                })
            }
            Distribution::Int { low, high, step, scale } => ParamValue::Int(match scale {
                Scale::Log => {
                    let value = geometric(*low as f64 - 0.5, *high as f64 + 0.5, unit.clamp(0.0, 1.0));
                    (value.round() as i64).clamp(*low, *high)
                }
                Scale::Linear => {
                    let levels = int_levels(*low, *high, *step);
                    low.saturating_add_unsigned(cell(unit, levels).saturating_mul(step.unsigned_abs()))
                        .min(*high)
                }
            }),
            Distribution::Categorical { choices, .. } => {
                choices[(unit.round().max(0.0) as usize).min(choices.len() - 1)].clone()
            }
            Distribution::Ordinal { choices, .. } => {
                choices[cell(unit, choices.len() as u64) as usize].clone()
            }
        }
    }

    /// Returns the prior weights of the options, where there are some.
    #[must_use]
    pub fn weights(&self) -> Option<&[f64]> {
        match self {
            Distribution::Categorical { weights, .. } | Distribution::Ordinal { weights, .. } => {
                weights.as_deref()
            }
            Distribution::Float { .. } | Distribution::Int { .. } => None,
        }
    }

    /// Returns the code of the parameter where it is inactive.
    #[must_use]
    pub fn inactive_code(&self) -> f64 {
        match self {
            Distribution::Categorical { .. } => super::INACTIVE_CATEGORY,
            Distribution::Float { .. } | Distribution::Int { .. } | Distribution::Ordinal { .. } => {
                super::INACTIVE_NUMERIC
            }
        }
    }
}

fn check_bounds(low: f64, high: f64, scale: Scale, step: Option<f64>) -> Result<(), DistributionError> {
    if !low.is_finite() || !high.is_finite() {
        return Err(DistributionError::NotFinite { low, high });
    }
    if !(high - low).is_finite() {
        return Err(DistributionError::TooFarApart { low, high });
    }
    if low > high {
        return Err(DistributionError::Reversed { low, high });
    }
    if scale == Scale::Log && low <= 0.0 {
        return Err(DistributionError::LogOfNonPositive { low });
    }
    match step {
        Some(step) if scale == Scale::Log => Err(DistributionError::StepOnLog { step }),
        Some(step) if !step.is_finite() || step <= 0.0 || step > high - low => {
            Err(DistributionError::BadStep { step, range: high - low })
        }
        _ => Ok(()),
    }
}

fn check_choices(choices: &[ParamValue]) -> Result<(), DistributionError> {
    if choices.is_empty() {
        return Err(DistributionError::NoChoices);
    }
    for (i, choice) in choices.iter().enumerate() {
        if choices[..i].iter().any(|c| c.same_as(choice)) {
            return Err(DistributionError::DuplicateChoice { choice: choice.to_string() });
        }
    }
    Ok(())
}

fn check_weights(weights: &[f64], choices: usize) -> Result<(), DistributionError> {
    let sound = weights.len() == choices
        && weights.iter().all(|w| w.is_finite() && *w >= 0.0)
        && weights.iter().any(|w| *w > 0.0);
    if sound { Ok(()) } else { Err(DistributionError::BadWeights { choices }) }
}

fn position(choices: &[ParamValue], value: &ParamValue) -> Option<usize> {
    choices.iter().position(|c| c.same_as(value))
}

fn fraction(value: f64, low: f64, high: f64) -> f64 {
    if low == high { 0.5 } else { ((value - low) / (high - low)).clamp(0.0, 1.0) }
}

fn lerp(low: f64, high: f64, unit: f64) -> f64 {
    low + unit * (high - low)
}

/// Interpolates in logarithms; exact at both ends.
fn geometric(low: f64, high: f64, unit: f64) -> f64 {
    match unit {
        0.0 => low,
        1.0 => high,
        _ => libm::exp(lerp(ln(low), ln(high), unit)),
    }
}

/// A logarithm that is the same on every platform, so that replay is bit-exact.
fn ln(value: f64) -> f64 {
    libm::log(value)
}

/// Rounds to 15 significant digits, so that three steps of 0.3 are 0.9 and not 0.8999999999999999.
pub(super) fn decimal(value: f64) -> f64 {
    format!("{value:.14e}").parse().unwrap_or(value)
}

/// Index of the cell that holds a unit value.
fn cell(unit: f64, levels: u64) -> u64 {
    ((unit.clamp(0.0, 1.0) * levels as f64).floor() as u64).min(levels - 1)
}

fn cell_centre(index: f64, levels: u64) -> f64 {
    (index + 0.5) / levels as f64
}

/// Steps of a real parameter at most: as many whole numbers are exact in a double.
const LEVELS_MAX: f64 = 9_007_199_254_740_992.0;
/// Relative slack when counting steps, so that 0..1 by 0.1 has 11 values in spite of rounding.
const STEP_SLACK: f64 = 1e-9;

/// Saturates where there are more levels than 64 bits can count.
fn int_levels(low: i64, high: i64, step: i64) -> u64 {
    (high.abs_diff(low) / step.unsigned_abs()).saturating_add(1)
}

fn float_levels(low: f64, high: f64, step: f64) -> u64 {
    (((high - low) / step + STEP_SLACK).floor() as u64).saturating_add(1)
}

fn on_grid(value: f64, low: f64, step: f64) -> bool {
    let index = (value - low) / step;
    (index - index.round()).abs() <= STEP_SLACK * index.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(low: f64, high: f64, scale: Scale, step: Option<f64>) -> Distribution {
        Distribution::Float { low, high, scale, step }
    }

    #[test]
    fn decades_are_searched_in_logarithms() {
        assert!(log_scale_by_rule(1e-7, 1e-5, false));
        assert!(!log_scale_by_rule(1e-2, 0.9, false));
        assert!(!log_scale_by_rule(0.0, 1.0, false));
        assert!(log_scale_by_rule(1.0, 64.0, true));
        assert!(!log_scale_by_rule(2.0, 64.0, true));
    }

    #[test]
    fn log_scale_halves_decades() {
        let lr = float(1e-7, 1e-5, Scale::Log, None);
        let middle = lr.from_unit(0.5).as_f64().unwrap();
        assert!((middle / 1e-6 - 1.0).abs() < 1e-12, "{middle}");
        assert_eq!(lr.from_unit(0.0), ParamValue::Float(1e-7));
        assert_eq!(lr.from_unit(1.0), ParamValue::Float(1e-5));
    }

    #[test]
    fn every_integer_owns_an_equal_cell() {
        let layers = Distribution::Int { low: 1, high: 4, step: 1, scale: Scale::Linear };
        let counts = (0..400).fold([0; 4], |mut counts, i| {
            let ParamValue::Int(v) = layers.from_unit((f64::from(i) + 0.5) / 400.0) else {
                panic!("not an int")
            };
            counts[(v - 1) as usize] += 1;
            counts
        });
        assert_eq!(counts, [100; 4]);
    }

    #[test]
    fn grids_round_trip() {
        for d in [
            Distribution::Int { low: -3, high: 9, step: 4, scale: Scale::Linear },
            Distribution::Int { low: 1, high: 100, step: 1, scale: Scale::Log },
            float(0.0, 1.0, Scale::Linear, Some(0.1)),
            Distribution::Ordinal { choices: [8, 16, 32].map(ParamValue::Int).to_vec(), weights: None },
        ] {
            let levels = d.cardinality().unwrap();
            for k in 0..levels {
                let value = d.from_unit((k as f64 + 0.5) / levels as f64);
                assert!(d.contains(&value), "{d:?} {value}");
                let back = d.from_unit(d.to_unit(&value).unwrap());
                assert!(back.same_as(&value), "{d:?}: {value} became {back}");
            }
        }
        assert_eq!(float(0.0, 1.0, Scale::Linear, Some(0.1)).cardinality(), Some(11));
        assert_eq!(float(0.0, 1.0, Scale::Linear, Some(0.3)).from_unit(1.0), ParamValue::Float(0.9));
    }

    #[test]
    fn full_integer_range_does_not_overflow() {
        let d = Distribution::Int { low: -(1 << 52), high: 1 << 52, step: 1, scale: Scale::Linear };
        assert_eq!(d.from_unit(0.0), ParamValue::Int(-(1 << 52)));
        assert_eq!(d.from_unit(1.0), ParamValue::Int(1 << 52));
        let whole = Distribution::Int { low: i64::MIN, high: i64::MAX, step: 1, scale: Scale::Linear };
        assert_eq!(whole.cardinality(), Some(u64::MAX));
        assert!(whole.contains(&whole.from_unit(1.0)) && whole.contains(&whole.from_unit(0.0)));
    }

    #[test]
    fn unsound_distributions_are_named() {
        use DistributionError as E;
        let (low, high) = (f64::MIN, f64::MAX);
        let cases: [(Distribution, E); 9] = [
            (float(2.0, 1.0, Scale::Linear, None), E::Reversed { low: 2.0, high: 1.0 }),
            (float(low, high, Scale::Linear, None), E::TooFarApart { low, high }),
            (float(0.0, 1.0, Scale::Linear, Some(1e-300)), E::TooFine { step: 1e-300, range: 1.0 }),
            (float(0.0, 1.0, Scale::Log, None), E::LogOfNonPositive { low: 0.0 }),
            (float(0.0, 1.0, Scale::Linear, Some(2.0)), E::BadStep { step: 2.0, range: 1.0 }),
            (float(0.1, 1.0, Scale::Log, Some(0.1)), E::StepOnLog { step: 0.1 }),
            (Distribution::Ordinal { choices: vec![], weights: None }, E::NoChoices),
            (
                Distribution::Categorical {
                    choices: vec![ParamValue::Int(1), ParamValue::Float(1.0)],
                    weights: None,
                },
                E::DuplicateChoice { choice: "1.0".into() },
            ),
            (
                Distribution::Categorical { choices: vec![ParamValue::Int(1)], weights: Some(vec![0.0]) },
                E::BadWeights { choices: 1 },
            ),
        ];
        for (distribution, error) in cases {
            assert_eq!(distribution.validate(), Err(error), "{distribution:?}");
        }
        assert!(matches!(float(f64::NAN, 1.0, Scale::Linear, None).validate(), Err(E::NotFinite { .. })));
    }

    #[test]
    fn encodings_tell_models_what_to_expect() {
        assert_eq!(float(1.0, 1.0, Scale::Linear, None).encoding(), Encoding::Constant);
        assert_eq!(float(0.0, 1.0, Scale::Linear, None).encoding(), Encoding::Continuous);
        assert_eq!(Distribution::bool().encoding(), Encoding::Categorical { choices: 2 });
        assert_eq!(
            Distribution::Int { low: 1, high: 8, step: 1, scale: Scale::Linear }.encoding(),
            Encoding::Grid { levels: 8 }
        );
    }
}
