//! What definitions are made of: keyed draws, rotations, parameters.

use automl_core::{Condition, Distribution, Encoding, ParamValue, Parameter, Scale, SearchSpace, rng};

/// Random numbers of one instance, one after another.
pub(super) struct Draws {
    key: u64,
    count: u64,
}

impl Draws {
    pub(super) fn new(key: u64) -> Self {
        Draws { key, count: 0 }
    }

    /// A number in [0, 1).
    pub(super) fn uniform(&mut self) -> f64 {
        self.count += 1;
        rng::uniform(&[self.key, self.count])
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    pub(super) fn index(&mut self, count: usize) -> usize {
        (self.uniform() * count as f64) as usize
    }

    pub(super) fn sign(&mut self) -> f64 {
        if self.uniform() < 0.5 { -1.0 } else { 1.0 }
    }

    /// A standard normal number (Box and Muller 1958).
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A point of the unit cube that keeps `margin` from its faces.
    pub(super) fn point(&mut self, dimension: usize, margin: f64) -> Vec<f64> {
        (0..dimension).map(|_| self.between(margin, 1.0 - margin)).collect()
    }

    /// A random orthonormal basis: normal vectors, orthogonalised by Gram and Schmidt.
    pub(super) fn rotation(&mut self, dimension: usize) -> Vec<Vec<f64>> {
        let mut basis: Vec<Vec<f64>> = Vec::with_capacity(dimension);
        while basis.len() < dimension {
            let mut vector: Vec<f64> = (0..dimension).map(|_| self.normal()).collect();
            for known in &basis {
                let along = dot(known, &vector);
                vector.iter_mut().zip(known).for_each(|(v, k)| *v -= along * k);
            }
            let length = dot(&vector, &vector).sqrt();
            if length > 1e-6 {
                basis.push(vector.iter().map(|v| v / length).collect());
            }
        }
        basis
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn rotate(basis: &[Vec<f64>], vector: &[f64]) -> Vec<f64> {
    basis.iter().map(|axis| dot(axis, vector)).collect()
}

/// Returns a row of a space from numbers in [0, 1): unit values, and indices of categories.
pub fn random_row(space: &SearchSpace, mut uniform: impl FnMut() -> f64) -> Vec<f64> {
    let column = |encoding| match encoding {
        Encoding::Categorical { choices } => (uniform() * f64::from(choices)).floor(),
        Encoding::Constant | Encoding::Continuous | Encoding::Grid { .. } => uniform(),
    };
    space.encodings().into_iter().map(column).collect()
}

pub(super) fn space(parameters: Vec<Parameter>) -> SearchSpace {
    SearchSpace::new(parameters).expect("a definition's space is sound")
}

pub(super) fn float(name: &str, low: f64, high: f64) -> Parameter {
    Parameter::new(name, Distribution::Float { low, high, scale: Scale::Linear, step: None })
}

pub(super) fn log_float(name: &str, low: f64, high: f64) -> Parameter {
    Parameter::new(name, Distribution::Float { low, high, scale: Scale::Log, step: None })
}

pub(super) fn int(name: &str, low: i64, high: i64) -> Parameter {
    Parameter::new(name, Distribution::Int { low, high, step: 1, scale: Scale::Linear })
}

pub(super) fn log_int(name: &str, low: i64, high: i64) -> Parameter {
    Parameter::new(name, Distribution::Int { low, high, step: 1, scale: Scale::Log })
}

pub(super) fn ordinal(name: &str, choices: &[i64]) -> Parameter {
    let choices = choices.iter().map(|choice| ParamValue::Int(*choice)).collect();
    Parameter::new(name, Distribution::Ordinal { choices })
}

pub(super) fn choice(name: &str, choices: &[&str]) -> Parameter {
    let choices = choices.iter().map(|choice| ParamValue::Text((*choice).into())).collect();
    Parameter::new(name, Distribution::Categorical { choices, weights: None })
}

pub(super) fn switch(name: &str) -> Parameter {
    Parameter::new(name, Distribution::bool())
}

/// The parameter exists only where `parent` has one of `values`.
pub(super) fn under(mut parameter: Parameter, parent: &str, values: &[&str]) -> Parameter {
    let values = values.iter().map(|value| ParamValue::Text((*value).into())).collect();
    parameter.conditions.push(Condition { parent: parent.into(), values });
    parameter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotations_keep_lengths_and_angles() {
        let basis = Draws::new(1).rotation(7);
        for (i, a) in basis.iter().enumerate() {
            for (j, b) in basis.iter().enumerate() {
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((dot(a, b) - expected).abs() < 1e-12, "{i} {j}");
            }
        }
    }

    #[test]
    fn normal_draws_have_unit_variance() {
        let mut draws = Draws::new(2);
        let sample: Vec<f64> = (0..20_000).map(|_| draws.normal()).collect();
        let mean = sample.iter().sum::<f64>() / 20_000.0;
        let variance = sample.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
