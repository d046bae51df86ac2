//! One training run from start to end, and the actions that use its checkpoint.

use crate::fixture::{Fixture, stderr, stdout};

#[test]
fn train_evaluate_and_inference_work_together() {
    let fixture = Fixture::new();
    let trained = fixture.run("train", "out", &["train.num_epochs=2"]);
    assert!(trained.status.success(), "{}", stderr(&trained));
    let text = stdout(&trained);
    assert!(text.contains("learning rate: 2e-3 = train.lr 1e-3 x 1 devices x batch size 2"), "{text}");
    assert!(text.contains("epoch: 0 train_loss: ") && text.contains("epoch: 1 val/mIoU: "), "{text}");
    assert_eq!(text.lines().last(), Some("Execution status: PASS"));
    assert!(stderr(&trained).contains("warning: no GPU is used"));
    let names = ["model_epoch_000_step_00003.safetensors", "model_epoch_001_step_00006.safetensors"];
    assert_eq!(fixture.checkpoints("out/train"), names);
    let latest = fixture.path("out/train/mal_model_latest.safetensors");
    assert_eq!(std::fs::read_link(&latest).unwrap().to_str(), Some(names[1]));

    let status = fixture.status("out/train");
    let messages: Vec<_> = status.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(
        messages[..3],
        ["Starting MAL train.", "Starting Training Loop.", "Training loop in progress"]
    );
    assert_eq!((&status[2]["epoch"], &status[2]["max_epoch"]), (&0.into(), &1.into()));
    let last = status.last().unwrap();
    assert_eq!(
        (last["status"].as_str(), messages.last()),
        (Some("SUCCESS"), Some(&"Train finished successfully."))
    );
    let trained_miou = last["kpi"]["mIoU"].as_f64().unwrap();
    assert!(last["kpi"]["train_loss"].is_f64() && last["kpi"]["mIoU_small"].is_f64());

    let checkpoint = format!("evaluate.checkpoint={}", latest.display());
    let evaluated = fixture.run("evaluate", "out", &[&checkpoint]);
    assert!(evaluated.status.success(), "{}", stderr(&evaluated));
    let evaluated_miou = fixture.status("out/evaluate").last().unwrap()["kpi"]["mIoU"].as_f64().unwrap();
    assert!((evaluated_miou - trained_miou).abs() < 1e-6, "{evaluated_miou} {trained_miou}");

    let dump = fixture.path("masks/result.json");
    let arguments = [
        format!("inference.checkpoint={}", latest.display()),
        format!("inference.label_dump_path={}", dump.display()),
        format!("inference.ann_path={}", fixture.path("train/annotations.json").display()),
        format!("inference.img_dir={}", fixture.path("train").display()),
    ];
    let inferred = fixture.run("inference", "out", &arguments.each_ref().map(String::as_str));
    assert!(inferred.status.success(), "{}", stderr(&inferred));
    let results: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(dump).unwrap()).unwrap();
    assert_eq!(results.as_array().unwrap().len(), 6);
    assert_eq!(results[0]["segmentation"]["size"], serde_json::json!([48, 64]));
    assert!(results[0]["segmentation"]["counts"].is_string());
}

#[test]
fn intervals_are_honoured_and_the_last_epoch_always_counts() {
    let fixture = Fixture::new();
    let arguments = ["train.checkpoint_interval=2", "train.validation_interval=2"];
    let output = fixture.run("train", "out", &arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let epochs: Vec<String> = stdout(&output)
        .lines()
        .filter(|line| line.contains("val/mIoU"))
        .map(|line| line[..8].to_owned())
        .collect();
    assert_eq!(epochs, ["epoch: 1", "epoch: 2"]);
    let names = ["model_epoch_001_step_00006.safetensors", "model_epoch_002_step_00009.safetensors"];
    assert_eq!(fixture.checkpoints("out/train"), names);
}

#[test]
fn devices_and_version_are_printed() {
    let run = |argument: &str| {
        let output =
            std::process::Command::new(env!("CARGO_BIN_EXE_automl-torch")).arg(argument).output().unwrap();
        assert!(output.status.success());
        stdout(&output)
    };
    let devices: serde_json::Value = serde_json::from_str(&run("devices")).unwrap();
    assert!(devices["libtorch"].is_string() && devices["device_count"].is_u64());
    assert!(run("--version").starts_with("automl-torch "));
}
