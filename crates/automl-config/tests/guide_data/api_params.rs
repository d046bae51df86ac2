//! `api_params`: actions, formats, images, and the form of specs.

use crate::harness::{Case, spec_file};
use automl_config::check_file;

const OBJECT_DETECTION: &str = r#"{
    "api_params": {
        "dataset_type": "object_detection",
        "actions": ["train", "evaluate", "export", "inference"],
        "formats": ["kitti", "coco", "raw"],
        "accepted_ds_intents": ["training", "evaluation", "testing"],
        "image": "TAO_PYTORCH",
        "spec_backend": "yaml",
        "actions_pipe": {
            "train": "train",
            "evaluate": "evaluate",
            "export": "export_with_spec",
            "inference": "inference"
        }
    }
}"#;

/// Messages of checking a config of its own.
fn checked(text: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("n.config.json");
    std::fs::write(&path, text).unwrap();
    check_file(&path).iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect()
}

#[test]
fn the_whole_section_is_understood() {
    assert_eq!(checked(OBJECT_DETECTION), [""; 0]);
    let foreign = OBJECT_DETECTION.replace(r#""train": "train","#, r#""validate": "train","#);
    assert_eq!(checked(&foreign), ["api_params.actions_pipe: `validate` is not among api_params.actions"]);
    let wrong = OBJECT_DETECTION.replace(r#"["kitti", "coco", "raw"]"#, r#""kitti""#);
    assert_eq!(checked(&wrong), ["api_params.formats: expected a list of texts, found the text `kitti`"]);
}

#[test]
fn specs_are_written_in_the_networks_format() {
    for (backend, name, text) in [
        ("yaml", "spec.yaml", "train:\n  lr: 0.1\n"),
        ("json", "spec.json", "{\n  \"train\": {\n    \"lr\": 0.1\n  }\n}"),
        ("toml", "spec.toml", "[train]\nlr = 0.1\n"),
    ] {
        let case =
            Case::new(&["coco"]).with(&format!(r#"{{"api_params": {{"spec_backend": "{backend}"}}}}"#));
        assert_eq!(spec_file(&case.recipe()), (name.into(), text.into()));
    }
    let case = Case::new(&["coco"]).with(r#"{"api_params": {"spec_backend": "protobuf"}}"#);
    assert!(case.problems()[0].contains("specs of network `n` cannot be written"));
}

#[test]
fn only_actions_that_can_be_launched_run() {
    let overrides = r#"{
        "api_params": {
            "image": "TAO_PYTORCH",
            "image_override_per_action": { "dataset_convert": "TAO_DS" },
            "actions_pipe": { "dataset_convert": "pyt_odconvert" }
        }
    }"#;
    let case = |action: &str| {
        let mut case = Case::new(&["coco"]).with(overrides);
        case.request.action = action.into();
        case
    };
    let notes = case("dataset_convert").recipe().notes;
    assert!(notes.iter().any(|note| note.contains("taking `n dataset_convert -e SPEC`")), "{notes:?}");
    assert!(case("trian").problems()[0].contains("did you mean `train`?"));
}

#[test]
fn files_within_files_are_followed_where_the_network_says_so() {
    let sections = r#"{
        "api_params": { "recursive_dataset_file_download": true },
        "data_sources": { "train": { "data": { "source": "train_datasets", "path": "list.json" } } }
    }"#;
    let case = |flag: bool, list: &str| {
        let case = Case::new(&["llava"]).with(&sections.replace("true", &flag.to_string()));
        let case = case.files(&["d/videos/", "d/sub/a.json"]).train(&["d"]);
        case.write("d/list.json", list);
        case
    };
    let list = r#"{"one": {"annotations": "sub/a.json", "media_dir": "videos", "note": "a text"}, "two": "gone/b.json"}"#;
    let expected = ["data: ROOT/d/list.json names `gone/b.json`, which is not in ROOT/d"];
    assert_eq!(case(true, list).data_notes(), expected);
    assert_eq!(case(false, list).data_notes(), [""; 0]);
    assert_eq!(case(true, r#"["s3://bucket/x.json", "sub/a.json", "12.5 fps"]"#).data_notes(), [""; 0]);
}
