//! AdamW with a state that can be written to a checkpoint.
//!
//! Notation: g gradient, η learning rate, λ weight decay, k update number from 1.
//! m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², θ ← θ(1 − ηλ) − η·(m/(1 − β₁ᵏ))/(√(v/(1 − β₂ᵏ)) + ε).
//! Loshchilov & Hutter, Decoupled Weight Decay Regularization, ICLR 2019, algorithm 2.

use tch::Tensor;

/// Constants of the update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamWSettings {
    /// β₁ and β₂.
    pub(crate) betas: [f64; 2],
    /// ε.
    pub(crate) eps: f64,
    /// λ.
    pub(crate) weight_decay: f64,
}

/// One variable with its moments.
#[derive(Debug)]
struct Slot {
    name: String,
    /// The variable, sharing memory with the network.
    variable: Tensor,
    /// First moment m.
    first: Tensor,
    /// Second moment v.
    second: Tensor,
}

/// The optimizer.
#[derive(Debug)]
pub(crate) struct AdamW {
    settings: AdamWSettings,
    slots: Vec<Slot>,
}

impl AdamW {
    /// An optimizer of those variables that take a gradient, with moments at zero.
    pub(crate) fn new(settings: AdamWSettings, variables: Vec<(String, Tensor)>) -> Self {
        let slots = variables
            .into_iter()
            .filter(|(_, variable)| variable.requires_grad())
            .map(|(name, variable)| Slot {
                name,
                first: variable.detach().zeros_like(),
                second: variable.detach().zeros_like(),
                variable,
            })
            .collect();
        Self { settings, slots }
    }

    /// The moments by name, sharing memory with the optimizer: `first.<variable>`, `second.<variable>`.
    pub(crate) fn state(&self) -> Vec<(String, Tensor)> {
        let moments = |slot: &Slot| {
            [("first", &slot.first), ("second", &slot.second)]
                .map(|(moment, tensor)| (format!("{moment}.{}", slot.name), tensor.shallow_clone()))
        };
        self.slots.iter().flat_map(moments).collect()
    }

    /// Moves the variables along their gradients and clears those; `update` counts from 1.
    pub(crate) fn step(&mut self, rate: f64, update: u64) {
        let AdamWSettings { betas: [beta1, beta2], eps, weight_decay } = self.settings;
        let exponent = update as f64;
        let (correction1, correction2) = (1.0 - beta1.powf(exponent), 1.0 - beta2.powf(exponent));
        tch::no_grad(|| {
            for slot in &mut self.slots {
                let mut gradient = slot.variable.grad();
                if !gradient.defined() {
                    continue;
                }
                let _ = slot.first.g_mul_scalar_(beta1).g_add_(&(&gradient * (1.0 - beta1)));
                let _ = slot.second.g_mul_scalar_(beta2).g_add_(&(gradient.square() * (1.0 - beta2)));
                let denominator = (&slot.second / correction2).sqrt() + eps;
                let change = &slot.first / denominator * (rate / correction1);
                let _ = slot.variable.g_mul_scalar_(1.0 - rate * weight_decay).g_sub_(&change);
                let _ = gradient.zero_();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_updates_match_the_formula() {
        let variable = Tensor::from_slice(&[1.0f64, -2.0]).set_requires_grad(true);
        let settings = AdamWSettings { betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0.1 };
        let mut optimizer = AdamW::new(settings, vec![("x".into(), variable.shallow_clone())]);
        let (mut x, mut m, mut v) = ([1.0f64, -2.0], [0.0f64; 2], [0.0f64; 2]);
        for update in 1..=2 {
            // Loss x², gradient 2x.
            (&variable * &variable).sum(tch::Kind::Double).backward();
            optimizer.step(0.05, update);
            for at in 0..2 {
                let g = 2.0 * x[at];
                m[at] = 0.9 * m[at] + 0.1 * g;
                v[at] = 0.99 * v[at] + 0.01 * g * g;
                let (c1, c2) = (1.0 - 0.9f64.powi(update as i32), 1.0 - 0.99f64.powi(update as i32));
                x[at] = x[at] * (1.0 - 0.05 * 0.1) - 0.05 * (m[at] / c1) / ((v[at] / c2).sqrt() + 1e-8);
            }
        }
        let found = Vec::<f64>::try_from(variable.detach()).unwrap();
        assert!((found[0] - x[0]).abs() < 1e-12 && (found[1] - x[1]).abs() < 1e-12);
    }

    #[test]
    fn frozen_variables_have_no_slot() {
        let variable = Tensor::from_slice(&[1.0f32]);
        let settings = AdamWSettings { betas: [0.9, 0.9], eps: 1e-8, weight_decay: 0.0 };
        assert!(AdamW::new(settings, vec![("x".into(), variable)]).state().is_empty());
    }
}
