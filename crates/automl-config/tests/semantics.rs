//! What a schema says about values, seen through whole requests: relations, lists, weights, overrides.

use automl_config::{AttemptContext, NetworkRequest, Problems, StudyRecipe, resolve_network};
use automl_core::{Encoding, ParamValue, Params, SearchSpace, rng};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;

const CONFIG: &str = r#"{
  "api_params": {"actions": ["train"], "spec_backend": "yaml"},
  "metrics": {"available_metrics": ["loss"], "monitoring_metric": "loss"},
  "launch": {"train": {"command": ["x", "{spec}"], "fidelity": {"key": "train.num_epochs"}}}
}"#;

/// Leaves that detection networks have.
fn detr() -> Value {
    json!({
        "model.num_queries": {"type": "int", "default": 300, "minimum": 100, "maximum": 900, "parent_param": true},
        "model.num_select": {"type": "int", "default": 300, "minimum": 1, "maximum": 1000, "depends_on": "model.num_queries"},
        "dataset.crop_min": {"type": "int", "default": 384, "minimum": 32, "maximum": f64::MAX, "parent_param": true},
        "dataset.crop_max": {"type": "int", "default": 600, "minimum": 32, "maximum": 1333,
            "math_cond": "> depends_on", "depends_on": "dataset.crop_min"},
        "train.lr_steps": {"type": "list_2", "default": [4, 7]},
        "train.warmup": {"type": "int", "default": 3, "minimum": 1, "maximum": 4, "math_cond": "/ 2", "depends_on": "train.num_epochs"},
    })
}

/// A schema out of flat names, with `maximum` of `f64::MAX` written as `Infinity`.
fn schema(leaves: &Value, defaults: &[&str]) -> String {
    let mut root = json!({"type": "object", "properties": {}, "automl_default_parameters": defaults});
    let epochs = json!({"type": "int", "default": 10, "minimum": 1});
    let all = leaves.as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.clone()));
    for (name, leaf) in all.chain([("train.num_epochs".to_string(), epochs)]) {
        let pointer = name.split('.').collect::<Vec<_>>();
        let mut at = &mut root;
        for group in &pointer[..pointer.len() - 1] {
            at = &mut at["properties"][*group];
        }
        at["properties"][*pointer.last().unwrap()] = leaf;
    }
    root.to_string().replace("1.7976931348623157e308", "Infinity")
}

fn resolve(schema: &str, change: impl FnOnce(&mut NetworkRequest)) -> Result<StudyRecipe, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let mut request = NetworkRequest::new("own");
    request.network_config = path("own.config.json", CONFIG);
    request.schema = path("train.schema.json", schema);
    change(&mut request);
    resolve_network(&automl_config::Catalog::embedded(), &request)
}

fn search(leaves: &Value, params: &[&str], bounds: &[&str]) -> StudyRecipe {
    resolve(&schema(leaves, &[]), |request| {
        request.params = Some(params.iter().map(ToString::to_string).collect());
        request.bounds = bounds.iter().map(ToString::to_string).collect();
    })
    .unwrap()
}

fn drawn(space: &SearchSpace) -> Vec<Params> {
    (0..300).map(|k| decode(space, &|i| rng::uniform(&[k, i as u64]))).collect()
}

/// A row of uniform numbers as samplers make it, decoded.
fn decode(space: &SearchSpace, unit: &dyn Fn(usize) -> f64) -> Params {
    let value = |(i, encoding): (usize, &Encoding)| match encoding {
        Encoding::Categorical { choices } => (unit(i) * f64::from(*choices)).floor(),
        Encoding::Constant | Encoding::Continuous | Encoding::Grid { .. } => unit(i),
    };
    space.decode(&space.encodings().iter().enumerate().map(value).collect::<Vec<_>>())
}

fn number(params: &Params, name: &str) -> f64 {
    params.get(name).and_then(ParamValue::as_f64).unwrap_or_else(|| panic!("no {name} in {params}"))
}

