//! What a search and a plain job have in common: from the default spec to the base of a recipe.
//!
//! Order: template, the parent's values, settings, rules for the parent's action, datasets. What depends
//! on an attempt (parameters, functions, rules by action and model type) is left to the recipe.

use super::draft::Draft;
use super::inputs::Inputs;
use super::{container, data, dynamic, secrets, settings};
use crate::network::{Expression, Launch};
use crate::parent::ParentJob;
use crate::problem::{Code, Position, Problem, Problems, Report, Severity};
use crate::recipe::{
    Download, JobName, MetricRules, Origins, ParentResults, Parts, SpecRecipe, SpecRules, SuccessRule,
    TrialRecipe,
};
use crate::request::NetworkRequest;
use crate::rule::Rule;
use crate::schema::{Branches, Leaf};
use crate::spec::{Secrets, SpecPath, holds_login, is_secret, variable};
use serde_json::Value;
use std::path::PathBuf;

/// A request being resolved.
pub(super) struct Stage<'a> {
    inputs: &'a Inputs,
    request: &'a NetworkRequest,
    pub(super) launch: Launch,
    pub(super) draft: Draft,
    pub(super) applied: settings::Applied,
    pub(super) branches: Branches,
    rules: SpecRules,
    downloads: Vec<Download>,
    job_keys: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) problems: Vec<Problem>,
}

/// What the kinds of job differ in.
pub(super) struct Kind<'n> {
    /// Names of the parameters that are searched; none in a plain job.
    pub(super) searched: &'n [String],
    /// What the schema says of them.
    pub(super) leaves: Vec<Leaf>,
    /// Whether functions are those of a search.
    pub(super) automl: bool,
    /// Metric that is read first; empty where none counts.
    pub(super) metric: String,
}

impl<'a> Stage<'a> {
    /// Builds the base of the spec.
    pub(super) fn begin(inputs: &'a Inputs, request: &'a NetworkRequest) -> Self {
        let mut problems = inputs.warnings.clone();
        let mut notes = inputs.notes.clone();
        problems.extend(inputs.unknown_action());
        let launch = launch(inputs, request, &mut notes);
        let mut draft = Draft::new(inputs.template.clone(), inputs.template_origin);
        if let Some(parent) = &request.parent {
            inherit(parent, &launch, inputs, request, &mut draft, &mut notes);
        }
        let mut applied = apply_settings(inputs, request, &mut draft, &mut problems);
        let known = data::facts(inputs.data(request, &[]));
        let parent = request.parent.as_ref();
        let configured = dynamic::apply_parent(inputs.dynamic(), parent, &request.action, &known, &mut draft);
        let data = inputs.data(request, &configured);
        let filled = draft.change("data_sources", |spec| data::fill(data, spec));
        notes.extend(filled.notes);
        problems.extend(filled.problems);
        keep_secrets_of_data(data, &mut draft, &mut applied, &mut notes);
        let (downloads, job_keys) = (filled.downloads, filled.job_keys);
        let rules = dynamic::rules_for(inputs.dynamic(), &request.action);
        let branches = Branches::decide(&inputs.schema, &applied.branches, &draft.spec);
        let mut stage = Stage {
            inputs,
            request,
            launch,
            draft,
            applied,
            branches,
            rules,
            downloads,
            job_keys,
            notes,
            problems,
        };
        stage.note_overruled();
        stage
    }

    /// Returns the key with the length of a full training.
    pub(super) fn fidelity_key(&self) -> Option<&str> {
        self.launch.fidelity.as_ref().map(|fidelity| fidelity.key.as_str())
    }

    /// Sets what the program needs to report a metric.
    pub(super) fn need(&mut self, metric: &str) {
        let inputs = self.inputs;
        let needs =
            inputs.metrics().needs.iter().filter(|need| need.metrics.iter().any(|m| m.matches(metric)));
        for (key, value) in needs.flat_map(|need| &need.set) {
            if self.draft.get(key) == Some(value) {
                continue;
            }
            if self.applied.covers(key) {
                let message = format!("`{metric}` is only reported where {key} is {value}");
                let problem = Problem::plain("--set", key, Code::BadValue, message);
                self.problems.push(problem.with_hint(format!("--set {key}={value}, or another --metric")));
                continue;
            }
            self.notes.push(format!("{key}: {value}, without which there is no `{metric}`"));
            self.draft.set(key, value.clone(), "metrics.needs");
        }
    }

