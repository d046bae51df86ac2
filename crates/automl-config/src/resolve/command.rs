//! A request for any program into a study recipe.

use super::{StudyRecipe, metric, secrets};
use crate::files;
use crate::grammar::ShortForm;
use crate::pattern::Pattern;
use crate::problem::{Code, Position, Problem, Problems, Report, Severity};
use crate::recipe::{
    CheckpointRule, MetricRules, Parts, Placeholder, Segment, SuccessRule, Template, TrialRecipe,
    UploadRules, env_name, wrong_stop_file,
};
use crate::request::CommandRequest;
use crate::space_file::read_space;
use crate::spec::{holds_login, is_secret};
use automl_core::{Distribution, Parameter, SearchSpace, SpaceProblem};
use std::collections::BTreeMap;

/// Checkpoint names that are assumed of a program that takes `{resume}` and says no more.
const USUAL_CHECKPOINTS: &str = r"(?i)(^|/)[^/]*(checkpoint|ckpt)[^/]*$";

/// Checks a request.
///
/// # Errors
/// Every problem found in parameters, the space file, the metric and the arguments.
pub fn resolve_command(request: &CommandRequest) -> Result<StudyRecipe, Problems> {
    let mut notes = Vec::new();
    let mut problems = Vec::new();
    let parameters = read_parameters(request, &mut notes, &mut problems);
    check_variables(&parameters, &mut problems);
    let mut argv = read_argv(request, &parameters, &mut problems);
    let secrets = secrets::of_arguments(&mut argv, &mut notes);
    note_unused(&argv, &parameters, &mut notes);
    note_two_numbers(&parameters, &mut notes);
    let checkpoints = read_checkpoints(request, &argv, &mut notes, &mut problems);
    note_fidelity(request, &argv, &mut notes);
    let line_patterns = read_line_patterns(&request.line_patterns, &mut problems);

    let mut report = Report::new(format!("--metric '{}'", request.metric));
    let objective = metric::for_command(&request.metric, &mut notes, &mut report);
    problems.extend(report.into_problems());
    if request.max_fidelity == Some(0) {
        problems.push(Problem::plain(
            "--max-fidelity",
            "",
            Code::BadValue,
            "the fidelity of a full run must be at least 1",
        ));
    }
    if let Some(why) = request.stop_file.as_deref().and_then(wrong_stop_file) {
        problems.push(Problem::plain("--stop-file", "", Code::BadValue, why));
    }
    let space = SearchSpace::new(parameters).map_err(|found| {
        let news: Vec<Problem> = found.iter().filter_map(|p| space_problem(p, &problems)).collect();
        problems.extend(news);
    });

    let (warnings, errors): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|p| p.severity == Severity::Warning);
    let (Ok(space), Some(objective), true) = (space, objective, errors.is_empty()) else {
        return Err(Problems(errors.into_iter().chain(warnings).collect()));
    };
    notes.extend(warnings.iter().map(Problem::note));
    let metrics = MetricRules {
        monitoring: objective.metric.clone(),
        available: Vec::new(),
        patterns: Vec::new(),
        line_patterns,
    };
    Ok(StudyRecipe {
        space,
        objective,
        further_objectives: Vec::new(),
        full_fidelity: request.max_fidelity.unwrap_or(1),
        fidelity_unit: fidelity_unit(request),
        resumable: checkpoints.is_some(),
        silence_limit_ms: None,
        notes,
        trial: TrialRecipe {
            argv,
            environment: Vec::new(),
            workdir: None,
            spec: None,
            leaves: Vec::new(),
            logs: request.logs.clone(),
            checkpoints,
            fidelity_parts: request
                .fidelity
                .as_ref()
                .map_or(Parts::default(), |fidelity| Parts(fidelity.parts)),
            stop_file: request.stop_file.clone(),
            error_patterns: Vec::new(),
            metrics,
            success: SuccessRule::default(),
            adapter: None,
            package: None,
            job: None,
            container: None,
            downloads: Vec::new(),
            upload_rules: UploadRules::default(),
            upload_to: None,
            secrets,
        },
    })
}

