//! From words to tables.

use crate::arguments::{Arguments, HELP, Request};
use crate::asker::{OWN, PEERS};
use crate::{jobs, report, results};
use automl_testkit::problems::definitions;

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
    println!("own      {}\npeers    {}\n", own.join(", "), peers.join(", "));
    for definition in definitions() {
        let problem = definition.instance(1);
        let count = problem.space.parameters().len();
        println!("{:11}  {:16}  {count:2} parameters", definition.family, definition.name);
    }
}

fn compare(arguments: &Arguments) -> Result<(), String> {
    let mut earlier = Vec::new();
    for path in &arguments.compare {
        earlier.extend(results::read(path)?);
    }
    let mut runs = jobs::run_all(arguments)?;
    if let Some(path) = &arguments.output {
        results::write(path, arguments.evaluations, &runs)?;
    }
    runs.extend(earlier);
    let baseline = arguments.baseline.clone().or_else(|| arguments.samplers.first().cloned());
    let request = report::Request {
        evaluations: arguments.evaluations,
        baseline: baseline.unwrap_or_default(),
        by_problem: arguments.by_problem,
    };
    print!("{}", report::render(&runs, &request)?);
    Ok(())
}
