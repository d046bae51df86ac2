//! From words to tables.

use crate::arguments::peers;
use crate::arguments::{Arguments, HELP, Request};
use crate::asker::OWN;
use crate::results::Run;
use crate::subject::Kind;
use crate::training::ALGORITHMS;
use crate::{jobs, report, results};
use automl_testkit::problems::CurveDefinition;
use std::fs::File;
use std::io::{self, Write};

/// Does what the words after the program's name ask for.
pub(crate) fn run(words: impl IntoIterator<Item = String>) -> Result<(), String> {
    match Arguments::parse(words)? {
        Request::Help => show(HELP)?,
        Request::List => show(&list())?,
        Request::Run(arguments) => compare(&arguments)?,
    }
    Ok(())
}

/// Prints; a reader that has seen enough and left is no error.
fn show(text: &str) -> Result<(), String> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(why) if why.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot print: {why}")),
        _ => Ok(()),
    }
}

fn list() -> String {
    let own: Vec<_> = OWN.iter().map(|(name, _)| *name).collect();
    let names = |kind| peers(kind).iter().map(|peer| peer.name).collect::<Vec<_>>().join(", ");
    let algorithms = ALGORITHMS.map(|algorithm| algorithm.to_string());
    let mut text = format!("own         {}\npeers       {}\n", own.join(", "), names(Kind::Problems));
    text += &format!("on curves   {}\n", algorithms.join(", "));
    text += &format!("            {} (peers)\n", names(Kind::Curves));
    text += &format!("objectives  {} (peers)\n", names(Kind::Objectives));
    let kinds = [("problems", Kind::Problems), ("curves", Kind::Curves), ("objectives", Kind::Objectives)];
    for (title, kind) in kinds {
        text += &format!("\n{title}\n");
        for subject in kind.subjects() {
            let (family, name, dimension) = (subject.family(), subject.name(), subject.dimension());
            text += &format!("  {family:13}  {name:24} {dimension:2} parameters\n");
        }
    }
    text
}

fn compare(arguments: &Arguments) -> Result<(), String> {
    let mut earlier = Vec::new();
    for path in &arguments.compare {
        earlier.extend(results::read(path, arguments.evaluations)?);
    }
    let baseline = chosen("--baseline", arguments.baseline.as_ref(), arguments, &earlier)?;
    let reach = arguments.reach.as_ref();
    let reach = reach.map(|_| chosen("--reach", reach, arguments, &earlier)).transpose()?;
    if let Some(path) = &arguments.output {
        // Found out now rather than after hours of runs.
        let writable = File::options().append(true).create(true).open(path);
        writable.map_err(|why| format!("cannot write {}: {why}", path.display()))?;
    }
    let mut runs = jobs::run_all(arguments)?;
    if let Some(path) = &arguments.output {
        results::write(path, arguments.evaluations, &runs)?;
    }
    runs.extend(earlier);
    let unit = match arguments.kind {
        Kind::Problems => report::Unit::Trials,
        Kind::Curves => report::Unit::Trainings(CurveDefinition::EPOCHS),
        Kind::Objectives => report::Unit::Volumes,
    };
    let request = report::Request {
        evaluations: arguments.evaluations,
        unit,
        baseline,
        reach,
        by_problem: arguments.by_problem,
    };
    show(&report::render(&runs, &request)?)
}

/// The sampler that an option names, or the first, known before hours are spent on runs.
fn chosen(
    option: &str,
    wanted: Option<&String>,
    arguments: &Arguments,
    earlier: &[Run],
) -> Result<String, String> {
    let wanted = wanted.or(arguments.samplers.first()).cloned().unwrap_or_default();
    let known = arguments.samplers.contains(&wanted) || earlier.iter().any(|run| run.sampler == wanted);
    if known { Ok(wanted) } else { Err(format!("{option} {wanted} is none of the samplers compared")) }
}
