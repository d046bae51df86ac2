//! Wrong input ends with one line that names what, where and what to do, and a FAILURE status.

use std::os::unix::ffi::OsStrExt;

use crate::fixture::{Fixture, stderr, stdout};

/// Trains with the arguments and expects failure with these words in the error line.
fn check(fixture: &Fixture, arguments: &[&str], words: &[&str]) {
    let output = fixture.run("train", "out", arguments);
    let text = stderr(&output);
    let line = text.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
    for word in words {
        assert!(line.contains(word), "{arguments:?}: {word:?} is not in {line:?}");
    }
    assert!(!text.contains("panicked"), "{text}");
    assert_eq!(stdout(&output).lines().last(), Some("Execution status: FAIL"));
    let last = fixture.status("out/train").pop().expect("a status line");
    assert_eq!(last["status"], "FAILURE", "{arguments:?}");
    assert!(line.contains(last["message"].as_str().unwrap()));
}

#[test]
fn missing_and_foreign_files_are_named() {
    let fixture = Fixture::new();
    let path = |name: &str| fixture.path(name).display().to_string();
    std::fs::write(fixture.path("list.json"), "[1, 2]").unwrap();
    std::fs::write(fixture.path("text.json"), "boxes").unwrap();
    let annotations = |name: &str| format!("dataset.train_ann_path={}", path(name));
    check(
        &fixture,
        &[&annotations("none.json")],
        &["cannot read annotations", "none.json", "dataset.train_ann_path"],
    );
    check(&fixture, &[&annotations("list.json")], &["not COCO", "list.json", "\"images\""]);
    check(&fixture, &[&annotations("text.json")], &["not COCO", "text.json", "no JSON"]);
    let empty = format!("dataset.train_img_dir={}", path("nowhere"));
    check(&fixture, &[&empty], &["missing image", "nowhere/1.png", "dataset.train_img_dir"]);
    let resume = format!("train.resume_training_checkpoint_path={}", path("text.json"));
    check(&fixture, &[&resume], &["not a checkpoint", "text.json"]);
    let pretrained = format!("train.pretrained_model_path={}", path("none.pth"));
    check(&fixture, &[&pretrained], &["cannot read checkpoint", "none.pth", "train.pretrained_model_path"]);
    std::fs::write(fixture.path("train/2.png"), "no picture").unwrap();
    check(&fixture, &[], &["not an image", "train/2.png"]);
}

#[test]
fn wrong_values_are_named() {
    let fixture = Fixture::new();
    check(&fixture, &["train.lr=fast"], &["wrong type", "train.lr", "fast"]);
    check(&fixture, &["train.num_epochs=0"], &["out of range", "train.num_epochs", "1 or more"]);
    check(&fixture, &["model.arch=resnet"], &["model.arch", "resnet", "vit-mae-base/16"]);
    check(&fixture, &["dataset.val_ann_path="], &["missing in spec", "dataset.val_ann_path"]);
    check(&fixture, &["dataset.min_obj_size=1e9"], &["no usable object", "dataset.min_obj_size"]);
    let boxes_only = format!("dataset.val_ann_path={}", fixture.path("train/annotations.json").display());
    check(&fixture, &[&boxes_only], &["no usable object", "segmentation"]);
}

#[test]
fn loss_without_a_number_stops_the_run() {
    let fixture = Fixture::new();
    check(&fixture, &["train.lr=1e30", "train.warmup_epochs=0"], &["loss became NaN at epoch 0 step"]);
}

#[test]
fn checkpoint_of_another_model_is_refused() {
    let fixture = Fixture::new();
    let trained = fixture.run("train", "out", &["train.num_epochs=1"]);
    assert!(trained.status.success(), "{}", stderr(&trained));
    let latest = fixture.path("out/train/mal_model_latest.safetensors");
    let resume = format!("train.resume_training_checkpoint_path={}", latest.display());
    check(&fixture, &[&resume, "model.mask_head_out_channel=4"], &["does not fit the model", "has shape"]);
    check(&fixture, &[&resume, "dataset.crop_size=64"], &["encoder.pos_embed"]);
}

#[test]
fn memory_that_is_not_there_has_its_own_exit_code() {
    let fixture = Fixture::new();
    // The second layer of the ROI head alone would take 360 GB.
    let output = fixture.run("train", "out", &["model.mask_head_out_channel=300000"]);
    assert_eq!(output.status.code(), Some(17), "{}", stderr(&output));
    assert!(stderr(&output).contains("error: out of device memory"), "{}", stderr(&output));
}

#[test]
fn wrong_command_lines_exit_with_two() {
    let fixture = Fixture::new();
    let output = fixture.run("train", "out", &["--lr", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("error: cannot read argument: --lr"));
    let garbled = std::ffi::OsStr::from_bytes(b"\xff=1");
    let output = fixture.command("train", "out", &[]).arg(garbled).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).starts_with("error: argument is not UTF-8: "), "{}", stderr(&output));
    assert_eq!(stderr(&output).lines().count(), 2, "the error and one line of usage");
}

#[test]
fn broken_spec_file_is_named_with_line_and_column() {
    let fixture = Fixture::new();
    std::fs::write(fixture.path("spec.yaml"), "train:\n  lr: 1\n lr: 2\n").unwrap();
    let output = fixture.run("train", "out", &[]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.starts_with("error: experiment spec is not YAML: "), "{text}");
    assert!(text.contains("/spec.yaml:3:2: ") && text.ends_with("correct the text there\n"), "{text}");
    std::fs::remove_file(fixture.path("spec.yaml")).unwrap();
    let text = stderr(&fixture.run("train", "out", &[]));
    assert!(text.starts_with("error: cannot read experiment spec: "), "{text}");
    assert!(text.contains("/spec.yaml: No such file") && text.ends_with("check the path given with -e\n"));
}

#[test]
fn bad_pause_and_missing_results_folder_are_named() {
    let fixture = Fixture::new();
    let output = fixture.command("train", "out", &[]).env("EARLY_STOP_EPOCH", "soon").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("error: bad environment variable: EARLY_STOP_EPOCH=soon"));
    let output = fixture.run("train", "out", &["results_dir="]);
    assert!(stderr(&output).contains("error: missing in spec: results_dir"));
}
