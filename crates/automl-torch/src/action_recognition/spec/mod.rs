//! The experiment spec of action recognition as checked values, with its schema's defaults.
//!
//! Key names, types and defaults follow the packaged schema, so that a spec written for the container
//! works here. Nothing here opens a data file or touches a device.

mod train;
mod video;

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::data::augment::{Augmentation, TestCrop, TrainCrop};
use super::data::sampling::{Lengths, Strategy};
use super::net::{Backbone, Dimensions, Head, Modality, NetworkShape};
use crate::cli::Action;
use crate::spec::{Devices, Range, SpecError, SpecReader, choice, count};
pub(crate) use train::{Monitor, SchedulerSpec, TrainSpec};
use video::VideoKeys;
pub(crate) use video::{ExportSpec, VideoSpec};

/// Everything one run needs to know.
#[derive(Debug, Clone)]
pub(crate) struct ActionSpec {
    /// `dataset.*`.
    pub(crate) dataset: DatasetSpec,
    /// `model.*`.
    pub(crate) model: ModelSpec,
    /// `train.*`.
    pub(crate) train: TrainSpec,
    /// `evaluate.*`.
    pub(crate) evaluate: VideoSpec,
    /// `inference.*`.
    pub(crate) inference: VideoSpec,
    /// `export.*`.
    pub(crate) export: ExportSpec,
}

/// Where the clips lie and how they reach the network.
#[derive(Debug, Clone)]
pub(crate) struct DatasetSpec {
    /// Folder of the training clips.
    pub(crate) train_dir: Option<PathBuf>,
    /// Folder of the validation clips.
    pub(crate) val_dir: Option<PathBuf>,
    /// Class names in order of their indices.
    pub(crate) classes: Vec<String>,
    /// Clips in a batch.
    pub(crate) batch_size: usize,
    /// Threads that prepare batches while a GPU computes; without one, batches are made in line.
    pub(crate) workers: usize,
    /// How often each training clip comes in an epoch, with other frames and crops each time.
    pub(crate) clips_per_video: usize,
    /// Crops, flips and normalisation.
    pub(crate) augmentation: Augmentation,
}

/// Shape of the network and where its first weights come from.
#[derive(Debug, Clone)]
pub(crate) struct ModelSpec {
    /// The network.
    pub(crate) shape: NetworkShape,
    /// How frames are chosen.
    pub(crate) strategy: Strategy,
    /// Frames for each stream.
    pub(crate) lengths: Lengths,
    /// Height and width of the input, px.
    pub(crate) input_size: [usize; 2],
    /// Weights of the whole joint network.
    pub(crate) joint_pretrained: Option<PathBuf>,
    /// Weights of each stream.
    pub(crate) stream_pretrained: Vec<StreamWeights>,
}

/// Weights that one stream starts from.
#[derive(Debug, Clone)]
pub(crate) struct StreamWeights {
    /// Which stream.
    pub(crate) modality: Modality,
    /// The file.
    pub(crate) path: PathBuf,
    /// The file was trained for other classes, so its classifier is left out.
    pub(crate) fresh_classifier: bool,
}

impl ActionSpec {
    /// Checks every key.
    pub(crate) fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        let dataset = DatasetSpec::read(spec)?;
        let model = ModelSpec::read(spec, dataset.classes.len() as i64)?;
        Ok(Self {
            train: TrainSpec::read(spec)?,
            evaluate: VideoSpec::read(spec, &VideoKeys::EVALUATE)?,
            inference: VideoSpec::read(spec, &VideoKeys::INFERENCE)?,
            export: ExportSpec::read(spec)?,
            dataset,
            model,
        })
    }

    /// Where the action computes.
    pub(crate) fn devices(&self, action: Action) -> &Devices {
        match action {
            Action::Train => &self.train.devices,
            Action::Evaluate => &self.evaluate.devices,
            Action::Inference => &self.inference.devices,
            Action::Export => &self.export.devices,
        }
    }
}

impl DatasetSpec {
    fn read(spec: &SpecReader) -> Result<Self, SpecError> {
        Ok(Self {
            train_dir: spec.path("dataset.train_dataset_dir")?,
            val_dir: spec.path("dataset.val_dataset_dir")?,
            classes: classes(spec)?,
            batch_size: count(spec, "dataset.batch_size", 2)? as usize,
            workers: spec.integer("dataset.workers", 8, Range::between(0.0, 64.0))? as usize,
            clips_per_video: count(spec, "dataset.clips_per_video", 1)? as usize,
            augmentation: augmentation(spec)?,
        })
    }
}