    /// Rules win over settings; whoever made the setting should know.
    fn note_overruled(&mut self) {
        let removed = self.rules.removed(&self.draft.spec);
        let set: Vec<&str> = self.rules.set.iter().map(|(key, _)| key.as_str()).collect();
        for key in &self.applied.keys {
            if removed.contains(&key.as_str()) {
                self.notes.push(format!("{key}: dynamic_config removes it, so its setting has no effect"));
            } else if set.contains(&key.as_str()) {
                self.notes.push(format!("{key}: dynamic_config sets it, so its setting has no effect"));
            }
            // Only whole specs tell whether a rule applies, so this is no more than a hint.
            let changes = |rule: &&Rule| rule.changed().any(|pattern| is_path_of(pattern, key));
            if let Some(rule) = self.inputs.schema.rules.iter().find(changes) {
                self.notes.push(format!("{key}: may be overruled, because {}", rule.rule));
            }
            self.notes.extend(self.idle(key));
        }
    }

    /// Returns what to say of a setting in a branch that is not taken.
    fn idle(&self, key: &str) -> Option<String> {
        let schema = &self.inputs.schema;
        let conditions = schema.conditions(schema.leaf(key)?);
        let (group, test) = conditions.iter().find(|(group, test)| {
            let taken = self.branches.taken(group).map(Value::from);
            taken.is_some_and(|taken| test.holds(&taken, &self.draft.spec) == Some(false))
        })?;
        let taken = self.branches.taken(group)?;
        Some(format!(
            "{key}: counts only where {group} is {}, and it is \"{taken}\" unless searched",
            test.words()
        ))
    }

    /// Reports mandatory keys that are still open once the rules have been applied: in the action's own block
    /// a problem, elsewhere a note.
    pub(super) fn check_mandatory(&mut self, searched: &[String]) {
        let mut spec = self.draft.spec.clone();
        self.rules.apply(&mut spec, &mut Origins::default());
        let mut open = Vec::new();
        collect_open(&spec, String::new(), &mut open);
        for key in open.into_iter().filter(|key| !searched.contains(key)) {
            // Whether a program reads what other blocks leave open, only the program knows.
            if key.split('.').next() != Some(self.request.action.as_str()) {
                self.notes.push(format!(
                    "{key} has no value; --set {key}=VALUE if {} needs it",
                    self.request.action
                ));
                continue;
            }
            let message = format!("`{key}` has no value");
            let hint = format!("--set {key}=VALUE");
            self.problems.push(Problem::plain("spec", &key, Code::MissingKey, message).with_hint(hint));
        }
        for key in self.rules.removed(&self.draft.spec) {
            if searched.iter().any(|name| name == key) {
                self.notes.push(format!("{key}: dynamic_config removes it, so searching it has no effect"));
            }
        }
    }

    /// Returns the length of a full training.
    pub(super) fn full_fidelity(&mut self) -> u64 {
        let Some(key) = self.fidelity_key().map(String::from) else { return 1 };
        let value = self.draft.get(&key).cloned().unwrap_or_default();
        let parts = self.launch.fidelity.as_ref().map_or(Parts::default(), |fidelity| fidelity.parts);
        match parts.count(&value) {
            Some(length) => length,
            None => {
                let unit = match parts.is_whole() {
                    true => String::new(),
                    false => format!(" of parts of 1/{}", parts.0),
                };
                let message = format!(
                    "the length of a training must be a whole number{unit} of at least 1, found {value}"
                );
                let mut report = Report::new("spec");
                report
                    .error(Position::default(), &key, Code::BadValue, message)
                    .hint(format!("--set {key}=10"));
                self.problems.extend(report.into_problems());
                1
            }
        }
    }

