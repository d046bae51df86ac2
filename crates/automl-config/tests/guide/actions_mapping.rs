//! `actions_mapping`: actions that other networks carry out.

use crate::world::{World, action, with_set};
use serde_json::json;

const OBJECT_DETECTION: &str = r#"{
    "api_params": {"actions": ["train", "augment", "analyze", "convert_efficientdet_tf2", "auto_labeling"], "image": "TAO"},
    "actions_mapping": {
        "augment": {"network": "augmentation", "action": "generate"},
        "analyze": {"network": "analytics"},
        "convert_efficientdet_tf2": {"network": "efficientdet_tf2", "action": "dataset_convert"},
        "auto_labeling": {"network": "auto_label", "action": "generate"}
    },
    "spec_params": {"analyze": {"out": "output_dir"}}
}"#;

fn world() -> World {
    let spec = |who: &str| json!({"who": who, "out": ""});
    World::new()
        .network("object_detection", OBJECT_DETECTION)
        .network(
            "augmentation",
            r#"{"api_params": {"actions": ["generate"]}, "spec_params": {"generate": {"out": "output_dir"}},
                "launch": {"generate": {"command": ["./augment", "{spec}"]}}}"#,
        )
        .network("efficientdet_tf2", "{}")
        .spec("object_detection", "train", spec("own"))
        .spec("augmentation", "generate", spec("augmentation"))
        .spec("analytics", "analyze", spec("analytics"))
        .spec("efficientdet_tf2", "dataset_convert", spec("efficientdet"))
        .spec("auto_label", "generate", spec("labels"))
}

/// Network and action change, only the network changes, and what is not mapped stays.
#[test]
fn actions_go_to_the_network_that_carries_them_out() {
    for (name, who) in [
        ("augment", "augmentation"),
        ("analyze", "analytics"),
        ("convert_efficientdet_tf2", "efficientdet"),
        ("auto_labeling", "labels"),
        ("train", "own"),
    ] {
        assert_eq!(world().job(&action("object_detection", name))["who"], who, "{name}");
    }
}

/// Functions and command are those of the network that does the work, unless the own config has some.
#[test]
fn functions_and_commands_follow_the_mapping() {
    let world = world();
    assert_eq!(world.job(&action("object_detection", "augment"))["out"], "/results/j1");
    assert_eq!(world.job(&action("object_detection", "analyze"))["out"], "/results/j1");
    let recipe = world.resolve(&action("object_detection", "augment")).unwrap();
    assert!(recipe.notes.contains(&"augment: carried out by network augmentation, action generate".into()));
    let settings = with_set(action("object_detection", "augment"), &["own=1"]);
    assert_eq!(
        world.problems(&settings),
        ["--set 'own=1':1: error: no key `own` in the spec (known: `who`, `out`)"]
    );
}

#[test]
fn wildcard_sends_all_actions_to_one_network() {
    let world = World::new()
        .network(
            "visual_changenet_segment",
            r#"{"actions_mapping": {"*": {"network": "visual_changenet"}}, "spec_params": {"train": {"task": "segment"}}}"#,
        )
        .spec("visual_changenet", "train", json!({"who": "changenet", "task": ""}))
        .spec("visual_changenet", "evaluate", json!({"who": "changenet", "task": ""}));
    let job = |name: &str| world.job(&action("visual_changenet_segment", name));
    assert_eq!(job("train"), json!({"who": "changenet", "task": "segment"}));
    assert_eq!(job("evaluate"), json!({"who": "changenet", "task": ""}));
}

/// A wildcard that names the network itself is no circle; own entries win over it.
#[test]
fn network_may_map_all_else_to_itself() {
    let config = r#"{"actions_mapping": {
        "dataset_convert": {"network": "annotations", "action": "convert"}, "*": {"network": "sparse4d"}}}"#;
    let world = World::new()
        .network("sparse4d", config)
        .spec("sparse4d", "train", json!({"who": "sparse4d"}))
        .spec("annotations", "convert", json!({"who": "annotations"}));
    assert_eq!(world.job(&action("sparse4d", "train"))["who"], "sparse4d");
    assert_eq!(world.job(&action("sparse4d", "dataset_convert"))["who"], "annotations");
}

#[test]
fn circles_are_named_step_by_step() {
    let world = World::new()
        .network("a", r#"{"actions_mapping": {"augment": {"network": "b", "action": "generate"}}}"#)
        .network("b", r#"{"actions_mapping": {"*": {"network": "a", "action": "augment"}}}"#);
    assert_eq!(
        world.problems(&action("a", "augment")),
        [
            "network configs: error: actions_mapping: actions lead round in a circle: a augment -> b generate -> a augment (let one of them name a network that carries the action out itself)"
        ]
    );
}

#[test]
fn misspelt_actions_are_not_started() {
    let world = World::new().network("a", "{}").spec("a", "trian", json!({"x": 1}));
    assert_eq!(
        world.problems(&action("a", "trian")),
        [
            "--action: error: api_params.actions: `trian` is not among the network's actions (did you mean `train`?)"
        ]
    );
}

#[test]
fn missing_targets_are_named_with_the_mapping() {
    let world = World::new().network("a", r#"{"actions_mapping": {"augment": {"network": "nowhere"}}}"#);
    let problems = world.problems(&action("a", "augment"));
    assert!(
        problems[0].contains("action `augment` of `a` is carried out by network `nowhere`, action `augment`"),
        "{problems:?}"
    );
}
