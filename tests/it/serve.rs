//! The service from outside: the protocol, bad input, HTTP, and `kill -9` in the middle of it.

use crate::support::{TestEnv, wait_until};
use crate::talk::Talk;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

fn float(name: &str) -> Value {
    json!({"name": name, "type": "float", "low": 0, "high": 1})
}

fn request(name: &str) -> Value {
    json!({
        "name": name, "seed": 3, "max_trials": 8, "algorithm": "bayesian",
        "space": [float("x"), {"name": "n", "type": "int", "low": 1, "high": 64, "scale": "log"}],
        "objective": {"name": "loss", "direction": "minimize"},
    })
}

fn loss(params: &Value) -> f64 {
    (params["x"].as_f64().unwrap() - 0.3).powi(2) + (params["n"].as_f64().unwrap() - 8.0).powi(2) / 64.0
}

/// Wishes are read by engines; a served study has none and says so.
#[test]
fn served_studies_refuse_wishes() {
    let env = TestEnv::new();
    let mut talk = Talk::begin(&env);
    talk.ok(
        "create",
        json!({"name": "s", "space": [float("x")], "objective": {"name": "l", "direction": "minimize"}}),
    );
    for wish in ["enqueue s x=0.5", "set s trials=3", "stop s"] {
        let ran = env.automl(wish);
        assert_eq!(ran.code, 2, "{wish}: {}", ran.stderr);
        assert!(ran.stderr.contains("automl serve"), "{wish}: {}", ran.stderr);
    }
}

#[test]
fn studies_without_a_budget_are_shown_without_one() {
    let env = TestEnv::new();
    let mut talk = Talk::begin(&env);
    let space = json!([float("x")]);
    talk.ok(
        "create",
        json!({"name": "s", "space": space, "objective": {"name": "l", "direction": "minimize"}}),
    );
    talk.ok("ask", json!({}));
    talk.ok("tell", json!({"trial": 1, "value": 0.5}));
    let status = env.automl("status s").stdout;
    assert!(status.contains("trials     1: 1 complete") && !status.contains("remaining"), "{status}");
    let listed = env.automl("list").stdout;
    let row: Vec<&str> = listed.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..4], ["s", "running", "1", "0.5"], "{listed}");
    let logs = env.automl("logs s/1");
    assert_eq!(logs.code, 2);
    assert!(logs.stderr.contains("study s has no logs"), "{}", logs.stderr);
}

#[test]
fn one_open_study_is_asked_flat() {
    let env = TestEnv::new();
    let mut talk = Talk::begin(&env);
    let mut create = request("s");
    create["store"] = false.into();
    assert_eq!(talk.ok("create", create), json!({"study": "s"}));
    let asked = talk.ok("ask", json!({}));
    assert_eq!(asked["trial"], 1);
    assert!(asked["params"]["n"].is_i64() && asked.get("fidelity").is_none(), "{asked}");
    assert_eq!(talk.ok("ask", json!({"count": 2}))["trials"].as_array().unwrap().len(), 2);
    assert_eq!(talk.ok("tell", json!({"trial": 1, "state": "complete", "value": 0.1 + 0.2})), json!({}));
    let best = talk.ok("best", json!({}));
    assert_eq!(best["value"].as_f64(), Some(0.1 + 0.2), "full precision");
    assert_eq!(talk.ok("tell", json!({"trial": 2, "state": "complete", "value": "NaN"})), json!({}));
    assert_eq!(talk.ok("status", json!({}))["trials"]["failed"], 1);
    let twice = talk.refused("tell", json!({"trial": 1, "state": "complete", "value": 9}));
    assert_eq!(twice["data"]["kind"], "not_open");
    assert!(twice["message"].as_str().unwrap().contains("complete with loss 0.30000000000000004"), "{twice}");
    for name in ["create", "ask", "report", "tell", "enqueue", "add", "best", "trials", "close", "importance"]
    {
        let methods = talk.ok("methods", json!({}))["methods"].clone();
        assert!(methods.as_array().unwrap().iter().any(|m| m["method"] == name), "{name}");
    }
    assert_eq!(talk.ok("close", json!({})), json!({}));
    assert_eq!(talk.refused("ask", json!({}))["data"]["kind"], "unknown_study");
}

