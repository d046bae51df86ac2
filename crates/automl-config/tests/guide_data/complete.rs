//! The comprehensive example: all sections about data at once.

use crate::harness::Case;

const SECTIONS: &str = r#"{
    "data_sources": {
        "train": {
            "dataset.train_images": {
                "source": "train_datasets",
                "multiple_sources": false,
                "path": "images.tar.gz"
            },
            "dataset.train_labels": {
                "source": "train_datasets",
                "multiple_sources": false,
                "path_from_format": {
                    "custom": "custom_labels.json",
                    "standard": "labels.tar.gz"
                }
            }
        },
        "evaluate": {
            "dataset.test_images": {
                "source": "eval_dataset",
                "multiple_sources": false,
                "path": "images.tar.gz"
            }
        }
    },
    "dataset_validation": {
        "required_files": {
            "default": [
                {"path": "images.tar.gz", "type": "file"}
            ],
            "custom": [
                {
                    "all_of": [
                        {"path": "images.tar.gz", "type": "file"},
                        {"path": "custom_labels.json", "type": "file"}
                    ]
                }
            ]
        }
    }
}"#;

#[test]
fn each_format_brings_its_own_labels() {
    let case = |file: &str| {
        Case::new(&["custom", "standard"]).with(SECTIONS).files(&["d/images/", file]).train(&["d"])
    };
    let dataset = |case: &Case| case.spec()["dataset"].clone();
    let custom = dataset(&case("d/custom_labels.json"));
    assert_eq!(custom["train_labels"], "ROOT/d/custom_labels.json");
    assert_eq!(custom["train_images"], "ROOT/d/images");
    // Without the custom labels only the rules of `standard` hold, which are those of `default`.
    assert_eq!(dataset(&case("d/labels/"))["train_labels"], "ROOT/d/labels");
    let neither = Case::new(&["custom", "standard"]).with(SECTIONS).files(&["d/labels/"]).train(&["d"]);
    assert_eq!(neither.problems().len(), 2, "images and labels: {:?}", neither.problems());
}

#[test]
fn each_action_has_its_own_keys() {
    let mut case = Case::new(&["custom", "standard"]).with(SECTIONS).files(&["e/images/"]);
    case.request.action = "evaluate".into();
    let case = case.datasets(|datasets, path| datasets.eval = Some(path("e")));
    assert_eq!(case.spec()["dataset"], serde_json::json!({"test_images": "ROOT/e/images"}));
}
