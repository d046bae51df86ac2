//! Programs that behave badly: each is recorded truthfully, and none stops a search.

use crate::support::{TestEnv, wait_until};
use serde_json::Value;
use std::fs;

/// Runs a search of one trial whose program is this shell text; returns the trial and what was said.
fn one_trial(env: &TestEnv, text: &str, options: &str) -> (Value, String) {
    env.script("odd.sh", &format!("#!/bin/sh\n{text}\n"));
    let ran = env.run_over("./odd.sh {x}", &format!("--trials 1 --retry 0 --grace 0.3s --name s {options}"));
    let trials = env.objects("trials s --json");
    assert_eq!(trials.len(), 1, "{}", ran.stderr);
    (trials[0].clone(), ran.stderr)
}

fn assert_value(text: &str, value: f64) {
    let (trial, said) = one_trial(&TestEnv::new(), text, "");
    assert_eq!((trial["state"].as_str(), trial["value"].as_f64()), (Some("complete"), Some(value)), "{said}");
}

fn readings(env: &TestEnv) -> Vec<(Option<u64>, Option<f64>)> {
    let records = env.objects("export s --to jsonl");
    let events = records.iter().map(|record| &record["event"]);
    let measured = events.filter(|event| event["event"] == "measured");
    measured.map(|event| (event["step"].as_u64(), event["values"]["loss"].as_f64())).collect()
}

#[test]
fn command_that_does_not_exist_is_refused_before_anything_starts() {
    let env = TestEnv::new();
    for (program, words) in [("./none.sh {x}", "none.sh"), ("no-such-program {x}", "no-such-program")] {
        let ran = env.run_over(program, "--name s");
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
    assert!(!env.root().join("s").exists());
}

#[test]
fn file_that_is_not_executable_is_refused() {
    let env = TestEnv::new();
    fs::write(env.path("plain.sh"), "#!/bin/sh\n").unwrap();
    let ran = env.run_over("./plain.sh {x}", "");
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert!(ran.stderr.contains("plain.sh"), "{}", ran.stderr);
}

#[test]
fn binary_output_hides_nothing() {
    assert_value("head -c 300000 /dev/urandom; printf '\\nloss: 0.5\\n'; head -c 1000 /dev/zero", 0.5);
}

#[test]
fn a_forked_daemon_does_not_outlive_its_trial() {
    let env = TestEnv::new();
    let pid = env.path("pid");
    let text = format!(
        "setsid sh -c 'trap \"\" TERM; echo $$ > {0}; sleep 60' >/dev/null 2>&1 &\n\
                        while [ ! -s {0} ]; do sleep 0.01; done\necho loss: 0.5",
        pid.display()
    );
    let (trial, said) = one_trial(&env, &text, "");
    assert_eq!(trial["value"], 0.5, "{said}");
    let daemon = fs::read_to_string(pid).unwrap();
    wait_until("the daemon to end", || !std::path::Path::new("/proc").join(daemon.trim()).exists());
}

#[test]
fn closed_output_is_no_end() {
    assert_value("echo loss: 0.5; exec >&- 2>&-; sleep 0.3", 0.5);
}

#[test]
fn metric_on_standard_error_counts() {
    assert_value("echo loss: 0.5 >&2", 0.5);
}

#[test]
fn last_of_two_values_on_a_line_counts() {
    assert_value("echo loss: 0.75 loss: 0.5", 0.5);
}

#[test]
fn endless_output_is_kept_short_and_read() {
    let env = TestEnv::new();
    let cut = "$AUTOML_ATTEMPT_DIR/stdout.log.cut";
    // As fast as it can, until its log was cut twice; then the result.
    let text = format!(
        "yes 'step 3 of nothing in particular, again and again' | head -c 60000000\n\
                        while [ ! -e {cut} ]; do sleep 0.05; done\necho loss: 0.5"
    );
    let (trial, said) = one_trial(&env, &text, "--trial-log 2MiB");
    assert_eq!(trial["value"], 0.5, "{said}");
}

#[test]
fn program_that_never_exits_is_ended_with_its_reading_kept() {
    let env = TestEnv::new();
    let (trial, said) =
        one_trial(&env, "trap '' TERM\necho loss: 0.5\nwhile :; do sleep 0.05; done", "--trial-timeout 0.5s");
    assert_eq!(trial["state"], "failed", "{said}");
    assert!(trial["reason"].as_str().unwrap().starts_with("ran past its time limit"));
    assert_eq!(trial["metrics"]["loss"], 0.5);
}

#[test]
fn end_without_a_metric_names_what_was_printed() {
    let (trial, _) = one_trial(&TestEnv::new(), "echo los: 0.5", "");
    let reason = trial["reason"].as_str().unwrap();
    assert!(reason.starts_with("exit code 0, but `loss` was never reported; metrics seen: los"), "{reason}");
}

#[test]
fn readings_are_recorded_as_they_come_whatever_their_steps() {
    let env = TestEnv::new();
    let print = "for step in 3 1 2 0; do echo epoch $step loss: 0.$step; done";
    let (trial, said) = one_trial(&env, print, "");
    assert_eq!(trial["value"], 0.0, "the last one is the result: {said}");
    let expected = [(3, 0.3), (1, 0.1), (2, 0.2), (0, 0.0)].map(|(step, loss)| (Some(step), Some(loss)));
    assert_eq!(readings(&env), expected);
}
