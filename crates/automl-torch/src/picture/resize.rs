//! Windows of pictures, resized to planes of numbers.
//!
//! Coordinates are continuous: pixel i covers [i, i + 1). A window keeps its own aspect and is
//! stretched where the target has another.

use image::RgbImage;

/// Channels of a picture.
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
    /// Width, px.
    pub(crate) fn width(&self) -> f64 {
        self.x1 - self.x0
    }

    /// Height, px.
    pub(crate) fn height(&self) -> f64 {
        self.y1 - self.y0
    }
}

/// Resizes the window to `width` × `height` px and gives planes R, G, B in [0, 1], row-major.
///
/// A triangle filter that widens with the reduction, as PIL's bilinear does, so that a large object
/// is averaged and not sampled.
pub(crate) fn resize(image: &RgbImage, window: &Window, width: usize, height: usize) -> Vec<f32> {
    let columns = filter_taps(window.x0, window.x1, width, image.width() as usize);
    let rows = filter_taps(window.y0, window.y1, height, image.height() as usize);
    let first_row = rows[0].first;
    let end_row = rows.last().map_or(first_row, |taps| taps.first + taps.weights.len());
    let narrowed: Vec<f32> = (first_row..end_row).flat_map(|y| resize_row(image, y, &columns)).collect();
    let row_length = width * CHANNELS;
    let mut planes = vec![0.0f32; CHANNELS * height * width];
    for (y, taps) in rows.iter().enumerate() {
        for (tap, weight) in taps.weights.iter().enumerate() {
            let start = (taps.first + tap - first_row) * row_length;
            for (at, value) in narrowed[start..start + row_length].iter().enumerate() {
                planes[(at % CHANNELS) * height * width + y * width + at / CHANNELS] += weight * value;
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

/// Mirrors every row of planes whose rows hold `width` values.
pub(crate) fn flip(planes: &mut [f32], width: usize) {
    planes.chunks_exact_mut(width).for_each(<[f32]>::reverse);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Window = Window { x0: 0.0, y0: 0.0, x1: 8.0, y1: 6.0 };

    fn gradient() -> RgbImage {
        RgbImage::from_fn(8, 6, |x, y| image::Rgb([(x * 30) as u8, (y * 40) as u8, 100]))
    }

    #[test]
    fn window_of_the_whole_size_copies_pixels() {
        let image = RgbImage::from_fn(4, 4, |x, y| image::Rgb([(x * 60) as u8, (y * 60) as u8, 7]));
        let crop = resize(&image, &Window { x0: 0.0, y0: 0.0, x1: 4.0, y1: 4.0 }, 4, 4);
        for y in 0..4 {
            for x in 0..4 {
                assert!((crop[y * 4 + x] * 255.0 - (x * 60) as f32).abs() < 1e-3);
                assert!((crop[16 + y * 4 + x] * 255.0 - (y * 60) as f32).abs() < 1e-3);
            }
        }
    }

    #[test]
    fn reduction_averages_and_keeps_the_mean() {
        let crop = resize(&gradient(), &WHOLE, 2, 2);
        let red = &crop[..4];
        assert!((red.iter().sum::<f32>() / 4.0 * 255.0 - 105.0).abs() < 1.0);
        assert!(red[1] > red[0] && (crop[8] - crop[11]).abs() < 1e-6);
    }

    #[test]
    fn width_and_height_are_independent() {
        let crop = resize(&gradient(), &WHOLE, 4, 2);
        assert_eq!(crop.len(), 3 * 4 * 2);
        assert!(crop[3] > crop[0] && (crop[0] - crop[4]).abs() < 1e-6, "red grows along rows only");
    }

    #[test]
    fn flip_twice_is_the_same_picture() {
        let planes: Vec<f32> = (0..24).map(|at| at as f32).collect();
        let mut flipped = planes.clone();
        flip(&mut flipped, 4);
        assert_eq!(flipped[..4], [3.0, 2.0, 1.0, 0.0]);
        flip(&mut flipped, 4);
        assert_eq!(flipped, planes);
    }
}
