//! What outlives an engine, and what stops one without losing anything.

use crate::support::TestEnv;
use nix::sys::signal::Signal;
use std::fs;
use std::process::Command;

#[test]
fn trials_outlive_a_killed_engine_and_are_adopted() {
    let env = TestEnv::new();
    let engine = env.start("./hang.sh {x}", "--trials 2 --parallel 2 --name s");
    env.wait_for_started(2);
    engine.signal(Signal::SIGKILL);
    engine.wait();
    let interrupted = env.automl("status s --json");
    assert!(interrupted.stdout.contains("\"interrupted\""), "{}", interrupted.stdout);

    fs::write(env.path("go"), "").unwrap();
    let resumed = env.automl("resume s");
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    for trial in env.objects("trials s --json") {
        assert_eq!((&trial["state"], &trial["attempts"]), (&"complete".into(), &1.into()), "{trial}");
    }
    assert_eq!(fs::read_to_string(env.path("started")).unwrap().lines().count(), 2, "a trial ran twice");
}

#[test]
fn a_file_that_cannot_be_written_stops_the_engine_and_no_trial() {
    let env = TestEnv::new();
    let blocked = env.root().join("s/trials/00003");
    fs::create_dir_all(blocked.parent().unwrap()).unwrap();
    fs::write(&blocked, "in the way").unwrap();
    let stopped = env.run_over("./train.sh {x}", "--trials 5 --parallel 1 --name s");
    assert_eq!(stopped.code, 3, "{}", stopped.stderr);
    assert!(stopped.stderr.contains("trials/00003"), "{}", stopped.stderr);
    assert!(stopped.stderr.contains("automl resume s"), "{}", stopped.stderr);

    fs::remove_file(&blocked).unwrap();
    assert_eq!(env.automl("resume s").code, 0);
    let trials = env.objects("trials s --json");
    assert_eq!(trials.len(), 5);
    assert!(trials.iter().all(|t| t["state"] == "complete" && t["attempts"] == 1), "{trials:?}");
}

#[test]
fn resumed_studies_find_their_program_from_anywhere() {
    let env = TestEnv::new();
    env.search("--trials 2 --name s");
    let study = env.root().join("s");
    let mut resume = env.command("resume --trials 4");
    let output = resume.arg(&study).current_dir("/").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(env.objects("trials s --json").len(), 4);
}

#[test]
fn trials_that_the_log_lost_are_set_aside() {
    let env = TestEnv::new();
    env.search("--trials 4 --name s --parallel 1");
    let journal = env.root().join("s/events.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    let third = text
        .lines()
        .position(|line| line.contains("trial_suggested") && line.contains("\"trial\":3"))
        .unwrap();
    let kept: Vec<&str> = text.lines().take(third - 1).collect();
    fs::write(&journal, kept.join("\n") + "\n").unwrap();
    fs::remove_dir_all(env.root().join("s/store")).unwrap();

    let resumed = env.automl("resume s");
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert!(resumed.stderr.contains("the log has lost its end"), "{}", resumed.stderr);
    assert!(env.root().join("s/trials/00004.lost-1").exists());
    let trials = env.objects("trials s --json");
    assert!(trials.iter().all(|t| t["state"] == "complete"), "{trials:?}");
}

#[test]
fn a_budget_below_what_was_started_is_refused() {
    let env = TestEnv::new();
    env.search("--trials 4 --name s");
    let refused = env.automl("resume s --trials 2");
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    assert!(refused.stderr.contains("the study has 4 trials already"), "{}", refused.stderr);
}

#[test]
fn the_next_command_finds_the_study_again() {
    let env = TestEnv::new();
    let ran = env.search("--trials 1 --name s --root elsewhere");
    let next = ran.stdout.lines().find_map(|line| line.strip_prefix("next")).unwrap().trim().to_string();
    let arguments = next.strip_prefix("automl ").unwrap();
    assert_eq!(env.automl(arguments).code, 0, "{next}");
}

#[test]
fn the_next_command_can_be_pasted_into_a_shell() {
    let env = TestEnv::new();
    let mut command = env.command("--root");
    command.arg("else where").args(
        "run --gpus none --metric loss:min --param x=0.0..1.0 --trials 1 --name s -- ./train.sh {x}"
            .split(' '),
    );
    let ran = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let next = ran.lines().find_map(|line| line.strip_prefix("next")).unwrap().trim();
    let line = next.replacen("automl", env!("CARGO_BIN_EXE_automl"), 1);
    let pasted = Command::new("sh").arg("-c").arg(&line).current_dir(env.path("")).output().unwrap();
    assert!(pasted.status.success(), "{next}: {}", String::from_utf8_lossy(&pasted.stderr));
}

/// What a creation leaves that is killed before its first event.
#[test]
fn study_that_has_not_begun_is_called_so_and_can_be_begun() {
    let env = TestEnv::new();
    env.search("--trials 1 --name other");
    let journal = fs::read_to_string(env.root().join("other/events.jsonl")).unwrap();
    fs::create_dir(env.root().join("s")).unwrap();
    fs::write(env.root().join("s/events.jsonl"), journal.lines().next().unwrap().to_string() + "\n").unwrap();
    for command in ["status s", "trials s", "replay s", "set s trials=3", "resume s", "export s --to jsonl"] {
        let refused = env.automl(command);
        assert_eq!(refused.code, 2, "{command}: {}{}", refused.stdout, refused.stderr);
        assert!(refused.stderr.contains("`automl run --name s` begins it"), "{command}: {}", refused.stderr);
    }
    env.search("--trials 2 --name s");
    assert_eq!(env.automl("fsck s").code, 0);
}
