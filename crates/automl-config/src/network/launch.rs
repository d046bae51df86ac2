//! Section `launch`: how an action's program is started, followed and carried on.
//!
//! The format this project reads leaves launching to a service; this section states it, so that any
//! program can be a network. `{action: {…}}`, each action with
//!
//! - `command`: the argument vector. Placeholders `{spec} {config} {config_yaml} {results_dir} {trial_dir} {study}
//!   {trial} {attempt} {resume} {fidelity} {max_fidelity} {seed} {gpus} {num_gpus} {adapter}` stand for values
//!   within one argument; `{{` and `}}` are braces.
//! - `environment`: variables and values, with the same placeholders.
//! - `workdir`: folder to start in; the engine's choice where absent.
//! - `fidelity`: `key` (spec key with the length of a full training), `unit` (default `epoch`),
//!   `stop_after_env` (variable that tells the program after how many completed units to stop), `parts`
//!   (how many parts of one unit the search counts, for fractions).
//! - `resume`: `pattern` (of checkpoint paths relative to the results folder, with the group `epoch`),
//!   `first_epoch` (number of the first epoch in file names, default 0).
//! - `stop_file`: file in the results folder that the program looks for, and ends by itself when it is
//!   there.
//! - `logs`: a list of `{path, format}` (relative to the results folder, with wildcards) and
//!   `{stream, format}`.
//! - `line_patterns`: a list of regular expressions of text lines with named groups that give metrics.
//! - `seed_key`, `gpu_ids_key`: spec keys that get the attempt's seed and the visible GPU numbers.
//! - `inherit`: spec keys, or groups of them, that a job takes over from its parent's spec; the group
//!   `model` where absent.
//! - `error_patterns`: a list of `{pattern, advice, policy}` for known failures in logs; `policy` is
//!   `infeasible`, `fail`, `retry`, `retry_elsewhere` or `stop`.
//! - `adapter`: a packaged script, written beside each spec; `{adapter}` is its path.
//! - `silence_limit_s`: seconds without output after which the program is taken to hang.
//! - `success`: `{line, last_epoch, unless, failure_lines}`, what a good end takes beside exit code 0.

use crate::fields::{Fields, join, wrong_type};
use crate::node::Node;
use crate::pattern::Pattern;
use crate::problem::{Code, Report};
use crate::recipe::{
    CheckpointRule, ErrorPattern, FailurePolicy, LogFormat, LogOrigin, LogSource, Parts, SuccessRule,
    Template, wrong_stop_file,
};
use std::path::PathBuf;

/// How one action is run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Launch {
    pub(crate) command: Vec<Template>,
    pub(crate) environment: Vec<(String, Template)>,
    pub(crate) workdir: Option<PathBuf>,
    pub(crate) fidelity: Option<Fidelity>,
    pub(crate) checkpoints: Option<CheckpointRule>,
    pub(crate) stop_file: Option<String>,
    pub(crate) logs: Vec<LogSource>,
    pub(crate) line_patterns: Vec<Pattern>,
    pub(crate) seed_key: Option<String>,
    pub(crate) gpu_ids_key: Option<String>,
    /// Keys and groups of keys taken over from a parent's spec.
    pub(crate) inherit: Vec<String>,
    pub(crate) error_patterns: Vec<ErrorPattern>,
    /// Packaged script that stands between the engine and the program.
    pub(crate) adapter: Option<String>,
    pub(crate) silence_limit_s: Option<u64>,
    pub(crate) success: SuccessRule,
}

/// How the length of a training is set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fidelity {
    /// Spec key with the length of a full training.
    pub(crate) key: String,
    pub(crate) unit: String,
    /// Variable that tells the program when to stop early.
    pub(crate) stop_after_env: Option<String>,
    /// Parts that the search counts one unit of the key in.
    pub(crate) parts: Parts,
}

pub(super) fn read(section: Option<&Node>, report: &mut Report) -> Vec<(String, Launch)> {
    let Some(section) = section else { return Vec::new() };
    let Some(entries) = section.entries() else {
        return wrong_type(section, "launch", "an object", report).unwrap_or_default();
    };
    let read =
        entries.iter().map(|e| (e.key.clone(), Launch::read(&e.value, &join("launch", &e.key), report)));
    read.filter_map(|(action, launch)| launch.map(|launch| (action, launch))).collect()
}

/// What a job takes over from its parent unless its launch says otherwise: the checkpoint fits no
/// other model.
const INHERITED: &str = "model";
/// Checkpoints as the trainers of the format's authors name them.
const USUAL_CHECKPOINTS: &str =
    r"^(?:[^/]+/)*model_epoch_(?P<epoch>\d+)_step_(?P<step>\d+)\.(pth|tlt|hdf5|safetensors)$";
/// Length of a training, and the variable that ends one early, by the same convention.
const USUAL_FIDELITY: (&str, &str) = ("train.num_epochs", "EARLY_STOP_EPOCH");
/// File by which a training is asked to end, by the same convention.
const USUAL_STOP_FILE: &str = ".graceful_termination_signal";

