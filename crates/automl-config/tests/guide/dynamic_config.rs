//! `dynamic_config`: rules by model type, parent action and action, and defaults.

use crate::world::{World, action, after, parent, with_set};
use automl_config::{Datasets, NetworkRequest, ParentJob};
use serde_json::{Value, json};

const ACTION_RECOGNITION: &str = r#"{
    "dynamic_config": {
        "model_type_key": "model.model_type",
        "rules": {
            "rgb": {
                "remove": ["model.of_seq_length", "model.of_pretrained_model_path"],
                "remove_if_action": {"train": ["model.of_pretrained_num_classes"]}
            },
            "joint": {"transform": "split_pretrained_paths"}
        }
    }
}"#;

fn action_recognition(model_type: &str) -> World {
    let model = json!({"model": {
        "model_type": model_type, "rgb_seq_length": 3, "of_seq_length": 10,
        "rgb_pretrained_model_path": "", "of_pretrained_model_path": "", "of_pretrained_num_classes": 0}});
    World::new()
        .network("clips", ACTION_RECOGNITION)
        .spec("clips", "train", model.clone())
        .spec("clips", "evaluate", model)
}

/// Removes what the chosen mode does not have, and in training one key more.
#[test]
fn model_type_removes_what_it_does_not_have() {
    let world = action_recognition("rgb");
    assert_eq!(
        world.job(&action("clips", "train")),
        json!({"model": {"model_type": "rgb", "rgb_seq_length": 3, "rgb_pretrained_model_path": ""}})
    );
    assert_eq!(
        world.job(&action("clips", "evaluate")),
        json!({"model": {"model_type": "rgb", "rgb_seq_length": 3, "rgb_pretrained_model_path": "",
                         "of_pretrained_num_classes": 0}})
    );
}

#[test]
fn joint_model_gets_one_path_for_each_stream() {
    let both = "model.rgb_pretrained_model_path=/m/resnet_rgb_1.pth,/m/resnet_of_1.pth";
    let spec = action_recognition("joint").job(&with_set(action("clips", "train"), &[both]));
    assert_eq!(spec["model"]["rgb_pretrained_model_path"], "/m/resnet_rgb_1.pth");
    assert_eq!(spec["model"]["of_pretrained_model_path"], "/m/resnet_of_1.pth");
    assert_eq!(spec["model"]["of_seq_length"], 10);
}

#[test]
fn unnamed_model_types_leave_the_spec_alone() {
    let spec = action_recognition("of").job(&action("clips", "train"));
    assert_eq!(spec["model"].as_object().unwrap().len(), 6);
}

#[test]
fn settings_that_a_rule_undoes_are_remarked_upon() {
    let request = with_set(action("clips", "train"), &["model.of_seq_length=5"]);
    let recipe = action_recognition("rgb").resolve(&request).unwrap();
    assert!(
        recipe.notes.contains(
            &"model.of_seq_length: dynamic_config removes it, so its setting has no effect".to_string()
        ),
        "{:?}",
        recipe.notes
    );
}

#[test]
fn graph_layout_decides_what_is_removed() {
    let config = r#"{"dynamic_config": {
        "model_type_key": "model.graph_layout",
        "rules": {
            "nvidia": {"remove": ["dataset.random_choose", "dataset.random_move", "dataset.window_size"]},
            "openpose": {"remove": ["model.pretrained_model_path"]}
        }}}"#;
    let spec = |layout: &str| {
        json!({"model": {"graph_layout": layout, "pretrained_model_path": ""},
               "dataset": {"random_choose": false, "random_move": false, "window_size": -1, "num_classes": 6}})
    };
    let job = |layout: &str| {
        let world = World::new().network("pose_classification", config);
        world.spec("pose_classification", "train", spec(layout)).job(&action("pose_classification", "train"))
    };
    assert_eq!(
        job("nvidia"),
        json!({"model": {"graph_layout": "nvidia", "pretrained_model_path": ""}, "dataset": {"num_classes": 6}})
    );
    let mut expected = spec("openpose");
    expected["model"] = json!({"graph_layout": "openpose"});
    assert_eq!(job("openpose"), expected);
}

const OBJECT_DETECTION: &str = r#"{
    "api_params": {"actions": ["analyze", "validate_annotations", "augment"], "formats": ["kitti", "coco"]},
    "dynamic_config": {
        "parent_action_rules": {
            "annotation_format_convert": {
                "check_parent_specs": {
                    "data.output_format": "COCO",
                    "if_match": {"set_value": {"data.ann_path": "results/{parent_id}/annotations.json"}}
                },
                "action_restriction": {"data.ann_path": ["analyze", "validate_annotations"]}
            }
        }
    },
    "data_sources": {"analyze": {"data.ann_path": {"source": "train_datasets", "path": "annotations.json"}}}
}"#;

fn converted(format: &str) -> ParentJob {
    let spec = json!({"data": {"output_format": format}});
    ParentJob { spec, ..parent("annotation_format_convert") }
}

