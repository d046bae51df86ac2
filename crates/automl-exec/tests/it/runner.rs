//! The runner with real programs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::common::{RUNNER, Trial, eventually, exists, is_running, kill};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

#[test]
fn exit_code_is_recorded() {
    let (trial, record) = Trial::script("exit 3").run();
    assert_eq!(record["why"], "exited");
    assert_eq!((&record["code"], &record["signal"]), (&json!(3), &json!(null)));
    assert_eq!(record["key"], "am-0000beef-t7-a1");
    assert!(record["started_ms"].as_u64() <= record["ended_ms"].as_u64());
    assert!(record["max_rss_kib"].as_u64().unwrap() > 0);
    assert_eq!(record["owner"], trial.json("claim/owner.json"));
    assert!(record["owner"]["child"]["start"].as_u64().is_some());
}

#[test]
fn own_signal_is_recorded() {
    let (_, record) = Trial::script("kill -SEGV $$").run();
    assert_eq!(
        (&record["why"], &record["code"], &record["signal"]),
        (&json!("exited"), &json!(null), &json!(11))
    );
}

#[test]
fn cpu_time_of_descendants_is_counted() {
    let (_, record) = Trial::script("sh -c 'i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done'; true").run();
    assert!(record["cpu_ms"].as_u64().unwrap() > 0, "{record}");
}

#[test]
fn output_goes_to_both_logs() {
    let trial = Trial::script("echo out; echo err >&2; cat; echo end");
    fs::write(trial.path("stdout.log"), "before\n").unwrap();
    let (trial, _) = trial.run();
    assert_eq!(trial.text("stdout.log"), "before\nout\nend\n", "appended, and standard input is empty");
    assert_eq!(trial.text("stderr.log"), "err\n");
}

#[test]
fn huge_output_does_not_block() {
    let (trial, record) = Trial::script("head -c 20000000 /dev/zero; head -c 3000000 /dev/zero >&2").run();
    assert_eq!(record["code"], 0);
    assert_eq!(fs::metadata(trial.path("stdout.log")).unwrap().len(), 20_000_000);
    assert_eq!(fs::metadata(trial.path("stderr.log")).unwrap().len(), 3_000_000);
}

#[test]
fn environment_and_folder_reach_the_program() {
    let trial = Trial::program(&[
        "sh",
        "-c",
        "pwd; echo $COLOUR; echo $AUTOML_ATTEMPT_KEY; echo \"$0\"",
        "a; b $(c)",
    ]);
    let trial = trial.with(|spec| {
        spec.env.insert("COLOUR".into(), "blue".into());
    });
    let (trial, _) = trial.run();
    let here = fs::canonicalize(trial.root()).unwrap();
    assert_eq!(trial.text("stdout.log"), format!("{}\nblue\nam-0000beef-t7-a1\na; b $(c)\n", here.display()));
}

/// Starts the runner with these signals ignored, as `nohup` and some daemons do.
fn run_ignoring(signals: &str, trial: Trial) -> (Trial, Value) {
    let trial = trial.prepare();
    let ignore = format!("--ignore-signal={signals}");
    let status = Command::new("env").arg(ignore).arg(RUNNER).arg(trial.dir()).status().unwrap();
    assert_eq!(status.code(), Some(0));
    let record = trial.json("exit.json");
    (trial, record)
}

/// No shell in between: many a shell clears the signal mask itself.
#[test]
fn program_starts_with_clean_signals_in_its_own_group() {
    let trial = Trial::program(&["cat", "/proc/self/stat", "/proc/self/status"]);
    let (trial, record) = run_ignoring("HUP,INT,QUIT,TERM,USR1,PIPE", trial);
    let text = trial.text("stdout.log");
    for name in ["SigBlk:\t", "SigIgn:\t"] {
        let set = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        // The two signals above the 31 standard ones belong to the C library.
        assert_eq!(u64::from_str_radix(set, 16).unwrap() & 0x7fff_ffff, 0, "{name}{set}");
    }
    let fields: Vec<&str> = text.lines().next().unwrap().split(' ').collect();
    let child = record["owner"]["child"]["pid"].to_string();
    let runner = record["owner"]["runner"]["pid"].to_string();
    assert_eq!(fields[3..6], [&runner, &child, &runner], "parent, group and session");
}

