//! Samples, and batches of them.
//!
//! A training sample is a function of (seed, epoch, object) and of the files, whatever thread makes
//! it and whenever; so the number of workers changes the speed and never a result.

use std::path::Path;

use tch::{Device, Kind, Tensor};

use super::coco::{Coco, ObjectEntry};
use super::crop;
use super::{DataError, augment};
use crate::mal::size_class::SizeClass;
use crate::picture::{self, CHANNELS, ImageStore, Window};
use crate::random::{Purpose, Stream};

/// Mean of ImageNet's channels, which pretrained encoders expect to be taken off.
const IMAGENET_MEAN: [f32; CHANNELS] = [0.485, 0.456, 0.406];
/// Standard deviation of ImageNet's channels.
const IMAGENET_STD: [f32; CHANNELS] = [0.229, 0.224, 0.225];

/// Objects of one annotation file with their images.
#[derive(Debug)]
pub(crate) struct Dataset {
    /// The annotations.
    pub(crate) coco: Coco,
    /// The decoded images.
    pub(crate) images: ImageStore,
    /// Side of the crops, px.
    pub(crate) crop_side: usize,
}

/// The spec keys that name a data set, for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DatasetKeys {
    /// Key of the annotation file.
    pub(crate) annotations: &'static str,
    /// Key of the image folder.
    pub(crate) images: &'static str,
}

/// What makes training samples differ from epoch to epoch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draw {
    /// `train.seed`.
    pub(crate) seed: u64,
    /// Epoch, counted from 0.
    pub(crate) epoch: u64,
    /// Range of the box enlargement.
    pub(crate) margin_rate: [f64; 2],
}

/// One object, cut out.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Index of the object in the data set.
    pub(crate) object: usize,
    /// Part of the image that the crop shows.
    pub(crate) window: Window,
    /// The box as fractions of the crop.
    pub(crate) box_fractions: [f64; 4],
    /// Class of the box area.
    pub(crate) size: SizeClass,
    /// Normalised planes with changed colours; empty where the clean ones serve.
    jittered: Vec<f32>,
    /// Normalised planes as photographed.
    clean: Vec<f32>,
}

/// Samples that go through the network together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The samples.
    pub(crate) samples: Vec<Sample>,
    side: usize,
}

impl Dataset {
    /// Reads annotations, checks that images exist, and refuses an empty set.
    pub(crate) fn open(
        annotations: &Path,
        images: &Path,
        keys: DatasetKeys,
        crop_side: usize,
    ) -> Result<Self, DataError> {
        let coco = Coco::load(annotations, keys.annotations)?;
        if coco.objects.is_empty() {
            let why = "the file holds no annotation that is not a crowd".to_owned();
            return Err(DataError::NoObjects { path: annotations.to_owned(), why });
        }
        let paths = coco.images.iter().map(|image| images.join(&image.file_name)).collect();
        let images = ImageStore::new(paths, keys.images)?;
        Ok(Self { coco, images, crop_side })
    }

    /// A sample with random margin, flip and colours.
    pub(crate) fn training_sample(&self, object: usize, draw: Draw) -> Result<Sample, DataError> {
        let purpose = Purpose::Sample { epoch: draw.epoch, object: object as u64 };
        let mut stream = Stream::open(draw.seed, purpose);
        let [low, high] = draw.margin_rate;
        let margins = [stream.uniform(low, high), stream.uniform(low, high)];
        let mut sample = self.cut(object, margins)?;
        if stream.chance(0.5) {
            picture::flip(&mut sample.clean, self.crop_side);
            let [left, upper, right, lower] = sample.box_fractions;
            sample.box_fractions = [1.0 - right, upper, 1.0 - left, lower];
        }
        sample.jittered = sample.clean.clone();
        augment::colours(&mut sample.jittered, self.crop_side, &mut stream);
        normalise(&mut sample.jittered);
        normalise(&mut sample.clean);
        Ok(sample)
    }

    /// A sample without any random part.
    pub(crate) fn test_sample(&self, object: usize, margins: [f64; 2]) -> Result<Sample, DataError> {
        let mut sample = self.cut(object, margins)?;
        normalise(&mut sample.clean);
        Ok(sample)
    }

