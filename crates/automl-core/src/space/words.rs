//! What a parameter may be, in words.

use super::Distribution;
use crate::ParamValue;

/// Options that are listed.
const LISTED: usize = 12;

impl Distribution {
    /// Says what a value must be to belong here, for messages: `a number from 0.1 to 1`.
    #[must_use]
    pub fn values_in_words(&self) -> String {
        let number = |value: f64| ParamValue::Float(value).to_string();
        match self {
            Distribution::Float { low, high, step: None, .. } => {
                format!("a number from {} to {}", number(*low), number(*high))
            }
            Distribution::Float { low, high, step: Some(step), .. } => {
                format!("a number from {} to {} in steps of {}", number(*low), number(*high), number(*step))
            }
            Distribution::Int { low, high, step: 1, .. } => format!("a whole number from {low} to {high}"),
            Distribution::Int { low, high, step, .. } => {
                format!("a whole number from {low} to {high} in steps of {step}")
            }
            Distribution::Categorical { choices, .. } | Distribution::Ordinal { choices, .. } => {
                let listed: Vec<String> = choices.iter().take(LISTED).map(ToString::to_string).collect();
                let more = if choices.len() > LISTED { ", …" } else { "" };
                format!("one of {}{more}", listed.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scale;

    #[test]
    fn every_kind_says_what_it_takes() {
        let float = |step| Distribution::Float { low: 1e-5, high: 1.0, scale: Scale::Linear, step };
        let int = |step| Distribution::Int { low: 1, high: 9, scale: Scale::Linear, step };
        let many = (0..20).map(ParamValue::Int).collect();
        for (distribution, words) in [
            (float(None), "a number from 1e-5 to 1.0"),
            (float(Some(0.1)), "a number from 1e-5 to 1.0 in steps of 0.1"),
            (int(1), "a whole number from 1 to 9"),
            (int(2), "a whole number from 1 to 9 in steps of 2"),
            (Distribution::bool(), "one of false, true"),
            (
                Distribution::Ordinal { choices: many, weights: None },
                "one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …",
            ),
        ] {
            assert_eq!(distribution.values_in_words(), words);
        }
    }
}
