//! Ctrl-C, SIGTERM, and a second engine.

use crate::support::TestEnv;
use nix::sys::signal::Signal;
use std::fs;

#[test]
fn first_interrupt_finishes_running_trials() {
    let env = TestEnv::new();
    let run = env.start("./hang.sh {x}", "--parallel 2 --name s");
    env.wait_for_started(2);
    run.signal(Signal::SIGINT);
    run.wait_for("finishing 2 running trials; press Ctrl-C again to end them");
    fs::write(env.path("go"), "").unwrap();
    let ran = run.wait();
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(ran.stdout.contains("next          automl resume s\n"), "{}", ran.stdout);
    let trials = env.objects("trials s --json");
    assert_eq!(trials.len(), 2, "nothing new starts");
    assert!(trials.iter().all(|t| t["state"] == "complete"), "{trials:#?}");
    assert_eq!(env.objects("status s --json")[0]["state"], "paused");
}

#[test]
fn second_interrupt_ends_running_trials() {
    let env = TestEnv::new();
    let run = env.start("./hang.sh {x}", "--parallel 1 --name s");
    env.wait_for_started(1);
    run.signal(Signal::SIGINT);
    run.wait_for("finishing 1 running trial;");
    run.signal(Signal::SIGINT);
    let ran = run.wait();
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(ran.stderr.contains("ending 1 running trial; press Ctrl-C again to kill them"), "{}", ran.stderr);
    assert_eq!(env.objects("trials s --json")[0]["state"], "queued");
    fs::write(env.path("go"), "").unwrap();
    let resumed = env.automl("resume s --trials 2");
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!(env.objects("trials s --json").len(), 2);
}

#[test]
fn third_interrupt_kills_stubborn_trials() {
    let env = TestEnv::new();
    env.script(
        "stubborn.sh",
        "#!/bin/sh\ntrap '' TERM INT\necho x >> started\nwhile :; do sleep 0.02; done\n",
    );
    let run = env.start("./stubborn.sh {x}", "--parallel 1 --name s");
    env.wait_for_started(1);
    run.signal(Signal::SIGINT);
    run.wait_for("finishing 1 running trial;");
    run.signal(Signal::SIGINT);
    run.wait_for("ending 1 running trial;");
    run.signal(Signal::SIGINT);
    let ran = run.wait();
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(ran.stderr.contains("killing 1 running trial"), "{}", ran.stderr);
    assert_eq!(env.objects("trials s --json")[0]["state"], "queued");
}

#[test]
fn termination_ends_running_trials_at_once() {
    let env = TestEnv::new();
    let run = env.start("./hang.sh {x}", "--parallel 1 --name s");
    env.wait_for_started(1);
    run.signal(Signal::SIGTERM);
    let ran = run.wait();
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    assert!(ran.stderr.contains("Interrupted trial 1: ended on request"), "{}", ran.stderr);
}

#[test]
fn lost_terminal_ends_running_trials_unless_it_was_expected() {
    let env = TestEnv::new();
    let run = env.start("./hang.sh {x}", "--parallel 1 --name s");
    env.wait_for_started(1);
    run.signal(Signal::SIGHUP);
    assert_eq!(run.wait().code, 130);

    let run = env.start_by("nohup", "./hang.sh {x}", "--parallel 1 --trials 1 --name t");
    env.wait_for_started(2);
    run.signal(Signal::SIGHUP);
    fs::write(env.path("go"), "").unwrap();
    let ran = run.wait();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn busy_study_names_its_engine_and_can_be_read() {
    let env = TestEnv::new();
    let run = env.start("./hang.sh {x}", "--parallel 1 --trials 1 --name s");
    env.wait_for_started(1);
    let status = &env.objects("status s --json")[0];
    assert_eq!(status["state"], "running");
    let pid = status["pid"].as_u64().unwrap();
    let second = env.automl("resume s");
    assert_eq!(second.code, 7, "{}", second.stderr);
    assert!(second.stderr.contains(&format!("process {pid}")), "{}", second.stderr);
    let twice = env.run_over("./train.sh {x}", "--name s");
    assert_eq!(twice.code, 2, "{}", twice.stderr);
    let watch = env.command("status s --watch --json").stdout(std::process::Stdio::piped()).spawn().unwrap();
    fs::write(env.path("go"), "").unwrap();
    assert_eq!(run.wait().code, 0);
    let seen = watch.wait_with_output().unwrap();
    let last = String::from_utf8(seen.stdout).unwrap().lines().next_back().unwrap().to_string();
    assert!(last.contains(r#""state":"ended""#), "{last}");
}
