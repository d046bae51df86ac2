//! Stochastic gradient descent with momentum.
//!
//! Notation: g gradient, η learning rate, λ weight decay, μ momentum, c limit of the gradient's norm.
//! g ← g·min(1, c/‖g‖) over all variables where c > 0; then, for each, b ← μb + g + λθ, θ ← θ − ηb.
//! Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013,
//! with η outside the momentum and without dampening, as PyTorch has it.

use tch::{Kind, Tensor};

/// Constants of the update.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SgdSettings {
    /// μ.
    pub(crate) momentum: f64,
    /// λ.
    pub(crate) weight_decay: f64,
    /// c; 0 leaves gradients as they are.
    pub(crate) clip_norm: f64,
}

/// One variable with its momentum b.
#[derive(Debug)]
struct Slot {
    name: String,
    /// The variable, sharing memory with the network.
    variable: Tensor,
    momentum: Tensor,
}

/// The optimizer.
#[derive(Debug)]
pub(crate) struct Sgd {
    settings: SgdSettings,
    slots: Vec<Slot>,
}

impl Sgd {
    /// An optimizer of those variables that take a gradient, at rest.
    pub(crate) fn new(settings: SgdSettings, variables: Vec<(String, Tensor)>) -> Self {
        let slots = variables
            .into_iter()
            .filter(|(_, variable)| variable.requires_grad())
            .map(|(name, variable)| Slot { name, momentum: variable.detach().zeros_like(), variable })
            .collect();
        Self { settings, slots }
    }

    /// The momenta by name, sharing memory with the optimizer: `momentum.<variable>`.
    pub(crate) fn state(&self) -> Vec<(String, Tensor)> {
        let named = |slot: &Slot| (format!("momentum.{}", slot.name), slot.momentum.shallow_clone());
        self.slots.iter().map(named).collect()
    }

    /// Moves the variables along their gradients and clears those.
    pub(crate) fn step(&mut self, rate: f64) {
        let SgdSettings { momentum, weight_decay, clip_norm } = self.settings;
        tch::no_grad(|| {
            let shrink = shrinkage(self.slots.iter().map(|slot| slot.variable.grad()), clip_norm);
            for slot in &mut self.slots {
                let mut gradient = slot.variable.grad();
                if !gradient.defined() {
                    continue;
                }
                let pull = &gradient * shrink + &slot.variable * weight_decay;
                let _ = slot.momentum.g_mul_scalar_(momentum).g_add_(&pull);
                let _ = slot.variable.g_sub_(&(&slot.momentum * rate));
                let _ = gradient.zero_();
            }
        });
    }
}

/// What gradients are multiplied by so that their joint norm is at most `limit`.
fn shrinkage(gradients: impl Iterator<Item = Tensor>, limit: f64) -> f64 {
    if limit <= 0.0 {
        return 1.0;
    }
    let squares: f64 = gradients
        .filter(Tensor::defined)
        .map(|gradient| gradient.square().sum(Kind::Double).double_value(&[]))
        .sum();
    (limit / squares.sqrt()).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// θ after two updates of the loss θ² from θ = (3, −4), whose first gradient is (6, −8), norm 10.
    fn moved(settings: SgdSettings) -> Vec<f64> {
        let variable = Tensor::from_slice(&[3.0f64, -4.0]).set_requires_grad(true);
        let mut optimizer = Sgd::new(settings, vec![("x".into(), variable.shallow_clone())]);
        for _ in 0..2 {
            (&variable * &variable).sum(Kind::Double).backward();
            optimizer.step(0.1);
        }
        Vec::try_from(variable.detach()).unwrap()
    }

    fn check(settings: SgdSettings, expected: [f64; 2]) {
        let found = moved(settings);
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?} {expected:?}");
    }

    #[test]
    fn two_updates_match_the_formula() {
        // b₁ = g₁ + 0.5θ₀ = 2.5θ₀, θ₁ = 0.75θ₀; b₂ = 0.9·2.5θ₀ + 2.5·0.75θ₀ = 4.125θ₀, θ₂ = 0.3375θ₀.
        let settings = SgdSettings { momentum: 0.9, weight_decay: 0.5, clip_norm: 0.0 };
        check(settings, [3.0 * 0.3375, -4.0 * 0.3375]);
    }

    #[test]
    fn long_gradients_are_shortened_and_short_ones_left() {
        // Each step moves by 0.1 along θ, whose norm is 5.
        let settings = SgdSettings { momentum: 0.0, weight_decay: 0.0, clip_norm: 1.0 };
        check(settings, [3.0 * 0.96, -4.0 * 0.96]);
        let loose = SgdSettings { clip_norm: 100.0, ..settings };
        check(loose, [3.0 * 0.64, -4.0 * 0.64]);
    }

    #[test]
    fn frozen_variables_have_no_momentum() {
        let settings = SgdSettings { momentum: 0.9, weight_decay: 0.0, clip_norm: 0.0 };
        let frozen = vec![("x".into(), Tensor::from_slice(&[1.0f32]))];
        assert!(Sgd::new(settings, frozen).state().is_empty());
    }
}