/// What the fidelity counts: as named, epochs where there are several, else whole runs.
fn fidelity_unit(request: &CommandRequest) -> String {
    match (&request.fidelity, request.max_fidelity) {
        (Some(fidelity), _) => fidelity.to_string(),
        (None, Some(_)) => "epoch".into(),
        (None, None) => "run".into(),
    }
}

pub(super) fn read_line_patterns(texts: &[String], problems: &mut Vec<Problem>) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for text in texts {
        match Pattern::new(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(message) => {
                let flag = format!("--metric-pattern '{text}'");
                problems.push(Problem::plain(&flag, "", Code::BadValue, message));
            }
        }
    }
    patterns
}

/// Parameters are recorded and shown everywhere; a secret must not become one.
fn refuse_secret(parameter: &Parameter, report: &mut Report) {
    let values = serde_json::to_value(&parameter.distribution).unwrap_or_default();
    let what = match (is_secret(&parameter.name), holds_login(&values)) {
        (true, _) => "sounds like a secret",
        (false, true) => "has a URL with a login among its values",
        (false, false) => return,
    };
    let message = format!("`{}` {what}, and parameters are recorded in clear", parameter.name);
    report
        .error(Position::in_flag(1), "", Code::BadValue, message)
        .hint("set it as an environment variable of its own before calling automl; trials inherit it");
}

fn read_parameters(
    request: &CommandRequest,
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Vec<Parameter> {
    let mut parameters = Vec::new();
    if let Some(path) = &request.space {
        let (node, mut report) = files::read_tree(path);
        if let Some(node) = node {
            parameters = read_space(&node, notes, &mut report);
        }
        problems.extend(report.into_problems());
    }
    for text in &request.params {
        let mut report = Report::new(format!("--param '{text}'"));
        match ShortForm::parse(text) {
            Ok(parsed) => {
                let (parameter, note) = parsed.to_parameter();
                check_parameter(&parsed, &parameter, &mut report);
                refuse_secret(&parameter, &mut report);
                notes.extend(note);
                parameters
                    .retain(|known| known.name != parameter.name || is_flag_twice(request, text, known));
                parameters.push(parameter);
            }
            Err(error) => {
                let at = Position::in_flag(error.column);
                report.error(at, "", Code::Syntax, error.message).hint(error.hint);
            }
        }
        problems.extend(report.into_problems());
    }
    if parameters.is_empty() && problems.is_empty() {
        let problem = Problem::plain("--param", "", Code::MissingKey, "there is nothing to search");
        problems.push(problem.with_hint("declare a parameter, for example --param 'lr=1e-5..1e-1:log'"));
    }
    parameters
}

/// A flag wins over the space file; two flags of one name are a mistake, left for the space to report.
fn is_flag_twice(request: &CommandRequest, text: &str, known: &Parameter) -> bool {
    let names = request.params.iter().take_while(|other| *other != text);
    names.filter_map(|other| other.split_once('=')).any(|(name, _)| name.trim() == known.name)
}

fn check_parameter(parsed: &ShortForm, parameter: &Parameter, report: &mut Report) {
    if let Err(error) = parameter.distribution.validate() {
        report.error(Position::in_flag(parsed.domain_at), &parsed.name, Code::BadBounds, error.to_string());
    } else if let Some(default) = parameter.default.as_ref().filter(|d| !parameter.distribution.contains(d)) {
        let message = format!("default {default} is not an allowed value");
        report.error(Position::in_flag(parsed.default_at), &parsed.name, Code::BadValue, message);
    }
}

/// Returns a problem of the whole space, unless the parameter's own flag was blamed for it already.
fn space_problem(problem: &SpaceProblem, known: &[Problem]) -> Option<Problem> {
    let blamed = match problem {
        SpaceProblem::Distribution { name, .. } | SpaceProblem::DefaultOutside { name, .. } => {
            known.iter().any(|p| p.path == *name)
        }
        _ => false,
    };
    (!blamed).then(|| Problem::plain("--param", "", Code::BadBounds, problem.to_string()))
}

/// Two parameters must not end up in one environment variable.
fn check_variables(parameters: &[Parameter], problems: &mut Vec<Problem>) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for parameter in parameters {
        let variable = env_name(&parameter.name);
        match seen.insert(variable.clone(), &parameter.name) {
            Some(other) if other != parameter.name => {
                let message = format!(
                    "`{other}` and `{}` would share the variable AUTOML_PARAM_{variable}",
                    parameter.name
                );
                problems.push(
                    Problem::plain("--param", "", Code::BadValue, message).with_hint("rename one of them"),
                );
            }
            _ => {}
        }
    }
}

