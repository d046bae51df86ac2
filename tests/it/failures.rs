//! Trials that go wrong, each in its own way, and searches that end without a result.

use crate::support::TestEnv;
use serde_json::Value;

/// Runs a search of one trial whose program is this shell text; returns its exit code and the trial.
fn one_trial(text: &str, options: &str) -> (i32, Value) {
    let env = TestEnv::new();
    env.script("bad.sh", &format!("#!/bin/sh\n{text}\n"));
    let ran = env.run_over("./bad.sh {x}", &format!("--trials 1 --retry 0 --name s {options}"));
    let trials = env.objects("trials s --json");
    assert_eq!(trials.len(), 1, "{}", ran.stderr);
    (ran.code, trials[0].clone())
}

fn assert_failed(text: &str, options: &str, reason: &str) {
    let (code, trial) = one_trial(text, options);
    assert_eq!((code, trial["state"].as_str()), (1, Some("failed")), "{trial}");
    let found = trial["reason"].as_str().unwrap();
    assert!(found.starts_with(reason), "{found}");
}

#[test]
fn exit_codes_are_told_with_the_last_lines() {
    assert_failed("echo about to fail\necho no such file >&2\nexit 1", "", "exit code 1");
    let (_, trial) = one_trial("echo no such file >&2\nexit 1", "");
    assert!(trial["reason"].as_str().unwrap().contains("no such file"), "{trial}");
}

#[test]
fn killed_programs_name_their_signal() {
    assert_failed("kill -9 $$", "", "ended by signal");
}

#[test]
fn what_diverges_or_does_not_fit_is_infeasible() {
    for (text, reason) in [
        ("echo 'loss: nan'", "`loss` is NaN"),
        ("echo 'loss: 0.5'; echo 'Loss is nan, stopping training'; exit 1", "exit code 1: Loss is nan"),
        ("echo 'RuntimeError: CUDA out of memory. Tried' >&2; exit 1", "exit code 1: RuntimeError: CUDA out"),
        ("exit 17", "exit code 17"),
    ] {
        let (code, trial) = one_trial(text, "");
        assert_eq!((code, trial["state"].as_str()), (1, Some("infeasible")), "{trial}");
        assert!(trial["reason"].as_str().unwrap().starts_with(reason), "{trial}");
    }
}

#[test]
fn traceback_is_told_by_its_last_line() {
    let text = "printf 'Traceback (most recent call last):\\n  File \"a.py\", line 1\\nmy.ShapeError: 3 is not 4\\n' >&2\nexit 1";
    assert_failed(text, "", "exit code 1: my.ShapeError: 3 is not 4\n  | Traceback");
}

#[test]
fn search_that_cannot_work_ends_after_its_first_trials() {
    let env = TestEnv::new();
    env.script("bad.sh", "#!/bin/sh\necho \"ModuleNotFoundError: No module named 'timm'\" >&2\nexit 1\n");
    let ran = env.run_over("./bad.sh {x}", "--parallel 1 --trials 9 --name s");
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let trials = env.objects("trials s --json");
    assert_eq!(trials.len(), 2, "one might be an exception; two are enough: {}", ran.stderr);
    assert_eq!(trials[0]["attempts"], 1, "trying again would not help");
    assert!(
        ran.stdout.contains("its trials cannot work before what they need is in place"),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("No module named 'timm'\nadvice: a module or library is missing"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("next          automl resume s"), "{}", ran.stdout);

    env.script("bad.sh", "#!/bin/sh\necho loss: 0.5\n");
    let mended = env.automl("resume s");
    assert_eq!(mended.code, 0, "{}", mended.stderr);
    assert_eq!(env.objects("trials s --json").len(), 9);
}

#[test]
fn one_trial_that_cannot_work_does_not_end_a_search() {
    let env = TestEnv::new();
    env.script(
        "odd.sh",
        "#!/bin/sh\n[ $AUTOML_TRIAL = 1 ] && { echo 'ImportError: x' >&2; exit 1; }\necho loss: 0.5\n",
    );
    let ran = env.run_over("./odd.sh {x}", "--parallel 1 --trials 3 --name s");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(env.objects("trials s --json").len(), 3);
}

#[test]
fn missing_metric_lists_what_was_seen() {
    assert_failed(
        "echo 'accuracy: 0.5'",
        "",
        "exit code 0, but `loss` was never reported; metrics seen: accuracy",
    );
    assert_failed("true", "", "exit code 0, but `loss` was never reported");
}

#[test]
fn silent_programs_are_ended() {
    assert_failed("while :; do sleep 0.05; done", "--silence-timeout 0.2s", "printed nothing for too long");
}

#[test]
fn slow_programs_are_ended() {
    assert_failed("while :; do echo x; sleep 0.05; done", "--trial-timeout 0.3s", "ran past its time limit");
}

#[test]
fn search_without_success_says_so() {
    let env = TestEnv::new();
    env.script("bad.sh", "#!/bin/sh\necho wrong option\nexit 3\n");
    let ran = env.run_over("./bad.sh {x}", "--retry 0 --max-failures 3 --name s");
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.starts_with("s ended: too many trials failed in a row; "), "{}", ran.stdout);
    assert!(ran.stdout.contains("no trial succeeded\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("failed last: exit code 3\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("next          automl logs "), "{}", ran.stdout);
    let best = env.automl("best s");
    assert_eq!(best.code, 1);
    assert!(best.stderr.contains("study s has no result yet"), "{}", best.stderr);
}

#[test]
fn transient_failures_are_tried_again() {
    let env = TestEnv::new();
    env.script("flaky.sh", "#!/bin/sh\n[ \"$AUTOML_ATTEMPT\" = 1 ] && exit 1\necho \"loss: 0.5\"\n");
    let ran = env.run_over("./flaky.sh {x}", "--trials 1 --retry 1 --name s");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("Failed trial 1: exit code 1; it is tried again\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Repeated trial 1: attempt 2\n"), "{}", ran.stderr);
    assert_eq!(env.objects("trials s --json")[0]["attempts"], 2);
}
