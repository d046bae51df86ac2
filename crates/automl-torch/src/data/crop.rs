//! Enlarged boxes, and image windows resized to square crops.
//!
//! Coordinates are continuous: pixel i covers [i, i + 1). A window keeps its own aspect, the crop is
//! square, so a crop may be stretched; masks are pasted back through the same window.

use image::RgbImage;

use super::coco::BBox;

/// Channels of an image.
pub(crate) const CHANNELS: usize = 3;

/// Part of an image, in image pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    /// Left edge.
    pub(crate) x0: f64,
    /// Upper edge.
    pub(crate) y0: f64,
    /// Right edge, above `x0`.
    pub(crate) x1: f64,
    /// Lower edge, above `y0`.
    pub(crate) y1: f64,
}

impl Window {
    /// The box enlarged by `margins` (horizontal, vertical: fractions of its sides, half on either
    /// side) and cut at the image's edges.
    pub(crate) fn around(bbox: &BBox, margins: [f64; 2], image: &RgbImage) -> Self {
        let (dx, dy) = (bbox.width * margins[0] / 2.0, bbox.height * margins[1] / 2.0);
        let (width, height) = (f64::from(image.width()), f64::from(image.height()));
        // A box outside the image still gets a window of one pixel.
        let x0 = (bbox.x - dx).clamp(0.0, width - 1.0);
        let y0 = (bbox.y - dy).clamp(0.0, height - 1.0);
        Self {
            x0,
            y0,
            x1: (bbox.x + bbox.width + dx).clamp(x0 + 1.0, width.max(x0 + 1.0)),
            y1: (bbox.y + bbox.height + dy).clamp(y0 + 1.0, height.max(y0 + 1.0)),
        }
    }

    /// Width, px.
    pub(crate) fn width(&self) -> f64 {
        self.x1 - self.x0
    }

    /// Height, px.
    pub(crate) fn height(&self) -> f64 {
        self.y1 - self.y0
    }

    /// The box as fractions of this window: left, upper, right, lower.
    pub(crate) fn fractions(&self, bbox: &BBox) -> [f64; 4] {
        [
            (bbox.x - self.x0) / self.width(),
            (bbox.y - self.y0) / self.height(),
            (bbox.x + bbox.width - self.x0) / self.width(),
            (bbox.y + bbox.height - self.y0) / self.height(),
        ]
    }
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

/// Resizes the window to `side`² and gives planes R, G, B in [0, 1], row-major.
///
/// A triangle filter that widens with the reduction, as PIL's bilinear does, so that a large object
/// is averaged and not sampled.
pub(crate) fn resize(image: &RgbImage, window: &Window, side: usize) -> Vec<f32> {
    let columns = filter_taps(window.x0, window.x1, side, image.width() as usize);
    let rows = filter_taps(window.y0, window.y1, side, image.height() as usize);
    let first_row = rows[0].first;
    let end_row = rows.last().map_or(first_row, |taps| taps.first + taps.weights.len());
    let narrowed: Vec<f32> = (first_row..end_row).flat_map(|y| resize_row(image, y, &columns)).collect();
    let row_length = side * CHANNELS;
    let mut planes = vec![0.0f32; CHANNELS * side * side];
    for (y, taps) in rows.iter().enumerate() {
        for (tap, weight) in taps.weights.iter().enumerate() {
            let start = (taps.first + tap - first_row) * row_length;
            for (at, value) in narrowed[start..start + row_length].iter().enumerate() {
                planes[(at % CHANNELS) * side * side + y * side + at / CHANNELS] += weight * value;
            }
        }
    }
    planes
}

/// One image row resized to the columns, interleaved RGB in [0, 1].
fn resize_row(image: &RgbImage, y: usize, columns: &[Taps]) -> Vec<f32> {
    let width = image.width() as usize * CHANNELS;
    let row = &image.as_raw()[y * width..(y + 1) * width];
    let mut narrowed = Vec::with_capacity(columns.len() * CHANNELS);
    for taps in columns {
        let mut sums = [0.0f32; CHANNELS];
        for (pixel, weight) in row[taps.first * CHANNELS..].chunks_exact(CHANNELS).zip(&taps.weights) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += weight * f32::from(*value);
            }
        }
        narrowed.extend(sums.map(|sum| sum / 255.0));
    }
    narrowed
}

/// Source pixels and their weights for one output cell.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

fn filter_taps(start: f64, end: f64, cells: usize, limit: usize) -> Vec<Taps> {
    let scale = (end - start) / cells as f64;
    let support = scale.max(1.0);
    (0..cells)
        .map(|cell| {
            let centre = start + (cell as f64 + 0.5) * scale;
            let first = ((centre - support).floor().max(0.0) as usize).min(limit - 1);
            let last = ((centre + support).ceil() as usize).clamp(first + 1, limit.max(first + 1));
            let weights: Vec<f64> = (first..last)
                .map(|pixel| (1.0 - ((pixel as f64 + 0.5 - centre) / support).abs()).max(0.0))
                .collect();
            let total: f64 = weights.iter().sum();
            let weights = if total > 0.0 {
                weights.iter().map(|weight| (weight / total) as f32).collect()
            } else {
                vec![1.0 / weights.len() as f32; weights.len()]
            };
            Taps { first, weights }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient() -> RgbImage {
        RgbImage::from_fn(8, 6, |x, y| image::Rgb([(x * 30) as u8, (y * 40) as u8, 100]))
    }

    #[test]
    fn window_of_the_whole_size_copies_pixels() {
        let image = RgbImage::from_fn(4, 4, |x, y| image::Rgb([(x * 60) as u8, (y * 60) as u8, 7]));
        let crop = resize(&image, &Window { x0: 0.0, y0: 0.0, x1: 4.0, y1: 4.0 }, 4);
        for y in 0..4 {
            for x in 0..4 {
                assert!((crop[y * 4 + x] * 255.0 - (x * 60) as f32).abs() < 1e-3);
                assert!((crop[16 + y * 4 + x] * 255.0 - (y * 60) as f32).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn reduction_averages_and_keeps_the_mean() {
        let crop = resize(&gradient(), &Window { x0: 0.0, y0: 0.0, x1: 8.0, y1: 6.0 }, 2);
        let red = &crop[..4];
        assert!((red.iter().sum::<f32>() / 4.0 * 255.0 - 105.0).abs() < 1.0);
        assert!(red[1] > red[0] && (crop[8] - crop[11]).abs() < 1e-6);
    }

    #[test]
    fn margins_are_shared_by_both_sides_and_cut_at_the_edge() {
        let bbox = BBox { x: 1.0, y: 2.0, width: 4.0, height: 2.0 };
        let window = Window::around(&bbox, [1.0, 0.5], &gradient());
        assert_eq!(window, Window { x0: 0.0, y0: 1.5, x1: 7.0, y1: 4.5 });
        let [left, upper, right, lower] = window.fractions(&bbox);
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
