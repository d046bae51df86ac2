//! The arrows between crates are those that ARCHITECTURE.md draws, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// What each crate of the product may depend on; test-only dependencies are not counted.
const ARROWS: [(&str, &[&str]); 13] = [
    (
        "automl",
        &[
            "automl-config",
            "automl-core",
            "automl-exec",
            "automl-sampler",
            "automl-scheduler",
            "automl-scrape",
            "automl-store",
        ],
    ),
    (
        "automl-cli",
        &["automl", "automl-config", "automl-core", "automl-exec", "automl-serve", "automl-store"],
    ),
    ("automl-config", &["automl-core"]),
    ("automl-core", &[]),
    ("automl-exec", &[]),
    ("automl-sampler", &["automl-core", "automl-surrogate"]),
    ("automl-scheduler", &["automl-core"]),
    ("automl-scrape", &["automl-core"]),
    ("automl-serve", &["automl", "automl-core"]),
    ("automl-store", &[]),
    ("automl-surrogate", &[]),
    ("automl-testkit", &["automl-core"]),
    ("automl-torch", &[]),
];

/// Crates that only one crate may name: the asynchronous shell, the database, libtorch.
const KEPT_IN: [(&str, &[&str]); 5] = [
    ("axum", &["automl-serve"]),
    ("tokio", &["automl", "automl-cli", "automl-exec", "automl-serve"]),
    ("sled", &["automl-store"]),
    ("tch", &["automl-torch"]),
    ("nalgebra", &["automl-surrogate"]),
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let normal = |d: &&serde_json::Value| d["kind"].is_null();
    let name = |d: &serde_json::Value| d["name"].as_str().expect("a name").to_string();
    let packages = metadata["packages"].as_array().expect("packages").iter();
    packages
        .map(|p| {
            (name(p), p["dependencies"].as_array().expect("a list").iter().filter(normal).map(name).collect())
        })
        .collect()
}

#[test]
fn crates_depend_only_downwards() {
    let found = dependencies();
    let known: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(found.keys().map(String::as_str).collect::<BTreeSet<_>>(), known, "crates of the workspace");
    for (name, allowed) in ARROWS {
        for dependency in found[name].iter().filter(|d| known.contains(d.as_str())) {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn heavy_crates_stay_where_they_belong() {
    for (name, dependencies) in dependencies() {
        for (heavy, owners) in KEPT_IN {
            let allowed = owners.contains(&name.as_str());
            assert!(allowed || !dependencies.contains(heavy), "{name} must not depend on {heavy}");
        }
    }
}
