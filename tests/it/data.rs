//! Datasets and results on their way: checked, unpacked, fetched, uploaded.

use crate::support::{Ran, TestEnv};
use std::fs;
use std::process::Command;

/// A network that wants pictures and a list, and writes a file where its results go.
const CONFIG: &str = r#"{
  "api_params": {"dataset_type": "segmentation", "actions": ["train"], "formats": ["coco", "raw"],
    "accepted_ds_intents": ["training", "evaluation"], "image": "X", "spec_backend": "json"},
  "data_sources": {"train": {
    "data.images": {"source": "train_datasets", "path": "images.tar.gz"},
    "data.list": {"source": "train_datasets", "path": "list.json"}}},
  "dataset_validation": {"required_files": {"coco": [
    {"all_of": [{"path": "images.tar.gz"}, {"path": "list.json"}]}]}},
  "additional_download": {"train": ["file://EXTRA"]},
  "cloud_upload": {"upload_strategy": {"train": {"default": "continuous",
    "selective_tarball": {"patterns": ["*.png"], "base_path": "shots"}}}, "exclude_patterns": {"train": ["\\.tmp$"]}},
  "metrics": {"available_metrics": ["loss"], "monitoring_metric": "loss"},
  "launch": {"train": {"command": ["./net.sh", "{spec}", "{results_dir}"], "logs": [{"stream": "stdout", "format": "text"}]}}
}"#;
const SCHEMA: &str = r#"{"properties": {"train": {"properties": {
  "lr": {"type": "float", "default": 0.1, "minimum": 0.01, "maximum": 1, "automl_enabled": true}}}}}"#;
/// Fails unless it sees its picture.
const NET: &str = r#"#!/bin/sh
images=$(sed -n 's/.*"images": "\(.*\)",*/\1/p' "$1")
test -f "$images/one.png" || exit 9
mkdir -p "$2/shots" && echo weights > "$2/model.pth" && echo pixels > "$2/shots/a.png" && echo x > "$2/half.tmp"
echo "loss: 0.5"
"#;
const RUN: &str = "run --network net --network-config net.config.json --schema net.schema.json --params train.lr \
    --algorithm random --trials 2 --gpus none --name s";

fn env() -> TestEnv {
    let env = TestEnv::new();
    fs::write(env.path("extra.bin"), "extra").unwrap();
    let config = CONFIG.replace("file://EXTRA", env.path("extra.bin").to_str().unwrap());
    fs::write(env.path("net.config.json"), config).unwrap();
    fs::write(env.path("net.schema.json"), SCHEMA).unwrap();
    env.script("net.sh", NET);
    fs::create_dir_all(env.path("d/images")).unwrap();
    fs::write(env.path("d/images/one.png"), "pixels").unwrap();
    fs::write(env.path("d/list.json"), "[]").unwrap();
    env
}