/// A served race sends its first trials all the way, as many as the client says.
#[test]
fn clients_say_how_many_trials_of_a_race_train_fully_first() {
    let env = TestEnv::new();
    let mut talk = Talk::begin(&env);
    // The trials that are handed out one after the other, each with the fidelity that it shall get to.
    let mut handed = |name: &str, fidelity: Value| -> Vec<(u64, u64)> {
        let mut create = request(name);
        (create["algorithm"], create["fidelity"]) = ("race".into(), fidelity);
        talk.ok("create", create);
        let turn = |_| {
            let asked = talk.ok("ask", json!({"study": name}));
            talk.ok("tell", json!({"study": name, "trial": asked["trial"], "value": loss(&asked["params"])}));
            (asked["trial"].as_u64().unwrap(), asked["fidelity"].as_u64().unwrap())
        };
        let handed = (0..4).map(turn).collect();
        talk.ok("close", json!({"study": name}));
        handed
    };
    assert_eq!(handed("two", json!({"min": 1, "max": 3})), [(1, 1), (1, 3), (2, 1), (2, 3)]);
    assert_eq!(handed("one", json!({"min": 1, "max": 3, "full_first": 1})), [(1, 1), (1, 3), (2, 1), (3, 1)]);
    assert_eq!(handed("none", json!({"min": 1, "max": 3, "full_first": 0}))[..3], [(1, 1), (2, 1), (3, 1)]);
}

#[test]
fn killed_services_go_on_as_if_they_had_not_been() {
    let env = TestEnv::new();
    let mut straight = Vec::new();
    let mut talk = Talk::begin(&env);
    talk.ok("create", request("straight"));
    for _ in 0..8 {
        let asked = talk.ok("ask", json!({}));
        talk.ok(
            "tell",
            json!({"trial": asked["trial"], "state": "complete", "value": loss(&asked["params"])}),
        );
        straight.push(asked["params"].clone());
    }
    drop(talk);
    let mut killed = Vec::new();
    for _ in 0..8 {
        let mut talk = Talk::begin(&env);
        talk.ok("create", request("killed"));
        let asked = talk.ok("ask", json!({"worker": "w"}));
        talk.child.kill().unwrap();
        talk.child.wait().unwrap();
        let mut talk = Talk::begin(&env);
        talk.ok("create", request("killed"));
        assert_eq!(talk.ok("ask", json!({"worker": "w"})), asked, "the open trial is given back");
        talk.ok(
            "tell",
            json!({"trial": asked["trial"], "state": "complete", "value": loss(&asked["params"])}),
        );
        talk.child.kill().unwrap();
        talk.child.wait().unwrap();
        killed.push(asked["params"].clone());
    }
    assert_eq!(killed, straight);
    let mut talk = Talk::begin(&env);
    talk.ok("create", request("killed"));
    assert_eq!(talk.ok("ask", json!({}))["done"], true);
    drop(talk);
    // What others see of it.
    assert_eq!(env.objects("trials killed --json").len(), 8);
    assert_eq!(env.automl("replay killed").code, 0);
    let resumed = env.automl("resume killed");
    assert_eq!(resumed.code, 2);
    assert!(resumed.stderr.contains("`automl serve`"), "{}", resumed.stderr);
}

