//! The log explains every suggestion: each is derived again from what came before it, bit for bit.

use crate::support::TestEnv;
use std::fs;

#[test]
fn every_suggestion_is_derived_again() {
    let env = TestEnv::new();
    for (name, options) in [
        ("bayesian", "--algorithm bayesian --trials 14 --parallel 3 --seed 5 --param y=1e-3..1.0:log"),
        ("sobol", "--algorithm sobol --trials 9 --param k=1..40"),
        ("random", "--algorithm random --trials 9 --param c=a|b|c"),
    ] {
        env.search(&format!("{options} --name {name}"));
        let replayed = env.objects(&format!("replay {name} --json"));
        assert_eq!(replayed[0]["difference"], serde_json::Value::Null, "{}", replayed[0]);
        let trials = env.objects(&format!("trials {name} --json")).len();
        assert_eq!(replayed[0]["suggestions"], trials, "{}", replayed[0]);
    }
}

#[test]
fn interrupted_and_extended_searches_replay_too() {
    let env = TestEnv::new();
    env.search("--trials 8 --name s");
    assert_eq!(env.automl("resume s --trials 12").code, 0);
    let replayed = env.automl("replay s");
    assert_eq!(replayed.code, 0, "{}", replayed.stdout);
    assert!(
        replayed.stdout.contains("12 suggestions and 12 starts derived again, all the same"),
        "{}",
        replayed.stdout
    );
}

#[test]
fn a_forged_suggestion_is_found() {
    let env = TestEnv::new();
    env.search("--trials 4 --name s --seed 3 --algorithm random");
    env.search("--trials 4 --name t --seed 4 --algorithm random");
    // The settings of one study with the events of another: sound JSON, sound checksums, wrong story.
    let lines = |name: &str| {
        let text = fs::read_to_string(env.root().join(name).join("events.jsonl")).unwrap();
        text.lines().map(String::from).collect::<Vec<_>>()
    };
    let (first, second) = (lines("s"), lines("t"));
    let created = first.iter().position(|line| line.contains("study_created")).unwrap();
    let forged: Vec<String> = first[..=created].iter().chain(&second[created + 1..]).cloned().collect();
    fs::write(env.root().join("s/events.jsonl"), forged.join("\n") + "\n").unwrap();
    let replayed = env.automl("replay s");
    assert_eq!(replayed.code, 5, "{}{}", replayed.stdout, replayed.stderr);
    assert!(
        replayed.stdout.contains("trial 1: the log does not explain this suggestion"),
        "{}",
        replayed.stdout
    );
}
