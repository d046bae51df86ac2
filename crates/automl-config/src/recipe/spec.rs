//! From the resolved spec of a study to the spec of one attempt.
//!
//! Order: the base, the trial's parameters, what the attempt dictates (length, seed, GPUs), the
//! config's functions in file order, null for the branches not taken, the config's rules, the schema's rules,
//! secrets last. Functions see what was written before them.

use super::Parts;
use super::origin::Origins;
use super::realise::{AttemptContext, RecipeError, path_text};
use super::rules::{SpecRules, get, remove, set};
use crate::network::{Expression, Function};
use crate::rule::{Breach, Rule};
use crate::schema::Branches;
use crate::spec::{Secrets, SpecFormat};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// How an attempt's spec is built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpecRecipe {
    /// Defaults, the user's settings and dataset paths; without secrets.
    pub(crate) base: Value,
    pub(crate) format: SpecFormat,
    /// Keys whose values hold `{job_id}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) job_keys: Vec<String>,
    /// Config functions in file order.
    pub(crate) functions: Vec<(String, Expression)>,
    /// Key with the length of a full training.
    pub(crate) fidelity_key: Option<String>,
    /// Variable that makes the program stop early. Without it the training is as long as the attempt.
    pub(crate) stop_after_env: Option<String>,
    /// Key that gets the attempt's seed; absent where the user fixed the seed.
    pub(crate) seed_key: Option<String>,
    pub(crate) gpu_count_key: Option<String>,
    pub(crate) gpu_ids_key: Option<String>,
    pub(crate) pretrained: Option<String>,
    /// Results that functions refer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<ParentResults>,
    /// What `dynamic_config` asks for.
    #[serde(default, skip_serializing_if = "SpecRules::is_idle")]
    pub(crate) rules: SpecRules,
    /// Groups of which one branch is taken.
    #[serde(default, skip_serializing_if = "Branches::is_empty")]
    pub(crate) branches: Branches,
    /// What must hold between keys, and what follows from others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) between_keys: Vec<Rule>,
    /// Section that the functions stand in.
    #[serde(skip)]
    pub(crate) section: &'static str,
    /// Where the base came from, in the process that resolved it.
    #[serde(skip)]
    pub(crate) origins: Origins,
    /// Keys whose values the user gave and that are not kept.
    pub(crate) secret_keys: Vec<String>,
    /// Values of `secret_keys`, in the process that was given them.
    #[serde(skip)]
    pub(crate) secrets: Secrets,
}

/// What a spec may take from a parent job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ParentResults {
    pub(crate) action: String,
    pub(crate) results_dir: PathBuf,
    pub(crate) checkpoint: Option<PathBuf>,
}

impl ParentResults {
    fn exported(&self) -> bool {
        self.action == "export"
    }
}

impl SpecRecipe {
    /// Builds the spec of an attempt.
    pub(super) fn build(&self, context: &AttemptContext<'_>, parts: Parts) -> Result<Value, RecipeError> {
        let spec = self.build_traced(context, parts, &mut Origins::default())?;
        match self.breaches(&spec).into_iter().next() {
            Some(breach) => Err(RecipeError::Rule { message: format!("{} {}", breach.key, breach.message) }),
            None => Ok(spec),
        }
    }

    /// Returns the secrets that this process knows.
    pub(super) fn known_secrets(&self) -> impl Iterator<Item = String> {
        let of_environment = |(key, expression): &(String, Expression)| {
            matches!(expression, Expression::Call(Function::EncryptionKey)).then(|| key.clone())
        };
        let keys = self.secret_keys.iter().cloned().chain(self.functions.iter().filter_map(of_environment));
        keys.filter_map(|key| self.secrets.text(&key))
    }

    /// Returns where a whole spec breaks the rules between its keys.
    pub(crate) fn breaches(&self, spec: &Value) -> Vec<Breach> {
        self.between_keys.iter().flat_map(|rule| rule.breaches(spec)).collect()
    }

