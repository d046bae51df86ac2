//! Action recognition from start to end: every action, resumption, signals, bad input.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::clips::Clips;
use crate::fixture::{stderr, stdout};

const LAST: &str = "model_epoch_002_step_00018.safetensors";

fn epoch_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("epoch: ")).collect()
}

#[test]
fn every_action_works_on_a_trained_network() {
    let clips = Clips::new();
    let trained = clips.run("train", "out", &["train.num_epochs=6"]);
    assert!(trained.status.success(), "{}", stderr(&trained));
    let text = stdout(&trained);
    assert!(text.contains("training samples: 12 validation clips: 4 device: Cpu"), "{text}");
    assert!(text.contains("epoch: 5 train_loss: ") && text.contains(" val_acc_1: "), "{text}");
    let last = clips.status("out/train").pop().unwrap();
    assert_eq!(last["message"], "Train finished successfully.");
    for metric in ["train_loss", "train_acc", "val_loss", "val_acc"] {
        assert!(last["kpi"][metric].is_f64(), "{metric}: {last}");
    }
    let latest = clips.path("out/train/ar_model_latest.safetensors");

    let checkpoint = format!("evaluate.checkpoint={}", latest.display());
    let evaluated = clips.run("evaluate", "out", &[&checkpoint]);
    assert!(evaluated.status.success(), "{}", stderr(&evaluated));
    let kpi = &clips.status("out/evaluate").pop().unwrap()["kpi"];
    let accuracy = 100.0 * last["kpi"]["val_acc"].as_f64().unwrap();
    assert!((kpi["accuracy"].as_f64().unwrap() - accuracy).abs() < 1e-9, "{kpi} {accuracy}");
    assert_eq!(kpi["accuracy"], kpi["m_accuracy"], "classes of one size");
    assert!(stdout(&evaluated).contains("backward      "), "{}", stdout(&evaluated));

    let checkpoint = format!("inference.checkpoint={}", latest.display());
    let mode = ["inference.video_inf_mode=conv", "model.sample_strategy=consecutive"];
    let inferred =
        clips.run("inference", "out", &[&checkpoint, mode[0], mode[1], "inference.video_num_segments=3"]);
    assert!(inferred.status.success(), "{}", stderr(&inferred));
    let predictions = std::fs::read_to_string(clips.path("out/inference/predictions.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        predictions.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    let shares = &lines[0]["probabilities"];
    let sum = shares["backward"].as_f64().unwrap() + shares["forward"].as_f64().unwrap();
    assert!((sum - 1.0).abs() < 1e-6 && lines[0]["class"].is_string(), "{lines:?}");
}

#[test]
fn network_learns_the_direction_of_motion() {
    let clips = Clips::new();
    // Batches of two let the norms swing so far that the rounding of a processor decides the outcome.
    let rate = ["dataset.batch_size=6", "train.optim.lr=0.01", "train.optim.lr_scheduler=MultiStep"];
    let arguments = [&["train.num_epochs=20", "model.model_type=of"], &rate[..]].concat();
    let trained = clips.run("train", "out", &arguments);
    assert!(trained.status.success(), "{}", stderr(&trained));
    let kpi = clips.status("out/train").pop().unwrap()["kpi"].clone();
    assert_eq!(kpi["val_acc"], 1.0, "{kpi}");
    assert!(kpi["val_loss"].as_f64().unwrap() < 0.3, "{kpi}");
}

#[test]
fn exported_files_hold_the_network() {
    let clips = Clips::new();
    let trained = clips.run("train", "out", &["train.num_epochs=1"]);
    assert!(trained.status.success(), "{}", stderr(&trained));
    let latest = clips.path("out/train/ar_model_latest.safetensors");
    let checkpoint = format!("export.checkpoint={}", latest.display());
    let exported = clips.run("export", "out", &[&checkpoint]);
    assert!(exported.status.success(), "{}", stderr(&exported));
    let model = std::fs::read(clips.path("out/export/action_recognition.onnx")).unwrap();
    assert_eq!(model[..2], [0x08, 8], "the IR version comes first");
    for part in ["input_rgb", "input_of", "fc_pred", "model_of.layer4.0.conv2.weight", "backward,forward"] {
        assert!(model.windows(part.len()).any(|bytes| bytes == part.as_bytes()), "{part}");
    }
    let script = format!("export.onnx_file={}", clips.path("net.pt").display());
    let traced = clips.run("export", "out", &[&checkpoint, &script]);
    assert!(traced.status.success(), "{}", stderr(&traced));
    let module = tch::CModule::load(clips.path("net.pt")).unwrap();
    let input = |channels| tch::Tensor::zeros([3, channels, 16, 16], (tch::Kind::Float, tch::Device::Cpu));
    let logits = module.forward_ts(&[input(6), input(6)]).unwrap();
    assert_eq!(logits.size(), [3, 2], "another batch size than the traced one");
    let refused = clips.run("export", "out", &[&checkpoint, "export.onnx_file=net.engine"]);
    assert!(stderr(&refused).contains("export.onnx_file: net.engine"), "{}", stderr(&refused));
}

#[test]
fn resumed_run_is_byte_identical_to_the_straight_one() {
    let clips = Clips::new();
    let straight = clips.run("train", "straight", &[]);
    assert!(straight.status.success(), "{}", stderr(&straight));
    let paused = clips.command("train", "halves", &[]).env("EARLY_STOP_EPOCH", "1").output().unwrap();
    assert_eq!(paused.status.code(), Some(0), "{}", stderr(&paused));
    assert_eq!(clips.checkpoints("halves/train"), ["model_epoch_000_step_00006.safetensors"]);
    let latest = clips.path("halves/train/ar_model_latest.safetensors");
    let resume = format!("train.resume_training_checkpoint_path={}", latest.display());
    let resumed = clips.run("train", "halves", &[&resume]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let (first, second, whole) = (stdout(&paused), stdout(&resumed), stdout(&straight));
    assert_eq!([epoch_lines(&first), epoch_lines(&second)].concat(), epoch_lines(&whole));
    let bytes = |folder: &str| std::fs::read(clips.path(folder).join(LAST)).unwrap();
    assert!(bytes("halves/train") == bytes("straight/train"), "checkpoints differ");
}

#[test]
fn run_resumes_from_the_middle_of_an_epoch_after_an_unplanned_validation() {
    let clips = Clips::new();
    let settings =
        ["train.checkpoint_interval_unit=step", "train.checkpoint_interval=4", "train.validation_interval=2"];
    let straight = clips.run("train", "straight", &settings);
    assert!(straight.status.success(), "{}", stderr(&straight));
    let middle = clips.path("straight/train/model_epoch_001_step_00008.safetensors");
    let resume = format!("train.resume_training_checkpoint_path={}", middle.display());
    let resumed = clips.run("train", "resumed", &[&settings[..], &[&resume]].concat());
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    // A pause validates an epoch that the straight run does not; the learning rate must not notice.
    let paused = clips.command("train", "paused", &settings).env("EARLY_STOP_EPOCH", "1").output().unwrap();
    assert!(paused.status.success(), "{}", stderr(&paused));
    let latest = clips.path("paused/train/ar_model_latest.safetensors");
    let resume = format!("train.resume_training_checkpoint_path={}", latest.display());
    let continued = clips.run("train", "paused", &[&settings[..], &[&resume]].concat());
    assert!(continued.status.success(), "{}", stderr(&continued));
    let bytes = |folder: &str| std::fs::read(clips.path(folder).join(LAST)).unwrap();
    assert!(bytes("resumed/train") == bytes("straight/train"), "checkpoints differ");
    assert!(bytes("paused/train") == bytes("straight/train"), "checkpoints differ after the pause");
}

#[test]
fn sigterm_saves_the_last_completed_epoch() {
    let clips = Clips::new();
    let arguments = ["train.num_epochs=100000", "train.checkpoint_interval=100000"];
    let mut command = clips.command("train", "out", &arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("epoch: 1 train_loss")));
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    assert_eq!(lines.last().as_deref(), Some("Execution status: FAIL"));
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(clips.checkpoints("out/train").len(), 1);
}

#[test]
fn weights_of_one_stream_start_a_joint_network() {
    let clips = Clips::new();
    let flow = clips.run("train", "flow", &["model.model_type=of", "train.num_epochs=1"]);
    assert!(flow.status.success(), "{}", stderr(&flow));
    let weights = clips.path("flow/train/ar_model_latest.safetensors");
    let pretrained = format!("model.of_pretrained_model_path={}", weights.display());
    let joint = clips.run("train", "joint", &[&pretrained, "train.num_epochs=1"]);
    assert!(joint.status.success(), "{}", stderr(&joint));
    assert!(stdout(&joint).contains("of weights loaded from "), "{}", stdout(&joint));
}

#[test]
fn wrong_input_is_named_with_its_cure() {
    let clips = Clips::new();
    let check = |action: &str, arguments: &[&str], words: &[&str]| {
        let output = clips.run(action, "out", arguments);
        let text = stderr(&output);
        let line = text.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(!text.contains("panicked"), "{text}");
        for word in words {
            assert!(line.contains(word), "{arguments:?}: {word:?} is not in {line:?}");
        }
        let last = clips.status(&format!("out/{action}")).pop().unwrap();
        assert_eq!(last["status"], "FAILURE", "{arguments:?}");
    };
    check("train", &["dataset.label_map=null"], &["missing in spec: dataset.label_map"]);
    check("train", &["dataset.label_map={forward: 0}"], &["class without an index", "backward"]);
    check("train", &["dataset.train_dataset_dir=/nowhere"], &["/nowhere", "dataset.train_dataset_dir"]);
    check(
        "train",
        &["model.rgb_seq_length=7"],
        &["clip too short", "6 frames, 7 needed", "model.rgb_seq_length"],
    );
    check("train", &["model.backbone=i3d"], &["model.backbone", "model.input_type"]);
    check("train", &["train.optim.lr=1e30"], &["loss became NaN", "train.optim.lr"]);
    check("evaluate", &[], &["missing in spec: evaluate.checkpoint"]);
    std::fs::write(clips.path("train/forward/00/u/002.png"), "no picture").unwrap();
    check("train", &[], &["not an image", "forward/00/u/002.png"]);
    std::fs::remove_dir_all(clips.path("train/forward/01/v")).unwrap();
    check("train", &[], &["clip without pictures", "forward/01/v", "model.model_type"]);
}
