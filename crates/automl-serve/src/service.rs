//! The methods, over the studies that are open.

use crate::error::{NO_METHOD, RpcError};
use crate::fields::{Fields, list};
use crate::read;
use crate::rpc;
use automl::{Answer, AskTell, Decided, Elsewhere, Handed, Place, StudyDir, present};
use automl_core::{Fidelity, Study, TrialId, TrialState};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Version of the protocol; raised when a program written for an older one could break.
const PROTOCOL: u32 = 1;

/// Every method with the fields it takes, for `methods`.
const METHODS: [(&str, &[&str]); 15] = [
    (
        "create",
        &[
            "name",
            "space",
            "objective",
            "objectives",
            "constraints",
            "algorithm",
            "seed",
            "max_trials",
            "workers",
            "fidelity",
            "early_stop",
            "store",
        ],
    ),
    ("ask", &["study", "count", "worker"]),
    ("report", &["study", "trial", "step", "value", "values"]),
    ("tell", &["study", "trial", "fidelity", "state", "value", "values", "constraints", "reason"]),
    ("enqueue", &["study", "params"]),
    (
        "add",
        &[
            "study",
            "params",
            "state",
            "value",
            "values",
            "constraints",
            "reason",
            "fidelity",
            "source",
            "trials",
        ],
    ),
    ("release", &["study", "trial", "worker"]),
    ("best", &["study"]),
    ("trials", &["study"]),
    ("status", &["study"]),
    ("importance", &["study"]),
    ("studies", &[]),
    ("close", &["study"]),
    ("methods", &[]),
    ("version", &[]),
];

/// Methods that change a study.
const CHANGING: [&str; 7] = ["create", "ask", "report", "tell", "enqueue", "add", "release"];

/// Answers method calls over the studies it holds open.
pub struct Service {
    /// Folder that stored studies lie in.
    root: PathBuf,
    studies: BTreeMap<String, AskTell>,
}

impl Service {
    /// Begins a service without open studies; those that are stored go below `root`, which need not
    /// exist.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Service { root, studies: BTreeMap::new() }
    }

    /// Answers one message: a call, or a list of calls. `None` where nothing is to be answered.
    pub fn answer(&mut self, message: &str) -> Option<String> {
        rpc::answer(message, |method, params| self.call(method, params))
    }

    /// Tells whether a method may change a study.
    pub(crate) fn changes(method: &str) -> bool {
        CHANGING.contains(&method)
    }

    /// Calls a method.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Result<Value, RpcError> {
        let mut fields = Fields::of(params, "")?;
        match method {
            "create" => self.create(fields),
            "studies" => fields.finish().map(|()| self.list()),
            "methods" => fields.finish().map(|()| methods()),
            "version" => fields.finish().map(|()| version()),
            "close" => {
                let name = self.resolve(&mut fields)?;
                fields.finish()?;
                self.studies.remove(&name);
                Ok(json!({}))
            }
            "ask" | "report" | "tell" | "enqueue" | "add" | "release" | "best" | "trials" | "status"
            | "importance" => {
                let name = self.resolve(&mut fields)?;
                let alone = self.studies.len() == 1;
                let study = self.studies.get_mut(&name).expect("a resolved study is open");
                on_study(study, method, fields, alone)
            }
            _ => {
                let known: Vec<&str> = METHODS.iter().map(|(name, _)| *name).collect();
                let message = format!("no method {method:?}; known are {}", known.join(", "));
                Err(RpcError::new(NO_METHOD, "unknown_method", message))
            }
        }
    }

    fn create(&mut self, mut fields: Fields<'_>) -> Result<Value, RpcError> {
        let mut request = read::study_request(&mut fields)?;
        let stored = fields.flag("store")?.unwrap_or(true);
        fields.finish()?;
        if let Some(open) = request.name.as_ref().and_then(|name| self.studies.get_mut(name)) {
            let name = request.name.clone();
            open.create_again(request)?;
            return Ok(json!({ "study": name }));
        }
        if !stored && request.name.is_none() {
            request.name = (1_u64..).map(|n| format!("study-{n}")).find(|n| !self.studies.contains_key(n));
        }
        let place = if stored { Place::Folder(self.root.clone()) } else { Place::Memory };
        let study = AskTell::create(&place, request)?;
        let name = study.study().settings.study.clone();
        let mut answer = json!({ "study": name });
        if !study.notes().is_empty() {
            answer["notes"] = study.notes().into();
        }
        self.studies.insert(name, study);
        Ok(answer)
    }

    /// Returns the name of the study a call is about, opening a stored one that is not open yet.
    fn resolve(&mut self, fields: &mut Fields<'_>) -> Result<String, RpcError> {
        let Some(name) = fields.text("study")? else {
            let mut names = self.studies.keys();
            return match (names.next(), names.next()) {
                (Some(only), None) => Ok(only.clone()),
                (None, _) => Err(RpcError::no_study("no study is open; `create` one, or name a stored one")),
                (Some(_), Some(_)) => {
                    let open: Vec<&str> = self.studies.keys().map(String::as_str).collect();
                    let message = format!("`study` is missing, and several are open: {}", open.join(", "));
                    Err(RpcError::field("study", message))
                }
            };
        };
        if !self.studies.contains_key(name) {
            let named = automl::list(&self.root).into_iter().any(|known| known == name);
            if !named {
                return Err(RpcError::no_study(format!("there is no study {name:?}; `create` it first")));
            }
            self.studies.insert(name.into(), AskTell::open(&StudyDir::new(&self.root, name))?);
        }
        Ok(name.into())
    }

    fn list(&self) -> Value {
        let mut names = automl::list(&self.root);
        names.extend(self.studies.keys().cloned());
        names.sort();
        names.dedup();
        let studies: Vec<Value> = names
            .iter()
            .map(|name| json!({"study": name, "open": self.studies.contains_key(name)}))
            .collect();
        json!({ "studies": studies })
    }
}

