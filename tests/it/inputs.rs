//! Wrong input and missing surroundings: what is said, where it points, and the exit code.

use crate::support::{TestEnv, entries};
use std::fs;

fn assert_refused(env: &TestEnv, arguments: &str, code: i32, words: &[&str]) {
    let ran = env.automl(arguments);
    assert_eq!(ran.code, code, "{arguments}: {}", ran.stderr);
    for word in words {
        assert!(ran.stderr.contains(word), "{arguments}: no `{word}` in {}", ran.stderr);
    }
    assert!(ran.stderr.contains("error: "), "{}", ran.stderr);
    assert_eq!(entries(&env.root()), 0, "{arguments} left something behind");
}

#[test]
fn wrong_usage_is_answered_with_the_right_one() {
    let env = TestEnv::new();
    for (arguments, words) in [
        ("run --trails 3 -- ./train.sh", &["'--trails'", "'--trials'"][..]),
        ("rum", &["'run'"]),
        ("run", &["nothing to tune", "--network mal"]),
        ("run --param x=0..1 -- ./train.sh {x}", &["--metric loss:min"]),
        ("run --network mal -- ./train.sh", &["exclude each other"]),
        ("run --metric loss --param x=1..0 -- ./train.sh {x}", &["lower bound 1 is above upper bound 0"]),
        (
            "run --metric loss --param x=0..1 --name ../x -- ./train.sh {x}",
            &["`../x` cannot be a study's name"],
        ),
        ("run --metric loss --param x=0..1 --eta 1 -- ./train.sh {x}", &["--eta <N>", "at least 2"]),
        ("run --metric loss --param x=0..1 --seed -1 -- ./train.sh {x}", &["'-1' for '--seed <N>'"]),
        ("run --metric loss --param x=0..1 --name=-x -- ./train.sh {x}", &["`-x` cannot be", "100 letters"]),
        (
            "run --metric loss --param x=0..1 --stop-file /x -- ./train.sh {x}",
            &["--stop-file: `/x` is no file"],
        ),
        (
            "run --metric loss --param x=0..1 --parallel 4294967295 -- ./train.sh {x}",
            &["4294967295 parallel trials are too many"],
        ),
        (
            "run --metric loss --param x=0..1 --gpus-per-trial nan -- ./train.sh {x}",
            &["NaN GPUs per trial is not possible"],
        ),
        (
            "run --metric loss --param x=0.0..1.0 --enqueue x=5 -- ./train.sh {x}",
            &["`x`: 5.0 is not a number from 0.0 to 1.0"],
        ),
        (
            "run --metric loss --param x=0..1 -- ./train.sh {width}",
            &["unknown placeholder `{width}`", "known are x, spec"],
        ),
        ("run --metric loss --param x=0..1 --gpus x -- ./train.sh {x}", &["`x` is no GPU list"]),
        (
            "run --metric loss --param x=0..1 --algorithm hyperband -- ./train.sh {x}",
            &["--algorithm bayesian"],
        ),
        (
            "run --metric loss --param x=0..1 --train-dataset d -- ./train.sh {x}",
            &["`--train-dataset` needs `--network`"],
        ),
        (
            "run --metric v:minn --param x=0.0..1.0 -- ./train.sh {x}",
            &["unknown direction `minn`", "write `:min`"],
        ),
        ("run --metric v:up --param x=0.0..1.0 -- ./train.sh {x}", &["unknown direction `up`", "`:max`"]),
        ("run --metric v --param api_key=1 -- ./train.sh {api_key}", &["`api_key` sounds like a secret"]),
        ("run --network mall", &["no network `mall`", "did you mean `mal`?"]),
        ("networks mall", &["no network `mall`", "did you mean `mal`?"]),
        ("networks mal trian", &["did you mean `train`?"]),
        ("status nothing", &["no study `nothing`: there is none at all in studies"]),
        ("logs 1", &["there is no study in studies"]),
    ] {
        assert_refused(&env, arguments, 2, words);
    }
}