#[test]
fn end_that_nobody_could_learn_is_a_loss() {
    let (trial, record) = run_ignoring("CHLD", Trial::script("exit 0"));
    assert_eq!((&record["why"], &record["code"]), (&json!("lost"), &json!(null)));
    assert!(trial.text("runner.log").contains("SIGCHLD"));
}

#[test]
fn missing_program_is_named_with_the_reason() {
    let (_, record) = Trial::program(&["no-such-trainer", "--lr", "1"]).run();
    assert_eq!(record["why"], "launch_failed");
    assert_eq!(record["message"], "cannot start `no-such-trainer`: No such file or directory (os error 2)");
    assert_eq!((&record["started_ms"], &record["cpu_ms"]), (&json!(null), &json!(null)));
}

#[test]
fn unusable_programs_are_explained() {
    for (mode, content, expected) in [
        (0o644, "#!/bin/sh\n", "cannot start `./train`: Permission denied (os error 13)"),
        (0o755, "exit 0\n", "a script needs a `#!` line"),
        (0o755, "#!/no/such/python\n", "the interpreter in its `#!` line is missing"),
    ] {
        let trial = Trial::program(&["./train"]);
        let file = trial.root().join("train");
        fs::write(&file, content).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let (_, record) = trial.run();
        let message = record["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
    }
    let (_, record) = Trial::program(&[]).run();
    assert_eq!(record["message"], "cannot start a program: the argument vector is empty");
    let (_, record) = Trial::script("true").with(|spec| spec.workdir = "/no/such/folder".into()).run();
    assert!(record["message"].as_str().unwrap().contains("in /no/such/folder: No such file"));
}

#[test]
fn double_claim_has_one_winner() {
    let trial = Trial::script("echo ran").prepare();
    let mut runners: Vec<_> = (0..8).map(|_| trial.start_runner()).collect();
    let mut codes: Vec<_> = runners.iter_mut().map(|runner| runner.wait().unwrap().code().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 75, 75, 75, 75, 75, 75, 75]);
    assert_eq!(trial.text("stdout.log"), "ran\n");
    assert_eq!(trial.text("refused").lines().filter(|line| line.ends_with("claimed already")).count(), 7);
}

#[test]
fn runner_of_a_superseded_attempt_refuses() {
    let trial = Trial::script("echo ran").prepare();
    trial.raise_fence(2);
    assert_eq!(trial.start_runner().wait().unwrap().code(), Some(75));
    assert!(trial.text("refused").contains("the fence lets attempt 2 run, this is 1"));
    assert!(!trial.path("claim").exists() && !trial.path("stdout.log").exists());
}

#[test]
fn raised_fence_ends_a_running_attempt() {
    let trial = Trial::script("trap '' TERM; echo up; while :; do sleep 0.05; done");
    let trial = trial.with(|spec| spec.grace_ms = 100).prepare();
    let mut runner = trial.start_runner();
    trial.line("stdout.log");
    trial.raise_fence(2);
    assert_eq!(runner.wait().unwrap().code(), Some(0));
    let record = trial.json("exit.json");
    assert_eq!((&record["why"], &record["signal"]), (&json!("fenced"), &json!(9)));
    assert_eq!(trial.text("heartbeat"), "1\n");
}

#[test]
fn terminated_program_may_clean_up() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGUSR1] {
        let script = "trap 'echo saved; exit 0' TERM; echo up; while :; do sleep 0.01; done";
        let trial = Trial::script(script).prepare();
        let mut runner = trial.start_runner();
        trial.line("stdout.log");
        kill(runner.id().cast_signed(), signal);
        assert_eq!(runner.wait().unwrap().code(), Some(0));
        let record = trial.json("exit.json");
        assert_eq!((&record["why"], &record["code"]), (&json!("terminated"), &json!(0)));
        assert_eq!(trial.text("stdout.log"), "up\nsaved\n");
    }
}

#[test]
fn stubborn_program_is_killed_after_its_grace() {
    let trial = Trial::script("trap '' TERM; echo up; while :; do sleep 0.05; done");
    let trial = trial.with(|spec| spec.grace_ms = 150).prepare();
    let mut runner = trial.start_runner();
    trial.line("stdout.log");
    kill(runner.id().cast_signed(), Signal::SIGTERM);
    runner.wait().unwrap();
    let record = trial.json("exit.json");
    assert_eq!((&record["why"], &record["signal"]), (&json!("terminated"), &json!(9)));
}

