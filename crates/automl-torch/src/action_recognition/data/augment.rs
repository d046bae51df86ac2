//! What part of a picture is seen, whether it is mirrored, and how its values are scaled.
//!
//! All pictures of a clip are treated alike, or motion would appear where there is none. Parts are
//! fractions of the picture, so that frames and flow may have different sizes. A mirrored picture of
//! the horizontal flow also changes its sign.

use crate::picture::Window;
use crate::random::Stream;

/// Treatment of clips in training and outside.
#[derive(Debug, Clone)]
pub(crate) struct Augmentation {
    /// Part seen in training.
    pub(crate) train: TrainCrop,
    /// Part seen when measuring.
    pub(crate) test: TestCrop,
    /// Probability of a mirrored clip in training.
    pub(crate) flip_probability: f64,
    /// Mean of R, G, B in [0, 1].
    pub(crate) rgb_mean: [f32; 3],
    /// Standard deviation of R, G, B.
    pub(crate) rgb_std: [f32; 3],
    /// Mean of the horizontal and the vertical flow in [0, 1].
    pub(crate) flow_mean: [f32; 2],
    /// Standard deviation of both.
    pub(crate) flow_std: [f32; 2],
}

/// Part of a picture seen in training.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TrainCrop {
    /// A random place, of the size of the input once the smaller edge is `smaller_edge` px.
    Random {
        /// Smaller edge of the picture, px.
        smaller_edge: f64,
    },
    /// Width and height drawn from `scales` of the smaller edge, neighbours in the list at most, at one
    /// of 13 places (Wang et al., ECCV 2016, section 3.2).
    MultiScale {
        /// Fractions of the smaller edge.
        scales: Vec<f64>,
    },
    /// The whole picture.
    Whole,
}

/// Part of a picture seen when measuring.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TestCrop {
    /// The middle, of the size of the input once the smaller edge is `smaller_edge` px.
    Centre {
        /// Smaller edge of the picture, px.
        smaller_edge: f64,
    },
    /// The whole picture.
    Whole,
}

/// What one clip gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct View {
    /// Left, upper, right and lower edge as fractions of the picture.
    pub(crate) part: [f64; 4],
    /// Mirrored.
    pub(crate) flipped: bool,
}

/// Places of a crop in quarters of the free room, horizontal and vertical.
const PLACES: [[f64; 2]; 13] = [
    [0.0, 0.0],
    [4.0, 0.0],
    [0.0, 4.0],
    [4.0, 4.0],
    [2.0, 2.0],
    [0.0, 2.0],
    [4.0, 2.0],
    [2.0, 4.0],
    [2.0, 0.0],
    [1.0, 1.0],
    [3.0, 1.0],
    [1.0, 3.0],
    [3.0, 3.0],
];

const WHOLE: [f64; 4] = [0.0, 0.0, 1.0, 1.0];

impl Augmentation {
    /// A random view of pictures of `size` for inputs of `target`, both width and height in px.
    pub(crate) fn random_view(&self, size: [f64; 2], target: [f64; 2], stream: &mut Stream) -> View {
        let part = match &self.train {
            TrainCrop::Random { smaller_edge } => {
                let extent = resized_extent(size, target, *smaller_edge);
                place(extent, [stream.uniform(0.0, 1.0), stream.uniform(0.0, 1.0)])
            }
            TrainCrop::MultiScale { scales } => {
                let edge = size[0].min(size[1]);
                let first = stream.below(scales.len());
                let near = first.saturating_sub(1)..(first + 2).min(scales.len());
                let second = near.start + stream.below(near.len());
                let extent = [edge * scales[first] / size[0], edge * scales[second] / size[1]];
                place(extent, PLACES[stream.below(PLACES.len())].map(|quarters| quarters / 4.0))
            }
            TrainCrop::Whole => WHOLE,
        };
        View { part, flipped: stream.chance(self.flip_probability) }
    }

