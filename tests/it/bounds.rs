//! Bounds that are changed while a study lives.

use crate::support::{TestEnv, wait_until};
use serde_json::Value;
use std::fs;

fn journal(env: &TestEnv, study: &str) -> String {
    fs::read_to_string(env.root().join(study).join("events.jsonl")).unwrap_or_default()
}

fn x(trial: &Value) -> f64 {
    trial["params"]["x"].as_f64().unwrap()
}

#[test]
fn a_finished_study_goes_on_within_new_bounds() {
    let env = TestEnv::new();
    for algorithm in ["sobol", "bayesian", "cma-es", "tpe"] {
        env.search(&format!(
            "--trials 6 --parallel 1 --name {algorithm} --algorithm {algorithm} --param y=0.0..1.0"
        ));
        let set = env.automl(&format!("set {algorithm} bound:x=0.5..0.75 trials=12"));
        assert_eq!(set.code, 0, "{}", set.stderr);
        assert!(set.stderr.contains("x 0.5 .. 0.75 (was 0 .. 1)"), "{}", set.stderr);
        assert!(set.stderr.contains("outside of that"), "{}", set.stderr);
        assert_eq!(env.automl(&format!("resume {algorithm}")).code, 0);
        let trials = env.objects(&format!("trials {algorithm} --json"));
        assert_eq!(trials.len(), 12);
        assert!(trials[6..].iter().all(|trial| (0.5..=0.75).contains(&x(trial))), "{algorithm}: {trials:?}");
        let flagged = |trial: &Value| trial["outside_bounds"] == true;
        let outside = trials.iter().filter(|trial| flagged(trial)).count();
        assert!(outside > 0);
        for trial in &trials {
            assert_eq!(flagged(trial), !(0.5..=0.75).contains(&x(trial)), "{trial}");
            assert_eq!(trial["state"], "complete", "old trials stay: {trial}");
        }
        let status = &env.objects(&format!("status {algorithm} --json"))[0];
        assert_eq!(status["outside_bounds"], outside);
        let page = env.automl(&format!("status {algorithm}")).stdout;
        assert!(page.contains(&format!("x 0.5 .. 0.75; {outside} trial")), "{page}");
        assert!(env.automl(&format!("trials {algorithm}")).stdout.contains("outside bounds"));
        let first = trials.iter().position(flagged).unwrap() + 1;
        let told = env.automl(&format!("explain {algorithm}/{first}")).stdout;
        assert!(told.contains("outside of those that hold now: `x`"), "{told}");
        let replayed = env.automl(&format!("replay {algorithm}"));
        assert_eq!(replayed.code, 0, "{}", replayed.stdout);
        assert!(replayed.stdout.contains("12 suggestions and 12 starts"), "{}", replayed.stdout);
    }
}

#[test]
fn a_running_search_hears_of_new_bounds() {
    let env = TestEnv::new();
    let running = env.start("./hang.sh {x}", "--trials 6 --parallel 2 --name s --algorithm random");
    env.wait_for_started(2);
    assert_eq!(env.automl("set s bound:x=2..3").code, 0);
    wait_until("the bounds to change", || journal(&env, "s").contains("bounds_changed"));
    let refused = env.automl("enqueue s x=0.5");
    assert_eq!(refused.code, 2, "what is outside cannot be enqueued: {}", refused.stderr);
    fs::write(env.path("go"), "").unwrap();
    let ran = running.wait();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("Bounded") || ran.stdout.contains("Bounded"), "{}{}", ran.stdout, ran.stderr);
    let trials = env.objects("trials s --json");
    assert!(trials[..2].iter().all(|trial| x(trial) <= 1.0 && trial["state"] == "complete"), "{trials:?}");
    assert!(trials[2..].iter().all(|trial| (2.0..=3.0).contains(&x(trial))), "{trials:?}");
    assert_eq!(env.automl("replay s").code, 0);
}

#[test]
fn paused_trials_outside_do_not_go_on() {
    let env = TestEnv::new();
    let toy = env.toy();
    let ran = env.automl(&format!(
        "run {toy} --algorithm asha --trials 6 --parallel 1 --max-fidelity 9 --eta 3 --name s --seed 2"
    ));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let before = env.objects("trials s --json");
    let paused = before.iter().filter(|trial| trial["state"] == "paused").count();
    assert!(paused > 0, "{before:?}");
    let lr = |trial: &Value| trial["params"]["train.lr"].as_f64().unwrap();
    let largest = before.iter().map(lr).fold(0.0, f64::max);
    let refused = env.automl("set s bound:train.lr=0..1:log");
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("a log scale needs a lower bound above 0"), "{}", refused.stderr);
    let set = env.automl(&format!("set s bound:train.lr={}..{} trials=12", largest, largest * 2.0));
    assert_eq!(set.code, 0, "{}", set.stderr);
    assert_eq!(env.automl("resume s").code, 0);
    let after = env.objects("trials s --json");
    for (old, new) in before.iter().zip(&after).filter(|(old, _)| lr(old) < largest) {
        let expected = if old["state"] == "paused" { "stopped" } else { old["state"].as_str().unwrap() };
        assert_eq!((new["state"].as_str(), &new["value"]), (Some(expected), &old["value"]), "{new}");
    }
    assert_eq!(env.automl("replay s").code, 0);
}

#[test]
fn what_cannot_be_set_is_refused_with_the_reason() {
    let env = TestEnv::new();
    env.search("--trials 1 --name s --param act=relu|gelu");
    for (change, words) in [
        ("bound:x=1..0", "lower bound 1 is above upper bound 0"),
        ("bound:z=1..2", "`z` is not a parameter of the search"),
        ("bound:act=1..2", "list the options"),
        ("bound:x", "has no `=`"),
        ("x=0..0.5", "bounds of a parameter are set with bound:x=0..0.5"),
        ("trails=2", "did you mean `trials`?"),
        ("colour=red", "`colour` cannot be set; write trials=N, timeout=DURATION"),
        ("jobs=none", "`jobs=none`"),
        ("jobs=2 parallel=3", "`parallel` is set twice"),
        ("trials=5 trials=6", "`trials` is set twice"),
        ("bound:x=0..0.5 bound:x=0..0.6", "`bound:x` is set twice"),
    ] {
        let ran = env.automl(&format!("set s {change}"));
        assert_eq!(ran.code, 2, "{change}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{change}: {}", ran.stderr);
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{change}: {}", ran.stderr);
    }
    assert!(!env.root().join("s/wishes").exists(), "nothing was left for the next engine");
    assert_eq!(env.automl("set s jobs=2 timeout=6h bound:act=gelu").code, 0);
}
