//! From words to tables.

use crate::arguments::{Arguments, HELP, Request};
use crate::asker::{OWN, PEERS};
use crate::results::Run;
use crate::subject::Subject;
use crate::training::ALGORITHMS;
use crate::{jobs, report, results};
use automl_testkit::problems::{CurveDefinition, curve_definitions, definitions};

/// Does what the words after the program's name ask for.
pub(crate) fn run(words: impl IntoIterator<Item = String>) -> Result<(), String> {
    match Arguments::parse(words)? {
        Request::Help => print!("{HELP}"),
        Request::List => list(),
        Request::Run(arguments) => compare(&arguments)?,
    }
    Ok(())
}

fn list() {
    let own: Vec<_> = OWN.iter().map(|(name, _)| *name).collect();
    let peers: Vec<_> = PEERS.iter().map(|peer| peer.name).collect();
    let algorithms = ALGORITHMS.map(|algorithm| algorithm.to_string());
    println!("own         {}\npeers       {}", own.join(", "), peers.join(", "));
    println!("on curves   {}\n", algorithms.join(", "));
    let problems = definitions().into_iter().map(Subject::Problem);
    let curves = curve_definitions().into_iter().map(Subject::Curves);
    for (title, subjects) in [("problems", problems.collect::<Vec<_>>()), ("curves", curves.collect())] {
        println!("{title}");
        for subject in subjects {
            println!("  {:13}  {:24} {:2} parameters", subject.family(), subject.name(), subject.dimension());
        }
    }
}

fn compare(arguments: &Arguments) -> Result<(), String> {
    let mut earlier = Vec::new();
    for path in &arguments.compare {
        earlier.extend(results::read(path, arguments.evaluations)?);
    }
    let baseline = baseline(arguments, &earlier)?;
    let mut runs = jobs::run_all(arguments)?;
    if let Some(path) = &arguments.output {
        results::write(path, arguments.evaluations, &runs)?;
    }
    runs.extend(earlier);
    let unit = if arguments.curves {
        report::Unit::Trainings(CurveDefinition::EPOCHS)
    } else {
        report::Unit::Trials
    };
    let request = report::Request {
        evaluations: arguments.evaluations,
        unit,
        baseline,
        by_problem: arguments.by_problem,
    };
    print!("{}", report::render(&runs, &request)?);
    Ok(())
}

/// The sampler to pair with, known before hours are spent on runs.
fn baseline(arguments: &Arguments, earlier: &[Run]) -> Result<String, String> {
    let wanted = arguments.baseline.as_ref().or(arguments.samplers.first()).cloned().unwrap_or_default();
    let known = arguments.samplers.contains(&wanted) || earlier.iter().any(|run| run.sampler == wanted);
    if known { Ok(wanted) } else { Err(format!("--baseline {wanted} is none of the samplers compared")) }
}
