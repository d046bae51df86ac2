//! `dataset_validation`: what must be there, before anything runs.

use crate::harness::Case;

/// What is wrong with a training dataset of these files; nothing where it is fit for use.
fn lacks(rules: &str, facts: &str, files: &[&str]) -> Vec<String> {
    let sections = format!(r#"{{"dataset_validation": {{"required_files": {{"format_name": [{rules}]}}}}}}"#);
    let case = Case::new(&["format_name"]).with(&sections).files(&["d/"]).files(files).train(&["d"]);
    let case = case.facts("d", &format!("format: format_name\n{facts}"));
    if case.resolve().is_ok() { Vec::new() } else { case.problems() }
}

#[test]
fn basic_structure_names_rule_format_and_files() {
    let rule = r#"{ "path": "images.tar.gz", "type": "file" }"#;
    assert!(lacks(rule, "", &["d/images.tar.gz"]).is_empty());
    assert!(lacks(rule, "", &["d/images/"]).is_empty(), "an archive may lie there unpacked");
    assert_eq!(
        lacks(rule, "", &["d/labels/", "d/readme"]),
        [
            "ROOT/d: error: dataset_validation.required_files.format_name[0]: format `format_name` needs archive `images.tar.gz` (or its folder `images`); there are dataset.yaml, labels/, readme"
        ]
    );
}

#[test]
fn folders_are_no_files() {
    assert!(lacks(r#"{"path": "a", "type": "folder"}"#, "", &["d/a/"]).is_empty());
    assert!(lacks(r#"{"path": "a", "type": "folder"}"#, "", &["d/a"])[0].contains("needs folder `a`"));
    assert!(lacks(r#"{"path": "a.txt"}"#, "", &["d/a.txt/"])[0].contains("needs file `a.txt`"));
}

#[test]
fn all_of_wants_each_file() {
    let rule = r#"{
        "all_of": [
            {"path": "images.tar.gz", "type": "file"},
            {"path": "annotations.json", "type": "file"}
        ]
    }"#;
    assert!(lacks(rule, "", &["d/images.tar.gz", "d/annotations.json"]).is_empty());
    let problems = lacks(rule, "", &["d/images/"]);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].contains("format_name[0].all_of[1]: format `format_name` needs file `annotations.json`")
    );
    assert_eq!(lacks(rule, "", &[]).len(), 2);
}

#[test]
fn any_of_wants_one_file() {
    let rule = r#"{
        "any_of": [
            {"path": "train.tar.gz", "type": "file"},
            {"path": "val.tar.gz", "type": "file"}
        ]
    }"#;
    assert!(lacks(rule, "", &["d/val.tar.gz"]).is_empty());
    assert!(lacks(rule, "", &["d/train/"]).is_empty());
    let problems = lacks(rule, "", &["d/test.tar.gz"]);
    let expected = "needs one of: archive `train.tar.gz` (or its folder `train`), or archive `val.tar.gz` (or its folder `val`)";
    assert!(problems[0].contains(expected), "{problems:?}");
}

#[test]
fn intents_have_files_of_their_own() {
    let rule = r#"{
        "intent_based_path": {
            "training": {"path": "train.tar.gz", "type": "file"},
            "evaluation": {"path": "test.tar.gz", "type": "file"}
        }
    }"#;
    assert!(lacks(rule, "intent: training", &["d/train.tar.gz"]).is_empty());
    assert!(lacks(rule, "intent: evaluation", &["d/test.tar.gz"]).is_empty());
    assert!(lacks(rule, "", &["d/train/"]).is_empty(), "the flag says that it is for training");
    assert!(lacks(rule, "intent: evaluation", &["d/train/"])[0].contains("needs archive `test.tar.gz`"));
    assert!(
        lacks(rule, "intent: testing", &["d/train/"])[0]
            .contains("a dataset for `training`, `evaluation` and not for `testing`")
    );
    assert!(
        lacks(rule, "intent: [training, evaluation]", &["d/train/"])[0]
            .contains("exactly one purpose, found 2")
    );
}

#[test]
fn intents_may_be_restricted() {
    let rule = r#"{
        "path": "raw_images.tar.gz",
        "type": "file",
        "intent_restriction": ["testing"]
    }"#;
    assert!(lacks(rule, "intent: testing", &["d/raw_images/"]).is_empty());
    assert!(
        lacks(rule, "intent: training", &["d/raw_images/"])[0]
            .contains("a dataset for `testing` and not for `training`")
    );
    assert!(lacks(rule, "intent: testing", &[])[0].contains("raw_images.tar.gz"));
    let alone = r#"{"intent_restriction": ["testing"]}"#;
    assert!(lacks(alone, "intent: testing", &[]).is_empty());
    assert_eq!(lacks(alone, "", &[]).len(), 1, "a rule may be nothing but a restriction");
}

#[test]
fn patterns_look_at_every_file() {
    let rule = r#"{ "path": ".", "type": "regex", "regex": "mp4" }"#;
    assert!(lacks(rule, "", &["d/clips/one.mp4"]).is_empty());
    assert!(
        lacks(rule, "", &["d/clips/one.avi"])[0]
            .contains("needs a file that matches `mp4`; there are clips/, dataset.yaml")
    );
    let below = r#"{ "path": "clips", "type": "regex", "regex": "^\\d+\\.mp4$" }"#;
    assert!(lacks(below, "", &["d/clips/12.mp4"]).is_empty());
    assert_eq!(lacks(below, "", &["d/12.mp4", "d/clips/a12.mp4"]).len(), 1);
}

#[test]
fn patterns_in_the_style_of_shells_work_too() {
    let rule = r#"{
        "all_of": [
            {"path": ".", "type": "regex", "regex": "train/*/videos/*.mp4"},
            {"path": ".", "type": "regex", "regex": "train/*/calibration.json"},
            {"path": ".", "type": "regex", "regex": "train/*/ground_truth.json"}
        ]
    }"#;
    let files = [
        "d/train/scene_1/videos/a.mp4",
        "d/train/scene_1/calibration.json",
        "d/train/scene_2/ground_truth.json",
    ];
    assert!(lacks(rule, "", &files).is_empty());
    let problems = lacks(rule, "", &files[..2]);
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].contains("all_of[2]") && problems[0].contains("`train/*/ground_truth.json`"),
        "{problems:?}"
    );
}

