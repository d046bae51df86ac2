//! Binary masks in image coordinates, and polygons filled into them.

/// One bit per pixel of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mask {
    width: usize,
    height: usize,
    bits: Vec<bool>,
}

impl Mask {
    /// A mask without any pixel.
    pub(crate) fn empty(width: usize, height: usize) -> Self {
        Self { width, height, bits: vec![false; width * height] }
    }

    /// Pixels in a row.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Pixels in a column.
    pub(crate) fn height(&self) -> usize {
        self.height
    }

    /// Whether the pixel belongs to the mask.
    pub(crate) fn get(&self, x: usize, y: usize) -> bool {
        self.bits[y * self.width + x]
    }

    /// Adds the pixel.
    pub(crate) fn set(&mut self, x: usize, y: usize) {
        self.bits[y * self.width + x] = true;
    }

    /// Number of pixels, px².
    pub(crate) fn area(&self) -> u64 {
        self.bits.iter().filter(|bit| **bit).count() as u64
    }

    /// Pixels in both over pixels in either; 0 where both are empty.
    ///
    /// # Panics
    ///
    /// If the masks differ in size.
    pub(crate) fn iou(&self, other: &Self) -> f64 {
        assert_eq!((self.width, self.height), (other.width, other.height), "masks of one image");
        let both = self.bits.iter().zip(&other.bits).filter(|(a, b)| **a && **b).count() as u64;
        let either = self.area() + other.area() - both;
        if either == 0 { 0.0 } else { both as f64 / either as f64 }
    }

    /// Adds the inside of a polygon given as x, y, x, y …: pixels whose centre lies inside by the
    /// even-odd rule.
    pub(crate) fn fill_polygon(&mut self, corners: &[f64]) {
        let points: Vec<(f64, f64)> = corners.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        for y in 0..self.height {
            let mut crossings = row_crossings(&points, y as f64 + 0.5);
            crossings.sort_by(f64::total_cmp);
            for span in crossings.chunks_exact(2) {
                let first = (span[0] - 0.5).ceil().max(0.0) as usize;
                let end = ((span[1] - 0.5).ceil().max(0.0) as usize).min(self.width);
                (first..end).for_each(|x| self.set(x, y));
            }
        }
    }
}

/// x of every polygon edge that crosses the horizontal line at `y`.
fn row_crossings(points: &[(f64, f64)], y: f64) -> Vec<f64> {
    let next = points.iter().cycle().skip(1);
    points
        .iter()
        .zip(next)
        .filter(|(a, b)| (a.1 <= y) != (b.1 <= y))
        .map(|(a, b)| a.0 + (y - a.1) / (b.1 - a.1) * (b.0 - a.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangle_polygon_fills_its_pixels() {
        let mut mask = Mask::empty(6, 5);
        mask.fill_polygon(&[1.0, 1.0, 4.0, 1.0, 4.0, 3.0, 1.0, 3.0]);
        assert_eq!(mask.area(), 6);
        assert!(mask.get(1, 1) && mask.get(3, 2) && !mask.get(4, 2) && !mask.get(1, 3));
    }

    #[test]
    fn polygon_beyond_the_image_is_cut() {
        let mut mask = Mask::empty(4, 4);
        mask.fill_polygon(&[-5.0, -5.0, 9.0, -5.0, 9.0, 9.0, -5.0, 9.0]);
        assert_eq!(mask.area(), 16);
    }

    #[test]
    fn iou_counts_shared_pixels() {
        let (mut a, mut b) = (Mask::empty(4, 1), Mask::empty(4, 1));
        assert_eq!(a.iou(&b), 0.0);
        a.set(0, 0);
        a.set(1, 0);
        b.set(1, 0);
        b.set(2, 0);
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-12);
    }
}
