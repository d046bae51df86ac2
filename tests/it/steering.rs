//! Wishes from outside, warm starts, several objectives, and the commands that look into a study.

use crate::support::{TestEnv, wait_until};
use serde_json::Value;
use std::fs;

/// Prints two metrics: `loss` falls with x, `size` rises with it.
const TWO: &str = "#!/bin/sh\nawk -v x=\"$1\" 'BEGIN { printf \"loss: %g\\nsize: %g\\n\", 1 - x, x }'\n";

fn journal(env: &TestEnv, study: &str) -> String {
    fs::read_to_string(env.root().join(study).join("events.jsonl")).unwrap_or_default()
}

#[test]
fn enqueued_configurations_are_tried_first() {
    let env = TestEnv::new();
    env.search("--trials 3 --parallel 1 --name s --enqueue x=0.125 --enqueue '{\"x\": 0.75}'");
    let trials = env.objects("trials s --json");
    assert_eq!((&trials[0]["params"]["x"], &trials[1]["params"]["x"]), (&0.125.into(), &0.75.into()));
    assert_eq!(trials[0]["origin"]["model"], "enqueued");
    // Without an engine the wish waits for the next one.
    assert_eq!(env.automl("enqueue s x=0.5").code, 0);
    assert_eq!(env.automl("set s trials=4").code, 0);
    assert_eq!(env.automl("resume s").code, 0);
    let trials = env.objects("trials s --json");
    assert_eq!((trials.len(), &trials[3]["params"]["x"]), (4, &0.5.into()));
    assert_eq!(fs::read_dir(env.root().join("s/wishes")).unwrap().count(), 0, "granted wishes are gone");
    assert_eq!(env.automl("replay s").code, 0);
    for (arguments, words) in [
        ("enqueue s x=7", "`x`: 7"),
        ("enqueue s y=1", "`y` is not a parameter"),
        ("enqueue s x", "write name=value"),
        ("enqueue s nofile.csv", "there is no file `nofile.csv`"),
        ("set s trials=2", "4 trials have been started already"),
        ("set s trails=2", "write trials=N"),
        ("cancel s/9", "study s has no trial 9"),
        ("cancel seven", "STUDY/NUMBER"),
    ] {
        let ran = env.automl(arguments);
        assert_eq!(ran.code, 2, "{arguments}");
        assert!(ran.stderr.contains(words), "{arguments}: {}", ran.stderr);
    }
}

#[test]
fn running_searches_hear_wishes() {
    let env = TestEnv::new();
    let running = env.start("./hang.sh {x}", "--trials 9 --parallel 2 --name s");
    env.wait_for_started(2);
    assert_eq!(env.automl("cancel s/1").code, 0);
    wait_until("trial 1 to be stopped", || journal(&env, "s").contains("trial_stopped"));
    assert_eq!(env.automl("enqueue s x=0.25").code, 0);
    wait_until("the configuration to be enqueued", || journal(&env, "s").contains("\"enqueued\""));
    assert_eq!(env.automl("stop s").code, 0);
    let ran = running.wait();
    assert_eq!(ran.code, 4, "{}", ran.stderr);
    let trials = env.objects("trials s --json");
    assert_eq!(
        (&trials[0]["state"], &trials[0]["reason"]),
        (&"stopped".into(), &"cancelled on request".into())
    );
    assert_eq!(trials[1]["state"], "queued", "ended trials are run again");
    let idle = env.automl("stop s");
    assert_eq!(idle.code, 0);
    assert!(idle.stderr.contains("nothing works on study s"), "{}", idle.stderr);
}

#[test]
fn earlier_results_are_learned_from() {
    let env = TestEnv::new();
    env.search("--trials 4 --name old --algorithm sobol");
    let table = env.automl("export old");
    fs::write(env.path("old.csv"), &table.stdout).unwrap();
    for (name, source) in [("from_study", "old"), ("from_table", "old.csv")] {
        let ran = env.search(&format!("--trials 3 --parallel 1 --name {name} --from {source}"));
        assert!(ran.stderr.contains("4 of 4 finished trials taken over"), "{}", ran.stderr);
        let trials = env.objects(&format!("trials {name} --json"));
        let (foreign, own): (Vec<&Value>, Vec<&Value>) = trials.iter().partition(|t| t["source"].is_string());
        assert_eq!((foreign.len(), own.len()), (4, 3), "foreign trials cost no budget");
        let best = env.objects("best old --json")[0]["params"].clone();
        assert_eq!(own[0]["params"], best, "the best of the source is tried here");
    }
    let failed = env.run_over("./none.sh {x}", "--trials 1 --retry 0 --name f --from old.csv");
    assert_eq!(failed.code, 3, "a program that is not there is told before anything runs");
    env.script("fail.sh", "#!/bin/sh\nexit 3\n");
    let failed = env.run_over("./fail.sh {x}", "--trials 1 --retry 0 --name f --from old.csv");
    assert_eq!(failed.code, 1, "what others found is no success of this search: {}", failed.stdout);
    assert!(!failed.stdout.contains("studies/f/best"), "{}", failed.stdout);
    let missing = env.run_over("./train.sh {x}", "--trials 1 --name z --from nowhere");
    assert_eq!(missing.code, 2);
    assert!(missing.stderr.contains("--from nowhere: there is no such study"), "{}", missing.stderr);
    assert!(!env.root().join("z").exists());
}

#[test]
fn several_objectives_end_in_a_front() {
    let env = TestEnv::new();
    env.script("two.sh", TWO);
    let ran = env.run_over("./two.sh {x}", "--metric size:min --constraint size<=0.5 --trials 6 --name s");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let best = &env.objects("best s --json")[0];
    assert!(best["values"]["size"].as_f64().unwrap() <= 0.5, "{best}");
    let front = best["pareto"].as_array().unwrap();
    assert!(!front.is_empty() && front.iter().all(|t| t["values"]["size"].as_f64().unwrap() <= 0.5));
    assert!(env.automl("best s").stdout.contains("nothing beats these"), "the front is shown to people, too");
    let broken = env.run_over("./two.sh {x}", "--metric size:min --constraint size<=-5 --trials 2 --name b");
    assert!(broken.stdout.contains("size <= -5 is broken"), "{}", broken.stdout);
    assert_eq!(env.objects("best b --json")[0]["feasible"], false);
    let twice = env.run_over("./two.sh {x}", "--metric loss:max --trials 1 --name t");
    assert!(twice.stderr.contains("`loss` is an objective already"), "{}", twice.stderr);
}

#[test]
fn trials_and_parameters_are_explained() {
    let env = TestEnv::new();
    env.search("--trials 12 --name s --param y=0.0..1.0");
    let told = env.automl("explain s/1");
    assert!(told.stdout.contains("proposed by") && told.stdout.contains("first run"), "{}", told.stdout);
    let explained = &env.objects("explain s/12 --json")[0];
    assert_eq!(explained["history"][0]["attempt"], 1, "{explained}");
    assert!(explained["origin"]["observations"].is_u64());
    let importance = &env.objects("importance s --json")[0];
    let shares: f64 =
        importance["importance"].as_array().unwrap().iter().map(|i| i["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{importance}");
    let exported = &env.objects("export s --to json")[0];
    assert_eq!(exported["trials"].as_array().unwrap().len(), 12);
}
