//! Spaces and results that break careless searches, through the service: each is refused with a reason, or goes
//! on to its end.

use crate::support::TestEnv;
use crate::talk::Talk;
use serde_json::{Value, json};

fn float(name: &str, low: f64, high: f64) -> Value {
    json!({"name": name, "type": "float", "low": low, "high": high})
}

fn int(name: &str, low: i64, high: i64) -> Value {
    json!({"name": name, "type": "int", "low": low, "high": high})
}

fn with(mut parameter: Value, field: &str, value: Value) -> Value {
    parameter[field] = value;
    parameter
}

fn options(name: &str, choices: Value) -> Value {
    json!({"name": name, "type": "categorical", "choices": choices})
}

fn under(name: &str, parent: &str, values: Value) -> Value {
    json!({"name": name, "type": "bool", "condition": [{"parent": parent, "in": values}]})
}

fn request(space: &[Value], algorithm: &str) -> Value {
    let objective = json!({"name": "loss", "direction": "minimize"});
    json!({"name": "odd", "space": space, "algorithm": algorithm, "objective": objective, "store": false})
}

#[test]
fn spaces_without_sense_are_refused_with_advice() {
    let env = TestEnv::new();
    let mut talk = Talk::begin(&env);
    let x = || float("x", 0.0, 1.0);
    let log = |parameter| with(parameter, "scale", json!("log"));
    for (space, words) in [
        (vec![], "give at least one parameter"),
        (vec![x(), x()], "parameter `x` is declared twice"),
        (vec![float("", 0.0, 1.0)], "has an empty name"),
        (vec![under("a", "nobody", json!([true]))], "condition on unknown parameter `nobody`"),
        (
            vec![under("a", "b", json!([true])), under("b", "a", json!([true]))],
            "conditions and relations form a cycle through a, b",
        ),
        (vec![x(), under("a", "x", json!([2]))], "`x` can never be 2"),
        (vec![log(float("x", 0.0, 1.0))], "raise it or use the linear scale"),
        (vec![log(float("x", -1.0, 1.0))], "raise it or use the linear scale"),
        (vec![log(int("k", 0, 8))], "raise it or use the linear scale"),
        (vec![with(x(), "step", json!(2))], "step 2 must be above 0 and at most the range 1"),
        (vec![with(x(), "step", json!(0))], "step 0 must be above 0"),
        (vec![with(int("k", 0, 9), "step", json!(-1))], "step -1 must be above 0"),
        (vec![with(x(), "step", json!(1e-300))], "too small for the range"),
        (vec![log(with(int("k", 1, 9), "step", json!(2)))], "cannot be combined with a log scale"),
        (vec![float("x", f64::MIN, f64::MAX)], "bring them closer together"),
        (vec![with(x(), "high", json!("Infinity"))], "`space[0].high` must be a finite number"),
        (vec![with(int("k", 0, 9), "high", json!(u64::MAX))], "`space[0].high` must be a whole number"),
        (vec![options("c", json!(["a", "a"]))], "option a is listed twice"),
        (vec![with(options("c", json!(["a", "b"])), "weights", json!([0, 0]))], "not all 0"),
        (vec![with(options("c", json!(["a", "b"])), "weights", json!([1]))], "each of the 2 options"),
    ] {
        let error = talk.refused("create", request(&space, "auto"));
        assert!(error["message"].as_str().unwrap().contains(words), "{words}: {error}");
    }
}

/// Asks and tells up to `trials` times; returns how many trials there were, and the best value.
fn run(talk: &mut Talk, create: Value, trials: u64, answer: &dyn Fn(u64, &Value) -> Value) -> (u64, Value) {
    talk.ok("create", create);
    for number in 1..=trials {
        let asked = talk.ok("ask", json!({"worker": "w"}));
        if asked["done"] == true {
            break;
        }
        let mut told = answer(number, &asked["params"]);
        told["trial"] = asked["trial"].clone();
        assert_eq!(talk.ok("tell", told), json!({}));
    }
    let handed_out = talk.ok("trials", json!({}))["trials"].as_array().unwrap().len() as u64;
    let best = talk.ok("best", json!({}))["value"].clone();
    talk.ok("importance", json!({}));
    talk.ok("close", json!({}));
    (handed_out, best)
}

