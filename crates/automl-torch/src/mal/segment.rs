//! Masks of every object of a data set, in image coordinates.
//!
//! A network sees a crop and gives a map of probabilities; here the map is limited to the box, pasted
//! back through the crop's window, and cut at a threshold. Validation and inference both start from
//! these masks.

use std::ops::ControlFlow;

use tch::{Device, Kind, Tensor};

use crate::error::TrainerError;
use crate::loader::{for_each_batch, ordered_batches};
use crate::mal::data::DataError;
use crate::mal::data::batch::{Batch, Dataset, Sample};
use crate::mal::data::coco::BBox;
use crate::mal::data::mask::Mask;
use crate::mal::model::Network;
use crate::mal::size_class::SizeClass;
use crate::mal::spec::Predictor;

/// Student and teacher, and which of them to ask.
#[derive(Debug)]
pub(crate) struct Segmenter<'a> {
    /// The trained network.
    pub(crate) student: &'a Network,
    /// Its moving average.
    pub(crate) teacher: &'a Network,
    /// Which one segments.
    pub(crate) predictor: Predictor,
}

/// How objects are cut out and masks cut off.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentSettings {
    /// Objects in a batch.
    pub(crate) batch_size: usize,
    /// Box enlargement, horizontal and vertical.
    pub(crate) margins: [f64; 2],
    /// Probability above which a pixel belongs to the mask.
    pub(crate) threshold: f64,
    /// Threads that prepare batches.
    pub(crate) workers: usize,
    /// Where the networks live.
    pub(crate) device: Device,
}

/// The mask of one object.
#[derive(Debug)]
pub(crate) struct Segmented {
    /// Index of the object in the data set.
    pub(crate) object: usize,
    /// The mask, at the size of the object's image.
    pub(crate) mask: Mask,
    /// Mean probability over the mask; 0 where it is empty.
    pub(crate) score: f64,
}

impl Segmenter<'_> {
    /// Probabilities [B, H, W] on the CPU.
    fn probabilities(&self, images: &Tensor, sizes: &[SizeClass]) -> Tensor {
        let ask = |network: &Network| network.forward(images, sizes, false).to_kind(Kind::Float).sigmoid();
        let probabilities = match self.predictor {
            Predictor::Student => ask(self.student),
            Predictor::Teacher => ask(self.teacher),
            Predictor::Mixed => (ask(self.student) + ask(self.teacher)) * 0.5,
        };
        probabilities.to_device(Device::Cpu)
    }
}

/// Segments every object of the data set in order and hands each mask to `consume`.
pub(crate) fn for_each_mask(
    segmenter: &Segmenter<'_>,
    data: &Dataset,
    settings: SegmentSettings,
    mut consume: impl FnMut(Segmented) -> Result<(), TrainerError>,
) -> Result<(), TrainerError> {
    let batches = ordered_batches(data.coco.objects.len(), settings.batch_size);
    let make = |objects: &[usize]| {
        let samples: Result<Vec<Sample>, _> =
            objects.iter().map(|object| data.test_sample(*object, settings.margins)).collect();
        Ok::<_, DataError>(Batch::new(samples?, data.crop_side))
    };
    for_each_batch(&batches, settings.workers, make, |batch| {
        let maps = tch::no_grad(|| segmenter.probabilities(&batch.clean(settings.device), &batch.sizes()));
        for (at, sample) in (0..).zip(&batch.samples) {
            let map = ProbabilityMap::of(&maps.select(0, at));
            let entry = &data.coco.objects[sample.object];
            let image = data.images.get(entry.image)?;
            let empty = Mask::empty(image.width() as usize, image.height() as usize);
            let (mask, score) = paste(&map, sample, &entry.bbox, settings.threshold, empty);
            consume(Segmented { object: sample.object, mask, score })?;
        }
        Ok(ControlFlow::Continue(()))
    })
}

/// Probabilities of one crop, row-major.
struct ProbabilityMap {
    values: Vec<f32>,
    rows: usize,
    columns: usize,
}

