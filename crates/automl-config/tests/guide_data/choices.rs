//! `data_sources`: paths and values that depend on what a dataset is, or on what the model is.

use crate::harness::Case;
use serde_json::{Value, json};

const BY_FORMAT: &str = r#"{
    "data.ann_path": {
        "source": "id",
        "multiple_sources": false,
        "path_from_format": {
            "kitti": "labels.tar.gz",
            "coco": "annotations.json",
            "*": "annotations.json"
        }
    }
}"#;

fn by_format(format: &str) -> Value {
    let case = Case::new(&["coco", "kitti", "raw"]).sources(BY_FORMAT);
    let case = case.files(&["d/labels/", "d/annotations.json"]).own("d");
    case.facts("d", &format!("format: {format}")).spec()["data"]["ann_path"].clone()
}

#[test]
fn format_decides_with_an_asterisk_for_the_rest() {
    assert_eq!(by_format("kitti"), "ROOT/d/labels");
    assert_eq!(by_format("coco"), "ROOT/d/annotations.json");
    assert_eq!(by_format("raw"), "ROOT/d/annotations.json");
}

#[test]
fn formats_without_a_path_are_told() {
    let block = BY_FORMAT.replace(r#""*""#, r#""odvg""#);
    let case = Case::new(&["coco", "kitti", "raw"]).sources(&block).files(&["d/"]).own("d");
    assert_eq!(
        case.facts("d", "format: raw").problems(),
        [
            "--dataset: error: `data.ann_path`: format of ROOT/d is `raw`; there are paths for `kitti`, `coco`, `odvg` (state it in the dataset's dataset.yaml, or give the value: --set data.ann_path=PATH)"
        ]
    );
}

#[test]
fn of_several_paths_the_first_that_is_there_is_taken() {
    let entry = r#"{"x": {"source": "train_datasets", "path_from_format": {"llava": ["a.json", "b.json"]}}}"#;
    let case = Case::new(&["llava"]).sources(entry).files(&["d/b.json"]).train(&["d"]);
    assert_eq!(case.spec()["x"], "ROOT/d/b.json");
    let none = Case::new(&["llava"]).sources(entry).files(&["d/"]).train(&["d"]);
    assert_eq!(none.problems(), ["--train-dataset: error: ROOT/d has no file `a.json`, needed for `x`"]);
}

#[test]
fn intent_decides() {
    let block = r#"{
        "dataset.train_dataset": {
            "source": "id",
            "multiple_sources": false,
            "path_from_intent": {
                "training": "train.tar.gz",
                "evaluation": "test.tar.gz"
            }
        }
    }"#;
    let spec = |facts: &str| {
        let case = Case::new(&["default"]).sources(block).files(&["d/train/", "d/test/"]).own("d");
        case.facts("d", facts).spec()["dataset"]["train_dataset"].clone()
    };
    assert_eq!(spec("intent: training"), "ROOT/d/train");
    assert_eq!(spec("intent: [evaluation]"), "ROOT/d/test");
    assert_eq!(spec("intent: testing"), Value::Null, "an intent without a path leaves the key alone");
    let by_flag = block.replace("\"id\"", "\"eval_dataset\"");
    let case = Case::new(&["default"]).sources(&by_flag).files(&["d/train/", "d/test/"]);
    let case = case.datasets(|datasets, path| datasets.eval = Some(path("d")));
    assert_eq!(case.spec()["dataset"]["train_dataset"], "ROOT/d/test", "the flag says what it is for");
}

#[test]
fn type_decides() {
    let block = r#"{
        "config.path": {
            "source": "train_datasets",
            "multiple_sources": false,
            "path_from_type": {
                "segmentation": "masks/",
                "classification": "images/"
            }
        }
    }"#;
    for (kind, expected) in [("segmentation", "ROOT/d/masks/"), ("classification", "ROOT/d/images/")] {
        let case = Case::new(&["default"]).sources(block).files(&["d/masks/", "d/images/"]).train(&["d"]);
        assert_eq!(case.facts("d", &format!("type: {kind}")).spec()["config"]["path"], expected);
    }
    let case = Case::new(&["default"]).sources(block).files(&["d/masks/"]).train(&["d"]);
    let case = case.with(r#"{"api_params": {"dataset_type": "segmentation"}}"#);
    assert_eq!(case.spec()["config"]["path"], "ROOT/d/masks/", "the network's type is assumed");
}