#[test]
fn stopped_program_can_be_terminated() {
    let trial = Trial::script("trap 'exit 5' TERM; echo $$; while :; do sleep 0.01; done").prepare();
    let mut runner = trial.start_runner();
    let pid = trial.pid("stdout.log");
    kill(pid, Signal::SIGSTOP);
    kill(runner.id().cast_signed(), Signal::SIGTERM);
    runner.wait().unwrap();
    assert_eq!(trial.json("exit.json")["code"], 5);
}

#[test]
fn hangup_does_not_reach_the_trial() {
    let trial = Trial::script("echo up; read line < $AUTOML_ATTEMPT_DIR/go; exit 4").prepare();
    nix::unistd::mkfifo(&trial.path("go"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut runner = trial.start_runner();
    trial.line("stdout.log");
    kill(runner.id().cast_signed(), Signal::SIGHUP);
    fs::write(trial.path("go"), "go\n").unwrap();
    runner.wait().unwrap();
    assert_eq!(trial.json("exit.json")["code"], 4);
}

/// A grandchild that left group, session and parent, and does without the marker and without TERM.
const ESCAPEE: &str = "env -i setsid sh -c 'trap \"\" TERM; echo $$ > '$AUTOML_ATTEMPT_DIR'/pid; \
                       while :; do sleep 0.05; done' & while [ ! -s $AUTOML_ATTEMPT_DIR/pid ]; do :; done";

#[test]
fn escaped_grandchild_does_not_outlive_its_trial() {
    let (trial, record) = Trial::script(&format!("{ESCAPEE}; exit 6")).run();
    assert_eq!((&record["why"], &record["code"]), (&json!("exited"), &json!(6)));
    assert!(!exists(trial.pid("pid")));
}

#[test]
fn quit_ends_everything_at_once() {
    let trial = Trial::script(&format!("trap '' TERM; {ESCAPEE}; sleep 1000 & wait; sleep 1000")).prepare();
    let mut runner = trial.start_runner();
    let escapee = trial.pid("pid");
    kill(runner.id().cast_signed(), Signal::SIGQUIT);
    assert_eq!(runner.wait().unwrap().code(), Some(0));
    let record = trial.json("exit.json");
    assert_eq!((&record["why"], &record["signal"]), (&json!("terminated"), &json!(9)));
    assert!(!exists(escapee));
}

#[test]
fn wall_limit_ends_the_program() {
    let trial = Trial::script("while :; do echo busy; sleep 0.02; done");
    let (_, record) = trial.with(|spec| spec.wall_limit_ms = Some(200)).run();
    assert_eq!(record["why"], "time_limit");
    assert!(record["ended_ms"].as_u64().unwrap() - record["started_ms"].as_u64().unwrap() >= 200);
}

#[test]
fn silence_limit_ends_a_quiet_program_only() {
    let quiet = Trial::script("echo up; sleep 1000").with(|spec| spec.silence_limit_ms = Some(200));
    assert_eq!(quiet.run().1["why"], "silent");
    let log = "for i in 1 2 3 4 5 6 7 8; do echo $i >&2; sleep 0.1; done";
    let file = "for i in 1 2 3 4 5 6 7 8; do echo $i > status.json; sleep 0.1; done";
    for script in [log, file] {
        let trial = Trial::script(script).with(|spec| {
            spec.silence_limit_ms = Some(600);
            spec.watch = vec!["status.json".into()];
        });
        assert_eq!(trial.run().1["why"], "exited", "{script}");
    }
}

#[test]
fn runner_without_launch_spec_says_so() {
    let trial = Trial::script("true");
    let output = Command::new(RUNNER).arg(trial.dir()).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("launch.json"));
    assert!(!trial.path("claim").exists());
}

#[test]
fn killed_runner_leaves_no_record() {
    let trial = Trial::script("echo $$; exec sleep 1000").prepare();
    let mut runner = trial.start_runner();
    let program = trial.pid("stdout.log");
    runner.kill().unwrap();
    runner.wait().unwrap();
    assert!(is_running(program), "ending it is up to whoever finds the runner dead");
    assert!(!trial.path("exit.json").exists());
    kill(program, Signal::SIGKILL);
    eventually("the program's end", || !is_running(program));
}
