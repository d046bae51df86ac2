//! Mean-field refinement of a mask by the colours of the image.
//!
//! Notation: I_i colour of pixel i; N(i) the k × k window around i, pixels outside the image left
//! out; w_ij = exp(−‖I_i − I_j‖²/(2ζ²)) for j in N(i), the centre included; q_l(i) probability of
//! label l (1 foreground, 0 background); m the box mask.
//!
//! Start: q_1 = clamp(p·m), q_0 = clamp(1 − q_1). Each iteration, for both labels:
//! f_l(i) = exp(Σ_j w_ij·log q_l(j)), f_1 ← f_1·m, f_l ← f_l + 1e-6, q_l = clamp(f_l/(f_0 + f_1)).
//! Result: 1 where q_1 > 0.5. Lan et al. 2023, section 3.3; Krähenbühl & Koltun, NIPS 2011.
//!
//! The whole batch and both labels go through one iteration as k² shifted products, so the cost of
//! an iteration is k² passes over a [B, 2, H, W] map.

use tch::{Kind, Tensor};

use crate::mal::spec::LossSpec;

/// Keeps the normalisation defined where both labels vanish.
const NORMALISER: f64 = 1e-6;

/// Settings of the refinement.
#[derive(Debug, Clone)]
pub(super) struct MeanField {
    zeta: f64,
    kernel_size: i64,
    iterations: i64,
    clamp: [f64; 2],
}

impl MeanField {
    /// The refinement that the spec asks for.
    pub(super) fn new(spec: &LossSpec) -> Self {
        Self {
            zeta: spec.crf_zeta,
            kernel_size: spec.crf_kernel_size,
            iterations: spec.crf_iterations,
            clamp: spec.crf_clamp,
        }
    }

    /// Refined masks of 0 and 1, [B, H, W], from images [B, 3, H, W], probabilities and box masks.
    pub(super) fn refine(&self, images: &Tensor, probability: &Tensor, box_masks: &Tensor) -> Tensor {
        let weights = self.pairwise_weights(images);
        let box_masks = box_masks.unsqueeze(1);
        // The background may appear anywhere, the foreground in the box only.
        let allowed = Tensor::cat(&[box_masks.ones_like(), box_masks.shallow_clone()], 1);
        let foreground = self.clamp(&(probability.unsqueeze(1) * &box_masks));
        let mut labels = Tensor::cat(&[self.clamp(&(1.0 - &foreground)), foreground], 1);
        for _ in 0..self.iterations {
            let messages = self.weighted_neighbours(&labels.log(), &weights).exp() * &allowed + NORMALISER;
            let total = messages.sum_dim_intlist([1].as_slice(), true, Kind::Float);
            labels = self.clamp(&(messages / total));
        }
        labels.select(1, 1).gt(0.5).to_kind(Kind::Float)
    }

    /// w_ij of every offset, each [B, 1, H, W].
    fn pairwise_weights(&self, images: &Tensor) -> Vec<Tensor> {
        let (height, width) = (images.size()[2], images.size()[3]);
        let inside = self.pad(&images.narrow(1, 0, 1).ones_like());
        let padded = self.pad(images);
        let window = |map: &Tensor, dy: i64, dx: i64| map.narrow(2, dy, height).narrow(3, dx, width);
        self.offsets()
            .map(|(dy, dx)| {
                let difference = window(&padded, dy, dx) - images;
                let distance = difference.square().sum_dim_intlist([1].as_slice(), true, Kind::Float);
                (distance * (-0.5 / (self.zeta * self.zeta))).exp() * window(&inside, dy, dx)
            })
            .collect()
    }

    /// Σ_j w_ij·values(j) for values [B, 2, H, W].
    fn weighted_neighbours(&self, values: &Tensor, weights: &[Tensor]) -> Tensor {
        let (height, width) = (values.size()[2], values.size()[3]);
        let padded = self.pad(values);
        let mut sum = values.zeros_like();
        for ((dy, dx), weight) in self.offsets().zip(weights) {
            let _ = sum.g_add_(&(padded.narrow(2, dy, height).narrow(3, dx, width) * weight));
        }
        sum
    }

    fn offsets(&self) -> impl Iterator<Item = (i64, i64)> + use<> {
        let side = self.kernel_size;
        (0..side).flat_map(move |dy| (0..side).map(move |dx| (dy, dx)))
    }

    fn pad(&self, map: &Tensor) -> Tensor {
        let radius = self.kernel_size / 2;
        map.constant_pad_nd([radius, radius, radius, radius])
    }

