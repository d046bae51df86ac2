//! Samples of clips, and batches of them.
//!
//! A sample holds one block of numbers for each stream, [C, T, H, W]: for frames C is R, G, B, for flow
//! it is u and v. Time folded into channels is the same numbers seen as [C·T, H, W].

use tch::{Device, Tensor};

use super::ClipError;
use super::augment::{Augmentation, View};
use super::clips::{ClipSet, Plane, planes};
use super::sampling::{Picks, Sampling};
use crate::action_recognition::net::{Modality, NetworkShape};
use crate::picture::{self, CHANNELS};
use crate::random::{Purpose, Stream};

/// Turns clips into samples.
#[derive(Debug)]
pub(crate) struct Sampler<'a> {
    /// The clips.
    pub(crate) set: &'a ClipSet,
    /// How frames are chosen.
    pub(crate) sampling: Sampling,
    /// Crops, flips and normalisation.
    pub(crate) augmentation: &'a Augmentation,
    /// Streams of the network.
    pub(crate) shape: &'a NetworkShape,
    /// Height and width of the input, px.
    pub(crate) input_size: [usize; 2],
}

/// Place of a training sample in the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw {
    /// Seed of the run.
    pub(crate) seed: u64,
    /// Epoch, counted from 0.
    pub(crate) epoch: u64,
    /// Sample within the epoch's list, whatever the order.
    pub(crate) sample: usize,
}

/// One view of one clip.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Index of the clip.
    pub(crate) clip: usize,
    /// Numbers of each stream, in the network's order.
    blocks: Vec<Vec<f32>>,
}

/// Samples that go through the network together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The samples.
    pub(crate) samples: Vec<Sample>,
    sizes: Vec<Vec<i64>>,
}

impl Sampler<'_> {
    /// A sample with random frames, crop and flip.
    pub(crate) fn training_sample(&self, clip: usize, draw: Draw) -> Result<Sample, ClipError> {
        let purpose = Purpose::Sample { epoch: draw.epoch, object: draw.sample as u64 };
        let mut stream = Stream::open(draw.seed, purpose);
        let picks = self.sampling.random(self.set.clips[clip].frames, &mut stream);
        let view = self.augmentation.random_view(self.picture_size(clip)?, self.target(), &mut stream);
        self.sample(clip, &picks, view)
    }

    /// A sample of given frames without any random part.
    pub(crate) fn test_sample(&self, clip: usize, picks: &Picks) -> Result<Sample, ClipError> {
        let view = self.augmentation.test_view(self.picture_size(clip)?, self.target());
        self.sample(clip, picks, view)
    }

    /// Joins samples of this sampler.
    pub(crate) fn batch(&self, samples: Vec<Sample>) -> Batch {
        let [height, width] = self.input_size.map(|side| side as i64);
        let size =
            |(modality, frames): &(Modality, i64)| self.shape.input_size(*modality, *frames, [height, width]);
        Batch { samples, sizes: self.shape.streams.iter().map(size).collect() }
    }

    /// Width and height of the clip's first picture, px.
    fn picture_size(&self, clip: usize) -> Result<[f64; 2], ClipError> {
        let first = planes(self.shape.streams[0].0)[0];
        let picture = self.set.picture(clip, first, 0)?;
        Ok([f64::from(picture.width()), f64::from(picture.height())])
    }

    fn target(&self) -> [f64; 2] {
        [self.input_size[1] as f64, self.input_size[0] as f64]
    }

    fn sample(&self, clip: usize, picks: &Picks, view: View) -> Result<Sample, ClipError> {
        let block = |(modality, _): &(Modality, i64)| match modality {
            Modality::Rgb => self.block(clip, *modality, &picks.rgb, view),
            Modality::Flow => self.block(clip, *modality, &picks.flow, view),
        };
        let blocks: Result<Vec<_>, _> = self.shape.streams.iter().map(block).collect();
        Ok(Sample { clip, blocks: blocks? })
    }

    /// Normalised numbers [C, T, H, W] of one stream.
    fn block(
        &self,
        clip: usize,
        modality: Modality,
        frames: &[usize],
        view: View,
    ) -> Result<Vec<f32>, ClipError> {
        let [height, width] = self.input_size;
        let pixels = height * width;
        let mut block = vec![0.0; modality.channels() as usize * frames.len() * pixels];
        for (time, frame) in frames.iter().enumerate() {
            let mut channel = 0;
            for plane in planes(modality) {
                let picture = self.set.picture(clip, *plane, *frame)?;
                let window = view.window(picture.width(), picture.height());
                let mut values = picture::resize(&picture, &window, width, height);
                if view.flipped {
                    picture::flip(&mut values, width);
                }
                if *plane != Plane::Rgb {
                    values.truncate(pixels);
                }
                self.normalise(&mut values, *plane, view.flipped);
                for values in values.chunks_exact(pixels) {
                    let start = (channel * frames.len() + time) * pixels;
                    block[start..start + pixels].copy_from_slice(values);
                    channel += 1;
                }
            }
        }
        Ok(block)
    }

    /// Scales planes of [0, 1]; mirrored horizontal flow points the other way.
    fn normalise(&self, values: &mut [f32], plane: Plane, flipped: bool) {
        let Augmentation { rgb_mean, rgb_std, flow_mean, flow_std, .. } = self.augmentation;
        let scale = |values: &mut [f32], mean: f32, std: f32| {
            values.iter_mut().for_each(|value| *value = (*value - mean) / std);
        };
        match plane {
            Plane::Rgb => {
                let pixels = values.len() / CHANNELS;
                for (channel, values) in values.chunks_exact_mut(pixels).enumerate() {
                    scale(values, rgb_mean[channel], rgb_std[channel]);
                }
            }
            Plane::U => {
                if flipped {
                    values.iter_mut().for_each(|value| *value = 1.0 - *value);
                }
                scale(values, flow_mean[0], flow_std[0]);
            }
            Plane::V => scale(values, flow_mean[1], flow_std[1]),
        }
    }
}