fn on_study(
    study: &mut AskTell,
    method: &str,
    mut fields: Fields<'_>,
    alone: bool,
) -> Result<Value, RpcError> {
    match method {
        "ask" => ask(study, fields, alone),
        "report" => report(study, fields),
        "tell" => tell(study, fields),
        "enqueue" => {
            let params = read::params(fields.required("params")?, "params")?;
            fields.finish()?;
            Ok(json!({"queued": study.enqueue(&params)?}))
        }
        "add" => add(study, fields),
        "release" => release(study, fields),
        "best" => fields.finish().map(|()| best(study.study())),
        "trials" => {
            fields.finish()?;
            let study = study.study();
            let trials: Vec<Value> = study.trials.values().map(|t| present::trial(study, t)).collect();
            Ok(json!({ "trials": trials }))
        }
        "status" => fields.finish().map(|()| status(study.study())),
        "importance" => fields.finish().map(|()| present::importance(study.study())),
        _ => unreachable!("only methods on studies get here"),
    }
}

fn ask(study: &mut AskTell, mut fields: Fields<'_>, alone: bool) -> Result<Value, RpcError> {
    let count = fields.count("count")?;
    let worker = fields.text("worker")?;
    fields.finish()?;
    let wanted = usize::try_from(count.unwrap_or(1)).unwrap_or(usize::MAX);
    Ok(match study.ask(wanted, worker)? {
        Answer::Wait => json!({"wait": true}),
        Answer::Done(reason) => json!({"done": true, "reason": reason.to_string()}),
        Answer::Trials(trials) => match (trials.as_slice(), alone && count.is_none()) {
            ([one], true) => handed(one),
            (trials, _) => json!({"trials": trials.iter().map(handed).collect::<Vec<_>>()}),
        },
    })
}

fn handed(trial: &Handed) -> Value {
    let mut object = Map::new();
    object.insert("trial".into(), trial.trial.0.into());
    object.insert("params".into(), present::params(&trial.params));
    if let Some(fidelity) = trial.fidelity {
        object.insert("fidelity".into(), fidelity.0.into());
    }
    if let Some(fidelity) = trial.resume_from {
        object.insert("resume_from".into(), fidelity.0.into());
    }
    if let Some(parent) = trial.resume_trial {
        object.insert("resume_trial".into(), parent.0.into());
    }
    object.into()
}