/// Class names in order of their indices, which must be 0, 1, … without gaps.
fn classes(spec: &SpecReader) -> Result<Vec<String>, SpecError> {
    let key = "dataset.label_map";
    let map = spec.integers_by_name(key)?;
    let map = map.filter(|map| !map.is_empty()).ok_or_else(|| SpecError::Missing { key: key.into() })?;
    let by_index: BTreeMap<i64, &String> = map.iter().map(|(name, index)| (*index, name)).collect();
    if !by_index.keys().copied().eq(0..map.len() as i64) {
        let value = format!("{map:?}");
        let allowed = format!("one name for each index from 0 to {}", map.len() - 1);
        return Err(SpecError::OutOfRange { key: key.into(), value, allowed });
    }
    Ok(by_index.into_values().cloned().collect())
}

fn augmentation(spec: &SpecReader) -> Result<Augmentation, SpecError> {
    let key = |name: &str| format!("dataset.augmentation_config.{name}");
    let positive = Range::at_least(1e-6);
    let kinds = ["random_crop", "multi_scale_crop", "no_crop"];
    let scales = spec.floats(&key("scales"), &[1.0], Range::between(0.01, 1.0))?;
    let smaller_edge = spec.integer(&key("crop_smaller_edge"), 256, Range::POSITIVE_COUNT)? as f64;
    let any = Range::between(f64::MIN, f64::MAX);
    Ok(Augmentation {
        train: match choice(spec, &key("train_crop_type"), kinds[0], &kinds)?.as_str() {
            "random_crop" => TrainCrop::Random { smaller_edge },
            "multi_scale_crop" => TrainCrop::MultiScale { scales },
            _ => TrainCrop::Whole,
        },
        test: if spec.boolean(&key("val_center_crop"), false)? {
            TestCrop::Centre { smaller_edge }
        } else {
            TestCrop::Whole
        },
        flip_probability: spec.float(&key("horizontal_flip_prob"), 0.5, Range::UNIT)?,
        rgb_mean: channel_numbers(spec, &key("rgb_input_mean"), &[0.485, 0.456, 0.406], any)?,
        rgb_std: channel_numbers(spec, &key("rgb_input_std"), &[0.229, 0.224, 0.225], positive)?,
        flow_mean: channel_numbers(spec, &key("of_input_mean"), &[0.5], any)?,
        flow_std: channel_numbers(spec, &key("of_input_std"), &[0.5], positive)?,
    })
}

/// One number for each of N channels; a single one serves all.
fn channel_numbers<const N: usize>(
    spec: &SpecReader,
    key: &str,
    default: &[f64],
    range: Range,
) -> Result<[f32; N], SpecError> {
    let numbers: Vec<f32> =
        spec.floats(key, default, range)?.into_iter().map(|number| number as f32).collect();
    match numbers.as_slice() {
        [single] => Ok([*single; N]),
        several => <[f32; N]>::try_from(several).map_err(|_| SpecError::OutOfRange {
            key: key.to_owned(),
            value: format!("{numbers:?}"),
            allowed: format!("one number, or one for each of {N} channels"),
        }),
    }
}

impl ModelSpec {
    fn read(spec: &SpecReader, classes: i64) -> Result<Self, SpecError> {
        let length = |key, default| spec.integer(key, default, Range::between(1.0, 1024.0));
        let (rgb, flow) = (length(RGB_LENGTH, 3)?, length(FLOW_LENGTH, 10)?);
        let streams = match choice(spec, "model.model_type", "rgb", &["rgb", "of", "joint"])?.as_str() {
            "rgb" => vec![(Modality::Rgb, rgb)],
            "of" => vec![(Modality::Flow, flow)],
            _ => vec![(Modality::Rgb, rgb), (Modality::Flow, flow)],
        };
        let dimensions = match choice(spec, "model.input_type", "2d", &["2d", "3d"])?.as_str() {
            "2d" => Dimensions::Two,
            _ => Dimensions::Three,
        };
        let head = Head { classes, dropout: spec.float("model.dropout_ratio", 0.5, Range::UNIT)? };
        let side = |key| spec.integer(key, 224, Range::between(8.0, 4096.0));
        let rate = spec.integer("model.sample_rate", 1, Range::between(1.0, 1024.0))? as usize;
        let strategies = ["random_interval", "consecutive"];
        let strategy = match choice(spec, "model.sample_strategy", strategies[0], &strategies)?.as_str() {
            "random_interval" => Strategy::Interval,
            _ => Strategy::Consecutive { rate },
        };
        let frames = |wanted| streams.iter().find(|(modality, _)| *modality == wanted).map(|s| s.1 as usize);
        Ok(Self {
            lengths: Lengths { rgb: frames(Modality::Rgb), flow: frames(Modality::Flow) },
            stream_pretrained: stream_weights(spec, &streams)?,
            shape: NetworkShape {
                backbone: backbone(spec, dimensions)?,
                dimensions,
                streams,
                head,
                joint_units: spec.integer("model.num_fc", 64, Range::between(1.0, 65_536.0))?,
            },
            strategy,
            input_size: [side("model.input_height")? as usize, side("model.input_width")? as usize],
            joint_pretrained: spec.path("model.joint_pretrained_model_path")?,
        })
    }
}

