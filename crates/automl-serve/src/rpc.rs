//! JSON-RPC 2.0: texts in, texts out. Messages without the `jsonrpc` member are taken as well.

use crate::error::{INVALID_PARAMS, INVALID_REQUEST, PARSE, RpcError};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// Calls in one list; more is a mistake or an attack.
const BATCH_MAX: usize = 10_000;

/// Answers a message by calling methods. `None` where the message holds notifications only.
pub(crate) fn answer(
    message: &str,
    mut call: impl FnMut(&str, &Value) -> Result<Value, RpcError>,
) -> Option<String> {
    let parsed: Value = match serde_json::from_str(message) {
        Ok(parsed) => parsed,
        Err(error) => return Some(failure(&Value::Null, &no_json(message, &error)).to_string()),
    };
    match parsed {
        Value::Array(calls) if calls.is_empty() || calls.len() > BATCH_MAX => {
            let what = format!("a list holds 1 to {BATCH_MAX} calls, found {}", calls.len());
            Some(failure(&Value::Null, &invalid(what)).to_string())
        }
        Value::Array(calls) => {
            let answers: Vec<Value> = calls.iter().filter_map(|one| answer_one(one, &mut call)).collect();
            (!answers.is_empty()).then(|| Value::from(answers).to_string())
        }
        one => answer_one(&one, &mut call).map(|answer| answer.to_string()),
    }
}

fn answer_one(
    message: &Value,
    call: &mut impl FnMut(&str, &Value) -> Result<Value, RpcError>,
) -> Option<Value> {
    let Some(object) = message.as_object() else {
        let error = invalid("a call is an object with `id`, `method` and `params`".into());
        return Some(failure(&Value::Null, &error));
    };
    // Without an id nobody waits for an answer, unless the message is no call at all.
    let id = object.get("id").cloned();
    let result = read(object).and_then(|(method, params)| call(method, &params));
    match (id, result) {
        (Some(id), Ok(result)) => Some(json!({"jsonrpc": "2.0", "id": id, "result": result})),
        (Some(id), Err(error)) => Some(failure(&id, &error)),
        (None, Err(error)) if error.code == INVALID_REQUEST => Some(failure(&Value::Null, &error)),
        (None, _) => None,
    }
}

fn read(object: &Map<String, Value>) -> Result<(&str, Cow<'_, Value>), RpcError> {
    const MEMBERS: [&str; 4] = ["jsonrpc", "id", "method", "params"];
    if let Some(unknown) = object.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(invalid(format!("unknown member `{unknown}`; a call has {}", MEMBERS.join(", "))));
    }
    if object.get("jsonrpc").is_some_and(|version| version != "2.0") {
        return Err(invalid("`jsonrpc` must be \"2.0\", or absent".into()));
    }
    if object.get("id").is_some_and(|id| !(id.is_string() || id.is_number() || id.is_null())) {
        return Err(invalid("`id` must be a text or a number".into()));
    }
    let method = object.get("method").and_then(Value::as_str);
    let method = method.ok_or_else(|| invalid("`method` is missing, or no text".into()))?;
    match object.get("params") {
        None | Some(Value::Null) => Ok((method, Cow::Owned(json!({})))),
        Some(params @ Value::Object(_)) => Ok((method, Cow::Borrowed(params))),
        Some(_) => {
            let message = "`params` must be an object with named fields";
            Err(RpcError::new(INVALID_PARAMS, "invalid_params", message))
        }
    }
}

fn invalid(message: String) -> RpcError {
    RpcError::new(INVALID_REQUEST, "invalid_request", message)
}

fn no_json(message: &str, error: &serde_json::Error) -> RpcError {
    let bare = ["NaN", "Infinity"].iter().find(|name| message.contains(*name));
    let hint = bare.map_or_else(String::new, |name| {
        format!("; JSON has no {name}: send it as a text, for example \"{name}\"")
    });
    RpcError::new(PARSE, "parse", format!("the message is no JSON: {error}{hint}"))
}

fn failure(id: &Value, error: &RpcError) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": error.to_json()})
}

/// Returns the answer to a message that was too long, or no text.
pub(crate) fn refusal(why: &str) -> String {
    failure(&Value::Null, &invalid(why.into())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(method: &str, params: &Value) -> Result<Value, RpcError> {
        Ok(json!([method, params]))
    }

    fn code(message: &str) -> i64 {
        let answer: Value = serde_json::from_str(&answer(message, echo).unwrap()).unwrap();
        answer["error"]["code"].as_i64().unwrap()
    }

    #[test]
    fn calls_are_answered_under_their_id() {
        let bare = answer(r#"{"id": "a", "method": "m"}"#, echo).unwrap();
        assert_eq!(bare, r#"{"jsonrpc":"2.0","id":"a","result":["m",{}]}"#);
        assert_eq!(answer(r#"{"jsonrpc": "2.0", "method": "m"}"#, echo), None, "a notification");
        let list = r#"[{"id": 1, "method": "a"}, {"method": "b"}, {"id": 2, "method": "c"}]"#;
        let answers: Value = serde_json::from_str(&answer(list, echo).unwrap()).unwrap();
        assert_eq!((answers[0]["id"].clone(), answers[1]["id"].clone()), (json!(1), json!(2)));
    }

    #[test]
    fn what_is_no_call_has_its_code() {
        for (message, expected) in [
            ("{", PARSE),
            ("", PARSE),
            ("7", INVALID_REQUEST),
            ("[]", INVALID_REQUEST),
            (r#"{"id": 1}"#, INVALID_REQUEST),
            (r#"{"method": 7}"#, INVALID_REQUEST),
            (r#"{"id": {}, "method": "m"}"#, INVALID_REQUEST),
            (r#"{"id": 1, "method": "m", "parms": {}}"#, INVALID_REQUEST),
            (r#"{"id": 1, "jsonrpc": "1.0", "method": "m"}"#, INVALID_REQUEST),
            (r#"{"id": 1, "method": "m", "params": [1]}"#, INVALID_PARAMS),
        ] {
            assert_eq!(code(message), expected, "{message}");
        }
    }

    #[test]
    fn bare_nan_is_answered_with_advice() {
        let answer = answer(r#"{"id": 1, "method": "tell", "params": {"value": NaN}}"#, echo).unwrap();
        assert!(answer.contains("send it as a text"), "{answer}");
    }
}
