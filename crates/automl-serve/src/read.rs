//! What calls carry, turned into the engine's own types.

use crate::error::RpcError;
use crate::fields::{Fields, finite, list, number, text, whole, wrong};
use automl::{StudyRequest, Told};
use automl_core::{
    Algorithm, Condition, Constraint, Direction, Distribution, EarlyStop, Fidelity, FidelityPlan, Objective,
    ParamValue, Parameter, Params, Scale, SearchSpace, Study, StudySettings,
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads the parameters of `create`, without `store`.
pub(crate) fn study_request(fields: &mut Fields<'_>) -> Result<StudyRequest, RpcError> {
    Ok(StudyRequest {
        name: fields.text("name")?.map(String::from),
        space: space(fields)?,
        objectives: objectives(fields)?,
        constraints: constraints(fields)?,
        algorithm: algorithm(fields)?,
        seed: fields.count("seed")?.unwrap_or(0),
        max_trials: fields.count("max_trials")?,
        workers: workers(fields)?,
        fidelity: fidelity(fields)?,
        early_stop: early_stop(fields)?,
    })
}

/// Reads a configuration.
pub(crate) fn params(value: &Value, path: &str) -> Result<Params, RpcError> {
    let map = value.as_object().ok_or_else(|| wrong(path, "an object", value))?;
    let read = |(name, value): (&String, &Value)| {
        let path = format!("{path}.{name}");
        Ok((name.clone(), param_value(value, &path)?))
    };
    map.iter().map(read).collect()
}

/// Reads what a trial ended with: `state`, `value` or `values`, `constraints`, `reason`.
pub(crate) fn told(fields: &mut Fields<'_>, settings: &StudySettings) -> Result<Told, RpcError> {
    let state = fields.text("state")?;
    let names: Vec<&str> = settings.objectives().map(|o| o.metric.as_str()).collect();
    let values = values(fields, &names)?;
    let limits: Vec<&str> = settings.constraints.iter().map(|c| c.metric.as_str()).collect();
    let path = fields.path("constraints");
    let constraints = fields.optional("constraints").map(|v| by_name(v, &path, &limits)).transpose()?;
    let reason = fields.text("reason")?;
    let or = |words: &str| reason.unwrap_or(words).to_string();
    match state.unwrap_or("complete") {
        "complete" => match values {
            Some(values) => Ok(Told::Complete { values, constraints: constraints.unwrap_or_default() }),
            None => {
                let path = fields.path("value");
                Err(RpcError::field(&path, format!("`{path}` is missing: a complete trial has a value")))
            }
        },
        "failed" => Ok(Told::Failed { reason: or("told as failed") }),
        "infeasible" => Ok(Told::Infeasible { reason: or("told as infeasible") }),
        "stopped" => Ok(Told::Stopped { reason: or("told as stopped") }),
        other => {
            let path = fields.path("state");
            let message =
                format!("`{path}` is {other:?}; it must be complete, failed, infeasible or stopped");
            Err(RpcError::field(&path, message))
        }
    }
}

/// Reads what a report carries: `value` of the first objective, or `values` of any metrics.
pub(crate) fn reported(fields: &mut Fields<'_>, study: &Study) -> Result<BTreeMap<String, f64>, RpcError> {
    let settings = &study.settings;
    let paths = (fields.path("value"), fields.path("values"));
    match (fields.optional("value"), fields.optional("values")) {
        (Some(value), None) => Ok([(settings.objective.metric.clone(), number(value, &paths.0)?)].into()),
        (None, Some(Value::Object(map))) => {
            let read = |(name, value): (&String, &Value)| {
                Ok((name.clone(), number(value, &format!("{}.{name}", paths.1))?))
            };
            map.iter().map(read).collect()
        }
        (None, Some(value)) => {
            let names: Vec<&str> = settings.objectives().map(|o| o.metric.as_str()).collect();
            let values = by_name(value, &paths.1, &names)?;
            Ok(names.into_iter().map(String::from).zip(values).collect())
        }
        (Some(_), Some(_)) => Err(RpcError::field(&paths.1, "give `value` or `values`, not both")),
        (None, None) => Err(RpcError::field(&paths.0, format!("`{}` is missing", paths.0))),
    }
}

fn values(fields: &mut Fields<'_>, names: &[&str]) -> Result<Option<Vec<f64>>, RpcError> {
    let paths = (fields.path("value"), fields.path("values"));
    match (fields.optional("value"), fields.optional("values")) {
        (Some(value), None) => Ok(Some(vec![number(value, &paths.0)?])),
        (None, Some(value)) => by_name(value, &paths.1, names).map(Some),
        (Some(_), Some(_)) => Err(RpcError::field(&paths.1, "give `value` or `values`, not both")),
        (None, None) => Ok(None),
    }
}

/// Reads one number for each name: a list in their order, or an object by name.
fn by_name(value: &Value, path: &str, names: &[&str]) -> Result<Vec<f64>, RpcError> {
    let Some(map) = value.as_object() else {
        return list(value, path)?.into_iter().map(|(path, value)| number(value, &path)).collect();
    };
    if let Some(name) = map.keys().find(|name| !names.contains(&name.as_str())) {
        let path = format!("{path}.{name}");
        return Err(RpcError::field(
            &path,
            format!("unknown field `{path}`; known are {}", names.join(", ")),
        ));
    }
    let read = |name: &&str| {
        let path = format!("{path}.{name}");
        let value = map.get(*name).ok_or_else(|| RpcError::field(&path, format!("`{path}` is missing")))?;
        number(value, &path)
    };
    names.iter().map(read).collect()
}

fn space(fields: &mut Fields<'_>) -> Result<SearchSpace, RpcError> {
    let value = fields.required("space")?;
    let items = list(value, "space")?;
    let parameters: Vec<Parameter> =
        items.into_iter().map(|(path, item)| parameter(item, &path)).collect::<Result<_, _>>()?;
    SearchSpace::new(parameters).map_err(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        RpcError::field("space", texts.join("; "))
    })
}

