//! Learning curves whose shape is drawn: mixtures of four decays, each configuration with a speed, a mixture and an
//! overfitting of its own that vary smoothly over the space.
//!
//! With `u` the share of the training at which a configuration saturates and `p` what remains there, a decay falls from 1 at
//! the beginning to `1/p` at saturation. The four forms and the distributions of their parameters are those of
//! Rakotoarison et al., *In-Context Freeze-Thaw Bayesian Optimization for Hyperparameter Optimization* (ICML
//! 2024), appendix A. Ours differ in that the last loss is given (a problem's regret), so that the optimum is known.
//!
//! How much the speed depends on the quality of a configuration is drawn, too: from instances in which the
//! early ranking is the final one to such in which it says nothing.

use super::super::build::Draws;
use automl_core::{Encoding, Params, SearchSpace};

/// How curves of one instance look.
pub(super) struct Prior {
    space: SearchSpace,
    /// Loss of a model that has learned nothing.
    chance: f64,
    noise: f64,
    /// What is left of the distance at saturation.
    left: f64,
    /// How much slower (or, below 0, faster) good configurations are than bad ones.
    slowness: f64,
    /// Strength of overfitting: 0 for none.
    overfitting: f64,
    saturation: Field,
    decays: [Decay; 4],
}

/// One of the four forms, with what varies over the space.
struct Decay {
    form: Form,
    weight: Field,
    exponent: Field,
}

#[derive(Clone, Copy)]
enum Form {
    Power,
    Exponential,
    Logarithm,
    Hill,
}

impl Prior {
    pub(super) fn new(draws: &mut Draws, space: &SearchSpace) -> Self {
        let chance = draws.between(1.5, 3.0);
        let noise = chance * (-5.0 + draws.normal()).exp();
        let left = 10_f64.powf(draws.between(-3.0, -0.5));
        let slowness = draws.between(-1.5, 1.5);
        let overfitting = if draws.uniform() < 0.5 { 0.0 } else { draws.between(0.1, 0.5) };
        let mut field = |mean: f64, deviation: f64| Field::new(draws, space, mean, deviation);
        let saturation = field(0.0, 1.0);
        let mut decay =
            |form, mean, deviation| Decay { form, weight: field(0.0, 1.0), exponent: field(mean, deviation) };
        let decays = [
            decay(Form::Power, 1.0, 1.0),
            decay(Form::Exponential, 0.0, 1.0),
            decay(Form::Logarithm, -4.0, 1.0),
            decay(Form::Hill, 0.5, 0.5),
        ];
        let space = space.clone();
        Prior { space, chance, noise, left, slowness, overfitting, saturation, decays }
    }

    /// Standard deviation of what is reported.
    pub(super) fn noise(&self) -> f64 {
        self.noise
    }

    /// The loss after a share of the training of a configuration that ends at `last`.
    pub(super) fn loss(&self, params: &Params, share: f64, last: f64) -> f64 {
        let row = self.space.encode(params);
        // From 1 for the best configurations to -1 for the worst, 0 in the middle.
        let quality = (1.0 - last) / (1.0 + last);
        let saturation = 10_f64.powf(self.saturation.at(&row) + self.slowness * quality);
        let lacking = self.lacking(&row, share / saturation) - self.lacking(&row, 1.0 / saturation);
        // A model that overfits is at its best where it saturates.
        let since = ((share - saturation) / (1.0 - saturation)).clamp(0.0, 1.0);
        let spoilt = if saturation < 1.0 { 1.0 - self.overfitting * (1.0 - since) } else { 1.0 };
        last * spoilt + (self.chance - last * spoilt).max(0.0) * lacking
    }

    /// What a configuration lacks at a multiple of its saturation, mixed of all forms.
    fn lacking(&self, row: &[f64], share: f64) -> f64 {
        let weights = self.decays.iter().map(|decay| decay.weight.at(row).exp());
        let parts =
            self.decays.iter().map(|d| d.form.decay(d.exponent.at(row).exp(), share, 1.0 / self.left));
        let (sum, total) = weights.zip(parts).fold((0.0, 0.0), |(s, t), (w, part)| (s + w * part, t + w));
        sum / total
    }
}

