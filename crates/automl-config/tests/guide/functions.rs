//! `spec_params` and `automl_spec_params`: what each function of the guide, and each of the format, gives.

use crate::world::{RESULTS, World, action, after, parent, spec_of, with_set};
use automl_config::{NetworkRequest, ParentJob, resolve_network};
use automl_core::{ParamValue, Params};
use serde_json::{Value, json};
use std::path::Path;

/// Returns the spec of an action whose functions are an example of the guide; all its keys are empty texts
/// before.
fn filled(name: &str, functions: &str, change: impl Fn(NetworkRequest) -> NetworkRequest) -> Value {
    let functions: Value = serde_json::from_str(functions).unwrap();
    let keys = functions[name].as_object().unwrap().keys();
    let mut default = json!({});
    for key in keys {
        let mut at = &mut default;
        for part in key.split('.') {
            at = &mut at[part];
        }
        *at = json!("");
    }
    let world =
        World::new().network("n", &json!({"spec_params": functions}).to_string()).spec("n", name, default);
    world.job(&change(action("n", name)))
}

const CLASSIFICATION: &str = r#"{"train": {
    "results_dir": "output_dir",
    "model.backbone.pretrained_backbone_path": "ptm_if_no_resume_model",
    "train.pretrained_model_path": "ptm_if_no_resume_model",
    "train.resume_training_checkpoint_path": "resume_model"}}"#;

#[test]
fn training_starts_from_the_pretrained_model() {
    let spec = filled("train", CLASSIFICATION, |request| NetworkRequest {
        pretrained: Some("/m/resnet.pth".into()),
        ..request
    });
    assert_eq!(
        spec,
        json!({"results_dir": RESULTS, "model": {"backbone": {"pretrained_backbone_path": "/m/resnet.pth"}},
               "train": {"pretrained_model_path": "/m/resnet.pth", "resume_training_checkpoint_path": ""}})
    );
}

#[test]
fn carried_on_training_needs_no_pretrained_model() {
    let world = World::new().network("n", &format!(r#"{{"spec_params": {CLASSIFICATION}}}"#)).spec(
        "n",
        "train",
        json!({"results_dir": "", "model": {"backbone": {"pretrained_backbone_path": "/own"}},
            "train": {"pretrained_model_path": "", "resume_training_checkpoint_path": ""}}),
    );
    let request = NetworkRequest { pretrained: Some("/m/resnet.pth".into()), ..action("n", "train") };
    let recipe = world.resolve(&request).unwrap();
    let spec = spec_of(&recipe.trial, &Params::default(), Some(Path::new("/results/j1/train/e1.pth")));
    assert_eq!(spec["train"]["resume_training_checkpoint_path"], "/results/j1/train/e1.pth");
    assert_eq!(spec["train"]["pretrained_model_path"], "");
}

#[test]
fn evaluation_uses_the_model_of_the_parent() {
    let functions = r#"{"evaluate": {"results_dir": "output_dir", "evaluate.checkpoint": "parent_model",
        "evaluate.trt_engine": "parent_model", "encryption_key": "key"}}"#;
    let spec = filled("evaluate", functions, |request| {
        with_set(after(request, parent("train")), &["encryption_key=swordfish"])
    });
    let checkpoint = "/results/p1/train/model_epoch_004.pth";
    assert_eq!(
        spec,
        json!({"results_dir": RESULTS, "evaluate": {"checkpoint": checkpoint, "trt_engine": checkpoint},
               "encryption_key": "swordfish"})
    );
}

#[test]
fn export_names_its_onnx_file() {
    let functions = r#"{"export": {"results_dir": "output_dir", "export.checkpoint": "parent_model",
        "export.onnx_file": "create_onnx_file", "encryption_key": "key"}}"#;
    let spec = filled("export", functions, |request| after(request, parent("train")));
    assert_eq!(
        spec["export"],
        json!({"checkpoint": "/results/p1/train/model_epoch_004.pth", "onnx_file": "/results/j1/model.onnx"})
    );
}

#[test]
fn engine_and_calibration_files_are_named() {
    let functions = r#"{"gen_trt_engine": {"results_dir": "output_dir", "encryption_key": "key",
        "gen_trt_engine.onnx_file": "parent_model", "gen_trt_engine.trt_engine": "create_engine_file",
        "gen_trt_engine.tensorrt.calibration.cal_data_file": "create_cal_data_file",
        "gen_trt_engine.tensorrt.calibration.cal_cache_file": "create_cal_cache"}}"#;
    let exported = ParentJob { checkpoint: Some("/results/p1/model.onnx".into()), ..parent("export") };
    let spec = filled("gen_trt_engine", functions, |request| after(request, exported.clone()));
    assert_eq!(
        spec["gen_trt_engine"],
        json!({"onnx_file": "/results/p1/model.onnx", "trt_engine": "/results/j1/model.engine",
               "tensorrt": {"calibration": {"cal_data_file": "/results/j1/calibration.tensorfile",
                                            "cal_cache_file": "/results/j1/cal.bin"}}})
    );
}