    /// Builds the spec of an attempt and notes where each value comes from.
    pub(crate) fn build_traced(
        &self,
        context: &AttemptContext<'_>,
        parts: Parts,
        origins: &mut Origins,
    ) -> Result<Value, RecipeError> {
        let mut spec = self.base.clone();
        origins.clone_from(&self.origins);
        self.name_job(&mut spec, context, origins)?;
        for (name, value) in context.params.iter().filter(|(name, _)| !self.branches.has(name)) {
            set(&mut spec, name, value.to_json(), "sampler", origins);
        }
        let length = if self.stop_after_env.is_some() { context.max_fidelity } else { context.until };
        self.dictate(&mut spec, &parts.value(length), context, origins);
        for (key, expression) in &self.functions {
            if let Some(value) = self.evaluate(key, expression, &spec, context)? {
                let words = expression.words(self.section.starts_with("automl"));
                set(&mut spec, key, value, &format!("{}: {words}", self.section), origins);
            }
        }
        let chosen = |group: &str| context.params.get(group).map(ToString::to_string);
        for key in self.branches.prune(&mut spec, chosen) {
            origins.mark(&key, &Value::Null, "branch not taken");
        }
        self.rules.apply(&mut spec, origins);
        for rule in &self.between_keys {
            for (key, value) in rule.makes(&spec) {
                set(&mut spec, &key, value, &format!("rule: {}", rule.rule), origins);
            }
            rule.removes(&spec).iter().for_each(|key| remove(&mut spec, key));
        }
        for key in &self.secret_keys {
            let missing =
                || RecipeError::SecretMissing { key: key.clone(), variable: crate::spec::variable(key) };
            set(&mut spec, key, self.secrets.get(key).ok_or_else(missing)?, "given (secret)", origins);
        }
        Ok(spec)
    }

    /// A trial is what the format calls a job, and `/results/<job>` is where it writes.
    fn name_job(
        &self,
        spec: &mut Value,
        context: &AttemptContext<'_>,
        origins: &mut Origins,
    ) -> Result<(), RecipeError> {
        let results = path_text(context.results_dir)?;
        let job = format!("{}-{}", context.study, context.trial);
        for key in &self.job_keys {
            if let Some(text) = get(spec, key).and_then(Value::as_str) {
                let text = text.replace("/results/{job_id}", &results).replace("{job_id}", &job);
                set(spec, key, text.into(), "data_sources", origins);
            }
        }
        Ok(())
    }

    /// The full training's length (see `build_traced`) stays in the spec even if the attempt ends earlier, so that
    /// schedules over the length (learning rate) do not depend on where a trial is paused.
    fn dictate(&self, spec: &mut Value, length: &Value, context: &AttemptContext<'_>, origins: &mut Origins) {
        let gpus = context.gpus.len();
        let visible: Vec<usize> = (0..gpus).collect();
        for (key, value, origin) in [
            (&self.fidelity_key, Some(length.clone()), "fidelity"),
            (&self.seed_key, Some(json!(context.short_seed())), "seed"),
            (&self.gpu_count_key, (gpus > 0).then(|| json!(gpus)), "GPUs"),
            (&self.gpu_ids_key, (gpus > 0).then(|| json!(visible)), "GPUs"),
        ] {
            if let (Some(key), Some(value)) =
                (key, value.filter(|value| key.as_ref().and_then(|k| get(spec, k)) != Some(value)))
            {
                set(spec, key, value, origin, origins);
            }
        }
    }

