//! Trials that are stopped while they run: the decision in the log, the program asked in its own way, the
//! result kept, and everything derived again.

use super::support::{TestEnv, wait_until};
use serde_json::Value;
use std::fs;

/// The first trial reports all of its epochs; others one, and then wait for their stop file and end well.
const POLITE: &str = r#"#!/bin/sh
report() { awk -v x="$1" -v e="$2" 'BEGIN { printf "epoch %d loss: %.12g\n", e, (x - 0.3) ^ 2 + 1 / e }'; }
if [ "$AUTOML_TRIAL" = 1 ]; then for epoch in 1 2 3; do report "$1" $epoch; done; exit 0; fi
report "$1" 1
while [ ! -e "$AUTOML_RESULTS_DIR/stop" ]; do sleep 0.02; done
cp "$AUTOML_RESULTS_DIR/stop" "told-$AUTOML_TRIAL"
"#;

/// The same, but it goes on until there is a file `go` as well.
const STUBBORN: &str = r#"#!/bin/sh
awk -v x="$1" 'BEGIN { printf "epoch 1 loss: %.12g\n", (x - 0.3) ^ 2 }'
if [ "$AUTOML_TRIAL" = 1 ]; then exit 0; fi
while [ ! -e "$AUTOML_RESULTS_DIR/stop" ] || [ ! -e go ]; do sleep 0.02; done
"#;

/// A search over two configurations of which the second is the worse.
const SEARCH: &str = "--name s --algorithm random --trials 2 --parallel 1 --max-fidelity 3 --early-stop asha \
                      --enqueue x=0.3 --enqueue x=0.9";

fn states(env: &TestEnv) -> Vec<(String, u64)> {
    let state = |trial: &Value| {
        (trial["state"].as_str().unwrap().to_string(), trial["fidelity"].as_u64().unwrap_or_default())
    };
    env.objects("trials s --json").iter().map(state).collect()
}

#[test]
fn a_stopped_trial_is_asked_in_its_own_way_and_keeps_its_result() {
    let env = TestEnv::new();
    env.script("polite.sh", POLITE);
    let ran = env.run_over("./polite.sh {x}", &format!("{SEARCH} --stop-file stop"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(fs::read_to_string(env.path("told-2")).unwrap(), "early_stop_epoch_1\n");
    assert_eq!(states(&env), [("complete".into(), 3), ("stopped".into(), 1)]);
    let stopped = &env.objects("trials s --json")[1];
    assert_eq!(stopped["reason"], "asha: place 2 of 2 at the rung of 1 epochs, of which 1 may go on");
    assert!((stopped["value"].as_f64().unwrap() - 1.36).abs() < 1e-9, "{stopped}");
    let replay = env.automl("replay s");
    assert!(replay.stdout.contains("1 stop derived again, all the same"), "{}", replay.stdout);
}

#[test]
fn a_program_that_knows_only_signals_gets_one() {
    let env = TestEnv::new();
    env.script("polite.sh", POLITE);
    let ran = env.run_over("./polite.sh {x}", SEARCH);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(states(&env)[1], ("stopped".into(), 1));
    assert!(!env.path("told-2").exists());
}

/// The engine dies between the decision and the end of the program; the next one carries it through.
#[test]
fn a_stop_that_was_decided_is_carried_through_after_a_crash() {
    let env = TestEnv::new();
    env.script("stubborn.sh", STUBBORN);
    let running = env.start("./stubborn.sh {x}", &format!("{SEARCH} --stop-file stop --grace 1h"));
    let file = env.root().join("s/trials/00002/results/stop");
    wait_until("the program to be asked", || file.exists());
    running.signal(nix::sys::signal::Signal::SIGKILL);
    running.wait();
    fs::remove_file(&file).unwrap();
    fs::write(env.path("go"), "").unwrap();
    let resumed = env.automl("resume s");
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    assert_eq!(states(&env)[1], ("stopped".into(), 1));
    let log = fs::read_to_string(env.root().join("s/events.jsonl")).unwrap();
    assert_eq!(log.matches("\"stop_decided\"").count(), 1);
}

#[test]
fn rules_that_cannot_work_are_refused_with_advice() {
    let env = TestEnv::new();
    for (options, words) in [
        ("--early-stop asha", "say how many with `--max-fidelity`"),
        ("--early-stop asha --algorithm asha --max-fidelity 9 --resume no", "leave it out"),
        ("--early-stop fast", "possible values"),
        ("--algorithm asha --max-fidelity 9", "`--resume no`"),
        ("--disk 5", "write 50GiB"),
        ("--keep-checkpoints top:x", "top:N"),
    ] {
        let ran = env.run_over("./train.sh {x}", options);
        assert_eq!(ran.code, 2, "{options}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{options}: {}", ran.stderr);
    }
}
