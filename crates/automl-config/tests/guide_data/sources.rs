//! `data_sources`: which dataset, one or several, paths, mappings, values, transforms, conditions.

use crate::harness::{Case, RESULTS};
use automl_config::ParentJob;
use serde_json::{Value, json};
use std::path::PathBuf;

#[test]
fn basic_structure_maps_a_file_to_a_key() {
    let block = r#"{
        "data_sources": {
            "action_name": {
                "config.path": {
                    "source": "train_datasets",
                    "multiple_sources": false,
                    "path": "images.tar.gz"
                }
            }
        }
    }"#;
    let block = block.replace("action_name", "train");
    let case = Case::new(&["coco"]).with(&block).files(&["d/images/"]).train(&["d"]);
    assert_eq!(case.spec()["config"]["path"], "ROOT/d/images");
}

#[test]
fn every_source_has_its_own_dataset() {
    let mut case = Case::new(&["coco"]).files(&["t/", "e/", "i/", "c/", "o/"]).train(&["t"]).own("o");
    case = case.datasets(|datasets, path| {
        datasets.eval = Some(path("e"));
        datasets.inference = Some(path("i"));
        datasets.calibration = Some(path("c"));
    });
    let entries = json!({
        "a": {"source": "train_datasets"}, "b": {"source": "eval_dataset"}, "c": {"source": "inference_dataset"},
        "d": {"source": "calibration_dataset"}, "e": {"source": "id", "path": ""}
    });
    let spec = case.sources(&entries.to_string()).spec();
    let found = ["a", "b", "c", "d", "e"].map(|key| spec[key].as_str().unwrap().to_string());
    assert_eq!(found, ["ROOT/t", "ROOT/e", "ROOT/i", "ROOT/c", "ROOT/o"]);
}

#[test]
fn simple_path_takes_archive_or_folder() {
    let block = r#"{
        "dataset.train_dataset_dir": {
            "source": "train_datasets",
            "multiple_sources": false,
            "path": "train.tar.gz"
        }
    }"#;
    let folder = Case::new(&["default"]).sources(block).files(&["d/train/"]).train(&["d"]);
    assert_eq!(
        folder.spec(),
        json!({"train": {"lr": 0.1}, "dataset": {"train_dataset_dir": "ROOT/d/train"}})
    );
    let archive = Case::new(&["default"]).sources(block).files(&["d/train.tar.gz"]).train(&["d"]);
    assert_eq!(archive.archives(), ["ROOT/d/train.tar.gz"]);
    let unpacked = archive.datasets(|datasets, path| {
        datasets.unpacked.insert(path("d/train.tar.gz"), PathBuf::from("/cache/1/train"));
    });
    assert_eq!(unpacked.spec()["dataset"]["train_dataset_dir"], "/cache/1/train");
    assert!(unpacked.archives().is_empty());
}

#[test]
fn multiple_sources_give_a_list_of_mappings() {
    let block = r#"{
        "dataset.train_data_sources": {
            "source": "train_datasets",
            "multiple_sources": true,
            "mapping": {
                "image_dir": { "path": "images.tar.gz" },
                "json_file": { "path": "annotations.json" }
            }
        }
    }"#;
    let files = ["a/images/", "a/annotations.json", "b/images/", "b/annotations.json"];
    let case = Case::new(&["coco"]).sources(block).files(&files).train(&["a", "b"]);
    let expected = json!([
        {"image_dir": "ROOT/a/images", "json_file": "ROOT/a/annotations.json"},
        {"image_dir": "ROOT/b/images", "json_file": "ROOT/b/annotations.json"},
    ]);
    assert_eq!(case.spec()["dataset"]["train_data_sources"], expected);
}

#[test]
fn nested_mapping_transforms_single_paths() {
    let block = r#"{
        "dataset.train_data_sources": {
            "source": "train_datasets",
            "multiple_sources": true,
            "mapping": {
                "image_dir": { "path": "images.tar.gz", "transform": "handle_tar_path" },
                "annotations_file": { "path": "annotations.json" }
            }
        }
    }"#;
    let job = "results/0a1b2c3d-0000-4000-8000-123456789abc";
    let files =
        ["a/images/", "a/annotations.json", &format!("{job}/images/"), &format!("{job}/annotations.json")];
    let case = Case::new(&["coco"]).sources(block).files(&files).train(&["a", job]);
    let expected = json!([
        {"image_dir": "ROOT/a/images", "annotations_file": "ROOT/a/annotations.json"},
        {"image_dir": format!("ROOT/{job}/images"), "annotations_file": format!("ROOT/{job}/annotations.json")},
    ]);
    assert_eq!(case.spec()["dataset"]["train_data_sources"], expected);
}

