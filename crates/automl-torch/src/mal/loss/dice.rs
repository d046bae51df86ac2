//! Dice loss with squared denominators.
//!
//! dice(a, b) = 1 − 2·Σab / (Σa² + ε + Σb² + ε), ε = 0.001, over the last dimension.
//! Milletari, Navab & Ahmadi, V-Net, 3DV 2016, section 3.

use tch::{Kind, Tensor};

/// Keeps the quotient defined where both maps are empty.
const EPSILON: f64 = 0.001;

/// Loss of each row of `a` against the same row of `b`: [B, N], [B, N] → [B].
pub(super) fn loss(a: &Tensor, b: &Tensor) -> Tensor {
    let sum = |values: Tensor| values.sum_dim_intlist([-1].as_slice(), false, Kind::Float);
    let overlap = sum(a * b);
    let total = sum(a * a) + sum(b * b) + 2.0 * EPSILON;
    1.0 - overlap * 2.0 / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_match_the_formula() {
        let a = Tensor::from_slice2(&[[1.0f32, 0.5, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]);
        let b = Tensor::from_slice2(&[[1.0f32, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]);
        let losses = Vec::<f32>::try_from(loss(&a, &b)).unwrap();
        let expected = [1.0 - 3.0 / 4.252, 1.0 - 4.0 / 4.002, 1.0];
        for (found, wanted) in losses.iter().zip(expected) {
            assert!((found - wanted).abs() < 1e-6, "{found} {wanted}");
        }
    }
}