    fn cut(&self, object: usize, margins: [f64; 2]) -> Result<Sample, DataError> {
        let ObjectEntry { image, bbox, .. } = &self.coco.objects[object];
        let image = self.images.get(*image)?;
        let window = crop::around(bbox, margins, &image);
        Ok(Sample {
            object,
            window,
            box_fractions: crop::fractions(&window, bbox),
            size: SizeClass::of_area(bbox.area()),
            jittered: Vec::new(),
            clean: picture::resize(&image, &window, self.crop_side, self.crop_side),
        })
    }
}

impl Batch {
    /// Joins samples of one crop side.
    pub(crate) fn new(samples: Vec<Sample>, side: usize) -> Self {
        Self { samples, side }
    }

    /// Clean crops, [B, 3, side, side].
    pub(crate) fn clean(&self, device: Device) -> Tensor {
        self.stack(|sample| &sample.clean, device)
    }

    /// Crops with changed colours, [B, 3, side, side].
    pub(crate) fn jittered(&self, device: Device) -> Tensor {
        self.stack(|sample| &sample.jittered, device)
    }

    /// Box masks of `side`² cells, [B, side, side].
    pub(crate) fn box_masks(&self, side: usize, device: Device) -> Tensor {
        let values: Vec<f32> =
            self.samples.iter().flat_map(|sample| crop::box_mask(sample.box_fractions, side)).collect();
        let side = side as i64;
        Tensor::from_slice(&values).view([self.samples.len() as i64, side, side]).to_device(device)
    }

    /// Size classes in order of the samples.
    pub(crate) fn sizes(&self) -> Vec<SizeClass> {
        self.samples.iter().map(|sample| sample.size).collect()
    }

    fn stack(&self, planes: impl Fn(&Sample) -> &[f32], device: Device) -> Tensor {
        let side = self.side as i64;
        let values: Vec<f32> =
            self.samples.iter().flat_map(|sample| planes(sample).iter().copied()).collect();
        Tensor::from_slice(&values)
            .view([self.samples.len() as i64, CHANNELS as i64, side, side])
            .to_kind(Kind::Float)
            .to_device(device)
    }
}

fn normalise(planes: &mut [f32]) {
    let pixels = planes.len() / CHANNELS;
    for (channel, plane) in planes.chunks_exact_mut(pixels).enumerate() {
        let (mean, std) = (IMAGENET_MEAN[channel], IMAGENET_STD[channel]);
        plane.iter_mut().for_each(|value| *value = (*value - mean) / std);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset(dir: &Path) -> Dataset {
        let image = image::RgbImage::from_fn(40, 30, |x, y| image::Rgb([(x * 6) as u8, (y * 8) as u8, 50]));
        image.save(dir.join("a.png")).unwrap();
        let annotations: Vec<_> = (0..5)
            .map(|id| {
                serde_json::json!({"id": id, "image_id": 1, "category_id": 1,
                    "bbox": [2 + 4 * id, 3 + 2 * id, 12, 10]})
            })
            .collect();
        let file = serde_json::json!({"images": [{"id": 1, "file_name": "a.png"}],
            "annotations": annotations, "categories": [{"id": 1, "name": "c"}]});
        std::fs::write(dir.join("a.json"), file.to_string()).unwrap();
        let keys = DatasetKeys { annotations: "ann", images: "img" };
        Dataset::open(&dir.join("a.json"), dir, keys, 16).unwrap()
    }

    #[test]
    fn samples_repeat_within_an_epoch_and_differ_between_epochs() {
        let dir = tempfile::tempdir().unwrap();
        let data = dataset(dir.path());
        let draw = |epoch| {
            let draw = Draw { seed: 1, epoch, margin_rate: [0.0, 1.2] };
            data.training_sample(2, draw).unwrap()
        };
        assert_eq!(draw(0).jittered, draw(0).jittered);
        assert_ne!(draw(0).clean, draw(1).clean);
    }

    #[test]
    fn tensors_have_batch_shapes() {
        let dir = tempfile::tempdir().unwrap();
        let data = dataset(dir.path());
        let samples =
            vec![data.test_sample(0, [0.6, 0.6]).unwrap(), data.test_sample(1, [0.6, 0.6]).unwrap()];
        let batch = Batch::new(samples, 16);
        assert_eq!(batch.clean(Device::Cpu).size(), [2, 3, 16, 16]);
        let masks = batch.box_masks(8, Device::Cpu);
        assert_eq!(masks.size(), [2, 8, 8]);
        let covered = masks.mean(Kind::Float).double_value(&[]);
        assert!(covered > 0.25 && covered < 0.6, "{covered}");
    }
}