    fn clamp(&self, probability: &Tensor) -> Tensor {
        probability.clamp(self.clamp[0], self.clamp[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, Stream};
    use tch::Device;

    /// The module's formulas, one pixel at a time.
    fn slow(field: &MeanField, image: &[Vec<[f64; 3]>], p: &[Vec<f64>], m: &[Vec<f64>]) -> Vec<Vec<bool>> {
        let (height, width) = (p.len(), p[0].len());
        let clamp = |x: f64| x.clamp(field.clamp[0], field.clamp[1]);
        let mut q: Vec<Vec<[f64; 2]>> = (0..height)
            .map(|y| {
                (0..width)
                    .map(|x| {
                        let one = clamp(p[y][x] * m[y][x]);
                        [clamp(1.0 - one), one]
                    })
                    .collect()
            })
            .collect();
        let radius = field.kernel_size / 2;
        for _ in 0..field.iterations {
            let old = q.clone();
            for y in 0..height {
                for x in 0..width {
                    let mut sums = [0.0; 2];
                    for dy in -radius..=radius {
                        for dx in -radius..=radius {
                            let (ny, nx) = (y as i64 + dy, x as i64 + dx);
                            if ny < 0 || nx < 0 || ny >= height as i64 || nx >= width as i64 {
                                continue;
                            }
                            let (ny, nx) = (ny as usize, nx as usize);
                            let distance: f64 =
                                (0..3).map(|c| (image[y][x][c] - image[ny][nx][c]).powi(2)).sum();
                            let weight = (-distance / (2.0 * field.zeta * field.zeta)).exp();
                            for label in 0..2 {
                                sums[label] += weight * -old[ny][nx][label].ln();
                            }
                        }
                    }
                    let zero = (-sums[0]).exp() + NORMALISER;
                    let one = (-sums[1]).exp() * m[y][x] + NORMALISER;
                    q[y][x] = [clamp(zero / (zero + one)), clamp(one / (zero + one))];
                }
            }
        }
        q.iter().map(|row| row.iter().map(|labels| labels[1] > 0.5).collect()).collect()
    }

    #[test]
    fn refinement_equals_the_pixelwise_reference() {
        let (height, width) = (7usize, 6usize);
        for (case, kernel_size) in [(0u64, 3), (1, 3), (2, 5), (3, 1)] {
            let mut stream = Stream::open(case, Purpose::Weights);
            let field = MeanField { zeta: 0.4, kernel_size, iterations: 4, clamp: [0.1, 0.9] };
            let mut grid = |low: f64, high: f64| -> Vec<Vec<f64>> {
                (0..height).map(|_| (0..width).map(|_| stream.uniform(low, high)).collect()).collect()
            };
            let (p, shade) = (grid(0.0, 1.0), grid(0.0, 1.0));
            let image: Vec<Vec<[f64; 3]>> =
                shade.iter().map(|row| row.iter().map(|s| [*s, 1.0 - s, s * s]).collect()).collect();
            let inside = |y: usize, x: usize| f64::from(u8::from((1..6).contains(&y) && (1..5).contains(&x)));
            let m: Vec<Vec<f64>> = (0..height).map(|y| (0..width).map(|x| inside(y, x)).collect()).collect();
            let flat = |grid: &[Vec<f64>]| {
                let values: Vec<f32> = grid.iter().flatten().map(|value| *value as f32).collect();
                Tensor::from_slice(&values).view([1, height as i64, width as i64])
            };
            let planes: Vec<Tensor> = (0..3)
                .map(|c| flat(&image.iter().map(|r| r.iter().map(|i| i[c]).collect()).collect::<Vec<_>>()))
                .collect();
            let images = Tensor::stack(&planes, 1);
            let found = field.refine(&images, &flat(&p), &flat(&m));
            let expected = slow(&field, &image, &p, &m);
            for (y, row) in expected.iter().enumerate() {
                for (x, wanted) in row.iter().enumerate() {
                    let value = found.double_value(&[0, y as i64, x as i64]) > 0.5;
                    assert_eq!(value, *wanted, "case {case} at {x},{y}");
                }
            }
        }
    }

    #[test]
    fn flat_regions_take_one_label_and_the_box_bounds_it() {
        // A bright square on a dark ground; the prediction is right in three pixels of four.
        let options = (Kind::Float, Device::Cpu);
        let images = Tensor::zeros([1, 3, 8, 8], options);
        let _ = images.narrow(2, 2, 4).narrow(3, 2, 4).fill_(1.0);
        let box_masks = Tensor::zeros([1, 8, 8], options);
        let _ = box_masks.narrow(1, 1, 6).narrow(2, 1, 6).fill_(1.0);
        let probability = Tensor::full([1, 8, 8], 0.3, options);
        let _ = probability.narrow(1, 2, 4).narrow(2, 2, 4).fill_(0.7);
        let _ = probability.narrow(1, 3, 1).narrow(2, 3, 2).fill_(0.2);
        let field = MeanField { zeta: 0.1, kernel_size: 3, iterations: 20, clamp: [0.1, 0.9] };
        let refined = field.refine(&images, &probability, &box_masks);
        assert_eq!(refined.sum(Kind::Float).double_value(&[]), 16.0);
        assert_eq!(refined.narrow(1, 2, 4).narrow(2, 2, 4).sum(Kind::Float).double_value(&[]), 16.0);
    }
}
