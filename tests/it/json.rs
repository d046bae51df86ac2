//! The JSON that other programs build on, its field names declared again.

use crate::support::{TestEnv, assert_fields};
use serde_json::{Value, json};
use std::collections::BTreeSet;
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
    let events: Vec<Value> = ran.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
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

/// Objects whose keys are names of the user's own.
const NAMED_BY_USERS: [&str; 6] = ["params", "metrics", "values", "env", "origins", "further"];

/// Adds the names of all fields, those of objects within objects, too.
fn add_fields(value: &Value, fields: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                fields.insert(name.clone());
                if !NAMED_BY_USERS.contains(&name.as_str()) {
                    add_fields(inner, fields);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| add_fields(item, fields)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_field_is_documented() {
    let documents = [include_str!("../../docs/json.md"), include_str!("../../docs/fidelity.md")].concat();
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let documented: BTreeSet<&str> = documents.split(|c| !is_word(c)).collect();
    let env = TestEnv::new();
    env.script("two.sh", "#!/bin/sh\n[ $AUTOML_TRIAL = 2 ] && exit 3\necho loss: 0.5 size: 7\n");
    fs::write(env.path("broken.json"), "{").unwrap();
    fs::write(env.path("x.log"), "loss: 0.5\nRuntimeError: no\n").unwrap();
    let space = "--gpus none --metric loss:min --metric size:min --constraint size<=9 --param x=0.0..1.0";
    let program = "-- ./two.sh {x}";
    let mut fields = BTreeSet::new();
    for command in [
        format!("run {space} --name s --trials 8 --retry 0 --json {program}"),
        format!("run {space} --print-config --json {program}"),
        format!("run {space} --dry-run --json {program}"),
        format!("plan {space} --json {program}"),
        "check --log x.log --metric loss --json".into(),
        "export s --to json".into(),
    ]
    .into_iter()
    .chain(
        ["best s", "list", "status s", "trials s", "explain s/1", "explain s/2", "importance s", "gc s"]
            .map(|command| format!("{command} --json")),
    )
    .chain(
        ["replay s", "fsck s", "networks", "networks mal train", "check broken.json", "doctor"]
            .map(|command| format!("{command} --json")),
    ) {
        let objects = env.objects(&command);
        assert!(!objects.is_empty(), "{command} printed nothing");
        objects.iter().for_each(|object| add_fields(object, &mut fields));
    }
    let missing: Vec<&String> = fields.iter().filter(|name| !documented.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "fields that docs/json.md does not name: {missing:?}");
}
