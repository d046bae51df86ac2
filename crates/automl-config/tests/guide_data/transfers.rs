//! `additional_download`, `upload_strategy` and `cloud_upload`.

use crate::harness::Case;
use automl_config::UploadStrategy;

const SPARSE4D: &str = r#"{
    "additional_download": {
        "train": [
            {
                "source": "train_datasets",
                "path": "/results/{dataset_convert_job_id}/convert_selective.tar.gz"
            },
            {
                "source": "eval_dataset",
                "path": "/results/{dataset_convert_job_id}/convert_selective.tar.gz"
            }
        ],
        "evaluate": [
            {
                "source": "eval_dataset",
                "path": "/results/{dataset_convert_job_id}/convert_selective.tar.gz"
            }
        ]
    }
}"#;

/// Where files come from and how they are called, for the datasets `d` (training) and `e` (evaluation).
fn downloads(case: &Case) -> Vec<(String, String)> {
    let recipe = case.recipe();
    let downloads = recipe.trial.downloads().iter();
    downloads.map(|download| (case.masked(&download.from), download.name.clone())).collect()
}

#[test]
fn conversions_that_are_here_need_no_download() {
    let case = Case::new(&["ovpkl"]).with(SPARSE4D).train(&["d"]).datasets(|datasets, path| {
        datasets.eval = Some(path("e"));
    });
    let case =
        case.facts("d", "convert: {id: j1, results: job1}").facts("e", "convert: {id: j2, results: job2}");
    let problems = case.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("ROOT/d/job1/convert_selective.tar.gz is not there"), "{problems:?}");
    let case = case.files(&["d/job1/convert_selective.tar.gz", "e/job2/convert_selective.tar.gz"]);
    assert!(downloads(&case).is_empty());
    let unconverted = Case::new(&["ovpkl"]).with(SPARSE4D).files(&["d/"]).train(&["d"]);
    assert!(unconverted.problems()[0].contains("ROOT/d has no conversion job"));
}

#[test]
fn files_elsewhere_are_fetched_once_and_in_order() {
    let sections = r#"{"additional_download": {"train": [
        "https://host/weights.bin",
        {"source": "train_datasets", "path": "{dataset_path}/extra/map.tar.gz"},
        {"source": "train_datasets", "path": "extra/map.tar.gz"},
        {"source": "train_datasets", "path": "gs://other/map.tar.gz"},
        {"source": "train_datasets", "path": "https://host/coco.json",
         "conditional": {"metadata_key": "format", "equals": "coco"}},
        {"source": "train_datasets", "path": "https://host/kitti.json",
         "conditional": {"metadata_key": "format", "equals": "kitti"}}
    ], "evaluate": ["https://host/eval.bin"]}}"#;
    let case = Case::new(&["coco", "kitti"]).with(sections).datasets(|datasets, _| {
        datasets.train = vec!["s3://bucket/d".into()];
    });
    let expected = [
        ("https://host/weights.bin", "weights.bin"),
        ("s3://bucket/d/extra/map.tar.gz", "map.tar.gz"),
        ("gs://other/map.tar.gz", "2-map.tar.gz"),
        ("https://host/coco.json", "coco.json"),
    ];
    assert_eq!(downloads(&case), expected.map(|(from, name)| (from.to_string(), name.to_string())));
}

#[test]
fn selective_archives_take_what_matches_below_their_base() {
    let block = r#"{
        "upload_strategy": {
            "dataset_convert": {
                "default": "continuous",
                "selective_tarball": {
                    "patterns": [ "**/Camera*/**" ],
                    "base_path": "data"
                }
            }
        }
    }"#;
    let launch = r#"{"launch": {"dataset_convert": {"command": ["run", "{spec}"]}}}"#;
    let mut case = Case::new(&["ovpkl"]).with(block).with(launch);
    case.request.action = "dataset_convert".into();
    let rules = case.recipe().trial.upload_rules().clone();
    assert_eq!(rules.strategy, UploadStrategy::Continuous);
    let selection = rules.selection.unwrap();
    for (path, expected) in [
        ("data/scene/Camera_1/a.png", true),
        ("data/Camera/deep/er/a.png", true),
        ("data/scene/Lidar/a.pcd", false),
        ("other/Camera_1/a.png", false),
        ("log.txt", false),
    ] {
        assert_eq!(selection.takes(path), expected, "{path}");
    }
    case.request.action = "train".into();
    assert_eq!(case.recipe().trial.upload_rules(), &Default::default(), "other actions upload as they go");
}

#[test]
fn strategies_and_exclusions_of_real_configs_are_read() {
    let sections = r#"{"cloud_upload": {"upload_strategy": {"train": "tarball_after_completion"},
        "exclude_patterns": {"train": ["\\.pth$"], "evaluate": ["/merged/"]}, "retain_patterns": {"quantize": [".*\\.onnx$"]}},
        "upload_strategy": {"train": "continuous", "evaluate": "tarball_after_completion"}}"#;
    let mut case = Case::new(&["coco"]).with(sections);
    let rules = case.recipe().trial.upload_rules().clone();
    assert_eq!(rules.strategy, UploadStrategy::Archive, "`cloud_upload` wins");
    assert!(rules.excludes("train/model.pth") && !rules.excludes("train/model.pth.txt"));
    case.request.action = "evaluate".into();
    assert_eq!(case.recipe().trial.upload_rules().strategy, UploadStrategy::Archive);
    let wrong = Case::new(&["coco"]).with(r#"{"upload_strategy": {"train": "continous"}}"#);
    assert!(wrong.problems()[0].contains("unknown upload strategy `continous` (did you mean `continuous`?)"));
}
