//! Random messages, most of them damaged: each is answered, none ends the service, and what was acknowledged
//! stays.

use automl_core::rng::derive;
use automl_serve::Service;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Messages to each service.
const MESSAGES: u64 = 60;

/// Choices that follow from a seed.
struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.drawn += 1;
        (derive(&[self.seed, self.drawn]) % end as u64) as usize
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    fn value(&mut self) -> Value {
        let values = [
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1e308),
            json!(5e-324),
            json!(""),
            json!("NaN"),
            json!("\u{0}λ"),
            json!([]),
            json!({}),
            json!([[1]]),
            json!({"parent": "learner", "in": []}),
        ];
        self.pick(&values).clone()
    }

    /// Takes something away from a message, changes it, or adds something.
    fn damage(&mut self, message: &mut Value) {
        match message {
            Value::Object(map) if !map.is_empty() => {
                let names: Vec<String> = map.keys().cloned().collect();
                let name = self.pick(&names).clone();
                match self.below(8) {
                    0 => drop(map.remove(&name)),
                    1 => drop(map.insert("stray".into(), self.value())),
                    2 => drop(map.insert(name, self.value())),
                    _ => self.damage(&mut map[&name]),
                }
            }
            Value::Array(list) if !list.is_empty() => {
                let at = self.below(list.len());
                match self.below(6) {
                    0 => drop(list.remove(at)),
                    1 => list.push(list[at].clone()),
                    _ => self.damage(&mut list[at]),
                }
            }
            other => *other = self.value(),
        }
    }
}

fn create(chance: &mut Chance) -> Value {
    let space = json!([
        {"name": "learner", "type": "categorical", "choices": ["svm", "tree"], "weights": [1, 2]},
        {"name": "c", "type": "float", "low": 1e-3, "high": 1e3, "scale": "log", "default": 1,
         "condition": [{"parent": "learner", "in": ["svm"]}]},
        {"name": "depth", "type": "int", "low": 1, "high": 32, "scale": "log",
         "condition": {"parent": "learner", "in": ["tree"]}},
        {"name": "s", "type": "float", "low": 0, "high": 1, "step": 0.25},
        {"name": "o", "type": "ordinal", "choices": [1, 2, 4, 8]},
        {"name": "b", "type": "bool"},
    ]);
    let mut request = json!({"name": "s", "space": space, "seed": 1, "max_trials": 20, "store": false});
    request["objective"] = match chance.one_in(3) {
        true => json!([{"name": "l", "direction": "min"}, {"name": "m", "direction": "max"}]),
        false => json!({"name": "l", "direction": "minimize"}),
    };
    if chance.one_in(3) {
        request["constraints"] = json!(["g", "h<=3"]);
    }
    let plain = ["auto", "tpe", "random", "sobol", "cma-es", "bayesian", "bayesian-warped"];
    let early = ["race", "asha", "hyperband", "pasha", "dehb", "bohb", "pbt", "successive-halving"];
    if chance.one_in(3) {
        request["fidelity"] = json!({"min": 1, "max": 9, "eta": 3});
        request["algorithm"] = json!(chance.pick(&early));
    } else {
        request["algorithm"] = json!(chance.pick(&plain));
    }
    request
}