#[test]
fn deep_paths_are_files_like_others() {
    let folder =
        "metric_learning_recognition/retail-product-checkout-dataset_classification_demo/known_classes";
    let rule = format!(
        r#"{{"all_of": [
            {{"path": "{folder}/train.tar.gz", "type": "file"}},
            {{"path": "{folder}/reference.tar.gz", "type": "file"}}
        ]}}"#
    );
    let (train, reference) = (format!("d/{folder}/train.tar.gz"), format!("d/{folder}/reference/"));
    assert!(lacks(&rule, "", &[&train, &reference]).is_empty());
    assert!(lacks(&rule, "", &[&train])[0].contains("known_classes/reference.tar.gz"));
}

const POSE: &str = r#"{
    "dataset_validation": {
        "required_files": {
            "default": [
                {
                    "any_of": [
                        {
                            "all_of": [
                                {"path": "kinetics", "type": "folder"},
                                {"path": "kinetics/train_data.npy", "type": "file"},
                                {"path": "kinetics/train_label.pkl", "type": "file"},
                                {"path": "kinetics/val_data.npy", "type": "file"},
                                {"path": "kinetics/val_label.pkl", "type": "file"}
                            ]
                        },
                        {
                            "all_of": [
                                {"path": "nvidia", "type": "folder"},
                                {"path": "nvidia/train_data.npy", "type": "file"},
                                {"path": "nvidia/train_label.pkl", "type": "file"},
                                {"path": "nvidia/val_data.npy", "type": "file"},
                                {"path": "nvidia/val_label.pkl", "type": "file"}
                            ]
                        }
                    ]
                }
            ]
        }
    }
}"#;

#[test]
fn either_of_two_layouts_will_do() {
    let names = ["train_data.npy", "train_label.pkl", "val_data.npy", "val_label.pkl"];
    for layout in ["kinetics", "nvidia"] {
        let files = names.map(|name| format!("d/{layout}/{name}"));
        let case =
            Case::new(&["default"]).with(POSE).files(&files.each_ref().map(String::as_str)).train(&["d"]);
        assert!(case.resolve().is_ok(), "{layout}");
    }
    let mixed = [
        "d/kinetics/train_data.npy",
        "d/nvidia/train_data.npy",
        "d/nvidia/train_label.pkl",
        "d/nvidia/val_data.npy",
    ];
    let problems = Case::new(&["default"]).with(POSE).files(&mixed).train(&["d"]).problems();
    assert_eq!(
        problems,
        [
            "ROOT/d: error: dataset_validation.required_files.default[0]: format `default` needs one of: file `kinetics/train_label.pkl` and file `kinetics/val_data.npy` and file `kinetics/val_label.pkl`, or file `nvidia/val_label.pkl`; there are kinetics/, nvidia/"
        ]
    );
}

#[test]
fn every_dataset_is_checked_and_each_problem_told_once() {
    let sections = r#"{"dataset_validation": {"required_files": {"default": [{"path": "list.json"}]}},
        "data_sources": {"train": {"a": {"source": "train_datasets", "path": "list.json"}}}}"#;
    let case = Case::new(&["default"]).with(sections).files(&["d/", "e/list.json", "f/"]).train(&["d", "e"]);
    let case = case.datasets(|datasets, path| datasets.eval = Some(path("f")));
    let problems = case.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("ROOT/d: ") && problems[0].ends_with("; the folder is empty"));
    assert!(problems[1].starts_with("ROOT/f: "));
}