#[test]
fn bad_spaces_are_refused_by_the_name_of_the_field() {
    let env = TestEnv::new();
    let mut talk = Talk::begin(&env);
    let one_ulp = 1.0_f64.next_up();
    for (parameter, words) in [
        (
            json!({"name": "x", "type": "float", "low": 0, "high": 1, "log": true}),
            "unknown field `space[0].log`",
        ),
        (json!({"name": "x", "type": "flaot", "low": 0, "high": 1}), "`space[0].type` is \"flaot\""),
        (json!({"name": "x", "type": "float", "low": 0}), "`space[0].high` is missing"),
        (
            json!({"name": "x", "type": "float", "low": "a", "high": 1}),
            "`space[0].low` must be a finite number",
        ),
        (json!({"name": "x", "type": "float", "low": 0, "high": 1, "scale": "log"}), "`x`"),
        (json!({"name": "x", "type": "float", "low": -1, "high": 1, "scale": "log"}), "`x`"),
        (json!({"name": "x", "type": "float", "low": 2, "high": 1}), "`x`"),
        (json!({"name": "x", "type": "float", "low": 0, "high": 1, "step": 2}), "`x`"),
        (json!({"name": "x", "type": "int", "low": 0.5, "high": 1}), "`space[0].low` must be a whole number"),
        (json!({"name": "x", "type": "categorical", "choices": []}), "`x`"),
        (json!({"name": "x", "type": "categorical", "choices": [null]}), "`space[0].choices[0]`"),
        (
            json!({"name": "x", "type": "bool", "condition": [{"parent": "y", "in": [true]}]}),
            "condition on unknown parameter `y`",
        ),
        (json!({"name": "x", "type": "bool", "condition": [{"parent": "x", "in": [true]}]}), "cycle"),
        (json!({"name": "x", "type": "bool", "default": 3}), "default 3 is not an allowed value"),
    ] {
        let objective = json!({"name": "loss", "direction": "minimize"});
        let create = json!({"space": [parameter], "objective": objective, "store": false});
        let error = talk.refused("create", create);
        assert!(error["message"].as_str().unwrap().contains(words), "{words}: {error}");
    }
    // Odd, but sound.
    let choices: Vec<String> = (0..1000).map(|i| format!("c{i}")).collect();
    for (name, parameter) in [
        ("ulp", json!({"name": "x", "type": "float", "low": 1.0, "high": one_ulp})),
        ("point", json!({"name": "x", "type": "float", "low": 1, "high": 1})),
        ("many", json!({"name": "x", "type": "categorical", "choices": choices})),
    ] {
        let objective = json!({"name": "loss", "direction": "minimize"});
        talk.ok(
            "create",
            json!({"name": name, "space": [parameter], "objective": objective, "store": false}),
        );
        for value in [json!(1e308), json!(-1e308), json!("NaN"), json!(0), json!(0)] {
            let asked = talk.ok("ask", json!({"study": name, "count": 1}));
            if asked["done"] == true {
                break;
            }
            let trial = &asked["trials"][0]["trial"];
            talk.ok("tell", json!({"study": name, "trial": trial, "state": "complete", "value": value}));
        }
        talk.ok("close", json!({"study": name}));
    }
}