fn spec(recipe: &StudyRecipe, params: &Params) -> Value {
    let context = AttemptContext {
        study: "s",
        trial: 1,
        attempt: 1,
        params,
        trial_dir: Path::new("/t"),
        results_dir: Path::new("/t/r"),
        downloads_dir: Path::new("/studies/s/downloads"),
        until: 10,
        max_fidelity: 10,
        resume_from: None,
        seed: 1,
        gpus: &[],
    };
    let (_, text) = recipe.trial.realise(&context).unwrap().spec.unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

#[test]
fn children_follow_searched_parents() {
    let names = ["dataset.crop_max", "dataset.crop_min", "model.num_select", "model.num_queries"];
    let recipe = search(&detr(), &names, &[]);
    for params in drawn(&recipe.space) {
        assert!(number(&params, names[0]) > number(&params, names[1]), "{params}");
        assert!(number(&params, names[2]) <= number(&params, names[3]), "{params}");
        assert_eq!(recipe.space.check(&params), Ok(()));
    }
    let highest = drawn(&recipe.space).iter().map(|p| number(p, names[2])).fold(0.0, f64::max);
    assert!(highest > 600.0, "the whole range is searched, up to {highest}");
}

#[test]
fn children_follow_the_spec_where_parents_are_fixed() {
    let leaves = detr();
    let recipe = resolve(&schema(&leaves, &[]), |request| {
        request.params = Some(vec!["dataset.crop_max".into()]);
        request.set = vec!["dataset.crop_min=1000".into()];
    })
    .unwrap();
    let bounds = recipe.space.parameters()[0].distribution.bounds();
    assert_eq!(bounds, Some((1001.0, 1333.0)));
    let half = search(&leaves, &["train.warmup", "dataset.crop_max"], &[]);
    assert!(
        drawn(&half.space).iter().all(|p| number(p, "train.warmup") == 5.0),
        "half of 10 epochs: {:?}",
        half.notes
    );
}

#[test]
fn parents_are_narrowed_where_a_child_would_find_no_room() {
    let recipe = search(&detr(), &["dataset.crop_min", "dataset.crop_max"], &["dataset.crop_min=32..5000"]);
    assert_eq!(recipe.space.parameters()[0].distribution.bounds(), Some((32.0, 1332.0)));
    assert!(recipe.notes.iter().any(|n| n.starts_with("dataset.crop_min: narrowed")), "{:?}", recipe.notes);
}

#[test]
fn defaults_that_do_not_fit_together_are_moved_and_told() {
    let mut leaves = detr();
    leaves["dataset.crop_min"]["default"] = json!(700);
    let recipe = search(&leaves, &["dataset.crop_max", "dataset.crop_min"], &[]);
    let defaults = recipe.space.defaults().unwrap();
    assert_eq!(
        (number(&defaults, "dataset.crop_min"), number(&defaults, "dataset.crop_max")),
        (700.0, 701.0)
    );
    assert!(
        recipe.notes.iter().any(|n| n.contains("its default 600; 701 is tried first")),
        "{:?}",
        recipe.notes
    );
}

#[test]
fn impossible_relations_are_errors_with_names() {
    let leaves = json!({
        "a": {"type": "float", "default": 1, "minimum": 0, "maximum": 9},
        "b": {"type": "float", "default": 1, "minimum": 0, "maximum": 4, "math_cond": ">= 2*a"},
    });
    let asked = Some(vec!["a".to_string(), "b".into()]);
    let problems = resolve(&schema(&leaves, &[]), |r| r.params = asked).unwrap_err().to_string();
    assert_eq!(
        problems,
        "--params: error: parameter `b`: `>= 2.0 * a` can leave no value within 0..4; widen it, or narrow `a`"
    );
}

#[test]
fn lists_are_assembled_in_the_spec() {
    let recipe = search(&detr(), &["train.lr_steps"], &[]);
    let names: Vec<&str> = recipe.space.parameters().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["train.lr_steps[0]", "train.lr_steps[1]"]);
    for params in drawn(&recipe.space).iter().take(20) {
        let steps = spec(&recipe, params)["train"]["lr_steps"].as_array().unwrap().clone();
        let steps: Vec<i64> = steps.iter().map(|v| v.as_i64().unwrap()).collect();
        assert!(steps.len() == 2 && 1 <= steps[0] && steps[0] < steps[1] && steps[1] <= 9, "{steps:?}");
    }
    let bounded = search(&detr(), &["train.lr_steps"], &["train.lr_steps=3..5"]);
    assert!(drawn(&bounded.space).iter().all(|p| number(p, "train.lr_steps[1]") <= 5.0));
}

#[test]
fn overrides_of_the_format_are_bounds() {
    let leaves = json!({"train.lr": {"type": "float", "default": 1e-6, "minimum": 1e-7, "maximum": 1e-5}});
    let form = r#"[{"parameter": "train.lr", "valid_min": 1e-6, "math_cond": "< 9e-6"}]"#;
    let recipe = search(&leaves, &["train.lr"], &[form]);
    let (low, high) = recipe.space.parameters()[0].distribution.bounds().unwrap();
    assert!(low == 1e-6 && high < 9e-6, "{low} {high}");
    let refused = resolve(&schema(&leaves, &["train.lr"]), |request| {
        request.bounds = vec![r#"{"parameter": "train.lr", "valid_max": 1}"#.into()];
    });
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("valid_max: 1e-7..1.0 is not within the schema's 1e-7..1e-5"), "{text}");
}

