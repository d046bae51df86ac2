use super::*;
use crate::request::CommandRequest;
use crate::resolve_command;
use crate::schema::{Kind, Leaf};
use automl_core::{Condition, Relation};

fn begun(params: &[&str]) -> (TrialRecipe, SearchSpace) {
    let mut request = CommandRequest::new("loss:min", vec!["true".into()]);
    request.params = params.iter().map(|text| (*text).to_string()).collect();
    let resolved = resolve_command(&request).unwrap();
    (resolved.trial, resolved.space)
}

/// Lays a bound over a search that began with these parameters; returns the new parameter as JSON.
fn bound(params: &[&str], text: &str) -> Result<String, String> {
    let (trial, space) = begun(params);
    let found = rebound(&trial, &space, &space, &[text.to_string()], 1).map_err(|all| all.to_string())?;
    let name = text.split('=').next().unwrap();
    Ok(serde_json::to_string(&found.space.get(name).unwrap().distribution).unwrap())
}

#[test]
fn what_a_bound_does_not_say_stays() {
    for (param, text, expected) in [
        ("lr=1e-5..1e-1:log", "lr=1e-4..1e-2", r#"{"type":"float","low":0.0001,"high":0.01,"scale":"log"}"#),
        ("lr=1e-5..1e-1:log", "lr=0..1:linear", r#"{"type":"float","low":0.0,"high":1.0,"scale":"linear"}"#),
        ("x=0.0..1.0", "x=-1..2", r#"{"type":"float","low":-1.0,"high":2.0,"scale":"linear"}"#),
        ("n=1..9", "n=3..40", r#"{"type":"int","low":3,"high":40,"step":1,"scale":"linear"}"#),
        ("n=8..64:step=8", "n=10..100", r#"{"type":"int","low":16,"high":100,"step":8,"scale":"linear"}"#),
        ("n=8..64:step=8", "n=-5..30", r#"{"type":"int","low":0,"high":30,"step":8,"scale":"linear"}"#),
        (
            "n=8..64:step=8",
            "n=10..30:step=5",
            r#"{"type":"int","low":10,"high":30,"step":5,"scale":"linear"}"#,
        ),
        ("n=1..9", "n=4", r#"{"type":"ordinal","choices":[4]}"#),
        ("x=0.0..1.0", "x=1|0", r#"{"type":"ordinal","choices":[0.0,1.0]}"#),
        ("act=relu|gelu", "act=gelu", r#"{"type":"categorical","choices":["gelu"]}"#),
        ("act=relu|gelu", "act=gelu|relu|7", r#"{"type":"categorical","choices":["gelu","relu","7"]}"#),
        ("batch=8|16|32", "batch=16..40", r#"{"type":"ordinal","choices":[16,32]}"#),
        ("batch=8|16|32", "batch=32|8", r#"{"type":"ordinal","choices":[8,32]}"#),
    ] {
        assert_eq!(bound(&[param], text).as_deref(), Ok(expected), "{param}: {text}");
    }
}

#[test]
fn impossible_bounds_are_refused_with_the_reason() {
    for (param, text, words) in [
        ("lr=1e-5..1e-1:log", "lr=0..1", "a log scale needs a lower bound above 0"),
        ("lr=1e-5..1e-1:log", "lr=1..0.1", "lower bound 1 is above upper bound 0.1"),
        ("x=0.0..1.0", "x=a|b", "expected a number, found `a`"),
        ("n=1..9", "n=0.5..3", "takes whole numbers; 0.5 is none"),
        ("n=8..64:step=8", "n=9..15", "step 8"),
        ("act=relu|gelu", "act=1..2", "list the options"),
        ("act=relu|gelu", "act", "has no `=`"),
        ("act=relu|gelu", "acct=relu", "`acct` is not a parameter of the search (did you mean `act`?)"),
        ("x=0.0..1.0", "x=0..1:<=2", "stay as they are"),
        ("x=0.0..1.0", "x=0.5..1@0.1", "default 0.1 is not an allowed value"),
    ] {
        let found = bound(&[param], text).unwrap_err();
        assert!(found.contains(words), "{param}: {text}: {found}");
        assert!(found.starts_with("bound"), "{found}");
    }
}

#[test]
fn defaults_stay_where_they_are_allowed() {
    let (trial, space) = begun(&["x=0.0..1.0@0.4"]);
    let default = |now: &SearchSpace, text: &str| {
        let found = rebound(&trial, &space, now, &[text.to_string()], 1).unwrap().space;
        (found.get("x").unwrap().default.clone(), found)
    };
    let (none, narrow) = default(&space, "x=0.5..1");
    assert_eq!(none, None);
    assert_eq!(default(&narrow, "x=0..1").0, Some(ParamValue::Float(0.4)));
    assert_eq!(default(&narrow, "x=0..2@1").0, Some(ParamValue::Float(1.0)));
}

fn with_children() -> (TrialRecipe, SearchSpace) {
    let (trial, space) = begun(&["model=tree|forest|line", "depth=1..9", "low=1..5", "high=6..9"]);
    let mut parameters = space.parameters().to_vec();
    let values = ["tree", "forest"].map(|value| ParamValue::Text(value.into())).to_vec();
    parameters[1].conditions = vec![Condition { parent: "model".into(), values }];
    parameters[3].relations = vec!["> low".parse::<Relation>().unwrap()];
    (trial, SearchSpace::new(parameters).unwrap())
}

#[test]
fn conditions_follow_their_parents_and_come_back() {
    let (trial, first) = with_children();
    let bound = |now: &SearchSpace, text: &str| {
        rebound(&trial, &first, now, &[text.to_string()], 1).map(|found| found.space)
    };
    let fewer = bound(&first, "model=tree|line").unwrap();
    assert_eq!(fewer.get("depth").unwrap().conditions[0].values, [ParamValue::Text("tree".into())]);
    assert_eq!(bound(&fewer, "model=tree|forest|line").unwrap(), first);
    let refused = bound(&first, "model=line").unwrap_err().to_string();
    assert!(
        refused.contains("`depth` would never be used: it needs `model` to be tree or forest"),
        "{refused}"
    );
}

#[test]
fn relations_must_leave_a_value() {
    let (trial, first) = with_children();
    let bound = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_string()).collect();
        rebound(&trial, &first, &first, &texts, 1).map_err(|all| all.to_string())
    };
    assert!(bound(&["low=1..7"]).is_ok(), "7 leaves 8 and 9");
    let refused = bound(&["low=1..9"]).unwrap_err();
    assert!(refused.contains("`high`: `> low` can leave no value"), "{refused}");
    assert!(bound(&["low=1..9", "high=6..12"]).is_ok(), "both together are sound");
}

#[test]
fn a_schema_binds_as_in_the_beginning() {
    let (mut trial, space) = begun(&["p=small|large", "k=8..64:step=8", "q=0.0..1.0"]);
    let schema = r#"{"properties": {
        "p": {"type": "categorical", "enum": ["small", "large", "huge"]},
        "k": {"type": "int", "math_cond": "/ 8", "minimum": 8, "maximum": 64}}}"#;
    let leaves = crate::schema::schema_of(schema).leaves;
    let kept: Vec<Leaf> = leaves.iter().map(Leaf::to_keep).collect();
    let stored = serde_json::to_string(&kept).unwrap();
    trial.leaves = serde_json::from_str(&stored).unwrap();
    assert_eq!((&trial.leaves, &trial.leaves[0].kind), (&kept, &Kind::Categorical), "{stored}");
    // Only networks have specs; that it is one is told by that.
    let known =
        |name: &str| Known { begun: space.get(name).unwrap(), leaf: trial.leaf(name), is_network: true };
    let apply = |text: &str| {
        let short = ShortForm::parse(text).unwrap();
        let mut parameter = space.get(&short.name).unwrap().clone();
        let (mut notes, mut report) = (Vec::new(), Report::new("b"));
        known(&short.name).apply(&mut parameter, &short, &mut notes, &mut report);
        let problems: Vec<String> = report.into_problems().iter().map(ToString::to_string).collect();
        (parameter.distribution, notes, problems.join("; "))
    };
    let (found, ..) = apply("p=huge|small");
    let choices = ["huge", "small"].map(|c| ParamValue::Text(c.into())).to_vec();
    assert_eq!(found, Distribution::Categorical { choices, weights: None });
    assert!(apply("p=tiny").2.contains("`tiny` is not an option"));
    let (found, notes, _) = apply("k=20..100");
    assert_eq!(found, Distribution::Int { low: 24, high: 96, step: 8, scale: Scale::Linear });
    assert_eq!(notes, ["k: 100.0 is above the schema's maximum 64.0"]);
    assert!(apply("q=0.2..0.5").2.is_empty(), "what is narrower is allowed without a leaf");
    assert!(apply("q=0..2").2.contains("can only be narrowed"));
}
