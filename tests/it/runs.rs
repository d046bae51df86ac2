//! Searches from begin to end: run, resume, and what they leave behind.

use crate::support::{TestEnv, entries};
use std::fs;

#[test]
fn search_runs_to_its_budget() {
    let env = TestEnv::new();
    let ran = env.search("--trials 5");
    assert_eq!(ran.stderr.matches("Finished trial").count(), 5, "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("train-1 ended: the budget of trials is used up; 5 trials (5 complete)"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("results       studies/train-1/best\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("next          automl trials train-1\n"), "{}", ran.stdout);
    assert!(env.root().join("train-1/study.json").exists());
    assert!(env.root().join("train-1/best").join("params.json").exists());
}

#[test]
fn events_are_lines_and_data_stays_apart() {
    let env = TestEnv::new();
    let ran = env.search("--trials 2 --algorithm random --quiet");
    assert_eq!(ran.stderr, "");
    assert!(!ran.stdout.contains("Started"), "{}", ran.stdout);
    let ran = env.search("--trials 1 --verbose");
    assert!(ran.stderr.contains("     because "), "{}", ran.stderr);
    assert!(!ran.stderr.contains('\x1b'), "{}", ran.stderr);
}

#[test]
fn default_configuration_is_compared() {
    let env = TestEnv::new();
    let ran = env.automl(
        "run --gpus none --metric loss:min --param x=0.0..1.0@0.9 --trials 6 --algorithm bayesian -- ./train.sh {x}",
    );
    assert!(
        ran.stdout.contains("default       0.36; the best beats it by "),
        "{}\n{}",
        ran.stdout,
        ran.stderr
    );
}

#[test]
fn names_are_counted_up_or_given() {
    let env = TestEnv::new();
    env.search("--trials 1");
    env.search("--trials 1");
    env.search("--trials 1 --name mine");
    let names: Vec<_> = env.objects("list --json").iter().map(|s| s["study"].clone()).collect();
    assert_eq!(names, ["mine", "train-2", "train-1"]);
    let again = env.run_over("./train.sh {x}", "--name mine");
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("study `mine` exists in "), "{}", again.stderr);
}

#[test]
fn resume_carries_on_with_more_trials() {
    let env = TestEnv::new();
    env.search("--trials 3 --name s");
    let before = env.objects("trials s --json");
    let nothing = env.automl("resume s");
    assert_eq!(nothing.code, 0);
    assert!(nothing.stderr.contains("nothing to do: the budget of trials is used up"), "{}", nothing.stderr);
    let more = env.automl("resume s --trials 6");
    assert_eq!(more.code, 0, "{}", more.stderr);
    let after = env.objects("trials s --json");
    assert_eq!(after.len(), 6);
    assert_eq!(after[..3], before[..]);
}

#[test]
fn same_seed_gives_the_same_trials() {
    let env = TestEnv::new();
    let values = |options: &str| {
        env.search(options);
        let name = options.split(' ').next_back().unwrap();
        env.objects(&format!("trials {name} --json")).iter().map(|t| t["params"].clone()).collect::<Vec<_>>()
    };
    let first = values("--parallel 1 --trials 4 --seed 7 --name a");
    assert_eq!(first, values("--parallel 1 --trials 4 --seed 7 --name b"));
    assert_ne!(first, values("--parallel 1 --trials 4 --seed 8 --name c"));
}

#[test]
fn dry_run_shows_the_first_trial_and_writes_nothing() {
    let env = TestEnv::new();
    let ran = env.run_over("./train.sh {x}", "--dry-run");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("command\n  ./train.sh 0."), "{}", ran.stdout);
    assert!(ran.stdout.contains("  AUTOML_PARAM_X=0."), "{}", ran.stdout);
    assert_eq!(entries(&env.root()), 0);
}

#[test]
fn settings_come_from_the_nearest_layer() {
    let env = TestEnv::new();
    fs::write(env.path("automl.toml"), "[run]\ntrials = 7\nseed = 3\nretry = 4\n").unwrap();
    let mut command =
        env.command("run --metric loss --param x=0..1 --seed 9 --json --print-config -- ./train.sh {x}");
    let output = command.env("AUTOML_TRIALS", "5").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let chosen = |name: &str| {
        let objects = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let choice =
            objects.into_iter().find(|o| o["name"] == name).unwrap_or_else(|| panic!("no {name}: {text}"));
        format!("{} {}", choice["value"].as_str().unwrap(), choice["source"].as_str().unwrap())
    };
    assert_eq!(chosen("seed"), "9 --seed");
    assert_eq!(chosen("trials"), "5 AUTOML_TRIALS");
    assert_eq!(env.filtered(&chosen("retry")), "4 [DIR]/automl.toml");
    assert_eq!(chosen("eta"), "3 default");
}

#[test]
fn root_can_be_anywhere() {
    let env = TestEnv::new();
    env.search("--trials 1 --root elsewhere --name s");
    assert!(env.path("elsewhere/s/study.json").exists());
    let output = env.command("best --json").env("AUTOML_ROOT", env.path("elsewhere")).output().unwrap();
    assert!(output.status.success());
    assert_eq!(env.automl("best --json elsewhere/s --quiet").code, 0);
}

#[test]
fn parameters_can_come_from_a_file() {
    let env = TestEnv::new();
    fs::write(env.path("space.yaml"), "- x=0.0..1.0\n- act=relu|gelu\n").unwrap();
    let ran = env.automl(
        "run --gpus none --metric loss:min --space space.yaml --trials 2 --algorithm B --name s -- ./train.sh {x} {act}",
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let params = &env.objects("best s --json")[0]["params"];
    assert!(["relu", "gelu"].contains(&params["act"].as_str().unwrap()), "{params}");
}

#[test]
fn spaces_of_configspace_can_be_searched() {
    let env = TestEnv::new();
    let space = r#"{"hyperparameters": [
        {"type": "uniform_float", "name": "x", "lower": 0.0, "upper": 1.0, "default_value": 0.5, "log": false, "meta": null},
        {"type": "categorical", "name": "act", "choices": ["relu", "gelu"], "weights": null, "default_value": "gelu", "meta": null},
        {"type": "uniform_int", "name": "k", "lower": 1, "upper": 9, "default_value": 1, "log": false, "meta": null}],
        "conditions": [{"type": "EQ", "child": "k", "parent": "act", "value": "relu"}],
        "forbiddens": [], "format_version": 0.4}"#;
    fs::write(env.path("space.json"), space).unwrap();
    let ran = env.automl(
        "run --gpus none --metric loss:min --space space.json --trials 4 --name s -- ./train.sh {x} {act} {k}",
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for trial in env.objects("trials s --json") {
        let params = &trial["params"];
        assert_eq!(params["act"] == "relu", params["k"].is_number(), "{params}");
    }
    assert_eq!(env.automl("check space.json").code, 0);
}