fn report(study: &mut AskTell, mut fields: Fields<'_>) -> Result<Value, RpcError> {
    let trial = TrialId(fields.required_count("trial")?);
    let step = fields.required_count("step")?;
    let values = read::reported(&mut fields, study.study())?;
    fields.finish()?;
    let decision = match study.report(trial, step, values)? {
        Decided::Continue => "continue",
        Decided::Stop => "stop",
        Decided::Pause => "pause",
    };
    Ok(json!({ "decision": decision }))
}

fn tell(study: &mut AskTell, mut fields: Fields<'_>) -> Result<Value, RpcError> {
    let trial = TrialId(fields.required_count("trial")?);
    let fidelity = fields.count("fidelity")?.map(Fidelity);
    let told = read::told(&mut fields, &study.study().settings)?;
    fields.finish()?;
    study.tell_at(trial, fidelity, told)?;
    Ok(json!({}))
}

/// One finished trial, or a list of them under `trials`, of which all are taken or none.
fn add(study: &mut AskTell, mut fields: Fields<'_>) -> Result<Value, RpcError> {
    let Some(trials) = fields.optional("trials") else {
        let trial = elsewhere(study, fields)?;
        return Ok(json!({ "trial": study.add(trial)?.0 }));
    };
    fields.finish()?;
    let (mut paths, mut all) = (Vec::new(), Vec::new());
    for (path, item) in list(trials, "trials")? {
        let read = Fields::of(item, &path).and_then(|fields| elsewhere(study, fields));
        all.push(read.map_err(|error| within(&path, error))?);
        paths.push(path);
    }
    let added = study.add_all(all).map_err(|refused| match paths.get(refused.index) {
        Some(path) => within(path, refused.source.into()),
        None => refused.source.into(),
    })?;
    Ok(json!({ "trials": added }))
}

fn within(path: &str, mut error: RpcError) -> RpcError {
    error.message = format!("{path}: {} (none was added)", error.message);
    error
}

fn elsewhere(study: &AskTell, mut fields: Fields<'_>) -> Result<Elsewhere, RpcError> {
    let path = fields.path("params");
    let params = read::params(fields.required("params")?, &path)?;
    let told = read::told(&mut fields, &study.study().settings)?;
    let fidelity = fields.count("fidelity")?.map(Fidelity);
    let source = fields.text("source")?.map(String::from);
    fields.finish()?;
    Ok(Elsewhere { params, told, fidelity, source })
}

fn release(study: &mut AskTell, mut fields: Fields<'_>) -> Result<Value, RpcError> {
    let trial = fields.count("trial")?.map(TrialId);
    let worker = fields.text("worker")?;
    fields.finish()?;
    if trial.is_some() == worker.is_some() {
        return Err(RpcError::field("trial", "give `trial` or `worker`: what shall be released"));
    }
    Ok(json!({"released": study.release(trial, worker)?}))
}

fn best(study: &Study) -> Value {
    match study.incumbent() {
        Some(trial) => present::best_and_recommended(study, trial, None),
        None => json!({"study": study.settings.study, "trial": null, "value": null}),
    }
}

fn status(study: &Study) -> Value {
    let count = |state| study.in_state(state).count();
    let trials: Map<String, Value> =
        TrialState::ALL.iter().map(|state| (state.to_string(), count(*state).into())).collect();
    json!({
        "study": study.settings.study,
        "state": if study.ended.is_some() { "ended" } else { "running" },
        "algorithm": study.settings.algorithm,
        "trials": trials,
        "best": study.incumbent().map(|trial| present::best(study, trial, None)),
        "slots": study.slots,
        "budget": study.settings.budget(),
        "metric": study.settings.objective.metric,
        "direction": study.settings.objective.direction,
        "queued": study.queue.len(),
        "running": study.in_state(TrialState::Running).map(|trial| trial.id).collect::<Vec<_>>(),
        "ended": study.ended,
    })
}

fn methods() -> Value {
    let methods = METHODS.iter().map(|(name, fields)| json!({"method": name, "fields": fields}));
    json!({"methods": methods.collect::<Vec<_>>()})
}

fn version() -> Value {
    json!({"version": env!("CARGO_PKG_VERSION"), "protocol": PROTOCOL})
}