/// Updates the annotation path when the parent converted to COCO, for the two named actions only; the
/// dataset does not overwrite it.
#[test]
fn converted_annotations_are_taken_from_the_parent() {
    let default = json!({"data": {"ann_path": ""}});
    let mut world =
        World::new().network("object_detection", OBJECT_DETECTION).write("d/annotations.json", "{}");
    for action in ["analyze", "validate_annotations", "augment"] {
        world = world.spec("object_detection", action, default.clone());
    }
    let ann_path = |name: &str, parent: ParentJob| {
        let datasets = Datasets { train: vec![world.path("d")], ..Datasets::default() };
        let request = NetworkRequest { datasets, ..after(action("object_detection", name), parent) };
        world.job(&request)["data"]["ann_path"].clone()
    };
    assert_eq!(ann_path("analyze", converted("COCO")), "/results/p1/annotations.json");
    assert_eq!(ann_path("validate_annotations", converted("COCO")), "/results/p1/annotations.json");
    assert_eq!(ann_path("augment", converted("COCO")), "");
    assert_eq!(ann_path("analyze", converted("KITTI")), "DIR/d/annotations.json");
    assert_eq!(ann_path("analyze", parent("train")), "DIR/d/annotations.json");
}

const AUTO_LABEL: &str = r#"{
    "api_params": {"actions": ["augment", "analyze"], "formats": ["kitti", "coco"]},
    "dynamic_config": {
        "parent_action_rules": {
            "auto_label": {
                "set_value": {"data.ann_path": "results/{parent_id}/label.json"},
                "conditional": {"metadata_key": "format", "equals": "coco"},
                "action_restriction": ["augment"]
            }
        }
    }
}"#;

/// The rule holds for COCO data and for `augment` alone.
#[test]
fn labels_of_the_parent_depend_on_format_and_action() {
    let default = json!({"data": {"ann_path": "own"}});
    let world = World::new()
        .network("object_detection", AUTO_LABEL)
        .spec("object_detection", "augment", default.clone())
        .spec("object_detection", "analyze", default)
        .write("coco/dataset.yaml", "format: coco\ntype: object_detection\n")
        .write("plain/readme.txt", "");
    let ann_path = |name: &str, folder: &str| {
        let datasets = Datasets { train: vec![world.path(folder)], ..Datasets::default() };
        let request =
            NetworkRequest { datasets, ..after(action("object_detection", name), parent("auto_label")) };
        world.job(&request)["data"]["ann_path"].clone()
    };
    assert_eq!(ann_path("augment", "coco"), "/results/p1/label.json");
    assert_eq!(ann_path("analyze", "coco"), "own");
    // A folder that says nothing has the first format of the network.
    assert_eq!(ann_path("augment", "plain"), "own");
}

#[test]
fn inference_removes_what_only_training_knows() {
    let config = r#"{"dynamic_config": {"action_rules": {"inference": {
        "remove": ["model.pretrained_backbone_path", "train.resume_training_checkpoint_path"]}}}}"#;
    let default = json!({"model": {"backbone": "resnet_50", "pretrained_backbone_path": "/b.pth"},
                         "train": {"resume_training_checkpoint_path": "", "num_gpus": 1}});
    let world = World::new()
        .network("deformable_detr", config)
        .spec("deformable_detr", "inference", default.clone())
        .spec("deformable_detr", "train", default.clone());
    assert_eq!(
        world.job(&action("deformable_detr", "inference")),
        json!({"model": {"backbone": "resnet_50"}, "train": {"num_gpus": 1}})
    );
    assert_eq!(world.job(&action("deformable_detr", "train")), default);
}

#[test]
fn rules_of_an_action_may_set_values() {
    let config =
        r#"{"dynamic_config": {"action_rules": {"evaluate": {"set_value": {"model.export": true}}}}}"#;
    let world = World::new().network("n", config).spec("n", "evaluate", json!({"model": {"export": false}}));
    assert_eq!(world.job(&action("n", "evaluate")), json!({"model": {"export": true}}));
}

/// Defaults come after everything else and fill what is still missing.
#[test]
fn label_map_has_a_default() {
    let config = r#"{"dynamic_config": {"defaults": {"dataset.label_map": {"catch": 0, "smile": 1}}}}"#;
    let job = |default: Value, set: &[&str]| {
        let world = World::new().network("clips", config);
        let world = world.spec("clips", "train", default);
        world.job(&with_set(action("clips", "train"), set))["dataset"].clone()
    };
    let empty = json!({"dataset": {"label_map": {}, "batch_size": 2}});
    assert_eq!(job(empty.clone(), &[]), json!({"label_map": {"catch": 0, "smile": 1}, "batch_size": 2}));
    assert_eq!(job(json!({"dataset": {"batch_size": 2}}), &[])["label_map"], json!({"catch": 0, "smile": 1}));
    assert_eq!(job(empty, &["dataset.label_map={walk: 0}"])["label_map"], json!({"walk": 0}));
}