#[test]
fn what_another_job_wrote_has_a_folder_of_images() {
    let job = "results/0a1b2c3d-0000-4000-8000-123456789abc";
    let entry = json!({"d.dir": {"source": "train_datasets", "path": "", "transform": ["handle_tar_path", "wrap_in_list"]}});
    let case = Case::new(&["coco"]).sources(&entry.to_string()).files(&[&format!("{job}/x"), "plain/"]);
    let case = case.train(&[job]);
    assert_eq!(case.spec()["d"]["dir"], json!([format!("ROOT/{job}/images")]));
    assert_eq!(case.train(&["plain"]).spec()["d"]["dir"], json!(["ROOT/plain"]));
}

#[test]
fn mappings_may_be_deep_and_hold_metadata() {
    let entry = json!({"d.x": {"source": "train_datasets", "mapping": {
        "data_prefix": {"pts": {"path": "points"}, "img": {"path": "images", "transform": "wrap_in_list"}},
        "kind": "dataset_type", "form": "dataset_format", "use": "dataset_intent", "classes": "classes", "none": "unknown",
        "extra": {"path": "extra.json", "optional": true}
    }}});
    let case =
        Case::new(&["coco"]).sources(&entry.to_string()).files(&["d/points/", "d/images/"]).train(&["d"]);
    let case = case.facts("d", "metadata: {classes: 12}");
    let expected = json!({
        "data_prefix": {"pts": "ROOT/d/points", "img": ["ROOT/d/images"]},
        "kind": "object_detection", "form": "coco", "use": "training", "classes": 12
    });
    assert_eq!(case.spec()["d"]["x"], expected);
}

#[test]
fn static_values_know_the_job() {
    let block = r#"{
        "output.path": {
            "source": "id",
            "multiple_sources": false,
            "value": "/results/{job_id}/output.json"
        }
    }"#;
    let case = Case::new(&["coco"]).sources(block).files(&["d/"]).own("d");
    assert_eq!(case.spec()["output"]["path"], format!("{RESULTS}/output.json"));
    let named = Case::new(&["coco"]).sources(
        r#"{"x": {"source": "id", "value": "job-{job_id}"}, "y": {"source": "id", "value": false}}"#,
    );
    let spec = named.files(&["d/"]).own("d").spec();
    assert_eq!((&spec["x"], &spec["y"]), (&json!("job-s-3"), &json!(false)));
    let absent = Case::new(&["coco"]).sources(block).spec();
    assert_eq!(absent["output"], Value::Null, "without a dataset the entry is skipped");
}

#[test]
fn transforms_are_chained_in_order() {
    let block = r#"{
        "config.path": {
            "source": "train_datasets",
            "path": "images.tar.gz",
            "transform": ["data_services_as_parent_possible", "wrap_in_list"]
        }
    }"#;
    let case = Case::new(&["coco"]).sources(block).files(&["d/images/"]).train(&["d"]);
    assert_eq!(case.spec()["config"]["path"], json!(["ROOT/d/images"]));
    let entry = json!({"a": {"source": "train_datasets", "transform": ["wrap_in_list", "wrap_in_list"]},
                       "b": {"source": "train_datasets", "multiple_sources": true, "transform": "wrap_in_list"}});
    let spec =
        Case::new(&["coco"]).sources(&entry.to_string()).files(&["d/", "e/"]).train(&["d", "e"]).spec();
    assert_eq!(spec["a"], json!([["ROOT/d"]]));
    assert_eq!(spec["b"], json!(["ROOT/d", "ROOT/e"]), "a list of datasets is a list already");
}

