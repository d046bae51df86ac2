//! Trials whose engine was killed, ended without a new search.

use crate::support::{TestEnv, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;

/// Says which process it is, then waits until it is ended.
const WAIT: &str = "#!/bin/sh\necho $$ > pid.$AUTOML_TRIAL.new && mv pid.$AUTOML_TRIAL.new pid.$AUTOML_TRIAL\n\
                    echo \"started $AUTOML_TRIAL\" >> started\nwhile true; do sleep 0.05; done\n";

/// A search with two running trials whose engine is gone, and the processes of their programs.
fn orphaned() -> (TestEnv, [Pid; 2]) {
    let env = TestEnv::new();
    env.script("wait.sh", WAIT);
    let running = env.start("./wait.sh {x}", "--trials 9 --parallel 2 --name s --grace 2s");
    env.wait_for_started(2);
    running.signal(Signal::SIGKILL);
    running.wait();
    let pid = |trial: u32| {
        let text = fs::read_to_string(env.path(&format!("pid.{trial}"))).unwrap();
        Pid::from_raw(text.trim().parse().unwrap())
    };
    let pids = [pid(1), pid(2)];
    assert!(pids.iter().all(|pid| lives(*pid)), "trials outlive their engine");
    (env, pids)
}

/// A process that its parent has not waited for is gone all the same.
fn lives(pid: Pid) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    kill(pid, None).is_ok() && !state.contains(") Z ")
}

#[test]
fn stopping_ends_what_a_killed_engine_left() {
    let (env, pids) = orphaned();
    let paused = env.automl("pause s");
    assert_eq!(paused.code, 0);
    assert!(paused.stderr.contains("`automl stop s` ends them"), "{}", paused.stderr);
    let ran = env.automl("stop s");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("ending 2 trials that it left running"), "{}", ran.stderr);
    wait_until("both programs to end", || !pids.iter().any(|pid| lives(*pid)));
    let trials = env.objects("trials s --json");
    assert_eq!(trials.len(), 2, "nothing new was started");
    assert!(trials.iter().all(|trial| trial["state"] == "queued" && trial["attempts"] == 1), "{trials:?}");
    assert_eq!(env.objects("status s --json")[0]["state"], "paused");
    assert_eq!(env.automl("replay s").code, 0);
    let idle = env.automl("stop s");
    assert!(idle.stderr.contains("nothing works on study s"), "{}", idle.stderr);
}

#[test]
fn cancelling_ends_one_trial_of_a_killed_engine() {
    let (env, pids) = orphaned();
    let ran = env.automl("cancel s/1");
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
    wait_until("its program to end", || !lives(pids[0]));
    assert!(lives(pids[1]), "the other runs on");
    let states = || -> Vec<String> {
        let state = |trial: serde_json::Value| trial["state"].as_str().unwrap().to_string();
        env.objects("trials s --json").into_iter().map(state).collect()
    };
    assert_eq!(states(), ["stopped", "running"]);
    assert_eq!(env.automl("stop s").code, 0);
    assert_eq!(states(), ["stopped", "queued"]);
    assert!(!lives(pids[1]));
}
