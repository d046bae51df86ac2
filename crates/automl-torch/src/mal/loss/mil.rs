//! Multiple-instance loss: what a box says about a mask.
//!
//! Every row and every column that meets the box holds at least one mask pixel, all others none. So
//! the projections (maxima) of the prediction must look like those of the box mask. Lan et al. 2023,
//! section 3.2; the projection form is that of Tian et al., BoxInst, CVPR 2021, eq. 4.

use tch::Tensor;

use super::dice;

/// Loss of each object: [B, H, W], [B, H, W] → [B].
pub(super) fn loss(probability: &Tensor, box_masks: &Tensor) -> Tensor {
    let along = |dimension: i64| {
        dice::loss(&probability.amax([dimension], false), &box_masks.amax([dimension], false))
    };
    along(1) + along(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(rows: [[f32; 2]; 2]) -> Tensor {
        Tensor::from_slice2(&rows).unsqueeze(0)
    }

    #[test]
    fn projections_are_compared() {
        // Column maxima (0.8, 0.2), row maxima (0.8, 0.6); the box fills the left column.
        let value = loss(&map([[0.8, 0.1], [0.6, 0.2]]), &map([[1.0, 0.0], [1.0, 0.0]])).double_value(&[0]);
        let columns = 1.0 - 2.0 * 0.8 / (0.64 + 0.04 + 1.0 + 0.002);
        let rows = 1.0 - 2.0 * 1.4 / (0.64 + 0.36 + 2.0 + 0.002);
        assert!((value - (columns + rows)).abs() < 1e-6);
    }

    #[test]
    fn one_pixel_per_row_and_column_is_enough() {
        let value = loss(&map([[1.0, 0.0], [0.0, 1.0]]), &map([[1.0, 1.0], [1.0, 1.0]])).double_value(&[0]);
        assert!(value < 1e-3);
    }
}
