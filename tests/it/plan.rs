//! What `automl plan` promises, and that a search keeps it.

use super::support::{TestEnv, entries};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Trials that reached each fidelity, by bracket, as the finished trials tell.
fn executed(trials: &[Value], levels: &[u64]) -> Vec<Value> {
    let mut brackets: BTreeMap<u64, BTreeMap<u64, u64>> = BTreeMap::new();
    for trial in trials {
        let bracket = brackets.entry(trial["bracket"].as_u64().unwrap()).or_default();
        let (first, last) = (trial["first"].as_u64().unwrap(), trial["fidelity"].as_u64().unwrap());
        for level in levels.iter().filter(|level| (first..=last).contains(*level)) {
            *bracket.entry(*level).or_default() += 1;
        }
    }
    let rung = |(fidelity, trials): (u64, u64)| json!({"fidelity": fidelity, "trials": trials});
    let bracket =
        |rungs: BTreeMap<u64, u64>| json!({"rungs": rungs.into_iter().map(rung).collect::<Vec<_>>()});
    brackets.into_values().map(bracket).collect()
}

#[test]
fn hyperband_does_what_was_planned() {
    let env = TestEnv::new();
    let options = format!("{} --algorithm hyperband --parallel 2", env.toy());
    let plan = &env.objects(&format!("plan {options} --json"))[0];
    assert_eq!(entries(&env.root()), 0, "nothing is written");
    assert_eq!((&plan["exact"], &plan["time_s"]), (&json!(true), &Value::Null));
    let ran = env.automl(&format!("run {options} --name s"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut trials = env.objects("trials s --json");
    for trial in &mut trials {
        let explained = &env.objects(&format!("explain s/{} --json", trial["trial"]))[0];
        trial["first"] = explained["history"][0]["until"].clone();
    }
    assert_eq!(plan["brackets"], Value::from(executed(&trials, &[1, 3, 9])));
    assert_eq!(plan["trials"].as_u64(), Some(trials.len() as u64));
    let attempts: u64 = trials.iter().map(|trial| trial["attempts"].as_u64().unwrap()).sum();
    assert_eq!(plan["attempts"].as_u64(), Some(attempts));
    let ledger = std::fs::read_to_string(env.path("ledger")).unwrap();
    assert_eq!(plan["total_fidelity"].as_u64(), Some(ledger.lines().count() as u64));

    // What has been run says what the next run costs.
    let again = &env.objects(&format!("plan {options} --json"))[0];
    assert_eq!(again["measured_in"], "s");
    assert!(again["time_s"].as_f64().unwrap() > 0.0, "{again}");
    assert!(again["checkpoint_bytes"].as_u64().unwrap() > 0, "{again}");
}

#[test]
fn more_trials_of_a_race_train_fully_first_where_that_is_asked_for() {
    let env = TestEnv::new();
    let program = "--param x=0.0..1.0 --metric loss:min --gpus none -- ./train.sh {x} {fidelity} {resume}";
    let options = "--algorithm race --max-fidelity 27 --trials 30 --parallel 1";
    let costs = |more: &str| {
        let plan = &env.objects(&format!("plan {options} {more} --json {program}"))[0];
        plan["total_fidelity"].as_u64().unwrap()
    };
    let [none, two, six] = ["--full-first 0", "", "--full-first 6"].map(costs);
    assert!(none < two && two < six, "{none} {two} {six}");
    assert_eq!(costs("--full-first 2"), two);
    std::fs::write(env.path("automl.toml"), "[run]\nfull_first = 6\n").unwrap();
    assert_eq!((costs(""), costs("--full-first 0")), (six, none), "a flag wins over the file");
    let wrong = env.automl(&format!("plan {options} --full-first some {program}"));
    assert!(wrong.code == 2 && wrong.stderr.contains("--full-first"), "{}", wrong.stderr);
}

#[test]
fn plans_are_told_in_words() {
    let env = TestEnv::new();
    let program =
        "--param x=0.0..1.0 --metric loss:min --gpus none --parallel 2 -- ./train.sh {x} {fidelity}";
    let options = "--algorithm hyperband --max-fidelity 9 --epoch-time 90s --checkpoint-size 100MiB";
    let ran = env.automl(&format!("plan {options} {program}"));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    insta::assert_snapshot!(ran.stdout);
    assert!(ran.stderr.contains("promoted ones begin anew"), "{}", ran.stderr);
    let ran = env.automl(&format!("plan --trials 20000 {program}"));
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`--trials 10000` is the most"), "{}", ran.stderr);
}