#[test]
fn conversions_are_found_by_the_dataset() {
    let block = r#"{
        "dataset.train_tfrecords": {
            "source": "train_datasets",
            "path": "results/{dataset_convert_job_id}/dataset_convert",
            "transform": ["use_dataset_convert_job", "wrap_in_list"]
        }
    }"#;
    let case = Case::new(&["coco"]).sources(block).files(&["d/", "converted/dataset_convert/"]).train(&["d"]);
    let case = case.facts("d", "convert: {id: job-7, results: ../converted}");
    let spec = case.spec();
    let text = spec["dataset"]["train_tfrecords"][0].as_str().unwrap();
    assert_eq!(
        std::fs::canonicalize(text.replace("ROOT", case.path("").to_str().unwrap())).unwrap(),
        std::fs::canonicalize(case.path("converted/dataset_convert")).unwrap()
    );
    let without = Case::new(&["coco"]).sources(block).files(&["d/"]).train(&["d"]);
    assert_eq!(
        without.problems(),
        [
            "--train-dataset: error: ROOT/d has no conversion job, needed for `dataset.train_tfrecords` (name it in its dataset.yaml: `convert: {id: ID, results: DIR}`)"
        ]
    );
}

#[test]
fn conditions_gate_a_mapping() {
    let block = r#"{
        "config.path": {
            "source": "id",
            "conditional": { "metadata_key": "format", "equals": "coco" },
            "path": "annotations.json"
        }
    }"#;
    let case = |format: &str| {
        let case = Case::new(&["coco", "kitti"]).sources(block).files(&["d/annotations.json"]).own("d");
        case.facts("d", &format!("format: {format}")).spec()
    };
    assert_eq!(case("coco")["config"]["path"], "ROOT/d/annotations.json");
    assert_eq!(case("kitti")["config"], Value::Null);
    let negated = block.replace("equals", "not_equals");
    let spec = Case::new(&["coco", "kitti"]).sources(&negated).files(&["d/annotations.json"]).own("d");
    assert_eq!(spec.facts("d", "format: kitti").spec()["config"]["path"], "ROOT/d/annotations.json");
}

#[test]
fn optional_files_may_be_missing() {
    let block = r#"{
        "config.optional_file": {
            "source": "train_datasets",
            "path": "optional_metadata.json",
            "optional": true
        }
    }"#;
    let missing = Case::new(&["coco"]).sources(block).files(&["d/"]).train(&["d"]);
    assert_eq!(missing.spec()["config"], Value::Null);
    let there = Case::new(&["coco"]).sources(block).files(&["d/optional_metadata.json"]).train(&["d"]);
    assert_eq!(there.spec()["config"]["optional_file"], "ROOT/d/optional_metadata.json");
    let needed = block.replace("true", "false");
    assert_eq!(
        Case::new(&["coco"]).sources(&needed).files(&["d/"]).train(&["d"]).problems(),
        [
            "--train-dataset: error: ROOT/d has no file `optional_metadata.json`, needed for `config.optional_file`"
        ]
    );
}

#[test]
fn own_paths_and_uris_win_over_datasets() {
    let entry = r#"{"train.path": {"source": "train_datasets", "path": "a.json"}}"#;
    let schema = r#"{"properties": {"train": {"properties": {"lr": {"type": "float", "default": 0.1, "minimum": 0.01, "maximum": 1},
        "path": {"type": "string", "default": ""}}}}}"#;
    for (own, expected) in [
        ("/data/x", json!("/data/x")),
        ("s3://bucket/x", json!("s3://bucket/x")),
        ("file:///data/x", json!("/data/x")),
        ("relative/x", json!("ROOT/d/a.json")),
    ] {
        let mut case = Case::new(&["coco"]).sources(entry).files(&["d/a.json"]).train(&["d"]);
        case.write("schema.json", schema);
        case.request.set = vec![format!("train.path={own}")];
        assert_eq!(case.spec()["train"]["path"], expected, "{own}");
        let gives_way = case.notes().iter().any(|note| note.contains("gives way to the dataset"));
        assert_eq!(gives_way, own.starts_with("relative"));
    }
}

#[test]
fn the_parent_job_is_asked_for_keys() {
    let entry = r#"{"train.lora": {"source": "parent_job_specs", "check_key_exists": "policy.lora"}}"#;
    let mut case = Case::new(&["coco"]).sources(entry);
    assert_eq!(case.spec()["train"]["lora"], Value::Null, "without a parent nothing is set");
    let parent = |spec: Value| {
        Some(ParentJob {
            id: "p".into(),
            network: None,
            action: "train".into(),
            spec,
            results_dir: "/results/p".into(),
            checkpoint: None,
        })
    };
    case.request.parent = parent(json!({"policy": {"lora": {"r": 8}}}));
    assert_eq!(case.spec()["train"]["lora"], true);
    case.request.parent = parent(json!({"policy": {"lora": null}}));
    assert_eq!(case.spec()["train"]["lora"], false);
}
