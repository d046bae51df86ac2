//! Colour changes of the student's crop.
//!
//! Works on planes R, G, B in [0, 1]. Geometry (the flip) is applied to student, teacher and box
//! alike and therefore lives with the sample; here only colours change. The recipe is the one of
//! self-supervised ViT training: jitter, gray, blur, each with its own probability.

use crate::picture::CHANNELS;
use crate::random::Stream;

const JITTER_PROBABILITY: f64 = 0.8;
const JITTER_STRENGTH: f64 = 0.4;
const HUE_STRENGTH: f64 = 0.1;
const GRAY_PROBABILITY: f64 = 0.2;
const BLUR_PROBABILITY: f64 = 0.5;
/// Blur radius σ as fractions of the crop's side: 0.1 to 2 px at 224 px.
const BLUR_SIGMA: [f64; 2] = [0.1 / 224.0, 2.0 / 224.0];
/// Luma weights of ITU-R BT.601.
const LUMA: [f32; CHANNELS] = [0.299, 0.587, 0.114];

/// Changes colours at random; `side` is that of the square crop.
pub(crate) fn colours(planes: &mut [f32], side: usize, stream: &mut Stream) {
    if stream.chance(JITTER_PROBABILITY) {
        let mut factor = || stream.uniform(1.0 - JITTER_STRENGTH, 1.0 + JITTER_STRENGTH) as f32;
        let (brightness, contrast, saturation) = (factor(), factor(), factor());
        let hue = stream.uniform(-HUE_STRENGTH, HUE_STRENGTH) * std::f64::consts::TAU;
        scale_brightness(planes, brightness);
        scale_contrast(planes, contrast);
        scale_saturation(planes, saturation);
        rotate_hue(planes, hue as f32);
    }
    if stream.chance(GRAY_PROBABILITY) {
        scale_saturation(planes, 0.0);
    }
    if stream.chance(BLUR_PROBABILITY) {
        blur(planes, side, stream.uniform(BLUR_SIGMA[0], BLUR_SIGMA[1]) * side as f64);
    }
}

fn scale_brightness(planes: &mut [f32], factor: f32) {
    planes.iter_mut().for_each(|value| *value = (*value * factor).clamp(0.0, 1.0));
}

fn scale_contrast(planes: &mut [f32], factor: f32) {
    let pixels = planes.len() / CHANNELS;
    let mean = (0..pixels).map(|at| luma(planes, at)).sum::<f32>() / pixels as f32;
    planes.iter_mut().for_each(|value| *value = (mean + (*value - mean) * factor).clamp(0.0, 1.0));
}

fn scale_saturation(planes: &mut [f32], factor: f32) {
    let pixels = planes.len() / CHANNELS;
    for at in 0..pixels {
        let gray = luma(planes, at);
        for channel in 0..CHANNELS {
            let value = &mut planes[channel * pixels + at];
            *value = (gray + (*value - gray) * factor).clamp(0.0, 1.0);
        }
    }
}

/// Turns the colour around the gray axis by `angle` rad (Rodrigues' formula, axis (1, 1, 1)/√3).
fn rotate_hue(planes: &mut [f32], angle: f32) {
    let (sine, cosine) = angle.sin_cos();
    let same = cosine + (1.0 - cosine) / 3.0;
    let (minus, plus) =
        ((1.0 - cosine) / 3.0 - sine / 3.0f32.sqrt(), (1.0 - cosine) / 3.0 + sine / 3.0f32.sqrt());
    let pixels = planes.len() / CHANNELS;
    for at in 0..pixels {
        let [r, g, b] = [planes[at], planes[pixels + at], planes[2 * pixels + at]];
        let turned = [
            same * r + minus * g + plus * b,
            plus * r + same * g + minus * b,
            minus * r + plus * g + same * b,
        ];
        for (channel, value) in turned.into_iter().enumerate() {
            planes[channel * pixels + at] = value.clamp(0.0, 1.0);
        }
    }
}

/// Gaussian blur with radius `sigma` px; edge pixels repeat outside.
fn blur(planes: &mut [f32], side: usize, sigma: f64) {
    let radius = (3.0 * sigma).ceil() as isize;
    let weights: Vec<f32> =
        (-radius..=radius).map(|at| (-0.5 * (at as f64 / sigma).powi(2)).exp() as f32).collect();
    let total: f32 = weights.iter().sum();
    let blurred = |values: &[f32]| -> Vec<f32> {
        let last = values.len() as isize - 1;
        (0..=last)
            .map(|at| {
                let taps = weights.iter().zip(at - radius..);
                taps.map(|(weight, from)| weight * values[from.clamp(0, last) as usize]).sum::<f32>() / total
            })
            .collect()
    };
    for plane in planes.chunks_exact_mut(side * side) {
        for row in plane.chunks_exact_mut(side) {
            row.copy_from_slice(&blurred(row));
        }
        for x in 0..side {
            let column: Vec<f32> = plane.iter().skip(x).step_by(side).copied().collect();
            for (y, value) in blurred(&column).into_iter().enumerate() {
                plane[y * side + x] = value;
            }
        }
    }
}

fn luma(planes: &[f32], at: usize) -> f32 {
    let pixels = planes.len() / CHANNELS;
    LUMA.iter().enumerate().map(|(channel, weight)| weight * planes[channel * pixels + at]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn crop() -> Vec<f32> {
        (0..48).map(|at| (at * 7 % 48) as f32 / 48.0).collect()
    }

    #[test]
    fn gray_has_equal_channels_and_full_turn_changes_nothing() {
        let mut planes = crop();
        rotate_hue(&mut planes, std::f32::consts::TAU);
        assert!(planes.iter().zip(crop()).all(|(a, b)| (a - b).abs() < 1e-5));
        scale_saturation(&mut planes, 0.0);
        assert!((0..16).all(|at| (planes[at] - planes[16 + at]).abs() < 1e-5));
    }

    #[test]
    fn blur_keeps_the_mean_of_a_flat_border_and_spreads_a_point() {
        let mut planes = vec![0.0f32; 3 * 49];
        planes[3 * 7 + 3] = 1.0;
        blur(&mut planes, 7, 0.8);
        assert!((planes[..49].iter().sum::<f32>() - 1.0).abs() < 1e-4);
        assert!(planes[3 * 7 + 3] < 0.5 && planes[3 * 7 + 2] > 0.05);
    }

    #[test]
    fn colours_stay_in_range_and_repeat() {
        for case in 0..20 {
            let draw = || {
                let mut planes = crop();
                colours(&mut planes, 4, &mut Stream::open(case, Purpose::Weights));
                planes
            };
            assert_eq!(draw(), draw());
            assert!(draw().iter().all(|value| (0.0..=1.0).contains(value)));
        }
    }
}