fn parameter(value: &Value, path: &str) -> Result<Parameter, RpcError> {
    let mut fields = Fields::of(value, path)?;
    let name = fields.required_text("name")?;
    let distribution = distribution(&mut fields)?;
    let at = fields.path("default");
    let default = fields.optional("default").map(|value| param_value(value, &at)).transpose()?;
    let mut parameter = Parameter::new(name, distribution);
    parameter.conditions = conditions(&mut fields)?;
    fields.finish()?;
    // The default takes the parameter's type; whether it is allowed is for the space to say.
    parameter.default = default.map(|value| typed(&parameter, value));
    Ok(parameter)
}

fn typed(parameter: &Parameter, value: ParamValue) -> ParamValue {
    let alone = Parameter::new(&parameter.name, parameter.distribution.clone());
    let Ok(space) = SearchSpace::new(vec![alone]) else { return value };
    let given: Params = [(parameter.name.clone(), value.clone())].into_iter().collect();
    space.canonical(&given).get(&parameter.name).cloned().unwrap_or(value)
}

fn distribution(fields: &mut Fields<'_>) -> Result<Distribution, RpcError> {
    let kind = fields.required_text("type")?;
    match kind {
        "float" => {
            let (low, high) = (bound(fields, "low")?, bound(fields, "high")?);
            let at = fields.path("step");
            let step = fields.optional("step").map(|value| finite(value, &at)).transpose()?;
            Ok(Distribution::Float { low, high, scale: scale(fields)?, step })
        }
        "int" => {
            let (low, high) = (whole_bound(fields, "low")?, whole_bound(fields, "high")?);
            let at = fields.path("step");
            let step = fields.optional("step").map(|value| whole(value, &at)).transpose()?.unwrap_or(1);
            Ok(Distribution::Int { low, high, step, scale: scale(fields)? })
        }
        "categorical" => {
            let (choices, weights) = (choices(fields)?, weights(fields)?);
            Ok(Distribution::Categorical { choices, weights })
        }
        "ordinal" => {
            let (choices, weights) = (choices(fields)?, weights(fields)?);
            Ok(Distribution::Ordinal { choices, weights })
        }
        "bool" => Ok(Distribution::bool()),
        other => {
            let path = fields.path("type");
            let message =
                format!("`{path}` is {other:?}; it must be float, int, categorical, ordinal or bool");
            Err(RpcError::field(&path, message))
        }
    }
}

fn weights(fields: &mut Fields<'_>) -> Result<Option<Vec<f64>>, RpcError> {
    let at = fields.path("weights");
    let read =
        |value: &Value| list(value, &at)?.into_iter().map(|(path, weight)| finite(weight, &path)).collect();
    fields.optional("weights").map(read).transpose()
}

fn bound(fields: &mut Fields<'_>, name: &'static str) -> Result<f64, RpcError> {
    let path = fields.path(name);
    finite(fields.required(name)?, &path)
}

fn whole_bound(fields: &mut Fields<'_>, name: &'static str) -> Result<i64, RpcError> {
    let path = fields.path(name);
    whole(fields.required(name)?, &path)
}

fn scale(fields: &mut Fields<'_>) -> Result<Scale, RpcError> {
    match fields.text("scale")? {
        None | Some("linear") => Ok(Scale::Linear),
        Some("log") => Ok(Scale::Log),
        Some(other) => {
            let path = fields.path("scale");
            Err(RpcError::field(&path, format!("`{path}` is {other:?}; it must be linear or log")))
        }
    }
}

fn choices(fields: &mut Fields<'_>) -> Result<Vec<ParamValue>, RpcError> {
    let path = fields.path("choices");
    let items = list(fields.required("choices")?, &path)?;
    items.into_iter().map(|(path, value)| param_value(value, &path)).collect()
}