#[test]
fn what_a_schema_lists_but_nobody_can_search_keeps_its_default() {
    let leaves = json!({
        "train.reg": {"type": "string", "default": "L2"},
        "train.lr": {"type": "float", "default": 0.1, "minimum": 0.0, "maximum": 1.0},
    });
    let recipe = resolve(&schema(&leaves, &["train.reg", "train.lr"]), |_| ()).unwrap();
    assert_eq!(recipe.space.parameters().len(), 1);
    assert!(
        recipe.notes.contains(&"`train.reg` is a free text; it keeps its default".to_string()),
        "{:?}",
        recipe.notes
    );
    let asked = resolve(&schema(&leaves, &[]), |r| r.params = Some(vec!["train.reg".into()]));
    assert!(asked.unwrap_err().to_string().contains("`train.reg` is a free text"));
}

#[test]
fn marked_parameters_stand_in_for_an_empty_list() {
    let leaves = json!({
        "a": {"type": "bool", "automl_enabled": true},
        "b": {"type": "bool", "automl_enabled": false},
        "c": {"type": "bool"},
    });
    let recipe = resolve(&schema(&leaves, &[]), |_| ()).unwrap();
    assert_eq!(recipe.space.parameters().iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn embedded_networks_keep_their_short_names() {
    let leaves = json!({
        "dino.model.num_queries": {"type": "int", "default": 300},
        "dino.model.num_select": {"type": "int", "default": 300, "minimum": 1, "maximum": 1000, "depends_on": "model.num_queries"},
    });
    let recipe = search(&leaves, &["dino.model.num_select"], &[]);
    assert_eq!(recipe.space.parameters()[0].distribution.bounds(), Some((1.0, 300.0)));
}

/// A numeric leaf with a condition, and the same condition as a predicate.
fn any_leaf() -> impl Strategy<Value = (Value, String)> {
    let range = (-50_i64..50, 1_i64..200, any::<bool>());
    let condition = prop_oneof![
        Just(String::new()),
        (-20_i64..20).prop_map(|c| format!("> {c}")),
        (0_i64..40).prop_map(|c| format!("<{c}")),
        (-5_i64..5).prop_map(|c| format!("!= {c}")),
        (2_i64..12).prop_map(|c| format!("/ {c}")),
        (2_i64..4).prop_map(|c| format!("^ {c}")),
        Just("> 0 <= 20".to_string()),
    ];
    (range, condition).prop_map(|((low, width, whole), condition)| {
        let kind = if whole { "int" } else { "float" };
        let leaf = json!({"type": kind, "default": low + width / 2, "minimum": low, "maximum": low + width,
            "math_cond": condition});
        (leaf, condition)
    })
}

/// The conditions once more, written as plainly as possible.
fn satisfies(value: f64, condition: &str) -> bool {
    let number = |text: &str| text.trim().parse::<f64>().unwrap();
    match condition.chars().next() {
        None => true,
        _ if condition == "> 0 <= 20" => value > 0.0 && value <= 20.0,
        Some('>') => value > number(&condition[1..]),
        Some('<') => value < number(&condition[1..]),
        Some('!') => value != number(&condition[2..]),
        Some('/') => (value / number(&condition[1..])).fract().abs() < 1e-9,
        Some('^') => (1..20).any(|k| value == number(&condition[1..]).powi(k)),
        Some(other) => panic!("{other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_sample_satisfies_its_schema(
        (first, first_condition) in any_leaf(),
        (second, second_condition) in any_leaf(),
        relation in prop_oneof![Just(">"), Just(">="), Just("<"), Just("<=")],
        units in prop::collection::vec(0.0_f64..1.0, 8),
    ) {
        let mut child = second.clone();
        child["math_cond"] = json!(format!("{} {relation} train.first", second_condition.trim_start_matches("> 0 <= 20")));
        let child_condition = if second_condition == "> 0 <= 20" { "" } else { &second_condition };
        let leaves = json!({"train.first": first, "train.second": child, "train.third": first});
        let params = ["train.second", "train.first", "train.third"].map(String::from).to_vec();
        // A space that cannot be is refused; one that is given keeps every promise.
        let Ok(recipe) = resolve(&schema(&leaves, &[]), |r| r.params = Some(params)) else { return Ok(()) };
        for shift in 0..4 {
            let params = decode(&recipe.space, &|i| units[i + shift]);
            prop_assert_eq!(recipe.space.check(&params), Ok(()));
            let (a, b) = (number(&params, "train.first"), number(&params, "train.second"));
            prop_assert!(satisfies(a, &first_condition), "{} {}", a, first_condition);
            prop_assert!(satisfies(b, child_condition), "{} {}", b, child_condition);
            let holds = match relation { ">" => b > a, ">=" => b >= a, "<" => b < a, _ => b <= a };
            prop_assert!(holds, "{} {} {}", b, relation, a);
            let row = recipe.space.encode(&params);
            prop_assert_eq!(recipe.space.check(&recipe.space.decode(&row)), Ok(()));
            let written = spec(&recipe, &params);
            for (name, value) in params.iter() {
                let pointer = format!("/{}", name.replace('.', "/"));
                prop_assert_eq!(written.pointer(&pointer), Some(&value.to_json()));
            }
        }
    }
}