#[test]
fn missing_surroundings_have_their_own_code() {
    let env = TestEnv::new();
    fs::write(env.path("file"), "").unwrap();
    fs::write(env.path("plain.txt"), "").unwrap();
    for (arguments, words) in [
        (
            "run --metric loss --param x=0..1 -- ./no-such-program {x}",
            &["program `./no-such-program` was not found"][..],
        ),
        ("run --metric loss --param x=0..1 -- ./plain.txt {x}", &["not an executable file", "chmod +x"]),
        ("run --metric loss --param x=0..1 --root file -- ./train.sh {x}", &["cannot write", "--root"]),
        (
            "run --metric loss --param x=0..1 --root /proc/nowhere -- ./train.sh {x}",
            &["cannot write /proc/nowhere/"],
        ),
        ("run --network mal --params train.lr", &["--train-dataset", "annotations.json"]),
    ] {
        assert_refused(&env, arguments, 3, words);
    }
}

#[test]
fn broken_settings_file_is_located() {
    let env = TestEnv::new();
    fs::write(env.path("automl.toml"), "[run]\ntrails = 3\n").unwrap();
    assert_refused(&env, "list", 2, &["automl.toml:2:1", "did you mean `trials`?"]);
    fs::write(env.path("automl.toml"), "[run]\ntimeout = \"90\"\n").unwrap();
    let run = "run --metric loss --param x=0..1 -- ./train.sh {x}";
    assert_refused(&env, run, 2, &["automl.toml:2:11: run.timeout: `90` is no duration"]);
    fs::write(env.path("automl.toml"), "[run]\ntrials = 3\nexecutor = \"slurm\"\n").unwrap();
    assert_refused(&env, run, 2, &["automl.toml:3:12: run.executor: no executor `slurm`"]);
}

#[test]
fn variables_are_blamed_by_their_own_names() {
    let env = TestEnv::new();
    let with = |variable: &str, value: &str, options: &str| {
        let mut command = env.command(&format!(
            "run --gpus none --metric loss --param x=0.0..1.0 {options} --print-config -- ./train.sh {{x}}"
        ));
        let output = command.env(variable, value).output().unwrap();
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, said) = with("AUTOML_TRIALS", "many", "");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("invalid value 'many' for 'AUTOML_TRIALS'"), "{said}");
    let (code, said) = with("AUTOML_TRIALS", "7", "--trials=many");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("for '--trials <N>'"), "{said}");
    for variable in ["AUTOML_TRIALS", "AUTOML_ROOT", "AUTOML_TIMEOUT", "AUTOML_EARLY_STOP", "AUTOML_GPUS"] {
        let (code, said) = with(variable, "", "");
        assert_eq!(code, Some(0), "{variable} set to nothing: {said}");
        assert!(!said.contains(variable), "{variable} set to nothing: {said}");
    }
}

#[test]
fn unknown_trials_and_studies_name_those_there() {
    let env = TestEnv::new();
    env.search("--trials 1 --name s");
    for (arguments, words) in [
        ("status t", "no study `t` in studies; there are s"),
        ("logs 9", "study s has no trial 9; it has 1"),
        ("logs 1 --attempt 2", "trial 1 has no attempt 2; it has 1"),
    ] {
        let ran = env.automl(arguments);
        assert_eq!(ran.code, 2, "{arguments}");
        assert!(ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
    }
}

#[test]
fn files_are_checked_with_places() {
    let env = TestEnv::new();
    fs::write(env.path("space.yaml"), "- lr=1e-5..1e-1:log\n- n=8..1\n").unwrap();
    let ran = env.automl("check space.yaml");
    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.starts_with("error: space.yaml:2:"), "{}", ran.stdout);
    assert!(ran.stderr.contains("1 file checked: 1 error, 0 warnings"), "{}", ran.stderr);
    fs::write(env.path("space.yaml"), "- lr=1e-5..1e-1:log\n- n=1..8\n").unwrap();
    let ran = env.automl("check space.yaml");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert_eq!(env.automl("check no-such-file.json").code, 2);
}