#[test]
fn pruning_takes_the_parents_checkpoint() {
    let functions = r#"{"prune": {"results_dir": "output_dir", "prune.checkpoint": "parent_model", "encryption_key": "key"}}"#;
    let spec = filled("prune", functions, |request| after(request, parent("train")));
    assert_eq!(spec["prune"]["checkpoint"], "/results/p1/train/model_epoch_004.pth");
}

/// The teacher is the job's own checkpoint; without one the key stays as it is.
#[test]
fn distillation_carries_on_with_its_teacher() {
    let functions = r#"{"distill": {"results_dir": "output_dir", "distill.pretrained_teacher_model_path": "resume_model"}}"#;
    let spec = filled("distill", functions, |request| request);
    assert_eq!(spec, json!({"results_dir": RESULTS, "distill": {"pretrained_teacher_model_path": ""}}));
}

#[test]
fn retraining_takes_the_pruned_model_and_the_key() {
    let functions = r#"{"retrain": {"key": "key", "results_dir": "output_dir", "train.pruned_model_path": "parent_model"}}"#;
    let pruned = ParentJob { checkpoint: Some("/results/p1/pruned.tlt".into()), ..parent("prune") };
    let spec = filled("retrain", functions, |request| after(request, pruned.clone()));
    assert_eq!(spec["train"]["pruned_model_path"], "/results/p1/pruned.tlt");
}

#[test]
fn dataset_conversion_names_its_file() {
    let functions = r#"{"dataset_convert": {"results_dir": "output_dir", "dest_file_name": "stylegan_dsconvert_output"}}"#;
    let spec = filled("dataset_convert", functions, |request| request);
    assert_eq!(spec, json!({"results_dir": RESULTS, "dest_file_name": "/results/j1/ds_convert.zip"}));
}

/// Every other function of the format, by what it gives after an action.
#[test]
fn further_functions_of_the_format() {
    let given = |function: &str, parent: Option<ParentJob>| {
        let functions = json!({"evaluate": {"k": function}}).to_string();
        filled("evaluate", &functions, |request| NetworkRequest {
            parent: parent.clone(),
            pretrained: Some("/m/ptm.pth".into()),
            ..request
        })["k"]
            .clone()
    };
    let train = || Some(parent("train"));
    for (function, after, expected) in [
        ("parent_model_folder", train(), json!("/results/p1/train")),
        ("parent_model_or_ptm", train(), json!("/results/p1/train/model_epoch_004.pth")),
        ("parent_model_or_ptm", None, json!("/m/ptm.pth")),
        ("parent_model_evaluate", train(), json!("/results/p1/train/model_epoch_004.pth")),
        ("parent_model_evaluate", Some(parent("export")), json!("/results/p1/model.engine")),
        ("pruned_model", train(), json!("")),
        ("pruned_model", Some(parent("retrain")), json!("/results/p1/pruned_model.pth")),
        ("framework", None, json!("tlt")),
        ("framework", Some(parent("export")), json!("tensorrt")),
        ("framework_storetrue", train(), json!("")),
        ("framework_storetrue", Some(parent("export")), json!(true)),
        ("ptm", None, json!("/m/ptm.pth")),
        ("resume_model_or_ptm", None, json!("/m/ptm.pth")),
        ("resume_model_bool", None, json!(false)),
        ("verbose", None, json!(true)),
        ("from_csv", None, json!("")),
        ("merged_json", None, json!("/results/j1/merged.json")),
        ("create_pth_file", None, json!("/results/j1/model.pth")),
        ("create_hdf5_file", None, json!("/results/j1/model.hdf5")),
        ("create_weights_tlt_file", None, json!("/results/j1/weights/model.tlt")),
        ("create_inference_result_file_mal", None, json!("/results/j1/inference.json")),
        ("create_inference_result_file_reid", None, json!("/results/j1/inference.json")),
        ("create_inference_result_file_pose", None, json!("/results/j1/results.txt")),
        ("create_evaluate_matches_plot_reid", None, json!("/results/j1/sampled_matches.png")),
        ("create_evaluate_cmc_plot_reid", None, json!("/results/j1/cmc_curve.png")),
        ("auto_label_output", None, json!("/results/j1/label.json")),
        ("output_dir_images_annotated", None, json!("/results/j1/images_annotated/")),
        ("output_dir_labels", None, json!("/results/j1/labels/")),
        ("output_dir_inference_json", None, json!("/results/j1/annotations_mal.json")),
        ("MonoDataset", None, json!("MonoDataset")),
        (
            "{'link': 'https://x/y', 'destination_path': '/z'}",
            None,
            json!("{'link': 'https://x/y', 'destination_path': '/z'}"),
        ),
    ] {
        assert_eq!(given(function, after), expected, "{function}");
    }
}