impl Launch {
    /// Returns how the format's authors launch an action: `<network> <action> -e SPEC`, a status file
    /// in the action's folder, checkpoints by epoch and step.
    pub(crate) fn usual(network: &str, action: &str, knows: impl Fn(&str) -> bool) -> Self {
        let word = |text: &str| Template::parse(&text.replace('{', "{{").replace('}', "}}"), &[]);
        let spec = Template::parse("{spec}", &[]);
        let command = [word(network), word(action), word("-e"), spec];
        let text = |origin| LogSource { origin, format: LogFormat::Text };
        let status = LogSource {
            origin: LogOrigin::File(format!("{action}/status.json")),
            format: LogFormat::StatusJson,
        };
        let fidelity = knows(USUAL_FIDELITY.0).then(|| Fidelity {
            key: USUAL_FIDELITY.0.into(),
            unit: "epoch".into(),
            stop_after_env: Some(USUAL_FIDELITY.1.into()),
            parts: Parts::default(),
        });
        let checkpoints = Pattern::new(USUAL_CHECKPOINTS).expect("the pattern is sound");
        Launch {
            command: command.into_iter().map(|word| word.expect("braces are escaped")).collect(),
            environment: Vec::new(),
            workdir: None,
            checkpoints: fidelity.as_ref().map(|_| CheckpointRule::new(checkpoints, 0)),
            stop_file: fidelity.as_ref().map(|_| USUAL_STOP_FILE.into()),
            fidelity,
            line_patterns: Vec::new(),
            logs: vec![status, text(LogOrigin::Stdout), text(LogOrigin::Stderr)],
            seed_key: None,
            gpu_ids_key: None,
            inherit: vec![INHERITED.into()],
            error_patterns: Vec::new(),
            adapter: None,
            silence_limit_s: None,
            success: SuccessRule::default(),
        }
    }

    fn read(node: &Node, path: &str, report: &mut Report) -> Option<Self> {
        let mut fields = Fields::open(node, path, report)?;
        let launch = Launch {
            command: read_command(&mut fields, report),
            environment: read_environment(&mut fields, report),
            workdir: fields.string("workdir", report).map(PathBuf::from),
            fidelity: read_fidelity(&mut fields, report),
            checkpoints: read_resume(&mut fields, report),
            stop_file: read_stop_file(&mut fields, report),
            logs: read_logs(&mut fields, report),
            line_patterns: read_line_patterns(&mut fields, report),
            seed_key: fields.string("seed_key", report),
            gpu_ids_key: fields.string("gpu_ids_key", report),
            inherit: match fields.node("inherit") {
                Some(_) => fields.strings("inherit", report),
                None => vec![INHERITED.into()],
            },
            error_patterns: read_error_patterns(&mut fields, report),
            adapter: fields.string("adapter", report),
            silence_limit_s: fields.count("silence_limit_s", 1, report),
            success: read_success(&mut fields, report).unwrap_or_default(),
        };
        fields.close(report);
        Some(launch)
    }
}

fn read_stop_file(fields: &mut Fields<'_>, report: &mut Report) -> Option<String> {
    let at = fields.node("stop_file")?.at;
    let file = fields.string("stop_file", report)?;
    if let Some(why) = wrong_stop_file(&file) {
        report.error(at, &fields.path_of("stop_file"), Code::BadValue, why);
    }
    Some(file)
}

fn read_command(fields: &mut Fields<'_>, report: &mut Report) -> Vec<Template> {
    let path = fields.path_of("command");
    let Some(node) = fields.required("command", report) else { return Vec::new() };
    let Some(items) = node.items().filter(|items| !items.is_empty()) else {
        return wrong_type(node, &path, "a list of arguments, the program first", report).unwrap_or_default();
    };
    let with_index = items.iter().enumerate();
    with_index.filter_map(|(i, item)| read_template(item, &format!("{path}[{i}]"), report)).collect()
}

fn read_environment(fields: &mut Fields<'_>, report: &mut Report) -> Vec<(String, Template)> {
    let path = fields.path_of("environment");
    let entries = fields.node("environment").and_then(Node::entries).unwrap_or_default();
    let template = |e: &crate::node::Entry| {
        read_template(&e.value, &join(&path, &e.key), report).map(|template| (e.key.clone(), template))
    };
    entries.iter().filter_map(template).collect()
}

fn read_template(node: &Node, path: &str, report: &mut Report) -> Option<Template> {
    let text = crate::fields::string(node, path, report)?;
    match Template::parse(&text, &[]) {
        Ok(template) => Some(template),
        Err(error) => {
            report.error(node.at, path, Code::BadValue, error.message).hint(error.hint);
            None
        }
    }
}