    /// The view for measuring.
    pub(crate) fn test_view(&self, size: [f64; 2], target: [f64; 2]) -> View {
        let part = match self.test {
            TestCrop::Centre { smaller_edge } => {
                place(resized_extent(size, target, smaller_edge), [0.5, 0.5])
            }
            TestCrop::Whole => WHOLE,
        };
        View { part, flipped: false }
    }
}

/// Fractions of the picture that `target` px take once its smaller edge is `smaller_edge` px; a target
/// beyond the picture takes all of it.
fn resized_extent(size: [f64; 2], target: [f64; 2], smaller_edge: f64) -> [f64; 2] {
    let scale = smaller_edge / size[0].min(size[1]);
    [0, 1].map(|at| (target[at] / (size[at] * scale)).min(1.0))
}

/// A part of this extent; `at` says how much of the free room lies before it.
fn place(extent: [f64; 2], at: [f64; 2]) -> [f64; 4] {
    let [left, upper] = [0, 1].map(|side| (1.0 - extent[side]) * at[side]);
    [left, upper, left + extent[0], upper + extent[1]]
}

impl View {
    /// The part as a window of a picture of this width and height.
    pub(crate) fn window(&self, width: u32, height: u32) -> Window {
        let (width, height) = (f64::from(width), f64::from(height));
        let [left, upper, right, lower] = self.part;
        Window { x0: left * width, y0: upper * height, x1: right * width, y1: lower * height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    fn augmentation(train: TrainCrop, test: TestCrop) -> Augmentation {
        Augmentation {
            train,
            test,
            flip_probability: 0.5,
            rgb_mean: [0.0; 3],
            rgb_std: [1.0; 3],
            flow_mean: [0.5; 2],
            flow_std: [0.5; 2],
        }
    }

    fn close(found: [f64; 4], wanted: [f64; 4]) -> bool {
        found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9)
    }

    #[test]
    fn centre_crop_is_the_middle_of_the_resized_picture() {
        let centred = augmentation(TrainCrop::Whole, TestCrop::Centre { smaller_edge: 256.0 });
        // 512 × 256 px keep their size, and 128 × 128 of it are seen.
        let view = centred.test_view([512.0, 256.0], [128.0, 128.0]);
        assert!(close(view.part, [0.375, 0.25, 0.625, 0.75]) && !view.flipped, "{view:?}");
        let window = view.window(1024, 512);
        assert_eq!((window.x0, window.x1, window.y1), (384.0, 640.0, 384.0));
        let larger = centred.test_view([64.0, 64.0], [300.0, 128.0]);
        assert!(close(larger.part, [0.0, 0.25, 1.0, 0.75]), "{larger:?}");
    }

    #[test]
    fn random_views_differ_and_stay_inside() {
        for train in
            [TrainCrop::Random { smaller_edge: 40.0 }, TrainCrop::MultiScale { scales: vec![1.0, 0.75, 0.5] }]
        {
            let augmentation = augmentation(train, TestCrop::Whole);
            let views: Vec<View> = (0..60)
                .map(|seed| {
                    let mut stream = Stream::open(seed, Purpose::Weights);
                    augmentation.random_view([48.0, 36.0], [32.0, 32.0], &mut stream)
                })
                .collect();
            assert!(views.iter().all(|view| view.part.iter().all(|edge| (-1e-9..1.0 + 1e-9).contains(edge))));
            assert!(views.iter().any(|view| view.flipped) && views.iter().any(|view| !view.flipped));
            assert!(views.iter().any(|view| view.part != views[0].part));
        }
    }

    #[test]
    fn multi_scale_sides_are_neighbours_in_the_list() {
        let scales = vec![1.0, 0.75, 0.5];
        let augmentation = augmentation(TrainCrop::MultiScale { scales }, TestCrop::Whole);
        for seed in 0..60 {
            let mut stream = Stream::open(seed, Purpose::Weights);
            let [left, upper, right, lower] =
                augmentation.random_view([10.0, 10.0], [8.0, 8.0], &mut stream).part;
            assert!(((right - left) - (lower - upper)).abs() < 0.25 + 1e-9);
        }
    }
}