/// A message as a program might send it, before it is damaged.
fn question(chance: &mut Chance, created: &Value, trials: u64) -> (&'static str, Value) {
    let trial = chance.below(trials as usize + 2);
    let value = chance.pick(&[json!(0.5), json!(1e308), json!(-1e308), json!(5e-324), json!("NaN")]).clone();
    let values = vec![value.clone(); created["objective"].as_array().map_or(1, Vec::len)];
    let bounds = vec![*chance.pick(&[-1, 0, 4]); created["constraints"].as_array().map_or(0, Vec::len)];
    let params = json!({"learner": "svm", "c": 1 + trial, "s": 0.25, "o": 4, "b": true});
    match chance.below(11) {
        0 => ("create", created.clone()),
        1 | 2 => ("ask", json!({"study": "s", "worker": "w"})),
        3 => ("ask", json!({"study": "s", "count": 1 + chance.below(3)})),
        4 | 5 => ("tell", json!({"study": "s", "trial": trial, "values": values, "constraints": bounds})),
        6 => {
            let state = *chance.pick(&["failed", "infeasible", "stopped"]);
            ("tell", json!({"study": "s", "trial": trial, "state": state, "reason": "why"}))
        }
        7 => {
            let step = *chance.pick(&[0_u64, 1, 3, 9, 1 << 60]);
            let values = json!({"l": value, "m": 1, "g": 0, "h": 1});
            ("report", json!({"study": "s", "trial": trial, "step": step, "values": values}))
        }
        8 => ("enqueue", json!({"study": "s", "params": params})),
        9 => {
            let trials = json!([{"params": params, "values": values, "constraints": bounds}]);
            ("add", json!({"study": "s", "trials": trials}))
        }
        _ => {
            let about =
                ["best", "trials", "status", "importance", "studies", "version", "release", "nonsense"];
            (*chance.pick(&about), json!({"study": "s"}))
        }
    }
}

/// The text of a call, now and then damaged.
fn text(chance: &mut Chance, id: u64, method: &str, params: &Value) -> String {
    let mut message = json!({"id": id, "method": method, "params": params});
    if chance.one_in(12) {
        chance.damage(&mut message);
    }
    let mut text = message.to_string();
    if chance.one_in(12) {
        let end = (0..=chance.below(text.len())).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
    }
    if chance.one_in(20) {
        text = format!("[{text},{text},7]");
    }
    text
}

/// Checks an answer; returns its result where it has one.
fn checked(answer: &Value) -> Option<&Value> {
    let Some(error) = answer.get("error") else { return Some(&answer["result"]) };
    let code = error["code"].as_i64().unwrap();
    let is_known = [-32700, -32600, -32601, -32602].contains(&code) || (-32005..=-32000).contains(&code);
    assert!(is_known && error["message"].as_str().unwrap().len() > 10, "{error}");
    None
}

/// The trial and the first value of a call that tells a result.
fn told(message: &str) -> Option<(u64, f64)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let params = &message["params"];
    (message["method"] == "tell").then_some((params["trial"].as_u64()?, params["values"][0].as_f64()?))
}

fn talk(seed: u64) {
    let mut chance = Chance { seed, drawn: 0 };
    let mut service = Service::new("/nowhere".into());
    let created = create(&mut chance);
    let ask = |service: &mut Service, method: &str, params: &Value| -> Value {
        let message = json!({"id": 1, "method": method, "params": params}).to_string();
        let answer: Value = serde_json::from_str(&service.answer(&message).unwrap()).unwrap();
        checked(&answer).unwrap_or_else(|| panic!("{message}: {answer}")).clone()
    };
    ask(&mut service, "create", &created);
    let (mut trials, mut acknowledged) = (0, BTreeMap::new());
    for id in 0..MESSAGES {
        let (method, mut params) = question(&mut chance, &created, trials);
        if chance.one_in(3) {
            chance.damage(&mut params);
        }
        let message = text(&mut chance, id, method, &params);
        let Some(answer) = service.answer(&message) else { continue };
        let answer: Value = serde_json::from_str(&answer).unwrap();
        match &answer {
            Value::Array(answers) => answers.iter().for_each(|answer| {
                checked(answer);
            }),
            // With rungs a later report may take the place of what was told.
            one if checked(one).is_some() && created.get("fidelity").is_none() => {
                acknowledged.extend(told(&message));
            }
            _ => {}
        }
        let known = ask(&mut service, "trials", &json!({"study": "s"}));
        let known = known["trials"].as_array().unwrap();
        trials = known.len() as u64;
        for (trial, value) in &acknowledged {
            let found = &known[*trial as usize - 1];
            let stopped = found["state"] == "stopped";
            assert!(stopped || found["value"].as_f64() == Some(*value), "{value} {found} after {message}");
        }
    }
}

#[test]
fn no_message_ends_the_service_or_loses_a_result() {
    for seed in 0..80 {
        // The test's output says which seed it was.
        let end = std::panic::catch_unwind(|| talk(seed));
        assert!(end.is_ok(), "seed {seed}");
    }
}