impl Batch {
    /// One tensor for each stream, in the shape that the network wants.
    pub(crate) fn inputs(&self, device: Device) -> Vec<Tensor> {
        let input = |(stream, size): (usize, &Vec<i64>)| {
            let values: Vec<f32> =
                self.samples.iter().flat_map(|sample| sample.blocks[stream].iter().copied()).collect();
            let size = [vec![self.samples.len() as i64], size.clone()].concat();
            Tensor::from_slice(&values).view(size.as_slice()).to_device(device)
        };
        self.sizes.iter().enumerate().map(input).collect()
    }

    /// Class indices of the samples.
    ///
    /// # Panics
    ///
    /// If the set is unlabelled.
    pub(crate) fn labels(&self, set: &ClipSet, device: Device) -> Tensor {
        let label = |sample: &Sample| set.clips[sample.clip].class.expect("a labelled set") as i64;
        Tensor::from_slice(&self.samples.iter().map(label).collect::<Vec<_>>()).to_device(device)
    }
}

#[cfg(test)]
mod tests {
    use super::super::augment::{TestCrop, TrainCrop};
    use super::super::sampling::{Lengths, Strategy, Windows};
    use super::*;
    use crate::action_recognition::net::Dimensions;
    use crate::action_recognition::net::tests::shape;