    /// Returns the recipe and the notes.
    ///
    /// # Errors
    /// All problems found so far.
    pub(super) fn finish(mut self, kind: Kind<'_>) -> Result<(TrialRecipe, Vec<String>), Problems> {
        let (section, functions) = self.functions(kind.automl);
        let format = self.inputs.config.api_params.spec_format;
        if format.is_none() {
            let message = format!("specs of network `{}` cannot be written", self.request.network);
            self.problems.push(Problem::plain(
                "--network",
                "api_params.spec_backend",
                Code::Unsupported,
                message,
            ));
        }
        let container = self.container();
        let success = self.success(kind.searched);
        let (warnings, errors): (Vec<_>, Vec<_>) =
            self.problems.into_iter().partition(|p| p.severity == Severity::Warning);
        let (Some(format), true) = (format, errors.is_empty()) else {
            return Err(Problems(errors.into_iter().chain(warnings).collect()));
        };
        self.notes.extend(warnings.iter().map(Problem::note));
        let (mut launch, applied, request) = (self.launch, self.applied, self.request);
        let fixed = |key: &str| applied.covers(key) || kind.searched.iter().any(|name| name == key);
        let spec = SpecRecipe {
            base: self.draft.spec,
            format,
            job_keys: self.job_keys,
            functions,
            fidelity_key: launch.fidelity.as_ref().map(|f| f.key.clone()),
            stop_after_env: launch.fidelity.as_ref().and_then(|f| f.stop_after_env.clone()),
            // A plain job keeps the seed of its spec.
            seed_key: launch.seed_key.clone().filter(|key| kind.automl && !fixed(key)),
            gpu_count_key: self.inputs.model.gpu_spec_key.clone(),
            gpu_ids_key: launch.gpu_ids_key.clone(),
            pretrained: request.pretrained.clone(),
            parent: request.parent.as_ref().map(|parent| ParentResults {
                action: parent.action.clone(),
                results_dir: parent.results_dir.clone(),
                checkpoint: parent.checkpoint.clone(),
            }),
            rules: self.rules,
            branches: self.branches,
            between_keys: self.inputs.schema.rules.clone(),
            section,
            origins: self.draft.origins,
            secret_keys: applied.secret_keys,
            secrets: applied.secrets,
        };
        let metrics = self.inputs.metrics();
        let mut secrets = Secrets::default();
        secrets::take_logins(&mut launch.command, &mut secrets, &mut self.notes);
        secrets::of_environment(&mut launch.environment, &mut secrets, &mut self.notes);
        let recipe = TrialRecipe {
            argv: launch.command,
            environment: launch.environment,
            workdir: launch.workdir,
            spec: Some(spec),
            leaves: kind.leaves,
            logs: launch.logs,
            checkpoints: launch.checkpoints,
            fidelity_parts: launch.fidelity.as_ref().map_or(Parts::default(), |fidelity| fidelity.parts),
            stop_file: launch.stop_file,
            error_patterns: launch.error_patterns,
            metrics: MetricRules {
                monitoring: kind.metric,
                available: metrics.available.clone(),
                patterns: metrics.patterns.clone(),
                line_patterns: launch.line_patterns,
            },
            success,
            adapter: self.inputs.adapter.clone(),
            package: self.inputs.package().cloned(),
            job: Some(JobName { network: request.network.clone(), action: request.action.clone() }),
            container,
            downloads: self.downloads,
            upload_rules: self.inputs.upload_rules(),
            upload_to: None,
            secrets,
        };
        Ok((recipe, self.notes))
    }

    /// Returns what a good end takes. A program that may end by itself before its last epoch need not reach it.
    fn success(&self, searched: &[String]) -> SuccessRule {
        let mut rule = self.launch.success.clone();
        if let Some(key) = &rule.unless {
            let on = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
            let may_end = searched.contains(key) || self.draft.get(key).is_some_and(on);
            rule.last_epoch &= !may_end;
        }
        rule
    }

    /// Returns the section and the functions that fill the spec. A setting of the user's own stands in
    /// for what a parent would give.
    fn functions(&mut self, automl: bool) -> (&'static str, Vec<(String, Expression)>) {
        let (section, functions) = self.inputs.functions(automl);
        let needs_parent = |expression: &Expression| match expression {
            Expression::Call(function) => function.needs_parent(),
            _ => false,
        };
        for (key, _) in functions {
            if let Err(why) = key.parse::<SpecPath>() {
                self.problems.push(Problem::plain(section, key, Code::BadValue, why));
            }
        }
        let from_parent = functions.iter().filter(|(_, expression)| needs_parent(expression));
        let keys: Vec<&String> = from_parent.map(|(key, _)| key).collect();
        let has_checkpoint = self.request.parent.as_ref().is_some_and(|parent| parent.checkpoint.is_some());
        let given = keys.iter().any(|key| self.applied.covers(key));
        if let (Some(key), false, false) = (keys.first(), has_checkpoint, given) {
            self.problems.push(self.no_checkpoint(key, section));
        }
        let kept = |(key, expression): &&(String, Expression)| {
            !(needs_parent(expression) && self.applied.covers(key))
        };
        (section, functions.iter().filter(kept).cloned().collect())
    }

    fn no_checkpoint(&self, key: &str, section: &str) -> Problem {
        let message = match &self.request.parent {
            Some(parent) => format!("`{key}` needs a checkpoint, and {} has left none", parent.id),
            None => format!("`{key}` needs a checkpoint of another job"),
        };
        let hint = format!("--parent STUDY[/TRIAL] or --parent FOLDER names a job, --set {key}=PATH a file");
        Problem::plain("--parent", section, Code::MissingKey, message).with_hint(hint)
    }

