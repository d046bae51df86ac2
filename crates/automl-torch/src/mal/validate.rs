//! Mask IoU against true masks, per category and per size.
//!
//! IoU is measured per object; a category's score is the mean of its objects, and mIoU is the mean of
//! the categories, so a frequent category does not outvote a rare one. Sizes are those of the true
//! masks. Objects without a true mask do not count.

use std::collections::BTreeMap;

use crate::epochs::Metrics;
use crate::error::TrainerError;
use crate::mal::data::DataError;
use crate::mal::data::batch::Dataset;
use crate::mal::segment::{SegmentSettings, Segmenter, for_each_mask};
use crate::mal::size_class::SizeClass;

/// IoU of every object that has a true mask.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    objects: Vec<ObjectScore>,
}

#[derive(Debug)]
struct ObjectScore {
    category: i64,
    size: SizeClass,
    iou: f64,
}

impl Scores {
    /// Mean over categories of the mean IoU of those objects that `keep` accepts.
    fn mean_over_categories(&self, keep: impl Fn(&ObjectScore) -> bool) -> Option<f64> {
        let mut categories: BTreeMap<i64, (f64, u64)> = BTreeMap::new();
        for object in self.objects.iter().filter(|object| keep(object)) {
            let (sum, count) = categories.entry(object.category).or_default();
            *sum += object.iou;
            *count += 1;
        }
        if categories.is_empty() {
            return None;
        }
        Some(
            categories.values().map(|(sum, count)| sum / *count as f64).sum::<f64>()
                / categories.len() as f64,
        )
    }

    /// `mIoU`, then `mIoU_<size>` for the sizes that occur; on stdout `val/mIoU: 0.4127 …`.
    pub(crate) fn metrics(&self) -> Metrics {
        let overall = self.mean_over_categories(|_| true).map(|value| ("mIoU".to_owned(), value));
        let by_size = SizeClass::ALL.into_iter().filter_map(|size| {
            let value = self.mean_over_categories(|object| object.size == size)?;
            Some((format!("mIoU_{}", size.name()), value))
        });
        let kpi: Vec<_> = overall.into_iter().chain(by_size).collect();
        let texts = kpi.iter().map(|(name, value)| format!("val/{name}: {value:.4}"));
        Metrics { text: texts.collect::<Vec<_>>().join(" "), kpi }
    }
}

/// Segments the data set and compares with its true masks.
pub(crate) fn measure(
    segmenter: &Segmenter<'_>,
    data: &Dataset,
    settings: SegmentSettings,
) -> Result<Scores, TrainerError> {
    let mut scores = Scores::default();
    for_each_mask(segmenter, data, settings, |segmented| {
        let entry = &data.coco.objects[segmented.object];
        let (width, height) = (segmented.mask.width(), segmented.mask.height());
        if let Some(truth) = data.coco.mask(entry, width, height)? {
            scores.objects.push(ObjectScore {
                category: entry.category,
                size: SizeClass::of_area(truth.area() as f64),
                iou: segmented.mask.iou(&truth),
            });
        }
        Ok(())
    })?;
    Ok(scores)
}

/// Refuses a data set without any true mask before time is spent on training.
pub(crate) fn require_masks(data: &Dataset) -> Result<(), DataError> {
    if data.coco.objects.iter().any(|object| object.segmentation.is_some()) {
        return Ok(());
    }
    let why = "no annotation has a segmentation; dataset.val_ann_path must hold true masks".to_owned();
    Err(DataError::NoObjects { path: data.coco.path.clone(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_count_equally() {
        let object = |category, size, iou| ObjectScore { category, size, iou };
        let scores = Scores {
            objects: vec![
                object(1, SizeClass::Small, 0.2),
                object(1, SizeClass::Small, 0.4),
                object(1, SizeClass::Large, 0.6),
                object(2, SizeClass::Small, 0.8),
            ],
        };
        let metrics = scores.metrics();
        let names: Vec<_> = metrics.kpi.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["mIoU", "mIoU_small", "mIoU_large"]);
        let expected = [(0.4 + 0.8) / 2.0, (0.3 + 0.8) / 2.0, 0.6];
        assert!(metrics.kpi.iter().zip(expected).all(|((_, value), wanted)| (value - wanted).abs() < 1e-12));
        assert!(metrics.text.ends_with(" val/mIoU_large: 0.6000"), "{}", metrics.text);
    }
}