impl ProbabilityMap {
    fn of(map: &Tensor) -> Self {
        let (rows, columns) = map.size2().expect("a map has rows and columns");
        let values = Vec::<f32>::try_from(map.reshape([-1])).expect("probabilities are floats on the CPU");
        Self { values, rows: rows as usize, columns: columns as usize }
    }

    /// Bilinear value at a place given as fractions of the map.
    fn at(&self, x: f64, y: f64) -> f64 {
        let (x0, x1, fx) = neighbours(x, self.columns);
        let (y0, y1, fy) = neighbours(y, self.rows);
        let value = |x: usize, y: usize| f64::from(self.values[y * self.columns + x]);
        let upper = value(x0, y0) * (1.0 - fx) + value(x1, y0) * fx;
        let lower = value(x0, y1) * (1.0 - fx) + value(x1, y1) * fx;
        upper * (1.0 - fy) + lower * fy
    }
}

/// The two cells around a place and the weight of the second.
fn neighbours(fraction: f64, cells: usize) -> (usize, usize, f64) {
    let place = (fraction * cells as f64 - 0.5).clamp(0.0, (cells - 1) as f64);
    let first = place.floor() as usize;
    (first, (first + 1).min(cells - 1), place - place.floor())
}

/// Fills the pixels of the box whose probability exceeds the threshold, and gives their mean.
fn paste(map: &ProbabilityMap, sample: &Sample, bbox: &BBox, threshold: f64, mut mask: Mask) -> (Mask, f64) {
    let span = |start: f64, length: f64, limit: usize| {
        let first = (start - 0.5).ceil().max(0.0) as usize;
        first..((start + length - 0.5).ceil().max(0.0) as usize).min(limit)
    };
    let window = &sample.window;
    let (mut sum, mut pixels) = (0.0, 0u64);
    for y in span(bbox.y, bbox.height, mask.height()) {
        let v = (y as f64 + 0.5 - window.y0) / window.height();
        for x in span(bbox.x, bbox.width, mask.width()) {
            let probability = map.at((x as f64 + 0.5 - window.x0) / window.width(), v);
            if probability > threshold {
                mask.set(x, y);
                sum += probability;
                pixels += 1;
            }
        }
    }
    let score = if pixels == 0 { 0.0 } else { sum / pixels as f64 };
    (mask, score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bilinear_values_meet_cells_and_edges() {
        let map = ProbabilityMap { values: vec![0.0, 1.0, 0.5, 0.5], rows: 2, columns: 2 };
        assert_eq!(map.at(0.25, 0.25), 0.0);
        assert_eq!(map.at(0.75, 0.25), 1.0);
        assert_eq!(map.at(0.5, 0.25), 0.5);
        assert_eq!(map.at(1.0, 0.0), 1.0);
        assert_eq!(map.at(0.75, 0.5), 0.75);
    }

    #[test]
    fn pasted_mask_stays_in_the_box() {
        let dir = tempfile::tempdir().unwrap();
        image::RgbImage::new(20, 16).save(dir.path().join("a.png")).unwrap();
        let file = serde_json::json!({"images": [{"id": 1, "file_name": "a.png"}],
            "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 4, 8, 6]}]});
        std::fs::write(dir.path().join("a.json"), file.to_string()).unwrap();
        let keys = crate::mal::data::batch::DatasetKeys { annotations: "ann", images: "img" };
        let data = Dataset::open(&dir.path().join("a.json"), dir.path(), keys, 8).unwrap();
        let sample = data.test_sample(0, [1.0, 1.0]).unwrap();
        // The left half of the window [0, 16) is likely.
        let map = ProbabilityMap { values: [[0.9, 0.9, 0.0, 0.0]; 4].concat(), rows: 4, columns: 4 };
        let bbox = data.coco.objects[0].bbox;
        let (mask, score) = paste(&map, &sample, &bbox, 0.45, Mask::empty(20, 16));
        assert_eq!(mask.area(), 4 * 6);
        assert!(mask.get(4, 4) && mask.get(7, 9) && !mask.get(8, 4) && !mask.get(3, 4));
        assert!(score > 0.45 && score <= 0.9);
    }
}
