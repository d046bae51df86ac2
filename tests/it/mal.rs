//! The main job on a few of the sample's pictures: the real trainer, real images, Hyperband with pauses.

use crate::support::TestEnv;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/mal_sample");
const SET: [&str; 14] = [
    "dataset.crop_size=32",
    "dataset.min_obj_size=0",
    "model.arch=vit-test/8",
    "model.mask_head_num_convs=1",
    "model.mask_head_hidden_channel=16",
    "model.mask_head_out_channel=16",
    "model.not_adjust_scale=true",
    "model.mask_scale_ratio=4",
    "train.batch_size=8",
    "train.crf_num_iter=3",
    "train.loss_mil_step=1",
    "train.loss_crf_step=1",
    "train.warmup_epochs=1",
    "train.mask_thres=[0.5]",
];

/// The trainer that was built beside the binary under test.
fn trainer() -> PathBuf {
    let trainer = Path::new(env!("CARGO_BIN_EXE_automl")).with_file_name("automl-torch");
    assert!(trainer.exists(), "build the whole workspace first (`make test` does): {}", trainer.display());
    trainer
}

/// Copies the annotations of the first few images of a split, and links its pictures.
fn small_split(env: &TestEnv, split: &str, images: usize) {
    let (from, to) = (Path::new(SAMPLE).join(split), env.path(split));
    fs::create_dir_all(&to).unwrap();
    symlink(from.join("images"), to.join("images")).unwrap();
    let text = fs::read_to_string(from.join("annotations.json")).unwrap();
    let mut coco: Value = serde_json::from_str(&text).unwrap();
    let kept: Vec<Value> = coco["images"].as_array().unwrap().iter().take(images).cloned().collect();
    let ids: Vec<&Value> = kept.iter().map(|image| &image["id"]).collect();
    let annotations =
        coco["annotations"].as_array().unwrap().iter().filter(|a| ids.contains(&&a["image_id"]));
    let annotations: Vec<Value> = annotations.cloned().collect();
    coco["images"] = kept.into();
    coco["annotations"] = annotations.into();
    fs::write(to.join("annotations.json"), coco.to_string()).unwrap();
}

/// R = 3, factor 3, four trials: 3@1 1@3, then 1@3.
#[test]
fn mal_is_searched_with_pauses_and_its_own_checkpoints() {
    trainer();
    let env = TestEnv::new();
    small_split(&env, "train", 8);
    small_split(&env, "val", 4);
    let mut run =
        env.command("run --network mal --params train.lr,train.wd --name s --gpus none --parallel 2");
    run.args([
        "--algorithm",
        "hyperband",
        "--max-fidelity",
        "3",
        "--trials",
        "4",
        "--bound",
        "train.lr=1e-5..1e-3:log",
    ]);
    run.args(["--train-dataset", "train", "--eval-dataset", "val"]);
    run.args(SET.iter().flat_map(|set| ["--set", set]));
    let output = run.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let listed = env.automl("trials s --json");
    let trials: Vec<Value> = listed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut fidelities: Vec<u64> = trials.iter().map(|t| t["fidelity"].as_u64().unwrap()).collect();
    fidelities.sort_unstable();
    assert_eq!(fidelities, [1, 1, 3, 3], "{}", listed.stdout);
    for trial in &trials {
        let value = trial["value"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&value), "{trial}");
        assert!(trial["metrics"]["train_loss"].is_number(), "{trial}");
    }

    let promoted = trials.iter().find(|t| t["attempts"] == 2).expect("a promoted trial");
    let folder = env.root().join(format!("s/trials/{:05}", promoted["trial"].as_u64().unwrap()));
    let spec = fs::read_to_string(folder.join("spec.yaml")).unwrap();
    let resumed = spec.lines().find(|line| line.contains("resume_training_checkpoint_path")).unwrap();
    assert!(resumed.contains("results/train/model_epoch_000"), "{resumed}");
    assert!(env.root().join("s/best_spec.yaml").exists());
}

#[test]
fn missing_trainer_is_told_before_anything_is_created() {
    let env = TestEnv::new();
    small_split(&env, "train", 2);
    small_split(&env, "val", 2);
    let alone = env.path("automl");
    fs::copy(env!("CARGO_BIN_EXE_automl"), &alone).unwrap();
    let run = env.command("run --network mal --train-dataset train --eval-dataset val --gpus none");
    let output = Command::new(&alone)
        .args(run.get_args())
        .current_dir(env.path(""))
        .env("PATH", "/nowhere")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("`automl-torch` was not found beside automl or on the PATH"), "{said}");
    assert!(said.contains("make build"), "{said}");
    assert!(!env.root().exists(), "something was created");
}