#[test]
fn missing_parent_is_told_with_the_ways_out() {
    let world = World::new()
        .network("n", r#"{"spec_params": {"evaluate": {"evaluate.checkpoint": "parent_model", "evaluate.trt_engine": "parent_model"}}}"#)
        .spec("n", "evaluate", json!({"evaluate": {"checkpoint": "", "trt_engine": ""}}));
    let plain = action("n", "evaluate");
    assert_eq!(
        world.problems(&plain),
        [
            "--parent: error: spec_params: `evaluate.checkpoint` needs a checkpoint of another job (--parent STUDY[/TRIAL] or --parent FOLDER names a job, --set evaluate.checkpoint=PATH a file)"
        ]
    );
    let empty = ParentJob { checkpoint: None, ..parent("train") };
    assert!(world.problems(&after(plain.clone(), empty))[0].contains("p1 has left none"));
    let own = with_set(plain, &["evaluate.checkpoint=/own.pth"]);
    assert_eq!(world.job(&own), json!({"evaluate": {"checkpoint": "/own.pth", "trt_engine": ""}}));
    assert_eq!(world.job(&after(own, parent("train")))["evaluate"]["checkpoint"], "/own.pth");
}

#[test]
fn model_is_taken_over_from_the_parents_spec() {
    let world = World::new().network("n", "{}").spec(
        "n",
        "evaluate",
        json!({"model": {"arch": "base", "depth": 12}, "dataset": {"size": 512}, "evaluate": {"batch_size": 1}}),
    );
    let spec = json!({"model": {"arch": "tiny", "width": 3}, "dataset": {"size": 64}, "evaluate": {"batch_size": 9}});
    let trained = ParentJob { spec, ..parent("train") };
    let job =
        |parent: ParentJob, set: &[&str]| world.job(&with_set(after(action("n", "evaluate"), parent), set));
    assert_eq!(
        job(trained.clone(), &[]),
        json!({"model": {"arch": "tiny", "depth": 12}, "dataset": {"size": 512}, "evaluate": {"batch_size": 1}})
    );
    assert_eq!(job(trained.clone(), &["model.arch=own"])["model"]["arch"], "own");
    let foreign = ParentJob { network: Some("other".into()), ..trained };
    assert_eq!(job(foreign, &[])["model"]["arch"], "base");
}

const AUTOML: &str = r#"{"automl_spec_params": {
    "results_dir": "automl_output_dir",
    "model.rgb_pretrained_model_path": "automl_assign_ptm",
    "model.of_pretrained_model_path": "automl_assign_ptm",
    "train.resume_training_checkpoint_path": "automl_resume_model",
    "train.checkpoint_interval": "assign_const_value,train.num_epochs",
    "train.validation_interval": "assign_const_value,train.num_epochs,train.checkpoint_interval",
    "encryption_key": "key"},
  "metrics": {"monitoring_metric": "val_loss"},
  "launch": {"train": {"command": ["x", "{spec}"],
    "fidelity": {"key": "train.num_epochs", "stop_after_env": "EARLY_STOP_EPOCH"}}}}"#;

/// Trials write to their own folders, start from the model or carry on, and leave checkpoints where they
/// are to end; an interval that is longer than the training is cut.
#[test]
fn trials_of_a_search_get_their_folders_models_and_intervals() {
    let train = json!({"num_epochs": 10, "checkpoint_interval": 25, "validation_interval": 3,
                       "resume_training_checkpoint_path": "", "lr": 0.1});
    let default = json!({"results_dir": "", "encryption_key": "", "train": train,
                         "model": {"rgb_pretrained_model_path": "", "of_pretrained_model_path": ""}});
    let world = World::new().network("clips", AUTOML).spec("clips", "train", default);
    let request = NetworkRequest {
        params: Some(vec!["train.lr".into()]),
        bounds: vec!["train.lr=1e-4..1e-1:log".into()],
        pretrained: Some("/m/ptm.pth".into()),
        ..NetworkRequest::new("clips")
    };
    let recipe = resolve_network(&world.catalog(), &request).unwrap_or_else(|problems| panic!("{problems}"));
    let params: Params = [("train.lr".to_string(), ParamValue::Float(0.05))].into_iter().collect();
    let first = spec_of(&recipe.trial, &params, None);
    assert_eq!(first["results_dir"], RESULTS);
    assert_eq!(
        first["model"],
        json!({"rgb_pretrained_model_path": "/m/ptm.pth", "of_pretrained_model_path": "/m/ptm.pth"})
    );
    assert_eq!(
        first["train"],
        json!({"num_epochs": 10, "checkpoint_interval": 10, "validation_interval": 10,
               "resume_training_checkpoint_path": "", "lr": 0.05})
    );
    let second = spec_of(&recipe.trial, &params, Some(Path::new("/results/j1/e.pth")));
    assert_eq!(second["train"]["resume_training_checkpoint_path"], "/results/j1/e.pth");
    assert_eq!(second["model"]["rgb_pretrained_model_path"], "");
}