    fn container(&mut self) -> Option<crate::recipe::Container> {
        let wish = self.request.container.as_ref()?;
        let parent = self.request.parent.iter();
        let further = parent
            .flat_map(|parent| std::iter::once(&parent.results_dir).chain(&parent.checkpoint).cloned())
            .chain(self.request.pretrained.iter().map(PathBuf::from));
        match container::resolve(wish, self.inputs.image(), &self.draft.spec, further) {
            Ok(container) => Some(container),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }
}

/// Returns how the action is launched. An image knows its own command, whatever starts the program here;
/// without any word on it, the format's authors' own command is assumed.
pub(super) fn launch(inputs: &Inputs, request: &NetworkRequest, notes: &mut Vec<String>) -> Launch {
    let usual = || {
        let carried_out = &inputs.carried_out;
        let knows = |key: &str| inputs.schema.leaf(key).is_some();
        Launch::usual(&carried_out.network, &carried_out.action, knows)
    };
    match (inputs.launch(), &request.container) {
        (Some(launch), None) => launch.clone(),
        (Some(launch), Some(_)) => Launch { command: usual().command, workdir: None, ..launch.clone() },
        (None, container) => {
            let launch = usual();
            if container.is_none() {
                notes.push(format!(
                    "no `launch` says how {} is run; taking `{} {} -e SPEC`",
                    request.action, inputs.carried_out.network, inputs.carried_out.action
                ));
            }
            launch
        }
    }
}

fn apply_settings(
    inputs: &Inputs,
    request: &NetworkRequest,
    draft: &mut Draft,
    problems: &mut Vec<Problem>,
) -> settings::Applied {
    let (project, own) = request.set.split_at(request.set_by_project.min(request.set.len()));
    let mut apply = |settings: &[String], origin: &str, draft: &mut Draft| {
        let applied = settings::apply(settings, origin, &inputs.schema, &mut draft.spec, problems);
        draft.claim(&applied.keys, origin);
        applied
    };
    let mut applied = apply(project, "automl.toml", draft);
    if let Some(spec) = &inputs.own_spec {
        let filled = data::filled_keys(inputs.data(request, &[]));
        let lay_over = |draft: &mut Value| settings::lay_over(spec, &filled, &inputs.schema, draft);
        applied = applied.and(draft.change("--spec", lay_over));
        let says = |key: &&str| key.parse::<SpecPath>().is_ok_and(|path| path.get(spec).is_some());
        let stated = inputs.schema.names().filter(says).map(String::from).filter(|key| !filled.contains(key));
        draft.claim(&stated.collect::<Vec<String>>(), "--spec");
    }
    applied.and(apply(own, "--set", draft))
}

/// Takes over from the parent's spec what the launch says the two must share.
fn inherit(
    parent: &ParentJob,
    launch: &Launch,
    inputs: &Inputs,
    request: &NetworkRequest,
    draft: &mut Draft,
    notes: &mut Vec<String>,
) {
    let networks = [&request.network, &inputs.carried_out.network];
    if let Some(other) = parent.network.as_ref().filter(|name| !networks.contains(name)) {
        notes.push(format!("{} is a job of network {other}; nothing of its spec is taken over", parent.id));
        return;
    }
    let within = |group: &String, key: &str| {
        key.strip_prefix(group.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let shared = |key: &&str| launch.inherit.iter().any(|group| within(group, key)) && !is_secret(key);
    for key in inputs.schema.names().filter(shared) {
        let value = key.parse::<SpecPath>().ok().and_then(|path| path.get(&parent.spec).cloned());
        if let Some(value) = value.filter(|value| draft.get(key) != Some(value)) {
            draft.set(key, value, &format!("parent {}", parent.id));
        }
    }
}

/// Tells whether a path is one that a pattern with `*` stands for.
fn is_path_of(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), path.split('.').collect());
    pattern.len() == path.len() && pattern.iter().zip(&path).all(|(p, s)| *p == "*" || p == s)
}

/// `???` marks a key that has to be set.
/// Takes places of data that hold a login, or what signs a URL, out of the spec.
fn keep_secrets_of_data(
    data: data::Context<'_>,
    draft: &mut Draft,
    applied: &mut settings::Applied,
    notes: &mut Vec<String>,
) {
    for source in data.config.data_sources(data.action) {
        let Some(value) = draft.get(&source.key).filter(|value| holds_login(value)).cloned() else {
            continue;
        };
        notes.push(format!(
            "{}: a URL of the data holds a secret: the value is not recorded, and `automl resume` reads it from {}",
            source.key,
            variable(&source.key)
        ));
        draft.set(&source.key, Value::Null, "data_sources");
        applied.keep_secret(source.key.clone(), value);
    }
}

fn collect_open(value: &Value, path: String, open: &mut Vec<String>) {
    match value {
        Value::String(text) if text == "???" => open.push(path),
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| collect_open(value, crate::fields::join(&path, key), open));
        }
        _ => {}
    }
}
