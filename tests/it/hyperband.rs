//! Hyperband end to end over a network with epochs, checkpoints and a status file: trials are paused at
//! their rung, promoted from their own checkpoint, and no epoch is trained twice.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const FILES: [(&str, &str); 3] = [
    ("toy.config.json", include_str!("fixtures/toy/toy.config.json")),
    ("toy.schema.json", include_str!("fixtures/toy/toy.schema.json")),
    ("toy.py", include_str!("fixtures/toy/toy.py")),
];

fn automl(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_automl"));
    command.current_dir(dir).env("AUTOML_ROOT", dir.join("studies")).stdin(Stdio::null());
    command
}

fn search(dir: &Path, parallel: &str) -> Vec<Value> {
    for (name, text) in FILES {
        fs::write(dir.join(name), text).unwrap();
    }
    let mut run = automl(dir);
    run.args([
        "run",
        "--network",
        "toy",
        "--network-config",
        "toy.config.json",
        "--schema",
        "toy.schema.json",
    ]);
    run.args(["--algorithm", "hyperband", "--name", "s", "--gpus", "none", "--parallel", parallel]);
    let output = run.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = automl(dir).args(["trials", "s", "--json"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn fidelities(trials: &[Value]) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for trial in trials {
        *counts.entry(trial["fidelity"].as_u64().unwrap()).or_default() += 1;
    }
    counts
}

/// R = 9, factor 3: brackets 9@1 3@3 1@9, 5@3 1@9, 3@9. So 5 trials end at 9 epochs, 2 + 4 at 3, 6 at 1.
#[test]
fn promoted_trials_go_on_from_their_own_checkpoint() {
    let temporary = tempfile::tempdir().unwrap();
    let trials = search(temporary.path(), "2");
    assert_eq!(trials.len(), 17);
    assert_eq!(fidelities(&trials), BTreeMap::from([(1, 6), (3, 6), (9, 5)]));
    let promoted = trials.iter().filter(|t| t["attempts"].as_u64() > Some(1)).count();
    assert_eq!(promoted, 4, "3 in the first bracket and 1 in the second, one of the 3 twice");

    // The program itself refuses a foreign checkpoint; the ledger shows that nothing was repeated.
    let ledger = fs::read_to_string(temporary.path().join("ledger")).unwrap();
    let mut epochs: Vec<&str> = ledger.lines().collect();
    epochs.sort_unstable();
    let trained = epochs.len();
    epochs.dedup();
    assert_eq!(trained, epochs.len(), "an epoch was trained twice");
    let expected: u64 = trials.iter().map(|t| t["fidelity"].as_u64().unwrap()).sum();
    assert_eq!(trained as u64, expected);
}

#[test]
fn best_is_judged_at_the_highest_fidelity() {
    let temporary = tempfile::tempdir().unwrap();
    let trials = search(temporary.path(), "1");
    let output = automl(temporary.path()).args(["best", "s", "--json"]).output().unwrap();
    let best: Value = serde_json::from_slice(&output.stdout).unwrap();
    let finished = trials.iter().filter(|t| t["fidelity"] == 9);
    let expected = finished.map(|t| t["value"].as_f64().unwrap()).fold(f64::INFINITY, f64::min);
    assert_eq!(best["value"].as_f64(), Some(expected));
    let spec: Value =
        serde_json::from_str(&fs::read_to_string(temporary.path().join("studies/s/best_spec.json")).unwrap())
            .unwrap();
    assert_eq!(spec["train"]["lr"], best["params"]["train.lr"]);
    assert_eq!(spec["train"]["num_epochs"], 9);
}