    /// Returns the value to write, or `None` to leave the key as it is.
    fn evaluate(
        &self,
        key: &str,
        expression: &Expression,
        spec: &Value,
        context: &AttemptContext<'_>,
    ) -> Result<Option<Value>, RecipeError> {
        let resume = context.resume_from.map(path_text).transpose()?;
        let pretrained = self.pretrained.clone();
        Ok(match expression {
            Expression::Literal(value) => Some(value.clone()),
            Expression::Result(file) => Some(json!(path_text(&context.results_dir.join(file))?)),
            Expression::Interval { equal_to: Some(other), .. } if counts_epochs(spec, other) => {
                get(spec, other).cloned()
            }
            Expression::Interval { limit, .. } if counts_epochs(spec, key) => {
                self.interval(key, limit, spec, context)
            }
            Expression::Interval { .. } => None,
            Expression::Unsupported(_) => None,
            Expression::Call(function) => match function {
                Function::ResumeOrPretrained => resume.or(pretrained).map(Value::from),
                Function::ResultsDir => Some(json!(path_text(context.results_dir)?)),
                Function::AttemptName => Some(json!(format!("attempt-{}", context.attempt))),
                Function::FullLength => Some(json!(context.max_fidelity)),
                Function::ResumeCheckpoint => resume.map(Value::from),
                Function::HasResumeCheckpoint => Some(json!(resume.is_some())),
                // A resumed model has its weights already; loading others first would be in vain.
                Function::PretrainedUnlessResumed if resume.is_some() => Some(json!("")),
                Function::PretrainedUnlessResumed | Function::Pretrained => pretrained.map(Value::from),
                Function::EncryptionKey => self.secrets.get(key),
                Function::Verbose => Some(json!(true)),
                Function::Keep => None,
                Function::ParentModel
                | Function::ParentModelFolder
                | Function::ParentOrPretrained
                | Function::ParentForEvaluation
                | Function::PrunedModel
                | Function::Framework
                | Function::IsExported => self.taken_from_parent(*function)?,
            },
        })
    }

    /// Returns what a function takes from the parent; without one, only that there is nothing exported.
    fn taken_from_parent(&self, function: Function) -> Result<Option<Value>, RecipeError> {
        let parent = self.parent.as_ref();
        let exported = parent.is_some_and(ParentResults::exported);
        let checkpoint = parent.and_then(|parent| parent.checkpoint.as_deref());
        let in_results = |file: &str| parent.map(|parent| parent.results_dir.join(file));
        let path = match function {
            Function::ParentForEvaluation if exported => in_results("model.engine"),
            Function::ParentModel | Function::ParentForEvaluation => checkpoint.map(Path::to_path_buf),
            Function::ParentModelFolder => checkpoint.and_then(Path::parent).map(Path::to_path_buf),
            Function::ParentOrPretrained => match checkpoint {
                Some(path) => Some(path.to_path_buf()),
                None => return Ok(self.pretrained.clone().map(Value::from)),
            },
            Function::PrunedModel => {
                in_results("pruned_model.pth").filter(|_| parent.is_some_and(|p| p.action == "retrain"))
            }
            Function::Framework => return Ok(Some(json!(if exported { "tensorrt" } else { "tlt" }))),
            Function::IsExported => return Ok(exported.then_some(Value::Bool(true))),
            _ => None,
        };
        Ok(path.map(|path| path_text(&path)).transpose()?.map(Value::from))
    }

    /// Returns an interval of at most the training's length that also divides the attempt's length, so
    /// that a checkpoint exists where the attempt ends.
    fn interval(&self, key: &str, limit: &str, spec: &Value, context: &AttemptContext<'_>) -> Option<Value> {
        let own = get(spec, key).and_then(Value::as_u64);
        let limit_is_length = self.fidelity_key.as_deref() == Some(limit);
        let length = if limit_is_length { context.until } else { get(spec, limit)?.as_u64()? };
        let own = own.filter(|n| *n > 0).unwrap_or(length).min(length);
        Some(json!(greatest_common_divisor(own, length)))
    }
}

/// An interval in steps has nothing to do with a limit in epochs. Its unit stands beside it, in a key
/// of the same name with `_unit`.
fn counts_epochs(spec: &Value, key: &str) -> bool {
    get(spec, &format!("{key}_unit")).is_none_or(|unit| unit == "epoch")
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}
