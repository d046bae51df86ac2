//! The actions that use a checkpoint: `evaluate` and `inference`.

use serde_json::{Value, json};
use tch::Device;

use crate::checkpoint::Checkpoint;
use crate::data::batch::DatasetKeys;
use crate::data::coco::{BBox, Coco};
use crate::data::rle;
use crate::error::TrainerError;
use crate::model::Network;
use crate::run::{Ending, Run};
use crate::segment::{SegmentSettings, Segmented, Segmenter, for_each_mask};
use crate::spec::{Predictor, required};
use crate::status::{Status, say};
use crate::validate;

/// Measures mIoU of `evaluate.checkpoint` on the validation data.
pub(crate) fn evaluate(run: &mut Run<'_>) -> Result<Ending, TrainerError> {
    let settings = run.spec.evaluate.clone();
    let path = required(&settings.checkpoint, "evaluate.checkpoint")?;
    let data = run.validation_data()?;
    let checkpoint = Checkpoint::read(path, "evaluate.checkpoint")?;
    let networks = Networks::load(run, &checkpoint)?;
    let segmenter = networks.segmenter(settings.predictor);
    let scores = validate::measure(&segmenter, &data, segment_settings(run, settings.batch_size))?;
    let metrics = scores.metrics();
    let epoch = checkpoint.progress.epochs.saturating_sub(1);
    say(&format!("epoch: {epoch} {}", validate::metrics_text(&metrics)));
    run.status.write_metrics(&metrics, "Evaluation metrics generated.")?;
    run.status.write(Status::Success, "Evaluation finished successfully.")?;
    Ok(Ending::Finished)
}

/// Writes the masks that `inference.checkpoint` gives for annotated boxes.
pub(crate) fn inference(run: &mut Run<'_>) -> Result<Ending, TrainerError> {
    let settings = run.spec.inference.clone();
    let path = required(&settings.checkpoint, "inference.checkpoint")?;
    let target = required(&settings.label_dump_path, "inference.label_dump_path")?;
    let keys = DatasetKeys { annotations: "inference.ann_path", images: "inference.img_dir" };
    let data = run.open(&settings.ann_path, &settings.img_dir, keys)?;
    let checkpoint = Checkpoint::read(path, "inference.checkpoint")?;
    let networks = Networks::load(run, &checkpoint)?;
    let mut results = Vec::new();
    let segmenter = networks.segmenter(Predictor::Student);
    for_each_mask(&segmenter, &data, segment_settings(run, settings.batch_size), |segmented| {
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
    run.status.write(Status::Success, "Inference finished successfully.")?;
    Ok(Ending::Finished)
}

/// How the spec wants objects cut out and masks cut off.
pub(crate) fn segment_settings(run: &Run<'_>, batch_size: usize) -> SegmentSettings {
    SegmentSettings {
        batch_size,
        margins: run.spec.train.test_margin_rate,
        threshold: run.spec.train.mask_threshold,
        workers: run.workers(),
        device: run.device,
    }
}

struct Networks {
    student: Network,
    teacher: Network,
}

impl Networks {
    fn load(run: &Run<'_>, checkpoint: &Checkpoint) -> Result<Self, TrainerError> {
        let new = |device: Device| Network::new(run.arch, &run.spec.model, run.crop_side as i64, device);
        let networks = Self { student: new(run.device), teacher: new(run.device) };
        checkpoint.restore_student(&networks.student)?;
        checkpoint.restore_teacher(&networks.teacher)?;
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
