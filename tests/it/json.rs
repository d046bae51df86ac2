//! The JSON that other programs build on, its field names declared again.

use crate::support::{TestEnv, assert_fields};
use serde_json::json;
use std::fs;

const TRIAL: [&str; 12] = [
    "trial", "state", "params", "value", "fidelity", "metrics", "attempts", "reason", "started", "ended",
    "bracket", "origin",
];
const BEST: [&str; 8] = ["study", "trial", "value", "metric", "direction", "params", "spec_path", "fidelity"];
const STATES: [&str; 7] = ["queued", "running", "paused", "complete", "stopped", "failed", "infeasible"];

#[test]
fn trials_are_one_object_a_line() {
    let env = TestEnv::new();
    env.search("--trials 3 --parallel 1 --name s");
    let trials = env.objects("trials s --json");
    assert_eq!(trials.len(), 3);
    for (i, trial) in trials.iter().enumerate() {
        assert_fields(trial, &TRIAL);
        let x = trial["params"]["x"].as_f64().unwrap();
        let loss = (x - 0.3) * (x - 0.3);
        assert_eq!((&trial["trial"], &trial["state"]), (&json!(i + 1), &json!("complete")));
        assert!((trial["value"].as_f64().unwrap() - loss).abs() < 1e-9, "{trial}");
        assert_eq!(trial["metrics"]["loss"], trial["value"]);
        assert!(trial["ended"].as_str().unwrap() >= trial["started"].as_str().unwrap());
    }
}

#[test]
fn best_and_status_agree() {
    let env = TestEnv::new();
    env.search("--trials 4 --name s");
    let best = &env.objects("best s --json")[0];
    assert_fields(best, &BEST);
    let status = &env.objects("status s --json")[0];
    assert_fields(
        status,
        &[
            "study",
            "state",
            "algorithm",
            "trials",
            "best",
            "rungs",
            "slots",
            "eta_s",
            "budget",
            "outside_bounds",
            "metric",
            "direction",
            "worked_s",
            "created",
            "updated",
            "pid",
            "ended",
            "running",
        ],
    );
    assert_fields(&status["trials"], &STATES);
    assert_eq!(&status["best"], best);
    assert_eq!((&status["state"], &status["ended"]), (&json!("ended"), &json!("budget")));
    let values: Vec<f64> =
        env.objects("trials s --json").iter().map(|t| t["value"].as_f64().unwrap()).collect();
    assert_eq!(best["value"].as_f64().unwrap(), values.iter().copied().fold(f64::INFINITY, f64::min));
}

#[test]
fn lists_hold_studies_and_networks() {
    let env = TestEnv::new();
    assert_eq!(env.objects("list --json").len(), 0);
    env.search("--trials 1 --name s");
    let studies = env.objects("list --json");
    assert_fields(
        &studies[0],
        &[
            "study",
            "state",
            "algorithm",
            "trials",
            "budget",
            "metric",
            "direction",
            "value",
            "best_trial",
            "created",
            "updated",
        ],
    );
    let networks = env.objects("networks --json");
    let mal = networks.iter().find(|n| n["name"] == "mal").unwrap();
    assert_fields(mal, &["name", "description", "dataset_type", "actions", "searchable", "metric"]);
    let parameters = env.objects("networks mal train --json");
    let lr = parameters.iter().find(|p| p["name"] == "train.lr").unwrap();
    assert_eq!((&lr["type"], &lr["automl"], &lr["scale"]), (&json!("float"), &json!(true), &json!("log")));
}

#[test]
fn problems_have_every_field() {
    let env = TestEnv::new();
    fs::write(env.path("broken.json"), "{\"api_params\": ").unwrap();
    let problems = env.objects("check broken.json --json");
    assert_fields(&problems[0], &["file", "line", "column", "path", "severity", "code", "message", "hint"]);
    assert_eq!((&problems[0]["line"], &problems[0]["severity"]), (&json!(1), &json!("error")));
}

#[test]
fn run_streams_its_events() {
    let env = TestEnv::new();
    let ran = env.search("--trials 2 --parallel 1 --json --name s");
    let events: Vec<serde_json::Value> =
        ran.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let names: Vec<&str> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["started", "finished", "started", "finished", "ended", "done"]);
    assert_eq!(events[0]["params"]["x"].as_f64().map(|x| (0.0..=1.0).contains(&x)), Some(true));
    assert_eq!(events[1]["best"], true);
    let done = events.last().unwrap();
    assert_eq!((&done["exit"], &done["status"]["best"]["study"]), (&json!(0), &json!("s")));
}

#[test]
fn doctor_reports_each_check() {
    let env = TestEnv::new();
    let findings = env.objects("doctor --json");
    let status = |check: &str| findings.iter().find(|f| f["check"] == check).unwrap()["status"].clone();
    for check in ["version", "root", "store", "executor", "memory"] {
        assert_eq!(status(check), "ok", "{findings:#?}");
    }
    assert_fields(&findings[0], &["check", "status", "message", "fix"]);
    fs::write(env.path("file"), "").unwrap();
    assert_eq!(env.automl("doctor --root file").code, 3);
}