#[test]
fn odd_results_are_taken_by_every_model() {
    let env = TestEnv::new();
    let mut talk = Talk::begin(&env);
    let space = [float("x", 0.0, 1.0), int("k", 0, 9), options("c", json!(["a", "b", "c"]))];
    let huge = [f64::MAX, -1e308, 0.0, f64::MIN, 1e12, -0.0];
    let tiny = [5e-324, 1e-323, -5e-324, 2e-310];
    let nothing = ["NaN", "Infinity", "-Infinity"];
    for algorithm in ["auto", "bayesian-warped", "tpe", "cma-es", "sobol", "random"] {
        let mut values = |of: &dyn Fn(usize) -> Value| {
            let told = |number: u64, _: &Value| json!({"value": of(number as usize)});
            run(&mut talk, request(&space, algorithm), 16, &told)
        };
        assert_eq!(values(&|i| huge[i % 6].into()), (16, f64::MIN.into()), "{algorithm}");
        assert_eq!(values(&|i| tiny[i % 4].into()), (16, (-5e-324).into()), "{algorithm}");
        assert_eq!(values(&|_| 3.into()), (16, 3.0.into()), "{algorithm}");
        assert_eq!(values(&|i| nothing[i % 3].into()), (16, Value::Null), "{algorithm}");
        for state in ["failed", "infeasible", "stopped"] {
            let told = |_: u64, _: &Value| json!({"state": state});
            assert_eq!(run(&mut talk, request(&space, algorithm), 16, &told), (16, Value::Null), "{state}");
        }
    }
}

#[test]
fn odd_spaces_are_searched_to_their_end() {
    let env = TestEnv::new();
    let mut talk = Talk::begin(&env);
    let exact = 1_i64 << 53;
    let many: Vec<Value> = (0..200).map(|i| float(&format!("x{i}"), 0.0, 1.0)).collect();
    let choices: Vec<Value> = (0..1000).map(|i| format!("c{i}").into()).collect();
    let log = |parameter| with(parameter, "scale", json!("log"));
    let spaces: [(&[Value], u64); 10] = [
        (&[float("x", 1.0, 1.0)], 1),
        (&[float("x", 1.0, 1.0_f64.next_up())], 20),
        (&[log(float("x", 5e-324, f64::MAX))], 20),
        (&[int("k", i64::MIN, i64::MAX)], 20),
        (&[int("k", exact - 3, exact + 3)], 7),
        (&[log(int("k", 1, 8))], 8),
        (&[log(int("k", 1, i64::MAX))], 20),
        (&[options("c", json!(["true", "false", true, false, "1", 1]))], 6),
        (&[options("c", choices.into()), options("λ \u{2603} \"", json!(["é", "e\u{301}"]))], 20),
        (&many, 20),
    ];
    for algorithm in ["auto", "tpe", "cma-es"] {
        for (space, expected) in &spaces {
            let mut seen = std::cell::RefCell::new(std::collections::BTreeSet::new());
            let told = |number: u64, params: &Value| {
                assert!(params.as_object().unwrap().len() == space.len(), "{params}");
                seen.borrow_mut().insert(params.to_string());
                json!({"value": number % 5})
            };
            let (trials, best) = run(&mut talk, request(space, algorithm), 20, &told);
            assert_eq!(trials, *expected, "{algorithm} {}", space[0]);
            assert!(best.as_f64().is_some_and(|best| best <= 1.0), "{best}");
            let finite = *expected < 20;
            assert!(!finite || seen.get_mut().len() as u64 == trials, "{algorithm}: a value came twice");
        }
    }
}
