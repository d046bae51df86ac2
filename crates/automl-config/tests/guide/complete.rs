//! The guide's two complete configurations.

use crate::world::{RESULTS, World, action, after, parent};
use automl_config::{Datasets, NetworkRequest, resolve_network};
use automl_core::{ParamValue, Params};
use serde_json::json;

const API_PARAMS: &str = r#""api_params": {
    "dataset_type": "my_network",
    "actions": ["train", "evaluate", "inference"],
    "formats": ["custom", "standard"],
    "accepted_ds_intents": ["training", "evaluation", "testing"],
    "image": "TAO_PYTORCH",
    "spec_backend": "yaml",
    "actions_pipe": {"train": "train", "evaluate": "evaluate", "inference": "inference"}
}"#;

/// The sections that the example leaves open may all be empty.
#[test]
fn simple_configuration_with_empty_sections_runs() {
    let sections = [
        "data_sources",
        "dataset_validation",
        "dynamic_config",
        "additional_download",
        "upload_strategy",
        "actions_mapping",
        "spec_params",
        "automl_spec_params",
        "metrics",
    ];
    let empty: String = sections.iter().map(|section| format!(r#", "{section}": {{}}"#)).collect();
    let world = World::new().network("my_network", &format!("{{{API_PARAMS}{empty}}}")).spec(
        "my_network",
        "train",
        json!({"train": {"lr": 0.1}}),
    );
    assert_eq!(world.job(&action("my_network", "train")), json!({"train": {"lr": 0.1}}));
    let recipe = world.resolve(&action("my_network", "train")).unwrap();
    assert!(
        recipe.notes.iter().any(|note| note.contains("taking `my_network train -e SPEC`")),
        "{:?}",
        recipe.notes
    );
}

const REST: &str = r#", "data_sources": {
    "train": {
        "dataset.train_images": {"source": "train_datasets", "multiple_sources": false, "path": "images.tar.gz"},
        "dataset.train_labels": {
            "source": "train_datasets",
            "multiple_sources": false,
            "path_from_format": {"custom": "custom_labels.json", "standard": "labels.tar.gz"}
        }
    },
    "evaluate": {
        "dataset.test_images": {"source": "eval_dataset", "multiple_sources": false, "path": "images.tar.gz"}
    }
},
"dataset_validation": {
    "required_files": {
        "default": [{"path": "images.tar.gz", "type": "file"}],
        "custom": [
            {
                "all_of": [
                    {"path": "images.tar.gz", "type": "file"},
                    {"path": "custom_labels.json", "type": "file"}
                ]
            }
        ]
    }
},
"spec_params": {
    "train": {
        "results_dir": "output_dir",
        "model.pretrained_path": "ptm_if_no_resume_model",
        "train.resume_training_checkpoint_path": "resume_model",
        "encryption_key": "key"
    },
    "evaluate": {"results_dir": "output_dir", "evaluate.checkpoint": "parent_model", "encryption_key": "key"}
},
"automl_spec_params": {
    "results_dir": "automl_output_dir",
    "model.pretrained_path": "automl_assign_ptm",
    "train.resume_training_checkpoint_path": "automl_resume_model",
    "train.checkpoint_interval": "assign_const_value,train.num_epochs",
    "encryption_key": "key"
},
"metrics": {"available_metrics": ["val_acc", "val_loss"], "monitoring_metric": "val_acc"}"#;

fn world() -> World {
    let train =
        json!({"num_epochs": 10, "checkpoint_interval": 4, "lr": 0.1, "resume_training_checkpoint_path": ""});
    let common =
        json!({"results_dir": "", "encryption_key": "", "model": {"pretrained_path": "", "depth": 18}});
    let with = |key: &str, value: serde_json::Value| {
        let mut spec = common.clone();
        spec[key] = value;
        spec
    };
    let mut training = with("train", train);
    training["dataset"] = json!({"train_images": "", "train_labels": ""});
    let mut evaluation = with("evaluate", json!({"checkpoint": ""}));
    evaluation["dataset"] = json!({"test_images": ""});
    World::new()
        .network("my_network", &format!("{{{API_PARAMS}{REST}}}"))
        .spec("my_network", "train", training)
        .spec("my_network", "evaluate", evaluation)
        .write("data/images/1.png", "")
        .write("data/custom_labels.json", "{}")
}

fn on_data(world: &World, request: NetworkRequest) -> NetworkRequest {
    let datasets =
        Datasets { train: vec![world.path("data")], eval: Some(world.path("data")), ..Datasets::default() };
    NetworkRequest { datasets, pretrained: Some("/m/p.pth".into()), ..request }
}

#[test]
fn comprehensive_configuration_trains_and_evaluates() {
    let world = world();
    let trained = world.job(&on_data(&world, action("my_network", "train")));
    let labelled = json!({"train_images": "DIR/data/images", "train_labels": "DIR/data/custom_labels.json"});
    assert_eq!(trained["dataset"], labelled);
    assert_eq!(trained["results_dir"], RESULTS);
    assert_eq!(trained["model"]["pretrained_path"], "/m/p.pth");
    assert_eq!(trained["train"]["checkpoint_interval"], 4);
    let evaluation = on_data(&world, after(action("my_network", "evaluate"), parent("train")));
    let evaluated = world.job(&evaluation);
    assert_eq!(evaluated["evaluate"]["checkpoint"], "/results/p1/train/model_epoch_004.pth");
    assert_eq!(evaluated["dataset"]["test_images"], "DIR/data/images");
    std::fs::remove_file(world.path("data/images/1.png")).unwrap();
    std::fs::remove_dir(world.path("data/images")).unwrap();
    let problems = world.problems(&on_data(&world, action("my_network", "train")));
    assert!(
        problems
            .iter()
            .any(|problem| problem.contains("needs archive `images.tar.gz` (or its folder `images`)")),
        "{problems:?}"
    );
}

/// Its search writes intervals that end with the training.
#[test]
fn comprehensive_configuration_is_searched() {
    let world = world();
    let request = NetworkRequest {
        params: Some(vec!["train.lr".into()]),
        bounds: vec!["train.lr=1e-4..1e-1:log".into()],
        ..on_data(&world, NetworkRequest::new("my_network"))
    };
    let recipe = resolve_network(&world.catalog(), &request).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!((recipe.objective.metric.as_str(), recipe.full_fidelity), ("val_acc", 10));
    let params: Params = [("train.lr".to_string(), ParamValue::Float(0.02))].into_iter().collect();
    let spec = crate::world::spec_of(&recipe.trial, &params, None);
    assert_eq!(
        spec["train"],
        json!({"num_epochs": 10, "checkpoint_interval": 2, "lr": 0.02, "resume_training_checkpoint_path": ""})
    );
}
