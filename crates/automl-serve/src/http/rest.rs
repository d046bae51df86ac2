//! Plain REST: each route is one method of the service, its body the method's parameters.

use super::{Door, broken, json};
use crate::error::{INVALID_REQUEST, NO_METHOD, RpcError};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Map, Value, json as object};

/// Methods that look at a study: `GET /studies/{study}/{method}`.
const LOOKS: [&str; 4] = ["best", "trials", "status", "importance"];
/// Methods that do something to a study: `POST /studies/{study}/{method}`.
const ACTS: [&str; 5] = ["ask", "enqueue", "add", "release", "close"];
/// Methods that do something to a trial: `POST /studies/{study}/trials/{trial}/{method}`.
const TRIAL_ACTS: [&str; 2] = ["report", "tell"];

/// What there is, for whoever asked for something else.
const ROUTES: &str = "there are POST /rpc, GET /events, GET /version, GET /methods, GET and POST /studies, \
                      GET /studies/S, GET /studies/S/{best,trials,status,importance}, \
                      POST /studies/S/{ask,enqueue,add,release,close} and POST /studies/S/trials/N/{report,tell}";

pub(super) fn routes() -> Router<Door> {
    Router::new()
        .route("/studies", get(studies).post(create))
        .route("/studies/{study}", get(status))
        .route("/studies/{study}/{method}", get(look).post(act))
        .route("/studies/{study}/trials/{trial}/{method}", post(act_on_trial))
        .route("/version", get(version))
        .route("/methods", get(methods))
}

async fn studies(State(door): State<Door>) -> Response {
    call(door, "studies".into(), Map::new()).await
}

async fn version(State(door): State<Door>) -> Response {
    call(door, "version".into(), Map::new()).await
}

async fn methods(State(door): State<Door>) -> Response {
    call(door, "methods".into(), Map::new()).await
}

async fn create(State(door): State<Door>, body: Bytes) -> Response {
    with_body(door, "create".into(), &body, Map::new()).await
}

async fn status(State(door): State<Door>, Path(study): Path<String>) -> Response {
    call(door, "status".into(), named(study)).await
}

async fn look(State(door): State<Door>, Path((study, method)): Path<(String, String)>) -> Response {
    if LOOKS.contains(&method.as_str()) {
        call(door, method, named(study)).await
    } else {
        unknown(&method, &LOOKS)
    }
}

async fn act(
    State(door): State<Door>,
    Path((study, method)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    if ACTS.contains(&method.as_str()) {
        with_body(door, method, &body, named(study)).await
    } else {
        unknown(&method, &ACTS)
    }
}

async fn act_on_trial(
    State(door): State<Door>,
    Path((study, trial, method)): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    if !TRIAL_ACTS.contains(&method.as_str()) {
        return unknown(&method, &TRIAL_ACTS);
    }
    let Ok(trial) = trial.parse::<u64>() else {
        return refused(&RpcError::field("trial", format!("`trial` must be a number, found {trial:?}")));
    };
    let mut place = named(study);
    place.insert("trial".into(), trial.into());
    with_body(door, method, &body, place).await
}

fn named(study: String) -> Map<String, Value> {
    Map::from_iter([("study".to_string(), Value::from(study))])
}

/// Calls a method with the fields of the body and those of the path, which win.
async fn with_body(door: Door, method: String, body: &[u8], place: Map<String, Value>) -> Response {
    let parsed = if body.is_empty() { Ok(Value::Object(Map::new())) } else { serde_json::from_slice(body) };
    match parsed {
        Ok(Value::Object(mut params)) => {
            params.extend(place);
            call(door, method, params).await
        }
        Ok(_) => bad("the body must be a JSON object"),
        Err(error) => bad(&format!("the body is no JSON: {error}")),
    }
}

async fn call(door: Door, method: String, params: Map<String, Value>) -> Response {
    let events = door.events.clone();
    let result = door.worker.run(move |service| {
        let params = Value::Object(params);
        let result = service.call(&method, &params);
        events.tell(&method, &params, &result);
        result
    });
    match result.await {
        None => broken(),
        Some(Ok(result)) => json(StatusCode::OK, result.to_string()),
        Some(Err(error)) => refused(&error),
    }
}

/// Answers what no route leads to.
pub(super) async fn nowhere(uri: Uri) -> Response {
    let message = format!("there is nothing at {}; {ROUTES}", uri.path());
    refused(&RpcError::new(NO_METHOD, "unknown_method", message))
}

/// Answers a verb that a route does not take.
pub(super) async fn wrong_verb(method: Method, uri: Uri) -> Response {
    let message = format!("{} does not take {method}; {ROUTES}", uri.path());
    let error = RpcError::new(INVALID_REQUEST, "invalid_request", message);
    json(StatusCode::METHOD_NOT_ALLOWED, object!({"error": error.to_json()}).to_string())
}

fn unknown(method: &str, known: &[&str]) -> Response {
    let message = format!("nothing is called `{method}` here; there are {}", known.join(", "));
    refused(&RpcError::new(NO_METHOD, "unknown_method", message))
}

fn bad(message: &str) -> Response {
    refused(&RpcError::new(INVALID_REQUEST, "invalid_request", message))
}

fn refused(error: &RpcError) -> Response {
    let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    json(status, object!({"error": error.to_json()}).to_string())
}
