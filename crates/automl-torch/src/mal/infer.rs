//! The actions that use a checkpoint: `evaluate` and `inference`.

use serde_json::{Value, json};
use tch::Device;

use crate::checkpoint::{Checkpoint, prefixed};
use crate::error::TrainerError;
use crate::mal::data::batch::DatasetKeys;
use crate::mal::data::coco::{BBox, Coco};
use crate::mal::data::rle;
use crate::mal::job::Job;
use crate::mal::model::{Network, TEACHER};
use crate::mal::segment::{SegmentSettings, Segmented, Segmenter, for_each_mask};
use crate::mal::spec::Predictor;
use crate::mal::validate;
use crate::run::Ending;
use crate::spec::required;
use crate::status::{Status, say};

/// Measures mIoU of `evaluate.checkpoint` on the validation data.
pub(crate) fn evaluate(job: &mut Job<'_>) -> Result<Ending, TrainerError> {
    let settings = job.spec.evaluate.clone();
    let path = required(&settings.checkpoint, "evaluate.checkpoint")?;
    let data = job.validation_data()?;
    let checkpoint = Checkpoint::read(path, "evaluate.checkpoint")?;
    let networks = Networks::load(job, &checkpoint)?;
    let segmenter = networks.segmenter(settings.predictor);
    let scores = validate::measure(&segmenter, &data, segment_settings(job, settings.batch_size))?;
    let metrics = scores.metrics();
    let epoch = checkpoint.progress.epochs.saturating_sub(1);
    say(&format!("epoch: {epoch} {}", metrics.text));
    job.run.status.write_metrics(&metrics.kpi, "Evaluation metrics generated.")?;
    job.run.status.write(Status::Success, "Evaluation finished successfully.")?;
    Ok(Ending::Finished)
}

/// Writes the masks that `inference.checkpoint` gives for annotated boxes.
pub(crate) fn inference(job: &mut Job<'_>) -> Result<Ending, TrainerError> {
    let settings = job.spec.inference.clone();
    let path = required(&settings.checkpoint, "inference.checkpoint")?;
    let target = required(&settings.label_dump_path, "inference.label_dump_path")?;
    let keys = DatasetKeys { annotations: "inference.ann_path", images: "inference.img_dir" };
    let data = job.open(&settings.ann_path, &settings.img_dir, keys)?;
    let checkpoint = Checkpoint::read(path, "inference.checkpoint")?;
    let networks = Networks::load(job, &checkpoint)?;
    let mut results = Vec::new();
    let segmenter = networks.segmenter(Predictor::Student);
    for_each_mask(&segmenter, &data, segment_settings(job, settings.batch_size), |segmented| {
        results.push(result_entry(&data.coco, &segmented));
        Ok(())
    })?;
    let text = Value::Array(results).to_string();
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(target, text))
        .map_err(|source| TrainerError::Results { path: target.clone(), source })?;
    say(&format!("masks: {} written to {}", data.coco.objects.len(), target.display()));
    job.run.status.write(Status::Success, "Inference finished successfully.")?;
    Ok(Ending::Finished)
}

/// How the spec wants objects cut out and masks cut off.
pub(crate) fn segment_settings(job: &Job<'_>, batch_size: usize) -> SegmentSettings {
    SegmentSettings {
        batch_size,
        margins: job.spec.train.test_margin_rate,
        threshold: job.spec.train.mask_threshold,
        workers: job.workers(),
        device: job.device,
    }
}

struct Networks {
    student: Network,
    teacher: Network,
}

impl Networks {
    fn load(job: &Job<'_>, checkpoint: &Checkpoint) -> Result<Self, TrainerError> {
        let new = |device: Device| Network::new(job.arch, &job.spec.model, job.crop_side as i64, device);
        let networks = Self { student: new(job.device), teacher: new(job.device) };
        checkpoint.restore_model(networks.student.variables())?;
        checkpoint.restore(prefixed(TEACHER, networks.teacher.variables()))?;
        Ok(networks)
    }

    fn segmenter(&self, predictor: Predictor) -> Segmenter<'_> {
        Segmenter { student: &self.student, teacher: &self.teacher, predictor }
    }
}

/// One entry of a COCO result file.
fn result_entry(coco: &Coco, segmented: &Segmented) -> Value {
    let object = &coco.objects[segmented.object];
    let BBox { x, y, width, height } = object.bbox;
    let mask = &segmented.mask;
    json!({
        "id": object.id,
        "image_id": coco.images[object.image].id,
        "category_id": object.category,
        "bbox": [x, y, width, height],
        "area": mask.area(),
        "segmentation": { "size": [mask.height(), mask.width()], "counts": rle::pack(&rle::encode(mask)) },
        "score": segmented.score,
    })
}