#[test]
fn source_decides() {
    let block = r#"{
        "gen_trt_engine.tensorrt.calibration.cal_image_dir": {
            "source": "calibration_dataset",
            "multiple_sources": false,
            "path_from_source": {
                "eval_dataset": "images_val.tar.gz",
                "*": "images_train.tar.gz"
            }
        }
    }"#;
    let files = ["e/images_val/", "e/images_train/", "c/images_val/", "c/images_train/"];
    let spec = |calibration: &str| {
        let case = Case::new(&["default"]).sources(block).files(&files).datasets(|datasets, path| {
            datasets.eval = Some(path("e"));
            datasets.calibration = Some(path(calibration));
        });
        case.spec()["gen_trt_engine"]["tensorrt"]["calibration"]["cal_image_dir"].clone()
    };
    assert_eq!(spec("e"), "ROOT/e/images_val", "the calibration dataset is the evaluation dataset");
    assert_eq!(spec("c"), "ROOT/c/images_train", "it is another one");
}

#[test]
fn model_type_decides() {
    let block = r#"{
        "dataset.train_dataset": {
            "source": "train_datasets",
            "multiple_sources": false,
            "path_from_model_type": {
                "nvidia": "nvidia/train_data.npy",
                "openpose": "kinetics/train_data.npy"
            }
        }
    }"#;
    let schema = r#"{"properties": {"train": {"properties": {"lr": {"type": "float", "default": 0.1, "minimum": 0.01, "maximum": 1}}},
        "model": {"properties": {"graph_layout": {"type": "string", "default": "LAYOUT"}}}}}"#;
    let spec = |layout: &str, block: &str| {
        let case = Case::new(&["default"]).sources(block).train(&["d"]);
        let case = case.files(&["d/nvidia/train_data.npy", "d/kinetics/train_data.npy"]);
        let case = case.with(r#"{"dynamic_config": {"model_type_key": "model.graph_layout"}}"#);
        case.write("schema.json", &schema.replace("LAYOUT", layout));
        case.spec()["dataset"]["train_dataset"].clone()
    };
    assert_eq!(spec("nvidia", block), "ROOT/d/nvidia/train_data.npy");
    assert_eq!(spec("openpose", block), "ROOT/d/kinetics/train_data.npy");
    let renamed = block.replace("\"openpose\"", "\"kinetics\"");
    assert_eq!(spec("openpose", &renamed), "ROOT/d/kinetics/train_data.npy", "the layout has two names");
}

#[test]
fn metadata_become_values() {
    let block = r#"{
        "data.dataset_type": {
            "source": "id",
            "multiple_sources": false,
            "value_from_metadata": {
                "key": "format",
                "default": "coco",
                "mapping": { "kitti": "kitti", "coco": "coco", "*": "coco" }
            }
        }
    }"#;
    for (format, expected) in [("kitti", "kitti"), ("coco", "coco"), ("raw", "coco")] {
        let case = Case::new(&["coco", "kitti", "raw"]).sources(block).files(&["d/"]).own("d");
        assert_eq!(case.facts("d", &format!("format: {format}")).spec()["data"]["dataset_type"], expected);
    }
    let entry = json!({"a": {"source": "train_datasets", "value_from_metadata": {"key": "classes", "mapping": {"12": 13}, "default": 2}}});
    for (facts, expected) in
        [("metadata: {classes: 12}", 13), ("metadata: {classes: 5}", 2), ("format: coco", 2)]
    {
        let case = Case::new(&["coco"]).sources(&entry.to_string()).files(&["d/"]).train(&["d"]);
        assert_eq!(case.facts("d", facts).spec()["a"], expected, "{facts}");
    }
}

#[test]
fn the_conversion_jobs_spec_decides() {
    let block = r#"{
        "dataset.data_root": {
            "source": "train_datasets",
            "multiple_sources": false,
            "path_from_convert_job_spec": {
                "spec_path": "aicity.split",
                "mapping": { "train": "train", "val": "val", "test": "test", "*": "train" }
            }
        }
    }"#;
    let spec = |split: &str| {
        let case = Case::new(&["ovpkl"]).sources(block).train(&["d"]).files(&["d/train/", "d/val/", "job/"]);
        case.write("job/spec.yaml", &format!("aicity: {{split: {split}}}\n"));
        case.facts("d", "convert: {results: ../job, spec: ../job/spec.yaml}").spec()["dataset"]["data_root"]
            .clone()
    };
    assert_eq!(spec("val"), "ROOT/d/val");
    assert_eq!(spec("train"), "ROOT/d/train");
    assert_eq!(spec("other"), "ROOT/d/train", "the asterisk");
    let case = Case::new(&["ovpkl"]).sources(block).train(&["d"]).files(&["d/"]);
    assert_eq!(case.spec()["dataset"]["data_root"], "ROOT/d", "without a conversion the next rule speaks");
    assert!(case.notes()[0].contains("names no conversion job"), "{:?}", case.notes());
}