impl Form {
    /// Falls from 1 at a share of 0 to `1/p` at a share of 1.
    fn decay(self, exponent: f64, share: f64, p: f64) -> f64 {
        match self {
            Form::Power => ((p.powf(1.0 / exponent) - 1.0) * share + 1.0).powf(-exponent),
            Form::Exponential => p.powf(-share.powf(exponent)),
            Form::Logarithm => {
                let a = 1.0 + exponent;
                // The largest power that is still a number.
                let power = (p * a.ln()).min(700.0).exp();
                a.ln() / ((power - a) * share + a).ln()
            }
            Form::Hill => 1.0 / (share.powf(exponent) * (p - 1.0) + 1.0),
        }
    }
}

/// A number that varies linearly over the space: normally distributed over random configurations, with a part that
/// all of them share.
struct Field {
    base: f64,
    /// Slopes of numbers, and values of choices.
    columns: Vec<Column>,
}

enum Column {
    Number(f64),
    Choice(Vec<f64>),
}

/// Share of the variance that differs between configurations.
const VARYING: f64 = 0.5;

impl Field {
    fn new(draws: &mut Draws, space: &SearchSpace, mean: f64, deviation: f64) -> Self {
        let base = mean + deviation * (1.0 - VARYING).sqrt() * draws.normal();
        let encodings = space.encodings();
        let scale = deviation * (VARYING / encodings.len().max(1) as f64).sqrt();
        let column = |encoding| match encoding {
            Encoding::Categorical { choices } => {
                Column::Choice((0..choices).map(|_| scale * draws.normal()).collect())
            }
            // A uniform number has a standard deviation of a twelfth's root.
            Encoding::Constant | Encoding::Continuous | Encoding::Grid { .. } => {
                Column::Number(scale * 12_f64.sqrt() * draws.normal())
            }
        };
        Field { base, columns: encodings.into_iter().map(column).collect() }
    }

    fn at(&self, row: &[f64]) -> f64 {
        let part = |(column, x): (&Column, &f64)| match column {
            Column::Number(slope) => slope * (x - 0.5),
            Column::Choice(values) => values[*x as usize],
        };
        self.base + self.columns.iter().zip(row).map(part).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_agree_with_the_reference() {
        let table: serde_json::Value =
            serde_json::from_str(include_str!("../../../golden/learning_curve_bases.json")).unwrap();
        let number = |value: &serde_json::Value| value.as_f64().unwrap();
        let (first, last) = (number(&table["Y0"]), number(&table["Yinf"]));
        for (form, name) in
            [(Form::Power, "pow"), (Form::Exponential, "exp"), (Form::Logarithm, "log"), (Form::Hill, "hill")]
        {
            let base = number(&table["alpha"][name]);
            let exponent = if name == "log" { base - 1.0 } else { base };
            let values = table["values"][name].as_array().unwrap();
            for (share, value) in table["x"].as_array().unwrap().iter().zip(values) {
                let found =
                    last - (last - first) * form.decay(exponent, number(share), number(&table["prec"]));
                assert!((found - number(value)).abs() < 1e-12, "{name} at {share}: {found}, not {value}");
            }
        }
    }

    #[test]
    fn all_forms_fall_from_one_to_what_is_left_at_saturation() {
        for form in [Form::Power, Form::Exponential, Form::Logarithm, Form::Hill] {
            for (exponent, p) in [(0.02, 1000.0), (1.0, 10.0), (3.0, 1.5), (0.4, 300.0)] {
                let at = |share| form.decay(exponent, share, p);
                assert!((at(0.0) - 1.0).abs() < 1e-9, "{}", at(0.0));
                assert!((at(1.0) - 1.0 / p).abs() < 1e-9, "{} of {p}", at(1.0));
                let falling =
                    (1..200).all(|i| at(0.01 * f64::from(i)) <= at(0.01 * f64::from(i - 1)) + 1e-12);
                assert!(falling, "{exponent} {p}");
            }
        }
    }
}
