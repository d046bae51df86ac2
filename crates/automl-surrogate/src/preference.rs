//! Where a user expects good rows, as a density that loses weight while results come in.
//!
//! The logarithm of the density, times a strength, is added to the log acquisition value. With the strength
//! `β/n` after `n` results even a wrong belief is forgotten (Hvarfner et al., πBO: Augmenting Acquisition
//! Functions with User Beliefs, ICLR 2022). Densities are scaled to a maximum of 1: a constant would not
//! change the order of candidates.

use crate::column::Column;

/// Smallest relative density of an option: a weight of 0 discourages, it does not forbid.
const DENSITY_MIN: f64 = 1e-12;

/// What is believed about one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Belief {
    /// All values are equally good.
    Flat,
    /// Values around `centre` are good, with a standard deviation in units of the cube.
    Near {
        /// Most likely best value.
        centre: f64,
        /// Standard deviation, positive.
        deviation: f64,
    },
    /// Options are good in proportion to their weights.
    Weights(Vec<f64>),
}

/// Beliefs about all columns, independent of each other.
#[derive(Clone, Debug)]
pub struct Preference {
    beliefs: Vec<Belief>,
    strength: f64,
}

impl Preference {
    /// Combines beliefs; `strength` multiplies the log-density.
    ///
    /// # Panics
    /// Panics unless there is one belief a column, with one weight per option where it has weights.
    pub fn new(columns: &[Column], beliefs: Vec<Belief>, strength: f64) -> Self {
        assert_eq!(columns.len(), beliefs.len(), "one belief a column");
        let beliefs = columns.iter().zip(beliefs).map(|(column, belief)| match belief {
            Belief::Weights(weights) => {
                assert_eq!(column.levels(), u32::try_from(weights.len()).ok(), "one weight per option");
                let largest = weights.iter().copied().fold(0.0, f64::max);
                Belief::Weights(weights.iter().map(|w| libm::log((w / largest).max(DENSITY_MIN))).collect())
            }
            Belief::Flat | Belief::Near { .. } => belief,
        });
        Self { beliefs: beliefs.collect(), strength }
    }

    /// Returns the log-density of a row times the strength, at most 0.
    pub(crate) fn log_density(&self, row: &[f64]) -> f64 {
        let of_column = |(belief, &value): (&Belief, &f64)| match belief {
            Belief::Flat => 0.0,
            Belief::Near { centre, deviation } => {
                let apart = (value - centre) / deviation;
                -0.5 * apart * apart
            }
            // An inactive option, coded below 0, is neither good nor bad.
            Belief::Weights(_) if value < 0.0 => 0.0,
            Belief::Weights(logarithms) => logarithms[(value as usize).min(logarithms.len() - 1)],
        };
        self.strength * self.beliefs.iter().zip(row).map(of_column).sum::<f64>()
    }

    /// Adds the derivatives of [`Preference::log_density`] to `gradient`.
    pub(crate) fn add_slopes(&self, row: &[f64], gradient: &mut [f64]) {
        for ((belief, &value), slope) in self.beliefs.iter().zip(row).zip(gradient) {
            if let Belief::Near { centre, deviation } = belief {
                *slope -= self.strength * (value - centre) / (deviation * deviation);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_values_weigh_more_and_inactive_ones_nothing() {
        let columns = [Column::Continuous, Column::Categorical { choices: 3 }];
        let beliefs =
            vec![Belief::Near { centre: 0.2, deviation: 0.1 }, Belief::Weights(vec![1.0, 4.0, 0.0])];
        let preference = Preference::new(&columns, beliefs, 2.0);
        assert_eq!(preference.log_density(&[0.2, 1.0]), 0.0);
        assert!((preference.log_density(&[0.3, 1.0]) + 1.0).abs() < 1e-12);
        assert!((preference.log_density(&[0.2, 0.0]) + 2.0 * libm::log(4.0)).abs() < 1e-12);
        assert!(preference.log_density(&[0.2, 2.0]) < -50.0);
        assert_eq!(preference.log_density(&[0.2, -1.0]), 0.0);
    }
}
