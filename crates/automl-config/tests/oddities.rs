//! What real files hold beside what their format says: every oddity loads, and none becomes an error.

use automl_config::{Severity, check_text, space_of_schema};
use automl_core::{Distribution, ParamValue, Scale};
use std::path::Path;

/// Checks a text as a file of that name; errors fail, warnings are returned.
fn warnings(name: &str, text: &str) -> Vec<String> {
    let problems = check_text(Path::new(name), text);
    let errors: Vec<_> = problems.iter().filter(|p| p.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:?}\n{text}");
    problems.iter().map(|p| p.message.clone()).collect()
}

fn schema(leaves: &str) -> Vec<String> {
    warnings("train.schema.json", &format!(r#"{{"type": "object", "properties": {{{leaves}}}}}"#))
}

fn config(sections: &str) -> Vec<String> {
    warnings("n.config.json", &format!(r#"{{"api_params": {{"actions": ["train"]}}{sections}}}"#))
}

fn distributions(leaves: &str, defaults: &str) -> Vec<Distribution> {
    let text = format!(r#"{{"properties": {{{leaves}}}, "automl_default_parameters": {defaults}}}"#);
    space_of_schema(&text).unwrap().parameters().iter().map(|p| p.distribution.clone()).collect()
}

#[test]
fn infinities_are_bare_words() {
    let leaf = r#""lr": {"type": "float", "default": 0.1, "minimum": -Infinity, "maximum": Infinity}"#;
    assert_eq!(schema(leaf), [""; 0]);
    assert_eq!(
        distributions(leaf, r#"["lr"]"#),
        [Distribution::Float { low: 0.01, high: 1.0, scale: Scale::Log, step: None }]
    );
}

#[test]
fn windows_line_ends_and_byte_order_marks_are_skipped() {
    let text = "\u{feff}{\r\n  \"api_params\": {\r\n    \"actions\": []\r\n  }\r\n}\r\n";
    assert_eq!(warnings("n.config.json", text), [""; 0]);
    assert_eq!(warnings("space.yaml", "\u{feff}lr: 1..2\r\nn: 1..4\r\n"), [""; 0]);
    assert_eq!(warnings("automl.toml", "\u{feff}[run]\r\ntrials = 3\r\n"), [""; 0]);
}

#[test]
fn monitoring_metrics_come_in_three_shapes() {
    for metric in [r#""mIoU""#, r#"["val/avg_loss", "x"]"#, "null"] {
        let metrics = format!(r#", "metrics": {{"available_metrics": [], "monitoring_metric": {metric}}}"#);
        assert_eq!(config(&metrics), [""; 0], "{metric}");
    }
}

#[test]
fn metric_names_hold_anything() {
    let names = r#"["AP@0.5 [small]", "val/mIoU", "class accuracy", "kpi:[1]"]"#;
    assert_eq!(config(&format!(r#", "metrics": {{"available_metrics": {names}}}"#)), [""; 0]);
}

#[test]
fn unknown_sections_are_remarked_upon() {
    let found = config(r#", "novelty": {"a": [1]}, "checkpoint": {"format": "pth", "folder": "true"}"#);
    assert!(found.contains(&"unknown key `novelty` is ignored".to_string()), "{found:?}");
}

#[test]
fn transforms_are_one_name_or_several() {
    for transform in [r#""wrap_in_list""#, r#"["wrap_in_list"]"#] {
        let sources = format!(
            r#", "data_sources": {{"train": {{"a": {{"source": "train_datasets", "path": "", "transform": {transform}}}}}}}"#
        );
        assert_eq!(config(&sources), [""; 0], "{transform}");
    }
}

#[test]
fn brackets_may_be_part_of_a_name() {
    let leaf = r#""cls_weight[1]": {"type": "float", "default": 1.0, "minimum": 0.5, "maximum": 2.0}"#;
    assert_eq!(schema(leaf), [""; 0]);
    assert_eq!(distributions(leaf, r#"["cls_weight[1]"]"#).len(), 1);
}

#[test]
fn types_have_several_names() {
    for (a, b) in [("int", "integer"), ("float", "number"), ("bool", "boolean")] {
        let leaf =
            |name: &str| format!(r#""p": {{"type": "{name}", "default": 1, "minimum": 1, "maximum": 4}}"#);
        let (first, second) = (distributions(&leaf(a), r#"["p"]"#), distributions(&leaf(b), r#"["p"]"#));
        assert_eq!(first, second);
    }
    for name in ["list", "array", "dict", "object", "collection", "list_3", "a_type_of_tomorrow"] {
        assert_eq!(schema(&format!(r#""p": {{"type": "{name}"}}"#)), [""; 0], "{name}");
    }
    assert_eq!(
        schema(r#""p": {"anyOf": [{"type": "number"}, {"type": "array"}], "default": 1e-6}"#),
        [""; 0]
    );
}

#[test]
fn defaults_are_often_none() {
    for leaf in [
        r#"{"type": "int", "default": null}"#,
        r#"{"type": "int", "default": "???"}"#,
        r#"{"type": "categorical", "default": null, "enum": ["min", "max"]}"#,
        r#"{"type": "categorical", "default": "CLDataset", "enum": ["other"]}"#,
        r#"{"type": "float", "default": -0.2, "minimum": 0.2}"#,
        r#"{"type": "int", "default": 2.0}"#,
        r#"{"type": "list", "default": "[1, 2]"}"#,
    ] {
        schema(&format!(r#""p": {leaf}"#));
    }
}

#[test]
fn bounds_are_lists_texts_or_missing() {
    for bounds in [
        r#""minimum": [0.8, 0.9], "maximum": [0.95, 0.999]"#,
        r#""minimum": "", "maximum": """#,
        r#""minimum": 1"#,
        r#""maximum": 1"#,
    ] {
        assert_eq!(schema(&format!(r#""p": {{"type": "list_2", {bounds}}}"#)), [""; 0], "{bounds}");
    }
}

#[test]
fn lists_of_names_win_over_flags() {
    let leaves = r#""a": {"type": "bool", "automl_enabled": true}, "b": {"type": "bool"}"#;
    assert_eq!(distributions(leaves, r#"["b"]"#), [Distribution::bool()]);
    assert_eq!(distributions(leaves, "[]"), [Distribution::bool()]);
}

#[test]
fn disabled_lists_name_groups() {
    let text = r#"{"properties": {"train": {"properties": {"lr": {"type": "float"}}}},
        "automl_disabled_parameters": ["train", "wandb.tags"]}"#;
    assert_eq!(warnings("train.schema.json", text), [""; 0]);
}

#[test]
fn conditions_are_written_in_many_ways() {
    for condition in ["> 0.0", ">0", "> 0.0 <= 1.0", "!= 0", "<20", ">=0", "^ 2", "/ 8", ""] {
        let leaf = format!(r#""p": {{"type": "int", "math_cond": "{condition}", "depends_on": ""}}"#);
        assert_eq!(schema(&leaf), [""; 0], "{condition}");
    }
    assert_eq!(
        schema(r#""p": {"type": "int", "math_cond": "as you like"}"#),
        [
            "`as you like` is not understood and not enforced: expected a comparison, `^` or `/`, found `as you like`"
        ]
    );
}

#[test]
fn dependencies_on_nothing_are_warnings() {
    for leaf in [
        r#""num_select": {"type": "int", "depends_on": "model.num_queries"}"#,
        r#""p": {"type": "int", "math_cond": "> depends_on", "depends_on": "gone"}"#,
    ] {
        let found = schema(leaf);
        assert!(found[0].contains("which is no parameter"), "{found:?}");
    }
    assert_eq!(schema(r#""p": {"type": "list_3", "depends_on": "model.height,model.width"}"#), [""; 0]);
}

#[test]
fn lists_are_repeated_among_the_properties() {
    let leaves = r#""automl_default_parameters": ["a"], "popular": {"type": "bool"}, "a": {"type": "bool"}"#;
    assert_eq!(schema(leaves), [""; 0]);
}

#[test]
fn ranges_start_from_odd_defaults() {
    let leaves = r#"
        "decay": {"type": "float", "default": 0.0, "minimum": 0.0, "maximum": Infinity, "math_cond": ">= 0.0"},
        "window": {"type": "int", "default": -1, "minimum": -1, "maximum": Infinity},
        "patience": {"type": "int", "default": 1, "minimum": 1, "maximum": Infinity}"#;
    let int = |low, high| Distribution::Int { low, high, step: 1, scale: Scale::Linear };
    assert_eq!(
        distributions(leaves, r#"["decay", "window", "patience"]"#),
        [
            Distribution::Float { low: 0.0, high: 1.0, scale: Scale::Linear, step: None },
            int(-1, 100),
            int(1, 2),
        ]
    );
}

#[test]
fn file_order_is_kept() {
    let leaves = r#""z": {"type": "bool"}, "a": {"type": "ordered_int", "enum": [2, 1], "default": 2}"#;
    let found = distributions(leaves, r#"["z", "a"]"#);
    assert_eq!(
        found[1],
        Distribution::Ordinal { choices: [2, 1].map(ParamValue::Int).to_vec(), weights: None }
    );
}