fn read_argv(
    request: &CommandRequest,
    parameters: &[Parameter],
    problems: &mut Vec<Problem>,
) -> Vec<Template> {
    // A parameter with a mistake in it is blamed once, for the mistake.
    let declared = request.params.iter().filter_map(|text| Some(text.split_once('=')?.0.trim()));
    let mut names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
    let missing: Vec<&str> = declared.filter(|name| !names.contains(name)).collect();
    names.extend(missing);
    if request.argv.first().is_none_or(|program| program.is_empty()) {
        let problem = Problem::plain("command", "", Code::MissingKey, "there is no program to run");
        problems.push(problem.with_hint("give it after `--`"));
    }
    let mut argv = Vec::with_capacity(request.argv.len());
    for text in &request.argv {
        match Template::parse(text, &names) {
            Ok(template) => argv.push(template),
            Err(error) => {
                let mut report = Report::new(format!("argument '{text}'"));
                let at = Position::in_flag(error.column);
                report.error(at, "", Code::UnknownName, error.message).hint(error.hint);
                problems.extend(report.into_problems());
            }
        }
    }
    argv
}

/// `x=0..1` means the whole numbers 0 and 1, and is often meant as the interval.
fn note_two_numbers(parameters: &[Parameter], notes: &mut Vec<String>) {
    for parameter in parameters {
        if let Distribution::Int { low: 0, high: 1, .. } = parameter.distribution {
            let name = &parameter.name;
            notes.push(format!(
                "{name}: only the whole numbers 0 and 1; write {name}=0.0..1.0 for what lies between"
            ));
        }
    }
}

/// Programs may read their parameters elsewhere, so this is no error.
fn note_unused(argv: &[Template], parameters: &[Parameter], notes: &mut Vec<String>) {
    let files = [Placeholder::Config, Placeholder::ConfigYaml];
    if argv.iter().any(|template| files.iter().any(|file| template.uses(*file))) {
        return;
    }
    for parameter in parameters {
        let used = Segment::Param(parameter.name.clone());
        if !argv.iter().any(|template| template.segments().contains(&used)) {
            let variable = env_name(&parameter.name);
            notes.push(format!(
                "{}: no argument uses it; the program must read AUTOML_PARAM_{variable} or the file AUTOML_CONFIG",
                parameter.name
            ));
        }
    }
}

fn read_checkpoints(
    request: &CommandRequest,
    argv: &[Template],
    notes: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> Option<CheckpointRule> {
    let takes_resume = argv.iter().any(|template| template.uses(Placeholder::Resume));
    let text = match (&request.checkpoints, takes_resume) {
        (Some(text), _) => text.as_str(),
        (None, true) => {
            notes.push("{resume}: files named `checkpoint` or `ckpt` are taken for checkpoints".into());
            USUAL_CHECKPOINTS
        }
        (None, false) => return None,
    };
    match Pattern::new(text) {
        Ok(pattern) => Some(CheckpointRule::new(pattern, 1)),
        Err(why) => {
            problems.push(Problem::plain(format!("--checkpoints '{text}'"), "", Code::BadValue, why));
            None
        }
    }
}

fn note_fidelity(request: &CommandRequest, argv: &[Template], notes: &mut Vec<String>) {
    let takes_fidelity = argv.iter().any(|template| template.uses(Placeholder::Fidelity));
    if request.max_fidelity.is_some_and(|f| f > 1) && !takes_fidelity {
        notes.push(
            "no argument uses {fidelity}; the program must read AUTOML_FIDELITY to know when to stop".into(),
        );
    }
}