    /// One clip of three 4 × 2 pictures: red grows to the right, flow points right by 0.2 more a frame.
    fn with_sampler(dimensions: Dimensions, flip: f64, check: impl FnOnce(&Sampler<'_>)) {
        let dir = tempfile::tempdir().unwrap();
        for frame in 0..3u8 {
            let save = |folder: &str, pixel: &dyn Fn(u32) -> [u8; 3]| {
                let folder = dir.path().join("clip").join(folder);
                std::fs::create_dir_all(&folder).unwrap();
                let picture = image::RgbImage::from_fn(4, 2, |x, _| image::Rgb(pixel(x)));
                picture.save(folder.join(format!("{frame}.png"))).unwrap();
            };
            save("rgb", &|x| [(x * 51) as u8, frame, 0]);
            save("u", &|_| [153 + 51 * frame; 3]);
            save("v", &|_| [51; 3]);
        }
        let sampling =
            Sampling { strategy: Strategy::Interval, lengths: Lengths { rgb: Some(3), flow: Some(2) } };
        let set = ClipSet::unlabelled(dir.path(), "k", &sampling).unwrap();
        let augmentation = Augmentation {
            train: TrainCrop::Whole,
            test: TestCrop::Whole,
            flip_probability: flip,
            rgb_mean: [0.0; 3],
            rgb_std: [1.0; 3],
            flow_mean: [0.5; 2],
            flow_std: [0.5; 2],
        };
        let shape = shape("resnet_test", dimensions, vec![(Modality::Rgb, 3), (Modality::Flow, 2)]);
        check(&Sampler {
            set: &set,
            sampling,
            augmentation: &augmentation,
            shape: &shape,
            input_size: [2, 4],
        });
    }

    #[test]
    fn blocks_hold_channels_then_time() {
        for (dimensions, rgb, flow) in [
            (Dimensions::Two, vec![1, 9, 2, 4], vec![1, 4, 2, 4]),
            (Dimensions::Three, vec![1, 3, 3, 2, 4], vec![1, 2, 2, 2, 4]),
        ] {
            with_sampler(dimensions, 0.0, |sampler| {
                let picks = &sampler.sampling.windows(3, Windows::Centre)[0];
                let batch = sampler.batch(vec![sampler.test_sample(0, picks).unwrap()]);
                let inputs = batch.inputs(Device::Cpu);
                assert_eq!((inputs[0].size(), inputs[1].size()), (rgb, flow));
                let red = Vec::<f32>::try_from(inputs[0].view([9, 2, 4]).select(0, 2).select(0, 1)).unwrap();
                assert!(red.iter().zip([0.0, 0.2, 0.4, 0.6]).all(|(a, b)| (a - b).abs() < 1e-3), "{red:?}");
                let green = inputs[0].view([9, 2, 4]).select(0, 5).double_value(&[0, 0]) * 255.0;
                assert!((green - 2.0).abs() < 1e-3, "the last frame's green plane: {green}");
            });
        }
    }

    #[test]
    fn mirrored_clips_turn_the_horizontal_flow_round() {
        with_sampler(Dimensions::Two, 1.0, |sampler| {
            let draw = Draw { seed: 1, epoch: 0, sample: 0 };
            let batch = sampler.batch(vec![sampler.training_sample(0, draw).unwrap()]);
            let inputs = batch.inputs(Device::Cpu);
            let red = inputs[0].view([9, 2, 4]);
            assert!(red.double_value(&[0, 0, 0]) > red.double_value(&[0, 0, 3]));
            let flow = inputs[1].view([4, 2, 4]);
            // u of frame 0 or later is 0.2 or more before, so −0.2 or less after; v stays −0.6.
            assert!(flow.double_value(&[0, 0, 0]) < -0.19, "{}", flow.double_value(&[0, 0, 0]));
            assert!((flow.double_value(&[2, 0, 0]) + 0.6).abs() < 1e-3);
        });
    }

    #[test]
    fn samples_repeat_and_differ_between_epochs() {
        with_sampler(Dimensions::Two, 0.5, |sampler| {
            let blocks = |epoch| {
                let draw = |sample| Draw { seed: 1, epoch, sample };
                (0..8).map(|at| sampler.training_sample(0, draw(at)).unwrap().blocks).collect::<Vec<_>>()
            };
            assert_eq!(blocks(0), blocks(0));
            assert_ne!(blocks(0), blocks(1));
        });
    }
}