/// Runs with the cache in the test's own folder.
fn automl(env: &TestEnv, arguments: &str) -> Ran {
    let output = env.command(arguments).env("AUTOML_CACHE", env.path("cache")).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn tar(env: &TestEnv, arguments: &[&str]) {
    let status = Command::new("tar").args(arguments).current_dir(env.path("")).status().unwrap();
    assert!(status.success());
}

#[test]
fn datasets_are_checked_before_any_trial() {
    let env = env();
    fs::remove_file(env.path("d/list.json")).unwrap();
    fs::write(env.path("d/dataset.yaml"), "format: coco\n").unwrap();
    let expected = "dataset_validation.required_files.coco[0].all_of[1]: format `coco` needs file `list.json`; \
        there are dataset.yaml, images/";
    for arguments in [format!("{RUN} --train-dataset d"), format!("{RUN} --train-dataset d --dry-run")] {
        let ran = automl(&env, &arguments);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("list.json").count(), 1, "told once: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    assert!(!env.root().exists());
    let check = "check d --network net --network-config net.config.json --intent training";
    let ran = automl(&env, check);
    assert_eq!((ran.code, ran.stdout.contains(expected)), (3, true), "{}{}", ran.stdout, ran.stderr);
    fs::write(env.path("d/list.json"), "[]").unwrap();
    let ran = automl(&env, check);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert!(ran.stderr.contains("d: has what `net` needs"), "{}", ran.stderr);
    let ran = automl(&env, &check.replace("check d", "check none"));
    assert_eq!(ran.code, 3);
    assert!(ran.stdout.contains("folder none does not exist"), "{}", ran.stdout);
    assert_eq!(automl(&env, "check d --action train").code, 2, "an action needs a network");
}

#[test]
fn archives_are_unpacked_once_for_all_runs() {
    let env = env();
    tar(&env, &["-C", "d", "-czf", "d/images.tar.gz", "images"]);
    fs::remove_dir_all(env.path("d/images")).unwrap();
    tar(&env, &["-czf", "d.tar.gz", "d"]);
    let ran = automl(&env, &format!("{RUN} --train-dataset d.tar.gz"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("unpacking ").count(), 2, "the dataset and its pictures: {}", ran.stderr);
    let folders = || {
        let entries = fs::read_dir(env.path("cache/archives")).unwrap().flatten();
        entries.filter(|entry| entry.path().is_dir()).count()
    };
    assert_eq!(folders(), 2);
    let ran = automl(&env, &format!("{RUN}2 --train-dataset d.tar.gz"));
    assert_eq!((ran.code, folders()), (0, 2));
    fs::write(env.path("evil.tar.gz"), "no archive").unwrap();
    let ran = automl(&env, &format!("{RUN}3 --train-dataset evil.tar.gz"));
    assert_eq!(ran.code, 3);
    assert!(ran.stderr.contains("evil.tar.gz: not a complete tar archive"), "{}", ran.stderr);
}

#[test]
fn results_are_uploaded_and_carried_on() {
    let env = env();
    let ran = automl(&env, &format!("{RUN} --train-dataset d --upload-to out"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("uploaded 4 files to "), "{}", ran.stderr);
    for trial in ["00001", "00002"] {
        let folder = env.path("out/s/trials").join(trial);
        assert_eq!(fs::read_to_string(folder.join("model.pth")).unwrap(), "weights\n");
        assert!(folder.join("train_selective.tar.gz").exists());
        assert!(!folder.join("shots").exists() && !folder.join("half.tmp").exists());
    }
    fs::write(env.root().join("s/trials/00002/results/late.txt"), "late").unwrap();
    let ran = automl(&env, "resume s");
    assert!(ran.stderr.contains("uploaded 1 files to "), "{}", ran.stderr);
    assert!(env.path("out/s/trials/00002/late.txt").exists());
}

#[test]
fn uploads_never_fail_a_search() {
    let env = env();
    fs::create_dir(env.path("out")).unwrap();
    fs::write(env.path("out/s"), "a file where a folder should be").unwrap();
    let ran = automl(&env, &format!("{RUN} --train-dataset d --upload-to out"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot upload s/trials/"), "{}", ran.stderr);
    assert!(ran.stderr.contains("4 are left, `automl resume` tries them again"), "{}", ran.stderr);
    fs::remove_file(env.path("out/s")).unwrap();
    let ran = automl(&env, "resume s");
    assert!(ran.stderr.contains("uploaded 4 files to "), "{}", ran.stderr);
    let ran = automl(&env, &format!("{RUN}2 --train-dataset d --upload-to ftp://host/x"));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("unknown kind of place `ftp`"), "{}", ran.stderr);
}

#[test]
fn further_files_are_fetched_before_the_first_trial() {
    let env = env();
    let url = format!("file://{}", env.path("extra.bin").display());
    let config = fs::read_to_string(env.path("net.config.json")).unwrap();
    let config = config.replace(&format!("\"{}\"", env.path("extra.bin").display()), &format!("\"{url}\""));
    fs::write(env.path("net.config.json"), &config).unwrap();
    env.script(
        "net.sh",
        &NET.replace("mkdir", "test \"$(cat $AUTOML_DOWNLOADS/extra.bin)\" = extra || exit 8; mkdir"),
    );
    let ran = automl(&env, &format!("{RUN} --train-dataset d"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    fs::remove_file(env.path("extra.bin")).unwrap();
    let ran = automl(&env, &format!("{RUN}2 --train-dataset d"));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("cannot fetch file://"), "{}", ran.stderr);
    assert!(automl(&env, "list").stdout.lines().all(|line| !line.contains("s2")));
}

/// One action goes the way that searches go: its archive is unpacked, its files are fetched, its results
/// uploaded; its own files, the spec among them, stay here.
#[test]
fn an_action_unpacks_fetches_and_uploads() {
    let env = env();
    env.script(
        "net.sh",
        &NET.replace("mkdir", "test \"$(cat $AUTOML_DOWNLOADS/extra.bin)\" = extra || exit 8; mkdir"),
    );
    let url = format!("file://{}", env.path("extra.bin").display());
    let config = fs::read_to_string(env.path("net.config.json")).unwrap();
    let config = config.replace(&format!("\"{}\"", env.path("extra.bin").display()), &format!("\"{url}\""));
    fs::write(env.path("net.config.json"), &config).unwrap();
    tar(&env, &["-czf", "d.tar.gz", "d"]);
    let action = "action net train --network-config net.config.json --schema net.schema.json --gpus none";
    let run = format!("{action} --train-dataset d.tar.gz --results r/one --upload-to out");
    let ran = automl(&env, &run);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("unpacking ") && ran.stderr.contains("uploaded "), "{}", ran.stderr);
    let mut uploaded: Vec<String> = fs::read_dir(env.path("out/one"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    uploaded.sort();
    assert_eq!(uploaded, ["action.json", "model.pth", "train_selective.tar.gz"]);
    fs::remove_file(env.path("d/list.json")).unwrap();
    fs::write(env.path("d/dataset.yaml"), "format: coco\n").unwrap();
    let ran = automl(&env, &format!("{action} --train-dataset d --results r/two"));
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("needs file `list.json`"), "{}", ran.stderr);
    assert!(!env.path("r/two").exists());
    fs::write(env.path("d/list.json"), "[]").unwrap();
    fs::rename(env.path("extra.bin"), env.path("away.bin")).unwrap();
    let ran = automl(&env, &format!("{action} --train-dataset d --results r/two"));
    assert_eq!((ran.code, ran.stderr.contains("cannot fetch file://")), (3, true), "{}", ran.stderr);
    fs::rename(env.path("away.bin"), env.path("extra.bin")).unwrap();
    let ran = automl(&env, &format!("{action} --train-dataset d --results r/two"));
    assert_eq!(ran.code, 0, "the folder can be used again: {}", ran.stderr);
    let ran = automl(&env, &format!("{action} --train-dataset d --results r/three --upload-to ftp://host/x"));
    assert_eq!((ran.code, env.path("r/three").exists()), (2, false), "{}", ran.stderr);
}

/// Without a network folders are walked; with one they are datasets, and files are specs.
#[test]
fn a_network_makes_folders_datasets_and_files_specs() {
    let env = env();
    for (name, text) in [("ok", "train: {num_epochs: 3}\n"), ("bad", "train: {num_epochs: many}\n")] {
        fs::write(env.path(&format!("{name}.yaml")), text).unwrap();
    }
    fs::create_dir_all(env.path("m/images")).unwrap();
    fs::write(env.path("m/annotations.json"), "{}").unwrap();
    fs::create_dir_all(env.path("lacking/images")).unwrap();
    let code = |paths: &str| automl(&env, &format!("check {paths} --network mal")).code;
    assert_eq!(code("m"), 0);
    assert_eq!(code("m ok.yaml"), 0);
    assert_eq!(code("lacking ok.yaml"), 3);
    assert_eq!(code("m bad.yaml"), 2);
    assert_eq!(code("lacking bad.yaml"), 2);
}
