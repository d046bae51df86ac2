//! Asks for configurations and tells what came of them, in a program of your own:
//! `cargo run --release -p automl --example ask_tell`.
//!
//! The study is kept below `studies/`: run it again and it goes on, interrupt it and nothing told is lost.

#![expect(clippy::print_stdout, reason = "an example talks to its user")]

use automl::{Answer, AskTell, Place, StudyRequest, Told};
use automl_core::{Condition, Distribution, Objective, ParamValue, Parameter, Params, SearchSpace};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut depth = Parameter::new("depth", Distribution::int(1, 32));
    depth.conditions =
        vec![Condition { parent: "model".into(), values: vec![ParamValue::Text("forest".into())] }];
    let model = Parameter::new("model", Distribution::choice(&["forest", "line"]));
    let rate = Parameter::new("rate", Distribution::log_float(1e-4, 1.0));
    let space = SearchSpace::try_from(vec![model, depth, rate])?;

    let mut request = StudyRequest::new(space, vec![Objective::minimize("loss")]);
    request.name = Some("embedded".into());
    request.max_trials = Some(30);
    let mut study = AskTell::create(&Place::Folder("studies".into()), request)?;
    while let Answer::Trials(trials) = study.ask(1, Some("this program"))? {
        for trial in trials {
            study.tell(trial.trial, Told::value(loss(&trial.params)))?;
        }
    }
    let best = study.study().incumbent().ok_or("no trial succeeded")?;
    println!("trial {}: {} -> {:?}", best.id, best.params, best.value());
    Ok(())
}

/// In place of a training.
fn loss(params: &Params) -> f64 {
    let number = |name: &str| params.get(name).and_then(ParamValue::as_f64);
    let depth = number("depth").map_or(1.0, |depth| (depth - 11.0).abs() / 32.0);
    depth + (number("rate").unwrap_or(1.0).log10() + 2.0).powi(2)
}
