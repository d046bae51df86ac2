//! Looking at studies as people do: tables, the incumbent, logs; and help.

use crate::support::TestEnv;
use std::fs;
use std::process::Stdio;

/// Replaces what differs from run to run: durations and dates.
fn steady(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let trimmed = word.trim_end();
        let seconds = trimmed.strip_suffix('s').is_some_and(|n| n.parse::<f64>().is_ok());
        if seconds { word.replace(trimmed, "[T]s") } else { word.to_string() }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn tables_line_up() {
    let env = TestEnv::new();
    env.search("--trials 3 --parallel 1 --seed 1 --algorithm sobol --name s");
    insta::assert_snapshot!("trials", steady(&env.automl("trials s").stdout));
    insta::assert_snapshot!("status", steady(&env.automl("status s").stdout));
    insta::assert_snapshot!("best", env.automl("best s").stdout);
}

#[test]
fn help_shows_examples() {
    let env = TestEnv::new();
    insta::assert_snapshot!("help", env.automl("--help").stdout);
    insta::assert_snapshot!("help_run", env.automl("run --help").stdout);
    assert_eq!(env.automl("--version").stdout, format!("automl {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn newest_study_is_taken_and_named() {
    let env = TestEnv::new();
    env.search("--trials 1 --name old");
    env.search("--trials 1 --name new");
    let ran = env.automl("trials");
    assert!(ran.stderr.contains("study new (the one worked on last in studies)"), "{}", ran.stderr);
    env.automl("resume old --trials 2");
    assert!(env.automl("status").stdout.starts_with("study      old\n"));
}

#[test]
fn logs_come_on_their_own_streams() {
    let env = TestEnv::new();
    env.script("talk.sh", "#!/bin/sh\necho loss: 0.5\necho a warning >&2\n");
    env.run_over("./talk.sh {x}", "--trials 1 --name s");
    let ran = env.automl("logs 1 --quiet --follow");
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("loss: 0.5\n", "a warning\n"));
}

#[test]
fn spec_of_a_plain_program_is_its_parameters() {
    let env = TestEnv::new();
    env.search("--trials 2 --name s");
    let params: serde_json::Value = serde_json::from_str(&env.automl("best s --spec").stdout).unwrap();
    assert_eq!(params, env.objects("best s --json")[0]["params"]);
}

#[test]
fn spec_of_a_network_is_ready_to_use() {
    let env = TestEnv::new();
    for (name, text) in [
        ("toy.config.json", include_str!("fixtures/toy/toy.config.json")),
        ("toy.schema.json", include_str!("fixtures/toy/toy.schema.json")),
        ("toy.py", include_str!("fixtures/toy/toy.py")),
    ] {
        fs::write(env.path(name), text).unwrap();
    }
    let network = "--network toy --network-config toy.config.json --schema toy.schema.json";
    let ran = env.automl(&format!("run {network} --gpus none --trials 1 --algorithm sobol --name s"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let path = env.objects("best s --json")[0]["spec_path"].as_str().unwrap().to_string();
    assert_eq!(path, env.root().join("s/best_spec.json").to_str().unwrap());
    assert_eq!(env.automl("best s --spec").stdout, fs::read_to_string(path).unwrap());
}

#[test]
fn readers_may_leave_early() {
    let env = TestEnv::new();
    env.search("--trials 1 --name s");
    let mut child =
        env.command("completions bash").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn completions_know_the_commands() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = env.automl(&format!("completions {shell}"));
        assert!(ran.stdout.contains("networks"), "{shell}");
        assert!(!ran.stdout.contains("__runner"), "{shell}");
    }
}

#[test]
fn a_root_set_to_nothing_counts_as_none() {
    let env = TestEnv::new();
    env.search("--trials 1 --name s");
    let listed = env.command("list").env("AUTOML_ROOT", "").output().unwrap();
    assert!(listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains('s'), "{listed:?}");
}