fn read_fidelity(fields: &mut Fields<'_>, report: &mut Report) -> Option<Fidelity> {
    let path = fields.path_of("fidelity");
    let mut inner = Fields::open(fields.node("fidelity")?, &path, report)?;
    let key = inner.required_string("key", report);
    let unit = inner.string("unit", report).unwrap_or_else(|| "epoch".into());
    let stop_after_env = inner.string("stop_after_env", report);
    let parts = inner.count("parts", 1, report).map_or(Parts::default(), Parts);
    inner.close(report);
    Some(Fidelity { key: key?, unit, stop_after_env, parts })
}

fn read_resume(fields: &mut Fields<'_>, report: &mut Report) -> Option<CheckpointRule> {
    let path = fields.path_of("resume");
    let mut inner = Fields::open(fields.node("resume")?, &path, report)?;
    let pattern = inner.required("pattern", report);
    let pattern =
        pattern.and_then(|node| super::metrics::read_pattern(node, &join(&path, "pattern"), report));
    let first_epoch = inner.count("first_epoch", 0, report).unwrap_or(0);
    inner.close(report);
    Some(CheckpointRule::new(pattern?, first_epoch))
}

fn read_logs(fields: &mut Fields<'_>, report: &mut Report) -> Vec<LogSource> {
    let path = fields.path_of("logs");
    let items = fields.node("logs").and_then(Node::items).unwrap_or_default();
    let with_index = items.iter().enumerate();
    with_index.filter_map(|(i, item)| read_log(item, &format!("{path}[{i}]"), report)).collect()
}

fn read_log(node: &Node, path: &str, report: &mut Report) -> Option<LogSource> {
    let mut fields = Fields::open(node, path, report)?;
    let file = fields.string("path", report).map(LogOrigin::File);
    let stream = fields.string("stream", report);
    let format = fields.required_string("format", report);
    fields.close(report);
    let origin = match (file, stream.as_deref()) {
        (Some(file), None) => file,
        (None, Some("stdout")) => LogOrigin::Stdout,
        (None, Some("stderr")) => LogOrigin::Stderr,
        _ => {
            let message = "a log needs either `path` or `stream` (stdout or stderr)";
            report.error(node.at, path, Code::BadValue, message);
            return None;
        }
    };
    let format = format?;
    let Some(format) = LogFormat::of_name(&format) else {
        let hint = crate::nearest::did_you_mean(&format, LogFormat::NAMES.iter().map(|(name, _)| *name));
        report.error(node.at, path, Code::UnknownName, format!("unknown log format `{format}`")).hint(hint);
        return None;
    };
    Some(LogSource { origin, format })
}

fn read_line_patterns(fields: &mut Fields<'_>, report: &mut Report) -> Vec<Pattern> {
    let path = fields.path_of("line_patterns");
    let items = fields.node("line_patterns").and_then(Node::items).unwrap_or_default();
    let with_index = items.iter().enumerate();
    let read =
        with_index.map(|(i, item)| super::metrics::read_pattern(item, &format!("{path}[{i}]"), report));
    read.flatten().collect()
}

fn read_success(fields: &mut Fields<'_>, report: &mut Report) -> Option<SuccessRule> {
    let path = fields.path_of("success");
    let mut inner = Fields::open(fields.node("success")?, &path, report)?;
    let line = inner.node("line");
    let line = line.and_then(|node| super::metrics::read_pattern(node, &join(&path, "line"), report));
    let last_epoch = inner.bool("last_epoch", report).unwrap_or(false);
    let unless = inner.string("unless", report);
    let patterns = super::metrics::read_patterns(&mut inner, "failure_lines", report);
    inner.close(report);
    Some(SuccessRule { line, last_epoch, unless, failure_lines: patterns })
}

fn read_error_patterns(fields: &mut Fields<'_>, report: &mut Report) -> Vec<ErrorPattern> {
    let path = fields.path_of("error_patterns");
    let items = fields.node("error_patterns").and_then(Node::items).unwrap_or_default();
    let mut patterns = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let Some(mut inner) = Fields::open(item, &path, report) else { continue };
        let pattern = inner.required("pattern", report);
        let pattern =
            pattern.and_then(|node| super::metrics::read_pattern(node, &join(&path, "pattern"), report));
        let advice = inner.required_string("advice", report);
        let policy = inner.node("policy").and_then(|node| read_policy(node, &join(&path, "policy"), report));
        inner.close(report);
        patterns.extend(pattern.zip(advice).map(|(pattern, advice)| ErrorPattern {
            pattern,
            advice,
            policy,
        }));
    }
    patterns
}

fn read_policy(node: &Node, path: &str, report: &mut Report) -> Option<FailurePolicy> {
    let known = |(name, _): &&(&str, FailurePolicy)| node.as_str() == Some(*name);
    match FailurePolicy::NAMES.iter().find(known) {
        Some((_, policy)) => Some(*policy),
        None => {
            let expected = "`infeasible`, `fail`, `retry`, `retry_elsewhere` or `stop`";
            wrong_type(node, path, expected, report)
        }
    }
}
