//! Looking at studies as people do: tables, the incumbent, logs; and help.

use crate::support::{TestEnv, assert_fields};
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

#[test]
fn logs_of_one_study_are_named_in_one_word() {
    let env = TestEnv::new();
    env.search("--trials 1 --name s");
    assert_eq!(env.automl("logs s/1").stdout, env.automl("logs 1 --study s").stdout);
    let wrong = env.automl("logs s/1 --study t");
    assert!(wrong.code == 2 && wrong.stderr.contains("name two studies"), "{}", wrong.stderr);
    let wrong = env.automl("logs s/one");
    assert!(
        wrong.code == 2 && wrong.stderr.contains("write its number, or STUDY/NUMBER"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn logs_as_json_say_what_lines_mean() {
    let env = TestEnv::new();
    env.script(
        "talk.sh",
        "#!/bin/sh\necho hello\necho epoch 2 loss: 0.5\necho 'MemoryError: 3' >&2\nprintf half\n",
    );
    assert_eq!(env.run_over("./talk.sh {x}", "--trials 1 --name s").code, 0);
    let lines = env.objects("logs s/1 --json");
    for line in &lines {
        assert_fields(line, &["stream", "line", "text", "step", "values", "failure"]);
    }
    assert_eq!((&lines[0]["text"], &lines[0]["values"]), (&"hello".into(), &serde_json::Value::Null));
    assert_eq!((&lines[1]["step"], &lines[1]["values"]["loss"]), (&2.into(), &0.5.into()));
    assert_eq!((&lines[2]["line"], &lines[2]["text"]), (&3.into(), &"half".into()));
    assert_eq!((&lines[3]["stream"], &lines[3]["failure"]), (&"stderr".into(), &true.into()));
}

#[test]
fn existing_logs_are_shown_as_an_engine_reads_them() {
    let env = TestEnv::new();
    let log = "start\nepoch 1 val_los: 0.5 acc: 0.25\nepoch 2 val_los: 0.25\nCUDA out of memory\n";
    fs::write(env.path("train.log"), log).unwrap();
    let found = env.automl("check --log train.log --metric val_los");
    assert_eq!(found.code, 0, "{}", found.stderr);
    assert_eq!(
        found.stdout,
        "2: step 1 val_los=0.5  | epoch 1 val_los: 0.5 acc: 0.25\n3: step 2 val_los=0.25  | epoch 2 val_los: 0.25\n\
         4: failure  | CUDA out of memory\n"
    );
    assert!(
        found.stderr.contains("val_los: 2 readings, lines 2 to 3, last 0.25 at step 2\n"),
        "{}",
        found.stderr
    );
    assert!(found.stderr.contains("advice: the GPU's memory"), "{}", found.stderr);
    let lost = env.automl("check --log train.log --metric val_loss:min");
    assert_eq!(lost.code, 2);
    assert!(lost.stderr.contains("`val_loss` is never reported in this log"), "{}", lost.stderr);
    assert!(lost.stderr.contains("did you mean `--metric val_los`?"), "{}", lost.stderr);
    let objects = env.objects("check --log train.log --metric val_loss --json");
    assert_eq!(objects.last().unwrap()["other_names"]["val_los"], 3);
    let network = env.automl("check --log train.log --network mal");
    assert!(network.code == 2 && network.stderr.contains("is never reported"), "{}", network.stderr);
    for (flags, words) in [
        ("--log train.log", "--log needs `--metric NAME`"),
        ("--log none.log --metric a", "cannot read none.log"),
        ("--log train.log:csb --metric a", "unknown log format `csb`"),
        ("--log train.log --metric a --metric-pattern (", "not a regular expression"),
    ] {
        let wrong = env.automl(&format!("check {flags}"));
        assert!(wrong.code == 2 && wrong.stderr.contains(words), "{flags}: {}", wrong.stderr);
    }
}

#[test]
fn existing_logs_of_any_shape_are_shown() {
    let env = TestEnv::new();
    let utf16: Vec<u8> =
        "\u{feff}start\nval_loss: 0.5\nend\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(env.path("utf16.log"), utf16).unwrap();
    let found = env.automl("check --log utf16.log --metric val_loss");
    assert_eq!(
        (found.code, found.stdout.as_str()),
        (0, "2: val_loss=0.5  | val_loss: 0.5\n"),
        "{}",
        found.stderr
    );
    // One line of several megabytes, a bar that is redrawn, and a last line without an end.
    let long = format!(
        "{}\n10%|# | val_loss=0.5\r20%|##| val_loss=0.25\nMemoryError: 3\nval_loss=1",
        "x".repeat(5 << 20)
    );
    fs::write(env.path("long.log"), long).unwrap();
    let found = env.automl("check --log long.log --metric val_loss");
    assert_eq!(found.code, 0, "{}", found.stderr);
    let lines: Vec<&str> = found.stdout.lines().map(|line| line.split("  |").next().unwrap()).collect();
    assert_eq!(lines, ["2: val_loss=0.5", "3: val_loss=0.25", "4: failure", "5: val_loss=1"]);
}