/// One condition or a list of them, all of which must hold.
fn conditions(fields: &mut Fields<'_>) -> Result<Vec<Condition>, RpcError> {
    let path = fields.path("condition");
    match fields.optional("condition") {
        None => Ok(Vec::new()),
        Some(one @ Value::Object(_)) => Ok(vec![condition(one, &path)?]),
        Some(many) => list(many, &path)?.into_iter().map(|(path, item)| condition(item, &path)).collect(),
    }
}

fn condition(value: &Value, path: &str) -> Result<Condition, RpcError> {
    let mut fields = Fields::of(value, path)?;
    let parent = fields.required_text("parent")?.to_string();
    let at = fields.path("in");
    let items = list(fields.required("in")?, &at)?;
    let values =
        items.into_iter().map(|(path, value)| param_value(value, &path)).collect::<Result<_, _>>()?;
    fields.finish()?;
    Ok(Condition { parent, values })
}

fn param_value(value: &Value, path: &str) -> Result<ParamValue, RpcError> {
    ParamValue::from_json(value).ok_or_else(|| wrong(path, "a number, a text, true, false or a list", value))
}

/// `objective` (one, or a list) or `objectives`.
fn objectives(fields: &mut Fields<'_>) -> Result<Vec<Objective>, RpcError> {
    let (name, value) = match (fields.optional("objective"), fields.optional("objectives")) {
        (Some(value), None) => ("objective", value),
        (None, Some(value)) => ("objectives", value),
        (Some(_), Some(_)) => {
            return Err(RpcError::field("objectives", "give `objective` or `objectives`, not both"));
        }
        (None, None) => {
            return Err(RpcError::field("objective", "`objective` is missing; give {name, direction}"));
        }
    };
    match value {
        Value::Object(_) => Ok(vec![objective(value, name)?]),
        Value::Array(_) => {
            list(value, name)?.into_iter().map(|(path, item)| objective(item, &path)).collect()
        }
        _ => Err(wrong(name, "an object {name, direction}, or a list of them", value)),
    }
}

fn objective(value: &Value, path: &str) -> Result<Objective, RpcError> {
    let mut fields = Fields::of(value, path)?;
    let metric = fields.required_text("name")?.to_string();
    let direction = match fields.required_text("direction")? {
        "minimize" | "min" => Direction::Minimize,
        "maximize" | "max" => Direction::Maximize,
        other => {
            let path = fields.path("direction");
            return Err(RpcError::field(
                &path,
                format!("`{path}` is {other:?}; it must be minimize or maximize"),
            ));
        }
    };
    fields.finish()?;
    Ok(Objective { metric, direction })
}

/// Names (at most 0 is feasible), texts such as `latency<=50`, or objects with a name.
fn constraints(fields: &mut Fields<'_>) -> Result<Vec<Constraint>, RpcError> {
    let items = fields.list("constraints")?.unwrap_or_default();
    items.into_iter().map(|(path, item)| constraint(item, &path)).collect()
}

fn constraint(value: &Value, path: &str) -> Result<Constraint, RpcError> {
    if value.is_object() {
        let mut fields = Fields::of(value, path)?;
        let name = fields.required_text("name")?;
        fields.finish()?;
        return Ok(Constraint::named(name));
    }
    let written = text(value, path)?;
    if written.contains("<=") || written.contains(">=") {
        return Constraint::parse(written).map_err(|message| RpcError::field(path, message));
    }
    Ok(Constraint::named(written))
}

fn algorithm(fields: &mut Fields<'_>) -> Result<Algorithm, RpcError> {
    let Some(name) = fields.text("algorithm")? else { return Ok(Algorithm::Auto) };
    name.parse().map_err(|message: String| RpcError::field("algorithm", message))
}

fn workers(fields: &mut Fields<'_>) -> Result<Option<u32>, RpcError> {
    let Some(workers) = fields.count("workers")? else { return Ok(None) };
    match u32::try_from(workers) {
        Ok(n) if n > 0 => Ok(Some(n)),
        _ => Err(RpcError::field("workers", format!("`workers` must be from 1 to {}", u32::MAX))),
    }
}

fn early_stop(fields: &mut Fields<'_>) -> Result<EarlyStop, RpcError> {
    let Some(name) = fields.text("early_stop")? else { return Ok(EarlyStop::None) };
    name.parse().map_err(|why: String| RpcError::field("early_stop", why))
}

fn fidelity(fields: &mut Fields<'_>) -> Result<Option<FidelityPlan>, RpcError> {
    let Some(value) = fields.optional("fidelity") else { return Ok(None) };
    let mut fields = Fields::of(value, "fidelity")?;
    let plan = FidelityPlan {
        unit: fields.text("name")?.unwrap_or("epoch").into(),
        min: Fidelity(fields.required_count("min")?),
        max: Fidelity(fields.required_count("max")?),
        reduction_factor: fields.count("eta")?.unwrap_or(3),
        resumable: true,
        base: None,
        full_first: fields.count("full_first")?.unwrap_or(FidelityPlan::FULL_FIRST),
    };
    fields.finish()?;
    Ok(Some(plan))
}