/// Key of the frames that the RGB stream sees.
pub(crate) const RGB_LENGTH: &str = "model.rgb_seq_length";
/// Key of the frames that the flow stream sees.
pub(crate) const FLOW_LENGTH: &str = "model.of_seq_length";

fn backbone(spec: &SpecReader, dimensions: Dimensions) -> Result<Backbone, SpecError> {
    let key = "model.backbone";
    let name = choice(spec, key, "resnet_18", &Backbone::names())?;
    let backbone = Backbone::by_name(&name).expect("a choice is one of the names");
    if backbone == Backbone::I3d && dimensions == Dimensions::Two {
        let allowed = "a resnet, or model.input_type must be 3d".to_owned();
        return Err(SpecError::OutOfRange { key: key.into(), value: name, allowed });
    }
    if spec.boolean("model.imagenet_pretrained", false)? {
        let allowed = "false: nothing is downloaded here; name a file in model.rgb_pretrained_model_path \
                       or model.of_pretrained_model_path";
        return Err(SpecError::OutOfRange {
            key: "model.imagenet_pretrained".into(),
            value: "true".into(),
            allowed: allowed.into(),
        });
    }
    Ok(backbone)
}

fn stream_weights(spec: &SpecReader, streams: &[(Modality, i64)]) -> Result<Vec<StreamWeights>, SpecError> {
    let mut weights = Vec::new();
    for modality in [Modality::Rgb, Modality::Flow] {
        let path = spec.path(pretrained_key(modality))?;
        let classes_key = format!("model.{}_pretrained_num_classes", modality.name());
        let classes = spec.integer(&classes_key, 5, Range::NOT_NEGATIVE)?;
        if let Some(path) = path.filter(|_| streams.iter().any(|(used, _)| *used == modality)) {
            weights.push(StreamWeights { modality, path, fresh_classifier: classes != 0 });
        }
    }
    Ok(weights)
}

/// Key of the file that a stream starts from.
pub(crate) fn pretrained_key(modality: Modality) -> &'static str {
    match modality {
        Modality::Rgb => "model.rgb_pretrained_model_path",
        Modality::Flow => "model.of_pretrained_model_path",
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::sampling::Windows;
    use super::*;

    fn read(text: &str) -> Result<ActionSpec, SpecError> {
        let mut overrides = vec![("dataset.label_map".to_owned(), "{smile: 1, catch: 0}".to_owned())];
        overrides.retain(|_| !text.contains("label_map"));
        ActionSpec::read(&SpecReader::parse(text, "spec.yaml", &overrides)?)
    }

    #[test]
    fn empty_spec_has_schema_defaults() {
        let spec = read("").unwrap();
        assert_eq!(spec.dataset.classes, ["catch", "smile"]);
        assert_eq!((spec.train.lr, spec.train.optimizer.momentum), (5e-4, 0.9));
        assert_eq!(spec.train.scheduler, SchedulerSpec::MultiStep { steps: vec![15, 25], decay: 0.1 });
        assert_eq!(spec.model.shape.streams, [(Modality::Rgb, 3)]);
        assert_eq!((spec.model.input_size, spec.dataset.batch_size), ([224, 224], 2));
        assert_eq!((spec.evaluate.windows, spec.dataset.augmentation.flow_std), (Windows::Centre, [0.5; 2]));
    }

    #[test]
    fn wrong_choices_are_refused() {
        for text in [
            "model: {backbone: vgg}",
            "model: {backbone: i3d}",
            "model: {imagenet_pretrained: true}",
            "model: {dropout_ratio: 1.5}",
            "dataset: {label_map: {a: 0, b: 2}}",
            "dataset: {label_map: {a: 0, b: 0}}",
            "dataset: {label_map: {a: 0}, augmentation_config: {rgb_input_std: [0.2, 0.2]}}",
            "train: {optim: {lr_scheduler: Cosine}}",
        ] {
            assert!(
                matches!(read(text), Err(SpecError::OutOfRange { .. })),
                "{text}: {:?}",
                read(text).err()
            );
        }
    }

    #[test]
    fn missing_label_map_is_named() {
        let reader = SpecReader::parse("model: {model_type: of}", "spec.yaml", &[]).unwrap();
        let refused = ActionSpec::read(&reader).unwrap_err().to_string();
        assert!(refused.starts_with("missing in spec: dataset.label_map"), "{refused}");
    }

    #[test]
    fn files_of_unused_streams_are_not_loaded() {
        let text =
            "model: {model_type: of, rgb_pretrained_model_path: a.pth, of_pretrained_model_path: b.pth}";
        let weights = read(text).unwrap().model.stream_pretrained;
        assert_eq!(weights.len(), 1);
        assert!(weights[0].modality == Modality::Flow && weights[0].fresh_classifier);
    }
}