#[test]
fn bad_calls_are_errors_and_the_service_lives() {
    let env = TestEnv::new();
    let mut talk = Talk::begin(&env);
    for (message, code) in [
        ("{", -32700),
        ("nonsense", -32700),
        ("[]", -32600),
        ("7", -32600),
        (r#"{"id": 1, "method": "frobnicate"}"#, -32601),
        (r#"{"id": 1, "method": "ask", "params": [1]}"#, -32602),
        (r#"{"id": 1, "method": "ask"}"#, -32001),
        (r#"{"id": 1, "method": "ask", "params": {"study": "no-such"}}"#, -32001),
        (r#"{"id": 1, "method": "create", "params": {}}"#, -32602),
        (r#"{"id": 1, "method": "tell", "params": {"trial": 1, "value": NaN}}"#, -32700),
    ] {
        assert_eq!(talk.line(message)["error"]["code"], code, "{message}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(talk.line(&deep)["error"]["code"], -32700);
    let mut create = request("s");
    create["store"] = false.into();
    talk.ok("create", create.clone());
    talk.ok("ask", json!({}));
    for (method, params, words) in [
        ("ask", json!({"cuont": 1}), "unknown field `cuont`"),
        ("ask", json!({"count": 0}), "`count` is 0"),
        ("version", json!({"x": 1}), "unknown field `x`; none is taken"),
        ("ask", json!({"count": -1}), "`count` must be"),
        ("tell", json!({"value": 1}), "`trial` is missing"),
        ("tell", json!({"trial": "one", "value": 1}), "`trial` must be"),
        ("tell", json!({"trial": 1, "state": "done", "value": 1}), "`state` is \"done\""),
        ("tell", json!({"trial": 1, "state": "complete"}), "`value` is missing"),
        ("tell", json!({"trial": 1, "value": "high"}), "`value` must be a number"),
        ("tell", json!({"trial": 1, "values": [1, 2]}), "found 2"),
        ("tell", json!({"trial": 7, "value": 1}), "there is no trial 7"),
        ("report", json!({"trial": 1, "value": 1}), "`step` is missing"),
        ("enqueue", json!({"params": {"x": 5, "n": 1}}), "`x`: 5"),
        ("enqueue", json!({"params": {"x": 0.5, "n": 1, "z": 1}}), "`z` is not a parameter"),
        ("add", json!({"params": {"x": 0.5}, "value": 1}), "`n` has no value"),
        ("release", json!({}), "give `trial` or `worker`"),
    ] {
        let error = talk.refused(method, params.clone());
        assert!(error["message"].as_str().unwrap().contains(words), "{method} {params}: {error}");
    }
    let mut nowhere_to_stop = request("e");
    nowhere_to_stop["early_stop"] = "median".into();
    let error = talk.refused("create", nowhere_to_stop);
    assert!(error["message"].as_str().unwrap().contains("give `fidelity`"), "{error}");
    let mut unnamed = request("o");
    unnamed["objective"] = "loss".into();
    let error = talk.refused("create", unnamed);
    assert!(error["message"].as_str().unwrap().contains("an object {name, direction}"), "{error}");
    let mut other = create;
    other["space"] = json!([float("y")]);
    assert_eq!(talk.refused("create", other)["data"]["kind"], "another_study");
    assert_eq!(talk.ok("version", json!({}))["protocol"], 1);
    talk.calls.take();
    assert!(talk.child.wait().unwrap().success(), "the end of input is an orderly end");
}

/// Sends one request and returns status and body; the server closes the connection.
fn http(address: &str, token: &str, request: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

#[test]
fn http_speaks_the_same_methods_to_those_with_the_token() {
    let env = TestEnv::new();
    let mut child = env.command("serve --listen 127.0.0.1:0 --json").stdout(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let said: Value = serde_json::from_str(&first).unwrap();
    let address = said["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_string();
    let token = said["token"].as_str().unwrap().to_string();
    assert_eq!(http(&address, "wrong", "GET /studies", "").0, 401);
    let call = json!({"id": 1, "method": "create", "params": request("s")}).to_string();
    assert_eq!(http(&address, &token, "POST /rpc", &call).1["result"]["study"], "s");
    let mut events = TcpStream::connect(&address).unwrap();
    write!(events, "GET /events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n")
        .unwrap();
    let mut events = BufReader::new(events).lines().map(Result::unwrap);
    assert!(events.any(|line| line.contains("text/event-stream")));
    let (status, asked) = http(&address, &token, "POST /studies/s/ask", "{}");
    assert_eq!((status, &asked["trial"]), (200, &json!(1)));
    assert!(events.any(|line| line == "event: ask"), "changes are told to listeners");
    let tell = r#"{"state": "complete", "value": 0.5}"#;
    assert_eq!(http(&address, &token, "POST /studies/s/trials/1/tell", tell).0, 200);
    assert_eq!(http(&address, &token, "POST /studies/s/trials/1/tell", tell).0, 409);
    assert_eq!(http(&address, &token, "POST /studies/s/ask", r#"{"cuont": 1}"#).0, 400);
    let (status, refused) = http(&address, &token, "POST /studies/s/ask", "{");
    assert_eq!((status, &refused["error"]["data"]["kind"]), (400, &json!("invalid_request")));
    let (status, refused) = http(&address, &token, "POST /studies/s/trials/one/tell", tell);
    assert_eq!((status, &refused["error"]["data"]["field"]), (400, &json!("trial")));
    for (request, status) in [("GET /elsewhere", 404), ("GET /rpc", 405), ("DELETE /studies", 405)] {
        let (found, refused) = http(&address, &token, request, "");
        assert_eq!(found, status, "{request}");
        assert!(refused["error"]["message"].as_str().unwrap().contains("POST /rpc"), "{request}: {refused}");
    }
    assert_eq!(http(&address, &token, "GET /studies/none/best", "").0, 404);
    assert_eq!(http(&address, &token, "GET /studies/s/best", "").1["value"], 0.5);
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    let mut status = None;
    wait_until("the server to end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert!(status.unwrap().success(), "listeners do not keep it up");
}

#[test]
fn only_loopback_is_served_unasked() {
    let env = TestEnv::new();
    let refused = env.automl("serve --listen 0.0.0.0:0");
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("--allow-remote"), "{}", refused.stderr);
    let neither = env.automl("serve");
    assert_eq!(neither.code, 2);
    assert!(neither.stderr.contains("--stdio|--listen"), "{}", neither.stderr);
}
