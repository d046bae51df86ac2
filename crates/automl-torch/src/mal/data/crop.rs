//! Windows around boxes, and boxes within windows.
//!
//! The crop of an object is square, its window keeps the box's aspect, so a crop may be stretched;
//! masks are pasted back through the same window.

use image::RgbImage;

use super::coco::BBox;
use crate::picture::Window;

/// The box enlarged by `margins` (horizontal, vertical: fractions of its sides, half on either
/// side) and cut at the image's edges.
pub(crate) fn around(bbox: &BBox, margins: [f64; 2], image: &RgbImage) -> Window {
    let (dx, dy) = (bbox.width * margins[0] / 2.0, bbox.height * margins[1] / 2.0);
    let (width, height) = (f64::from(image.width()), f64::from(image.height()));
    // A box outside the image still gets a window of one pixel.
    let x0 = (bbox.x - dx).clamp(0.0, width - 1.0);
    let y0 = (bbox.y - dy).clamp(0.0, height - 1.0);
    Window {
        x0,
        y0,
        x1: (bbox.x + bbox.width + dx).clamp(x0 + 1.0, width.max(x0 + 1.0)),
        y1: (bbox.y + bbox.height + dy).clamp(y0 + 1.0, height.max(y0 + 1.0)),
    }
}

/// The box as fractions of the window: left, upper, right, lower.
pub(crate) fn fractions(window: &Window, bbox: &BBox) -> [f64; 4] {
    [
        (bbox.x - window.x0) / window.width(),
        (bbox.y - window.y0) / window.height(),
        (bbox.x + bbox.width - window.x0) / window.width(),
        (bbox.y + bbox.height - window.y0) / window.height(),
    ]
}

/// A `side`² map with 1 in cells whose centre lies in the box given as fractions, else 0; at least
/// one cell is 1.
pub(crate) fn box_mask(fractions: [f64; 4], side: usize) -> Vec<f32> {
    let [left, upper, right, lower] = fractions;
    let columns = cells(left, right, side);
    let rows = cells(upper, lower, side);
    let mut mask = vec![0.0; side * side];
    for row in rows {
        mask[row * side + columns.start..row * side + columns.end].fill(1.0);
    }
    mask
}

fn cells(low: f64, high: f64, side: usize) -> std::ops::Range<usize> {
    let first = ((low * side as f64 - 0.5).ceil().max(0.0) as usize).min(side - 1);
    let end = ((high * side as f64 - 0.5).ceil().max(0.0) as usize).min(side);
    first..end.max(first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient() -> RgbImage {
        RgbImage::from_fn(8, 6, |x, y| image::Rgb([(x * 30) as u8, (y * 40) as u8, 100]))
    }

    #[test]
    fn margins_are_shared_by_both_sides_and_cut_at_the_edge() {
        let bbox = BBox { x: 1.0, y: 2.0, width: 4.0, height: 2.0 };
        let window = around(&bbox, [1.0, 0.5], &gradient());
        assert_eq!(window, Window { x0: 0.0, y0: 1.5, x1: 7.0, y1: 4.5 });
        let [left, upper, right, lower] = fractions(&window, &bbox);
        assert!((left - 1.0 / 7.0).abs() < 1e-9 && (right - 5.0 / 7.0).abs() < 1e-9);
        assert!((upper - 1.0 / 6.0).abs() < 1e-9 && (lower - 5.0 / 6.0).abs() < 1e-9);
    }

    #[test]
    fn box_mask_marks_cell_centres_and_is_never_empty() {
        assert_eq!(
            box_mask([0.25, 0.5, 0.75, 1.0], 4),
            [0., 0., 0., 0., 0., 0., 0., 0., 0., 1., 1., 0., 0., 1., 1., 0.]
        );
        assert_eq!(box_mask([0.40, 0.40, 0.45, 0.45], 2).iter().sum::<f32>(), 1.0);
    }
}