#[test]
fn specs_are_checked_against_a_network() {
    let env = TestEnv::new();
    fs::write(env.path("spec.yaml"), "train:\n  rl: 1.0\n  lr: 5.0\n").unwrap();
    let ran = env.automl("check spec.yaml --network mal --json");
    assert_eq!(ran.code, 2, "{}{}", ran.stdout, ran.stderr);
    let first: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["line"], &first["path"], &first["code"]),
        (&2.into(), &"train.rl".into(), &"unknown-key".into())
    );
    assert!(first["hint"].as_str().unwrap().contains("did you mean"), "{first}");
    assert_eq!(ran.stdout.lines().count(), 2, "{}", ran.stdout);
    for (arguments, words) in [
        ("check spec.yaml --network mall", "did you mean `mal`?"),
        ("check spec.yaml --schema none.json", "none.json"),
        ("check spec.yaml --skill-dir .", "neither a folder `schemas`"),
        ("check", "<PATH>"),
        ("check . --print-schema network", "cannot be used with"),
        ("run --skill-dir . -- ./train.sh", "needs `--network NAME`"),
    ] {
        assert_refused(&env, arguments, 2, &[words]);
    }
}

#[test]
fn a_broken_settings_file_can_be_checked_and_folders_are_walked() {
    let env = TestEnv::new();
    fs::write(env.path("automl.toml"), "[run]\ntrails = 3\n").unwrap();
    let ran = env.automl("check automl.toml");
    assert_eq!(ran.code, 2);
    assert!(ran.stdout.contains("automl.toml:2:1"), "{}", ran.stdout);
    let ran = env.automl("check .");
    assert!(
        ran.stdout.contains("automl.toml:2:1") && ran.stderr.contains("1 file checked"),
        "{}",
        ran.stderr
    );
}

#[test]
fn formats_are_printed_for_editors() {
    let env = TestEnv::new();
    for format in ["network", "schema", "space", "settings", "dataset"] {
        let ran = env.automl(&format!("check --print-schema {format}"));
        let schema: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(
            (ran.code, &schema["$schema"]),
            (0, &"https://json-schema.org/draft/2020-12/schema".into())
        );
    }
}

#[test]
fn a_skill_stands_for_the_packaged_files() {
    let env = TestEnv::new();
    let write = |name: &str, text: &str| {
        let path = env.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("skill/references/skill_info.yaml", "network_arch: mal\nactions: {train: {command: x}}\n");
    write(
        "skill/schemas/train.schema.json",
        r#"{"properties": {"train": {"type": "object", "properties": {
            "lr": {"type": "float", "default": 0.5, "minimum": 0.1, "maximum": Infinity}}}},
            "automl_default_parameters": ["train.lr"], "x_tao_schema": {"action": "train"}}"#,
    );
    let ran = env.automl("networks mal train --skill-dir skill --json");
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 1), "{}{}", ran.stdout, ran.stderr);
    write("skill/references/spec_template_train.yaml", "train:\n  lr: 0.5\n  num_epochs: 2\n");
    write("data/annotations.json", "{}");
    fs::create_dir(env.path("data/images")).unwrap();
    let dry = "--dry-run --json --skill-dir skill --train-dataset data --eval-dataset data";
    let ran = env.automl(&format!("action mal train {dry}"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let shown: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(shown["spec"].to_string().contains("lr: 0.5"), "{shown}");
    write("spec.yaml", "train:\n  wd: 1.0\n");
    let ran = env.automl("check spec.yaml --skill-dir skill");
    assert!(ran.code == 2 && ran.stdout.contains("no key `train.wd`"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn damaged_log_has_its_own_code_and_is_mended() {
    let env = TestEnv::new();
    env.search("--trials 1 --name s");
    let journal = env.root().join("s/events.jsonl");
    fs::write(&journal, b"garbage\n").unwrap();
    let ran = env.automl("status s");
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    assert!(ran.stderr.contains("`automl fsck s` tells"), "{}", ran.stderr);
    let mended = env.automl("resume s --trials 2");
    assert_eq!(mended.code, 0, "{}", mended.stderr);
    assert_eq!(env.objects("trials s --json").len(), 2);
}
